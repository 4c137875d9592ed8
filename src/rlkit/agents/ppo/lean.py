"""PPO with the numbers of Stable-Baselines3's and sb3-contrib's for less work: `LeanPPO` and `LeanMaskablePPO`."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import torch as th
from sb3_contrib import MaskablePPO
from stable_baselines3 import PPO
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.type_aliases import Schedule

from rlkit.agents.ppo.gaussian import GaussianLoss, GaussianMinibatch
from rlkit.agents.ppo.loss import Losses, MaskedLoss, MaskedMinibatch
from rlkit.agents.ppo.obstacle import find_obstacle, find_obstacle_in_model
from rlkit.agents.ppo.policy import LeanMaskablePolicy, LeanPolicy
from rlkit.agents.ppo.samples import flat
from rlkit.agents.ppo.update import (
    AdaptiveRate,
    LeanUpdate,
    StopAbove,
    coefficients_now,
    fuse_optimizer,
    record_update,
)


class LeanMaskablePPO(MaskablePPO):
    """`sb3_contrib.MaskablePPO` with a leaner update: the same arguments, the same numbers up to rounding.

    The passes through the two networks and the loss's gradient are written out (`passes`, `loss`); the minibatches are
    drawn with the same random numbers, the optimizer is the policy's own, and the same values are logged. No state is
    added: a model saved by one class continues in the other. Where the policy is anything but two plain networks
    (`obstacle.find_obstacle` says what is needed), `train` is sb3-contrib's.
    """

    policy_aliases: ClassVar[dict[str, type[BasePolicy]]] = {
        **MaskablePPO.policy_aliases,
        "MlpPolicy": LeanMaskablePolicy,
    }

    def _setup_model(self) -> None:
        super()._setup_model()
        fuse_optimizer(self)

    def train(self) -> None:
        """Updates the policy from the rollout buffer, as `sb3_contrib.MaskablePPO.train` does."""
        if find_obstacle(self) is not None:
            super().train()
            return
        self.policy.set_training_mode(True)
        self._update_learning_rate(self.policy.optimizer)
        coefficients, buffer = coefficients_now(self), self.rollout_buffer
        size = buffer.buffer_size * buffer.n_envs
        columns = {"actions": flat(buffer.actions, size).long(), "masks": flat(buffer.action_masks, size)}
        with th.no_grad():
            update = LeanUpdate(self, MaskedMinibatch, columns)
            loss = MaskedLoss(update.samples.rows, buffer.mask_dims, coefficients)
            epochs = update.run(loss, StopAbove(self.target_kl))
        record_update(self, epochs, coefficients)

    def _update_info_buffer(self, infos: list[dict[str, Any]], dones: np.ndarray | None = None) -> None:
        super()._update_info_buffer(*_ended(infos, dones))


class LeanPPO(PPO):
    """`stable_baselines3.PPO` with a leaner update for Gaussian actions: the same numbers up to rounding.

    See `LeanMaskablePPO`; where the policy is anything but two plain networks, `train` is Stable-Baselines3's.

    Args:
        args: Of `stable_baselines3.PPO`.
        desired_kl: KL divergence of an update that the learning rate is adapted to (see `update.AdaptiveRate`), from
            ``learning_rate`` on, or a function that gives it for the share of the run that is left; None: the learning
            rate keeps to its schedule.
        kwargs: Of `stable_baselines3.PPO`.
    """

    policy_aliases: ClassVar[dict[str, type[BasePolicy]]] = {**PPO.policy_aliases, "MlpPolicy": LeanPolicy}

    def __init__(self, *args: Any, desired_kl: float | Schedule | None = None, **kwargs: Any) -> None:
        self.desired_kl = desired_kl
        super().__init__(*args, **kwargs)

    def _setup_model(self) -> None:
        super()._setup_model()
        fuse_optimizer(self)
        if self.desired_kl is not None:
            require_lean(find_obstacle_in_model(self), "desired_kl")

    def train(self) -> None:
        """Updates the policy from the rollout buffer, as `stable_baselines3.PPO.train` does."""
        obstacle = find_obstacle(self)
        if obstacle is not None and self.desired_kl is None:
            super().train()
            return
        require_lean(obstacle, "desired_kl")
        self.policy.set_training_mode(True)
        stop, adapt = StopAbove(self.target_kl), None
        if self.desired_kl is None:
            self._update_learning_rate(self.policy.optimizer)
        else:
            desired = self.desired_kl
            now = desired(self._current_progress_remaining) if callable(desired) else desired
            adapt = AdaptiveRate(self.policy.optimizer, now)

        def judge(losses: Losses) -> bool:
            if adapt is not None:
                adapt(losses)
            return stop(losses)

        coefficients = coefficients_now(self)
        with th.no_grad():
            update = gaussian_update(self, know_old_means=adapt is not None)
            epochs = update.run(GaussianLoss(self.policy.log_std, coefficients), judge)
        record_update(self, epochs, coefficients)
        if adapt is not None:
            self.logger.record("train/kl", np.mean([each.kl for each in epochs[-1]]))
            self.logger.record("train/learning_rate", self.policy.optimizer.param_groups[0]["lr"])

    def _update_info_buffer(self, infos: list[dict[str, Any]], dones: np.ndarray | None = None) -> None:
        super()._update_info_buffer(*_ended(infos, dones))


def gaussian_update(algorithm: PPO, *, know_old_means: bool) -> LeanUpdate[GaussianMinibatch]:
    """The lean update of a policy with Gaussian actions; the means of the policy that acted cost a forward pass."""
    buffer = algorithm.rollout_buffer
    actions = flat(buffer.actions, buffer.buffer_size * buffer.n_envs).float()
    update = LeanUpdate(algorithm, GaussianMinibatch, {"actions": actions})
    if know_old_means:
        update.samples.add("old_means", update.head_outputs())
    return update


def require_lean(obstacle: str | None, what: str) -> None:
    """Refuse what only the lean update does.

    Raises:
        ValueError: If something stands in its way.
    """
    if obstacle is not None:
        raise ValueError(
            f"{what} is for a flat Box of observations, continuous actions and plain networks on the CPU; here "
            f"{obstacle}"
        )


def _ended(infos: list[dict[str, Any]], dones: np.ndarray | None) -> tuple[list[dict[str, Any]], np.ndarray | None]:
    """Infos and dones of the environments whose episodes have ended: only these tell of episodes."""
    if dones is None:
        return infos, None
    rows = np.flatnonzero(dones)
    return [infos[row] for row in rows], dones[rows]
