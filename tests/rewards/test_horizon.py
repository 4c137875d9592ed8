"""Ends that tell nothing: what stands still, for how long, and what is said of it."""

from __future__ import annotations

import math
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, SyncVectorEnv

import toys
from rlkit.agents.vecenv import VecEnvAdapter
from rlkit.envs import ENVIRONMENTS
from rlkit.envs.batch import BatchEnv
from rlkit.envs.replayable import Replayable
from rlkit.errors import UsageError
from rlkit.rewards.horizon import absorbing_batch, absorbing_env

HOLD = 6


class Countdown(gymnasium.Env[Any, Any]):
    """Ends when its counter, which an action of 1 moves, reaches five; every step is rewarded with 2."""

    observation_space = spaces.Box(0, 10, (1,), np.float32)
    action_space = spaces.Discrete(2)

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.count = 0
        return self._look(), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.count += int(action)
        over = self.count == 5
        return self._look(), 2.0, over, False, {"is_success": True} if over else {}

    def _look(self) -> Any:
        return np.array([self.count], dtype=np.float32)


gymnasium.register("Countdown-v0", entry_point=Countdown, max_episode_steps=20)


def adapter(hold: float, n: int = 3) -> VecEnvAdapter:
    def make() -> gymnasium.Env[Any, Any]:
        return Replayable(absorbing_env(gymnasium.make("Countdown-v0"), hold))

    return VecEnvAdapter(SyncVectorEnv([make] * n, autoreset_mode=AutoresetMode.SAME_STEP))


@pytest.mark.parametrize(("hold", "length"), [(HOLD, 5 + HOLD), (math.inf, 20)])
def test_an_ended_episode_stands_still_and_is_cut(hold: float, length: int) -> None:
    envs = adapter(hold)
    envs.reset()
    for step in range(1, length + 1):
        observations, rewards, dones, infos = envs.step(np.array([1, 1, 0]))
        assert rewards.tolist() == [2.0 if step <= 5 else 0.0] * 2 + [2.0]
        assert dones.tolist() == [step == length] * 2 + [step == 20]
        if step < length:
            assert observations[0] == min(step, 5) and infos[0] == {}
    assert infos[0]["TimeLimit.truncated"] and infos[0]["terminal_observation"] == 5
    assert observations[0] == 0  # the next episode's


@pytest.mark.parametrize("hold", [HOLD, math.inf])
def test_statistics_are_those_of_the_episode_that_was_lived(hold: float) -> None:
    envs = adapter(hold)
    envs.reset()
    found = [infos[0] for _ in range(40) for _, _, dones, infos in [envs.step(np.ones(3, dtype=np.int64))] if dones[0]]
    assert len(found) == 40 // (5 + HOLD if hold == HOLD else 20)
    for info in found:
        assert info["episode"] == {"r": 10.0, "l": 5} and info["is_success"] is True


def test_an_episode_that_time_cut_does_not_stand_still() -> None:
    envs = adapter(HOLD)
    envs.reset()
    infos = [envs.step(np.zeros(3, dtype=np.int64))[3][0] for _ in range(20)]
    assert infos[-1]["episode"] == {"r": 40.0, "l": 20} and infos[-1]["TimeLimit.truncated"]


def test_a_time_limit_is_needed_to_stand_still_up_to_it() -> None:
    with pytest.raises(UsageError, match="reward.ends=fixed needs an environment with a time limit"):
        absorbing_env(Countdown(), math.inf)


def test_masks_allow_anything_where_all_stands_still() -> None:
    env = absorbing_env(toys.Masked(), HOLD)
    env.reset(seed=0)
    assert not env.get_wrapper_attr("action_masks")().all()
    while env.get_wrapper_attr("_end") is None:
        env.step(int(np.flatnonzero(env.get_wrapper_attr("action_masks")())[0]))
    assert env.get_wrapper_attr("action_masks")().all()
    assert not absorbing_env(toys.Toy(), HOLD).has_wrapper_attr("action_masks")


def disabled(env_id: str, n: int, **kwargs: Any) -> BatchEnv:
    envs = gymnasium.make_vec(env_id, num_envs=n, autoreset_mode="disabled", **kwargs).unwrapped
    assert isinstance(envs, BatchEnv)
    return envs


def actions_of(envs: Any, rng: np.random.Generator) -> np.ndarray:
    """Random ones, legal where there are masks."""
    if hasattr(envs, "action_masks"):
        return np.array([rng.choice(np.flatnonzero(mask)) for mask in envs.action_masks()])
    space = envs.single_action_space
    if isinstance(space, spaces.Box):
        return rng.uniform(space.low, space.high, (envs.num_envs, *space.shape)).astype(space.dtype)
    return rng.integers(space.n, size=envs.num_envs)


SHORT = {  # episodes that terminate soon
    "rlkit/Negotiation-v0": {"opponent": "soft", "max_turns": 4},
    "rlkit/ObstacleCourse-v0": {"body": "walker", "terrain": "flat", "episode_s": 3.0},
    "rlkit/Sprite-v0": {"fields": 4, "distractors": 0},
    "rlkit/DataCenterCooling-v0": {"episode_days": 0.02},
}


def test_there_is_a_short_task_of_every_environment() -> None:
    assert SHORT.keys() == ENVIRONMENTS.keys()


@pytest.mark.parametrize("env_id", list(SHORT))
def test_a_batch_never_terminates_and_stands_still_as_long_as_asked(env_id: str) -> None:
    envs = absorbing_batch(disabled(env_id, 4, **SHORT[env_id]), HOLD)
    rng = np.random.default_rng(0)
    before, _ = envs.reset(seed=0)
    held, ends = np.zeros(4, dtype=np.int64), 0
    for _ in range(120):
        standing = envs._ended.copy()
        observations, rewards, terminated, truncated, info = envs.step(actions_of(envs, rng))
        assert not terminated.any()
        assert (rewards[standing] == 0).all()
        shown = info["final_obs"] if truncated.any() else observations
        last = np.where(truncated.reshape(-1, *[1] * (observations.ndim - 1)), shown, observations)
        np.testing.assert_array_equal(last[standing], before[standing])
        held += standing
        for row in np.flatnonzero(truncated):
            assert info["final_info"]["held_steps"][row] == held[row] and held[row] in (0, HOLD)
            ends += held[row] == HOLD
            held[row] = 0
        before = observations
    assert ends >= 4 or env_id == "rlkit/DataCenterCooling-v0"  # whose episodes do not terminate


@pytest.mark.parametrize("env_id", list(SHORT))
def test_others_are_not_disturbed(env_id: str) -> None:
    """While one stands still the rest live as they would without it, and as saved."""
    envs, twin = (absorbing_batch(disabled(env_id, 3, **SHORT[env_id]), HOLD) for _ in range(2))
    rng = np.random.default_rng(1)
    envs.reset(seed=5)
    for step in range(60):
        if step == 23:
            twin.set_state(envs.get_state())
        actions = actions_of(envs, rng)
        found = envs.step(actions)
        if step >= 23:
            other = twin.step(actions)
            for one, two in zip(found[:4], other[:4], strict=True):
                np.testing.assert_array_equal(one, two)
            if hasattr(envs, "action_masks"):
                np.testing.assert_array_equal(envs.action_masks(), twin.action_masks())


def test_a_batch_without_a_time_limit_cannot_stand_still_up_to_it() -> None:
    with pytest.raises(UsageError, match="time limit"):
        absorbing_batch(disabled("rlkit/Negotiation-v0", 2), math.inf)


def test_rows_are_stepped_with_autoreset_disabled_only() -> None:
    envs = gymnasium.make_vec("rlkit/Negotiation-v0", num_envs=2).unwrapped
    envs.reset(seed=0)
    with pytest.raises(ValueError, match="step_rows is for autoreset_mode='disabled'"):
        envs.step_rows(np.ones(2, dtype=np.bool_), np.zeros(2, dtype=np.int64))
