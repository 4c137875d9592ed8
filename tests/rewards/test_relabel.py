"""All that an agent has kept is worth what the reward of now says."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch as th
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, SyncVectorEnv

import toys
from rlkit.agents import build_agent
from rlkit.agents.vecenv import VecEnvAdapter
from rlkit.rewards.relabel import relabel, reset_critic
from rlkit.training.config import compose_run


class Wide(toys.Toy):
    """Actions beyond -1 to 1, the first of which shows in the next observation."""

    action_space = spaces.Box(np.array([-3.0, 0.0], np.float32), np.array([1.0, 5.0], np.float32))


def agent(name: str, env: Any, *settings: str, steps: int = 60, n_envs: int = 2) -> Any:
    """An agent that has learned a little, and what it saw and did: observations, actions, all in order."""
    arguments = [f"agent={name}", f"n_envs={n_envs}", "agent.batch_size=8"]
    if name != "ppo":
        arguments += ["agent.learning_starts=20", "agent.net_arch=[8]"]
    config = compose_run(["env=gym", *arguments, *settings])
    envs = VecEnvAdapter(SyncVectorEnv([env] * n_envs, autoreset_mode=AutoresetMode.SAME_STEP))
    lived: list[tuple[Any, ...]] = []
    seen: list[Any] = []
    reset, step = envs.reset, envs.step_wait

    def reset_noted() -> Any:
        seen[:] = [reset()]
        return seen[0]

    def step_noted() -> Any:
        found = step()
        after = copy.deepcopy(found[0])
        for row in np.flatnonzero(found[2]):
            for key in after if isinstance(after, dict) else [...]:
                parts = found[3][row]["terminal_observation"]
                (after[key] if key is not ... else after)[row] = parts[key] if key is not ... else parts
        lived.append((seen[0], envs._actions.copy(), found[2], after))
        seen[0] = found[0]
        return found

    envs.reset, envs.step_wait = reset_noted, step_noted  # type: ignore[method-assign]
    model = build_agent(config.agent, envs, seed=0, device="cpu", masked=False)
    model.learn(steps)  # type: ignore[call-arg]
    return model, envs.observation_space, lived


def worth(observations: Any, actions: np.ndarray, terminated: Any = None, after: Any = None) -> np.ndarray:
    """A number that tells observations and actions apart, and what followed where the episode terminated."""
    if terminated is not None and terminated.any():
        return worth(observations, actions) + np.where(terminated, 0.5 * worth(after, actions), 0.0)
    parts = observations.values() if isinstance(observations, dict) else [observations]
    total = np.zeros(len(actions))
    for number, part in enumerate(parts, 1):
        rows = np.asarray(part, dtype=np.float64).reshape(len(actions), -1)
        total += number * (rows * np.sin(np.arange(rows.shape[1]) + 1.0)).sum(1)
    return total + 7.0 * actions.reshape(len(actions), -1).astype(np.float64).sum(1)


CASES: dict[str, tuple[str, Any, tuple[str, ...]]] = {
    "scaled actions": ("sac", Wide, ()),
    "discrete actions": ("dqn", toys.Toy, ()),
    "n steps": ("dqn", toys.Toy, ("agent.n_steps=3",)),
    "dictionaries": ("dqn", toys.Mixed, ()),
    "pictures, channels last": ("dqn", toys.Pictures, ()),
    "frames kept once": ("dqn", toys.Toy, ("agent.replay=compact",)),
}


@pytest.mark.parametrize("case", list(CASES))
def test_rewards_are_those_of_what_was_seen_and_done(case: str) -> None:
    name, env, settings = CASES[case]
    model, space, lived = agent(name, env, *settings)
    assert relabel(model, space, worth) >= 2 * len(lived)
    expected = np.array([worth(*step) for step in lived])
    replay = model.replay_buffer
    if hasattr(replay, "ring"):
        found = [replay.ring.rewards[row, : replay.ring.written[row]] for row in range(2)]
        kept = [rewards[replay.ring.ends[row, : len(rewards)] != 0] for row, rewards in enumerate(found)]
        np.testing.assert_allclose(np.stack(kept, 1), expected, rtol=1e-4)
    else:
        np.testing.assert_allclose(replay.rewards[: replay.pos], expected, rtol=1e-4)


def test_a_full_replay_is_relabelled_whole() -> None:
    model, space, _ = agent("dqn", toys.Toy, "agent.buffer_size=40", steps=100)
    assert model.replay_buffer.full
    assert relabel(model, space, lambda *step: np.full(len(step[1]), 2.0)) == 40
    assert (model.replay_buffer.rewards == 2.0).all()


def test_reward_prediction_knows_which_steps_have_a_reward_now() -> None:
    class Small(toys.Pictures):
        observation_space = spaces.Box(0, 255, (1, 20, 20), np.uint8)

    tasks = ("agent.auxiliary.tasks=[reward_prediction]", "agent.auxiliary.reward_batch=4", "agent.trunk=grid")
    model, space, _ = agent("dqn", Small, *tasks, n_envs=1)
    relabel(model, space, lambda *step: (step[1] == 2).astype(np.float64))
    _, rewards = model.replay_buffer.sample_history(64, 1, 0.5)
    assert 0.4 < float((rewards == 1).float().mean()) < 0.6


def test_an_agent_without_a_replay_keeps_nothing() -> None:
    model, space, _ = agent("ppo", toys.Toy, "agent.n_steps=16", steps=32)
    assert relabel(model, space, worth) == 0
    assert not reset_critic(model, 3)


@pytest.mark.parametrize("name", ["sac", "td3", "tqc", "crossq"])
def test_critics_begin_anew_and_actors_do_not(name: str) -> None:
    model, _, _ = agent(name, Wide)
    before = {key: value.clone() for key, value in model.policy.state_dict().items()}
    assert reset_critic(model, 0)
    after = model.policy.state_dict()
    critics = [key for key in before if key.startswith("critic.") and key.endswith("weight") and before[key].dim() > 1]
    assert critics and all(not th.equal(before[key], after[key]) for key in critics)
    assert all(th.equal(before[key], after[key]) for key in before if key.startswith("actor."))
    for key in critics:
        target = key.replace("critic.", "critic_target.")
        assert target not in after or th.equal(after[key], after[target])
    assert not model.critic.optimizer.state
    updates = model._n_updates
    reset_critic(model, 5)
    assert model._n_updates == updates + 5 and model.critic.optimizer.state


def test_critics_that_have_not_begun_stay() -> None:
    model, _, _ = agent("sac", Wide, steps=10)
    assert not reset_critic(model, 3)
