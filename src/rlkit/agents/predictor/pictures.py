"""Pictures for TensorBoard: does the ensemble know what it does not know, and where is it off."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from statistics import NormalDist
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
Said = tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]
COLORS = ("#0072b2", "#e69f00", "#009e73", "#d55e00", "#cc79a7", "#56b4e9")  # Okabe and Ito's
LEVELS = np.linspace(0.05, 0.95, 19)


def draw_calibration(outputs: Mapping[str, Said]) -> Picture:
    """Share of the truth inside the interval of each level: on the diagonal where the ensemble is calibrated.

    Args:
        outputs: Truth, mean and sigma of each output, shape ``(n,)`` each, by its name.
    """
    figure = Figure(figsize=(5.0, 5.0), dpi=110, layout="constrained")
    axes = figure.add_subplot()
    axes.plot([0, 1], [0, 1], color="#999999", linewidth=1)
    for (name, (truth, mean, sigma)), color in zip(outputs.items(), itertools.cycle(COLORS)):  # as many as outputs
        size = np.abs(mean - truth) / np.maximum(sigma, 1e-12)
        inside = [float((size <= NormalDist().inv_cdf(0.5 + level / 2)).mean()) for level in LEVELS]
        axes.plot(LEVELS, inside, marker=".", color=color, label=name, linewidth=1.2)
    axes.text(0.03, 0.97, "too cautious", va="top", color="#777777")
    axes.text(0.97, 0.03, "too sure", ha="right", color="#777777")
    axes.legend(loc="lower right", bbox_to_anchor=(1.0, 0.07), fontsize=8, frameon=False)
    axes.set(xlabel="level of the interval", ylabel="share of the truth inside", xlim=(0, 1), ylim=(0, 1))
    axes.set_title("Calibration on the hold-out, which is later in time", fontsize=10)
    return _pixels(figure)


def draw_predictions(truth: NDArray[np.float32], mean: NDArray[np.float32]) -> Picture:
    """Predicted over actual PUE."""
    figure = Figure(figsize=(5.0, 5.0), dpi=110, layout="constrained")
    axes = figure.add_subplot()
    ends = [float(min(truth.min(), mean.min())), float(max(truth.max(), mean.max()))]
    axes.plot(ends, ends, color="#999999", linewidth=1)
    axes.scatter(truth, mean, s=2, alpha=0.2, color="#0072b2", linewidths=0)
    axes.set(xlabel="actual PUE", ylabel="predicted PUE", aspect="equal")
    axes.set_title(f"PUE of the next step on the hold-out: MAE {np.abs(mean - truth).mean():.4f}", fontsize=10)
    return _pixels(figure)


def _pixels(figure: Any) -> Picture:
    """A figure as ``(height, width, 3)``."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[:, :, :3].copy()
