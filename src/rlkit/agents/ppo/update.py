"""The lean update: epochs over a full rollout buffer without autograd, with the numbers of Stable-Baselines3's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Generic

import numpy as np
import torch as th
from sb3_contrib import MaskablePPO
from stable_baselines3 import PPO
from stable_baselines3.common.utils import explained_variance

from rlkit.agents.optimizer import fuse_adam
from rlkit.agents.ppo.loss import Coefficients, Losses
from rlkit.agents.ppo.obstacle import find_obstacle_in_model, split_towers
from rlkit.agents.ppo.passes import FlatGradients, Network
from rlkit.agents.ppo.samples import M, Samples

RATE_FACTOR = 1.5  # by which the adaptive learning rate changes: legged_gym's rule (Rudin et al. 2022), rsl_rl's bounds
LEAST_RATE, MOST_RATE = 1e-5, 1e-2

Loss = Callable[[th.Tensor, th.Tensor, M], tuple[Losses, th.Tensor, th.Tensor]]
Stop = Callable[[Losses], bool]


class LeanUpdate(Generic[M]):
    """One update of a policy that `find_obstacle` has nothing against; to be used without gradients.

    Args:
        algorithm: Whose rollout buffer is full.
        kind: What a minibatch is.
        columns: What it has beyond a `Minibatch`'s: (size, width) each, in the buffer's order.

    Attributes:
        samples: The rollout's minibatches.
    """

    def __init__(self, algorithm: PPO | MaskablePPO, kind: Callable[..., M], columns: Mapping[str, th.Tensor]) -> None:
        policy: Any = algorithm.policy
        self._algorithm = algorithm
        self.samples = Samples(algorithm.rollout_buffer, policy, algorithm.batch_size, kind, columns)
        rows = self.samples.rows
        self._actor = build_network(policy.mlp_extractor.policy_net, policy.action_net, rows)
        self._critic = build_network(policy.mlp_extractor.value_net, policy.value_net, rows)
        self._gradients = FlatGradients(policy.parameters())

    def run(self, loss: Loss[M], stop: Stop) -> list[list[Losses]]:
        """Passes over the rollout, with an optimizer step a minibatch.

        Args:
            loss: A minibatch's losses, and their gradients at the heads.
            stop: Whether to end the update before the step of a minibatch with such losses.

        Returns:
            Every minibatch's losses by epoch.
        """
        algorithm = self._algorithm
        epochs: list[list[Losses]] = []
        for epoch in range(algorithm.n_epochs):
            epochs.append([])
            stopped = False
            for batch in self.samples.epoch(algorithm.normalize_advantage):
                losses, head_delta, values_delta = loss(
                    self._actor.forward(batch.observations), self._critic.forward(batch.observations), batch
                )
                epochs[-1].append(losses)
                stopped = stop(losses)
                if stopped:
                    break
                self._actor.backward(head_delta)
                self._critic.backward(values_delta)
                self._gradients.clip_norm(algorithm.max_grad_norm)
                algorithm.policy.optimizer.step()
            algorithm._n_updates += 1
            if stopped:
                if algorithm.verbose >= 1:
                    print(f"Early stopping at step {epoch} due to reaching max kl: {epochs[-1][-1].kl:.2f}")
                break
        return epochs

    def head_outputs(self) -> th.Tensor:
        """What the policy's head says of the whole rollout (size, actions), in the buffer's order."""
        chunks = self.samples.observations.split(self.samples.rows)
        return th.cat([self._actor.forward(chunk).clone() for chunk in chunks])


def build_network(hidden: th.nn.Module, head: th.nn.Linear, rows: int) -> Network:
    """The passes through a hidden network and the head on top of it."""
    towers = split_towers(hidden)
    activation = towers[0][2] if towers else th.nn.Tanh
    return Network([(columns, layers) for columns, layers, _ in towers], head, activation, rows)


def fuse_optimizer(algorithm: PPO | MaskablePPO) -> None:
    """Let Adam step in one fused kernel where the lean update takes over."""
    if find_obstacle_in_model(algorithm) is None:
        fuse_adam(algorithm.policy)


class StopAbove:
    """Ends an update whose KL divergence, as Stable-Baselines3 estimates it, is 1.5 times ``target`` (None: never)."""

    def __init__(self, target: float | None) -> None:
        self._limit = None if target is None else 1.5 * target

    def __call__(self, losses: Losses) -> bool:
        """Whether it does."""
        return self._limit is not None and losses.approx_kl > self._limit


class AdaptiveRate:
    """Raises and lowers the learning rate before each step, to keep the KL divergence near ``desired``.

    The rule of legged_gym (Rudin et al. 2022): beyond twice the desired divergence the rate is divided by 1.5, below
    half of it multiplied. Before the first step of an update there is nothing to judge.
    """

    def __init__(self, optimizer: th.optim.Optimizer, desired: float) -> None:
        self._groups, self._desired, self._moved = optimizer.param_groups, desired, False

    def __call__(self, losses: Losses) -> None:
        """Set the rate of the step that follows."""
        if self._moved:
            rate = self._groups[0]["lr"]
            if losses.kl > 2 * self._desired:
                rate = max(LEAST_RATE, rate / RATE_FACTOR)
            elif losses.kl < self._desired / 2:
                rate = min(MOST_RATE, rate * RATE_FACTOR)
            for group in self._groups:
                group["lr"] = rate
        self._moved = True


def coefficients_now(algorithm: PPO | MaskablePPO) -> Coefficients:
    """The loss's settings at this moment of their schedules."""
    progress, of_values = algorithm._current_progress_remaining, algorithm.clip_range_vf
    return Coefficients(
        clip_range=algorithm.clip_range(progress),  # type: ignore[operator]
        clip_range_vf=None if of_values is None else of_values(progress),  # type: ignore[operator]
        ent_coef=algorithm.ent_coef,
        vf_coef=algorithm.vf_coef,
    )


def record_update(algorithm: PPO | MaskablePPO, epochs: list[list[Losses]], coefficients: Coefficients) -> None:
    """Records what Stable-Baselines3's PPO does, under the same names, and nothing of a clip that there is not."""
    losses = [losses for epoch in epochs for losses in epoch]
    clips = np.isfinite(coefficients.clip_range)
    buffer, record = algorithm.rollout_buffer, algorithm.logger.record
    record("train/entropy_loss", np.mean([each.entropy for each in losses]))
    record("train/policy_gradient_loss", np.mean([each.policy for each in losses]))
    record("train/value_loss", np.mean([each.value for each in losses]))
    record("train/approx_kl", np.mean([each.approx_kl for each in epochs[-1]]))
    if clips:
        record("train/clip_fraction", np.mean([each.clip_fraction for each in losses]))
    record("train/loss", losses[-1].total)
    record("train/explained_variance", explained_variance(buffer.values.flatten(), buffer.returns.flatten()))
    if hasattr(algorithm.policy, "log_std"):
        record("train/std", th.exp(algorithm.policy.log_std).mean().item())  # type: ignore[arg-type]
    record("train/n_updates", algorithm._n_updates, exclude="tensorboard")
    if clips:
        record("train/clip_range", coefficients.clip_range)
    if coefficients.clip_range_vf is not None:
        record("train/clip_range_vf", coefficients.clip_range_vf)
