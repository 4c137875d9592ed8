"""What MuJoCo derives from static geometry: boxes, spheres and the tree of bounding volumes that collisions begin with.

Bodies fall through boxes that have grown while these are of before. ``Batch.set_const`` derives them anew, and much
else that no course changes: for the few bodies that are reset in a step it takes ten times as long as this kernel.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import mujoco
import numpy as np
from numpy.typing import NDArray

from rlkit.envs.jit import lean_kernel

WORLD = 0
_AT_BODY, _TURNED_AS_BODY = (
    int(kind) for kind in (mujoco.mjtSameFrame.mjSAMEFRAME_BODY, mujoco.mjtSameFrame.mjSAMEFRAME_BODYROT)
)


class Tree(NamedTuple):
    """The world's bounding volumes, children after their parents."""

    children: NDArray[np.int32]  # (nodes, 2)
    geoms: NDArray[np.int32]  # (nodes,), -1 inside the tree
    first: int  # among the model's nodes
    fields: NDArray[np.float64]  # (height fields, 4): half lengths, height above 0, depth below
    low: NDArray[np.float64]  # (nodes, 3), room to work in
    high: NDArray[np.float64]


class Bounds(NamedTuple):
    """MuJoCo's per-simulation fields."""

    boxes: NDArray[np.float64]  # geom_aabb: (n, geoms, 6), middles and halves in the geoms' frames
    radii: NDArray[np.float64]  # geom_rbound: (n, geoms)
    frames: NDArray[np.uint8]  # geom_sameframe: (n, geoms)
    tree: NDArray[np.float64]  # bvh_aabb: (n, nodes, 6)


def new_tree(model: Any) -> Tree:
    """The tree of a model's world."""
    first, count = int(model.body_bvhadr[WORLD]), int(model.body_bvhnum[WORLD])
    children, geoms = model.bvh_child[first : first + count].copy(), model.bvh_nodeid[first : first + count].copy()
    return Tree(children, geoms, first, model.hfield_size.copy(), np.zeros((count, 3)), np.zeros((count, 3)))


def new_bounds(batch: Any) -> Bounds:
    """The fields of a batch, its simulations' own from now on."""
    return Bounds(*(batch.expand(name) for name in ("geom_aabb", "geom_rbound", "geom_sameframe", "bvh_aabb")))


@lean_kernel
def bound_rows(rows, geoms, tree, geom_pos, geom_size, geom_dataid, bounds):  # type: ignore[no-untyped-def]
    """Derive bounds from positions and sizes, number by number as ``mj_setConst`` does.

    Args:
        rows: Which, shape ``(n,)`` bool.
        geoms: ``geometry.Geoms``.
        tree: :class:`Tree`, used to work in.
        geom_pos: Shape ``(n, geoms, 3)``.
        geom_size: Shape ``(n, geoms, 3)``; a height field's is derived too.
        geom_dataid: Shape ``(n, geoms)`` int32.
        bounds: :class:`Bounds`, changed in place.
    """
    for i in range(len(rows)):
        if not rows[i]:
            continue
        for g in geoms.boxes:
            size = geom_size[i, g]
            bounds.radii[i, g] = _length(size[0], size[1], size[2])
            for axis in range(3):
                bounds.boxes[i, g, 3 + axis] = size[axis]
            bounds.frames[i, g] = _frame(geom_pos[i, g])
        bounds.frames[i, geoms.plane] = _frame(geom_pos[i, geoms.plane])
        if geoms.field >= 0:
            g = geoms.field
            x, y, top, base = tree.fields[geom_dataid[i, g]]
            geom_size[i, g, 2] = 0.25 * top + 0.5 * base
            bounds.radii[i, g] = _length(x, y, max(top, base))
            bounds.boxes[i, g, 2], bounds.boxes[i, g, 5] = 0.5 * (top - base), 0.5 * (top + base)
            bounds.frames[i, g] = _frame(geom_pos[i, g])
        _bound_tree(tree, geom_pos[i], bounds.boxes[i], bounds.tree[i])


@lean_kernel
def _length(x, y, z):  # type: ignore[no-untyped-def]
    return math.sqrt(x * x + y * y + z * z)


@lean_kernel
def _frame(place):  # type: ignore[no-untyped-def]
    """What MuJoCo may leave out of a geom's kinematics."""
    return _AT_BODY if place[0] == 0.0 and place[1] == 0.0 and place[2] == 0.0 else _TURNED_AS_BODY


@lean_kernel
def _bound_tree(tree, places, boxes, out):  # type: ignore[no-untyped-def]
    """Bounds of the world's nodes, the last ones first."""
    low, high = tree.low, tree.high
    for k in range(len(tree.geoms) - 1, -1, -1):
        g = tree.geoms[k]
        one, other = tree.children[k]
        for axis in range(3):
            if g >= 0:
                middle, half = places[g, axis] + boxes[g, axis], boxes[g, 3 + axis]
                low[k, axis], high[k, axis] = middle - half, middle + half
            else:
                low[k, axis] = min(low[one, axis], low[other, axis])
                high[k, axis] = max(high[one, axis], high[other, axis])
            out[tree.first + k, axis] = (low[k, axis] + high[k, axis]) * 0.5
            out[tree.first + k, 3 + axis] = (high[k, axis] - low[k, axis]) * 0.5
