"""Environments whose agent gets another reward than the task's."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from gymnasium.vector import VectorEnv
from numpy.typing import NDArray

from rlkit.agents.vecenv import VecEnvAdapter


class RewardSource(Protocol):
    """What rewards the agent."""

    def begin(self) -> None:
        """Be told that the environments have been reset."""

    def reward(
        self, observations: Any, actions: NDArray[Any], rewards: NDArray[Any], dones: NDArray[np.bool_]
    ) -> NDArray[Any]:
        """What the agent gets for a step that has just been taken.

        Args:
            observations: What was seen before it.
            actions: What was done.
            rewards: The task's, which the agent is not to learn of, shape ``(n,)``.
            dones: Whether it ended the episode, shape ``(n,)``.

        Returns:
            Shape ``(n,)``.
        """


class LearnedRewardEnvs(VecEnvAdapter):
    """An adapter that hands the agent what a `RewardSource` says; reported returns are the task's.

    Args:
        envs: The environment.
        reward_scale: What the source's rewards are multiplied by.

    Attributes:
        source: Of rewards, to be set before the first step.
    """

    def __init__(self, envs: VectorEnv[Any, Any, Any], reward_scale: float = 1.0) -> None:
        super().__init__(envs, reward_scale)
        self.source: RewardSource | None = None
        self._seen: Any = None

    def reset(self) -> Any:
        """New episodes everywhere."""
        self._seen = super().reset()
        if self.source is not None:
            self.source.begin()
        return self._seen

    def step_wait(self) -> tuple[Any, NDArray[np.float32], NDArray[np.bool_], list[dict[str, Any]]]:
        """Step: observations, the source's rewards, ends, infos."""
        found = super().step_wait()
        self._seen = found[0]
        return found

    def _agent_rewards(self, rewards: NDArray[Any], dones: NDArray[np.bool_]) -> NDArray[Any]:
        if self.source is None:
            raise ValueError("an environment of a learned reward needs a source of it: set `source`")
        return self.source.reward(self._seen, self._actions, rewards, dones)

    def get_state(self) -> dict[str, Any]:
        """The adapter's state, and what was seen last."""
        return {**super().get_state(), "seen": self._seen}

    def set_state(self, state: dict[str, Any]) -> None:
        """Go back to what :meth:`get_state` gave."""
        super().set_state(state)
        self._seen = state["seen"]
