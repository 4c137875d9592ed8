from __future__ import annotations

from typing import Any

import gymnasium
import pytest

from rlkit.envs.locomotion.bodies import Servo
from rlkit.envs.locomotion.fixed import fixed_course
from rlkit.envs.locomotion.task import Task, set_up
from rlkit.errors import UsageError


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"terain": "flat"}, "did you mean 'terrain'"),
        ({"body": "humanoit"}, "did you mean 'humanoid'"),
        ({"terrain": "hurdle"}, "did you mean 'hurdles'"),
        ({"body": "walker", "terrain": "slalom"}, "slalom"),
        ({"difficulty": 1.5}, "difficulty is a number from 0 to 1"),
        ({"difficulty": float("nan")}, "difficulty"),
        ({"curriculum": "adaptiv"}, "did you mean 'adaptive'"),
        ({"course_seed": -1}, "course_seed"),
        ({"episode_s": 0}, "episode_s"),
        ({"limits": {"hurdle_heigth_m": [0.1, 0.2]}}, "did you mean 'hurdle_height_m'"),
        ({"limits": [0.1, 0.2]}, "limits is None or a mapping"),
        ({"reward": {"foward": 1.0}}, "did you mean 'forward'"),
        ({"conditions": {"frction": 1.0}}, "did you mean 'friction'"),
        ({"threads": 0}, "threads"),
        ({"servo": {"stifness_nm": 400}}, "did you mean 'stiffness_nm'"),
        ({"falls": {"min_hight_m": 0.3}}, "did you mean 'min_height_m'"),
        ({"falls": {"start_noise": 0.3}}, "falls has no 'start_noise'"),
        ({"falls": {"max_tilt_rad": -1.0}}, "max_tilt_rad of a body"),
        ({"servo": {}}, "servo needs stiffness_nm"),
        ({"servo": 400}, "servo is None or a mapping"),
        ({"servo": {"stiffness_nm": 0}}, "stiffness_nm of a servo is a finite number"),
        ({"servo": {"stiffness_nm": 400, "damping_nms": -1}}, "damping_nms of a servo"),
        ({"servo": {"stiffness_nm": 400}, "conditions": {"gear": 0.5}}, "gear of conditions"),
        ({"course": fixed_course("hurdles", [0.1]), "course_seed": 1}, "give one of them"),
        ({"course": fixed_course("hurdles", [0.8])}, "cannot be passed"),
    ],
)
def test_bad_arguments_are_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        gymnasium.make("rlkit/ObstacleCourse-v0", **arguments)


def test_changes_are_changes_to_the_body() -> None:
    setup = set_up(Task(body="quadruped", limits={"gap_length_m": [0.2, 0.4]}, reward={"action": 0.0}, episode_s=2.0))
    assert setup.body.limits.gap_length_m == (0.2, 0.4) and setup.body.limits.half_width_m == 2.5
    assert setup.body.reward.action == 0.0 and setup.body.reward.speed_limit_ms == 4.0
    assert setup.episode_steps == 40
    setup = set_up(Task(body="quadruped", falls={"min_height_m": 0.35}, servo={"stiffness_nm": 400}))
    assert setup.body.min_height_m == 0.35 and setup.body.max_tilt_rad == 1.4
    assert setup.body.servo == Servo(stiffness_nm=400)


def test_limits_are_where_courses_are_drawn_from() -> None:
    env = gymnasium.make("rlkit/ObstacleCourse-v0", limits={"hurdle_height_m": [0.1, 0.12]}, curriculum="none")
    env.reset(seed=0)
    heights = [o.height_m for o in env.unwrapped.get_course().obstacles]
    assert heights and all(0.1 <= height <= 0.12 for height in heights)
