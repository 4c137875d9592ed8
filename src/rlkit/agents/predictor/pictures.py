"""Pictures for TensorBoard: does the ensemble know what it does not know, and where is it off."""

from __future__ import annotations

from statistics import NormalDist
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
LEVELS = np.linspace(0.05, 0.95, 19)


def draw_calibration(truth: NDArray[np.float32], mean: NDArray[np.float32], sigma: NDArray[np.float32]) -> Picture:
    """Share of the truth inside the interval of each level: on the diagonal where the ensemble is calibrated."""
    size = np.abs(mean - truth) / np.maximum(sigma, 1e-12)
    inside = [float((size <= NormalDist().inv_cdf(0.5 + level / 2)).mean()) for level in LEVELS]
    figure = Figure(figsize=(4.0, 4.0), dpi=100, layout="constrained")
    axes = figure.add_subplot()
    axes.plot([0, 1], [0, 1], color="#999999", linewidth=1)
    axes.plot(LEVELS, inside, marker=".", color="#0072b2")
    axes.set(xlabel="level of the interval", ylabel="share of the truth inside", xlim=(0, 1), ylim=(0, 1))
    return _pixels(figure)


def draw_predictions(truth: NDArray[np.float32], mean: NDArray[np.float32]) -> Picture:
    """Predicted over actual PUE."""
    figure = Figure(figsize=(4.0, 4.0), dpi=100, layout="constrained")
    axes = figure.add_subplot()
    ends = [float(min(truth.min(), mean.min())), float(max(truth.max(), mean.max()))]
    axes.plot(ends, ends, color="#999999", linewidth=1)
    axes.scatter(truth, mean, s=2, alpha=0.2, color="#0072b2", linewidths=0)
    axes.set(xlabel="actual PUE", ylabel="predicted PUE")
    return _pixels(figure)


def _pixels(figure: Any) -> Picture:
    """A figure as ``(height, width, 3)``."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[:, :, :3].copy()
