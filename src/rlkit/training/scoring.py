"""What a policy's episodes are worth by a score that is not the task's: ``scripts/evaluate.py score=...``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rlkit.agents import LEARNERS
from rlkit.agents.policy import load_policy
from rlkit.errors import UsageError
from rlkit.rewards.config import PreferencesConfig
from rlkit.rewards.envs import LearnedRewardEnvs, Step
from rlkit.rewards.segments import SegmentBatch, map_tree
from rlkit.rewards.teachers import Score, load_score, rewards_by
from rlkit.statistics import interval
from rlkit.training.config import RunConfig
from rlkit.training.environments import make_envs
from rlkit.training.evaluation import SEED_OFFSET, Player, play_episodes
from rlkit.training.folder import RunFolder

EPISODES = 32


class _Record:
    """Rewards nothing, and keeps the steps up to each environment's first end, and where it terminated."""

    def __init__(self, n: int) -> None:
        self._steps: list[tuple[Any, NDArray[Any], NDArray[Any]]] = []
        self._last: dict[int, Any] = {}  # what was seen where an environment terminated
        self._lengths = np.zeros(n, dtype=np.int64)
        self._ended = np.zeros(n, dtype=np.bool_)

    def begin(self) -> None:
        """The environments were reset."""

    def reward(self, step: Step) -> NDArray[Any]:
        """Keep a step."""
        self._steps.append((map_tree(np.copy, step.observations), np.copy(step.actions), np.copy(step.rewards)))
        self._lengths += ~self._ended
        for row in np.flatnonzero(step.terminated & ~self._ended).tolist():
            self._last[row] = map_tree(lambda part, row=row: np.copy(part[row]), step.last)
        self._ended |= step.dones
        return np.zeros(len(step.rewards))

    def episodes(self) -> SegmentBatch:
        """One of each environment; what comes after its end is of another."""
        observations, actions, rewards = zip(*self._steps, self._steps[-1], strict=True)  # room for a last one
        observed = map_tree(lambda *parts: np.stack(parts, axis=1), *observations)
        done, told = (np.stack(parts, axis=1) for parts in (actions, rewards))
        lengths = self._lengths.copy()
        for row, seen in self._last.items():
            place = row, lengths[row]
            done[place], told[place] = 0, 0
            map_tree(lambda whole, one, place=place: whole.__setitem__(place, one), observed, seen)
            lengths[row] += 1
        return SegmentBatch(observed, done, told, lengths, np.zeros_like(lengths))


def score_policy(policy: Player, config: RunConfig, score: Score, episodes: int = EPISODES) -> dict[str, Any]:
    """Let a policy play whole episodes, greedily, and sum what a score says of their steps.

    Args:
        policy: What plays.
        config: Of its run.
        score: As ``reward.score`` names one; it is given whole episodes. As in segments, one that terminates has a step
            more, without action and reward, of where it ended.
        episodes: How many, all at once.

    Returns:
        JSON values: ``mean`` sum of an episode, its ``interval``, ``least`` and ``most``, and ``episodes``.

    Raises:
        UsageError: If ``episodes`` is not possible, or the score gives another shape than ``(n, length)``.
    """
    if isinstance(episodes, bool) or not isinstance(episodes, int) or episodes < 1:
        raise UsageError(f"episodes must be a whole number >= 1, got {episodes!r}")
    envs = make_envs(config.env, episodes, judging=True, reward=PreferencesConfig())
    assert isinstance(envs, LearnedRewardEnvs)
    envs.source = record = _Record(episodes)
    play_episodes(policy, envs, episodes, SEED_OFFSET + config.seed)
    envs.close()
    played = record.episodes()
    found = rewards_by(score, played)
    sums = np.where(np.arange(found.shape[1]) < played.lengths[:, None], found, 0.0).sum(1)
    return {
        "mean": float(sums.mean()),
        "interval": list(interval(sums)),
        "least": float(sums.min()),
        "most": float(sums.max()),
        "episodes": episodes,
    }


def score_run(folder: RunFolder, path: str, settings: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
    """Judge the policy of a run by a score.

    Args:
        folder: The run's.
        path: ``module:function``.
        settings: Of the judgement; ``episodes`` is heeded.

    Returns:
        What :func:`score_policy` gives and ``score``, the path; and the same to read.

    Raises:
        UsageError: If the run has no policy that acts, or there is no such score.
    """
    config = folder.read_config()
    if config.agent.name in LEARNERS:
        raise UsageError(f"{folder.path} is a run of agent={config.agent.name}, which does not act: leave score= out")
    score = load_score(path)
    found = score_policy(load_policy(folder.path), config, score, settings.get("episodes", EPISODES))
    low, high = found["interval"]
    told = (
        f"{path}: {found['mean']:.2f} [{low:.2f}, {high:.2f}] an episode, {found['least']:.2f} to {found['most']:.2f} "
        f"({found['episodes']} episodes)"
    )
    return {"score": path, **found}, f"\n{told}\n"
