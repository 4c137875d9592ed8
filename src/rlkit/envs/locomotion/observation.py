"""The observation: what a body senses of itself, then what it sees of the terrain (``scan.py``)."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rlkit.envs.jit import kernel, lean_kernel
from rlkit.envs.locomotion.bodies import BodySpec
from rlkit.envs.locomotion.courses import Courses
from rlkit.envs.locomotion.model import Model
from rlkit.envs.locomotion.scan import SCAN_CLIP_M, scan_rows, terrain_height

GRAVITY = 9.81  # what the accelerometer is divided by

_JOINT_CLIP = 10.0
_SPEED_CLIP = 20.0
_FORCE_CLIP = 4.0


class Layout(NamedTuple):
    """The observation, number by number."""

    names: tuple[str, ...]
    units: tuple[str, ...]
    low: NDArray[np.float32]
    high: NDArray[np.float32]
    first_point: int  # where the scan begins


class Origin(NamedTuple):
    """From where the terrain is scanned; shape ``(n,)`` each."""

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    z: NDArray[np.float64]  # of the ground, if the body stood upright on it


class View(NamedTuple):
    """How bodies are observed, and where that is written."""

    low: NDArray[np.float32]
    high: NDArray[np.float32]
    first_point: int
    points: NDArray[np.float64]  # (p, 2) of the scan
    origin: Origin
    out: NDArray[np.float32]  # (n, numbers)


def new_view(layout: Layout, points: NDArray[np.float64], out: NDArray[np.float32]) -> View:
    """How to observe as a layout has it.

    Args:
        layout: Of the numbers.
        points: Of the scan, shape ``(p, 2)``.
        out: Observations, shape ``(n, numbers)``.
    """
    n = len(out)
    return View(layout.low, layout.high, layout.first_point, points, Origin(np.zeros(n), np.zeros(n), np.zeros(n)), out)


def layout_of(body: BodySpec, model: Model) -> Layout:
    """Names, units and bounds in the order in which :func:`sense_rows` writes."""
    pi = math.pi
    columns: list[tuple[str, str, float, float]] = [("height", "m", -10.0, 10.0)]
    if body.planar:
        columns += [("pitch", "rad", -pi, pi)]
    else:
        columns += [("across_track", "half widths", -2.0, 2.0), ("heading_cos", "1", -1.0, 1.0)]
        columns += [("heading_sin", "1", -1.0, 1.0)]
        columns += [(f"down_{axis}", "1", -1.0, 1.0) for axis in "xyz"]
    angles, speeds = model.anatomy.joints, model.anatomy.dofs
    columns += [(name, "rad", -_JOINT_CLIP, _JOINT_CLIP) for name in _per_joint(model.joint_names, len(angles))]
    if body.planar:
        columns += [("speed_x", "m/s", -_SPEED_CLIP, _SPEED_CLIP), ("speed_z", "m/s", -_SPEED_CLIP, _SPEED_CLIP)]
        columns += [("pitch_rate", "rad/s", -_SPEED_CLIP, _SPEED_CLIP)]
    else:
        for name, unit in (("velocimeter", "m/s"), ("gyro", "rad/s"), ("accelerometer", "g")):
            columns += [(f"{name}_{axis}", unit, -_SPEED_CLIP, _SPEED_CLIP) for axis in "xyz"]
    moving = _per_joint(model.joint_names, len(speeds))
    columns += [(f"{name}_rate", "rad/s", -_SPEED_CLIP, _SPEED_CLIP) for name in moving]
    columns += [(f"touch_{name}", "body weights", 0.0, _FORCE_CLIP) for name in body.feet]
    for name in body.torque_bodies:
        columns += [(f"torque_{name}_{axis}", "body weights x m", -_FORCE_CLIP, _FORCE_CLIP) for axis in "xyz"]
    first = len(columns)
    for ahead, left in body.points.offsets_m:
        columns.append((f"terrain_{ahead:+g}_{left:+g}", "m", -SCAN_CLIP_M, SCAN_CLIP_M))
    names, units, low, high = zip(*columns, strict=True)
    return Layout(names, units, np.array(low, np.float32), np.array(high, np.float32), first)


def _per_joint(names: tuple[str, ...], numbers: int) -> tuple[str, ...]:
    """A name for each number: the joints' own, unless some have several numbers."""
    return names if len(names) == numbers else tuple(f"joint_number_{k}" for k in range(numbers))


@lean_kernel
def ground_under(courses: Courses, i: int, x: float, y: float, z: float) -> float:
    """Height of what body ``i`` stands on or, over a gap, of its edge: a body does not rise where the floor ends."""
    height = terrain_height(courses, i, x, y, z)
    return 0.0 if courses.ground_z[i] < 0.0 and height == courses.ground_z[i] else height


@lean_kernel
def _sense(readout, pose, anatomy, courses, i, values):  # type: ignore[no-untyped-def]
    """Write what body ``i`` senses of itself, not clipped yet."""
    place, turn, velocity, spin = pose.place[i], pose.turn[i], pose.velocity[i], pose.spin[i]
    sensors = readout.sensors
    values[0] = place[2] - ground_under(courses, i, place[0], place[1], place[2])
    k = 1
    if anatomy.planar:
        values[k] = math.atan2(turn[2], turn[8])
        k += 1
    else:
        heading = math.atan2(turn[3], turn[0])
        values[k] = place[1] / courses.half_width_m[i]
        values[k + 1], values[k + 2] = math.cos(heading), math.sin(heading)
        values[k + 3], values[k + 4], values[k + 5] = -turn[6], -turn[7], -turn[8]
        k += 6
    for j in anatomy.joints:
        values[k] = readout.qpos[i, j]
        k += 1
    if anatomy.planar:
        values[k], values[k + 1], values[k + 2] = velocity[0], velocity[2], spin[1]
        k += 3
    else:
        for axis in range(3):
            values[k + axis] = turn[axis] * velocity[0] + turn[3 + axis] * velocity[1] + turn[6 + axis] * velocity[2]
            values[k + 3 + axis] = spin[axis]
            values[k + 6 + axis] = sensors[i, anatomy.accelerometer + axis] / GRAVITY
        k += 9
    for j in anatomy.dofs:
        values[k] = readout.qvel[i, j]
        k += 1
    for j in anatomy.touch:
        values[k] = sensors[i, j] / anatomy.weight_n
        k += 1
    for j in anatomy.torque:
        for axis in range(3):
            values[k + axis] = sensors[i, j + axis] / anatomy.weight_n
        k += 3


@lean_kernel
def _clip(values, low, high, out):  # type: ignore[no-untyped-def]
    """Write values between their bounds."""
    for c in range(len(values)):
        out[c] = min(max(values[c], low[c]), high[c])


@lean_kernel
def _look_from(readout, pose, anatomy, i, origin):  # type: ignore[no-untyped-def]
    """Note from where body ``i`` looks at the terrain."""
    if anatomy.scan < 0:
        origin.x[i], origin.y[i] = pose.place[i, 0], pose.place[i, 1]
    else:
        origin.x[i], origin.y[i] = readout.site_xpos[i, anatomy.scan, 0], readout.site_xpos[i, anatomy.scan, 1]
    origin.z[i] = pose.place[i, 2] - anatomy.root_at[2]


@kernel
def observe_rows(rows, readout, pose, anatomy, courses, view):  # type: ignore[no-untyped-def]
    """Write observations.

    Args:
        rows: Which, shape ``(n,)`` bool.
        readout: ``simulation.Readout``.
        pose: ``pose.Pose``.
        anatomy: ``model.Anatomy``.
        courses: ``courses.Courses``.
        view: :class:`View`, whose arrays ``origin`` and ``out`` are changed; what is out of bounds is clipped.
    """
    values = np.empty(view.first_point)
    for i in range(len(rows)):
        if rows[i]:
            _look_from(readout, pose, anatomy, i, view.origin)
            _sense(readout, pose, anatomy, courses, i, values)
            _clip(values, view.low, view.high, view.out[i])
    origin = view.origin
    scan_rows(rows, courses, origin.x, origin.y, origin.z, view.points, view.out, view.first_point)
