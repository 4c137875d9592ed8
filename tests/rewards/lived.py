"""A run folder whose pairs were really lived, so that they can be seen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from rlkit.envs import ENVIRONMENTS
from rlkit.envs.replayable import Replayable
from rlkit.rewards.header import Header
from rlkit.rewards.pool import EpisodePool
from rlkit.rewards.simulators import Simulators
from rlkit.rewards.store import STORE, ComparisonStore

ROWS = 2


def make_envs(env_id: str) -> Any:
    if env_id in ENVIRONMENTS:
        return gymnasium.make_vec(env_id, ROWS, vectorization_mode="vector_entry_point", autoreset_mode="same_step")
    return SyncVectorEnv([lambda: Replayable(gymnasium.make(env_id))] * ROWS, autoreset_mode=AutoresetMode.SAME_STEP)


def live(envs: Any, steps: int, seed: int = 0) -> EpisodePool:
    """Random steps of the environments, recorded."""
    pool = EpisodePool(
        envs.single_observation_space,
        envs.single_action_space,
        ROWS,
        steps=steps,
        every=10,
        simulators=Simulators(envs),
    )
    envs.action_space.seed(seed)
    observations, _ = envs.reset(seed=seed)
    pool.begin()
    for step in range(steps):
        actions = envs.action_space.sample()
        before = observations.copy()
        observations, rewards, terminated, truncated, _ = envs.step(actions)
        pool.add(before, actions, rewards, terminated | truncated, step * ROWS)
    return pool


def make_run(
    folder: Path, env_id: str = "CartPole-v1", *, pairs: int = 12, length: int = 15, budget: int | None = 20
) -> Path:
    """A run folder with pairs to compare."""
    envs = make_envs(env_id)
    pool = live(envs, steps=8 * length)
    header = Header(
        env_id=env_id,
        env_kwargs={},
        observation_space=envs.single_observation_space,
        action_space=envs.single_action_space,
        segment=length,
        fps=float(envs.metadata.get("render_fps") or 0) or None,
        budget=budget,
    )
    (folder / "preferences").mkdir(parents=True, exist_ok=True)
    store = ComparisonStore.create(folder / "preferences" / STORE, header)
    rng = np.random.default_rng(0)
    with store.transaction():
        for number in range(pairs):
            spans = pool.draw(2, length, rng)
            first, second = (store.add_segment(pool.cut(spans, index)) for index in range(2))
            store.add_pair(f"{number}", first, second, swapped=bool(rng.integers(2)))
    store.close()
    envs.close()
    return folder
