"""DQN: everything off it is Stable-Baselines3's; each switch does what it says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
import stable_baselines3
import torch as th
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from stable_baselines3.common.logger import Logger
from torch.nn import functional

import toys
from rlkit.agents import build_agent
from rlkit.agents.config import DQNConfig
from rlkit.agents.dqn import DQN, networks
from rlkit.agents.dqn.layers import Head, NoisyLinear, noise
from rlkit.agents.dqn.networks import TRUNKS, Trunk, network_kwargs
from rlkit.agents.policy import load_policy, save_policy
from rlkit.agents.replay import Batch, CompactReplay
from rlkit.agents.vecenv import VecEnvAdapter
from rlkit.errors import UsageError
from runs import assert_same

SMALL: dict[str, Any] = {
    "learning_starts": 40, "batch_size": 16, "buffer_size": 300, "train_freq": 2, "gradient_steps": 1,
    "target_update_interval": 30, "seed": 4, "device": "cpu",
}  # fmt: skip


@pytest.fixture(autouse=True)
def _one_thread() -> Any:
    before = th.get_num_threads()
    th.set_num_threads(1)
    yield
    th.set_num_threads(before)


def envs(env: Any, n: int = 2) -> VecEnvAdapter:
    return VecEnvAdapter(SyncVectorEnv([env] * n, autoreset_mode=AutoresetMode.SAME_STEP))


def cartpole() -> gymnasium.Env[Any, Any]:
    return gymnasium.make("CartPole-v1")


def quiet(model: DQN) -> DQN:
    model.set_logger(Logger(None, []))
    return model


OFF: dict[str, tuple[str, Any, dict[str, Any], dict[str, Any]]] = {
    "vectors": ("MlpPolicy", cartpole, {}, {}),
    "three steps": ("MlpPolicy", cartpole, {"n_steps": 3, "tau": 0.01, "target_update_interval": 2}, {}),
    "pictures": ("CnnPolicy", toys.Pictures, {}, {"features_extractor_kwargs": {"trunk": "nature"}}),
    "dictionaries": ("MultiInputPolicy", toys.Mixed, {}, {}),
}


@pytest.mark.parametrize("case", list(OFF))
def test_everything_off_is_stable_baselines3(case: str) -> None:
    """Weights, optimizer, replay and what was done: bit for bit, also where our trunk stands for its NatureCNN."""
    policy, env, settings, ours = OFF[case]
    kwargs: dict[str, Any] = {"net_arch": [16]}
    mine = {**kwargs, **({"features_extractor_class": Trunk, **ours} if ours else {})}
    model = DQN(policy, envs(env), policy_kwargs=mine, **{**SMALL, **settings}).learn(200)
    theirs = stable_baselines3.DQN(policy, envs(env), policy_kwargs=kwargs, **{**SMALL, **settings}).learn(200)
    assert model._n_updates == theirs._n_updates > 20
    assert_same(dict(model.policy.state_dict()), dict(theirs.policy.state_dict()))
    assert_same(model.policy.optimizer.state_dict(), theirs.policy.optimizer.state_dict())
    assert type(model.replay_buffer) is type(theirs.replay_buffer)
    assert_same(model.replay_buffer.actions, theirs.replay_buffer.actions)
    assert_same(model.replay_buffer.rewards, theirs.replay_buffer.rewards)


SWITCHES: dict[str, dict[str, Any]] = {
    "double": {"double": True},
    "prioritized": {"prioritized": True},
    "per_env_epsilon": {"per_env_epsilon": True},
    "compact": {"replay": "compact"},
    "compact n_steps": {"replay": "compact", "n_steps": 3},
    "dueling": {"policy_kwargs": {"net_arch": [16], "dueling": True}},
    "noisy": {"policy_kwargs": {"net_arch": [16], "noisy": True}},
    "all": {
        "double": True, "prioritized": True, "per_env_epsilon": True, "n_steps": 3, "tau": 0.1,
        "policy_kwargs": {"net_arch": [16], "dueling": True, "noisy": True},
    },
}  # fmt: skip


@pytest.mark.parametrize("switch", list(SWITCHES))
def test_every_switch_learns_and_can_be_saved(switch: str, tmp_path: Path) -> None:
    """By Stable-Baselines3's own file, too: all that was set comes back."""
    model = DQN("MlpPolicy", envs(cartpole), **{"policy_kwargs": {"net_arch": [16]}, **SMALL, **SWITCHES[switch]})
    before = {key: tensor.clone() for key, tensor in model.q_net.state_dict().items()}
    model.learn(200)
    assert all(not th.equal(tensor, before[key]) for key, tensor in model.q_net.state_dict().items())
    model.save(tmp_path / "model")
    again = DQN.load(tmp_path / "model", env=envs(cartpole), device="cpu")
    assert_same(dict(again.policy.state_dict()), dict(model.policy.state_dict()))
    for key in ("double", "prioritized", "per_env_epsilon", "replay", "n_steps"):
        assert getattr(again, key) == getattr(model, key)
    assert type(again.replay_buffer) is type(model.replay_buffer)
    observations = np.random.default_rng(0).normal(size=(20, 4)).astype(np.float32)
    np.testing.assert_array_equal(
        again.predict(observations, deterministic=True)[0], model.predict(observations, deterministic=True)[0]
    )


def batch_of(model: DQN, rows: int = 8, masks: bool = False) -> Batch:
    """A made-up batch."""
    generator = th.Generator().manual_seed(0)
    next_masks = th.rand(rows, 2, generator=generator) < 0.5
    next_masks[:, 0] |= ~next_masks.any(1)
    return Batch(
        th.randn(rows, 4, generator=generator),
        th.randint(2, (rows, 1), generator=generator),
        th.randn(rows, 4, generator=generator),
        (th.arange(rows) % 3 == 0).float()[:, None],
        th.randn(rows, 1, generator=generator),
        th.full((rows, 1), 0.9),
        th.linspace(0.1, 1.0, rows)[:, None],
        next_masks if masks else None,
        np.arange(rows),
        np.arange(rows),
    )


def model_with(**settings: Any) -> DQN:
    model = DQN("MlpPolicy", envs(cartpole), policy_kwargs={"net_arch": [16]}, **SMALL, **settings)
    with th.no_grad():  # networks that disagree about the best action
        for parameter in model.q_net_target.parameters():
            parameter.copy_(th.randn(parameter.shape, generator=th.Generator().manual_seed(1)))
    return model


@pytest.mark.parametrize("double", [False, True])
@pytest.mark.parametrize("masked", [False, True])
def test_targets_by_hand(double: bool, masked: bool) -> None:
    model = model_with(double=double)
    batch = batch_of(model, masks=masked)
    with th.no_grad():
        ours, theirs = model.q_net(batch.next_observations), model.q_net_target(batch.next_observations)
        assert (ours.argmax(1) != theirs.argmax(1)).any()
        targets = []
        for row in range(8):
            legal = [a for a in range(2) if batch.next_masks is None or batch.next_masks[row, a]]
            judge = ours if double else theirs
            best = max(legal, key=lambda a: judge[row, a].item())
            bootstrap = 0.0 if batch.dones[row] else 0.9 * theirs[row, best].item()
            targets.append(batch.rewards[row].item() + bootstrap)
    current = model.q_net(batch.observations)
    loss, errors, _ = model._td_loss(batch, current, model.q_net_target)
    chosen = current.gather(1, batch.actions).squeeze(1)
    np.testing.assert_allclose((chosen - errors).detach(), targets, rtol=1e-5)
    th.testing.assert_close(loss, functional.smooth_l1_loss(chosen, th.tensor(targets)))


def test_importance_weighs_the_loss() -> None:
    model = model_with(prioritized=True)
    batch = batch_of(model)
    loss, errors, _ = model._td_loss(batch, model.q_net(batch.observations), model.q_net_target)
    single = functional.smooth_l1_loss(errors, th.zeros(8), reduction="none")
    th.testing.assert_close(loss, (single * batch.weights[:, 0]).mean())


def test_the_correction_grows_to_one(monkeypatch: pytest.MonkeyPatch) -> None:
    betas: list[float] = []
    sample = CompactReplay.sample

    def noted(self: CompactReplay, size: int, env: Any = None, beta: float = 1.0) -> Batch:
        betas.append(beta)
        return sample(self, size, env, beta)

    monkeypatch.setattr(CompactReplay, "sample", noted)
    DQN("MlpPolicy", envs(cartpole), prioritized=True, priority_beta=0.4, **SMALL).learn(200)
    assert betas == sorted(betas) and betas[0] < 0.6 and betas[-1] == pytest.approx(1.0, abs=0.02)


def test_prioritised_errors_reach_the_replay() -> None:
    model = DQN("MlpPolicy", envs(cartpole), prioritized=True, **SMALL).learn(100)
    leaves = model.replay_buffer._priorities.leaves  # type: ignore[union-attr]
    assert len(np.unique(leaves[leaves > 0])) > 10


def test_each_environment_draws_for_itself() -> None:
    """Stable-Baselines3 draws once for all: then none of eight explores, or all do."""
    counts: dict[bool, np.ndarray] = {}
    for own in (True, False):
        model = DQN("MlpPolicy", envs(cartpole, 8), per_env_epsilon=own, **SMALL)
        model.exploration_rate = 0.5
        best, _ = model.predict(np.zeros((8, 4), np.float32), deterministic=True)
        drawn = [model.predict(np.zeros((8, 4), np.float32))[0] for _ in range(400)]
        counts[own] = np.array([(actions != best).sum() for actions in drawn])
    assert (counts[False] == 0).mean() > 0.4
    assert (counts[True] == 0).mean() < 0.2  # 0.75 ** 8 = 0.1
    assert counts[True].mean() == pytest.approx(2.0, abs=0.3)


class Loop(gymnasium.Env[Any, Any]):
    """Raises on an illegal action; at most steps only one of six is legal, and it pays what its number says."""

    observation_space = spaces.Box(-1.0, 1.0, (3,), np.float32)
    action_space = spaces.Discrete(6)

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.steps = 0
        return self._observe(), {}

    def _observe(self) -> Any:
        self.mask = np.zeros(6, np.bool_)
        self.mask[self.np_random.integers(6, size=1 + (self.steps % 3 == 0))] = True
        return self.np_random.uniform(-1, 1, 3).astype(np.float32)

    def action_masks(self) -> np.ndarray:
        return self.mask

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        if not self.mask[action]:
            raise ValueError(f"illegal action {action}")
        self.steps += 1
        return self._observe(), float(action), self.steps == 7, False, {}


@pytest.mark.parametrize("epsilon", [0.0, 1.0, 0.5])
def test_only_legal_actions_are_taken_and_bootstrapped(epsilon: float) -> None:
    settings = {"exploration_initial_eps": epsilon, "exploration_final_eps": epsilon, "per_env_epsilon": True}
    model = DQN("MlpPolicy", envs(Loop, 3), action_masks=True, **SMALL, **settings).learn(150)
    batch = model.replay_buffer.sample(200)  # type: ignore[union-attr]
    masks = batch.next_masks.float()
    assert masks[batch.dones[:, 0] == 1].all()
    rest = masks[batch.dones[:, 0] == 0]
    assert set(rest.sum(1).tolist()) == {1.0, 2.0}


def test_actions_by_hand_are_masked() -> None:
    model = DQN("MlpPolicy", envs(Loop), action_masks=True, **SMALL)
    masks = np.eye(6, dtype=np.bool_)
    for deterministic in (True, False):
        actions, _ = model.predict(np.zeros((6, 3), np.float32), deterministic=deterministic, action_masks=masks)
        assert actions.tolist() == list(range(6))
    single, _ = model.predict(np.zeros(3, np.float32), deterministic=True, action_masks=masks[4])
    assert single == 4


def test_negotiation_is_played_legally() -> None:
    """From the configuration: `env=negotiation agent=dqn`."""
    games = gymnasium.make_vec("rlkit/Negotiation-v0", num_envs=8, autoreset_mode="same_step", illegal="error")
    config = DQNConfig(net_arch=[16], learning_starts=50, batch_size=16, buffer_size=500)
    model = build_agent(config, VecEnvAdapter(games), seed=0, device="cpu", masked=True)
    model.learn(400)
    replay = model.replay_buffer
    assert isinstance(replay, CompactReplay) and replay.ring.masks is not None
    rows, places = np.nonzero(replay.ring.ends > 0)
    assert replay.ring.masks[rows, places, replay.ring.actions[rows, places]].all()


def test_noise_is_there_to_explore_and_to_learn_and_else_is_not() -> None:
    head = Head(4, 3, [8], th.nn.Tanh, dueling=True, noisy=True)
    inputs = th.randn(5, 4)
    plain = head(inputs)
    with noise(head):
        first = head(inputs)
        th.testing.assert_close(head(inputs), first)
    with noise(head):
        assert not th.allclose(head(inputs), first)
    th.testing.assert_close(head(inputs), plain)
    model = DQN("MlpPolicy", envs(cartpole), **SMALL, **SWITCHES["noisy"]).learn(100)
    assert model.exploration_rate == 0.0
    observation = np.full((1, 4), 0.01, np.float32)
    explored = {model.predict(observation)[0].item() for _ in range(200)}
    exploited = {model.predict(observation, deterministic=True)[0].item() for _ in range(20)}
    assert explored == {0, 1} and len(exploited) == 1


def test_noise_has_the_spread_of_the_paper() -> None:
    layer, zeros = NoisyLinear(16, 4), th.zeros(1, 16)
    draws = []
    for _ in range(2_000):
        with noise(layer):
            draws.append(layer(zeros) - layer.bias)
    spread = th.cat(draws).std(0)  # of sigma * sign(e) sqrt(|e|): E|e| = sqrt(2 / pi)
    np.testing.assert_allclose(spread.detach(), 0.5 / 4 * (2 / np.pi) ** 0.25, rtol=0.06)


def test_the_target_network_has_no_noise() -> None:
    """It stays in evaluation mode, and its value of an observation is one number."""
    model = DQN("MlpPolicy", envs(cartpole), **SMALL, **SWITCHES["noisy"])
    values = []
    model.q_net_target.register_forward_hook(lambda *args: values.append(args[-1].clone()))
    model.learn(60)
    assert not model.q_net_target.training
    model.set_logger(Logger(None, []))
    values.clear()
    batch = model.replay_buffer.sample(4)  # type: ignore[union-attr]
    for _ in range(2):
        with noise(model.q_net):
            model._backward(batch)
    th.testing.assert_close(values[0], values[1], rtol=0, atol=0)


def test_dueling_advantages_are_centred() -> None:
    head = Head(4, 3, [8, 8], th.nn.ReLU, dueling=True, noisy=False)
    inputs = th.randn(6, 4)
    assert head.value is not None
    th.testing.assert_close(head(inputs).mean(1, keepdim=True), head.value(inputs))


@pytest.mark.parametrize(("edge", "trunk"), [(84, "nips"), (64, "nips"), (42, "small"), (30, "small"), (10, "grid")])
def test_pictures_get_the_trunk_of_their_size(edge: int, trunk: str) -> None:
    space = spaces.Box(0, 255, (4, edge, edge), np.uint8)
    chosen = network_kwargs(space)["features_extractor_kwargs"]["trunk"]
    assert chosen == trunk
    assert min(Trunk(space, chosen).map_shape[1:]) >= 1


def test_unreal_and_small_maps_are_nine_by_nine() -> None:
    assert Trunk(spaces.Box(0, 255, (4, 84, 84), np.uint8), "nips").map_shape == (32, 9, 9)
    assert Trunk(spaces.Box(0, 255, (4, 42, 42), np.uint8), "small").map_shape == (32, 9, 9)


@pytest.mark.parametrize("trunk", list(TRUNKS))
def test_the_least_edge_is_the_least(trunk: str) -> None:
    least = networks._least_edge(trunk)
    assert Trunk(spaces.Box(0, 255, (1, least, least), np.uint8), trunk).map_shape[1:] == (1, 1)
    with pytest.raises(UsageError, match=f"too small for agent.trunk={trunk}, which needs {least} pixels"):
        network_kwargs(spaces.Box(0, 255, (least - 1, least - 1, 1), np.uint8), trunk=trunk)


def test_a_policy_of_every_shape_goes_through_its_files(tmp_path: Path) -> None:
    config = DQNConfig(net_arch=[16], dueling=True, noisy=True, learning_starts=20, batch_size=8, buffer_size=100)
    model = build_agent(config, envs(toys.Pictures), seed=0, device="cpu", masked=False)
    model.learn(60)
    save_policy(tmp_path, model, config, env_id="toy", masked=False)
    observations = np.random.default_rng(0).integers(0, 256, (9, 36, 40, 3), dtype=np.uint8)
    expected, _ = model.predict(observations.transpose(0, 3, 1, 2), deterministic=True)
    np.testing.assert_array_equal(load_policy(tmp_path).predict(observations), expected)


REFUSED: dict[str, tuple[Any, dict[str, Any], str]] = {
    "replay": (cartpole, {"replay": "compct"}, "unknown agent.replay 'compct': did you mean 'compact'"),
    "standard": (cartpole, {"replay": "standard", "prioritized": True}, "does not go with agent.prioritized"),
    "dictionary": (toys.Mixed, {"prioritized": True}, "not with observations that are dictionaries"),
    "trunk": (toys.Pictures, {"trunk": "natur"}, "unknown agent.trunk 'natur': did you mean 'nature'"),
    "slots": (cartpole, {"replay": "compact", "buffer_size": 2}, "1 slots for each environment, it needs at least 2"),
}


@pytest.mark.parametrize("mistake", list(REFUSED))
def test_settings_that_do_not_go_together_are_told(mistake: str) -> None:
    env, settings, message = REFUSED[mistake]
    with pytest.raises(UsageError, match=message):
        build_agent(DQNConfig(**settings), envs(env), seed=0, device="cpu", masked=False)
