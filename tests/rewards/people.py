"""Segments, stores and people for tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from rlkit.rewards.fit import fit
from rlkit.rewards.header import Header
from rlkit.rewards.labels import LabelSet
from rlkit.rewards.model import RewardModel
from rlkit.rewards.segments import Clip, Segment, SegmentBatch, stack
from rlkit.rewards.settings import ModelConfig, TeacherConfig
from rlkit.rewards.store import STORE, ComparisonStore
from rlkit.rewards.teachers import ScriptedTeacher

WIDTH, LENGTH = 4, 10
OBSERVATIONS = spaces.Box(-np.inf, np.inf, (WIDTH,), np.float32)
ACTIONS = spaces.Box(-1.0, 1.0, (2,), np.float32)
WEIGHTS = np.array([1.0, -0.5, 0.25, 0.0, 0.7, -0.3], np.float32)  # of the known reward, of observations and actions


def header(**changes: Any) -> Header:
    about = {"env_id": "Toy-v0", "env_kwargs": {}, "observation_space": OBSERVATIONS, "action_space": ACTIONS}
    return Header(**({**about, "segment": LENGTH, "fps": 20.0, "budget": 100} | changes))


def new_store(folder: Path, **changes: Any) -> ComparisonStore:
    return ComparisonStore.create(folder / STORE, header(**changes))


def make_segment(rng: np.random.Generator, length: int = LENGTH, *, clip: bool = False, scale: float = 1.0) -> Segment:
    """A segment whose reward is linear in what is observed and done."""
    middle = rng.normal(0.0, 1.0, WIDTH)  # segments differ more than their steps do
    observations = (middle + rng.normal(0.0, 0.5, (length, WIDTH))).astype(np.float32) * np.float32(scale)
    actions = rng.uniform(-1.0, 1.0, (length, 2)).astype(np.float32)
    film = Clip({"kind": "none", "qpos": observations[0].astype(np.float64)}, actions, 0) if clip else None
    return Segment(observations, actions, linear_reward(observations, actions), clip=film)


def linear_reward(observations: NDArray[Any], actions: NDArray[Any]) -> NDArray[np.float32]:
    return np.asarray(np.concatenate([observations, actions], -1) @ WEIGHTS, np.float32)


def add_pairs(store: ComparisonStore, n: int, rng: np.random.Generator, **about: Any) -> list[int]:
    """Pairs of random segments; their ids."""
    with store.transaction():
        found = []
        for _ in range(n):
            first, second = (store.add_segment(make_segment(rng)) for _ in range(2))
            key = f"pair-{len(store.pairs()) + len(store.pairs('calibration'))}"
            found.append(store.add_pair(key, first, second, swapped=bool(rng.integers(2)), **about))
    return found


def label_pairs(store: ComparisonStore, n: int, seed: int = 0, teacher: TeacherConfig | None = None) -> None:
    """Pairs of segments with the known reward, answered by a script."""
    rng, begin = np.random.default_rng([seed, store.newest()]), store.newest()
    pairs = [(make_segment(rng, store.header.segment), make_segment(rng, store.header.segment)) for _ in range(n)]
    script = ScriptedTeacher(teacher or TeacherConfig(), seed=seed)
    answers = script.answer(*(stack(side) for side in zip(*pairs, strict=True)), np.zeros(n, np.bool_))
    with store.transaction():
        for number, (segments, answer) in enumerate(zip(pairs, answers, strict=True)):
            key = f"{begin}-{number}"
            pair = store.add_pair(key, *map(store.add_segment, segments), swapped=False, uniform=number % 2 == 0)
            store.record(key, pair, answer, "script")


def fitted_model(folder: Path, n: int = 60, seed: int = 0, **settings: Any) -> tuple[RewardModel, LabelSet]:
    """A reward model that has learned from a few pairs."""
    store = new_store(folder)
    label_pairs(store, n, seed)
    model = RewardModel(OBSERVATIONS, ACTIONS, ModelConfig(**({"epochs": 10} | settings)), seed=seed)
    labels = LabelSet(store, model, seed=seed)
    labels.update(store.newest())
    fit(model, labels)
    return model, labels


def leftmost(batch: SegmentBatch) -> NDArray[Any]:
    """A teacher's taste: the first number of what is observed should be low."""
    return -np.asarray(batch.observations[..., 0])
