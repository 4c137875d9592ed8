"""A tower for each group of observations."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch as th
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from stable_baselines3 import PPO

import rlkit
import toys
from rlkit.agents.ppo import DPPO, LeanPPO
from rlkit.agents.ppo.obstacle import find_obstacle
from rlkit.agents.ppo.towers import check_groups
from rlkit.agents.vecenv import VecEnvAdapter
from rlkit.errors import UsageError
from rlkit.training.config import compose_run
from rlkit.training.run import train
from twins import assert_equal_states, build, collect

GROUPS = toys.Reaching.observation_groups
SMALL = (
    "env=gym env.id=toys:Reaching-v0 n_envs=2 agent.n_steps=32 agent.net_arch=[8,4] agent.towers=true steps=128 "
    "threads=1 evaluate=false eval_every=0 checkpoint_every=0 progress=false"
)


def side_by_side(make: Any) -> VecEnvAdapter:
    return VecEnvAdapter(SyncVectorEnv([make] * 2, autoreset_mode=AutoresetMode.SAME_STEP))


def towered(kind: Any = LeanPPO, **options: Any) -> Any:
    return build(kind, toys.Reaching, policy_kwargs={"net_arch": [8, 4], "observation_groups": GROUPS}, **options)


def test_groups_meet_at_the_head_alone() -> None:
    """What one tower sees changes nothing of what the other hands to the head."""
    policy = towered().policy
    seen = th.randn(5, 6)
    other = seen.clone()
    other[:, 2:] += 1.0
    for network, head in ((policy.mlp_extractor.policy_net, policy.action_net), (policy.mlp_extractor.value_net, None)):
        one, two = network(seen), network(other)
        assert one.shape == (5, 2 * 4)
        assert th.equal(one[:, :4], two[:, :4])
        assert not th.isclose(one[:, 4:], two[:, 4:]).any()
        assert head is None or head.in_features == 2 * 4
    assert policy.value_net.in_features == 2 * 4


class Plain(LeanPPO):
    """Updates as Stable-Baselines3 does, by autograd."""

    def train(self) -> None:
        PPO.train(self)


@pytest.mark.parametrize("options", [{}, {"ent_coef": 0.03, "clip_range_vf": 0.1, "batch_size": 40}])
def test_lean_updates_equal_autograds(options: dict[str, Any]) -> None:
    plain, lean = towered(Plain, **options), towered(LeanPPO, **options)
    for _ in range(3):
        collect(plain)
        lean.rollout_buffer = copy.deepcopy(plain.rollout_buffer)
        for algorithm in (plain, lean):
            np.random.seed(1)
            algorithm.train()
    assert find_obstacle(lean) is None
    assert_equal_states(plain, lean)


@pytest.mark.parametrize("agent", ["ppo", "dppo"])
def test_a_policy_with_towers_loads_without_its_environment(agent: str, tmp_path: Path) -> None:
    folder = train(compose_run(f"{SMALL} agent={agent} agent.normalize_observations=true run_dir={tmp_path}".split()))
    policy = rlkit.load_policy(folder.path)
    names = set(policy._network.state_dict())
    assert "mlp_extractor.policy_net.towers.terrain.0.weight" in names
    assert policy._network.state_dict()["mlp_extractor.value_net.towers.proprioception.0.weight"].shape == (8, 2)
    observations = np.random.default_rng(0).normal(size=(20, 6)).astype(np.float32)
    actions = policy.predict(observations)
    assert actions.shape == (20, 2) and len(np.unique(actions[:, 0])) > 1
    np.testing.assert_allclose(policy.predict(observations[3]), actions[3], atol=1e-6)


def test_groups_reach_the_adapter_from_either_kind_of_environment() -> None:
    class Wrapped(gymnasium.Wrapper[Any, Any, Any, Any]):
        pass

    assert side_by_side(lambda: Wrapped(toys.Reaching())).observation_groups == GROUPS
    assert side_by_side(toys.Toy).observation_groups is None
    batch = SyncVectorEnv([toys.Toy] * 2, autoreset_mode=AutoresetMode.SAME_STEP)
    batch.observation_groups = {"a": (0, 1), "b": (1, 3)}  # type: ignore[attr-defined]
    assert VecEnvAdapter(batch).observation_groups == {"a": (0, 1), "b": (1, 3)}


def test_an_environment_without_groups_is_told(tmp_path: Path) -> None:
    settings = f"{SMALL} agent=ppo run_dir={tmp_path / 'run'}".replace("toys:Reaching-v0", "Pendulum-v1")
    with pytest.raises(UsageError, match="agent.towers needs an environment that tells which of its observations"):
        train(compose_run(settings.split()))
    assert not (tmp_path / "run").exists()


def test_masked_actions_and_no_hidden_layers_are_told(tmp_path: Path) -> None:
    settings = f"{SMALL} agent=ppo run_dir={tmp_path / 'run'}"
    with pytest.raises(UsageError, match="agent.towers is for actions without masks"):
        train(compose_run(settings.replace("Reaching", "Masked").split()))
    with pytest.raises(UsageError, match="agent.towers needs hidden layers"):
        train(compose_run(settings.replace("[8,4]", "[]").split()))


@pytest.mark.parametrize(
    "groups",
    [
        {},
        {"all": (0, 6)},
        {"one": (0, 2), "other": (3, 6)},
        {"one": (0, 4), "other": (2, 6)},
        {"one": (0, 2), "other": (2, 7)},
        {"one": (0, 2), "other": (2, 5)},
        {"one": (0, 6), "other": (6, 6)},
        {"one": 3},
        "proprioception",
    ],
)
def test_groups_that_do_not_share_out_the_observations_are_told(groups: Any) -> None:
    with pytest.raises(UsageError, match="observation_groups must be"):
        check_groups(groups, 6)


def test_the_order_of_groups_does_not_matter() -> None:
    assert list(check_groups({"b": (2, 6), "a": (0, 2)}, 6).items()) == [("a", (0, 2)), ("b", (2, 6))]


@pytest.mark.parametrize("kind", [LeanPPO, DPPO])
def test_learns_to_reach(kind: Any) -> None:
    """What pays needs both groups: the difference of two places."""
    learner = towered(kind, n_steps=64, batch_size=64, n_epochs=10, gamma=0.0, learning_rate=5e-3)
    learner.learn(6_000)
    seen = np.random.default_rng(0).uniform(-0.5, 0.5, (500, 6)).astype(np.float32)
    actions, _ = learner.predict(seen, deterministic=True)
    error = np.square(seen[:, :2] + actions - seen[:, 2:4]).sum(1).mean()
    assert error < 0.1 * np.square(seen[:, :2] - seen[:, 2:4]).sum(1).mean()
