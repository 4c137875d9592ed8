"""What stands in the way of the lean update: the one place that decides between it and Stable-Baselines3's."""

from __future__ import annotations

from itertools import chain
from typing import Any

import numpy as np
import torch as th
from gymnasium import spaces
from sb3_contrib import MaskablePPO
from sb3_contrib.common.maskable.buffers import MaskableRolloutBuffer
from sb3_contrib.common.maskable.distributions import MaskableCategoricalDistribution
from sb3_contrib.common.maskable.policies import MaskableActorCriticPolicy
from stable_baselines3 import PPO
from stable_baselines3.common.buffers import RolloutBuffer
from stable_baselines3.common.distributions import DiagGaussianDistribution
from stable_baselines3.common.policies import ActorCriticPolicy
from stable_baselines3.common.torch_layers import FlattenExtractor, MlpExtractor
from torch import nn

from rlkit.agents.normalization import Normalizer
from rlkit.agents.ppo.policy import LeanMaskablePolicy, LeanPolicy
from rlkit.agents.ppo.towers import Towers, TowersExtractor

ACTIVATIONS = (nn.Tanh, nn.ReLU)
OPTIMIZERS = (th.optim.Adam, th.optim.AdamW)  # they need gradients only: no closure, no sparse or absent gradients


def find_obstacle(algorithm: PPO | MaskablePPO) -> str | None:
    """Why the update of this algorithm cannot be the lean one, or None when it can.

    Everything is looked at anew before each update: a callback may have frozen a layer or changed the optimizer.

    Args:
        algorithm: A set-up PPO or masked PPO, its rollout buffer filled.

    Returns:
        A sentence's end such as "the action space is MultiDiscrete", or None.
    """
    return find_obstacle_in_model(algorithm) or _find_obstacle_in_buffer(algorithm.rollout_buffer)


def find_obstacle_in_model(algorithm: PPO | MaskablePPO) -> str | None:
    """The same, before there is a rollout. Types are compared exactly: a subclass may compute something else."""
    policy: Any = algorithm.policy
    masked = isinstance(algorithm, MaskablePPO)
    observation_space, action_space = algorithm.observation_space, algorithm.action_space
    if not (isinstance(observation_space, spaces.Box) and len(observation_space.shape) == 1):
        return f"the observation space is no flat Box: {observation_space}"
    if not isinstance(action_space, spaces.Discrete if masked else spaces.Box):
        return f"the action space is {type(action_space).__name__}"
    if th.device(algorithm.device).type != "cpu":
        return f"the device is {algorithm.device}"
    extractors = (FlattenExtractor, Normalizer) if policy.share_features_extractor else (FlattenExtractor,)
    policies = (MaskableActorCriticPolicy, LeanMaskablePolicy) if masked else (ActorCriticPolicy, LeanPolicy)
    distributions = (MaskableCategoricalDistribution if masked else DiagGaussianDistribution,)
    parts = (
        (policy, policies, "policy"),
        (policy.pi_features_extractor, extractors, "features extractor"),
        (policy.vf_features_extractor, extractors, "value's features extractor"),
        (policy.mlp_extractor, (MlpExtractor, TowersExtractor), "hidden network"),
        (policy.action_dist, distributions, "action distribution"),
        (algorithm.rollout_buffer, (MaskableRolloutBuffer if masked else RolloutBuffer,), "rollout buffer"),
        (policy.optimizer, OPTIMIZERS, "optimizer"),
    )
    for part, expected, name in parts:
        if type(part) not in expected:
            return f"the {name} is {type(part).__name__}"
    return _find_obstacle_in_layers(policy)


def _find_obstacle_in_layers(policy: Any) -> str | None:
    """Whether the networks are plain linear layers with one known activation, all of them trained in float32."""
    try:
        towers = [*split_towers(policy.mlp_extractor.policy_net), *split_towers(policy.mlp_extractor.value_net)]
    except ValueError as error:
        return str(error)
    linears = [*chain.from_iterable(layers for _, layers, _ in towers), policy.action_net, policy.value_net]
    for linear in linears:
        if type(linear) is not nn.Linear or linear.bias is None:
            return f"a layer is {linear}"
    known = {id(parameter) for linear in linears for parameter in linear.parameters()}
    known.add(id(getattr(policy, "log_std", None)))
    for parameter in policy.parameters():
        if id(parameter) not in known:
            return "the policy has parameters outside its networks"
        if not parameter.requires_grad or parameter.dtype != th.float32 or parameter._backward_hooks:
            return "a parameter is frozen, hooked or not float32"
    for module in policy.modules():
        if module._forward_hooks or module._forward_pre_hooks or module._backward_hooks or module._backward_pre_hooks:
            return f"{type(module).__name__} has hooks"
    return None


def _find_obstacle_in_buffer(buffer: RolloutBuffer) -> str | None:
    """Whether the rollout is complete and in the types that the update reads without a copy."""
    if not buffer.full:
        return "the rollout buffer is not full"
    masks = getattr(buffer, "action_masks", buffer.advantages)
    if masks.dtype != np.float32 or buffer.advantages.dtype != np.float32:
        return "the rollout buffer is not float32"
    return None


def split_towers(network: nn.Module) -> list[tuple[slice, list[nn.Linear], type[nn.Module]]]:
    """Of each tower of a hidden network: its columns of the observations, its linear layers and its activation.

    Returns:
        One tower over all columns for a plain network, none where it has no layers.

    Raises:
        ValueError: If a tower is not what `hidden_layers` splits, or activations differ.
    """
    if isinstance(network, Towers):
        parts = list(zip(network.columns, network.towers.values(), strict=True))
    else:
        parts = [(slice(None), network)]
    towers = []
    for columns, tower in parts:
        activation, layers = hidden_layers(tower)
        if activation is not None:
            towers.append((columns, layers, activation))
    if len({activation for *_, activation in towers}) > 1:
        raise ValueError("towers have different activations")
    return towers


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
