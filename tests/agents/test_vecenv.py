"""`VecEnvAdapter` is to Stable-Baselines3 what its `DummyVecEnv` is, without work for each environment."""

from __future__ import annotations

import functools
import json
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv

import toys
from rlkit.agents.vecenv import VecEnvAdapter
from rlkit.envs.replayable import Replayable

N = 4


def cartpole(limit: int = 15) -> gymnasium.Env[Any, Any]:
    """Poles fall, or time runs out first: both ends happen."""
    return gymnasium.make("CartPole-v1", max_episode_steps=limit)


def side_by_side(make: Any, n: int = N, mode: AutoresetMode = AutoresetMode.SAME_STEP) -> SyncVectorEnv:
    return SyncVectorEnv([make] * n, autoreset_mode=mode)


def negotiation(n: int = N, **kwargs: Any) -> Any:
    return gymnasium.make_vec("rlkit/Negotiation-v0", num_envs=n, autoreset_mode="same_step", **kwargs)


def legal(envs: VecEnvAdapter, rng: np.random.Generator) -> np.ndarray:
    return np.array([rng.choice(np.flatnonzero(mask)) for mask in envs.env_method("action_masks")])


def assert_same_observation(one: Any, other: Any) -> None:
    if isinstance(one, dict):
        assert one.keys() == other.keys()
        for key in one:
            np.testing.assert_array_equal(one[key], other[key])
    else:
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("make", [cartpole, toys.Mixed, toys.Pictures], ids=["CartPole", "Dict", "pictures"])
def test_same_steps_as_dummy_vec_env(make: Any) -> None:
    """Observations, rewards, ends, and what is said of episodes that ended."""
    ours, theirs = VecEnvAdapter(side_by_side(make)), DummyVecEnv([lambda: Monitor(make())] * N)
    for envs in (ours, theirs):
        envs.seed(7)
    assert (ours.observation_space, ours.action_space) == (theirs.observation_space, theirs.action_space)
    assert_same_observation(ours.reset(), theirs.reset())
    rng = np.random.default_rng(0)
    ends = {True: 0, False: 0}
    for _ in range(120):
        actions = rng.integers(2, size=N)
        observations, rewards, dones, infos = ours.step(actions)
        expected, their_rewards, their_dones, their_infos = theirs.step(actions)
        assert_same_observation(observations, expected)
        np.testing.assert_array_equal(rewards, their_rewards)
        np.testing.assert_array_equal(dones, their_dones)
        assert (rewards.dtype, dones.dtype) == (their_rewards.dtype, their_dones.dtype)
        for row in np.flatnonzero(dones):
            assert_same_observation(infos[row]["terminal_observation"], their_infos[row]["terminal_observation"])
            assert infos[row]["TimeLimit.truncated"] is their_infos[row]["TimeLimit.truncated"]
            assert infos[row]["episode"]["l"] == their_infos[row]["episode"]["l"]
            assert infos[row]["episode"]["r"] == pytest.approx(their_infos[row]["episode"]["r"], abs=1e-6)
            assert infos[row].get("is_success") == their_infos[row].get("is_success")
            ends[infos[row]["TimeLimit.truncated"]] += 1
    assert ends[False] > 5
    assert ends[True] > 5 or make is not cartpole


def test_a_seed_is_used_once() -> None:
    envs = VecEnvAdapter(side_by_side(cartpole))
    envs.seed(3)
    first, second = envs.reset(), envs.reset()
    assert not np.array_equal(first, second)
    envs.seed(3)
    np.testing.assert_array_equal(envs.reset(), first)


def test_a_reset_forgets_episodes_in_progress() -> None:
    envs = VecEnvAdapter(side_by_side(functools.partial(cartpole, 5)))
    envs.reset()
    for _ in range(3):
        envs.step(np.zeros(N, dtype=np.int64))
    envs.reset()
    for _ in range(5):
        _, _, dones, infos = envs.step(np.arange(N) % 2)
    assert dones.all()
    assert [info["episode"] for info in infos] == [{"r": 5.0, "l": 5}] * N


def test_rewards_are_scaled_and_returns_are_not() -> None:
    plain, scaled = VecEnvAdapter(side_by_side(toys.Toy)), VecEnvAdapter(side_by_side(toys.Toy), reward_scale=0.1)
    for envs in (plain, scaled):
        envs.seed(1)
        envs.reset()
    for _ in range(toys.EPISODE):
        actions = np.arange(N) % 4
        _, rewards, _, infos = plain.step(actions)
        _, small, _, small_infos = scaled.step(actions)
        np.testing.assert_allclose(small, rewards * 0.1, rtol=1e-6)
    assert infos[0]["episode"] == small_infos[0]["episode"]
    assert infos[0]["episode"]["r"] > 1


def test_figures_are_means_over_ended_episodes() -> None:
    """Of a batch that declares them, summed by hand from its own infos."""
    envs, twin = VecEnvAdapter(negotiation(64, opponent="linear")), negotiation(64, opponent="linear")
    envs.seed(0)
    envs.reset()
    twin.reset(seed=0)
    found: dict[str, list[float]] = {
        name: [] for name in ("utility", "partner_utility", "agreement", "pareto", "turns")
    }
    rng = np.random.default_rng(0)
    for _ in range(12):
        actions = legal(envs, rng)
        envs.step(actions)
        info = twin.step(actions)[4]
        if "final_info" in info:
            for name, values in found.items():
                values += info["final_info"][name][info["_final_info"]].tolist()
    figures = envs.pop_metrics()
    assert envs.metrics_prefix == "negotiation"
    assert len(found["utility"]) > 40
    for name in ("utility", "partner_utility", "agreement", "turns"):
        assert figures[name] == pytest.approx(np.mean(found[name]))
    assert figures["pareto_share"] == pytest.approx(sum(found["pareto"]) / sum(found["agreement"]))
    assert envs.pop_metrics() == {}  # they start anew


def test_a_share_of_nothing_is_left_out() -> None:
    envs = VecEnvAdapter(negotiation(8, opponent="hardliner", seat=1, max_turns=2))
    envs.reset()
    for _ in range(3):  # offers that nobody accepts
        envs.step(np.array([np.flatnonzero(mask)[0] for mask in envs.env_method("action_masks")]))
    figures = envs.pop_metrics()
    assert figures["agreement"] == 0.0 and "pareto_share" not in figures


def test_figures_can_leave_environments_out() -> None:
    envs = VecEnvAdapter(negotiation(8, opponent="soft", seat=1))
    envs.seed(0)
    envs.reset()
    envs.counted[2:] = False
    envs.step(np.full(8, 120))  # agree
    counted = envs.pop_metrics()
    envs.counted[:] = True
    envs.seed(0)
    envs.reset()
    _, _, _, infos = envs.step(np.full(8, 120))
    assert counted["utility"] == pytest.approx(np.mean([info["episode"]["r"] for info in infos[:2]]))


@pytest.mark.parametrize("mode", [AutoresetMode.NEXT_STEP, AutoresetMode.DISABLED])
def test_other_autoreset_modes_are_refused(mode: AutoresetMode) -> None:
    """Their episodes' last steps would be learned wrongly."""
    with pytest.raises(ValueError, match=f"autoreset_mode SAME_STEP, got {mode}: make it with"):
        VecEnvAdapter(side_by_side(cartpole, mode=mode))
    with pytest.raises(ValueError, match="SAME_STEP"):
        VecEnvAdapter(gymnasium.make_vec("rlkit/Negotiation-v0", num_envs=2, autoreset_mode=mode))


def test_nothing_is_done_for_environments_that_go_on() -> None:
    """They share one empty info; masks come as the batch's own array."""
    envs = VecEnvAdapter(negotiation(256))
    envs.seed(0)
    envs.reset()
    rng = np.random.default_rng(0)
    _, _, dones, infos = envs.step(legal(envs, rng))
    going_on = {id(info) for info, done in zip(infos, dones, strict=True) if not done}
    assert len(going_on) == 1 and (~dones).sum() > 128
    assert all(info == {} for info, done in zip(infos, dones, strict=True) if not done)
    assert isinstance(envs.env_method("action_masks"), np.ndarray)


@pytest.mark.parametrize("kind", ["negotiation", "CartPole"])
def test_state_round_trip_goes_on_exactly(kind: str) -> None:
    """From the middle of episodes, their returns and figures included."""

    def make() -> VecEnvAdapter:
        if kind == "negotiation":
            return VecEnvAdapter(negotiation(8, opponent=["random", "bayesian"]))
        return VecEnvAdapter(side_by_side(lambda: Replayable(cartpole())))

    envs, other = make(), make()
    envs.seed(5)
    envs.reset()
    rng = np.random.default_rng(1)

    def actions() -> np.ndarray:
        return legal(envs, rng) if kind == "negotiation" else rng.integers(2, size=N)

    for _ in range(9):
        envs.step(actions())
    other.set_state(envs.get_state())
    ended = 0
    for _ in range(30):
        chosen = actions()
        one, two = envs.step(chosen), other.step(chosen)
        for a, b in zip(one[:3], two[:3], strict=True):
            np.testing.assert_array_equal(a, b)
        ended += one[2].sum()
        for row in np.flatnonzero(one[2]):
            assert one[3][row]["episode"] == two[3][row]["episode"]
    assert ended > 4
    assert envs.pop_metrics() == other.pop_metrics()


def test_attributes_and_methods_reach_the_environments() -> None:
    envs = VecEnvAdapter(side_by_side(toys.Masked))
    envs.reset()
    assert envs.has_attr("action_masks") and not envs.has_attr("action_maskz")
    masks = envs.env_method("action_masks")
    assert len(masks) == N and masks[0].sum() == 3
    np.testing.assert_array_equal(envs.env_method("action_masks", indices=[2])[0], masks[2])
    assert not VecEnvAdapter(side_by_side(cartpole)).has_attr("action_masks")
    batch = VecEnvAdapter(negotiation())
    assert batch.has_attr("opponent_names")
    assert batch.get_attr("opponent_names", [0, 1]) == [("linear",)] * 2
    batch.set_attr("note", "x")
    assert batch.get_attr("note") == ["x"] * N
    assert batch.env_is_wrapped(Monitor) == [True] * N  # or SB3 would warn that episodes are not monitored
    assert batch.env_is_wrapped(gymnasium.Wrapper) == [False] * N


def test_pictures_of_all_environments() -> None:
    envs = VecEnvAdapter(negotiation(2, render_mode="rgb_array"))
    envs.reset()
    frames = envs.get_images()
    assert len(frames) == 2 and frames[0].ndim == 3
    assert VecEnvAdapter(negotiation(2)).get_images() == []


def test_state_is_arrays_and_plain_values() -> None:
    envs = VecEnvAdapter(side_by_side(lambda: Replayable(cartpole())))
    envs.reset()
    json.dumps(envs.get_state(), default=lambda array: array.tolist())
