"""What every registered environment must do; a new one is tested on the day it is registered."""

from __future__ import annotations

import json
import pickle
import warnings
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode

import rlkit
from rlkit.envs import ENVIRONMENTS
from rlkit.envs.batch import BatchEnv, parse_autoreset_mode

every_env = pytest.mark.parametrize("env_id", list(ENVIRONMENTS))
every_mode = pytest.mark.parametrize("mode", [m.name.lower() for m in AutoresetMode])


def legal_actions(envs: Any, rng: np.random.Generator) -> np.ndarray:
    """A random action for each environment, legal where there are masks."""
    if hasattr(envs, "action_masks"):
        masks = envs.action_masks()
        return np.array([rng.choice(np.flatnonzero(mask)) for mask in masks])
    return np.stack([envs.single_action_space.sample() for _ in range(envs.num_envs)])


def batch(env_id: str, n: int, **kwargs: Any) -> BatchEnv:
    envs = gymnasium.make_vec(env_id, num_envs=n, **kwargs).unwrapped
    assert isinstance(envs, BatchEnv)
    return envs


def assert_same(a: Any, b: Any) -> None:
    """Equality of nested dicts of arrays and values."""
    if isinstance(a, dict):
        assert a.keys() == b.keys()
        for key in a:
            assert_same(a[key], b[key])
    else:
        np.testing.assert_array_equal(a, b)


@every_env
def test_check_env_has_nothing_to_say(env_id: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        env = gymnasium.make(env_id).unwrapped
        check_env(env, skip_render_check=True)


@every_env
def test_spec_is_json_and_makes_the_same_environment(env_id: str) -> None:
    env = gymnasium.make(env_id)
    assert env.spec is not None
    again = gymnasium.make(type(env.spec).from_json(env.spec.to_json()))
    first, info = env.reset(seed=3)
    second, _ = again.reset(seed=3)
    np.testing.assert_array_equal(first, second)


@every_env
@pytest.mark.parametrize("n", [1, 5, 33])
def test_row_of_a_batch_is_the_same_in_every_batch(env_id: str, n: int) -> None:
    small, large = batch(env_id, n), batch(env_id, n + 7)
    one, _ = small.reset(seed=11)
    other, _ = large.reset(seed=11)
    np.testing.assert_array_equal(one, other[:n])
    rng = np.random.default_rng(0)
    for _ in range(40):
        actions = legal_actions(large, rng)
        one = small.step(actions[:n])
        other = large.step(actions)
        for a, b in zip(one[:4], other[:4], strict=True):
            np.testing.assert_array_equal(a, b[:n])


@every_env
def test_single_environment_is_row_zero(env_id: str) -> None:
    env, envs = gymnasium.make(env_id).unwrapped, batch(env_id, 3, autoreset_mode="disabled")
    rng = np.random.default_rng(1)
    observation, info = env.reset(seed=5)
    observations, infos = envs.reset(seed=5)
    for _ in range(60):
        np.testing.assert_array_equal(observation, observations[0])
        actions = legal_actions(envs, rng)
        observation, reward, terminated, truncated, info = env.step(actions[0])
        observations, rewards, terminations, truncations, infos = envs.step(actions)
        assert (reward, terminated, truncated) == (rewards[0], terminations[0], truncations[0])
        for key, value in info.items():
            np.testing.assert_array_equal(value, infos[key][0])
        ended = terminations | truncations
        if ended.any():
            observations, _ = envs.reset(options={"reset_mask": ended})
        if terminated or truncated:
            observation, _ = env.reset()


@every_env
def test_row_with_its_own_seed_is_the_single_environment_with_that_seed(env_id: str) -> None:
    envs = batch(env_id, 3)
    observations, _ = envs.reset(seed=[7, 8, 9])
    for row, seed in enumerate((7, 8, 9)):
        observation, _ = gymnasium.make(env_id).reset(seed=seed)
        np.testing.assert_array_equal(observation, observations[row])


@every_env
@every_mode
def test_autoreset_modes_tell_the_same_story(env_id: str, mode: str) -> None:
    """Episodes are the same in every mode; only when the reset's observation arrives differs."""
    short = {"max_episode_steps": 9}  # so that episodes end, in whichever task
    envs, plain = batch(env_id, 4, autoreset_mode=mode, **short), batch(env_id, 4, autoreset_mode="disabled", **short)
    assert envs.metadata["autoreset_mode"] is parse_autoreset_mode(mode)
    observations, _ = envs.reset(seed=2)
    expected, _ = plain.reset(seed=2)
    rng = np.random.default_rng(2)
    ended = np.zeros(4, dtype=bool)
    seen_end = 0
    for _ in range(80):
        np.testing.assert_array_equal(observations, expected)
        # In next-step mode rows that ended ignore this action; drive the reference with the others only.
        if mode == "next_step" and ended.any():
            state = plain.get_state()
            expected, _ = plain.reset(options={"reset_mask": ended})
            actions = legal_actions(plain, rng)
            observations, rewards, term, trunc, _ = envs.step(actions)
            np.testing.assert_array_equal(observations[ended], expected[ended])
            assert not rewards[ended].any() and not term[ended].any() and not trunc[ended].any()
            plain.set_state(state)
            observations, _ = envs.reset(seed=2)  # start over together: rows are now out of step
            expected, _ = plain.reset(seed=2)
            ended[:] = False
            continue
        actions = legal_actions(plain, rng)
        observations, rewards, term, trunc, infos = envs.step(actions)
        expected, plain_rewards, plain_term, plain_trunc, plain_infos = plain.step(actions)
        np.testing.assert_array_equal(rewards, plain_rewards)
        np.testing.assert_array_equal(term, plain_term)
        np.testing.assert_array_equal(trunc, plain_trunc)
        ended = term | trunc
        if not ended.any():
            continue
        seen_end += 1
        if mode == "same_step":
            np.testing.assert_array_equal(infos["_final_obs"], ended)
            np.testing.assert_array_equal(infos["final_obs"][ended], expected[ended])
            for key, value in infos["final_info"].items():
                np.testing.assert_array_equal(value[ended], plain_infos[key][ended])
        if mode != "next_step":
            expected, _ = plain.reset(options={"reset_mask": ended})
            if mode == "disabled":
                observations, _ = envs.reset(options={"reset_mask": ended})
    assert seen_end > 3


@every_env
def test_own_time_limit_truncates(env_id: str) -> None:
    envs = batch(env_id, 16, max_episode_steps=1, autoreset_mode="same_step")
    envs.reset(seed=0)
    _, _, term, trunc, infos = envs.step(legal_actions(envs, np.random.default_rng(0)))
    assert (term ^ trunc).all() and trunc.any()
    assert infos["_final_info"].all()


@every_env
def test_state_round_trip_continues_exactly(env_id: str) -> None:
    envs, other = batch(env_id, 6, autoreset_mode="same_step"), batch(env_id, 6, autoreset_mode="same_step")
    envs.reset(seed=4)
    rng = np.random.default_rng(4)
    for _ in range(7):
        envs.step(legal_actions(envs, rng))
    state = pickle.loads(pickle.dumps(envs.get_state()))
    other.set_state(state)
    np.testing.assert_array_equal(other.observe()[0], envs.observe()[0])
    for _ in range(40):
        actions = legal_actions(envs, rng)
        for a, b in zip(envs.step(actions)[:4], other.step(actions)[:4], strict=True):
            np.testing.assert_array_equal(a, b)
    assert_same(envs.get_state(), other.get_state())


@every_env
def test_state_is_arrays_and_plain_values(env_id: str) -> None:
    envs = batch(env_id, 2)
    envs.reset(seed=0)

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: plain(entry) for key, entry in value.items()}
        if isinstance(value, np.ndarray):
            assert value.dtype != object
            return value.tolist()
        return value

    assert json.dumps(plain(envs.get_state()))


@every_env
def test_state_of_another_batch_size_is_refused(env_id: str) -> None:
    envs = batch(env_id, 2)
    envs.reset(seed=0)
    with pytest.raises(ValueError, match="2 environments.*has 3"):
        batch(env_id, 3).set_state(envs.get_state())


@every_env
def test_arrays_are_fresh_unless_asked_otherwise(env_id: str) -> None:
    for copy in (True, False):
        envs = batch(env_id, 3, copy=copy)
        first, _ = envs.reset(seed=0)
        second = envs.step(legal_actions(envs, np.random.default_rng(0)))[0]
        assert np.shares_memory(first, second) is (not copy)


@every_env
@pytest.mark.parametrize("actions", [np.zeros(2, int), np.zeros((3, 1), int), np.full(3, np.nan), "abc"])
def test_wrong_actions_raise(env_id: str, actions: Any) -> None:
    envs = batch(env_id, 3)
    envs.reset(seed=0)
    before = envs.get_state()
    with pytest.raises(ValueError, match="actions must"):
        envs.step(actions)
    assert_same(before, envs.get_state())


@every_env
@pytest.mark.parametrize("action", [-1, 10_000, np.array([0]), 0.5, float("nan"), None, "0"])
def test_wrong_action_of_a_single_environment_raises(env_id: str, action: Any) -> None:
    env = gymnasium.make(env_id).unwrapped
    env.reset(seed=0)
    with pytest.raises(ValueError, match="action"):
        env.step(action)


@every_env
def test_stepping_before_reset_or_after_the_end_raises(env_id: str) -> None:
    envs = batch(env_id, 2, autoreset_mode="disabled", max_episode_steps=1)
    with pytest.raises(ValueError, match="reset"):
        envs.step(envs.action_space.sample())
    envs.reset(seed=0)
    actions = legal_actions(envs, np.random.default_rng(0))
    envs.step(actions)
    with pytest.raises(ValueError, match=r"environments \[0, 1\] have ended"):
        envs.step(actions)


@pytest.mark.parametrize("mask", [[True, False], np.array([1, 0]), np.array([True])])
def test_bad_reset_masks_raise(mask: Any) -> None:
    envs = batch("rlkit/Negotiation-v0", 2)
    with pytest.raises(ValueError, match="reset_mask"):
        envs.reset(seed=0, options={"reset_mask": mask})


@pytest.mark.parametrize("arguments", [{"num_envs": 0}, {"max_episode_steps": 0}, {"autoreset_mode": "never"}])
def test_bad_batch_arguments_raise(arguments: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must be"):
        gymnasium.make_vec("rlkit/Negotiation-v0", **{"num_envs": 2, **arguments})


@pytest.mark.parametrize("seed", [-1, [1, 2], 1.5, True])
def test_bad_seeds_raise(seed: Any) -> None:
    with pytest.raises((ValueError, TypeError)):
        batch("rlkit/Negotiation-v0", 3).reset(seed=seed)


def test_registering_twice_does_no_harm() -> None:
    rlkit.envs.register()
    assert set(ENVIRONMENTS) <= set(gymnasium.registry)
