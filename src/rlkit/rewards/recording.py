"""Steps as they are kept to be compared, and what comes after an episode's end."""

from __future__ import annotations

import math
from typing import Any

from rlkit.rewards.config import PreferencesConfig
from rlkit.rewards.envs import LearnedRewardEnvs, Step
from rlkit.rewards.pool import EpisodePool
from rlkit.rewards.simulators import Simulators


def worth_of_standing_still(gamma: float, steps: float) -> float:
    """Discounted sum of a reward of 1 at each of so many steps after an episode's end.

    A state that is never left is worth that much; an agent that gets it all at once, at the end, learns what it would
    learn by living through it. A constant reward then makes all states equally good, whenever their episodes end.
    """
    return steps if gamma == 1.0 else gamma * (1.0 - gamma**steps) / (1.0 - gamma)


def steps_after_an_end(config: PreferencesConfig, gamma: float, limit: int | None) -> float:
    """For how long an episode that has terminated stands still: up to the time limit, as far as there is one.

    Without one, for ever if the future is discounted; if not, for as long as it is shown.
    """
    if config.ends == "shown":
        return 0.0
    if limit is not None:
        return float(limit)
    return math.inf if gamma < 1.0 else float(config.segment)


def recording_pool(envs: LearnedRewardEnvs, config: PreferencesConfig, rows: int, steps: int) -> EpisodePool:
    """A pool for so many steps of the first environments."""
    hold = config.segment if config.ends == "absorbing" else 0
    spaces = envs.observation_space, envs.action_space
    return EpisodePool(*spaces, rows, steps=steps, simulators=Simulators(envs.envs), hold=hold)


def record(pool: EpisodePool, step: Step, number: int) -> None:
    """Keep a step; ``number``: environment steps of the whole run, this one included."""
    ends: dict[str, Any] = {"terminated": step.terminated, "last": step.last}
    pool.add(step.observations, step.actions, step.rewards, step.dones, number, **ends)
