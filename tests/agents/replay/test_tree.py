"""The sum tree draws what its weights say."""

from __future__ import annotations

import numpy as np
import pytest

from rlkit.agents.replay.tree import SumTree


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 1000])
def test_find_is_a_search_in_the_running_sum(size: int) -> None:
    rng = np.random.default_rng(size)
    tree, weights = SumTree(size), np.zeros(size)
    for _ in range(5):
        chosen = rng.permutation(size)[: max(1, size // 2)]
        weights[chosen] = rng.random(len(chosen)) * (rng.random(len(chosen)) < 0.7)
        tree.set(chosen, weights[chosen])
        np.testing.assert_array_equal(tree.leaves, weights)
        assert tree.total == pytest.approx(weights.sum())
        if tree.total > 0:
            sums = rng.random(500) * tree.total
            expected = np.searchsorted(weights.cumsum(), sums, side="right")
            np.testing.assert_array_equal(tree.find(sums), expected)


def test_leaves_without_weight_are_never_found() -> None:
    """Not at a sum of 0, nor where rounding has put it at the total."""
    tree = SumTree(9)
    tree.set(np.array([2, 5]), np.array([0.1, 0.2]))
    sums = np.array([0.0, 0.1, tree.total, np.nextafter(tree.total, 1)])
    assert set(tree.find(sums).tolist()) <= {2, 5}


def test_rounding_does_not_pile_up() -> None:
    tree, rng = SumTree(100), np.random.default_rng(0)
    for _ in range(2000):
        tree.set(rng.integers(100, size=8), rng.random(8) * 1e6)
    tree.set(np.arange(100), np.full(100, 0.5))
    assert tree.total == 50.0


def test_restoring_sums_anew() -> None:
    tree, other = SumTree(10), SumTree(10)
    tree.set(np.arange(10), np.arange(10.0))
    other.restore(tree.leaves.copy())
    assert other.total == 45.0
    np.testing.assert_array_equal(other._nodes, tree._nodes)
