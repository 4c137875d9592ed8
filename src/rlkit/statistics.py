"""Averages and intervals of few and noisy runs (Agarwal et al. 2021, arXiv:2108.13264)."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 2_000


def iqm(values: NDArray[np.float64], axis: int = -1) -> NDArray[np.float64]:
    """Interquartile mean: of the middle half, as ``scipy.stats.trim_mean(values, 0.25)``.

    Args:
        values: Scores.
        axis: Along which.

    Example:
        >>> float(iqm(np.array([0.0, 1.0, 2.0, 100.0])))
        1.5
    """
    ordered = np.sort(np.asarray(values, dtype=np.float64), axis=axis)
    n = ordered.shape[axis]
    return np.take(ordered, range(n // 4, n - n // 4), axis=axis).mean(axis=axis)


def mean(values: NDArray[np.float64], axis: int = -1) -> NDArray[np.float64]:
    """Arithmetic mean along an axis, in the form that :func:`interval` takes."""
    return np.asarray(values, dtype=np.float64).mean(axis=axis)


def interval(
    values: NDArray[np.float64],
    statistic: Callable[[NDArray[np.float64], int], NDArray[np.float64]] = mean,
    level: float = 0.95,
) -> tuple[float, float]:
    """Percentile bootstrap interval of a statistic.

    Args:
        values: Independent scores, shape ``(n,)``.
        statistic: :func:`mean` or :func:`iqm`.
        level: Its coverage.

    Returns:
        Lower and upper end; resampling is seeded, so the same values give the same interval.

    Raises:
        ValueError: If there are no values.
    """
    scores = np.asarray(values, dtype=np.float64)
    if scores.ndim != 1 or not len(scores):
        raise ValueError(f"an interval needs scores of shape (n,) with n >= 1, got {scores.shape}")
    samples = np.concatenate([statistic(scores[rows], -1) for rows in _resampled(len(scores))])
    return _ends(samples, level)


def grouped_interval(
    values: NDArray[np.float64], groups: NDArray[np.integer], level: float = 0.95
) -> tuple[float, float]:
    """Interval of the mean of scores of which those of one group depend on each other: whole groups are resampled.

    Args:
        values: Scores, shape ``(n,)``.
        groups: To which group each belongs, shape ``(n,)``.
        level: The interval's coverage.

    Returns:
        Lower and upper end.
    """
    _, inverse, counts = np.unique(groups, return_inverse=True, return_counts=True)
    sums = np.bincount(inverse, weights=values)
    samples = np.concatenate([sums[rows].sum(1) / counts[rows].sum(1) for rows in _resampled(len(sums))])
    return _ends(samples, level)


def probability_of_improvement(
    values: NDArray[np.float64], others: NDArray[np.float64], level: float = 0.95
) -> tuple[float, float, float]:
    """The chance that a score drawn from these is above one drawn from the others; equal ones count half.

    Args:
        values: Independent scores, shape ``(n,)``.
        others: What they are held against, shape ``(m,)``.
        level: The interval's coverage.

    Returns:
        The chance, and lower and upper end of its percentile bootstrap interval.

    Raises:
        ValueError: If one has no scores.

    Example:
        >>> probability_of_improvement(np.array([2.0, 3.0]), np.array([1.0, 2.0]))[0]
        0.875
    """
    ours, theirs = np.asarray(values, dtype=np.float64), np.asarray(others, dtype=np.float64)
    if not len(ours) or not len(theirs):
        raise ValueError(f"scores are needed on both sides, got {len(ours)} and {len(theirs)}")
    wins = (np.sign(ours[:, None] - theirs) + 1.0) / 2.0
    rng = np.random.default_rng(0)
    rows, columns = (rng.integers(0, n, (RESAMPLES, n)) for n in wins.shape)
    samples = wins[rows[:, :, None], columns[:, None, :]].mean((1, 2))
    return float(wins.mean()), *_ends(samples, level)


def _resampled(n: int, at_once: int = 200) -> Iterator[NDArray[np.int64]]:
    """Rows drawn with replacement, shape ``(at_once, n)``, :data:`RESAMPLES` in all."""
    rng = np.random.default_rng(0)
    for _ in range(RESAMPLES // at_once):
        yield rng.integers(0, n, (at_once, n))


def _ends(samples: NDArray[np.float64], level: float) -> tuple[float, float]:
    low, high = np.quantile(samples, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
