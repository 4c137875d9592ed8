"""`DPPO`: PPO held back by an adaptive penalty on the KL divergence (Heess et al. 2017) in place of the clip."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch as th

from rlkit.agents.ppo.gaussian import STOP, Penalty, PenaltyLoss
from rlkit.agents.ppo.lean import LeanPPO, gaussian_update, require_lean
from rlkit.agents.ppo.obstacle import find_obstacle, find_obstacle_in_model
from rlkit.agents.ppo.update import coefficients_now, record_update

LEAST_WEIGHT, MOST_WEIGHT = 1e-4, 1e4  # so that the weight finds back within some tens of updates


class DPPO(LeanPPO):
    """PPO's variant of "Emergence of Locomotion Behaviours in Rich Environments" (Heess et al. 2017, section 3).

    The loss is the surrogate without a clip, plus ``kl_coef`` times the KL divergence from the policy that acted, plus
    ``kl_hinge`` times the square of what that exceeds twice the target by. After each update ``kl_coef`` is multiplied
    by ``kl_factor`` if the divergence was above ``kl_high`` times the target, and divided by it below ``kl_low`` times;
    an update ends early beyond four times the target. The divergence is that of the last epoch's minibatches.

    The paper says what the terms are; the numbers here are recalled from implementations, not read in it.

    Args:
        args: Of `stable_baselines3.PPO`; there is no ``clip_range``.
        target_kl: KL divergence of an update that is aimed at.
        kl_coef: Weight of the KL divergence at the start.
        kl_factor: By which the weight is multiplied or divided, above 1.
        kl_low: Share of the target below which the weight falls.
        kl_high: Multiple of the target above which the weight rises.
        kl_hinge: Weight of the squared excess over twice the target.
        kwargs: Of `stable_baselines3.PPO`.

    Attributes:
        kl_coef: The present weight.
    """

    def __init__(
        self,
        *args: Any,
        target_kl: float = 0.01,
        kl_coef: float = 1.0,
        kl_factor: float = 1.5,
        kl_low: float = 0.5,
        kl_high: float = 2.0,
        kl_hinge: float = 50.0,
        **kwargs: Any,
    ) -> None:
        if not kl_factor > 1 or not 0 <= kl_low < kl_high:
            raise ValueError(
                f"kl_factor must be above 1 and kl_low below kl_high, got {kl_factor}, and {kl_low} and {kl_high}"
            )
        self.kl_coef, self.kl_factor, self.kl_low, self.kl_high = kl_coef, kl_factor, kl_low, kl_high
        self.kl_hinge = kl_hinge
        super().__init__(*args, target_kl=target_kl, desired_kl=None, clip_range=math.inf, **kwargs)

    def _setup_model(self) -> None:
        super()._setup_model()
        require_lean(find_obstacle_in_model(self), "DPPO")

    def train(self) -> None:
        """Updates the policy from the rollout buffer, then the weight of the KL divergence."""
        require_lean(find_obstacle(self), "DPPO")
        assert self.target_kl is not None
        self.policy.set_training_mode(True)
        self._update_learning_rate(self.policy.optimizer)
        target = self.target_kl
        penalty = Penalty(target=target, weight=self.kl_coef, hinge=self.kl_hinge)
        coefficients = coefficients_now(self)
        with th.no_grad():
            update = gaussian_update(self, know_old_means=True)
            loss = PenaltyLoss(self.policy.log_std, coefficients, penalty)
            epochs = update.run(loss, lambda losses: losses.kl > STOP * target)
        record_update(self, epochs, coefficients)
        kl = float(np.mean([losses.kl for losses in epochs[-1]]))
        self.logger.record("train/kl", kl)
        self.logger.record("train/kl_coef", self.kl_coef)
        self._adapt(kl)

    def _adapt(self, kl: float) -> None:
        """The weight of the next update, after this one's KL divergence."""
        assert self.target_kl is not None
        if kl > self.kl_high * self.target_kl:
            self.kl_coef = min(MOST_WEIGHT, self.kl_coef * self.kl_factor)
        elif kl < self.kl_low * self.target_kl:
            self.kl_coef = max(LEAST_WEIGHT, self.kl_coef / self.kl_factor)
