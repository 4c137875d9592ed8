"""What an agent is rewarded for before anything is known of what is wanted: to see what it has not seen."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

KEEP = 2_000  # observations that others are compared with
WIDEST = 256  # numbers of an observation; wider ones are projected at random
LEAST = 1e-6


class Novelty:
    """Distance of observations to the k-th nearest of those seen, as a reward (PEBBLE; Lee et al. 2021, section 4.1).

    That is what the gain in entropy of the states seen comes to (Singh et al. 2003). A fair sample of all that was seen
    is kept; each number of an observation is divided by its spread in it. Rewards have mean 0 and variance 1 so far.

    Args:
        space: Of one observation.
        neighbours: k.
        seed: Of the sample, and of the projection.
    """

    def __init__(self, space: spaces.Space[Any], neighbours: int, seed: int) -> None:
        self._rng = np.random.default_rng(seed)
        self._space, self._neighbours = space, neighbours
        width = int(spaces.utils.flatdim(space))
        self._projection: NDArray[np.float32] | None = None
        if width > WIDEST:
            self._projection = (self._rng.normal(size=(width, WIDEST)) / np.sqrt(width)).astype(np.float32)
            width = WIDEST
        self._kept = np.zeros((KEEP, width), dtype=np.float32)
        self._seen = 0
        self._moments = np.zeros(3)  # of distances: how many, their mean, the sum of squared deviations

    def __call__(self, observations: Any) -> NDArray[np.float64]:
        """How novel a batch is, shape ``(n,)``; it then counts as seen."""
        rows = flat(self._space, observations)
        if self._projection is not None:
            rows = rows @ self._projection
        kept = self._kept[: min(self._seen, KEEP)]
        if len(kept) <= self._neighbours:
            novelty = np.zeros(len(rows))
        else:
            spread = kept.std(0)
            scale = np.where(spread > LEAST, 1.0 / np.maximum(spread, LEAST), 0.0)
            novelty = self._scaled(_distances(rows * scale, kept * scale, self._neighbours))
        self._keep(rows)
        return novelty

    def _scaled(self, distances: NDArray[np.float64]) -> NDArray[np.float64]:
        for distance in distances:
            self._moments[0] += 1
            delta = distance - self._moments[1]
            self._moments[1] += delta / self._moments[0]
            self._moments[2] += delta * (distance - self._moments[1])
        count, mean, squares = self._moments
        return (distances - mean) / max(np.sqrt(squares / count), LEAST)

    def _keep(self, rows: NDArray[np.float32]) -> None:
        """Reservoir sampling: each observation so far is kept with the same chance."""
        for row in rows:
            place = self._seen if self._seen < KEEP else int(self._rng.integers(self._seen + 1))
            if place < KEEP:
                self._kept[place] = row
            self._seen += 1

    def get_state(self) -> dict[str, Any]:
        """All that decides what is novel: a tree for ``training.checkpoint``."""
        return {
            "kept": self._kept[: min(self._seen, KEEP)].copy(),
            "seen": self._seen,
            "moments": self._moments.copy(),
            "random": dict(self._rng.bit_generator.state),
        }

    def set_state(self, state: dict[str, Any]) -> None:
        """Go back to what :meth:`get_state` gave."""
        self._kept[: len(state["kept"])] = state["kept"]
        self._seen = int(state["seen"])
        self._moments[:] = state["moments"]
        self._rng.bit_generator.state = state["random"]


def flat(space: spaces.Space[Any], observations: Any) -> NDArray[np.float32]:
    """Observations as rows of numbers, shape ``(n, numbers)``; a Discrete one is a 1 among zeros."""
    if isinstance(space, spaces.Dict):
        return np.concatenate([flat(part, observations[key]) for key, part in space.spaces.items()], axis=1)
    if isinstance(space, spaces.Discrete):
        return (np.asarray(observations)[:, None] == space.start + np.arange(space.n)).astype(np.float32)
    array = np.asarray(observations, dtype=np.float32)
    return array.reshape(len(array), -1)


def _distances(rows: NDArray[np.float32], kept: NDArray[np.float32], neighbours: int) -> NDArray[np.float64]:
    """From each row to the so many-th nearest that was kept."""
    squares = (rows**2).sum(1)[:, None] + (kept**2).sum(1) - 2.0 * rows @ kept.T
    nearest = np.partition(squares, neighbours - 1, axis=1)[:, neighbours - 1]
    found: NDArray[np.float64] = np.sqrt(np.maximum(nearest, 0.0)).astype(np.float64)
    return found
