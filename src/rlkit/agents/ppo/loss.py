"""PPO's loss for masked discrete actions, and its gradient in closed form.

With ``r`` the probability ratio, ``A`` the advantage, ``p`` the masked softmax of the logits ``z``, ``H`` its entropy,
``V`` the value and ``R`` its target, the loss is
``mean(-min(A r, A clip(r))) - ent_coef mean(H) + vf_coef mean((R - V)^2)``, as in `sb3_contrib.MaskablePPO.train`.
Its gradients are

- ``dL/dlog p(a) = -A r / n`` where the unclipped surrogate is the smaller one, else 0;
- ``dlog p(a)/dz_j = [j = a] - p_j`` and ``dH/dz_j = -p_j (log p_j + H)`` over legal ``j``;
- ``dL/dV = 2 vf_coef (V - R) / n``, and 0 where the value's change was clipped.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch as th

from rlkit.agents.ppo.samples import Minibatch

ILLEGAL = 1e8  # sb3_contrib's MaskableCategorical puts masked logits at -1e8
LOWEST = -80.0  # its exponential is nothing beside 1, yet no denormal number: on those `exp` takes ten times as long


@dataclass(frozen=True, kw_only=True)
class MaskedMinibatch(Minibatch):
    """Rows of a rollout with masked discrete actions.

    Attributes:
        actions: (n, 1) int64.
        masks: (n, n_actions) float32, 1 where legal, else 0.
    """

    actions: th.Tensor
    masks: th.Tensor


@dataclass(frozen=True, kw_only=True)
class Coefficients:
    """The loss's settings, at this moment of their schedules (Stable-Baselines3's `PPO` explains each)."""

    clip_range: float
    clip_range_vf: float | None
    ent_coef: float
    vf_coef: float


@dataclass(frozen=True, kw_only=True)
class Losses:
    """What a minibatch logs; plain numbers.

    Attributes:
        policy: Minus the mean of the surrogate.
        value: Mean squared error of the values.
        entropy: Minus the mean entropy.
        total: What is minimised.
        clip_fraction: Share of rows whose probability ratio is out of the clip range.
        approx_kl: Stable-Baselines3's estimate of the KL divergence from the old policy to the new.
        kl: The same, exact where the distribution allows, else the estimate.
    """

    policy: float
    value: float
    entropy: float
    total: float
    clip_fraction: float
    approx_kl: float
    kl: float


def shift_logits(logits: th.Tensor, masks_less_one: th.Tensor) -> th.Tensor:
    """Shifts ``logits`` (n, n_actions) in place: each row's largest legal one to 0, illegal ones far below.

    Args:
        logits: Unmasked logits.
        masks_less_one: 0 where legal, else -1.
    """
    logits.add_(masks_less_one, alpha=ILLEGAL)
    return logits.sub_(logits.amax(1, keepdim=True))


class MaskedLoss:
    """Losses and gradients of minibatches of at most ``rows`` rows; the buffers are reused by every call."""

    def __init__(self, rows: int, n_actions: int, coefficients: Coefficients) -> None:
        self._coefficients = coefficients
        self._probabilities = th.empty(rows, n_actions)
        self._scratch = th.empty(rows, n_actions)

    def __call__(
        self, logits: th.Tensor, values: th.Tensor, batch: MaskedMinibatch
    ) -> tuple[Losses, th.Tensor, th.Tensor]:
        """Evaluates the loss of a minibatch and its gradients.

        Args:
            logits: (n, n_actions) float32, unmasked; overwritten.
            values: (n, 1) float32, the value head's output.
            batch: The n rows.

        Returns:
            The losses, their sum's gradient at the logits (n, n_actions) and at the values (n, 1).
        """
        c, rows = self._coefficients, len(logits)
        log_probs, log_p, p = self._log_softmax(logits, batch)
        log_ratio = log_probs - batch.old_log_probs
        ratio = th.exp(log_ratio)
        value_delta, value_error = value_loss(values, batch, c)

        p_log_p = log_p.mul_(p)
        negative_entropy = p_log_p.sum(1)
        policy_loss, slope = clipped_surrogate(ratio, batch.advantages, c.clip_range)
        entropy_loss = negative_entropy.mean().item()
        approx_kl = ((ratio - 1) - log_ratio).mean().item()
        losses = Losses(
            policy=policy_loss,
            value=value_error,
            entropy=entropy_loss,
            total=policy_loss + c.ent_coef * entropy_loss + c.vf_coef * value_error,
            clip_fraction=((ratio - 1).abs() > c.clip_range).float().mean().item(),
            approx_kl=approx_kl,
            kl=approx_kl,
        )
        slope = slope.unsqueeze_(1)
        weight = c.ent_coef / rows
        delta = p_log_p.mul_(weight).addcmul_(p, negative_entropy.unsqueeze(1).mul(-weight).sub_(slope))
        # Actions are legal, except in a row without any legal one: there every logit is a constant, hence the mask.
        delta.scatter_add_(1, batch.actions, slope.mul_(batch.masks.gather(1, batch.actions)))
        return losses, delta, value_delta

    def _log_softmax(self, logits: th.Tensor, batch: MaskedMinibatch) -> tuple[th.Tensor, th.Tensor, th.Tensor]:
        """The actions' log-probabilities (n,), all log-probabilities (in ``logits``) and probabilities (n, n_actions).

        Masked entries are brought up to `LOWEST` before the exponential, and their probabilities are then exactly 0.
        The largest legal entry contributes exp(0) = 1 to the sum; a row without any is left at log-probabilities of 0,
        which is what sb3-contrib's arithmetic comes to.
        """
        rows = len(logits)
        p, scratch = self._probabilities[:rows], self._scratch[:rows]
        shift_logits(logits, th.sub(batch.masks, 1, out=scratch))
        chosen = logits.gather(1, batch.actions)
        logits.clamp_(min=LOWEST)
        th.exp(logits, out=p).mul_(batch.masks)
        total = p.sum(1, keepdim=True).clamp_(min=1.0)
        p.div_(total)
        log_total = total.log_()
        return chosen.sub_(log_total).squeeze(1), logits.sub_(log_total), p


def value_loss(values: th.Tensor, batch: Minibatch, coefficients: Coefficients) -> tuple[th.Tensor, float]:
    """The loss's gradient at the values (n, 1), and the values' mean squared error."""
    limit = coefficients.clip_range_vf
    prediction = values.squeeze(1)
    moved = prediction
    if limit is not None:
        moved = batch.old_values + (prediction - batch.old_values).clamp(-limit, limit)
    error = moved - batch.returns
    delta = error * (2 * coefficients.vf_coef / len(values))
    if limit is not None:
        delta *= (prediction - batch.old_values).abs() <= limit
    return delta.unsqueeze(1), error.square().mean().item()


def clipped_surrogate(ratio: th.Tensor, advantages: th.Tensor, clip_range: float) -> tuple[float, th.Tensor]:
    """PPO's clipped surrogate loss, and its gradient at the log-probabilities (n,).

    Args:
        ratio: (n,) probability ratios of the new policy to the old.
        advantages: (n,).
        clip_range: By how much a ratio may differ from 1.
    """
    unclipped = advantages * ratio
    clipped = advantages * ratio.clamp(1 - clip_range, 1 + clip_range)
    slope = ((unclipped <= clipped) * unclipped).div_(-len(ratio))
    return -th.min(unclipped, clipped).mean().item(), slope
