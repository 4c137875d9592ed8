"""`LeanMaskablePPO` computes what `sb3_contrib.MaskablePPO` computes, and steps aside where it cannot."""

from __future__ import annotations

import copy
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch as th
from gymnasium import spaces
from sb3_contrib import MaskablePPO
from sb3_contrib.common.maskable.distributions import MaskableCategoricalDistribution
from sb3_contrib.common.maskable.policies import MaskableActorCriticPolicy
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.torch_layers import FlattenExtractor
from torch import nn
from torch.nn import functional as F

import twins
from rlkit.agents.ppo import LeanMaskablePPO
from rlkit.agents.ppo.loss import Coefficients, MaskedLoss, MaskedMinibatch
from rlkit.agents.ppo.obstacle import find_obstacle, hidden_layers
from rlkit.agents.ppo.passes import FlatGradients, Network
from twins import assert_equal_states, collect, train_both

N_ACTIONS = 7


@pytest.fixture(autouse=True)
def _one_thread():
    before = th.get_num_threads()
    th.set_num_threads(1)
    yield
    th.set_num_threads(before)


class NameTheSign(gym.Env):
    """The observation names one action; naming it back pays 1. Half the other actions are illegal, sometimes all."""

    observation_space = spaces.Box(-1.0, 1.0, (N_ACTIONS + 2,), np.float32)
    action_space: spaces.Space = spaces.Discrete(N_ACTIONS)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None):
        super().reset(seed=seed)
        self._turn = 0
        return self._observe(), {}

    def step(self, action):
        assert self._mask[action], "the agent took an illegal action"
        reward = float(action == self._sign)
        self._turn += 1
        return self._observe(), reward, False, self._turn == 5, {}

    def action_masks(self) -> np.ndarray:
        return self._mask

    def _observe(self) -> np.ndarray:
        self._sign = int(self.np_random.integers(N_ACTIONS))
        alone = self.np_random.random() < 0.1
        self._mask = self.np_random.random(N_ACTIONS) < (0.0 if alone else 0.5)
        self._mask[self._sign] = True
        return np.append(np.eye(N_ACTIONS)[self._sign], self.np_random.uniform(-1, 1, 2)).astype(np.float32)


class Variant(NameTheSign):
    """The same task behind another space."""

    def __init__(self, observation_space: spaces.Space | None = None, action_space: spaces.Space | None = None):
        self.observation_space = observation_space or self.observation_space
        self.action_space = action_space or self.action_space

    def _observe(self):
        super()._observe()
        return self.observation_space.sample()

    def action_masks(self):
        if isinstance(self.action_space, spaces.MultiDiscrete):
            return np.ones(sum(self.action_space.nvec), dtype=bool)
        return self._mask

    def step(self, action):
        return self._observe(), 0.0, False, False, {}


def build(kind: type[MaskablePPO], env=NameTheSign, policy="MlpPolicy", **options: Any) -> MaskablePPO:
    return twins.build(kind, env, policy, **options)


RELU = {"activation_fn": nn.ReLU}
CASES: dict[str, dict[str, Any]] = {
    "defaults": {},
    "relu": {"policy_kwargs": RELU},
    "entropy": {"ent_coef": 0.05},
    "entropy, relu": {"ent_coef": 0.05, "policy_kwargs": RELU},
    "value clipping": {"clip_range_vf": 0.05},
    "value clipping on a schedule": {"clip_range_vf": lambda progress: 0.1 * progress, "vf_coef": 1.3},
    "raw advantages": {"normalize_advantage": False},
    "raw advantages, no entropy, relu": {"normalize_advantage": False, "ent_coef": 0.0, "policy_kwargs": RELU},
    "tight clipping": {"clip_range": lambda progress: 0.01 + 0.02 * progress, "n_epochs": 6},
    "gradients clipped hard": {"max_grad_norm": 0.01, "ent_coef": 0.01},
    "last minibatch smaller": {"batch_size": 40, "ent_coef": 0.01},
    "one minibatch": {"batch_size": None},
    "minibatch larger than the rollout": {"batch_size": 1000},
    "towers differ": {"policy_kwargs": {"net_arch": {"pi": [32, 16, 8], "vf": [20]}}, "clip_range_vf": 0.1},
    "no hidden layer": {"policy_kwargs": {"net_arch": []}, "ent_coef": 0.01},
    "one tower without hidden layer": {"policy_kwargs": {"net_arch": {"pi": [], "vf": [16]}, **RELU}},
    "extractors apart": {"policy_kwargs": {"share_features_extractor": False}},
    "weight decay": {"policy_kwargs": {"optimizer_kwargs": {"weight_decay": 0.01, "eps": 1e-5}}},
    "AdamW": {"policy_kwargs": {"optimizer_class": th.optim.AdamW, "optimizer_kwargs": {"eps": 1e-5}}},
    "implementation chosen": {"policy_kwargs": {"optimizer_kwargs": {"foreach": True, "eps": 1e-5}}},
}


@pytest.mark.parametrize("options", CASES.values(), ids=CASES.keys())
def test_updates_equal_sb3_contribs(options):
    reference, lean = build(MaskablePPO, **options), build(LeanMaskablePPO, **options)
    assert find_obstacle(lean) in (None, "the rollout buffer is not full")
    train_both(reference, lean)
    assert find_obstacle(lean) is None
    assert_equal_states(reference, lean)


@pytest.mark.parametrize("target_kl", [1e-7, 5e-3])
def test_stops_early_where_sb3_contrib_does(target_kl, capsys):
    options = {"target_kl": target_kl, "n_epochs": 20, "verbose": 1}
    reference, lean = build(MaskablePPO, **options), build(LeanMaskablePPO, **options)
    capsys.readouterr()
    train_both(reference, lean)
    assert reference._n_updates == lean._n_updates < 3 * 20
    assert_equal_states(reference, lean)
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("Early stopping")]
    assert lines and lines[::2] == lines[1::2]


def test_learning_from_the_same_seed_gives_the_same_agent():
    reference, lean = build(MaskablePPO, ent_coef=0.01), build(LeanMaskablePPO, ent_coef=0.01)
    for algorithm in (reference, lean):
        algorithm.set_random_seed(5)
        algorithm.learn(4 * 24 * 3)
    assert_equal_states(reference, lean)


def test_gradients_equal_autograds():
    """Also for rows with one legal action or without any."""
    rng, rows, width = np.random.default_rng(0), 64, 11
    pi = nn.Sequential(nn.Linear(5, 16), nn.Tanh(), nn.Linear(16, 8), nn.Tanh(), nn.Linear(8, width))
    vf = nn.Sequential(nn.Linear(5, 12), nn.Tanh(), nn.Linear(12, 1))

    def draw(*shape: int) -> th.Tensor:
        return th.from_numpy(rng.normal(size=shape).astype(np.float32))

    actions = th.from_numpy(rng.integers(width, size=(rows, 1)))
    masks = th.from_numpy((rng.random((rows, width)) < 0.4).astype(np.float32))
    masks[1] = 0
    masks.scatter_(1, actions, 1)
    masks[0] = 0
    advantages, old_log_probs = draw(rows), draw(rows) * 0.3 - 1.5
    advantages[10:14], old_log_probs[0] = 0, 0
    batch = MaskedMinibatch(
        observations=draw(rows, 5),
        actions=actions,
        masks=masks,
        old_values=draw(rows),
        old_log_probs=old_log_probs,
        advantages=advantages,
        returns=draw(rows),
    )
    settings = Coefficients(clip_range=0.2, clip_range_vf=0.4, ent_coef=0.03, vf_coef=0.7)
    parameters = [*pi.parameters(), *vf.parameters()]

    distribution = MaskableCategoricalDistribution(width).proba_distribution(pi(batch.observations))
    distribution.apply_masking(masks)
    log_probs, values = distribution.log_prob(batch.actions.squeeze(1)), vf(batch.observations).squeeze(1)
    ratio = th.exp(log_probs - batch.old_log_probs)
    surrogate = -th.min(batch.advantages * ratio, batch.advantages * ratio.clamp(0.8, 1.2)).mean()
    moved = batch.old_values + (values - batch.old_values).clamp(-0.4, 0.4)
    value_loss, entropy = F.mse_loss(batch.returns, moved), distribution.entropy().mean()
    expected_total = surrogate - 0.03 * entropy + 0.7 * value_loss
    expected = th.autograd.grad(expected_total, parameters)

    gradients = FlatGradients(parameters)
    actor = Network([(slice(None), [pi[0], pi[2]])], pi[4], nn.Tanh, rows + 3)
    critic = Network([(slice(None), [vf[0]])], vf[2], nn.Tanh, rows + 3)
    with th.no_grad():
        loss = MaskedLoss(rows + 3, width, settings)
        losses, logits_delta, values_delta = loss(
            actor.forward(batch.observations), critic.forward(batch.observations), batch
        )
        actor.backward(logits_delta)
        critic.backward(values_delta)
    assert losses.total == pytest.approx(expected_total.item(), abs=1e-5)
    assert losses.entropy == pytest.approx(-entropy.item(), abs=1e-6)
    for parameter, gradient in zip(parameters, expected, strict=True):
        th.testing.assert_close(parameter.grad, gradient, rtol=1e-4, atol=1e-6)
    norm = th.nn.utils.get_total_norm(list(expected))
    gradients.clip_norm(float(norm) / 2)
    assert gradients.flat.norm().item() == pytest.approx(norm.item() / 2, rel=1e-5)


def test_far_apart_logits_stay_exact():
    """Illegal logits far above the legal ones, and legal ones far apart, neither overflow nor leak."""
    logits = th.tensor([[500.0, -300.0, -301.0, 0.0], [0.0, -200.0, 0.0, 300.0]])
    masks = th.tensor([[0.0, 1.0, 1.0, 0.0], [1.0, 1.0, 1.0, 0.0]])
    distribution = MaskableCategoricalDistribution(4).proba_distribution(logits)
    distribution.apply_masking(masks)
    actions = th.tensor([[2], [1]])
    batch = MaskedMinibatch(
        observations=th.empty(2, 0), actions=actions, masks=masks, old_values=th.zeros(2),
        old_log_probs=th.tensor([-1.0, -199.0]), advantages=th.ones(2), returns=th.zeros(2),
    )  # fmt: skip
    expected = distribution.log_prob(actions.squeeze(1)) - batch.old_log_probs
    settings = Coefficients(clip_range=10.0, clip_range_vf=None, ent_coef=0.1, vf_coef=0.5)
    losses, delta, _ = MaskedLoss(2, 4, settings)(logits.clone(), th.zeros(2, 1), batch)
    assert losses.policy == pytest.approx(-expected.exp().mean().item(), rel=1e-4)  # 500 + 300 in float32
    assert losses.entropy == pytest.approx(-distribution.entropy().mean().item(), rel=1e-4)
    assert (delta[masks == 0] == 0).all() and delta.isfinite().all()


class OtherPolicy(MaskableActorCriticPolicy):
    """A policy that might evaluate actions differently."""


class OtherExtractor(FlattenExtractor):
    """An extractor that might do more than flatten."""


def flat_box(*shape: int) -> spaces.Box:
    return spaces.Box(-1.0, 1.0, shape, np.float32)


FALLBACKS: dict[str, dict[str, Any]] = {
    "Dict": {"env": lambda: Variant(spaces.Dict(a=flat_box(2), b=flat_box(3))), "policy": "MultiInputPolicy"},
    "MultiDiscrete": {"env": lambda: Variant(action_space=spaces.MultiDiscrete([3, 4]))},
    "matrix": {"env": lambda: Variant(flat_box(3, 2))},
    "image": {"env": lambda: Variant(spaces.Box(0, 255, (3, 36, 36), np.uint8)), "policy": "CnnPolicy"},
    "activation": {"policy_kwargs": {"activation_fn": nn.ELU}},
    "optimizer": {"policy_kwargs": {"optimizer_class": th.optim.RMSprop}},
    "policy": {"policy": OtherPolicy},
    "extractor": {"policy_kwargs": {"features_extractor_class": OtherExtractor}},
}


@pytest.mark.parametrize("options", FALLBACKS.values(), ids=FALLBACKS.keys())
def test_falls_back_to_sb3_contrib(options, monkeypatch):
    lean = build(LeanMaskablePPO, n_epochs=1, **options)
    collect(lean)
    assert find_obstacle(lean)
    calls = []
    monkeypatch.setattr(MaskablePPO, "train", lambda self: calls.append(self))
    lean.train()
    assert calls == [lean]


def test_falls_back_when_the_policy_was_changed():
    lean = build(LeanMaskablePPO)
    collect(lean)
    assert find_obstacle(lean) is None
    lean.policy.action_net.weight.requires_grad = False
    assert "frozen" in find_obstacle(lean)
    frozen = lean.policy.action_net.weight.clone()
    lean.train()
    assert th.equal(lean.policy.action_net.weight, frozen)
    lean.policy.action_net.weight.requires_grad = True
    hook = lean.policy.value_net.register_forward_hook(lambda *_: None)
    assert "hooks" in find_obstacle(lean)
    hook.remove()
    lean.policy.temperature = nn.Parameter(th.ones(1))
    assert "outside" in find_obstacle(lean)
    with pytest.raises(ValueError, match="alternating"):
        hidden_layers(nn.Sequential(nn.Linear(2, 2), nn.Tanh(), nn.Dropout(), nn.Linear(2, 2)))


def test_saved_models_continue_in_either_class(tmp_path):
    """Nothing is hidden: the state dictionaries of weights and optimizer are all there is, bit for bit."""
    lean = build(LeanMaskablePPO)
    collect(lean)
    lean.train()
    lean.save(tmp_path / "model.zip")
    collect(lean)
    copies = [kind.load(tmp_path / "model.zip", device="cpu") for kind in (LeanMaskablePPO, MaskablePPO)]
    for algorithm in copies:
        algorithm.set_logger(Logger(None, []))
        algorithm.rollout_buffer = copy.deepcopy(lean.rollout_buffer)
    for algorithm in (lean, *copies):
        np.random.seed(3)
        algorithm.train()
    assert_equal_states(copies[1], copies[0])
    for name, weights in lean.policy.state_dict().items():
        assert th.equal(weights, copies[0].policy.state_dict()[name])


def test_update_after_the_buffer_was_read():
    """A callback that went through the buffer has flattened it already; the minibatches are the same."""
    lean, read = build(LeanMaskablePPO), build(LeanMaskablePPO)
    collect(lean)
    read.rollout_buffer = copy.deepcopy(lean.rollout_buffer)
    next(read.rollout_buffer.get(8))
    for algorithm in (lean, read):
        np.random.seed(0)
        algorithm.train()
    for name, weights in lean.policy.state_dict().items():
        assert th.equal(weights, read.policy.state_dict()[name])


def test_learns_to_name_the_sign():
    lean = build(LeanMaskablePPO, n_steps=64, batch_size=64, n_epochs=5, gamma=0.5)
    lean.learn(6000)
    env, right = NameTheSign(), 0
    observation, _ = env.reset(seed=1)
    for _ in range(200):
        action, _ = lean.predict(observation, deterministic=True, action_masks=env.action_masks())
        observation, reward, _, _, _ = env.step(action)
        right += reward
    assert right > 180
