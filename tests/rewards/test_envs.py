"""The agent gets the source's rewards, and learns nothing of the task's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv

import toys
from rlkit.agents.normalization import RewardNormalizer
from rlkit.envs.replayable import Replayable
from rlkit.rewards.envs import LearnedRewardEnvs


class Notes:
    """A source that rewards with the sum of what was seen, and remembers what it was told."""

    def __init__(self) -> None:
        self.begun, self.told = 0, []

    def begin(self) -> None:
        self.begun += 1

    def reward(self, observations: Any, actions: Any, rewards: Any, dones: Any) -> Any:
        self.told.append((observations.copy(), actions.copy(), rewards.copy(), dones.copy()))
        return observations.sum(1)


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
        np.testing.assert_array_equal(told[0], seen)
        np.testing.assert_array_equal(told[1], actions)
        np.testing.assert_array_equal(told[3], dones)
        np.testing.assert_allclose(rewards, 0.5 * seen.sum(1), rtol=1e-6)
        total += told[2]
        if step < toys.EPISODE - 1:
            assert infos == [{}, {}]  # nothing that would tell the task's reward
        seen = found
    assert [info["episode"]["r"] for info in infos] == pytest.approx(total.tolist())


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
    np.testing.assert_array_equal(sources[0].told[-1][0], sources[1].told[-1][0])


def test_a_constant_reward_teaches_nothing_where_ends_are_hidden() -> None:
    """With ends shown, whatever rewards every step alike teaches to balance the pole; hidden, it does not."""
    from rlkit.agents import build_agent
    from rlkit.training.config import compose_run
    from rlkit.training.environments import make_envs

    class Constant:
        def __init__(self, reward: float) -> None:
            self.reward_of_all = reward

        def begin(self) -> None:
            pass

        def reward(self, observations: Any, actions: Any, rewards: Any, dones: Any) -> Any:
            return np.full(len(rewards), self.reward_of_all)

    def length(reward: float, ends: str) -> float:
        learned = ["reward=preferences", f"reward.ends={ends}", "reward.segment=10", "steps=12288"]
        config = compose_run(["env=gym", *learned, "agent.learning_rate=2e-3", "agent.n_epochs=6"])
        envs = make_envs(config.env, 8, reward=config.reward)
        assert isinstance(envs, LearnedRewardEnvs)
        envs.source = Constant(reward)
        model: Any = build_agent(config.agent, envs, seed=0, device="cpu", masked=False)
        model.learn(config.steps)
        assert all(info["l"] <= 500 for info in model.ep_info_buffer)
        return float(np.mean([info["l"] for info in model.ep_info_buffer]))

    assert length(1.0, "shown") > 60
    for reward in (0.0, 1.0, -1.0):
        assert length(reward, "absorbing") < 40
