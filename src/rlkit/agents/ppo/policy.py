"""The acting side: Stable-Baselines3's policies, drawing the same actions with less arithmetic a step."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch as th
from sb3_contrib.common.maskable.distributions import MaskableCategoricalDistribution
from sb3_contrib.common.maskable.policies import MaskableActorCriticPolicy
from stable_baselines3.common.distributions import DiagGaussianDistribution
from stable_baselines3.common.policies import ActorCriticPolicy

from rlkit.agents.ppo.gaussian import HALF_LOG_2PI
from rlkit.agents.ppo.loss import LOWEST, shift_logits
from rlkit.agents.ppo.towers import Groups, TowersExtractor, check_groups
from rlkit.errors import UsageError


class LeanMaskablePolicy(MaskableActorCriticPolicy):
    """`MaskableActorCriticPolicy` whose rollouts cost less, with the same draws, and the same numbers up to rounding.

    Only sampling masked discrete actions without gradients is written out; everything else is sb3-contrib's.
    """

    def forward(
        self, obs: th.Tensor, deterministic: bool = False, action_masks: np.ndarray | None = None
    ) -> tuple[th.Tensor, th.Tensor, th.Tensor]:
        """Draws actions for a batch of observations.

        Args:
            obs: (n, features), or what the features extractor takes.
            deterministic: Take the likeliest action instead.
            action_masks: (n, n_actions) bool, the legal actions.

        Returns:
            The actions (n,), the values (n, 1) and the actions' log-probabilities (n,).
        """
        plain = type(self.action_dist) is MaskableCategoricalDistribution and not th.is_grad_enabled()
        if deterministic or not plain or action_masks is None or not action_masks.any(-1).all():
            return super().forward(obs, deterministic, action_masks)
        logits, values = _heads(self, obs)
        masks = th.as_tensor(action_masks, device=logits.device).reshape(logits.shape).to(logits.dtype)
        weights = shift_logits(logits, masks - 1).clamp(min=LOWEST).exp_().mul_(masks)
        log_total = weights.sum(1, keepdim=True).log_()
        # The largest of w / e, with e exponentially distributed, is how `torch.multinomial` draws by the weights w: the
        # generator's numbers lead to the same actions.
        actions = weights.div_(th.empty_like(weights).exponential_()).argmax(1, keepdim=True)
        log_probs = logits.gather(1, actions).sub_(log_total)
        return actions.squeeze(1), values, log_probs.squeeze(1)


class LeanPolicy(ActorCriticPolicy):
    """`ActorCriticPolicy` whose rollouts cost less, with the same draws, and the same numbers up to rounding.

    Only sampling Gaussian actions without gradients is written out; everything else is Stable-Baselines3's.

    Args:
        args: Of `ActorCriticPolicy`.
        observation_groups: For each group its columns of the flattened observations, which get a tower of their own;
            None for one plain network.
        kwargs: Of `ActorCriticPolicy`.
    """

    def __init__(self, *args: Any, observation_groups: Groups | None = None, **kwargs: Any) -> None:
        self.observation_groups = observation_groups
        super().__init__(*args, **kwargs)

    def forward(self, obs: th.Tensor, deterministic: bool = False) -> tuple[th.Tensor, th.Tensor, th.Tensor]:
        """Draws actions for a batch of observations.

        Args:
            obs: (n, features), or what the features extractor takes.
            deterministic: Take the likeliest action instead.

        Returns:
            The actions (n, ...), the values (n, 1) and the actions' log-probabilities (n,).
        """
        if deterministic or type(self.action_dist) is not DiagGaussianDistribution or th.is_grad_enabled():
            return super().forward(obs, deterministic)
        means, values = _heads(self, obs)
        noise = th.randn_like(means)  # as `torch.distributions.Normal.rsample` draws it
        actions = th.addcmul(means, noise, self.log_std.exp())
        if not actions.isfinite().all():  # PyTorch's distribution says what is wrong
            return super().forward(obs)
        log_probs = noise.square_().sum(1).mul_(-0.5).sub_(self.log_std.sum() + HALF_LOG_2PI * len(self.log_std))
        return actions.reshape(-1, *self.action_space.shape), values, log_probs  # type: ignore[misc]

    def _build_mlp_extractor(self) -> None:
        if self.observation_groups is None:
            super()._build_mlp_extractor()
            return
        groups = check_groups(self.observation_groups, self.features_dim)
        if not isinstance(self.net_arch, list) or not self.net_arch:
            raise UsageError(f"towers need at least one hidden layer each, got net_arch={self.net_arch}")
        extractor: Any = TowersExtractor(groups, self.net_arch, self.activation_fn).to(self.device)
        self.mlp_extractor = extractor

    def _get_constructor_parameters(self) -> dict[str, Any]:
        return {**super()._get_constructor_parameters(), "observation_groups": self.observation_groups}


def _heads(policy: ActorCriticPolicy | MaskableActorCriticPolicy, obs: th.Tensor) -> tuple[th.Tensor, th.Tensor]:
    """What the policy's head says (n, ...), and the values (n, 1)."""
    features = policy.extract_features(obs)
    if policy.share_features_extractor:
        latent_pi, latent_vf = policy.mlp_extractor(features)
    else:
        latent_pi = policy.mlp_extractor.forward_actor(features[0])
        latent_vf = policy.mlp_extractor.forward_critic(features[1])
    return policy.action_net(latent_pi), policy.value_net(latent_vf)
