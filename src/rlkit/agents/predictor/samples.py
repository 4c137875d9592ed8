"""From a history to samples: what is known before a step, and what came of it, split by time and never at random."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rlkit.agents.predictor.features import FeatureReader
from rlkit.agents.predictor.history import TRUTH, History

HOUR_S = 3600.0
NEXT = ("pue",)
AHEAD = ("pue", "facility_power_kw", "inlet_max_c", "inlet_min_c", "aisle_pressure_pa")


@dataclass(frozen=True)
class Samples:
    """Inputs, targets and when each was.

    Attributes:
        inputs: Shape ``(n, features)``.
        targets: Shape ``(n, outputs)``.
        step: Step of the history, shape ``(n,)``, ascending.
        naive: The PUE that the plant's own power sensors showed for the step before, shape ``(n,)``.
    """

    inputs: NDArray[np.float32]
    targets: NDArray[np.float32]
    step: NDArray[np.int64]
    naive: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.step)

    def within(self, first: int, end: int) -> Samples:
        """Those of the steps from ``first`` to before ``end``."""
        rows = slice(*np.searchsorted(self.step, [first, end]))
        return Samples(self.inputs[rows], self.targets[rows], self.step[rows], self.naive[rows])

    def thinned(self, most: int) -> Samples:
        """At most so many, evenly spread over time."""
        rows = np.unique(np.linspace(0, len(self) - 1, min(most, len(self))).astype(np.int64))
        return Samples(self.inputs[rows], self.targets[rows], self.step[rows], self.naive[rows])


def next_step(history: History, reader: FeatureReader) -> Samples:
    """Gao's 19 features, and the PUE of the step that follows."""
    observed, setpoints, step = _flat(history)
    naive = reader.measured_pue(observed).astype(np.float32)
    return Samples(reader.gao(observed, setpoints), history.outcome.reshape(-1, len(TRUTH))[:, :1], step, naive)


def hour_ahead(history: History, reader: FeatureReader, step_s: float) -> Samples:
    """What the setpoints of a step bring if they are held for an hour: :data:`AHEAD`.

    Mean PUE and mean power of the hour, its hottest and its coldest inlet, and the aisle pressure at its end. Only
    steps whose setpoints were held for the hour are samples.
    """
    steps = max(1, round(HOUR_S / step_s))
    start = np.arange(max(len(history.year) - steps + 1, 0))
    held = history.year[start] == history.year[start + steps - 1]
    same = (history.setpoints[1:] == history.setpoints[:-1]).all(axis=2)  # as in the step before
    changes = np.cumsum(np.concatenate([np.zeros((1, same.shape[1]), np.int64), ~same]), axis=0)
    kept = (changes[start + steps - 1] == changes[start]) & held[:, None]
    windows = np.lib.stride_tricks.sliding_window_view(history.outcome, steps, axis=0)
    targets = np.stack(
        [
            windows[:, :, 0].mean(axis=-1),
            windows[:, :, 1].mean(axis=-1),
            windows[:, :, 2].max(axis=-1),
            windows[:, :, 3].min(axis=-1),
            windows[:, :, 4, -1],
        ],
        axis=-1,
    )
    observed, setpoints = history.observed[start][kept].astype(np.float64), history.setpoints[start][kept]
    step = np.broadcast_to(start[:, None], kept.shape)[kept]
    naive = reader.measured_pue(observed).astype(np.float32)
    return Samples(reader.ahead(observed, setpoints.astype(np.float64)), targets[kept].astype(np.float32), step, naive)


def split_steps(history: History, train_share: float) -> tuple[int, int]:
    """The step at which the hold-out begins, and the one at which it ends: the last ``1 - train_share`` of the time."""
    return int(train_share * len(history.year)), len(history.year)


def _flat(history: History) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    """Observations, setpoints and step of every sample, in the order of time."""
    steps, halls = history.observed.shape[:2]
    observed = history.observed.reshape(steps * halls, -1).astype(np.float64)
    setpoints = history.setpoints.reshape(steps * halls, -1).astype(np.float64)
    return observed, setpoints, np.repeat(np.arange(steps), halls)
