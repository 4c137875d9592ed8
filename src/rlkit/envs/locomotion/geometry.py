"""From obstacles to boxes, and from boxes to MuJoCo's per-simulation geometry."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rlkit.envs.jit import lean_kernel
from rlkit.envs.locomotion.courses import (
    APRON_M,
    FLIGHT,
    GAP,
    PIT_DEPTH_M,
    RELIEF,
    WALL,
)

PARKED_Z = -50.0  # where geometry waits that a course does not use
PARKED_HALF_M = 0.1


class Geoms(NamedTuple):
    """Where a model keeps the terrain: ids of geoms and of the bank's first height field."""

    boxes: NDArray[np.int32]  # (b,) box geoms; b <= MAX_BOXES, and no course may need more
    plane: int
    field: int  # the geom that shows a height field, -1 if the model has none
    first_field: int  # id of the asset with the bank's field 0


@lean_kernel
def _add_box(courses, i, x_min, x_max, y_min, y_max, z_min, z_max):  # type: ignore[no-untyped-def]
    box = courses.boxes[i, courses.num_boxes[i]]
    box[0], box[1], box[2], box[3], box[4], box[5] = x_min, x_max, y_min, y_max, z_min, z_max
    courses.num_boxes[i] += 1


@lean_kernel
def count_boxes(kind: int, steps: int) -> int:
    """How many boxes an obstacle takes at most; gaps need one more in all."""
    if kind == FLIGHT:
        return steps
    if kind == WALL:
        return 2
    return 0 if kind == RELIEF else 1


@lean_kernel
def build_boxes(courses, i):  # type: ignore[no-untyped-def]
    """Make the boxes of course ``i`` from its obstacles, and set the plane's height.

    A flight of stairs is a pile of boxes, each shorter by a tread at both ends; a gap is the end of one floor and the
    beginning of the next, over a plane that lies deeper.
    """
    width = courses.half_width_m[i]
    courses.boxes[i] = np.nan
    courses.num_boxes[i] = 0
    floor_from = -APRON_M
    has_gap = False
    for j in range(courses.num_obstacles[i]):
        o = courses.obstacles[i, j]
        if o.kind == GAP:
            _add_box(courses, i, floor_from, o.start_m, -width, width, -PIT_DEPTH_M, 0.0)
            floor_from = o.end_m
            has_gap = True
        elif o.kind == FLIGHT:
            for k in range(o.steps):
                inset = k * o.tread_m
                _add_box(
                    courses, i, o.start_m + inset, o.end_m - inset, o.y_min_m, o.y_max_m, 0.0, (k + 1) * o.height_m
                )
        elif o.kind == WALL:
            if o.y_min_m > -width:
                _add_box(courses, i, o.start_m, o.end_m, -width, o.y_min_m, 0.0, o.height_m)
            if o.y_max_m < width:
                _add_box(courses, i, o.start_m, o.end_m, o.y_max_m, width, 0.0, o.height_m)
        elif o.kind != RELIEF:
            _add_box(courses, i, o.start_m, o.end_m, o.y_min_m, o.y_max_m, o.underside_m, o.height_m)
    courses.ground_z[i] = 0.0
    if has_gap:
        _add_box(courses, i, floor_from, courses.length_m[i] + APRON_M, -width, width, -PIT_DEPTH_M, 0.0)
        courses.ground_z[i] = -PIT_DEPTH_M


@lean_kernel
def geometry_rows(rows, courses, geoms, geom_pos, geom_size, geom_dataid):  # type: ignore[no-untyped-def]
    """Write courses into MuJoCo's expanded arrays; ``bounds.bound_rows`` or ``Batch.set_const`` of these must follow.

    Args:
        rows: Which courses, shape ``(n,)`` bool.
        courses: The courses.
        geoms: A :class:`Geoms`.
        geom_pos: Shape ``(n, g, 3)``, changed in place.
        geom_size: Shape ``(n, g, 3)``, changed in place.
        geom_dataid: Shape ``(n, g)`` int32, changed in place; any shape if the model has no height field.
    """
    for i in range(len(rows)):
        if not rows[i]:
            continue
        geom_pos[i, geoms.plane, 2] = courses.ground_z[i]
        for b in range(len(geoms.boxes)):
            g = geoms.boxes[b]
            used = b < courses.num_boxes[i]
            for axis in range(3):
                low, high = courses.boxes[i, b, 2 * axis], courses.boxes[i, b, 2 * axis + 1]
                parked = PARKED_Z if axis == 2 else 0.0
                geom_pos[i, g, axis] = 0.5 * (low + high) if used else parked
                geom_size[i, g, axis] = 0.5 * (high - low) if used else PARKED_HALF_M
        if geoms.field >= 0:
            shown = courses.field[i] >= 0
            geom_pos[i, geoms.field, 0] = 0.5 * (courses.bank.x_min_m + courses.bank.x_max_m)
            geom_pos[i, geoms.field, 2] = 0.0 if shown else PARKED_Z
            geom_dataid[i, geoms.field] = geoms.first_field + (courses.field[i] if shown else 0)
