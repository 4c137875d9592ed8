"""Environments whose agent gets another reward than the task's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from gymnasium import spaces
from gymnasium.vector import VectorEnv
from numpy.typing import NDArray

from rlkit.agents.vecenv import VecEnvAdapter


@dataclass(frozen=True)
class Step:
    """A step of environments that are stepped together.

    Attributes:
        observations: What was seen before it, arrays of shape ``(n, ...)``.
        actions: What was done, as the environments take it, shape ``(n, ...)``.
        rewards: The task's, which the agent is not to learn of, shape ``(n,)``.
        terminated: Whether it ended the episode so that nothing comes after, shape ``(n,)``.
        dones: Whether it ended the episode, shape ``(n,)``.
        last: What was seen after it where it ended the episode, arrays of shape ``(n, ...)``; None if it ended none.
    """

    observations: Any
    actions: NDArray[Any]
    rewards: NDArray[Any]
    terminated: NDArray[np.bool_]
    dones: NDArray[np.bool_]
    last: Any


class RewardSource(Protocol):
    """What rewards the agent."""

    def begin(self) -> None:
        """Be told that the environments have been reset."""

    def reward(self, step: Step) -> NDArray[Any]:
        """What the agent gets for a step that has just been taken, shape ``(n,)``."""


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

    @property
    def time_limit(self) -> int | None:
        """Steps after which episodes are cut; None if they are not, or nobody says."""
        parts = getattr(self.envs, "envs", None)
        limited: Any = self.envs if parts is None else parts[0].spec
        limit: int | None = getattr(limited, "max_episode_steps", None)
        return limit

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

    def _agent_rewards(
        self, rewards: NDArray[Any], terminated: NDArray[np.bool_], dones: NDArray[np.bool_], last: Any
    ) -> NDArray[Any]:
        if self.source is None:
            raise ValueError("an environment of a learned reward needs a source of it: set `source`")
        seen_last = None if last is None else rows_of(self.observation_space, last, dones)
        return self.source.reward(Step(self._seen, self._actions, rewards, terminated, dones, seen_last))

    def get_state(self) -> dict[str, Any]:
        """The adapter's state, and what was seen last."""
        return {**super().get_state(), "seen": self._seen}

    def set_state(self, state: dict[str, Any]) -> None:
        """Go back to what :meth:`get_state` gave."""
        super().set_state(state)
        self._seen = state["seen"]


def rows_of(space: spaces.Space[Any], last: Any, dones: NDArray[np.bool_]) -> Any:
    """Last observations as arrays of shape ``(n, ...)``, 0 in rows that have none.

    Args:
        space: Of one observation.
        last: Gymnasium's ``final_obs``: such arrays, or an array with an object for each row.
        dones: Which rows have one, shape ``(n,)``.
    """
    if isinstance(last, dict) or last.dtype != object:
        return last
    return _stacked(space, {int(row): last[row] for row in np.flatnonzero(dones)}, len(dones))


def _stacked(space: spaces.Space[Any], found: dict[int, Any], n: int) -> Any:
    if isinstance(space, spaces.Dict):
        parts = space.spaces.items()
        return {key: _stacked(part, {row: seen[key] for row, seen in found.items()}, n) for key, part in parts}
    array = np.zeros((n, *(space.shape or ())), dtype=space.dtype)
    for row, seen in found.items():
        array[row] = seen
    return array
