"""Boxes are what the obstacles say, and MuJoCo has them where they are."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rlkit.envs.locomotion.course import Course, put_course
from rlkit.envs.locomotion.courses import PIT_DEPTH_M, new_courses
from rlkit.envs.locomotion.fixed import fixed_course
from rlkit.envs.locomotion.geometry import PARKED_Z, geometry_rows
from rlkit.envs.locomotion.limits import ANT_LIMITS, WALKER_LIMITS
from rlkit.envs.locomotion.obstacle import Obstacle

from .terrain_models import BODIES, BUILT, PAIRS, TerrainModel, difficulties, draw, keys, many_keys


def boxes_of(course: Course) -> np.ndarray:
    courses = new_courses(1, ANT_LIMITS)
    put_course(courses, 0, course)
    return courses.boxes[0, : courses.num_boxes[0]]


def test_a_hurdle_and_a_platform_are_one_box_each() -> None:
    obstacles = (
        Obstacle(kind="hurdle", start_m=3.0, end_m=3.2, height_m=0.3),
        Obstacle(kind="platform", start_m=6.0, end_m=7.0, height_m=1.3, underside_m=1.2, y_max_m=0.5),
    )
    expected = [[3.0, 3.2, -1.0, 1.0, 0.0, 0.3], [6.0, 7.0, -1.0, 0.5, 1.2, 1.3]]
    np.testing.assert_array_equal(boxes_of(Course(obstacles=obstacles, half_width_m=1.0)), expected)


def test_gaps_end_one_floor_and_begin_the_next_over_a_deeper_plane() -> None:
    courses = new_courses(1, WALKER_LIMITS)
    put_course(courses, 0, fixed_course("gaps", [0.5, 0.8]))
    floors = courses.boxes[0, : courses.num_boxes[0]]
    np.testing.assert_allclose(floors[:, :2], [[-10.0, 3.0], [3.5, 6.5], [7.3, 20.3]])
    assert (floors[:, 4] == -PIT_DEPTH_M).all() and (floors[:, 5] == 0.0).all()
    assert courses.ground_z[0] == -PIT_DEPTH_M
    put_course(courses, 0, fixed_course("hurdles", [0.1]))
    assert courses.ground_z[0] == 0.0


def test_stairs_go_up_and_down_by_treads() -> None:
    boxes = boxes_of(fixed_course("stairs", [0.1]))  # three steps of 0.4 m, a landing of 1.2 m
    np.testing.assert_allclose(boxes[:, 0], [3.0, 3.4, 3.8])
    np.testing.assert_allclose(boxes[:, 1], [5.8, 5.4, 5.0])
    np.testing.assert_allclose(boxes[:, 5], [0.1, 0.2, 0.3])


def test_a_wall_leaves_its_opening_free_and_needs_no_box_where_that_reaches_the_edge() -> None:
    course = Course(
        obstacles=(Obstacle(kind="wall", start_m=3.0, end_m=3.4, height_m=1.0, y_min_m=-0.2, y_max_m=0.7),),
        half_width_m=1.0,
    )
    np.testing.assert_array_equal(boxes_of(course)[:, 2:4], [[-1.0, -0.2], [0.7, 1.0]])
    at_the_edge = fixed_course("slalom", [0.8, 0.8], half_width_m=1.0)
    np.testing.assert_allclose(boxes_of(at_the_edge)[:, 2:4], [[-1.0, 0.2], [-0.2, 1.0]])


@settings(deadline=None)
@given(pair=st.sampled_from(BUILT), key=keys, difficulty=difficulties)
def test_boxes_have_a_volume_and_unused_ones_are_not_numbers(pair, key, difficulty) -> None:  # type: ignore[no-untyped-def]
    courses = draw(BODIES[pair[0]], pair[1], key, difficulty=difficulty)
    used = courses.boxes[0, : courses.num_boxes[0]]
    assert (used[:, 1::2] - used[:, ::2] > 1e-6).all()
    assert np.isnan(courses.boxes[0, courses.num_boxes[0] :]).all()


@pytest.mark.parametrize(("body", "terrain"), PAIRS)
def test_mujoco_has_the_boxes_and_the_rest_waits_far_below(body: str, terrain: str) -> None:
    courses = draw(BODIES[body], terrain, many_keys(4))
    model = TerrainModel(courses)
    pos, size, dataid = model.arrays
    for i in range(4):
        used = courses.num_boxes[i]
        centres, halves = pos[i, model.geoms.boxes], size[i, model.geoms.boxes]
        np.testing.assert_allclose((centres - halves)[:used], courses.boxes[i, :used, ::2], atol=1e-12)
        np.testing.assert_allclose((centres + halves)[:used], courses.boxes[i, :used, 1::2], atol=1e-12)
        assert (centres[used:, 2] + halves[used:, 2] < PARKED_Z + 1).all()
        assert pos[i, model.geoms.plane, 2] == courses.ground_z[i]
        shown = courses.field[i] >= 0
        assert (pos[i, model.geoms.field, 2] == 0.0) == shown
        assert not shown or dataid[i, model.geoms.field] == courses.field[i]


def test_only_the_asked_rows_are_shown() -> None:
    courses = draw(WALKER_LIMITS, "hurdles", many_keys(2))
    arrays = [np.full((2, 30, 3), 7.0), np.full((2, 30, 3), 7.0), np.full((2, 30), 7, dtype=np.int32)]
    geometry_rows(np.array([False, True]), courses, TerrainModel(courses).geoms, *arrays)
    assert (arrays[0][0] == 7.0).all() and (arrays[1][0] == 7.0).all()
    assert (arrays[0][1] != 7.0).any()


def test_a_ball_rests_on_a_platform_and_on_the_next_course_falls_to_the_ground() -> None:
    courses = new_courses(2, WALKER_LIMITS)
    put_course(courses, 0, fixed_course("platforms", [0.6]))
    model = TerrainModel(courses)
    np.testing.assert_allclose(model.rest(3.5, 0.0, 0.8), [0.65, 0.05], atol=2e-3)
    put_course(courses, 0, fixed_course("platforms", []))
    put_course(courses, 1, fixed_course("gaps", [1.0]))
    model.show()
    np.testing.assert_allclose(model.rest(3.5, 0.0, 0.3), [0.05, 0.05 - PIT_DEPTH_M], atol=2e-3)
