"""A hopper taught backflips, after Christiano et al. (2017): what a scripted teacher sees, and how flips are counted.

Nothing in the hopper's task pays a flip. The teacher sees how fast a segment turns backwards, and whether the foot
comes down under an upright body; the agent sees none of it, only what a model makes of the teacher's answers.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from rlkit.errors import UsageError
from rlkit.rewards.segments import SegmentBatch

# Columns of what a planar body with three joints and one foot observes on `rlkit/ObstacleCourse-v0`. Positive pitch
# leans forward, along the track.
HEIGHT, PITCH, PITCH_RATE, TOUCH = 0, 1, 7, 11
COLUMNS = 12

LOW_M = 0.5  # a root so low lies, or has its head on the ground: gymnasium's hopper stands with it at 1.25 m
HIGH_M = 0.8  # and does not stand on its foot below
UPRIGHT, CROOKED = 0.7, 0.5  # cosines of the pitch: above the one it stands, below the other its foot is misplaced
ON_FOOT = 3.0  # what a turn is worth on the upright foot, where flips begin and land; in the air it is 1
FASTEST = 15.0  # rad/s: faster turns are worth no more
MISPLACED, LYING = -10.0, -0.5  # rad/s; little for lying, lest it dare nothing


def score(segments: SegmentBatch) -> NDArray[np.float64]:
    """How well each step flips, in rad/s: turning backwards in the air, and more so on the upright foot.

    Turning forward costs as much as turning backwards is ever paid, so that rocking loses. A foot on the ground while
    the body is not upright costs, and so does lying. Each step tells its own worth: what a flip was before it landed
    need not be remembered, and a reward of single steps can say it.

    Args:
        segments: Of a hopper on the obstacle course.

    Returns:
        Shape ``(n, length)``.

    Raises:
        UsageError: If the observations cannot be a hopper's.

    Example:
        >>> air = np.zeros((1, 2, 12)); air[..., HEIGHT], air[..., PITCH_RATE] = 1.25, [-4.0, 3.0]
        >>> score(SegmentBatch(air, np.zeros((1, 2, 3)), np.zeros((1, 2)), np.array([2]), np.array([0]))).tolist()
        [[4.0, -9.0]]
    """
    height, pitch, rate, touch = _seen(segments)
    flies = (touch <= 0.0) & (height > LOW_M)
    worth = np.where(_stands(segments) | (rate > 0.0), ON_FOOT, flies)
    misplaced = (touch > 0.0) & (np.cos(pitch) < CROOKED)
    return worth * np.clip(-rate, -FASTEST, FASTEST) + MISPLACED * misplaced + LYING * (height < LOW_M)


def landed(segments: SegmentBatch) -> NDArray[np.float64]:
    """How many backflips each step lands, so that an episode's sum is its number of flips.

    A flip begins and ends standing, turns backwards by 360 degrees to the nearest whole turn, is upside down in the
    air only, and never has the root as low as one that lies.

    Args:
        segments: As in :func:`score`; whole episodes, or flips across their edges are not counted.

    Returns:
        Shape ``(n, length)``.
    """
    height, pitch, _, touch = _seen(segments)
    stands = _stands(segments)
    foul = (height < LOW_M) | ((np.cos(pitch) < 0.0) & (touch > 0.0))
    step = np.diff(pitch, axis=1, prepend=pitch[:, :1])
    travel = -np.cumsum((step + math.pi) % (2.0 * math.pi) - math.pi, axis=1) / (2.0 * math.pi)  # turns, backwards
    flips = np.zeros(height.shape)
    begun, fair = np.zeros(len(height)), np.zeros(len(height), np.bool_)
    for t in range(height.shape[1]):
        fair &= ~foul[:, t]
        up = stands[:, t]
        flips[up & fair, t] = np.maximum(np.round(travel[:, t] - begun), 0.0)[up & fair]
        begun[up], fair[up] = travel[up, t], True
    return flips


def _stands(segments: SegmentBatch) -> NDArray[np.bool_]:
    height, pitch, _, touch = _seen(segments)
    return (touch > 0.0) & (np.cos(pitch) > UPRIGHT) & (height > HIGH_M)


def _seen(segments: SegmentBatch) -> tuple[NDArray[np.float64], ...]:
    """Height, pitch, pitch rate, touch: shape ``(n, length)`` each."""
    seen, actions = segments.observations, segments.actions.shape[2:]
    if not isinstance(seen, np.ndarray) or seen.ndim != 3 or seen.shape[2] < COLUMNS or actions != (3,):
        raise UsageError(
            f"backflips are judged of a hopper on rlkit/ObstacleCourse-v0, which has 3 actions and observes {COLUMNS} "
            f"numbers and the terrain, got actions of shape {actions}: docs/results/backflip.md has the command"
        )
    height, pitch, rate, touch = (seen[..., column].astype(np.float64) for column in (HEIGHT, PITCH, PITCH_RATE, TOUCH))
    return height, pitch, rate, touch
