"""The random streams."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numba import njit

from rlkit.envs.streams import below, exponential, new_streams, next_bits, normal, scaled_normals, uniform


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


@njit
def _draw_normals(streams, count):  # type: ignore[no-untyped-def]
    draws = np.empty(count)
    for j in range(count):
        draws[j] = normal(streams, 0)
    return draws


def test_normal_numbers_follow_the_normal_law_everywhere() -> None:
    """The empirical distribution is within its error of the exact one in the body, at layer edges and in the tails."""
    count = 4_000_000
    draws = _draw_normals(new_streams(5, 1), count)
    for level in (*np.linspace(-4, 4, 161), 3.6541528853610088, -3.6541528853610088):
        exact = 0.5 * math.erfc(-level / math.sqrt(2))
        error = abs((draws <= level).mean() - exact)
        assert error < 5 * math.sqrt(exact * (1 - exact) / count), level
    for power, moment in ((1, 0), (2, 1), (3, 0), (4, 3), (6, 15)):
        spread = math.sqrt(math.prod(range(1, 2 * power, 2)) / count)
        assert abs((draws**power).mean() - moment) < 5 * spread
    assert 4.5 < np.abs(draws).max() < 7


def test_normal_numbers_are_independent_of_each_other() -> None:
    draws = _draw_normals(new_streams(6, 1), 1_000_000)
    for lag in (1, 2, 3):
        for values in (draws, draws**2):
            assert abs(np.corrcoef(values[lag:], values[:-lag])[0, 1]) < 5e-3


def test_waiting_times_have_the_stated_mean() -> None:
    streams = new_streams(7, 1)
    times = np.array([exponential(streams, 0, 2.5) for _ in range(20_000)])
    assert times.min() >= 0 and abs(times.mean() - 2.5) < 5 * 2.5 / math.sqrt(times.size)
    assert exponential(streams, 0, math.inf) == math.inf


def test_many_normals_at_once_are_the_same_as_one_by_one() -> None:
    """With some places that draw nothing; enough numbers for edges and tails of the ziggurat."""
    scale = np.where(np.arange(5000) % 7 == 3, 0.0, 1.0 + np.arange(5000) % 5)
    single, many = new_streams(3, 2), new_streams(3, 2)
    out = np.full(5000, np.nan)
    scaled_normals(many, 1, scale, out)
    expected = [one * normal(single, 1) if one > 0.0 else 0.0 for one in scale]
    np.testing.assert_array_equal(out, expected)
    np.testing.assert_array_equal(single, many)
    assert np.abs(out[scale == 1.0]).max() > 3.0
