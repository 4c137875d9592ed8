"""The courses of a batch as arrays: obstacles, the boxes they are made of, and the ground.

x runs along the track, y to its left, z up; a body starts at x = 0. Metres throughout.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rlkit.envs.locomotion.limits import CourseLimits
from rlkit.envs.locomotion.rough import Bank, new_bank
from rlkit.errors import UsageError, nearest

MAX_BOXES = 24  # a course of 50 m needs no more, and each costs physics 0.5 %
MAX_OBSTACLES = 24

TERRAINS = ("flat", "hurdles", "gaps", "platforms", "slalom", "stairs", "rough", "mixed", "mixture")
FLAT, HURDLES, GAPS, PLATFORMS, SLALOM, STAIRS, ROUGH, MIXED, MIXTURE = range(len(TERRAINS))

KINDS = ("hurdle", "gap", "platform", "wall", "stairs", "rough")  # kind k fills terrain k + 1
HURDLE, GAP, PLATFORM, WALL, FLIGHT, RELIEF = range(len(KINDS))

PLATFORM_THICKNESS_M = 0.1  # the same for all, so that a height scan from above also tells the lower side
WALL_THICKNESS_M = 0.4
PIT_DEPTH_M = 1.0
APRON_M = 10.0  # floor before the start and behind the finish line, where the floor is boxes

OBSTACLE = np.dtype(
    [
        ("kind", np.int32),  # index in KINDS
        ("steps", np.int32),  # of a flight of stairs, up and down again
        ("start_m", np.float64),
        ("end_m", np.float64),
        ("height_m", np.float64),  # hurdle, platform, wall: upper side; stairs: rise of a step; rough: highest point
        ("underside_m", np.float64),  # platform: lower side
        ("tread_m", np.float64),  # stairs
        ("y_min_m", np.float64),  # where it lies; wall: where its opening lies
        ("y_max_m", np.float64),
    ],
    align=True,
)


class Courses(NamedTuple):
    """N courses; row i is environment i's."""

    obstacles: NDArray[np.void]  # (n, MAX_OBSTACLES) of OBSTACLE, in order along x
    num_obstacles: NDArray[np.int32]  # (n,)
    boxes: NDArray[np.float64]  # (n, MAX_BOXES, 6) x_min, x_max, y_min, y_max, z_min, z_max; unused ones NaN
    num_boxes: NDArray[np.int32]  # (n,)
    ground_z: NDArray[np.float64]  # (n,) height of the endless plane: 0, or -PIT_DEPTH_M where floors are boxes
    field: NDArray[np.int32]  # (n,) which height field of the bank, -1 for none
    length_m: NDArray[np.float64]  # (n,) the finish line
    half_width_m: NDArray[np.float64]  # (n,) the track is -half_width_m <= y <= half_width_m
    terrain: NDArray[np.int32]  # (n,) index in TERRAINS; never MIXTURE, but what it drew
    difficulty: NDArray[np.float64]  # (n,)
    bank: Bank  # shared by all


def new_courses(n: int, limits: CourseLimits) -> Courses:
    """Arrays for ``n`` courses, flat as yet, with the bank of height fields that fits the limits."""
    return Courses(
        obstacles=np.zeros((n, MAX_OBSTACLES), dtype=OBSTACLE),
        num_obstacles=np.zeros(n, dtype=np.int32),
        boxes=np.full((n, MAX_BOXES, 6), np.nan),
        num_boxes=np.zeros(n, dtype=np.int32),
        ground_z=np.zeros(n),
        field=np.full(n, -1, dtype=np.int32),
        length_m=np.full(n, limits.length_m),
        half_width_m=np.full(n, limits.half_width_m),
        terrain=np.zeros(n, dtype=np.int32),
        difficulty=np.zeros(n),
        bank=new_bank(limits),
    )


def courses_state(courses: Courses) -> dict[str, NDArray[Any]]:
    """Copies of everything that differs between rows, by name."""
    return {name: array.copy() for name, array in courses._asdict().items() if name != "bank"}


def restore_courses(courses: Courses, state: dict[str, NDArray[Any]]) -> None:
    """Write what :func:`courses_state` gave back into the arrays, in place."""
    for name, array in courses._asdict().items():
        if name != "bank":
            array[...] = state[name]


def parse_terrain(name: str, limits: CourseLimits) -> int:
    """A terrain's number from its name.

    Raises:
        UsageError: If there is no such terrain, or the body cannot walk around walls.

    Example:
        >>> parse_terrain("gaps", CourseLimits())
        2
    """
    if name not in TERRAINS:
        raise UsageError(f"there is no terrain {name!r}: {nearest(str(name), TERRAINS)}")
    if name == "slalom" and limits.planar:
        raise UsageError(
            "terrain 'slalom' is for bodies that can turn: this one moves in the plane y = 0 and cannot walk around "
            "walls. Take another terrain, or a body such as 'ant' or 'humanoid'"
        )
    return TERRAINS.index(name)
