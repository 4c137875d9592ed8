"""How far predictions are off, and whether their intervals hold what they promise."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Z = {50: 0.6745, 80: 1.2816, 95: 1.9600}  # half-widths of normal intervals, in standard deviations
HARD_PUE = 1.14  # Gao 2014, section 4: above it the error grows, since there is little data


def measure(
    truth: NDArray[np.float32], mean: NDArray[np.float32], sigma: NDArray[np.float32] | None = None
) -> dict[str, float]:
    """Errors of predictions, and the coverage of their intervals.

    Args:
        truth: Shape ``(n,)``.
        mean: Predictions.
        sigma: Their standard deviations; None where a model has none.

    Returns:
        ``mae``, ``sd`` (of the absolute error, as Gao gives it), ``rmse``, ``bias``; with a sigma also ``coverage_50``,
        ``_80``, ``_95`` and ``sharpness``, the mean half-width of the 95 % interval.
    """
    error = mean.astype(np.float64) - truth
    size = np.abs(error)
    found = {
        "mae": float(size.mean()),
        "sd": float(size.std()),
        "rmse": float(np.sqrt((error**2).mean())),
        "bias": float(error.mean()),
    }
    if sigma is not None:
        found |= {f"coverage_{level}": float((size <= z * sigma).mean()) for level, z in Z.items()}
        found["sharpness"] = float(Z[95] * sigma.mean())
    return found


def measure_pue(
    truth: NDArray[np.float32], mean: NDArray[np.float32], sigma: NDArray[np.float32] | None = None
) -> dict[str, float]:
    """The same of PUE, and ``mae_hard``: the error where PUE is above 1.14, ``share_hard`` of the samples."""
    hard = truth > HARD_PUE
    found = measure(truth, mean, sigma)
    found["share_hard"] = float(hard.mean())
    if hard.any():
        found["mae_hard"] = float(np.abs(mean[hard] - truth[hard]).mean())
    if not hard.all():
        found["mae_easy"] = float(np.abs(mean[~hard] - truth[~hard]).mean())
    return found
