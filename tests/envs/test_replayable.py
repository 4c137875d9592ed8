"""Any Gymnasium environment comes back to a saved state by living its episode again."""

from __future__ import annotations

import json
import pickle
import warnings
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces

import toys
from rlkit.envs.replayable import Replayable

IDS = ["CartPole-v1", "Acrobot-v1", "MountainCarContinuous-v0", "Pendulum-v1", "FrozenLake-v1", "toys:Mixed-v0"]


def same(one: Any, other: Any) -> bool:
    if isinstance(one, dict):
        return all(same(one[key], other[key]) for key in one)
    return bool(np.array_equal(one, other))


def act(env: gymnasium.Env[Any, Any], rng: np.random.Generator) -> Any:
    space = env.action_space
    if isinstance(space, spaces.Discrete):
        return int(rng.integers(space.n))
    return rng.uniform(-1, 1, space.shape).astype(np.float32)


@pytest.mark.parametrize("env_id", IDS)
@pytest.mark.parametrize("episodes", [0, 2])
@pytest.mark.parametrize("steps", [0, 6])
def test_goes_on_exactly_elsewhere(env_id: str, episodes: int, steps: int) -> None:
    """At the beginning or in the middle of a seeded episode or of a later one, whose generator went on."""
    env = Replayable(gymnasium.make(env_id, max_episode_steps=9))
    env.reset(seed=3)
    rng = np.random.default_rng(0)
    for _ in range(episodes):
        over = False
        while not over:
            over = any(env.step(act(env, rng))[2:4])
        env.reset()
    for _ in range(steps):
        if any(env.step(act(env, rng))[2:4]):
            env.reset()
    state = pickle.loads(pickle.dumps(env.get_state()))
    other = Replayable(gymnasium.make(env_id, max_episode_steps=9))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        other.set_state(state)
    for _ in range(40):  # into the next episodes
        action = act(env, rng)
        one, two = env.step(action), other.step(action)
        assert same(one[0], two[0]) and one[1:4] == two[1:4]
        if one[2] or one[3]:
            assert same(env.reset()[0], other.reset()[0])


def test_state_is_arrays_and_plain_values() -> None:
    for env_id in IDS:
        env = Replayable(gymnasium.make(env_id))
        env.reset()
        env.step(act(env, np.random.default_rng(0)))
        json.dumps(env.get_state(), default=lambda array: array.tolist())


@pytest.mark.parametrize("kind", ["PCG64", "PCG64DXSM", "MT19937", "Philox", "SFC64"])
def test_every_generator_of_numpy_comes_back(kind: str) -> None:
    env = Replayable(toys.Toy())
    env.unwrapped.np_random = np.random.Generator(getattr(np.random, kind)(5))
    env.reset()
    env.step(0)
    other = Replayable(toys.Toy())
    other.set_state(env.get_state())
    assert same(env.step(1)[0], other.step(1)[0])


class Forgetful(toys.Toy):
    """Takes chances from elsewhere."""

    def _observe(self) -> Any:
        return np.random.default_rng().random(3).astype(np.float32)


def test_an_environment_that_does_not_come_back_is_reported() -> None:
    """The run goes on, and says that it is not exact."""
    env, other = Replayable(Forgetful()), Replayable(Forgetful())
    env.reset(seed=0)
    env.step(1)
    with pytest.warns(RuntimeWarning, match="did not come back to its saved state.*goes on, but not bit for bit"):
        other.set_state(env.get_state())
    assert other.step(1)[0].shape == (3,)


def test_is_a_wrapper_like_others() -> None:
    env = Replayable(gymnasium.make("CartPole-v1"))
    assert env.spec is not None and env.spec.additional_wrappers[-1].name == "Replayable"
    assert isinstance(gymnasium.make(env.spec), Replayable)
