"""Two algorithms that should compute the same, and whether they do."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch as th
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.vec_env import DummyVecEnv


def build(kind: Any, env: Any, policy: Any = "MlpPolicy", **options: Any) -> Any:
    """An algorithm on four environments, for small updates."""
    settings = {"n_steps": 24, "batch_size": 32, "n_epochs": 3, "learning_rate": 3e-3, "seed": 0, "device": "cpu"}
    algorithm = kind(policy, DummyVecEnv([env] * 4), **settings | options)
    algorithm.set_logger(Logger(None, []))
    return algorithm


def collect(algorithm: Any) -> None:
    """Fills the rollout buffer."""
    _, callback = algorithm._setup_learn(1)
    algorithm.collect_rollouts(algorithm.env, callback, algorithm.rollout_buffer, algorithm.n_steps)


def train_both(reference: Any, lean: Any, updates: int = 3) -> None:
    """Updates both from the same rollouts with the same shuffles; compares what each update logs."""
    lean.policy.load_state_dict(reference.policy.state_dict())
    for update in range(updates):
        collect(reference)
        lean.rollout_buffer = copy.deepcopy(reference.rollout_buffer)
        for algorithm in (reference, lean):
            np.random.seed(update)
            algorithm._current_progress_remaining = 1 - update / updates
            algorithm.train()
        assert list(lean.logger.name_to_value) == list(reference.logger.name_to_value)
        for name, value in reference.logger.name_to_value.items():
            assert lean.logger.name_to_value[name] == pytest.approx(value, rel=1e-5, abs=1e-5), name


def assert_equal_states(reference: Any, lean: Any) -> None:
    """Weights, and the optimizer's step counts and moments, agree within 1e-5."""
    theirs, ours = reference.policy.state_dict(), lean.policy.state_dict()
    for name, weights in theirs.items():
        th.testing.assert_close(ours[name], weights, rtol=0, atol=1e-5, msg=name)
    theirs, ours = (algorithm.policy.optimizer.state_dict()["state"] for algorithm in (reference, lean))
    assert ours.keys() == theirs.keys()
    for index, state in theirs.items():
        assert ours[index].keys() == state.keys()
        for name, value in state.items():
            th.testing.assert_close(ours[index][name], value, rtol=0, atol=1e-5)
