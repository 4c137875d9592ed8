"""Averages and intervals: hand values, definitions of others, and coverage."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rlkit.statistics import RESAMPLES, grouped_interval, interval, iqm, mean, probability_of_improvement

# Agarwal et al. 2021, section 4.3: the mean of the middle half of all runs of all tasks. rliable's `aggregate_iqm` is
# scipy.stats.trim_mean(scores, proportiontocut=0.25, axis=None) on such a matrix, here 5 runs x 4 tasks. By hand: of 20
# sorted scores, 0 to 19 tenths, the five lowest and the five highest go.
SCORES = np.array(
    [
        [1.9, 0.4, 0.8, 1.2],
        [0.0, 0.5, 0.9, 1.3],
        [0.1, 1.8, 1.0, 1.4],
        [0.2, 0.6, 1.7, 1.5],
        [0.3, 0.7, 1.1, 1.6],
    ]
)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([3.0], 3.0),
        ([1.0, 3.0], 2.0),
        ([1.0, 2.0, 9.0], 4.0),  # a quarter of three is less than one value: none is cut
        ([0.0, 1.0, 2.0, 100.0], 1.5),
        ([5.0, 4.0, 3.0, 2.0, 1.0], 3.0),
        (list(range(8)), 3.5),
        ([-1e9, 1, 2, 3, 4, 5, 6, 1e9], 3.5),
    ],
)
def test_iqm_by_hand(values: list[float], expected: float) -> None:
    assert float(iqm(np.array(values))) == pytest.approx(expected)


def test_iqm_is_rliables() -> None:
    assert float(iqm(SCORES.ravel())) == pytest.approx(np.mean(np.arange(5, 15) / 10))


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=40))
def test_iqm_is_scipys_trimmed_mean(values: list[float]) -> None:
    """Cut int(n / 4) values at each end; and it lies between the quartiles, whatever the order."""
    array = np.array(values)
    cut = int(0.25 * len(array))
    expected = np.sort(array)[cut : len(array) - cut].mean()
    assert float(iqm(array)) == pytest.approx(expected, rel=1e-9, abs=1e-6)
    assert float(iqm(np.random.default_rng(0).permutation(array))) == pytest.approx(expected, rel=1e-9, abs=1e-6)


def test_axes() -> None:
    np.testing.assert_allclose(iqm(SCORES, 0), [np.sort(column)[1:4].mean() for column in SCORES.T])
    np.testing.assert_allclose(iqm(SCORES), [np.sort(row)[1:3].mean() for row in SCORES])
    np.testing.assert_allclose(mean(SCORES, 0), SCORES.mean(0))


def test_interval_of_equal_values_is_that_value() -> None:
    assert interval(np.full(9, 2.5)) == (2.5, 2.5)
    assert interval(np.array([7.0]), iqm) == (7.0, 7.0)


def test_interval_is_the_percentile_bootstraps() -> None:
    """All 27 resamples of three values are equally likely: quantiles of their means, up to the resampling's error."""
    values = np.array([0.0, 1.0, 5.0])
    means = np.array([[a, b, c] for a in values for b in values for c in values]).mean(1)
    low, high = interval(values, level=0.8)
    assert (low, high) == pytest.approx(tuple(np.quantile(means, [0.1, 0.9])), abs=0.35)
    assert interval(values, level=0.8) == (low, high)  # seeded
    wide = interval(values, level=0.99)
    assert wide[0] <= low <= high <= wide[1]


@pytest.mark.parametrize("statistic", [mean, iqm])
def test_intervals_cover_as_often_as_they_say(statistic: object) -> None:
    """300 samples of 40 from a known distribution; the percentile bootstrap is known to cover a little less."""
    rng = np.random.default_rng(0)
    hits = 0
    for _ in range(300):
        low, high = interval(rng.normal(3.0, 2.0, 40), statistic)  # type: ignore[arg-type]
        hits += low <= 3.0 <= high
    assert 0.90 <= hits / 300 <= 0.98


def test_intervals_narrow_with_the_root_of_the_number() -> None:
    rng = np.random.default_rng(1)
    widths = [np.subtract(*interval(rng.normal(size=n))[::-1]) for n in (100, 1_600)]
    assert widths[0] / widths[1] == pytest.approx(4.0, rel=0.25)


def test_groups_are_resampled_whole() -> None:
    """Copies tell nothing new: ten values, each a hundred times, have the interval of the ten."""
    values = np.random.default_rng(2).normal(size=10)
    groups = np.arange(10).repeat(100)
    assert grouped_interval(values.repeat(100), groups) == pytest.approx(interval(values), abs=1e-12)
    low, high = interval(values.repeat(100))  # as if independent: far too narrow
    assert high - low < 0.2 * np.subtract(*interval(values)[::-1])


def test_groups_of_one_are_values() -> None:
    values = np.random.default_rng(3).normal(size=30)
    assert grouped_interval(values, np.arange(30)) == pytest.approx(interval(values), abs=1e-12)


def test_groups_of_other_sizes_count_by_their_size() -> None:
    """The statistic is the mean of all values, not of the groups' means; names of groups do not matter."""
    values, groups = np.array([0.0, 0.0, 0.0, 1.0]), np.array([70, 70, 70, -3])
    low, high = grouped_interval(values, groups)
    assert (low, high) == (0.0, 1.0)
    many = grouped_interval(np.tile(values, 200), np.arange(800) // 3)
    assert many[0] < 0.25 < many[1]


@pytest.mark.parametrize("values", [np.zeros(0), np.zeros((2, 3)), np.array(1.0)])
def test_nothing_to_resample_is_an_error(values: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"scores of shape \(n,\) with n >= 1, got"):
        interval(values)


def test_the_chance_to_be_better() -> None:
    """Counted over all pairs, a draw as half; sure where the two are apart, a half where they are the same."""
    low, high = np.arange(5.0), np.arange(5.0) + 10
    assert probability_of_improvement(high, low) == (1.0, 1.0, 1.0)
    assert probability_of_improvement(low, high) == (0.0, 0.0, 0.0)
    chance, least, most = probability_of_improvement(low, low)
    assert chance == 0.5 and least < 0.3 and most > 0.7
    assert probability_of_improvement(np.array([1.0, 3.0]), np.array([2.0, 3.0, 0.0]))[0] == pytest.approx(3.5 / 6)


@pytest.mark.parametrize("sides", [(np.zeros(0), np.zeros(2)), (np.zeros(2), np.zeros(0))])
def test_nobody_to_be_better_than_is_an_error(sides: tuple[np.ndarray, np.ndarray]) -> None:
    with pytest.raises(ValueError, match="scores are needed on both sides"):
        probability_of_improvement(*sides)


def test_resamples_are_many() -> None:
    assert RESAMPLES >= 1_000
