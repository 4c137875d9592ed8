"""Courses as data: nothing is lost on the way to JSON and back, and what cannot be used is refused with a reason."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rlkit.envs.locomotion.course import Course, as_course, get_course, put_course
from rlkit.envs.locomotion.courses import courses_state, new_courses
from rlkit.envs.locomotion.fixed import fixed_course
from rlkit.envs.locomotion.limits import ANT_LIMITS, WALKER_LIMITS, CourseLimits
from rlkit.errors import UsageError

from .terrain_models import BODIES, PAIRS, difficulties, draw, keys, obstacles_of

HURDLE = {"kind": "hurdle", "start_m": 3.0, "end_m": 3.2, "height_m": 0.3}
GAP = {"kind": "gap", "start_m": 6.0, "end_m": 6.5}
PLATFORM = {"kind": "platform", "start_m": 9.0, "end_m": 10.0, "height_m": 1.4, "underside_m": 1.3}
STAIRS = {"kind": "stairs", "start_m": 13.0, "end_m": 15.0, "height_m": 0.1, "steps": 3, "tread_m": 0.3}
WALL = {"kind": "wall", "start_m": 3.0, "end_m": 3.4, "height_m": 1.0, "y_min_m": -0.8, "y_max_m": 0.9}
ROUGH = {"kind": "rough", "start_m": 3.0, "end_m": 47.0, "height_m": 0.2}


def mapping(*obstacles: dict[str, Any], **head: Any) -> dict[str, Any]:
    return {"format": 1, "length_m": 50.0, **head, "obstacles": list(obstacles)}


@settings(deadline=None)
@given(pair=st.sampled_from(PAIRS), key=keys, difficulty=difficulties, along=st.booleans())
def test_a_drawn_course_comes_back_from_json_to_the_last_bit(pair, key, difficulty, along) -> None:  # type: ignore[no-untyped-def]
    drawn = draw(BODIES[pair[0]], pair[1], key, difficulty=difficulty, along=along)
    course = get_course(drawn, 0)
    read = Course.from_json(course.to_json())
    assert read == course
    others = draw(BODIES[pair[0]], "stairs", key)  # what was there before must not show
    put_course(others, 0, read)
    before, after = courses_state(drawn), courses_state(others)
    for name in set(before) - {"obstacles"}:
        np.testing.assert_array_equal(before[name], after[name])
    np.testing.assert_array_equal(obstacles_of(drawn), obstacles_of(others))


def test_json_is_readable_one_obstacle_a_line_with_what_its_kind_has() -> None:
    text = Course.from_mapping(mapping(HURDLE, GAP)).to_json()
    lines = text.splitlines()
    assert '    {"kind": "hurdle", "start_m": 3.0, "end_m": 3.2, "height_m": 0.3},' in lines
    assert '    {"kind": "gap", "start_m": 6.0, "end_m": 6.5}' in lines
    assert json.loads(text)["format"] == 1


def test_every_kind_can_be_written_by_hand() -> None:
    course = Course.from_mapping(mapping(HURDLE, GAP, PLATFORM, STAIRS))
    assert [obstacle.kind for obstacle in course.obstacles] == ["hurdle", "gap", "platform", "stairs"]
    assert course.checked(WALKER_LIMITS) is course
    assert Course.from_mapping(mapping(ROUGH, terrain="rough", field=3)).checked(WALKER_LIMITS).field == 3
    assert Course.from_mapping(mapping(WALL, terrain="slalom")).checked(ANT_LIMITS).obstacles[0].y_max_m == 0.9


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        ([], "expected keys and values"),
        (mapping(HURDLE) | {"format": 2}, "reads format 1, got 2"),
        ({"obstacles": []}, "reads format 1, got None"),
        (mapping(lenght_m=3.0), "no key 'lenght_m': did you mean 'length_m'"),
        (mapping(terrain="hurdle"), "no terrain 'hurdle': did you mean 'hurdles'"),
        (mapping(terrain="mixture"), "no terrain 'mixture'"),
        (mapping(length_m=float("nan")), "length_m is a finite number"),
        (mapping(half_width_m=0.0), "half_width_m is a finite number > 0"),
        (mapping(difficulty=1.5), "difficulty is from 0 to 1"),
        (mapping(obstacles="none") | {"obstacles": "none"}, "obstacles is a list"),
        (mapping(3), "obstacles.0.: expected keys and values"),  # type: ignore[arg-type]
        (mapping(HURDLE | {"kind": "hurdel"}), "no kind 'hurdel': did you mean 'hurdle'"),
        (mapping({"kind": "gap", "start_m": 3.0}), "missing end_m"),
        (mapping(HURDLE | {"hight_m": 0.3}), "no key 'hight_m': did you mean 'height_m'"),
        (mapping(GAP | {"height_m": 0.3}), "obstacles.0.: there is no key 'height_m'"),
        (mapping(HURDLE | {"height_m": "tall"}), "height_m is a finite number, got 'tall'"),
        (mapping(HURDLE | {"height_m": True}), "height_m is a finite number, got True"),
        (mapping(HURDLE | {"height_m": float("inf")}), "height_m is a finite number, got inf"),
        (mapping(HURDLE | {"height_m": 10**400}), "height_m is a finite number"),
        (mapping(HURDLE | {"height_m": -0.1}), "height_m must be > 0"),
        (mapping(HURDLE | {"end_m": 3.0}), "must end behind its start"),
        (mapping(HURDLE | {"start_m": 0.5}), "overlaps the free ground at the start"),
        (mapping(HURDLE, GAP | {"start_m": 3.1}), r"obstacles.1. \(gap\) starts at 3.1 m and overlaps obstacles.0."),
        (mapping(HURDLE | {"y_min_m": 0.5, "y_max_m": 0.2}), "y_min_m must be below y_max_m"),
        (mapping(PLATFORM, length_m=9.5), "behind the finish line"),
        (mapping(PLATFORM | {"underside_m": 1.5}), "underside_m must be >= 0 and below height_m"),
        (mapping(STAIRS | {"steps": 2.5}), "steps is a whole number"),
        (mapping(STAIRS | {"steps": 0}), "steps must be >= 1"),
        (mapping(STAIRS | {"steps": 6}), "leave no top"),
        (mapping(WALL | {"y_min_m": 2.0, "y_max_m": 3.0}), "opening must be on the track"),
        (mapping(ROUGH), "needs a height field"),
        (mapping(ROUGH, field=64), "field is from 0 to 63"),
        (mapping(HURDLE, field=3), "covers the whole track"),
        (mapping(*(GAP | {"start_m": 2.0 + k, "end_m": 2.5 + k} for k in range(25))), "25 obstacles, at most 24"),
        (mapping(STAIRS | {"steps": 25, "tread_m": 0.01}), "25 boxes, at most 24"),
    ],
)
def test_a_course_that_cannot_be_used_is_refused_with_the_reason(broken: Any, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        Course.from_mapping(broken)


def test_a_course_with_every_box_taken_can_be_used() -> None:
    gaps = [GAP | {"start_m": 2.0 + 2 * k, "end_m": 2.5 + 2 * k} for k in range(23)]  # 23 and 1 more floor
    courses = new_courses(1, WALKER_LIMITS)
    put_course(courses, 0, Course.from_mapping(mapping(*gaps)))
    assert courses.num_boxes[0] == 24


@pytest.mark.parametrize(
    ("obstacle", "limits", "said"),
    [
        (HURDLE | {"height_m": 0.46}, WALKER_LIMITS, "passes at most 0.45 m"),
        (GAP | {"end_m": 7.1}, WALKER_LIMITS, "length 1.1 m: this body passes at most 1.0 m"),
        (STAIRS | {"height_m": 0.25}, WALKER_LIMITS, "passes at most 0.2 m"),
        (PLATFORM | {"underside_m": 0.5}, WALKER_LIMITS, "crouches under at least 1.15 m"),
        (WALL, WALKER_LIMITS, "cannot walk around walls"),
        (WALL | {"y_min_m": 0.0}, ANT_LIMITS, "this body needs 1.6 m"),
    ],
)
def test_a_course_that_a_body_cannot_pass_is_refused(obstacle: dict[str, Any], limits: CourseLimits, said: str) -> None:
    course = Course.from_mapping(mapping(obstacle))
    with pytest.raises(UsageError, match=f"obstacles.0..*{said}"):
        course.checked(limits)


def test_text_that_is_not_json_is_refused() -> None:
    with pytest.raises(UsageError, match="not JSON"):
        Course.from_json("{")


def test_a_course_is_given_as_itself_its_mapping_or_a_file(tmp_path: Path) -> None:
    course = fixed_course("hurdles", [0.1, 0.2])
    path = tmp_path / "course.json"
    path.write_text(course.to_json())
    assert as_course(course) is course
    assert as_course(json.loads(course.to_json())) == as_course(path) == as_course(str(path)) == course


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot read a course from .*nowhere.json.*No such file"):
        as_course(tmp_path / "nowhere.json")
    (tmp_path / "old.json").write_text('{"format": 0}')
    with pytest.raises(UsageError, match="old.json: .*reads format 1"):
        as_course(tmp_path / "old.json")
    (tmp_path / "noise.json").write_bytes(b"\xff\xfe\xfa")
    with pytest.raises(UsageError, match="not a text file"):
        as_course(tmp_path / "noise.json")
