"""A bargainer taught fairness: a teacher that prefers deals in which both get as many things as the other.

``rlkit/Negotiation-v0`` pays own points. Who teaches fairness looks at the table alone, as its picture shows it: how
many things lie on either side once there is a deal, whatever they are worth to whom.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rlkit.envs.negotiation.rules import DEFAULT_MAX_TURNS
from rlkit.errors import UsageError
from rlkit.rewards.segments import SegmentBatch

# Columns of the observation: agreement, offers made (one-hot), then pool, own values and last offer, coded by item.
AGREED = 0
ITEMS, POOL_CODE, VALUE_CODE = 3, 8, 11


def fair_deals(segments: SegmentBatch) -> NDArray[np.float64]:
    """How evenly the things are split, in the step that shows the deal first: 1 in halves, 0 if one has all; else 0.

    A game that is over stands still for the rest of a segment (``reward.ends=absorbing``), and no more is told of it:
    an early deal is worth what a late one is.

    Args:
        segments: Of negotiations of at least two turns.

    Returns:
        Shape ``(n, length)``.

    Raises:
        UsageError: If the observations cannot be those of a negotiation.
    """
    seen = segments.observations
    least = 2 + 2 + ITEMS * (2 * POOL_CODE + VALUE_CODE)
    if not isinstance(seen, np.ndarray) or seen.ndim != 3 or seen.shape[2] < least:
        raise UsageError(
            f"fair deals are judged of rlkit/Negotiation-v0, which observes {least - 2 + DEFAULT_MAX_TURNS} numbers "
            f"with {DEFAULT_MAX_TURNS} turns: leave reward.score out, or take env=negotiation"
        )
    offer = _count(seen[..., -ITEMS * POOL_CODE :])
    pool = _count(seen[..., -ITEMS * (2 * POOL_CODE + VALUE_CODE) : -ITEMS * (POOL_CODE + VALUE_CODE)])
    share = offer / np.maximum(pool, 1.0)  # of one of the two, it does not matter whose
    agreed = seen[..., AGREED] > 0.5
    agreed[:, 1:] &= ~agreed[:, :-1]
    return np.where(agreed, 1.0 - np.abs(2.0 * share - 1.0), 0.0)


def _count(code: NDArray[np.float32]) -> NDArray[np.float64]:
    """Things in a code that sets bits 0 to count of each item."""
    items = code.reshape(*code.shape[:-1], ITEMS, POOL_CODE).astype(np.float64).sum(-1) - 1.0
    counted: NDArray[np.float64] = np.maximum(items, 0.0).sum(-1)
    return counted
