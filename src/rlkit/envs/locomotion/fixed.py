"""Courses of given sizes at even distances, to test on: the same for everyone who asks for them."""

from __future__ import annotations

from collections.abc import Sequence

from rlkit.envs.locomotion.course import Course
from rlkit.envs.locomotion.courses import PLATFORM_THICKNESS_M, WALL_THICKNESS_M
from rlkit.envs.locomotion.obstacle import Obstacle
from rlkit.errors import UsageError, nearest

HURDLE_THICKNESS_M = 0.15
PLATFORM_LENGTH_M = 1.0
WALL_HEIGHT_M = 1.2
STEPS = 3
TREAD_M = 0.4
LANDING_M = 1.2
RUN_OUT_M = 3.0


def fixed_course(
    terrain: str,
    sizes_m: Sequence[float],
    *,
    spacing_m: float = 3.0,
    run_up_m: float = 3.0,
    half_width_m: float = 2.0,
) -> Course:
    """A course of one kind of obstacle, the sizes given one by one.

    Args:
        terrain: ``"hurdles"`` (sizes are heights), ``"gaps"`` (lengths), ``"platforms"`` (upper sides: low ones are
            jumped on, high ones crouched under; they are 0.1 m thick), ``"stairs"`` (rises of flights of three steps)
            or ``"slalom"`` (widths of openings, by turns on the left and on the right).
        sizes_m: One an obstacle.
        spacing_m: Free ground between two obstacles.
        run_up_m: Free ground before the first.
        half_width_m: Half the track's width.

    Raises:
        UsageError: For another terrain, or sizes that make no course.

    Example:
        >>> course = fixed_course("hurdles", [0.1, 0.15])
        >>> [(o.start_m, o.end_m, o.height_m) for o in course.obstacles], course.length_m
        ([(3.0, 3.15, 0.1), (6.15, 6.3, 0.15)], 9.3)
    """
    if terrain not in _BUILDERS:
        raise UsageError(f"there are no fixed courses of {terrain!r}: {nearest(str(terrain), _BUILDERS)}")
    if not spacing_m > 0:
        raise UsageError(f"spacing_m of a course is > 0, got {spacing_m!r}")
    obstacles: list[Obstacle] = []
    start_m = float(run_up_m)
    for number, size_m in enumerate(sizes_m):
        obstacle = _BUILDERS[terrain](start_m, float(size_m), number, half_width_m)
        obstacles.append(obstacle)
        start_m = round(obstacle.end_m + spacing_m, 9)
    end_m = obstacles[-1].end_m if obstacles else float(run_up_m)
    return Course(
        obstacles=tuple(obstacles),
        length_m=round(end_m + RUN_OUT_M, 9),
        half_width_m=half_width_m,
        terrain=terrain,
    )


def _hurdle(start_m: float, height_m: float, number: int, half_width_m: float) -> Obstacle:
    return Obstacle(kind="hurdle", start_m=start_m, end_m=round(start_m + HURDLE_THICKNESS_M, 9), height_m=height_m)


def _gap(start_m: float, length_m: float, number: int, half_width_m: float) -> Obstacle:
    return Obstacle(kind="gap", start_m=start_m, end_m=round(start_m + length_m, 9))


def _platform(start_m: float, top_m: float, number: int, half_width_m: float) -> Obstacle:
    underside_m = max(0.0, round(top_m - PLATFORM_THICKNESS_M, 9))
    end_m = round(start_m + PLATFORM_LENGTH_M, 9)
    return Obstacle(kind="platform", start_m=start_m, end_m=end_m, height_m=top_m, underside_m=underside_m)


def _flight(start_m: float, rise_m: float, number: int, half_width_m: float) -> Obstacle:
    end_m = round(start_m + 2 * (STEPS - 1) * TREAD_M + LANDING_M, 9)
    return Obstacle(kind="stairs", start_m=start_m, end_m=end_m, height_m=rise_m, steps=STEPS, tread_m=TREAD_M)


def _wall(start_m: float, opening_m: float, number: int, half_width_m: float) -> Obstacle:
    end_m = round(start_m + WALL_THICKNESS_M, 9)
    low, high = (
        (half_width_m - opening_m, half_width_m) if number % 2 == 0 else (-half_width_m, opening_m - half_width_m)
    )
    return Obstacle(kind="wall", start_m=start_m, end_m=end_m, height_m=WALL_HEIGHT_M, y_min_m=low, y_max_m=high)


_BUILDERS = {"hurdles": _hurdle, "gaps": _gap, "platforms": _platform, "stairs": _flight, "slalom": _wall}
