"""Actions of a batch, checked against the space of one."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from rlkit.envs.jit import lean_kernel


@lean_kernel
def first_outside(actions, low, high):  # type: ignore[no-untyped-def]
    """The first row of actions that is not within the bounds, -1 where all are.

    Args:
        actions: Shape ``(n, k)``.
        low: Shape ``(k,)``.
        high: Shape ``(k,)``.
    """
    for i in range(actions.shape[0]):
        for j in range(actions.shape[1]):
            if not low[j] <= actions[i, j] <= high[j]:  # NaN is not
                return i
    return -1


def check_actions(actions: NDArray[Any], space: spaces.Space[Any]) -> NDArray[Any]:
    """Actions of a batch, checked against the space of one.

    Args:
        actions: Shape ``(n, *space.shape)``.
        space: Discrete or Box.

    Returns:
        The same numbers, int64 for Discrete and of the space's type for Box.

    Raises:
        ValueError: If one is of the wrong type, out of range or not finite; the first such row is named.
    """
    if isinstance(space, spaces.Discrete):
        if actions.dtype.kind not in "iu":
            raise ValueError(f"actions must be whole numbers, got an array of {actions.dtype}")
        start, stop = int(space.start), int(space.start + space.n)
        if actions.size and (actions.min() < start or actions.max() >= stop):
            row = int(np.flatnonzero((actions < start) | (actions >= stop))[0])
            raise ValueError(f"actions must be from {start} to {stop - 1}, got {actions[row]} for environment {row}")
        return actions.astype(np.int64, copy=False)
    if not isinstance(space, spaces.Box):
        raise TypeError(f"actions of {type(space).__name__} are not supported")
    if actions.dtype.kind not in "fiu":
        raise ValueError(f"actions must be numbers, got an array of {actions.dtype}")
    if actions.dtype == space.dtype and actions.flags.c_contiguous:
        if first_outside(actions.reshape(len(actions), -1), space.low.ravel(), space.high.ravel()) < 0:
            return actions
    within = (actions >= space.low) & (actions <= space.high)  # NaN is not
    if not within.all():
        row = int(np.flatnonzero(~within.reshape(len(actions), -1).all(1))[0])
        raise ValueError(
            f"actions must be finite and from {space.low.min()} to {space.high.max()}, "
            f"got {actions[row]} for environment {row}"
        )
    return actions.astype(space.dtype, copy=False)
