"""A sum tree: draws in proportion to weights that change all the time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rlkit.envs.jit import kernel


class SumTree:
    """Weights of ``size`` leaves, whose sums are kept in a binary tree.

    Args:
        size: How many leaves.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._first = 1 << max(size - 1, 1).bit_length()  # the leaves' place: the tree is an array, its root at 1
        self._nodes = np.zeros(2 * self._first, dtype=np.float64)

    @property
    def total(self) -> float:
        """Sum of all weights."""
        return float(self._nodes[1])

    @property
    def leaves(self) -> NDArray[np.float64]:
        """All weights, shape ``(size,)``; a view."""
        return self._nodes[self._first : self._first + self._size]

    def set(self, leaves: NDArray[np.int64], weights: NDArray[np.float64]) -> None:
        """Give leaves new weights (>= 0); of a leaf that is named twice, the last counts."""
        _set(self._nodes, self._first, leaves, weights)

    def get(self, leaves: NDArray[np.int64]) -> NDArray[np.float64]:
        """Weights of some leaves."""
        return self._nodes[self._first + leaves]

    def find(self, sums: NDArray[np.float64]) -> NDArray[np.int64]:
        """The leaves at which the running sum of weights passes these, each in ``[0, total)``."""
        found = np.empty(len(sums), dtype=np.int64)
        _find(self._nodes, self._first, sums, found)
        return found

    def restore(self, leaves: NDArray[np.float64]) -> None:
        """Take back what :attr:`leaves` gave; a shorter array is followed by zeros."""
        self._nodes[:] = 0.0
        self._nodes[self._first : self._first + len(leaves)] = leaves
        _build(self._nodes, self._first)


@kernel
def _set(nodes, first, leaves, weights):  # type: ignore[no-untyped-def]
    for i in range(len(leaves)):
        node = first + leaves[i]
        nodes[node] = weights[i]
        node >>= 1
        while node >= 1:  # summed anew rather than changed by the difference: rounding does not pile up
            nodes[node] = nodes[2 * node] + nodes[2 * node + 1]
            node >>= 1


@kernel
def _find(nodes, first, sums, found):  # type: ignore[no-untyped-def]
    for i in range(len(sums)):
        left_over, node = sums[i], 1
        while node < first:
            node *= 2
            # A sum that rounding has put at a part's end must not land on a leaf without weight
            if left_over >= nodes[node] and nodes[node + 1] > 0.0:
                left_over -= nodes[node]
                node += 1
        found[i] = node - first


@kernel
def _build(nodes, first):  # type: ignore[no-untyped-def]
    for node in range(first - 1, 0, -1):
        nodes[node] = nodes[2 * node] + nodes[2 * node + 1]
