"""What a body can pass: the ranges from which its courses are drawn.

Heess et al. (2017, arXiv:1707.02286, section 3) draw a new course every episode "within user-specified parameter
ranges" and give no numbers; those below are chosen from the bodies' measures.
"""

from __future__ import annotations

import math
from collections import namedtuple
from dataclasses import dataclass, fields
from typing import Any

from rlkit.errors import UsageError

Pair = tuple[float, float]

_RANGES = ("hurdle_thickness_m", "platform_length_m", "tread_m", "landing_m", "steps", "spacing_m")  # low to high
_SCALED = ("hurdle_height_m", "gap_length_m", "platform_top_m", "clearance_m", "opening_m", "step_rise_m", "relief_m")
_FALLING = ("clearance_m", "opening_m")  # the smaller, the harder
START_CLEAR_M = 1.0  # free ground in front of the start: a body's length
_MAY_BE_ZERO = ("avoidable_share",)


@dataclass(frozen=True, kw_only=True)
class CourseLimits:
    """What a body's courses are drawn from.

    A pair of the first group goes from difficulty 0 to difficulty 1, and its second number is what the body can just
    pass; a pair of the second group is a range in which every value is equally likely at any difficulty.

    Attributes:
        hurdle_height_m: Height of hurdles.
        gap_length_m: Length of gaps in the floor.
        platform_top_m: Upper side of platforms to jump on.
        clearance_m: Lower side of platforms to crouch under.
        opening_m: Width of the opening in a slalom wall.
        step_rise_m: Rise of a stair's step.
        relief_m: Greatest height of rough ground.
        hurdle_thickness_m: Range; hurdles thinner than the scan's points are apart would hide between them.
        platform_length_m: Range.
        tread_m: Range; length of a step.
        landing_m: Range; length of the top of a flight of stairs.
        steps: Range; steps of a flight, whole numbers.
        spacing_m: Range; free ground between two obstacles, on which a body lands after a gap.
        run_up_m: Free ground before the first obstacle.
        run_out_m: Free ground between the last obstacle and the finish line.
        length_m: Where the finish line stands at most.
        half_width_m: Half the track's width; boxes end there.
        wall_height_m: Height of slalom walls.
        avoidable_share: Share of hurdles that cover one side of the track only, so that they can be walked around
            (the paper's "obstacles" for the quadruped).
        planar: Whether the body moves in the plane y = 0 only: no slalom, and rough ground does not vary with y.
    """

    hurdle_height_m: Pair = (0.03, 0.45)
    gap_length_m: Pair = (0.1, 1.0)
    platform_top_m: Pair = (0.05, 0.4)
    clearance_m: Pair = (1.7, 1.15)
    opening_m: Pair = (3.0, 1.2)
    step_rise_m: Pair = (0.03, 0.2)
    relief_m: Pair = (0.02, 0.25)
    hurdle_thickness_m: Pair = (0.15, 0.2)
    platform_length_m: Pair = (0.6, 1.5)
    tread_m: Pair = (0.3, 0.5)
    landing_m: Pair = (1.0, 2.0)
    steps: tuple[int, int] = (3, 4)
    spacing_m: Pair = (2.5, 4.0)
    run_up_m: float = 3.0
    run_out_m: float = 3.0
    length_m: float = 50.0
    half_width_m: float = 2.0
    wall_height_m: float = 1.2
    avoidable_share: float = 0.0
    planar: bool = False

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name in _RANGES or field.name in _SCALED:
                object.__setattr__(self, field.name, _pair(field.name, value))
            elif field.name != "planar":
                object.__setattr__(self, field.name, _number(field.name, value, field.name in _MAY_BE_ZERO))
        if self.avoidable_share > 1.0:
            raise UsageError(f"avoidable_share of course limits is from 0 to 1, got {self.avoidable_share!r}")
        if self.opening_m[0] > 2 * self.half_width_m and not self.planar:
            raise UsageError(
                f"opening_m {self.opening_m} does not fit a track of half_width_m {self.half_width_m}: "
                "widen the track or narrow the opening"
            )
        if self.run_up_m < START_CLEAR_M:
            raise UsageError(f"run_up_m of course limits is at least {START_CLEAR_M} m, got {self.run_up_m}")
        if self.length_m <= self.run_up_m + self.run_out_m:
            raise UsageError(f"length_m {self.length_m} is shorter than run_up_m and run_out_m together: lengthen it")

    def for_kernels(self) -> Any:
        """The same numbers as a :data:`Limits` tuple, which Numba can read."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        values["steps"] = (int(self.steps[0]), int(self.steps[1]))
        return Limits(**values)


Limits = namedtuple("Limits", [field.name for field in fields(CourseLimits)])  # type: ignore[misc]


def _number(name: str, value: Any, may_be_zero: bool = False) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise UsageError(f"{name} of course limits is a number, got {value!r}")
    if value < 0 or (value == 0 and not may_be_zero):
        raise UsageError(f"{name} of course limits is {'>= 0' if may_be_zero else '> 0'}, got {value!r}")
    return float(value)


def _pair(name: str, value: Any) -> tuple[Any, Any]:
    """Two positive numbers in the right order: lists are taken too, since JSON has no tuples."""
    if not isinstance(value, tuple | list) or len(value) != 2:
        raise UsageError(f"{name} of course limits is two numbers, got {value!r}")
    low, high = (_number(name, number) for number in value)
    if low > high and name not in _FALLING:
        raise UsageError(f"{name} of course limits goes from low to high, got {value!r}")
    if low < high and name in _FALLING:
        raise UsageError(f"{name} of course limits goes from high (easy) to low (hard), got {value!r}")
    if name != "steps":
        return low, high
    if low != int(low) or high != int(high):
        raise UsageError(f"steps of course limits are whole numbers, got {value!r}")
    return int(low), int(high)


# Gymnasium's Walker2d: 1.5 m tall, legs of 0.95 m, a foot of 0.3 m.
WALKER_LIMITS = CourseLimits(half_width_m=1.0, planar=True)

# Gymnasium's Ant: it runs with its torso at 0.5 m (top 0.75 m) and legs that span 1.5 m.
ANT_LIMITS = CourseLimits(
    hurdle_height_m=(0.03, 0.3),
    gap_length_m=(0.1, 0.8),
    platform_top_m=(0.05, 0.3),
    clearance_m=(1.1, 0.6),
    opening_m=(3.5, 1.6),
    step_rise_m=(0.03, 0.15),
    relief_m=(0.02, 0.2),
    half_width_m=2.5,
    wall_height_m=0.8,
)

# Gymnasium's Humanoid: torso at 1.4 m, head up to 1.7 m, legs of 0.8 m.
HUMANOID_LIMITS = CourseLimits(
    hurdle_height_m=(0.03, 0.35),
    gap_length_m=(0.1, 0.8),
    platform_top_m=(0.05, 0.35),
    clearance_m=(2.0, 1.35),
    opening_m=(3.0, 0.8),
    step_rise_m=(0.03, 0.18),
    relief_m=(0.02, 0.15),
)
