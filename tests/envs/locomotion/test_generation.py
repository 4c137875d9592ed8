"""Drawn courses: what a body may rely on, and that they are a pure function of what they are drawn from."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rlkit.envs.locomotion.course import get_course
from rlkit.envs.locomotion.courses import (
    GAP,
    HURDLE,
    KINDS,
    MAX_BOXES,
    PLATFORM,
    TERRAINS,
    Courses,
    courses_state,
    new_courses,
    parse_terrain,
)
from rlkit.envs.locomotion.generation import course_stream, generate_rows
from rlkit.envs.locomotion.limits import ANT_LIMITS, WALKER_LIMITS

from .terrain_models import (
    BODIES,
    BUILT,
    PAIRS,
    difficulties,
    draw,
    episodes,
    hardness,
    keys,
    many_keys,
    obstacles_of,
)

OF_ONE_KIND = ("hurdles", "gaps", "platforms", "slalom", "stairs", "rough")


def assert_same_rows(a: Courses, i: int, b: Courses, j: int) -> None:
    """Compare two rows, of obstacles only those that count."""
    first, second = courses_state(a), courses_state(b)
    for name in first:
        if name != "obstacles":
            np.testing.assert_array_equal(first[name][i], second[name][j])
    np.testing.assert_array_equal(obstacles_of(a, i), obstacles_of(b, j))


@settings(deadline=None)
@given(pair=st.sampled_from(BUILT), key=keys, episode=episodes, difficulty=difficulties, along=st.booleans())
def test_obstacles_keep_their_distance_and_stay_on_the_track(pair, key, episode, difficulty, along) -> None:  # type: ignore[no-untyped-def]
    limits = BODIES[pair[0]]
    courses = draw(limits, pair[1], key, episode=episode, difficulty=difficulty, along=along)
    obstacles = obstacles_of(courses)
    assert len(obstacles) >= 4
    assert obstacles["start_m"][0] >= limits.run_up_m
    if pair[1] != "rough":
        free = obstacles["start_m"][1:] - obstacles["end_m"][:-1]
        assert free.min() >= limits.spacing_m[0] - 1e-9
        assert free.max() <= limits.spacing_m[1] + 1e-9
    assert obstacles["end_m"][-1] + limits.run_out_m <= courses.length_m[0] + 1e-9 <= limits.length_m + 2e-9
    assert courses.num_boxes[0] <= MAX_BOXES
    assert (obstacles["y_min_m"] >= -limits.half_width_m).all()
    assert (obstacles["y_max_m"] <= limits.half_width_m).all()


@settings(deadline=None)
@given(pair=st.sampled_from(PAIRS), key=keys, episode=episodes, difficulty=difficulties, along=st.booleans())
def test_every_obstacle_can_be_passed_and_none_is_easier_than_the_easiest(
    pair, key, episode, difficulty, along
) -> None:  # type: ignore[no-untyped-def]
    limits = BODIES[pair[0]]
    courses = draw(limits, pair[1], key, episode=episode, difficulty=difficulty, along=along)
    get_course(courses, 0).checked(limits)
    easiest = draw(limits, pair[1], key, episode=episode, difficulty=0.0, along=along)
    count = min(len(obstacles_of(courses)), len(obstacles_of(easiest)))
    assert (hardness(courses)[:count] >= hardness(easiest)[:count] - 1e-9).all()


@settings(deadline=None)
@given(
    pair=st.sampled_from(BUILT),
    key=keys,
    episode=episodes,
    two=st.tuples(difficulties, difficulties),
    along=st.booleans(),
)
def test_a_more_difficult_course_has_the_same_obstacles_each_at_least_as_hard(pair, key, episode, two, along) -> None:  # type: ignore[no-untyped-def]
    limits = BODIES[pair[0]]
    easy, hard = (
        draw(limits, pair[1], key, episode=episode, difficulty=difficulty, along=along) for difficulty in sorted(two)
    )
    count = min(len(obstacles_of(easy)), len(obstacles_of(hard)))
    assert count >= len(obstacles_of(easy)) - 3  # wider gaps leave room for fewer
    np.testing.assert_array_equal(obstacles_of(easy)["kind"][:count], obstacles_of(hard)["kind"][:count])
    assert (hardness(hard)[:count] >= hardness(easy)[:count] - 1e-9).all()


@settings(deadline=None)
@given(pair=st.sampled_from(BUILT), key=keys, difficulty=difficulties)
def test_along_the_course_each_kind_grows_from_easy_to_the_difficulty(pair, key, difficulty) -> None:  # type: ignore[no-untyped-def]
    limits = BODIES[pair[0]]
    courses = draw(limits, pair[1], key, difficulty=difficulty, along=True)
    obstacles, hard = obstacles_of(courses), hardness(courses)
    high = (obstacles["kind"] == PLATFORM) & (obstacles["underside_m"] > 0.5)
    for kind in np.unique(obstacles["kind"]):
        for of_a_sort in ((obstacles["kind"] == kind) & high, (obstacles["kind"] == kind) & ~high):
            assert (np.diff(hard[of_a_sort]) >= -1e-9).all()


def test_along_the_course_the_last_hurdle_is_nearly_as_hard_as_the_difficulty() -> None:
    easiest, hardest = WALKER_LIMITS.hurdle_height_m
    courses = draw(WALKER_LIMITS, "hurdles", many_keys(50), difficulty=0.5, along=True)
    for row in range(50):
        heights = obstacles_of(courses, row)["height_m"]
        assert heights[0] < easiest + 0.03 * (hardest - easiest)
        assert easiest + 0.42 * (hardest - easiest) < heights[-1] <= easiest + 0.5 * (hardest - easiest)


def test_a_stationary_course_draws_all_heights_up_to_the_difficulty() -> None:
    courses = draw(WALKER_LIMITS, "hurdles", many_keys(200), difficulty=1.0)
    heights = np.concatenate([obstacles_of(courses, row)["height_m"] for row in range(200)])
    shares = (heights - 0.03) / (0.45 - 0.03)
    counts, _ = np.histogram(shares, bins=10, range=(0.0, 1.0))
    assert abs(counts / len(heights) - 0.1).max() < 0.03  # uniform: 2,600 hurdles, four standard deviations
    first = np.array([obstacles_of(courses, row)["height_m"][0] for row in range(200)])
    assert first.max() > 0.4


@settings(max_examples=30, deadline=None)
@given(pair=st.sampled_from(PAIRS), key=keys, episode=episodes, difficulty=difficulties, along=st.booleans())
def test_a_course_does_not_depend_on_its_row_nor_on_the_others(pair, key, episode, difficulty, along) -> None:  # type: ignore[no-untyped-def]
    limits = BODIES[pair[0]]
    how = {"episode": episode, "difficulty": difficulty, "along": along}
    alone = draw(limits, pair[1], key, **how)
    among = many_keys(5)
    among[3] = key
    assert_same_rows(alone, 0, draw(limits, pair[1], among, **how), 3)


def test_rows_that_are_not_asked_for_stay_as_they_are() -> None:
    courses = draw(ANT_LIMITS, "mixed", many_keys(3))
    before = courses_state(courses)
    asked = np.array([False, True, False])
    terrains = np.full(3, parse_terrain("slalom", ANT_LIMITS), dtype=np.int32)
    limits = ANT_LIMITS.for_kernels()
    generate_rows(asked, many_keys(3), np.ones(3, dtype=np.int64), terrains, np.ones(3), False, limits, courses)
    after = courses_state(courses)
    for name, array in before.items():
        np.testing.assert_array_equal(array[~asked], after[name][~asked])
    assert TERRAINS[courses.terrain[1]] == "slalom"


def test_a_course_leaves_nothing_behind_in_the_next() -> None:
    courses = new_courses(1, ANT_LIMITS)
    for terrain in (*TERRAINS, *reversed(TERRAINS)):
        number = np.array([parse_terrain(terrain, ANT_LIMITS)], dtype=np.int32)
        one, limits = np.ones(1, dtype=np.bool_), ANT_LIMITS.for_kernels()
        generate_rows(one, many_keys(1), np.zeros(1, np.int64), number, np.ones(1), False, limits, courses)
        assert_same_rows(courses, 0, draw(ANT_LIMITS, terrain, many_keys(1)), 0)


@pytest.mark.parametrize("change", [{"key": 1}, {"episode": 1}])
def test_another_key_or_episode_is_another_course(change: dict[str, int]) -> None:
    given_by = {"key": 0, "episode": 0}
    first = draw(WALKER_LIMITS, "hurdles", given_by["key"], episode=given_by["episode"])
    given_by |= change
    second = draw(WALKER_LIMITS, "hurdles", given_by["key"], episode=given_by["episode"])
    assert obstacles_of(first)["height_m"][0] != obstacles_of(second)["height_m"][0]


def test_neighbouring_keys_and_episodes_have_unrelated_streams() -> None:
    streams = np.zeros((400, 4), dtype=np.uint64)
    for i in range(400):
        course_stream(streams, i, np.uint64(i // 20), i % 20)
    assert len(np.unique(streams)) == streams.size
    bits = np.unpackbits(streams.view(np.uint8), axis=1)
    assert abs(bits.mean(axis=0) - 0.5).max() < 0.15  # six standard deviations of 400 fair bits


def test_the_course_of_a_key_is_the_same_in_every_version() -> None:
    course = get_course(draw(WALKER_LIMITS, "mixed", 2017, episode=3, difficulty=0.8), 0)
    first = [(o.kind, round(o.start_m, 6), round(o.end_m, 6), round(o.height_m, 6)) for o in course.obstacles[:4]]
    assert first == [  # printed once: whoever changes it changes what a seed means
        ("platform", 4.305103, 5.695714, 1.491842),
        ("gap", 9.437364, 9.740388, 0.0),
        ("gap", 13.697844, 14.504965, 0.0),
        ("gap", 18.27471, 18.47206, 0.0),
    ]


@pytest.mark.parametrize("body", BODIES)
def test_a_mixture_takes_any_terrain_of_one_kind_and_then_is_that_terrain(body: str) -> None:
    limits = BODIES[body]
    drawn = draw(limits, "mixture", many_keys(200))
    names = [TERRAINS[terrain] for terrain in drawn.terrain]
    expected = set(OF_ONE_KIND) - ({"slalom"} if limits.planar else set())
    assert set(names) == expected
    for row in range(20):
        assert_same_rows(drawn, row, draw(limits, names[row], many_keys(200)[row]), 0)


@pytest.mark.parametrize("body", BODIES)
def test_a_mixed_course_interleaves_kinds(body: str) -> None:
    courses = draw(BODIES[body], "mixed", many_keys(100))
    kinds = [{KINDS[kind] for kind in obstacles_of(courses, row)["kind"]} for row in range(100)]
    assert np.mean([len(of_one) for of_one in kinds]) > 3
    expected = {"hurdle", "gap", "platform", "stairs"} | (set() if BODIES[body].planar else {"wall"})
    assert set.union(*kinds) == expected


@pytest.mark.parametrize("terrain", OF_ONE_KIND)
def test_a_terrain_of_one_kind_has_no_other(terrain: str) -> None:
    courses = draw(ANT_LIMITS, terrain, many_keys(20))
    kind = parse_terrain(terrain, ANT_LIMITS) - 1
    assert all((obstacles_of(courses, row)["kind"] == kind).all() for row in range(20))


def test_a_share_of_hurdles_can_be_avoided() -> None:
    limits = replace(ANT_LIMITS, avoidable_share=0.5)
    courses = draw(limits, "hurdles", many_keys(100))
    hurdles = np.concatenate([obstacles_of(courses, row) for row in range(100)])
    width = limits.half_width_m
    right, left = hurdles["y_min_m"] > -width, hurdles["y_max_m"] < width
    assert abs((right | left).mean() - 0.5) < 0.06  # 1,300 hurdles, four standard deviations
    assert not (right & left).any()
    assert abs(right.sum() - left.sum()) < 0.2 * len(hurdles)
    assert (hurdles["kind"] == HURDLE).all()
    free = 2 * width - (hurdles["y_max_m"] - hurdles["y_min_m"])
    assert free[right | left].min() >= 0.75 * width - 1e-9


def test_floors_between_gaps_are_long_enough_to_land_on() -> None:
    courses = draw(WALKER_LIMITS, "mixed", many_keys(200))
    for row in range(200):
        obstacles = obstacles_of(courses, row)
        for behind, before in zip(obstacles[:-1], obstacles[1:], strict=True):
            if behind["kind"] == GAP:
                assert before["start_m"] - behind["end_m"] >= WALKER_LIMITS.spacing_m[0] - 1e-9
