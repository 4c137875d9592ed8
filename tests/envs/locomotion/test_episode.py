"""Reward, ends and what counts as cleared, through the environment."""

from __future__ import annotations

import numpy as np
import pytest

from rlkit.envs.locomotion.bodies import BODIES
from rlkit.envs.locomotion.fixed import fixed_course
from rlkit.envs.locomotion.metrics import CAUSES

from .batches import ALL_BODIES, make, move, no_actions, observed, random_actions, topple


@pytest.mark.parametrize("body", ALL_BODIES)
def test_reward_is_the_formula_of_the_manual(body: str) -> None:
    weights = {"forward": 0.7, "speed_limit_ms": 0.2, "alive": 0.3, "upright": 0.2, "action": 0.1}
    weights |= {"centre": 0.4, "drift": 0.6}
    envs = make(4, body=body, terrain="flat", reward=weights)
    root = envs._pose.place
    for actions in random_actions(envs, 8):
        before = root[:, 0].copy()
        _, rewards, terminations, _, _ = envs.step(actions)
        assert not terminations.any()
        for row, place in enumerate(root):
            data = envs._simulation.mujoco_data(row)
            up = data.body(BODIES[body].root).xmat[8]
            speed = np.clip((place[0] - before[row]) / envs.setup.body.step_s, -0.2, 0.2)
            across = 0.0 if body == "walker" else data.joint("root").qvel[1]
            expected = 0.7 * speed + 0.3 + 0.2 * up - 0.1 * (actions[row].astype(float) ** 2).sum()
            expected -= 0.4 * place[1] ** 2 + 0.6 * across**2
            assert rewards[row] == pytest.approx(expected, abs=1e-9)


def test_a_step_that_ends_in_a_fall_has_no_bonus_for_life() -> None:
    envs = make(2, terrain="flat", seed=[0, 0], reward={"alive": 5.0})
    topple(envs, row=1)
    _, rewards, terminations, _, info = envs.step(no_actions(envs))
    assert terminations.tolist() == [False, True] and CAUSES[info["cause"][1]] == "fall"
    assert rewards[0] > 4.0 and rewards[1] < 1.0


@pytest.mark.parametrize("body", ALL_BODIES)
def test_lying_on_the_side_is_a_fall_wherever_it_happens(body: str) -> None:
    """Heights are above the terrain: on a platform a body falls as it does on the ground."""
    course = fixed_course("platforms", [0.3], half_width_m=BODIES[body].limits.half_width_m)
    for x, top in ((0.0, 0.0), (3.5, 0.3)):
        envs = make(body=body, terrain="platforms", seed=2)
        envs.reset(options={"course": course})
        move(envs, x=x, z=top)
        assert not envs.step(no_actions(envs))[2].any()
        topple(envs)
        _, _, terminations, _, info = envs.step(no_actions(envs))
        assert terminations.all() and CAUSES[info["cause"][0]] == "fall"


def test_causes_of_ends_are_told_apart() -> None:
    envs = make(3, body="quadruped", terrain="gaps", curriculum="none", seed=1)
    gap = envs.get_course(0).obstacles[-1]
    move(envs, x=0.5 * (gap.start_m + gap.end_m), z=-1.0, row=0)
    move(envs, y=2.6, row=1)
    _, _, terminations, truncations, info = envs.step(no_actions(envs))
    assert terminations.tolist() == [True, True, False] and not truncations.any()
    assert [CAUSES[cause] for cause in info["cause"]] == ["pit", "off_track", "none"]
    assert info["fell"].tolist() == [True, True, False]


@pytest.mark.parametrize("body", ["walker", "quadruped"])
def test_an_obstacle_is_cleared_half_a_second_after_the_feet_are_past_it(body: str) -> None:
    course = fixed_course("hurdles", [0.1, 0.2, 0.15], half_width_m=BODIES[body].limits.half_width_m)
    envs = make(body=body, reward={"speed_limit_ms": 0.0})
    envs.reset(options={"course": course})
    second = course.obstacles[1]
    move(envs, x=second.end_m + 1.2)
    held = int(np.ceil(0.5 / envs.setup.body.step_s))
    for step in range(held + 1):
        _, _, ended, _, info = envs.step(no_actions(envs))
        assert not ended.any()
        assert info["cleared"][0] == (2 if step >= held else 0)
    topple(envs)
    info = envs.step(no_actions(envs))[-1]
    assert info["fell"][0] and info["hurdle_cleared"][0] == 2 and info["obstacles"][0] == 3
    assert info["tallest_hurdle_m"][0] == 0.2 and info["gap_cleared"][0] == 0


def test_who_falls_behind_a_hurdle_has_not_cleared_it() -> None:
    envs = make()
    envs.reset(options={"course": fixed_course("hurdles", [0.1, 0.1])})
    move(envs, x=3.15 + 1.0)
    envs.step(no_actions(envs))
    for _ in range(8):
        envs.step(no_actions(envs))
    topple(envs)
    info = envs.step(no_actions(envs))[-1]
    assert info["fell"][0] and info["cleared"][0] == 0 and info["tallest_hurdle_m"][0] == 0.0
    assert info["distance_m"][0] > 4.0


def test_feet_must_be_past_an_obstacle_not_the_torso() -> None:
    envs = make()
    envs.reset(options={"course": fixed_course("hurdles", [0.1])})
    move(envs, x=3.2)  # the torso is beyond 3.15 m, the heels are not
    held = int(np.ceil(0.5 / envs.setup.body.step_s))
    for _ in range(held + 1):
        info = envs.step(no_actions(envs))[-1]
    assert info["distance_m"][0] > 3.15 and info["cleared"][0] == 0


def test_the_finish_line_truncates_and_is_a_success() -> None:
    course = fixed_course("gaps", [0.2, 0.3])
    envs = make(2, terrain="gaps", seed=[4, 4])
    envs.reset(options={"course": course})
    move(envs, x=course.length_m + 1.0, row=1)
    _, rewards, terminations, truncations, info = envs.step(no_actions(envs))
    assert truncations.tolist() == [False, True] and not terminations.any()
    assert info["is_success"].tolist() == [False, True] and not info["fell"].any()
    assert info["gap_cleared"].tolist() == [0, 2]  # without waiting: there is nothing to fall on any more
    assert info["widest_gap_m"][1] == pytest.approx(0.3)
    assert info["course_share"][1] == 1.0 and rewards[1] > 0


def test_distance_is_the_farthest_and_speed_its_mean() -> None:
    envs = make(terrain="flat", episode_s=0.16)
    move(envs, x=2.0)
    envs.step(no_actions(envs))
    move(envs, x=-1.5)
    for _ in range(9):
        _, _, terminations, truncations, info = envs.step(no_actions(envs))
    assert truncations.all() and not terminations.any()
    assert info["distance_m"][0] == pytest.approx(2.0, abs=0.1)
    assert info["speed_ms"][0] == pytest.approx(info["distance_m"][0] / 0.16)
    assert observed(envs, "speed_x") < 1.0
