"""Observations normalised inside the network, with whose weights their scale is saved, and rewards beside it."""

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


class RewardNormalizer:
    """Divides rewards by the running standard deviation of the discounted return, as SB3's ``VecNormalize`` does.

    The mean is not subtracted: that would change which policy is best where episodes can end.

    Args:
        num_envs: Each has a discounted return of its own, which begins anew with its episodes.
        gamma: The agent's discount.
    """

    def __init__(self, num_envs: int, gamma: float) -> None:
        self._gamma = gamma
        self._returns = np.zeros(num_envs)
        self._count, self._mean, self._variance = 1e-4, 0.0, 1.0  # a trace of a standard normal, as VecNormalize has it

    @property
    def scale(self) -> float:
        """What rewards are multiplied by at present."""
        return float(1.0 / np.sqrt(self._variance + EPSILON))

    def __call__(self, rewards: NDArray[Any], dones: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Take note of a step of all environments, and scale its rewards.

        Args:
            rewards: Shape ``(n,)``.
            dones: Whether the step ended an episode, shape ``(n,)``.

        Returns:
            Scaled rewards, within `LIMIT` of zero.
        """
        self._returns = self._returns * self._gamma + rewards
        rows = len(self._returns)
        total, delta = self._count + rows, self._returns.mean() - self._mean
        squares = self._variance * self._count + self._returns.var() * rows
        self._variance = float((squares + delta * delta * self._count * rows / total) / total)
        self._mean, self._count = float(self._mean + delta * rows / total), total
        self._returns[dones] = 0.0
        return np.clip(rewards * self.scale, -LIMIT, LIMIT)

    def reset(self) -> None:
        """New episodes begin everywhere; what is known of returns stays."""
        self._returns[:] = 0.0

    def get_state(self) -> dict[str, Any]:
        """All that decides how rewards are scaled from here on."""
        moments = {"count": self._count, "mean": self._mean, "variance": self._variance}
        return {"returns": self._returns.copy(), **moments}

    def set_state(self, state: dict[str, Any]) -> None:
        """Go back to what :meth:`get_state` gave."""
        self._returns[:] = state["returns"]
        self._count, self._mean, self._variance = state["count"], state["mean"], state["variance"]
