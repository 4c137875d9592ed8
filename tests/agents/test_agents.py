"""Every agent of the table learns where it fits, is refused where it does not, and its policy acts as it did."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch as th
from gymnasium import Env, make, spaces
from gymnasium.vector import AutoresetMode, SyncVectorEnv

import rlkit
import toys
from rlkit.agents import AGENTS, agent_spec, build_agent, check_pairing
from rlkit.agents.policy import save_policy
from rlkit.agents.vecenv import VecEnvAdapter
from rlkit.errors import UsageError

every_agent = pytest.mark.parametrize("name", list(AGENTS))
N = 2


@pytest.fixture(autouse=True)
def _one_thread() -> Any:
    before = th.get_num_threads()
    th.set_num_threads(1)
    yield
    th.set_num_threads(before)


def adapter(env: Any) -> VecEnvAdapter:
    return VecEnvAdapter(SyncVectorEnv([env] * N, autoreset_mode=AutoresetMode.SAME_STEP))


def pendulum() -> Env[Any, Any]:
    return make("Pendulum-v1")


def small(name: str, **changes: Any) -> Any:
    """An agent's settings for a few hundred steps."""
    config = AGENTS[name].config(net_arch=[16], learning_rate=1e-3)
    wanted = {"learning_starts": 50, "buffer_size": 1_000, "batch_size": 32, "n_steps": 32, "n_epochs": 2, **changes}
    for key, value in wanted.items():
        of_rollouts = key == "n_steps" and not hasattr(config, "gae_lambda")  # DQN's are those of a return
        if hasattr(config, key) and not of_rollouts:
            setattr(config, key, value)
    return config


def trained(name: str, env: Any, steps: int = 200, masked: bool = False, **changes: Any) -> Any:
    model = build_agent(small(name, **changes), adapter(env), seed=0, device="cpu", masked=masked)
    before = {key: tensor.clone() for key, tensor in model.policy.state_dict().items()}
    model.learn(steps)
    changed = [key for key, tensor in model.policy.state_dict().items() if not th.equal(tensor, before[key])]
    assert changed, "nothing was learned"
    return model


def assert_acts_the_same(
    name: str, model: Any, observations: Any, folder: Path, masked: bool = False
) -> rlkit.load_policy:
    """A policy that went through its two files, and Stable-Baselines3's own greedy choice."""
    save_policy(folder, model, small(name), env_id="toy", masked=masked)
    policy = rlkit.load_policy(folder)
    assert (policy.agent, policy.env_id) == (name, "toy")
    expected, _ = model.predict(observations, deterministic=True)
    actions = policy.predict(observations)
    assert actions.shape == expected.shape
    np.testing.assert_allclose(actions, expected, rtol=0, atol=1e-6)
    if isinstance(observations, dict):
        single = policy.predict({key: part[3] for key, part in observations.items()})
    else:
        single = policy.predict(observations[3])
    np.testing.assert_allclose(single, actions[3], rtol=0, atol=1e-6)
    return policy


@every_agent
def test_learns_and_acts_the_same_when_loaded(name: str, tmp_path: Path) -> None:
    discrete = "Discrete" in AGENTS[name].actions
    env_id = "CartPole-v1" if discrete else "Pendulum-v1"
    model = trained(name, lambda: make(env_id))
    rng = np.random.default_rng(0)
    observations = rng.normal(size=(200, *model.observation_space.shape)).astype(np.float32)
    policy = assert_acts_the_same(name, model, observations, tmp_path)
    assert policy.action_space == model.action_space
    assert policy.observation_space == model.observation_space
    assert len(np.unique(policy.predict(observations))) > 1


@pytest.mark.parametrize("name", ["ppo", "a2c", "trpo"])
@pytest.mark.parametrize("env", [pendulum, toys.Dials, toys.Switches], ids=["Box", "Multi", "Binary"])
def test_on_policy_agents_choose_every_kind_of_action(name: str, env: Any, tmp_path: Path) -> None:
    model = trained(name, env)
    observations = np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32)
    policy = assert_acts_the_same(name, model, observations, tmp_path)
    assert all(policy.action_space.contains(action) for action in policy.predict(observations))


@pytest.mark.parametrize("name", ["ppo", "dqn"])
@pytest.mark.parametrize("env", [toys.Pictures, toys.Mixed])
def test_pictures_and_dictionaries(name: str, env: type[toys.Toy], tmp_path: Path) -> None:
    """Pictures stay as the environment shows them, channels last, although the network has them first."""
    model = trained(name, env, steps=100, n_steps=16, batch_size=16, buffer_size=150)
    space = env.observation_space
    space.seed(0)
    drawn = [space.sample() for _ in range(20)]
    if isinstance(space, spaces.Dict):
        observations: Any = {key: np.stack([each[key] for each in drawn]) for key in space.spaces}
    else:
        observations = np.stack(drawn)
    policy = assert_acts_the_same(name, model, observations, tmp_path)
    assert policy.observation_space == space


def test_channels_first_pictures_stay_first(tmp_path: Path) -> None:
    class First(toys.Toy):
        observation_space = spaces.Box(0, 255, (3, 36, 40), np.uint8)

    model = trained("a2c", First, steps=64)
    observations = np.random.default_rng(0).integers(0, 256, (6, 3, 36, 40), dtype=np.uint8)
    assert assert_acts_the_same("a2c", model, observations, tmp_path).observation_space == First.observation_space


def test_masks_hold_while_learning_and_after(tmp_path: Path) -> None:
    """The toy raises on an illegal action. Agents without masks get none."""
    model = trained("ppo", toys.Masked, masked=True)
    policy = assert_acts_the_same("ppo", model, np.zeros((4, 3), np.float32), tmp_path, masked=True)
    rng = np.random.default_rng(0)
    observations, masks = rng.normal(size=(300, 3)).astype(np.float32), rng.random((300, 6)) < 0.3
    masks[np.arange(300), rng.integers(6, size=300)] = True
    actions = policy.predict(observations, masks)
    assert masks[np.arange(300), actions].all()
    expected, _ = model.predict(observations, deterministic=True, action_masks=masks)
    np.testing.assert_array_equal(actions, expected)


@pytest.mark.parametrize("name", ["ppo", "dqn"])
def test_learns_to_name_what_it_sees(name: str) -> None:
    """One step ahead is all there is: nine of ten must be right."""
    settings = {"gamma": 0.0, "learning_rate": 5e-3, "train_freq": 1, "gradient_steps": 1, "target_update_interval": 50}
    model = build_agent(small(name, **settings), adapter(toys.Naming), seed=0, device="cpu", masked=False)
    model.learn(2_000)
    actions, _ = model.predict(np.eye(4, dtype=np.float32).repeat(5, 0), deterministic=True)
    assert (actions == np.arange(4).repeat(5)).mean() > 0.9


def test_unknown_agents_are_told() -> None:
    with pytest.raises(UsageError, match=r"unknown agent 'pp0': did you mean 'ppo'\? \(there are: a2c, crossq"):
        agent_spec("pp0")


KINDS = {
    "Discrete": spaces.Discrete(3),
    "Box": spaces.Box(-1, 1, (2,), np.float32),
    "MultiDiscrete": spaces.MultiDiscrete([2, 3]),
    "MultiBinary": spaces.MultiBinary(2),
}


@every_agent
@pytest.mark.parametrize("kind", list(KINDS))
def test_a_wrong_pairing_names_the_agents_that_fit(name: str, kind: str) -> None:
    if kind in AGENTS[name].actions:
        check_pairing(name, KINDS[kind])
        return
    with pytest.raises(UsageError, match=f"agent={name} chooses .* actions, this environment's are {kind}") as found:
        check_pairing(name, KINDS[kind])
    listed = str(found.value).rpartition(f"agents for {kind}: ")[2].split(", ")
    assert listed == [other for other, spec in AGENTS.items() if kind in spec.actions]


def test_actions_that_no_agent_handles_are_told() -> None:
    with pytest.raises(UsageError, match="no agent here handles Text"):
        check_pairing("ppo", spaces.Text(3))
    with pytest.raises(UsageError, match="agents count actions from 0.*wrap it to shift them"):
        check_pairing("ppo", toys.FromOne.action_space)


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        (
            "ppo",
            {"learning_rate_schedule": "cosine"},
            "learning_rate_schedule must be constant or linear, got 'cosine'",
        ),
        ("ppo", {"activation": "tan"}, r"unknown agent.activation 'tan': did you mean 'tanh'\?"),
        (
            "ppo",
            {"net_arch": [16, 0]},
            r"must be a list of widths >= 1, such as \[64,64\]; got \[16, 0\]",
        ),
        ("ppo", {"batch_size": 1}, "agent=ppo refuses its settings.*batch_size"),
    ],
)
def test_settings_out_of_range_are_told(name: str, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        build_agent(small(name, **changes), adapter(toys.Toy), seed=0, device="cpu", masked=False)


def test_an_update_needs_two_steps() -> None:
    envs = VecEnvAdapter(SyncVectorEnv([toys.Toy], autoreset_mode=AutoresetMode.SAME_STEP))
    with pytest.raises(UsageError, match="at least two steps: raise agent.n_steps or n_envs"):
        build_agent(small("a2c", n_steps=1), envs, seed=0, device="cpu", masked=False)


@pytest.mark.parametrize("device", ["tpu", "meta", "cuda:99", "cpu:x"])
def test_devices_that_are_not_there_are_told(device: str) -> None:
    """Stable-Baselines3 would quietly take the CPU."""
    with pytest.raises(UsageError, match=f"PyTorch cannot compute on device={device} here: it must be cpu, auto"):
        build_agent(small("ppo"), adapter(toys.Toy), seed=0, device=device, masked=False)


def test_observations_that_no_network_takes_are_told() -> None:
    class Pair(toys.Toy):
        observation_space = spaces.Tuple((spaces.Discrete(2), spaces.Discrete(2)))

    with pytest.raises(UsageError, match="agent=ppo refuses its settings, or this environment"):
        build_agent(small("ppo"), adapter(Pair), seed=0, device="cpu", masked=False)


def test_a_linear_schedule_ends_at_zero() -> None:
    model = build_agent(
        small("ppo", learning_rate_schedule="linear"), adapter(toys.Toy), seed=0, device="cpu", masked=False
    )
    assert [model.lr_schedule(left) for left in (1.0, 0.5, 0.0)] == pytest.approx([1e-3, 5e-4, 0.0])


@pytest.mark.parametrize("name", ["sac", "tqc", "td3", "ddpg"])
def test_adam_steps_in_one_kernel(name: str) -> None:
    policy = trained(name, pendulum).policy
    for optimizer in (policy.actor.optimizer, policy.critic.optimizer):
        assert isinstance(optimizer, th.optim.Adam) and all(group["fused"] for group in optimizer.param_groups)


@pytest.mark.parametrize("name", ["td3", "ddpg"])
def test_action_noise_is_what_was_set(name: str) -> None:
    for sigma in (0.25, 0.0):
        model = build_agent(small(name, action_noise=sigma), adapter(pendulum), seed=0, device="cpu", masked=False)
        assert (model.action_noise is None) if sigma == 0 else model.action_noise._sigma == pytest.approx(sigma)


def test_the_table_is_read_without_pytorch() -> None:
    code = "import sys, rlkit.agents; assert not {'torch', 'stable_baselines3'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
