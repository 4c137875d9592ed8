"""Measures of likeness have the values that their definitions have."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from rlkit.rewards.measures import (
    accuracy,
    calibration,
    correlation,
    defined,
    explained,
    pearson_distance,
    rank_correlation,
    shaped_distance,
)

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("ties", [False, True])
def test_correlations_are_scipys(ties: bool) -> None:
    one = RNG.normal(size=200)
    two = one + RNG.normal(size=200)
    if ties:
        one, two = np.round(one), np.round(two)
    assert correlation(one, two) == pytest.approx(stats.pearsonr(one, two).statistic)
    assert rank_correlation(one, two) == pytest.approx(stats.spearmanr(one, two).statistic)
    assert explained(one, two) == pytest.approx(stats.linregress(one, two).rvalue ** 2)


def test_of_what_does_not_vary_nothing_is_said() -> None:
    assert np.isnan(correlation(np.full(9, 0.1), RNG.normal(size=9)))
    assert np.isnan(rank_correlation(np.zeros(5), np.arange(5.0)))
    assert defined({"one": 0.0, "two": np.nan}) == {"one": 0.0}


def test_distance_knows_scale_offset_and_opposites() -> None:
    reward = RNG.normal(size=500)
    assert pearson_distance(reward, 3.0 * reward + 7.0) == pytest.approx(0.0, abs=1e-7)
    assert pearson_distance(reward, -reward) == pytest.approx(1.0)
    assert pearson_distance(reward, RNG.normal(size=500)) == pytest.approx(np.sqrt(0.5), abs=0.05)


def test_shaping_by_a_potential_makes_no_distance() -> None:
    """A potential that is quadratic in the state hides a reward from correlation, and not from this."""
    states = RNG.normal(size=(3_000, 3))
    before, after = states[:-1], states[1:]
    true = before[:, 0] + 0.5 * np.sin(before[:, 1])
    potential = 2.0 * states[:, 2] + np.cos(states[:, 0])
    shaped = 2.0 * true + 0.95 * potential[1:] - potential[:-1]
    rng = np.random.default_rng(1)
    plain, found = pearson_distance(true, shaped), shaped_distance(true, shaped, before, after, 0.95, rng)
    assert found < 0.15 < 0.3 < plain
    other = before[:, 1] * before[:, 2]
    assert shaped_distance(true, other, before, after, 0.95, rng) > 0.6


def test_accuracy_leaves_ties_out() -> None:
    first = np.array([0.9, 0.2, 0.6, 0.4])
    assert accuracy(first, np.array([1.0, 0.0, 0.0, 0.5])) == pytest.approx(2 / 3)
    assert np.isnan(accuracy(first, np.full(4, 0.5)))


def test_honest_probabilities_are_calibrated_and_bold_ones_are_not() -> None:
    said = RNG.uniform(size=20_000)
    chosen = (RNG.uniform(size=20_000) < said).astype(float)
    honest, bold = calibration(said, chosen), calibration((said > 0.5).astype(float), chosen)
    assert honest["ece"] < 0.02 < 0.2 < bold["ece"]
    assert honest["brier"] == pytest.approx(1 / 6, abs=0.01) and bold["brier"] == pytest.approx(0.25, abs=0.02)
    assert sum(count for *_, count in honest["bins"]) == 20_000
