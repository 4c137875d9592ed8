"""How high the terrain stands: under a point, and at the points of a body's scan."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rlkit.envs.jit import kernel, lean_kernel
from rlkit.envs.locomotion.courses import MAX_BOXES
from rlkit.envs.locomotion.rough import field_height
from rlkit.errors import UsageError

SCAN_CLIP_M = 2.0


@dataclass(frozen=True)
class ScanSpec:
    """Where a body looks: points beside its scan origin that move with it, but do not turn.

    As in Heess et al. (2017, section 4) the density falls with distance. The two that bodies use, in metres:

    | line, to the left | points ahead | in |
    |---|---|---|
    | 0 | -0.45 to 1.5, each 0.15 | planar, spatial |
    | 0 | 1.75, 2.05, 2.4, 2.8, 3.3, 3.9, 4.6, 5.5, 6.6, 8 | planar, spatial |
    | 0.4, -0.4, 0.8, -0.8 | -0.3 to 1.5, each 0.3; 1.9, 2.6, 3.6 | spatial |
    | 1.4, -1.4 | 0.3, 0.7, 1.1, 1.5, 2.2 | spatial |

    On the centre line no hurdle can hide between the near points, for the thinnest is as thick as they are apart;
    beside it no slalom wall can, which is 0.4 m thick. A platform is seen from above: it is 0.1 m thick, so that its
    upper side also tells how much room is under it.

    Attributes:
        offsets_m: Pairs ``(ahead, to the left)``.
    """

    offsets_m: tuple[tuple[float, float], ...]

    def __post_init__(self) -> None:
        try:
            offsets = tuple((float(x), float(y)) for x, y in self.offsets_m)
        except (TypeError, ValueError):
            raise UsageError(f"offsets_m of a scan is pairs (ahead, left) in metres, got {self.offsets_m!r}") from None
        if not offsets or not all(math.isfinite(v) for pair in offsets for v in pair):
            raise UsageError("offsets_m of a scan needs at least one point, and finite numbers")
        object.__setattr__(self, "offsets_m", offsets)

    def __len__(self) -> int:
        return len(self.offsets_m)

    def array(self) -> NDArray[np.float64]:
        """The offsets for the kernels, shape ``(p, 2)``."""
        return np.array(self.offsets_m)


def _line(ahead: tuple[float, ...], left: float) -> tuple[tuple[float, float], ...]:
    return tuple((x, left) for x in ahead)


_NEAR = (-0.45, -0.3, -0.15, 0.0, 0.15, 0.3, 0.45, 0.6, 0.75, 0.9, 1.05, 1.2, 1.35, 1.5)
_FAR = (1.75, 2.05, 2.4, 2.8, 3.3, 3.9, 4.6, 5.5, 6.6, 8.0)
_SIDE = (-0.3, 0.0, 0.3, 0.6, 0.9, 1.2, 1.5, 1.9, 2.6, 3.6)
_FAR_SIDE = (0.3, 0.7, 1.1, 1.5, 2.2)

PLANAR_SCAN = ScanSpec(_line(_NEAR + _FAR, 0.0))  # 24 points
SPATIAL_SCAN = ScanSpec(  # 74 points
    PLANAR_SCAN.offsets_m
    + tuple(point for left in (0.4, -0.4, 0.8, -0.8) for point in _line(_SIDE, left))
    + tuple(point for left in (1.4, -1.4) for point in _line(_FAR_SIDE, left))
)


@lean_kernel
def terrain_height(courses, row, x, y, below=math.inf):  # type: ignore[no-untyped-def]
    """The highest surface at or below a height, under one point of one course.

    Args:
        courses: The courses.
        row: Which.
        x: Along the track.
        y: To the left.
        below: Surfaces above it do not count: pass a body's own height to find what it stands on under a platform.

    Returns:
        Height in metres. In a gap that is the bottom of the pit, and beyond the track the plane.
    """
    height = courses.ground_z[row]
    boxes = courses.boxes
    for b in range(courses.num_boxes[row]):
        if boxes[row, b, 0] <= x <= boxes[row, b, 1] and boxes[row, b, 2] <= y <= boxes[row, b, 3]:
            top = boxes[row, b, 5]
            if height < top <= below:
                height = top
    if courses.field[row] >= 0:
        relief = field_height(courses.bank, courses.field[row], x, y)
        if height < relief <= below:
            height = relief
    return height


@kernel
def scan_rows(rows, courses, x, y, z_ref, offsets, out, first):  # type: ignore[no-untyped-def]
    """Heights of the terrain at the scan's points, seen from above, relative to the body.

    Args:
        rows: Which courses, shape ``(n,)`` bool.
        courses: The courses.
        x: Where the scan origins are, shape ``(n,)``.
        y: Likewise.
        z_ref: Heights that are subtracted, shape ``(n,)``.
        offsets: The scan's points, shape ``(p, 2)``.
        out: Shape ``(n, >= first + p)``; columns ``first .. first + p`` are written, clipped to
            ``-SCAN_CLIP_M .. SCAN_CLIP_M``.
        first: The first of these columns.
    """
    reach_min, reach_max = offsets[0, 0], offsets[0, 0]
    for p in range(1, len(offsets)):
        reach_min = min(reach_min, offsets[p, 0])
        reach_max = max(reach_max, offsets[p, 0])
    near = np.empty(MAX_BOXES, np.int64)
    boxes = courses.boxes
    for i in range(len(rows)):
        if not rows[i]:
            continue
        count = 0
        for b in range(courses.num_boxes[i]):
            if boxes[i, b, 0] <= x[i] + reach_max and boxes[i, b, 1] >= x[i] + reach_min:
                near[count] = b
                count += 1
        for p in range(len(offsets)):
            at_x, at_y = x[i] + offsets[p, 0], y[i] + offsets[p, 1]
            height = courses.ground_z[i]
            for k in range(count):
                b = near[k]
                if boxes[i, b, 5] > height and boxes[i, b, 0] <= at_x <= boxes[i, b, 1]:
                    if boxes[i, b, 2] <= at_y <= boxes[i, b, 3]:
                        height = boxes[i, b, 5]
            if courses.field[i] >= 0:
                height = max(height, field_height(courses.bank, courses.field[i], at_x, at_y))
            out[i, first + p] = min(max(height - z_ref[i], -SCAN_CLIP_M), SCAN_CLIP_M)
