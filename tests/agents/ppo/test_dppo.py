"""DPPO: the loss and its gradient, and a weight of the KL divergence that finds its place."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch as th
from torch import nn

import toys
from rlkit.agents.ppo import DPPO
from rlkit.agents.ppo.dppo import LEAST_WEIGHT, MOST_WEIGHT
from rlkit.agents.ppo.gaussian import GaussianMinibatch, Penalty, PenaltyLoss
from rlkit.agents.ppo.loss import Coefficients
from twins import build, collect

ROWS, ACTIONS = 40, 3


@pytest.fixture(autouse=True)
def _one_thread():
    before = th.get_num_threads()
    th.set_num_threads(1)
    yield
    th.set_num_threads(before)


@pytest.mark.parametrize("moved", [0.0, 0.05, 0.6], ids=["not moved", "within", "beyond the hinge"])
def test_the_gradient_is_autograds(moved: float) -> None:
    """Of the surrogate, the entropy, the divergence and the hinge, written with PyTorch's own distributions."""
    rng = th.Generator().manual_seed(0)

    def draw(*shape: int) -> th.Tensor:
        return th.randn(*shape, generator=rng)

    old_means, old_log_std = draw(ROWS, ACTIONS), th.tensor([-0.5, 0.1, 0.3])
    means = (old_means + moved * draw(ROWS, ACTIONS)).requires_grad_()
    log_std = nn.Parameter(old_log_std.clone())
    values = draw(ROWS, 1).requires_grad_()
    old = th.distributions.Normal(old_means, old_log_std.exp())
    actions = (old_means + old_log_std.exp() * draw(ROWS, ACTIONS)).detach()
    batch = GaussianMinibatch(
        observations=th.empty(ROWS, 0), actions=actions, old_means=old_means, old_values=draw(ROWS),
        old_log_probs=old.log_prob(actions).sum(1), advantages=draw(ROWS), returns=draw(ROWS),
    )  # fmt: skip
    settings = Coefficients(clip_range=math.inf, clip_range_vf=None, ent_coef=0.03, vf_coef=0.7)
    loss = PenaltyLoss(log_std, settings, Penalty(target=0.01, weight=1.7, hinge=20.0))
    with th.no_grad():
        log_std += moved * th.tensor([0.3, -0.2, 0.1])

    new = th.distributions.Normal(means, log_std.exp())
    ratio = th.exp(new.log_prob(actions).sum(1) - batch.old_log_probs)
    kl = th.distributions.kl_divergence(old, new).sum(1).mean()
    assert (kl > 0.02) == (moved == 0.6) and (kl > 0) == (moved > 0)
    total = -(batch.advantages * ratio).mean() + 1.7 * kl + 20.0 * th.relu(kl - 0.02) ** 2
    total = total - 0.03 * new.entropy().sum(1).mean() + 0.7 * (values.squeeze(1) - batch.returns).square().mean()
    expected = th.autograd.grad(total, [means, values, log_std])

    log_std.grad = th.full_like(log_std, 7.0)  # of the minibatch before
    with th.no_grad():
        losses, means_delta, values_delta = loss(means.detach(), values.detach(), batch)
    assert losses.kl == pytest.approx(kl.item(), abs=1e-6)
    assert losses.total == pytest.approx(total.item(), rel=1e-5)
    for ours, theirs in zip((means_delta, values_delta, log_std.grad), expected, strict=True):
        th.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-6)


def after_update(learner: Any) -> tuple[float, float]:
    """The divergence of an update, and what the weight was multiplied by."""
    before = learner.kl_coef
    collect(learner)
    learner.train()
    assert learner.logger.name_to_value["train/kl_coef"] == before
    return learner.logger.name_to_value["train/kl"], learner.kl_coef / before


def test_the_weight_rises_above_falls_below_and_stays_between() -> None:
    learner = build(DPPO, toys.Reaching, target_kl=0.01, kl_low=0.5, kl_high=2.0, kl_factor=1.5)
    kl, _ = after_update(learner)
    for target, factor in ((kl / 100, 1.5), (kl * 100, 1 / 1.5)):
        learner.target_kl = target
        assert after_update(learner)[1] == pytest.approx(factor)
    learner.target_kl, learner.kl_low, learner.kl_high = kl, 0.0, 1e9
    assert after_update(learner)[1] == 1.0


def test_the_weight_keeps_within_bounds() -> None:
    learner = build(DPPO, toys.Reaching, kl_coef=0.9 * MOST_WEIGHT, target_kl=1e-12)
    after_update(learner)
    assert learner.kl_coef == MOST_WEIGHT
    learner.kl_coef, learner.target_kl = 1.1 * LEAST_WEIGHT, 1e6
    after_update(learner)
    assert learner.kl_coef == LEAST_WEIGHT


@pytest.mark.parametrize("learning_rate", [1e-4, 3e-3])
def test_the_divergence_finds_its_target(learning_rate: float) -> None:
    """With a slow and a fast optimizer, by the weight alone."""
    learner = build(
        DPPO, toys.Reaching, n_steps=64, batch_size=64, target_kl=0.01, learning_rate=learning_rate, n_epochs=20
    )
    divergences = [after_update(learner)[0] for _ in range(40)]
    assert 0.003 < np.median(divergences[20:]) < 0.03


def test_an_update_ends_early_far_from_where_it_began() -> None:
    """Four times the target: the last minibatch was beyond, no other was."""
    learner = build(DPPO, toys.Reaching, target_kl=1e-4, kl_coef=LEAST_WEIGHT, kl_hinge=0.0, n_epochs=20)
    assert after_update(learner)[0] > 0 and learner._n_updates < 20
    patient = build(DPPO, toys.Reaching, target_kl=100.0, n_epochs=20)
    after_update(patient)
    assert patient._n_updates == 20


def test_what_holds_nothing_back_is_not_reported() -> None:
    learner = build(DPPO, toys.Reaching)
    after_update(learner)
    tags = set(learner.logger.name_to_value)
    assert {"train/kl", "train/kl_coef", "train/approx_kl", "train/std", "train/value_loss"} <= tags
    assert not {"train/clip_fraction", "train/clip_range"} & tags


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"env": toys.Toy}, "DPPO is for a flat Box .* here the action space is Discrete"),
        ({"env": toys.Mixed, "policy": "MultiInputPolicy"}, "DPPO is for a flat Box of observations"),
        ({"kl_factor": 1.0}, "kl_factor must be above 1"),
        ({"kl_low": 2.0}, "kl_low below kl_high"),
    ],
)
def test_what_it_cannot_do_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build(DPPO, **{"env": toys.Reaching, **options})


@pytest.mark.parametrize("option", ["clip_range", "desired_kl"])
def test_options_of_ppo_that_would_do_nothing_are_refused(option: str) -> None:
    with pytest.raises(TypeError, match=option):
        build(DPPO, toys.Reaching, **{option: 0.1})
