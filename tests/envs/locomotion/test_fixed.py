"""Courses of given sizes."""

from __future__ import annotations

import pytest

from rlkit.envs.locomotion.fixed import fixed_course
from rlkit.envs.locomotion.limits import ANT_LIMITS, WALKER_LIMITS
from rlkit.errors import UsageError


@pytest.mark.parametrize(
    ("terrain", "sizes_m", "measured"),
    [
        ("hurdles", [0.05, 0.15], lambda o: o.height_m),
        ("gaps", [0.4, 0.7], lambda o: o.end_m - o.start_m),
        ("platforms", [0.05, 0.3, 1.4], lambda o: o.height_m),
        ("stairs", [0.1, 0.2], lambda o: o.height_m),
    ],
)
def test_obstacles_have_the_sizes_that_were_asked_for(terrain, sizes_m, measured) -> None:  # type: ignore[no-untyped-def]
    course = fixed_course(terrain, sizes_m, spacing_m=2.5, run_up_m=4.0).checked(WALKER_LIMITS)
    assert [measured(o) for o in course.obstacles] == pytest.approx(sizes_m)
    assert course.terrain == terrain
    assert course.obstacles[0].start_m == 4.0
    for behind, before in zip(course.obstacles[:-1], course.obstacles[1:], strict=True):
        assert before.start_m - behind.end_m == pytest.approx(2.5)


def test_openings_are_by_turns_left_and_right() -> None:
    course = fixed_course("slalom", [2.0, 1.8, 1.6], half_width_m=2.5).checked(ANT_LIMITS)
    openings = [(o.y_min_m, o.y_max_m) for o in course.obstacles]
    assert openings == [pytest.approx(pair) for pair in ((0.5, 2.5), (-2.5, -0.7), (0.9, 2.5))]


def test_a_low_platform_stands_on_the_ground_and_a_high_one_hovers() -> None:
    low, high = fixed_course("platforms", [0.08, 0.4]).obstacles
    assert low.underside_m == 0.0
    assert high.underside_m == pytest.approx(0.3)


def test_what_makes_no_course_is_refused() -> None:
    with pytest.raises(UsageError, match="no fixed courses of 'hurdle': did you mean 'hurdles'"):
        fixed_course("hurdle", [0.1])
    with pytest.raises(UsageError, match="spacing_m"):
        fixed_course("hurdles", [0.1], spacing_m=0.0)
    with pytest.raises(UsageError, match=r"obstacles.1. .*height_m must be > 0"):
        fixed_course("hurdles", [0.1, 0.0])
    with pytest.raises(UsageError, match="at most 24"):
        fixed_course("hurdles", [0.1] * 25)
