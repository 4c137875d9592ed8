"""Losses of PPO for diagonal Gaussian actions, and their gradients in closed form.

With ``z = (a - m) / s`` of an action ``a`` under mean ``m`` and standard deviation ``s``, per dimension of the action:

- ``log p(a) = sum(-z^2 / 2 - log s - log(2 pi) / 2)``, so ``dlog p/dm = z / s`` and ``dlog p/dlog s = z^2 - 1``;
- the entropy is ``sum(log s + log(2 pi e) / 2)``, so its gradient at ``log s`` is 1;
- ``KL(old, new) = sum(log s - log s' + (s'^2 + (m - m')^2) / (2 s^2) - 1 / 2)`` with ``'`` for the old policy, so its
  gradients are ``(m - m') / s^2`` at ``m`` and ``1 - (s'^2 + (m - m')^2) / s^2`` at ``log s``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch as th
from torch import nn

from rlkit.agents.ppo.loss import Coefficients, Losses, clipped_surrogate, value_loss
from rlkit.agents.ppo.samples import Minibatch

HALF_LOG_2PI = 0.5 * math.log(2 * math.pi)
HINGE_START = 2.0  # times the target; Heess et al. 2017 describe the term, the numbers are recalled, not read
STOP = 4.0  # times the target: no further step of an update is made beyond this KL divergence


@dataclass(frozen=True, kw_only=True)
class GaussianMinibatch(Minibatch):
    """Rows of a rollout with continuous actions.

    Attributes:
        actions: (n, actions) float32.
        old_means: (n, actions) float32, the means when the actions were taken; None if nobody needs them.
    """

    actions: th.Tensor
    old_means: th.Tensor | None = None


@dataclass(frozen=True, kw_only=True)
class Penalty:
    """The adaptive-KL penalty's settings.

    Attributes:
        target: KL divergence of an update that is aimed at.
        weight: Of the KL divergence in the loss, at present.
        hinge: Weight of the squared excess over twice the target.
    """

    target: float
    weight: float
    hinge: float


class GaussianLoss:
    """PPO's clipped loss.

    Args:
        log_std: (actions,) with a gradient, which every call writes.
        coefficients: Of the loss.
    """

    def __init__(self, log_std: nn.Parameter, coefficients: Coefficients) -> None:
        self._log_std = log_std
        self._old_log_std = log_std.detach().clone()
        self._coefficients = coefficients

    def __call__(
        self, means: th.Tensor, values: th.Tensor, batch: GaussianMinibatch
    ) -> tuple[Losses, th.Tensor, th.Tensor]:
        """Evaluates the loss of a minibatch and its gradients.

        Args:
            means: (n, actions) float32, the policy head's output.
            values: (n, 1) float32, the value head's output.
            batch: The n rows.

        Returns:
            The losses, their sum's gradient at the means (n, actions) and at the values (n, 1).
        """
        c, log_std = self._coefficients, self._log_std
        inverse_std = log_std.neg().exp_()
        z = (batch.actions - means).mul_(inverse_std)
        squares = z.square()
        log_ratio = (
            squares.sum(1).mul_(-0.5).sub_(log_std.sum() + HALF_LOG_2PI * len(log_std)).sub_(batch.old_log_probs)
        )
        ratio = log_ratio.exp()
        value_delta, value_error = value_loss(values, batch, c)
        policy_loss, slope = self._surrogate(ratio, batch.advantages)
        entropy_loss = -(log_std.sum().item() + (0.5 + HALF_LOG_2PI) * len(log_std))

        grad = log_std.grad
        assert grad is not None  # FlatGradients made it
        th.mv(squares.t(), slope, out=grad).sub_(slope.sum() + c.ent_coef)
        delta = z.mul_(slope.unsqueeze(1)).mul_(inverse_std)
        approx_kl = ((ratio - 1) - log_ratio).mean().item()
        kl, penalty = self._add_penalty(delta, grad, means, inverse_std, batch)
        losses = Losses(
            policy=policy_loss,
            value=value_error,
            entropy=entropy_loss,
            total=policy_loss + c.ent_coef * entropy_loss + c.vf_coef * value_error + penalty,
            clip_fraction=((ratio - 1).abs() > c.clip_range).float().mean().item(),
            approx_kl=approx_kl,
            kl=approx_kl if kl is None else kl,
        )
        return losses, delta, value_delta

    def _surrogate(self, ratio: th.Tensor, advantages: th.Tensor) -> tuple[float, th.Tensor]:
        """The surrogate loss, and its gradient at the log-probabilities (n,)."""
        return clipped_surrogate(ratio, advantages, self._coefficients.clip_range)

    def _add_penalty(
        self,
        delta: th.Tensor,
        log_std_delta: th.Tensor,
        means: th.Tensor,
        inverse_std: th.Tensor,
        batch: GaussianMinibatch,
    ) -> tuple[float | None, float]:
        """The KL divergence where the old means are known, and a penalty on it, its gradients added to the deltas."""
        if batch.old_means is None:
            return None, 0.0
        offset = (means - batch.old_means).mul_(inverse_std)
        shift = offset.square().mean(0)
        shrink = (self._old_log_std - self._log_std).mul_(2).exp_()
        kl = (self._log_std - self._old_log_std + (shrink + shift - 1).mul_(0.5)).sum().item()
        penalty, weight = self._penalty(kl)
        if weight:
            delta.add_(offset.mul_(inverse_std), alpha=weight / len(means))
            log_std_delta.add_(1 - shrink - shift, alpha=weight)
        return kl, penalty

    def _penalty(self, kl: float) -> tuple[float, float]:
        """What is added to the loss for this KL divergence, and its derivative."""
        return 0.0, 0.0


class PenaltyLoss(GaussianLoss):
    """The loss of DPPO (Heess et al. 2017): the plain surrogate, held back by the KL divergence in place of the clip.

    ``-mean(A r) + weight KL + hinge max(0, KL - 2 target)^2``, and the values' and the entropy's terms as in PPO.

    Args:
        log_std: (actions,) with a gradient, which every call writes.
        coefficients: Of the loss; nothing is clipped.
        penalty: On the KL divergence.
    """

    def __init__(self, log_std: nn.Parameter, coefficients: Coefficients, penalty: Penalty) -> None:
        super().__init__(log_std, coefficients)
        self._settings = penalty

    def _surrogate(self, ratio: th.Tensor, advantages: th.Tensor) -> tuple[float, th.Tensor]:
        weighted = advantages * ratio
        return -weighted.mean().item(), weighted.div_(-len(ratio))

    def _penalty(self, kl: float) -> tuple[float, float]:
        excess = max(0.0, kl - HINGE_START * self._settings.target)
        loss = self._settings.weight * kl + self._settings.hinge * excess**2
        return loss, self._settings.weight + 2 * self._settings.hinge * excess
