"""Which numbers are possible, and which options contradict each other."""

from __future__ import annotations

import math
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from rlkit.agents import LEARNERS
from rlkit.agents.config import AgentConfig, DPPOConfig, MinibatchConfig, OffPolicyConfig, OnPolicyConfig
from rlkit.errors import UsageError
from rlkit.rewards.config import PreferencesConfig, ScoreConfig

if TYPE_CHECKING:
    from rlkit.training.config import RunConfig

LEAST_OF_RUN = {
    "steps": 1,
    "seed": 0,
    "n_envs": 1,
    "threads": 0,
    "log_every": 1,
    "eval_every": 0,
    "eval_episodes": 1,
    "checkpoint_every": 0,
    "keep_checkpoints": 1,
}
FROM_0_TO_1 = (
    "gamma",
    "gae_lambda",
    "exploration_fraction",
    "exploration_final_eps",
    "tau",
    "priority_alpha",
    "priority_beta",
)
ABOVE_0 = (
    "learning_rate",
    "clip_range",
    "max_grad_norm",
    "target_kl",
    "desired_kl",
    "initial_std",
    "kl_coef",
    "kl_factor",
)
LEAST_OF_AGENT = {
    "batch_size": 1,
    "n_epochs": 1,
    "n_steps": 1,
    "n_critic_updates": 1,
    "buffer_size": 1,
    "train_freq": 1,
    "policy_delay": 1,
    "target_update_interval": 1,
    "gradient_steps": -1,
    "learning_starts": 0,
    "ent_coef": 0,
    "vf_coef": 0,
    "kl_low": 0,
    "kl_hinge": 0,
    "action_noise": 0,
    "top_quantiles_to_drop_per_net": 0,
}
TQC_QUANTILES = 25  # of each critic, sb3-contrib's default


def check(config: RunConfig) -> None:
    """Refuse numbers out of range and options that contradict each other.

    Raises:
        UsageError: Naming the key, what was got and what is allowed.
    """
    for key, minimum in LEAST_OF_RUN.items():
        value = getattr(config, key)
        if value is not None and value < minimum:
            raise UsageError(f"{key} must be at least {minimum}, got {value}")
    if not (config.reward.scale > 0 and math.isfinite(config.reward.scale)):
        raise UsageError(f"reward.scale must be above 0 and finite, got {config.reward.scale}")
    config.reward.check(config.steps, config.num_envs())
    _check_agent(config.agent)
    _check_pixels(config)
    _check_together(config)


def _check_agent(agent: Any) -> None:
    for field in fields(agent):
        value = getattr(agent, field.name)
        key = f"agent.{field.name}"
        if isinstance(value, bool) or not isinstance(value, int | float):
            continue
        if field.name in FROM_0_TO_1 and not 0.0 <= value <= 1.0:
            raise UsageError(f"{key} must be from 0 to 1, got {value}")
        if field.name in ABOVE_0 and not value > 0:
            raise UsageError(f"{key} must be above 0, got {value}")
        if field.name in LEAST_OF_AGENT and not value >= LEAST_OF_AGENT[field.name]:
            raise UsageError(f"{key} must be at least {LEAST_OF_AGENT[field.name]}, got {value}")
        if not math.isfinite(value):
            raise UsageError(f"{key} must be finite, got {value}")
    if getattr(agent, "gradient_steps", 1) == 0:
        raise UsageError("agent.gradient_steps must be at least 1, or -1 for as many as steps were taken; got 0")
    if getattr(agent, "top_quantiles_to_drop_per_net", 0) >= TQC_QUANTILES:
        dropped = agent.top_quantiles_to_drop_per_net
        raise UsageError(f"agent.top_quantiles_to_drop_per_net must leave some of {TQC_QUANTILES}, got {dropped}")


def _check_together(config: RunConfig) -> None:
    agent = config.agent
    if isinstance(config.reward, PreferencesConfig | ScoreConfig) and not isinstance(agent, AgentConfig):
        raise UsageError(f"agent={agent.name} chooses no actions that could be judged: leave reward= out")
    if isinstance(agent, OnPolicyConfig):
        rollout = agent.n_steps * config.num_envs()
        if isinstance(agent, MinibatchConfig) and agent.batch_size > rollout:
            raise UsageError(
                f"agent.batch_size={agent.batch_size} is more than a rollout has: agent.n_steps x n_envs = {rollout}; "
                "lower the one or raise the other"
            )
        if agent.normalize_rewards and config.reward.scale != 1.0:
            raise UsageError(
                f"agent.normalize_rewards makes reward.scale={config.reward.scale} pointless: leave one of them out"
            )
    if isinstance(agent, DPPOConfig):
        _check_penalty(agent)
    if isinstance(agent, OffPolicyConfig) and agent.learning_starts >= config.steps:
        raise UsageError(
            f"agent.learning_starts={agent.learning_starts} leaves nothing of steps={config.steps} to learn in; "
            "lower the one or raise the other"
        )


def _check_pixels(config: RunConfig) -> None:
    env, least = config.env, {"pixels_edge": 8, "pixels_stack": 1}
    for key, minimum in least.items():
        value = getattr(env, key)
        if value < minimum:
            raise UsageError(f"env.{key} must be at least {minimum}, got {value}")
        if not env.pixels and value != getattr(type(env), key):
            raise UsageError(f"env.{key}={value} is of no effect without pixels=true")
    if env.pixels and config.agent.name in LEARNERS:
        raise UsageError(f"agent={config.agent.name} does not learn from pictures: leave pixels= out")


def _check_penalty(agent: DPPOConfig) -> None:
    if not agent.kl_factor > 1:
        raise UsageError(f"agent.kl_factor must be above 1, got {agent.kl_factor}")
    if not agent.kl_low < agent.kl_high:
        raise UsageError(f"agent.kl_low must be below agent.kl_high, got {agent.kl_low} and {agent.kl_high}")
