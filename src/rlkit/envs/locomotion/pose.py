"""Where the root of a body is, from its joints alone.

MuJoCo's derived positions are a physics step behind the state after a step, and to have them brought up to date costs
a tenth of the physics. The root's pose follows from its own joints, so that it need not.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rlkit.envs.jit import kernel, lean_kernel


class Pose(NamedTuple):
    """Of the roots of N bodies, at the present state."""

    place: NDArray[np.float64]  # (n, 3) metres
    turn: NDArray[np.float64]  # (n, 9) row by row; its columns are the root's axes, the world's in the model's own pose
    velocity: NDArray[np.float64]  # (n, 3) in the world's axes, m/s
    spin: NDArray[np.float64]  # (n, 3) in the root's axes, rad/s


def new_pose(n: int) -> Pose:
    """Arrays for ``n`` bodies."""
    return Pose(np.zeros((n, 3)), np.zeros((n, 9)), np.zeros((n, 3)), np.zeros((n, 3)))


@lean_kernel
def _planar_root(readout, anatomy, pose, i):  # type: ignore[no-untyped-def]
    """Slides along x and z, then a hinge about y at the root's origin."""
    root, speeds = anatomy.root_qpos, anatomy.root_qvel
    sign, zero, at = anatomy.root_signs, anatomy.root_zero, anatomy.root_at
    pose.place[i, 0] = at[0] + sign[0] * (readout.qpos[i, root[0]] - zero[0])
    pose.place[i, 1] = at[1]
    pose.place[i, 2] = at[2] + sign[1] * (readout.qpos[i, root[1]] - zero[1])
    pitch = sign[2] * (readout.qpos[i, root[2]] - zero[2])
    turn = pose.turn[i]
    turn[:] = 0.0
    turn[0] = turn[8] = math.cos(pitch)
    turn[2] = math.sin(pitch)
    turn[6] = -turn[2]
    turn[4] = 1.0
    pose.velocity[i, 0] = sign[0] * readout.qvel[i, speeds[0]]
    pose.velocity[i, 2] = sign[1] * readout.qvel[i, speeds[1]]
    pose.spin[i, 1] = sign[2] * readout.qvel[i, speeds[2]]


@lean_kernel
def _write_turn(w, x, y, z, turn):  # type: ignore[no-untyped-def]
    """The rotation matrix of a unit quaternion."""
    turn[0], turn[1], turn[2] = 1.0 - 2.0 * (y * y + z * z), 2.0 * (x * y - w * z), 2.0 * (x * z + w * y)
    turn[3], turn[4], turn[5] = 2.0 * (x * y + w * z), 1.0 - 2.0 * (x * x + z * z), 2.0 * (y * z - w * x)
    turn[6], turn[7], turn[8] = 2.0 * (x * z - w * y), 2.0 * (y * z + w * x), 1.0 - 2.0 * (x * x + y * y)


@lean_kernel
def _free_root(readout, anatomy, pose, own, i):  # type: ignore[no-untyped-def]
    """A free joint: its quaternion, less that of the model's own pose, whose matrix is ``own``."""
    at, dof = anatomy.root_qpos[0], anatomy.root_qvel[0]
    q = readout.qpos[i, at + 3 : at + 7]
    norm = math.sqrt(q[0] * q[0] + q[1] * q[1] + q[2] * q[2] + q[3] * q[3])
    w, x, y, z = q[0] / norm, q[1] / norm, q[2] / norm, q[3] / norm
    a, b, c, d = anatomy.root_zero[3], -anatomy.root_zero[4], -anatomy.root_zero[5], -anatomy.root_zero[6]
    _write_turn(
        w * a - x * b - y * c - z * d,
        w * b + x * a + y * d - z * c,
        w * c - x * d + y * a + z * b,
        w * d + x * c - y * b + z * a,
        pose.turn[i],
    )
    for axis in range(3):
        pose.place[i, axis] = readout.qpos[i, at + axis]
        pose.velocity[i, axis] = readout.qvel[i, dof + axis]
        pose.spin[i, axis] = 0.0
        for other in range(3):  # MuJoCo's is in the body's axes
            pose.spin[i, axis] += own[3 * axis + other] * readout.qvel[i, dof + 3 + other]


@kernel
def pose_rows(rows, readout, anatomy, pose):  # type: ignore[no-untyped-def]
    """Find out where the roots of these rows are.

    Args:
        rows: Which, shape ``(n,)`` bool.
        readout: ``simulation.Readout``.
        anatomy: ``model.Anatomy``.
        pose: :class:`Pose`, changed in place.
    """
    own = np.empty(9)
    if not anatomy.planar:
        zero = anatomy.root_zero
        _write_turn(zero[3], zero[4], zero[5], zero[6], own)
    for i in range(len(rows)):
        if rows[i]:
            if anatomy.planar:
                _planar_root(readout, anatomy, pose, i)
            else:
                _free_root(readout, anatomy, pose, own, i)
