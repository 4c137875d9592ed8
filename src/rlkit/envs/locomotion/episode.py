"""Kernels of the episode: how it begins, what a step does, what was cleared."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rlkit.envs.jit import kernel, lean_kernel
from rlkit.envs.locomotion.courses import GAP, HURDLE
from rlkit.envs.locomotion.metrics import DIVERGED, NONE
from rlkit.envs.locomotion.observation import observe_rows
from rlkit.envs.locomotion.pose import pose_rows
from rlkit.envs.locomotion.rewards import fall_cause, step_reward
from rlkit.envs.streams import uniform


class Record(NamedTuple):
    """What is kept of the episodes."""

    progress: NDArray[Any]  # (n,) of metrics.PROGRESS
    passed_at: NDArray[np.int64]  # (n, obstacles) the step in which each was passed
    counts: NDArray[np.int64]  # (n, kinds) obstacles cleared


class Outcome(NamedTuple):
    """Of a step; shape ``(n,)`` each."""

    rewards: NDArray[np.float64]
    terminations: NDArray[np.bool_]  # the body is out
    truncations: NDArray[np.bool_]  # it is over the finish line


@lean_kernel
def begin_rows(rows, readout, anatomy, noise, streams, record):  # type: ignore[no-untyped-def]
    """Begin episodes of bodies that were just reset: noise on positions and velocities, nothing cleared.

    Args:
        rows: Which, shape ``(n,)`` bool.
        readout: ``simulation.Readout``; positions and velocities are changed in place.
        anatomy: ``model.Anatomy``.
        noise: Half the range of the uniform noise.
        streams: The rows' random streams.
        record: :class:`Record`, changed in place.
    """
    for i in range(len(rows)):
        if not rows[i]:
            continue
        position, velocity = readout.qpos[i], readout.qvel[i]
        for j in range(len(position)):
            position[j] += noise * (2.0 * uniform(streams, i) - 1.0)
        for j in range(len(velocity)):
            velocity[j] += noise * (2.0 * uniform(streams, i) - 1.0)
        if not anatomy.planar:
            turn = position[anatomy.root_qpos[3] : anatomy.root_qpos[3] + 4]
            norm = math.sqrt(turn[0] * turn[0] + turn[1] * turn[1] + turn[2] * turn[2] + turn[3] * turn[3])
            for j in range(4):
                turn[j] /= norm
        p = record.progress[i]
        p.x_m = p.farthest_m = p.tallest_hurdle_m = p.widest_gap_m = 0.0
        p.steps = p.passed = p.cleared = p.cause = p.finished = 0
        record.counts[i] = 0


@kernel
def start_rows(rows, readout, pose, anatomy, courses, view, progress):  # type: ignore[no-untyped-def]
    """What is to be known of bodies that were put at the start: where they are, and what they observe.

    Args:
        rows: Which, shape ``(n,)`` bool.
        readout: ``simulation.Readout``, brought up to date.
        pose: ``pose.Pose``, changed in place.
        anatomy: ``model.Anatomy``.
        courses: ``courses.Courses``.
        view: ``observation.View``, changed in place.
        progress: Records of ``metrics.PROGRESS``, changed in place.
    """
    pose_rows(rows, readout, anatomy, pose)
    for i in range(len(rows)):
        if rows[i]:
            progress[i].x_m = progress[i].farthest_m = pose.place[i, 0]
    observe_rows(rows, readout, pose, anatomy, courses, view)


@lean_kernel
def control_rows(rows, actions, middle, half, control):  # type: ignore[no-untyped-def]
    """Actions from -1 to 1 as controls."""
    for i in range(len(rows)):
        if rows[i]:
            for j in range(len(middle)):
                control[i, j] = middle[j] + half[j] * np.float64(actions[i, j])


@lean_kernel
def _broken(readout, i):  # type: ignore[no-untyped-def]
    """Whether simulation ``i`` is of no use any more: an error, a warning, or numbers that are none."""
    if readout.failed[i]:
        return True
    for kind in range(readout.warnings.shape[1]):
        if readout.warnings[i, kind, 1] > 0:
            return True
    total = 0.0  # stays so: zero times a number that is not finite is none
    for j in range(readout.qpos.shape[1]):
        total += 0.0 * readout.qpos[i, j]
    for j in range(readout.qvel.shape[1]):
        total += 0.0 * readout.qvel[i, j]
    return total != 0.0


@lean_kernel
def _track(readout, anatomy, courses, i, hold_steps, record):  # type: ignore[no-untyped-def]
    """Obstacles that all feet of body ``i`` are past, and those that it has survived."""
    p, passed_at, counts = record.progress[i], record.passed_at, record.counts
    rear = math.inf
    for f, foot in enumerate(anatomy.feet):
        rear = min(rear, readout.site_xpos[i, foot, 0] - anatomy.reach_m[f])
    while p.passed < courses.num_obstacles[i] and rear > courses.obstacles[i, p.passed].end_m:
        passed_at[i, p.passed] = p.steps
        p.passed += 1
    while p.cleared < p.passed and (p.finished > 0 or p.steps - passed_at[i, p.cleared] >= hold_steps):
        o = courses.obstacles[i, p.cleared]
        counts[i, o.kind] += 1
        if o.kind == HURDLE:
            p.tallest_hurdle_m = max(p.tallest_hurdle_m, o.height_m)
        elif o.kind == GAP:
            p.widest_gap_m = max(p.widest_gap_m, o.end_m - o.start_m)
        p.cleared += 1


@lean_kernel
def _advance(actions, readout, pose, anatomy, courses, rules, record, outcome, i):  # type: ignore[no-untyped-def]
    """What a step has brought to body ``i``."""
    p = record.progress[i]
    p.steps += 1
    if _broken(readout, i):
        p.cause = DIVERGED
        outcome.rewards[i], outcome.terminations[i], outcome.truncations[i] = 0.0, True, False
        return
    root = pose.place[i]
    speed = (root[0] - p.x_m) / rules.step_s
    p.x_m = root[0]
    p.farthest_m = max(p.farthest_m, root[0])
    effort = 0.0
    for j in range(actions.shape[1]):
        effort += np.float64(actions[i, j]) * np.float64(actions[i, j])
    up, drift = pose.turn[i, 8], pose.velocity[i, 1]
    p.cause = fall_cause(rules, readout, pose, anatomy, courses, i)
    fell = p.cause != NONE
    p.finished = 1 if not fell and root[0] >= courses.length_m[i] else 0
    if not fell:
        _track(readout, anatomy, courses, i, rules.hold_steps, record)
    alive = rules.alive if fell else 0.0
    outcome.rewards[i] = step_reward(rules, speed, up, effort, root[1], drift) - alive
    outcome.terminations[i], outcome.truncations[i] = fell, p.finished > 0


@kernel
def follow_rows(  # type: ignore[no-untyped-def]
    rows, actions, readout, pose, anatomy, courses, rules, record, outcome, view
):
    """What a step of the simulations has brought, and what bodies observe now: zeros where one diverged.

    Args:
        rows: Which, shape ``(n,)`` bool.
        actions: Shape ``(n, actuators)``.
        readout: ``simulation.Readout``.
        pose: ``pose.Pose``, changed in place.
        anatomy: ``model.Anatomy``.
        courses: ``courses.Courses``.
        rules: ``rewards.Rules``.
        record: :class:`Record`, changed in place.
        outcome: :class:`Outcome`, changed in place.
        view: ``observation.View``, changed in place.
    """
    pose_rows(rows, readout, anatomy, pose)
    sound = rows.copy()
    for i in range(len(rows)):
        if rows[i]:
            _advance(actions, readout, pose, anatomy, courses, rules, record, outcome, i)
            if record.progress[i].cause == DIVERGED:
                sound[i] = False
                view.out[i] = 0.0
    observe_rows(sound, readout, pose, anatomy, courses, view)
