"""The agent gets the source's rewards, and learns nothing of the task's."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv

import toys
from rlkit.agents import build_agent
from rlkit.agents.normalization import RewardNormalizer
from rlkit.envs.replayable import Replayable
from rlkit.rewards.config import PreferencesConfig
from rlkit.rewards.envs import LearnedRewardEnvs, Step
from rlkit.rewards.recording import steps_after_an_end, worth_of_standing_still
from rlkit.training.config import compose_run
from rlkit.training.environments import make_envs


class Notes:
    """A source that rewards with the sum of what was seen, and remembers what it was told."""

    def __init__(self) -> None:
        self.begun, self.told = 0, []

    def begin(self) -> None:
        self.begun += 1

    def reward(self, step: Step) -> Any:
        self.told.append(step)
        return step.observations.sum(1)


def environments(scale: float = 1.0) -> LearnedRewardEnvs:
    make = [lambda: Replayable(toys.Toy())] * 2
    return LearnedRewardEnvs(SyncVectorEnv(make, autoreset_mode=AutoresetMode.SAME_STEP), scale)


def test_the_source_sees_the_step_and_the_agent_its_reward() -> None:
    envs, source = environments(0.5), Notes()
    envs.source = source
    envs.seed(0)
    seen, total = envs.reset(), np.zeros(2)
    assert source.begun == 1
    for step in range(toys.EPISODE):
        actions = np.array([step % 4, 1])
        found, rewards, dones, infos = envs.step(actions)
        told = source.told[-1]
        np.testing.assert_array_equal(told.observations, seen)
        np.testing.assert_array_equal(told.actions, actions)
        np.testing.assert_array_equal(told.dones, dones)
        np.testing.assert_allclose(rewards, 0.5 * seen.sum(1), rtol=1e-6)
        total += told.rewards
        if step < toys.EPISODE - 1:
            assert infos == [{}, {}] and told.last is None  # nothing that would tell the task's reward
        seen = found
    assert [info["episode"]["r"] for info in infos] == pytest.approx(total.tolist())
    assert told.terminated.all()
    np.testing.assert_array_equal(told.last, [info["terminal_observation"] for info in infos])


def test_normalised_rewards_are_the_sources() -> None:
    envs = environments()
    envs.source = Notes()
    envs.reward_normalizer = RewardNormalizer(2, 0.9)
    envs.reset()
    for _ in range(50):
        _, rewards, _, _ = envs.step(np.array([3, 3]))  # the task's rewards are all above 3
    assert rewards.min() < 0 or abs(rewards).max() < 3


def test_without_a_source_there_is_no_step() -> None:
    envs = environments()
    envs.reset()
    with pytest.raises(ValueError, match="set `source`"):
        envs.step(np.zeros(2, dtype=np.int64))


def test_what_was_seen_last_is_saved() -> None:
    envs, twin = environments(), environments()
    sources = Notes(), Notes()
    envs.source, twin.source = sources
    envs.seed(4)
    envs.reset()
    for _ in range(3):
        envs.step(np.array([1, 2]))
    twin.reset()
    twin.set_state(envs.get_state())
    for one, other in zip(envs.step(np.array([0, 0]))[:3], twin.step(np.array([0, 0]))[:3], strict=True):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(sources[0].told[-1].observations, sources[1].told[-1].observations)


def test_last_observations_of_any_space() -> None:
    make = [toys.Mixed] * 2
    envs = LearnedRewardEnvs(SyncVectorEnv(make, autoreset_mode=AutoresetMode.SAME_STEP))

    class Last:
        begin = staticmethod(lambda: None)

        def reward(self, step: Step) -> Any:
            self.last = step.last
            return np.zeros(2)

    envs.source = source = Last()
    envs.reset()
    for _ in range(toys.EPISODE):
        infos = envs.step(np.array([0, 0]))[3]
    for row, info in enumerate(infos):
        for key, part in info["terminal_observation"].items():
            np.testing.assert_array_equal(source.last[key][row], part)


def test_the_time_limit_is_the_environments() -> None:
    assert environments().time_limit is None
    for settings, limit in ((["env=gym"], 500), (["env=sprite"], 40), (["env=negotiation"], None)):
        config = compose_run([*settings, "reward=preferences", "reward.segment=5"])
        envs = make_envs(config.env, 2, reward=config.reward)
        assert isinstance(envs, LearnedRewardEnvs) and envs.time_limit == limit


class Constant:
    """Rewards every step alike, and what comes after an end as well unless ends are shown."""

    def __init__(self, reward: float, after: float) -> None:
        self._reward, self._after = reward, after

    def begin(self) -> None:
        pass

    def reward(self, step: Step) -> Any:
        return self._reward * (1.0 + self._after * step.terminated)


def length_learned(reward: float, ends: str) -> float:
    """Steps for which a pole stays up after some training."""
    learned = ["reward=preferences", f"reward.ends={ends}", "reward.segment=10", "steps=16384"]
    config = compose_run(["env=gym", *learned, "agent.learning_rate=2e-3", "agent.n_epochs=6", "agent.gamma=0.9"])
    envs = make_envs(config.env, 8, reward=config.reward)
    assert isinstance(envs, LearnedRewardEnvs)
    steps = steps_after_an_end(config.reward, config.agent.gamma, envs.time_limit)
    envs.source = Constant(reward, worth_of_standing_still(config.agent.gamma, steps))
    model: Any = build_agent(config.agent, envs, seed=0, device="cpu", masked=False)
    model.learn(config.steps)
    return float(np.mean([info["l"] for info in model.ep_info_buffer]))


def test_a_constant_reward_teaches_nothing_where_ends_are_worth_what_standing_still_is() -> None:
    """With ends shown, whatever rewards every step alike teaches to balance the pole; else it does not."""
    lengths = {(reward, "absorbing"): length_learned(reward, "absorbing") for reward in (0.0, 1.0, -1.0)}
    lengths[1.0, "shown"] = length_learned(1.0, "shown")
    assert lengths.pop((1.0, "shown")) > 60
    assert max(lengths.values()) < 45, lengths


def test_standing_still_is_worth_what_living_through_it_is() -> None:
    assert worth_of_standing_still(0.9, math.inf) == pytest.approx(9.0)
    assert worth_of_standing_still(0.9, 3) == pytest.approx(0.9 + 0.81 + 0.729)
    assert worth_of_standing_still(1.0, 7) == 7.0
    assert worth_of_standing_still(0.9, 0) == 0.0


def test_for_how_long_an_end_stands_still() -> None:
    config = PreferencesConfig(segment=20)
    assert steps_after_an_end(config, 0.9, 500) == 500
    assert steps_after_an_end(config, 0.9, None) == math.inf
    assert steps_after_an_end(config, 1.0, None) == 20
    assert steps_after_an_end(PreferencesConfig(ends="shown"), 0.9, 500) == 0
