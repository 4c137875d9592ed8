"""`LeanMaskablePPO`: sb3-contrib's masked PPO with the same numbers for less work."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, cast

import numpy as np
import torch as th
from sb3_contrib import MaskablePPO
from sb3_contrib.common.maskable.buffers import MaskableRolloutBuffer
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.utils import explained_variance

from rlkit.agents.ppo.loss import Coefficients, Losses, MaskedLoss, Minibatch
from rlkit.agents.ppo.obstacle import find_obstacle, hidden_layers
from rlkit.agents.ppo.policy import LeanMaskablePolicy
from rlkit.agents.ppo.towers import FlatGradients, Tower


class LeanMaskablePPO(MaskablePPO):
    """`sb3_contrib.MaskablePPO` with a leaner update: the same arguments, the same numbers up to rounding.

    The passes through the two towers and the loss's gradient are written out (`towers`, `loss`); the minibatches are
    drawn with the same random numbers, the optimizer is the policy's own, and the same values are logged. No state is
    added: a model saved by one class continues in the other. Where the policy is anything but two plain towers
    (`obstacle.find_obstacle` says what is needed), `train` is sb3-contrib's.
    """

    policy_aliases: ClassVar[dict[str, type[BasePolicy]]] = {
        **MaskablePPO.policy_aliases,
        "MlpPolicy": LeanMaskablePolicy,
    }

    def _setup_model(self) -> None:
        """Builds the model; Adam steps in one fused kernel unless ``optimizer_kwargs`` chose an implementation."""
        super()._setup_model()
        optimizer = self.policy.optimizer
        chosen = {"foreach", "fused", "capturable", "differentiable"} & self.policy.optimizer_kwargs.keys()
        if type(optimizer) is th.optim.Adam and not chosen:
            for group in optimizer.param_groups:
                group["fused"] = True

    def train(self) -> None:
        """Updates the policy from the rollout buffer, as `sb3_contrib.MaskablePPO.train` does."""
        if find_obstacle(self) is not None:
            super().train()
            return
        self.policy.set_training_mode(True)
        self._update_learning_rate(self.policy.optimizer)
        progress = self._current_progress_remaining
        coefficients = Coefficients(
            clip_range=self.clip_range(progress),  # type: ignore[operator]
            clip_range_vf=None if self.clip_range_vf is None else self.clip_range_vf(progress),  # type: ignore[operator]
            ent_coef=self.ent_coef,
            vf_coef=self.vf_coef,
        )
        with th.no_grad():
            epochs = self._run_epochs(coefficients)
        self._log_update(coefficients, epochs)

    def _run_epochs(self, coefficients: Coefficients) -> list[list[Losses]]:
        """Passes over the rollout, with an optimizer step a minibatch; returns every minibatch's losses by epoch."""
        policy = self.policy
        samples = _Samples(self.rollout_buffer, self.batch_size)
        rows = samples.rows
        actor = _build_tower(policy.mlp_extractor.policy_net, policy.action_net, rows)
        critic = _build_tower(policy.mlp_extractor.value_net, policy.value_net, rows)
        loss = MaskedLoss(rows, self.rollout_buffer.mask_dims, coefficients)
        gradients = FlatGradients(policy.parameters())
        epochs: list[list[Losses]] = []
        for epoch in range(self.n_epochs):
            epochs.append([])
            stop = False
            for batch in samples.epoch(self.normalize_advantage):
                losses, logits_delta, values_delta = loss(
                    actor.forward(batch.observations), critic.forward(batch.observations), batch
                )
                epochs[-1].append(losses)
                stop = self.target_kl is not None and losses.approx_kl > 1.5 * self.target_kl
                if stop:
                    break
                actor.backward(logits_delta)
                critic.backward(values_delta)
                gradients.clip_norm(self.max_grad_norm)
                policy.optimizer.step()
            self._n_updates += 1
            if stop:
                if self.verbose >= 1:
                    print(f"Early stopping at step {epoch} due to reaching max kl: {epochs[-1][-1].approx_kl:.2f}")
                break
        return epochs

    def _log_update(self, coefficients: Coefficients, epochs: list[list[Losses]]) -> None:
        """Records what `sb3_contrib.MaskablePPO.train` records, under the same names."""
        losses = [losses for epoch in epochs for losses in epoch]
        buffer, record = self.rollout_buffer, self.logger.record
        record("train/entropy_loss", np.mean([each.entropy for each in losses]))
        record("train/policy_gradient_loss", np.mean([each.policy for each in losses]))
        record("train/value_loss", np.mean([each.value for each in losses]))
        record("train/approx_kl", np.mean([each.approx_kl for each in epochs[-1]]))
        record("train/clip_fraction", np.mean([each.clip_fraction for each in losses]))
        record("train/loss", losses[-1].total)
        record("train/explained_variance", explained_variance(buffer.values.flatten(), buffer.returns.flatten()))
        record("train/n_updates", self._n_updates, exclude="tensorboard")
        record("train/clip_range", coefficients.clip_range)
        if coefficients.clip_range_vf is not None:
            record("train/clip_range_vf", coefficients.clip_range_vf)


def _build_tower(hidden: th.nn.Module, head: th.nn.Module, rows: int) -> Tower:
    """The tower of SB3's hidden network and the head on top of it (a linear layer, as `find_obstacle` saw to)."""
    activation, layers = hidden_layers(hidden)
    return Tower(layers, cast(th.nn.Linear, head), activation or th.nn.Tanh, rows)


class _Samples:
    """Minibatches of a full rollout buffer, in the order in which `MaskableRolloutBuffer.get` yields them.

    That method first copies the whole rollout into environment-major order; here the shuffled indices are translated
    instead, and each minibatch is gathered into buffers that the next one overwrites.
    """

    def __init__(self, buffer: MaskableRolloutBuffer, batch_size: int | None) -> None:
        self._size = buffer.buffer_size * buffer.n_envs
        self.rows = min(batch_size or self._size, self._size)
        self._n_steps = None if buffer.generator_ready else buffer.buffer_size
        self._n_envs = buffer.n_envs

        def flat(array: np.ndarray) -> th.Tensor:
            return th.from_numpy(array.reshape(self._size, -1))

        self._observations = flat(buffer.observations).float()
        self._actions = flat(buffer.actions).long()
        self._masks = flat(buffer.action_masks)
        columns = (buffer.values, buffer.log_probs, buffer.advantages, buffer.returns)
        self._columns = [flat(column).squeeze(1) for column in columns]
        self._observation_rows = th.empty(self.rows, self._observations.shape[1])
        self._mask_rows = th.empty(self.rows, self._masks.shape[1])

    def epoch(self, normalize_advantage: bool) -> Iterator[Minibatch]:
        """All rows once, shuffled by NumPy's global generator, which is the one that sb3-contrib draws from."""
        order = np.random.permutation(self._size)
        if self._n_steps is not None:
            environment, step = np.divmod(order, self._n_steps)
            order = step * self._n_envs + environment
        for index in th.from_numpy(order).split(self.rows):
            old_values, old_log_probs, advantages, returns = (column.index_select(0, index) for column in self._columns)
            if normalize_advantage:
                advantages = (advantages - advantages.mean()) / (advantages.std() + 1e-8)
            yield Minibatch(
                observations=th.index_select(self._observations, 0, index, out=self._observation_rows[: len(index)]),
                actions=self._actions.index_select(0, index),
                masks=th.index_select(self._masks, 0, index, out=self._mask_rows[: len(index)]),
                old_values=old_values,
                old_log_probs=old_log_probs,
                advantages=advantages,
                returns=returns,
            )
