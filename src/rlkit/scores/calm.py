"""A cooling policy taught an operator's taste: the same bill, with fewer moves of the set points.

``rlkit/DataCenterCooling-v0`` pays for energy and limits alone, and learned policies move set points at every step. An
operator who looks at trends would rather have them still. A reward model sees one step at a time: it can tell a move
where the set points in force are observed (``env.observe_commands=true``).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rlkit.rewards.segments import SegmentBatch

MOVE = 100.0  # what moving all set points through their whole range costs; a step of good control is paid -1.3
WORST = 5.0  # beyond this, an operator sees no difference


def calm(segments: SegmentBatch) -> NDArray[np.float64]:
    """The task's reward, no worse than ``-WORST``, less what the moves of set points cost.

    Args:
        segments: Of any task with continuous actions from -1 to 1.

    Returns:
        Shape ``(n, length)``; the first step of a segment has no move.

    Example:
        >>> nothing = np.zeros((1, 3, 2))
        >>> still = SegmentBatch(nothing, nothing, np.zeros((1, 3)), np.array([3]), np.array([0]))
        >>> jumps = still._replace(actions=np.array([[[-1.0, -1.0], [1.0, 1.0], [1.0, 0.0]]]))
        >>> calm(still).tolist(), calm(jumps).tolist()
        ([[0.0, 0.0, 0.0]], [[0.0, -100.0, -25.0]])
    """
    return np.maximum(segments.rewards.astype(np.float64), -WORST) + moves(segments) * -MOVE


def moves(segments: SegmentBatch) -> NDArray[np.float64]:
    """How far set points move in each step: the mean over them, 1 being the whole range, shape ``(n, length)``."""
    actions = segments.actions.astype(np.float64)
    steps = np.abs(np.diff(actions, axis=1, prepend=actions[:, :1])).mean(axis=tuple(range(2, actions.ndim)))
    inside = np.arange(actions.shape[1]) < segments.lengths[:, None]
    return np.where(inside, 0.5 * steps, 0.0)
