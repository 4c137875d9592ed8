"""The random streams."""

from __future__ import annotations

import numpy as np
import pytest

from rlkit.envs.streams import below, new_streams, next_bits, uniform


def test_reference_values_of_xoshiro() -> None:
    """First outputs from the state (1, 2, 3, 4), from the authors' C program."""
    state = np.array([[1, 2, 3, 4]], dtype=np.uint64)
    expected = [41943041, 58720359, 3588806011781223, 3591011842654386, 9228616714210784205]
    assert [int(next_bits(state, 0)) for _ in expected] == expected


def test_streams_do_not_depend_on_how_many_there_are() -> None:
    np.testing.assert_array_equal(new_streams(3, 5), new_streams(3, 500)[:5])
    np.testing.assert_array_equal(new_streams([3, 4], 2)[1], new_streams(4, 1)[0])


def test_streams_are_uniform_and_independent() -> None:
    streams = new_streams(0, 200)
    draws = np.array([[uniform(streams, i) for _ in range(500)] for i in range(200)])
    assert draws.min() >= 0 and draws.max() < 1
    assert abs(draws.mean() - 0.5) < 4 * np.sqrt(1 / 12 / draws.size)
    correlations = np.corrcoef(draws) - np.eye(200)
    assert np.abs(correlations).max() < 6 / np.sqrt(500)


def test_below_covers_its_range_evenly() -> None:
    streams = new_streams(1, 1)
    counts = np.bincount([below(streams, 0, 7) for _ in range(7_000)], minlength=7)
    assert counts.size == 7 and abs(counts - 1_000).max() < 150


def test_no_seed_means_new_entropy() -> None:
    assert (new_streams(None, 1) != new_streams(None, 1)).any()


def test_wrong_number_of_seeds() -> None:
    with pytest.raises(ValueError, match="2 seeds for 3"):
        new_streams([1, 2], 3)
