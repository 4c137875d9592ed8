"""The acting side: sb3-contrib's masked policy, with one normalisation a step in place of three."""

from __future__ import annotations

import numpy as np
import torch as th
from sb3_contrib.common.maskable.distributions import MaskableCategoricalDistribution
from sb3_contrib.common.maskable.policies import MaskableActorCriticPolicy

from rlkit.agents.ppo.loss import LOWEST, shift_logits


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
        features = self.extract_features(obs)
        if self.share_features_extractor:
            latent_pi, latent_vf = self.mlp_extractor(features)
        else:
            latent_pi = self.mlp_extractor.forward_actor(features[0])
            latent_vf = self.mlp_extractor.forward_critic(features[1])
        logits = self.action_net(latent_pi)
        masks = th.as_tensor(action_masks, device=logits.device).reshape(logits.shape).to(logits.dtype)
        weights = shift_logits(logits, masks - 1).clamp(min=LOWEST).exp_().mul_(masks)
        log_total = weights.sum(1, keepdim=True).log_()
        # The largest of w / e, with e exponentially distributed, is how `torch.multinomial` draws by the weights w: the
        # generator's numbers lead to the same actions.
        actions = weights.div_(th.empty_like(weights).exponential_()).argmax(1, keepdim=True)
        log_probs = logits.gather(1, actions).sub_(log_total)
        return actions.squeeze(1), self.value_net(latent_vf), log_probs.squeeze(1)
