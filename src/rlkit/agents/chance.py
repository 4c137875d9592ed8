"""An agent that does anything that is possible, each as likely as any other."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray


class RandomActions:
    """Acts by chance, as :class:`~rlkit.agents.policy.Policy` does by what it has learned.

    Args:
        action_space: Of one environment; seeded here.
        seed: Of its own random streams.
    """

    def __init__(self, action_space: spaces.Space[Any], seed: int) -> None:
        self._space = action_space
        self._space.seed(seed)
        self._rng = np.random.default_rng(seed)

    def predict(self, obs: Any, mask: NDArray[np.bool_] | None = None) -> NDArray[Any]:
        """An action for each observation of a batch.

        Args:
            obs: Arrays of shape ``(n, ...)``.
            mask: Which actions are possible, shape ``(n, actions)``; None: all are.

        Returns:
            Shape ``(n, *action_shape)``.
        """
        if mask is not None:
            return np.asarray((self._rng.random(mask.shape) * mask).argmax(1))
        first = next(iter(obs.values())) if isinstance(obs, dict) else obs
        return np.stack([self._space.sample() for _ in range(len(first))])
