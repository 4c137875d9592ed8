"""Observations normalised inside the network, so that what was learned of their scale is saved with its weights."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch as th
from gymnasium import spaces
from numpy.typing import NDArray
from stable_baselines3.common.torch_layers import FlattenExtractor

LIMIT = 10.0  # standard deviations that a normalised observation is clipped to, as SB3's VecNormalize does
EPSILON = 1e-8


class Normalizer(FlattenExtractor):
    """Flattens observations and makes each of their numbers one of mean 0 and variance 1 over all that was seen.

    Moments are gathered by :meth:`gather` while a policy acts, and used from :meth:`settle` on: between two iterations,
    so that the probabilities a PPO update compares come from the same network.

    Args:
        observation_space: A Box.
    """

    mean: th.Tensor
    variance: th.Tensor
    count: th.Tensor

    def __init__(self, observation_space: spaces.Box) -> None:
        super().__init__(observation_space)
        self.register_buffer("mean", th.zeros(self.features_dim, dtype=th.float64))
        self.register_buffer("variance", th.ones(self.features_dim, dtype=th.float64))
        self.register_buffer("count", th.zeros((), dtype=th.float64))
        self._gathered: list[
            NDArray[np.float64]
        ] = []  # of each batch: rows, their mean, their summed squared deviation

    def forward(self, observations: th.Tensor) -> th.Tensor:
        """Normalised features, shape ``(n, features)`` float32."""
        scale = (self.variance + EPSILON).rsqrt().float()
        return ((super().forward(observations) - self.mean.float()) * scale).clamp(-LIMIT, LIMIT)

    def gather(self, observations: NDArray[Any]) -> None:
        """Take note of a batch of observations, shape ``(n, ...)``."""
        rows = np.asarray(observations, dtype=np.float64).reshape(len(observations), -1)
        mean = rows.mean(0)
        self._gathered.append(np.stack([np.full_like(mean, len(rows)), mean, np.square(rows - mean).sum(0)]))

    def settle(self) -> None:
        """Use what was gathered (Chan et al. 1979: moments of joined samples)."""
        count, mean = float(self.count), self.mean.numpy().copy()
        squares = self.variance.numpy() * count
        for (rows, *_), batch_mean, batch_squares in self._gathered:
            total = count + rows
            delta = batch_mean - mean
            squares = squares + batch_squares + delta * delta * (count * rows / total)
            mean = mean + delta * (rows / total)
            count = total
        if self._gathered:
            self.count.fill_(count)
            self.mean.copy_(th.from_numpy(mean))
            self.variance.copy_(th.from_numpy(squares / count))
            self._gathered = []
