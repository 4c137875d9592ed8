"""`ScoredEnvs`: environments whose agent gets what a score says, so that a taste can be tried without a teacher."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium.vector import VectorEnv
from numpy.typing import NDArray

from rlkit.rewards.envs import LearnedRewardEnvs, Step
from rlkit.rewards.segments import SegmentBatch, Tree, map_tree
from rlkit.rewards.teachers import Score, rewards_by


class ScoredEnvs(LearnedRewardEnvs):
    """An adapter that hands the agent a score's reward of each step; reported returns are the task's.

    Args:
        envs: The environment.
        score: Sees each step with the one before it in its episode, and nothing earlier. As in segments, an episode
            that terminates has a step more, without action and reward, of where it ended: the last step gets its worth.
        reward_scale: What the score's rewards are multiplied by.
    """

    def __init__(self, envs: VectorEnv[Any, Any, Any], score: Score, reward_scale: float = 1.0) -> None:
        super().__init__(envs, reward_scale)
        self.source = self._rewards = _ScoreRewards(score)

    def get_state(self) -> dict[str, Any]:
        """The adapter's state, and the steps before."""
        return {**super().get_state(), "before": self._rewards.before}

    def set_state(self, state: dict[str, Any]) -> None:
        """Go back to what :meth:`get_state` gave."""
        super().set_state(state)
        self._rewards.before = state["before"]


class _ScoreRewards:
    """The source of these rewards.

    Attributes:
        before: Observations, actions and rewards of the last step and which environments have gone on since, arrays of
            shape ``(n, ...)``; None before the first.
    """

    def __init__(self, score: Score) -> None:
        self._score = score
        self.before: dict[str, Any] | None = None

    def begin(self) -> None:
        """The environments were reset."""
        self.before = None

    def reward(self, step: Step) -> NDArray[Any]:
        """What a step is worth, shape ``(n,)``."""
        n = len(step.rewards)
        now = {
            "observations": map_tree(np.copy, step.observations),
            "actions": np.copy(step.actions),
            "rewards": np.asarray(step.rewards, dtype=np.float32),
        }
        before = {**now, "goes_on": np.zeros(n, np.bool_)} if self.before is None else self.before
        known = before["goes_on"]

        def first(old: NDArray[Any], new: NDArray[Any]) -> NDArray[Any]:
            """The step before; where there is none, this one, and what is second is padding."""
            return np.where(known.reshape(-1, *(1,) * (new.ndim - 1)), old, new)

        earlier = {key: map_tree(first, before[key], part) for key, part in now.items()}
        worth = self._worth(earlier, now, 1 + known)
        over = step.terminated & step.dones
        if over.any():
            last = {
                "observations": step.last,
                "actions": np.zeros_like(now["actions"]),
                "rewards": np.zeros_like(now["rewards"]),
            }
            worth = worth + np.where(over, self._worth(now, last, np.full(n, 2)), 0.0)
        self.before = {**now, "goes_on": ~step.dones}
        return worth

    def _worth(self, first: Tree, second: Tree, lengths: NDArray[np.int64]) -> NDArray[np.float64]:
        """Of the last step of segments of so many, one or two, steps."""
        pairs = {key: map_tree(lambda *parts: np.stack(parts, axis=1), first[key], second[key]) for key in first}
        segments = SegmentBatch(**pairs, lengths=lengths, still=np.zeros_like(lengths))
        return rewards_by(self._score, segments)[np.arange(len(lengths)), lengths - 1]
