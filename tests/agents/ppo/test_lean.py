"""`LeanPPO` computes what `stable_baselines3.PPO` computes for Gaussian actions, and steps aside where it cannot."""

from __future__ import annotations

import copy
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch as th
from gymnasium import spaces
from stable_baselines3 import PPO
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.policies import ActorCriticPolicy
from stable_baselines3.common.torch_layers import FlattenExtractor
from torch import nn

import toys
from rlkit.agents.normalization import Normalizer
from rlkit.agents.ppo import LeanPolicy, LeanPPO
from rlkit.agents.ppo.obstacle import find_obstacle
from rlkit.agents.ppo.update import LEAST_RATE, MOST_RATE, RATE_FACTOR
from twins import assert_equal_states, build, collect, train_both


@pytest.fixture(autouse=True)
def _one_thread():
    before = th.get_num_threads()
    th.set_num_threads(1)
    yield
    th.set_num_threads(before)


def pendulum() -> gymnasium.Env[Any, Any]:
    return Monitor(gymnasium.make("Pendulum-v1", max_episode_steps=20))


class OneDoor(toys.Reaching):
    """Actions of another shape and type."""

    action_space = spaces.Box(-1.0, 1.0, (1, 2), np.float64)

    def step(self, action: Any) -> Any:
        return super().step(action[0])


RELU = {"activation_fn": nn.ReLU}
CASES: dict[str, dict[str, Any]] = {
    "defaults": {},
    "relu": {"policy_kwargs": RELU},
    "entropy": {"ent_coef": 0.05},
    "value clipping on a schedule": {"clip_range_vf": lambda progress: 0.1 * progress, "vf_coef": 1.3},
    "raw advantages": {"normalize_advantage": False},
    "tight clipping": {"clip_range": lambda progress: 0.01 + 0.02 * progress, "n_epochs": 6},
    "gradients clipped hard": {"max_grad_norm": 0.01, "ent_coef": 0.01},
    "last minibatch smaller": {"batch_size": 40, "ent_coef": 0.01},
    "networks differ": {"policy_kwargs": {"net_arch": {"pi": [32, 16, 8], "vf": [20]}}},
    "no hidden layer": {"policy_kwargs": {"net_arch": []}, "ent_coef": 0.01},
    "small noise": {"policy_kwargs": {"log_std_init": -2.0}, "target_kl": 0.3},
    "normalised": {"policy_kwargs": {"features_extractor_class": Normalizer}},
    "AdamW": {"policy_kwargs": {"optimizer_class": th.optim.AdamW, "optimizer_kwargs": {"eps": 1e-5}}},
}


def look_around(algorithm: PPO) -> None:
    """Give a normaliser moments that are not those of its beginning."""
    extractor: Any = algorithm.policy.features_extractor
    if isinstance(extractor, Normalizer):
        extractor.gather(np.random.default_rng(0).normal(0.3, 2.0, (50, extractor.features_dim)))
        extractor.settle()


@pytest.mark.parametrize("options", CASES.values(), ids=CASES.keys())
def test_updates_equal_stable_baselines3s(options: dict[str, Any]) -> None:
    reference, lean = build(PPO, toys.Reaching, **options), build(LeanPPO, toys.Reaching, **options)
    look_around(reference)
    train_both(reference, lean)
    assert find_obstacle(lean) is None
    assert_equal_states(reference, lean)


def test_actions_of_any_shape_and_type() -> None:
    reference, lean = build(PPO, OneDoor), build(LeanPPO, OneDoor)
    train_both(reference, lean)
    assert find_obstacle(lean) is None
    assert_equal_states(reference, lean)


@pytest.mark.parametrize("target_kl", [1e-7, 5e-3])
def test_stops_early_where_stable_baselines3_does(target_kl: float) -> None:
    options = {"target_kl": target_kl, "n_epochs": 20}
    reference, lean = build(PPO, toys.Reaching, **options), build(LeanPPO, toys.Reaching, **options)
    train_both(reference, lean)
    assert reference._n_updates == lean._n_updates < 3 * 20
    assert_equal_states(reference, lean)


def test_learning_from_the_same_seed_gives_the_same_agent() -> None:
    """Rollouts included: the same actions are drawn, and episodes are counted, also those that time cut off."""
    reference, lean = (build(kind, pendulum, policy_kwargs=RELU, learning_rate=1e-3) for kind in (PPO, LeanPPO))
    for algorithm in (reference, lean):
        algorithm.set_random_seed(5)
        algorithm.learn(4 * 24 * 3)
    assert isinstance(lean.policy, LeanPolicy)
    for name, weights in reference.policy.state_dict().items():
        th.testing.assert_close(lean.policy.state_dict()[name], weights, rtol=0, atol=1e-4, msg=name)
    assert len(lean.ep_info_buffer) == len(reference.ep_info_buffer) > 8
    np.testing.assert_allclose(
        [info["r"] for info in lean.ep_info_buffer], [info["r"] for info in reference.ep_info_buffer], rtol=1e-3
    )


@pytest.mark.parametrize("share", [True, False])
def test_the_same_actions_are_drawn(share: bool) -> None:
    options = {"policy_kwargs": {"share_features_extractor": share, "log_std_init": -0.7}}
    reference, lean = build(PPO, OneDoor, **options), build(LeanPPO, OneDoor, **options)
    lean.policy.load_state_dict(reference.policy.state_dict())
    observations = th.randn(50, 6)
    with th.no_grad():
        for deterministic in (False, True):
            th.manual_seed(3)
            expected = reference.policy(observations, deterministic)
            th.manual_seed(3)
            for ours, theirs in zip(lean.policy(observations, deterministic), expected, strict=True):
                th.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["action_net.bias", "log_std"])
def test_what_is_no_number_is_refused_as_stable_baselines3_does(name: str) -> None:
    """A run that has diverged is told by this error."""
    policy = build(LeanPPO, toys.Reaching).policy
    with th.no_grad():
        dict(policy.named_parameters())[name][1] = th.nan
        with pytest.raises(ValueError, match="to satisfy the constraint"):
            policy(th.zeros(3, 6))


class OtherPolicy(ActorCriticPolicy):
    """A policy that might evaluate actions differently."""


class OtherExtractor(FlattenExtractor):
    """An extractor that might do more than flatten."""


FALLBACKS: dict[str, dict[str, Any]] = {
    "Discrete": {"env": toys.Toy},
    "Dict": {"env": toys.Mixed, "policy": "MultiInputPolicy"},
    "gSDE": {"use_sde": True},
    "activation": {"policy_kwargs": {"activation_fn": nn.ELU}},
    "optimizer": {"policy_kwargs": {"optimizer_class": th.optim.RMSprop}},
    "policy": {"policy": OtherPolicy},
    "extractor": {"policy_kwargs": {"features_extractor_class": OtherExtractor}},
    "normalisers apart": {"policy_kwargs": {"features_extractor_class": Normalizer, "share_features_extractor": False}},
}


@pytest.mark.parametrize("options", FALLBACKS.values(), ids=FALLBACKS.keys())
def test_falls_back_to_stable_baselines3(options: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    lean = build(LeanPPO, **{"env": toys.Reaching, "n_epochs": 1, **options})
    collect(lean)
    assert find_obstacle(lean)
    calls = []
    monkeypatch.setattr(PPO, "train", lambda self: calls.append(self))
    lean.train()
    assert calls == [lean]


@pytest.mark.parametrize("options", FALLBACKS.values(), ids=FALLBACKS.keys())
def test_an_adapted_learning_rate_is_refused_there(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="desired_kl is for a flat Box of observations, continuous actions"):
        build(LeanPPO, **{"env": toys.Reaching, "desired_kl": 0.01, **options})


def test_an_adapted_learning_rate_is_refused_when_the_policy_was_changed() -> None:
    lean = build(LeanPPO, toys.Reaching, desired_kl=0.01)
    collect(lean)
    lean.policy.action_net.weight.requires_grad = False
    with pytest.raises(ValueError, match="frozen"):
        lean.train()


def rates_of_an_update(lean: Any, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The learning rate of each step."""
    rates: list[float] = []
    step = lean.policy.optimizer.step

    def noted() -> None:
        rates.append(lean.policy.optimizer.param_groups[0]["lr"])
        step()

    with monkeypatch.context() as patch:
        patch.setattr(lean.policy.optimizer, "step", noted)
        lean.train()
    return rates


def test_the_learning_rate_keeps_the_divergence_near_what_is_desired(monkeypatch: pytest.MonkeyPatch) -> None:
    """Far too small, it grows by the factor each step but the first; too large, it falls; both within bounds."""
    lean = build(LeanPPO, toys.Reaching, desired_kl=1e6, learning_rate=1e-5)
    collect(lean)
    rates = rates_of_an_update(lean, monkeypatch)
    np.testing.assert_allclose(rates, 1e-5 * RATE_FACTOR ** np.arange(len(rates)))
    for _ in range(4):  # from where it was left
        collect(lean)
        rates = rates_of_an_update(lean, monkeypatch)
    assert rates[-1] == pytest.approx(MOST_RATE) == lean.logger.name_to_value["train/learning_rate"]
    lean.desired_kl = 1e-12
    for _ in range(4):
        collect(lean)
        rates = rates_of_an_update(lean, monkeypatch)
    assert rates[-1] == pytest.approx(LEAST_RATE)


def test_what_is_desired_may_fall_with_what_is_left_of_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """Aimed at what no step exceeds, rates grow; at what every step exceeds, they fall."""
    lean = build(LeanPPO, toys.Reaching, desired_kl=lambda left: 1e6 if left > 0.5 else 1e-12)
    for left, factor in ((0.6, RATE_FACTOR), (0.4, 1.0 / RATE_FACTOR)):
        collect(lean)
        lean._current_progress_remaining = left
        rates = rates_of_an_update(lean, monkeypatch)
        assert rates[1] / rates[0] == pytest.approx(factor)


def test_the_divergence_is_that_of_the_distributions() -> None:
    """From the policy that acted to the present one, over the last epoch; and it settles near what is desired."""
    lean = build(LeanPPO, toys.Reaching, desired_kl=0.02, batch_size=96, n_epochs=2)
    for _ in range(25):
        collect(lean)
        old = copy.deepcopy(lean.policy)
        lean.train()
    observations = th.from_numpy(lean.rollout_buffer.observations.reshape(-1, 6))
    with th.no_grad():
        before, now = (policy.get_distribution(observations).distribution for policy in (old, lean.policy))
        final = th.distributions.kl_divergence(before, now).sum(1).mean().item()
    kl = lean.logger.name_to_value["train/kl"]
    assert 0.0 < kl < final  # one step later
    assert 0.005 < final < 0.08


def test_saved_models_continue_in_either_class(tmp_path: Any) -> None:
    lean = build(LeanPPO, toys.Reaching)
    collect(lean)
    lean.train()
    lean.save(tmp_path / "model.zip")
    collect(lean)
    ours = LeanPPO.load(tmp_path / "model.zip", device="cpu")
    theirs = PPO.load(tmp_path / "model.zip", device="cpu")
    for algorithm in (ours, theirs):
        algorithm.set_logger(Logger(None, []))
        algorithm.rollout_buffer = copy.deepcopy(lean.rollout_buffer)
    for algorithm in (lean, ours, theirs):
        np.random.seed(3)
        algorithm.train()
    assert_equal_states(theirs, ours)
    for name, weights in lean.policy.state_dict().items():
        assert th.equal(weights, ours.policy.state_dict()[name])
