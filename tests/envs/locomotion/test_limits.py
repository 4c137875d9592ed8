"""Limits that make no courses are refused."""

from __future__ import annotations

from typing import Any

import pytest

from rlkit.envs.locomotion.limits import CourseLimits
from rlkit.errors import UsageError


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"hurdle_height_m": (0.4, 0.1)}, "hurdle_height_m .*low to high"),
        ({"clearance_m": (1.0, 1.5)}, "clearance_m .*high .easy. to low"),
        ({"gap_length_m": 0.5}, "gap_length_m .*two numbers"),
        ({"gap_length_m": (0.0, 0.5)}, "gap_length_m .*> 0"),
        ({"step_rise_m": ("low", 0.5)}, "step_rise_m .*a number"),
        ({"steps": (2.5, 3)}, "steps .*whole numbers"),
        ({"half_width_m": float("nan")}, "half_width_m .*a number"),
        ({"avoidable_share": 1.5}, "avoidable_share .*from 0 to 1"),
        ({"opening_m": (3.0, 1.0), "half_width_m": 1.2}, "does not fit a track"),
        ({"run_up_m": 0.5}, "run_up_m .*at least 1.0"),
        ({"length_m": 6.0, "planar": True}, "length_m 6.0 is shorter"),
    ],
)
def test_impossible_limits_are_refused(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        CourseLimits(**{"half_width_m": 2.0, **wrong})


def test_limits_need_not_be_given() -> None:
    assert CourseLimits().half_width_m * 2 >= CourseLimits().opening_m[0]


def test_limits_from_json_equal_those_from_python() -> None:
    given = CourseLimits(half_width_m=2, gap_length_m=[0.1, 1], steps=[3, 5])  # type: ignore[arg-type]
    assert given == CourseLimits(half_width_m=2.0, gap_length_m=(0.1, 1.0), steps=(3, 5))
    assert given.for_kernels() == CourseLimits(half_width_m=2.0, gap_length_m=(0.1, 1.0), steps=(3, 5)).for_kernels()
