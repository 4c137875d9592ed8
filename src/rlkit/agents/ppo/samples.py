"""Minibatches of a full rollout buffer, gathered into memory that is reused."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
import torch as th
from stable_baselines3.common.buffers import RolloutBuffer
from stable_baselines3.common.policies import ActorCriticPolicy


@dataclass(frozen=True, kw_only=True)
class Minibatch:
    """Rows of a rollout.

    Attributes:
        observations: (n, features) float32.
        old_values: (n,) float32, the values when the actions were taken.
        old_log_probs: (n,) float32, the log-probabilities when the actions were taken.
        advantages: (n,) float32, as the surrogate weighs them.
        returns: (n,) float32, the value's targets.
    """

    observations: th.Tensor
    old_values: th.Tensor
    old_log_probs: th.Tensor
    advantages: th.Tensor
    returns: th.Tensor


M = TypeVar("M", bound=Minibatch)


class Samples(Generic[M]):
    """Minibatches in the order in which Stable-Baselines3's ``RolloutBuffer.get`` yields them.

    That method first copies the whole rollout into environment-major order; here the shuffled indices are translated
    instead, and columns wider than one number are gathered into buffers that the next minibatch overwrites.

    Args:
        buffer: Full.
        policy: Its features extractor is applied once to the whole rollout.
        batch_size: Rows of a minibatch; None for all of them.
        kind: What a minibatch is.
        columns: What it has beyond a `Minibatch`'s: (size, width) each, in the buffer's order.

    Attributes:
        rows: Of the largest minibatch.
        observations: (size, features) float32, in the buffer's order.
    """

    def __init__(
        self,
        buffer: RolloutBuffer,
        policy: ActorCriticPolicy,
        batch_size: int | None,
        kind: Callable[..., M],
        columns: Mapping[str, th.Tensor],
    ) -> None:
        size = self._size = buffer.buffer_size * buffer.n_envs
        self.rows = min(batch_size or self._size, self._size)
        self._n_steps = None if buffer.generator_ready else buffer.buffer_size
        self._n_envs = buffer.n_envs
        self._kind = kind
        self.observations = policy.pi_features_extractor(flat(buffer.observations, size).float())
        self._wide: dict[str, th.Tensor] = {}
        self._gathered: dict[str, th.Tensor] = {}
        for name, column in {"observations": self.observations, **columns}.items():
            self.add(name, column)
        self._narrow = {
            "old_values": flat(buffer.values, size).squeeze(1),
            "old_log_probs": flat(buffer.log_probs, size).squeeze(1),
            "advantages": flat(buffer.advantages, size).squeeze(1),
            "returns": flat(buffer.returns, size).squeeze(1),
        }

    def add(self, name: str, column: th.Tensor) -> None:
        """Give minibatches a column more: (size, width), in the buffer's order."""
        self._wide[name] = column
        self._gathered[name] = th.empty(self.rows, column.shape[1], dtype=column.dtype)

    def epoch(self, normalize_advantage: bool) -> Iterator[M]:
        """All rows once, shuffled by NumPy's global generator, which is the one that Stable-Baselines3 draws from."""
        order = np.random.permutation(self._size)
        if self._n_steps is not None:
            environment, step = np.divmod(order, self._n_steps)
            order = step * self._n_envs + environment
        for index in th.from_numpy(order).split(self.rows):
            wide = {
                name: th.index_select(column, 0, index, out=self._gathered[name][: len(index)])
                for name, column in self._wide.items()
            }
            narrow = {name: column.index_select(0, index) for name, column in self._narrow.items()}
            if normalize_advantage and len(index) > 1:
                advantages = narrow["advantages"]
                narrow["advantages"] = (advantages - advantages.mean()) / (advantages.std() + 1e-8)
            yield self._kind(**wide, **narrow)


def flat(array: np.ndarray, size: int) -> th.Tensor:
    """An array of the buffer as (size, width)."""
    return th.from_numpy(array.reshape(size, -1))
