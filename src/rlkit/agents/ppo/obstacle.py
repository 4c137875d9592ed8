"""What stands in the way of the lean update: the one place that decides between it and sb3-contrib's."""

from __future__ import annotations

from itertools import chain

import numpy as np
import torch as th
from gymnasium import spaces
from sb3_contrib import MaskablePPO
from sb3_contrib.common.maskable.buffers import MaskableRolloutBuffer
from sb3_contrib.common.maskable.distributions import MaskableCategoricalDistribution
from sb3_contrib.common.maskable.policies import MaskableActorCriticPolicy
from stable_baselines3.common.torch_layers import FlattenExtractor, MlpExtractor
from torch import nn

from rlkit.agents.ppo.policy import LeanMaskablePolicy

ACTIVATIONS = (nn.Tanh, nn.ReLU)
OPTIMIZERS = (th.optim.Adam, th.optim.AdamW)  # they need gradients only: no closure, no sparse or absent gradients


def find_obstacle(algorithm: MaskablePPO) -> str | None:
    """Why the update of this algorithm cannot be the lean one, or None when it can.

    Types are compared exactly, because a subclass may compute something else. Everything is looked at anew before each
    update: a callback may have frozen a layer or changed the optimizer.

    Args:
        algorithm: A set-up masked PPO.

    Returns:
        A sentence's end such as "the action space is MultiDiscrete", or None.
    """
    policy = algorithm.policy
    observation_space, action_space = algorithm.observation_space, algorithm.action_space
    if not (isinstance(observation_space, spaces.Box) and len(observation_space.shape) == 1):
        return f"the observation space is no flat Box: {observation_space}"
    if not isinstance(action_space, spaces.Discrete):
        return f"the action space is {type(action_space).__name__}"
    if th.device(algorithm.device).type != "cpu":
        return f"the device is {algorithm.device}"
    if type(policy) not in (MaskableActorCriticPolicy, LeanMaskablePolicy):
        return f"the policy is {type(policy).__name__}"
    parts = (
        (policy.features_extractor, FlattenExtractor, "features extractor"),
        (policy.pi_features_extractor, FlattenExtractor, "policy's features extractor"),
        (policy.vf_features_extractor, FlattenExtractor, "value's features extractor"),
        (policy.mlp_extractor, MlpExtractor, "hidden network"),
        (policy.action_dist, MaskableCategoricalDistribution, "action distribution"),
        (algorithm.rollout_buffer, MaskableRolloutBuffer, "rollout buffer"),
    )
    for part, expected, name in parts:
        if type(part) is not expected:
            return f"the {name} is {type(part).__name__}"
    if type(policy.optimizer) not in OPTIMIZERS:
        return f"the optimizer is {type(policy.optimizer).__name__}"
    return _find_obstacle_in_layers(policy) or _find_obstacle_in_buffer(algorithm.rollout_buffer)


def _find_obstacle_in_layers(policy: MaskableActorCriticPolicy) -> str | None:
    """Whether the towers are plain linear layers with one known activation, all of them trained in float32."""
    towers = (policy.mlp_extractor.policy_net, policy.mlp_extractor.value_net)
    try:
        layers = chain.from_iterable(hidden_layers(tower)[1] for tower in towers)
        linears = [*layers, policy.action_net, policy.value_net]
    except ValueError as error:
        return str(error)
    for linear in linears:
        if type(linear) is not nn.Linear or linear.bias is None:
            return f"a layer is {linear}"
    known = {id(parameter) for linear in linears for parameter in linear.parameters()}
    for parameter in policy.parameters():
        if id(parameter) not in known:
            return "the policy has parameters outside its two towers"
        if not parameter.requires_grad or parameter.dtype != th.float32 or parameter._backward_hooks:
            return "a parameter is frozen, hooked or not float32"
    for module in policy.modules():
        if module._forward_hooks or module._forward_pre_hooks or module._backward_hooks or module._backward_pre_hooks:
            return f"{type(module).__name__} has hooks"
    return None


def _find_obstacle_in_buffer(buffer: MaskableRolloutBuffer) -> str | None:
    """Whether the rollout is complete and in the types that the update reads without a copy."""
    if not buffer.full:
        return "the rollout buffer is not full"
    if buffer.action_masks.dtype != np.float32 or buffer.advantages.dtype != np.float32:
        return "the rollout buffer is not float32"
    return None


def hidden_layers(network: nn.Module) -> tuple[type[nn.Module] | None, list[nn.Linear]]:
    """Splits a tower ``Linear, activation, Linear, activation, ...`` into its activation and its linear layers.

    Returns:
        The activation's class (None without layers) and the linear layers.

    Raises:
        ValueError: The modules do not alternate so, or the activation is neither tanh nor ReLU.
    """
    modules = list(network.children())
    linears = [module for module in modules[::2] if isinstance(module, nn.Linear)]
    activations = {type(module) for module in modules[1::2]}
    if 2 * len(linears) != len(modules):
        raise ValueError(f"a tower is not of alternating linear layers and activations: {network}")
    if not modules:
        return None, []
    if len(activations) > 1 or not activations <= set(ACTIVATIONS):
        raise ValueError(f"the activation is {', '.join(sorted(kind.__name__ for kind in activations))}")
    return activations.pop(), linears
