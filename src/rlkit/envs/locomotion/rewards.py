"""What a step is paid, and when a body has fallen: kernels of one row, whatever the body."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import NamedTuple

from rlkit.envs.jit import lean_kernel
from rlkit.envs.locomotion.bodies import BodySpec, RewardWeights
from rlkit.envs.locomotion.courses import PIT_DEPTH_M
from rlkit.envs.locomotion.metrics import FALL, NONE, OFF_TRACK, PIT
from rlkit.envs.locomotion.observation import ground_under

_LOST_M = 0.5 * PIT_DEPTH_M  # a foot so deep in a gap does not come out of it


class Rules(NamedTuple):
    """Weights of the reward and limits of a body, for kernels."""

    forward: float
    speed_limit_ms: float
    alive: float
    upright: float
    action: float
    centre: float
    drift: float
    min_height_m: float
    least_up: float  # cosine of the greatest tilt
    min_head_height_m: float
    min_head_to_feet_m: float
    step_s: float
    hold_steps: int  # so many steps a body must stay up behind an obstacle


def rules_of(body: BodySpec, weights: RewardWeights, hold_s: float) -> Rules:
    """Weights and limits as numbers for kernels."""
    return Rules(
        **{name: float(value) for name, value in asdict(weights).items()},
        min_height_m=float(body.min_height_m),
        least_up=math.cos(min(body.max_tilt_rad, math.pi)),
        min_head_height_m=float(body.min_head_height_m),
        min_head_to_feet_m=float(body.min_head_to_feet_m),
        step_s=body.step_s,
        hold_steps=math.ceil(hold_s / body.step_s - 1e-9),
    )


@lean_kernel
def step_reward(rules, speed_ms, up, effort, y_m, drift_ms):  # type: ignore[no-untyped-def]
    """The reward of a step that does not end in a fall.

    Args:
        rules: :class:`Rules`.
        speed_ms: Along the track, over the step.
        up: Cosine of the root's tilt.
        effort: Sum of squared actions.
        y_m: From the centre line.
        drift_ms: Speed across the track.
    """
    paid = min(max(speed_ms, -rules.speed_limit_ms), rules.speed_limit_ms)
    bonus = rules.forward * paid + rules.alive + rules.upright * up
    return bonus - rules.action * effort - rules.centre * y_m * y_m - rules.drift * drift_ms * drift_ms


@lean_kernel
def fall_cause(rules, readout, pose, anatomy, courses, i):  # type: ignore[no-untyped-def]
    """Why body ``i`` is out, as a number of ``metrics.CAUSES``; heights are above the terrain beneath."""
    root = pose.place[i]
    level = ground_under(courses, i, root[0], root[1], root[2])
    lowest = math.inf
    for foot in anatomy.feet:
        lowest = min(lowest, readout.site_xpos[i, foot, 2])
    if courses.ground_z[i] < 0.0 and (lowest < -_LOST_M or root[2] < rules.min_height_m):
        return PIT
    if root[2] - level < rules.min_height_m or pose.turn[i, 8] < rules.least_up:
        return FALL
    if anatomy.head >= 0:
        head = readout.site_xpos[i, anatomy.head, 2]
        if head - level < rules.min_head_height_m or head - lowest < rules.min_head_to_feet_m:
            return FALL
    if not anatomy.planar and abs(root[1]) > courses.half_width_m[i]:
        return OFF_TRACK
    return NONE
