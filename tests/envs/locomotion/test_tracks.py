"""Which courses episodes run."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from rlkit.envs.locomotion.course import Course
from rlkit.envs.locomotion.fixed import fixed_course
from rlkit.errors import UsageError

from .batches import make, no_actions

EASY = fixed_course("hurdles", [0.05, 0.1])
ROUGH = make(terrain="rough", seed=2).get_course()


def test_every_episode_has_a_new_course_and_the_seed_decides_which() -> None:
    one, two = make(3, seed=5), make(3, seed=5)
    courses = []
    for _ in range(3):
        courses += [one.get_course(row) for row in range(3)]
        assert courses[-3:] == [two.get_course(row) for row in range(3)]
        one.reset()
        two.reset()
    assert all(a != b for k, a in enumerate(courses) for b in courses[:k])
    one.reset(seed=5)
    assert [one.get_course(row) for row in range(3)] == courses[:3]


def test_what_a_body_does_has_no_say_in_its_next_course() -> None:
    """Two agents that are judged with one seed run the same courses, however long their episodes last."""
    short, long = make(2, seed=8), make(2, seed=8)
    for _ in range(20):
        long.step(no_actions(long))
    for envs in (short, long):
        envs.reset()
    assert short.get_course(1) == long.get_course(1)


def test_a_course_can_be_given_and_holds_for_one_episode() -> None:
    envs = make(3)
    drawn = envs.get_course(1)
    envs.reset(seed=0, options={"course": [EASY, None, EASY]})
    assert envs.get_course(0) == envs.get_course(2) == EASY and envs.get_course(1) == drawn
    envs.reset(options={"course": EASY, "reset_mask": np.array([False, True, False])})
    assert envs.get_course(1) == EASY
    envs.reset()
    assert EASY not in [envs.get_course(row) for row in range(3)]


def test_a_course_can_be_given_as_file_or_mapping(tmp_path) -> None:
    path = tmp_path / "easy.json"
    path.write_text(EASY.to_json())
    envs = make()
    envs.reset(options={"course": str(path)})
    assert envs.get_course() == EASY
    envs = make(2, course={"format": 1, "length_m": 9.0, "half_width_m": 2.0, "terrain": "flat", "obstacles": []})
    for _ in range(2):
        assert [envs.get_course(row).length_m for row in range(2)] == [9.0, 9.0]
        envs.reset()


def test_a_course_seed_fixes_the_course_and_not_the_start() -> None:
    one, two = make(2, course_seed=3, seed=0), make(2, course_seed=3, seed=1)
    courses = [envs.get_course(row) for envs in (one, two) for row in range(2)]
    one.reset()
    assert all(course == one.get_course() for course in courses)
    assert (one.observe()[0][0] != one.observe()[0][1]).any()
    assert make(course_seed=4).get_course() != courses[0]


def test_rough_courses_need_height_fields() -> None:
    with pytest.raises(UsageError, match="terrain='rough'"):
        make().reset(options={"course": ROUGH})
    envs = make(course=ROUGH)
    assert envs.get_course() == ROUGH and envs.terrain_height(20.3) > 0.0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"corse": EASY}, "did you mean 'course'"),
        ({"course": [EASY]}, "a list of 3"),
        ({"course": 3}, "a list of 3"),
        ({"course": {"format": 9}}, "format 1"),
        ({"course": fixed_course("hurdles", [0.9])}, "cannot be passed"),
        ({"course": "/nowhere.json"}, "cannot read a course"),
    ],
)
def test_bad_options_are_refused_and_leave_episodes_alone(options: dict[str, Any], message: str) -> None:
    envs = make(3)
    envs.step(no_actions(envs))
    before = envs.get_state()
    with pytest.raises(UsageError, match=message):
        envs.reset(seed=9, options=options)
    after = envs.get_state()
    np.testing.assert_array_equal(before["streams"], after["streams"])
    np.testing.assert_array_equal(
        before["task"]["simulation"]["integration"], after["task"]["simulation"]["integration"]
    )
    assert isinstance(envs.get_course(), Course)
