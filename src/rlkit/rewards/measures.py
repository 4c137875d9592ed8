"""How like two rewards are, and how well answers are foretold."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.floating[Any]]
FEATURES = 64  # of the potential that is taken out of rewards
RIDGE = 1e-6


def correlation(one: Numbers, two: Numbers) -> float:
    """Pearson's, of two arrays of shape ``(n,)``; nan where one of them does not vary."""
    a, b = np.asarray(one, np.float64) - np.mean(one), np.asarray(two, np.float64) - np.mean(two)
    size = np.sqrt((a @ a) * (b @ b))
    varies = all(np.ptp(part) > 1e-9 * np.max(np.abs(part)) for part in (one, two) if len(part))
    return float(np.clip(a @ b / size, -1.0, 1.0)) if size > 0 and varies else float("nan")


def defined(figures: Mapping[str, float]) -> dict[str, float]:
    """Figures without those that are nan: of what does not vary there is no correlation to draw, write or judge by."""
    return {name: value for name, value in figures.items() if not np.isnan(value)}


def rank_correlation(one: Numbers, two: Numbers) -> float:
    """Spearman's: of the ranks, those of equals averaged."""
    return correlation(ranks(one), ranks(two))


def ranks(values: Numbers) -> NDArray[np.float64]:
    """Places in ascending order, equals sharing the mean of theirs, shape ``(n,)``."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    return np.asarray((ends - (counts - 1) / 2.0)[inverse], np.float64)


def pearson_distance(one: Numbers, two: Numbers) -> float:
    """``sqrt((1 - r) / 2)``: 0 for rewards that differ by scale and offset, 1 for opposites (Gleave et al. 2021)."""
    return float(np.sqrt((1.0 - correlation(one, two)) / 2.0))


def shaped_distance(
    one: Numbers, two: Numbers, before: Numbers, after: Numbers, gamma: float, rng: np.random.Generator
) -> float:
    """Distance of two rewards up to scale, offset and shaping by a potential, as EPIC has it (Gleave et al. 2021).

    EPIC evaluates rewards at states and actions drawn apart; the task's is only known where the agent went. So of both
    rewards that part is taken out which a potential, linear in random features of the observations, can explain.

    Args:
        one: Rewards of transitions, shape ``(n,)``.
        two: Other rewards of the same.
        before: Observations as numbers, shape ``(n, d)``.
        after: Those that followed; where the episode ended, the last one again.
        gamma: The agent's discount.
        rng: Draws the features.
    """
    middle, spread = before.mean(0), before.std(0) + 1e-6
    weights = rng.normal(size=(before.shape[1], FEATURES)) / np.sqrt(before.shape[1])
    offsets = rng.uniform(0.0, 2.0 * np.pi, FEATURES)

    def features(rows: Numbers) -> NDArray[np.float64]:
        scaled = (rows - middle) / spread
        return np.concatenate([scaled, np.cos(scaled @ weights + offsets)], axis=1)

    shapes = gamma * features(after) - features(before)
    shapes -= shapes.mean(0)
    both = np.stack([one, two], axis=1).astype(np.float64)
    both -= both.mean(0)
    size = shapes.shape[1]
    fitted = np.linalg.solve(shapes.T @ shapes + RIDGE * len(shapes) * np.eye(size), shapes.T @ both)
    left = both - shapes @ fitted
    return pearson_distance(left[:, 0], left[:, 1])


def explained(learned: Numbers, true: Numbers) -> float:
    """R² of the best affine function of the learned rewards."""
    return correlation(learned, true) ** 2


def accuracy(first: Numbers, chosen: Numbers) -> float:
    """Share of decided answers foretold; nan if none is decided.

    Args:
        first: Probabilities that the first segment is better, shape ``(n,)``.
        chosen: 1 where it was chosen, 0 where the second was, .5 for a tie.
    """
    decided = chosen != 0.5
    return float(((first > 0.5) == (chosen > 0.5))[decided].mean()) if decided.any() else float("nan")


def calibration(first: Numbers, chosen: Numbers, bins: int = 10) -> dict[str, Any]:
    """How far probabilities can be taken at their word.

    Args:
        first: As for :func:`accuracy`.
        chosen: The same.
        bins: Of probabilities.

    Returns:
        ``brier`` (mean squared error), ``ece`` (expected calibration error) and ``bins``: the mean probability, the
        share chosen and the number of answers of each that has some.
    """
    bin_of = np.minimum((np.asarray(first) * bins).astype(int), bins - 1)
    found = []
    for number in range(bins):
        inside = bin_of == number
        if inside.any():
            found.append([float(first[inside].mean()), float(chosen[inside].mean()), int(inside.sum())])
    gaps = [count * abs(said - seen) for said, seen, count in found]
    error = sum(gaps) / max(len(first), 1)
    return {"brier": float(np.mean((first - chosen) ** 2)) if len(first) else float("nan"), "ece": error, "bins": found}
