"""Environments as agents train on them: rlkit's own as one batch; others, and what is seen as pixels, side by side."""

from __future__ import annotations

import functools
import warnings
from typing import Any

import gymnasium
from gymnasium.vector import AutoresetMode, SyncVectorEnv, VectorEnv

from rlkit.agents.vecenv import VecEnvAdapter
from rlkit.envs import ENVIRONMENTS
from rlkit.envs.drawing import draw_quickly, draw_without_a_window
from rlkit.envs.pixels import Pixels
from rlkit.envs.replayable import Replayable
from rlkit.errors import UsageError, nearest
from rlkit.rewards.config import PreferencesConfig, RewardConfig, ScoreConfig
from rlkit.rewards.envs import LearnedRewardEnvs
from rlkit.rewards.scored import ScoredEnvs
from rlkit.rewards.teachers import load_score
from rlkit.training.tasks import EnvConfig


def make_envs(
    config: EnvConfig, num_envs: int, *, judging: bool = False, reward: RewardConfig | None = None
) -> VecEnvAdapter:
    """Environments for a Stable-Baselines3 agent.

    Args:
        config: Which, and with what arguments.
        num_envs: How many.
        judging: With the arguments for judging an agent.
        reward: What the agent's rewards are; None: the environment's.

    Returns:
        An adapter; for a reward from preferences, one that needs its source of rewards yet.

    Raises:
        UsageError: If there is no such environment, it refuses its arguments, or there is no such score.
    """
    arguments = config.arguments(judging=judging)
    check_id(config.id)
    try:
        envs: VectorEnv[Any, Any, Any]
        if config.pixels and not judging:
            _draw_once(config)
        if config.id in ENVIRONMENTS and not config.pixels:
            envs = gymnasium.make_vec(
                config.id, num_envs, vectorization_mode="vector_entry_point", autoreset_mode="same_step", **arguments
            )
        else:
            make = functools.partial(_make_one, config, arguments)
            with warnings.catch_warnings():  # what gymnasium.make warns of once is not news for each of many
                warnings.simplefilter("once")
                envs = SyncVectorEnv([make] * num_envs, autoreset_mode=AutoresetMode.SAME_STEP)
    except (gymnasium.error.Error, ValueError, TypeError, ImportError) as error:
        raise UsageError(f"env.id={config.id} cannot be made: {error}") from error
    scale = 1.0 if reward is None else reward.scale
    if isinstance(reward, ScoreConfig):
        return ScoredEnvs(envs, load_score(reward.score), scale)
    return (LearnedRewardEnvs if isinstance(reward, PreferencesConfig) else VecEnvAdapter)(envs, scale)


def make_env(config: EnvConfig, *, fine: bool = False, **arguments: Any) -> gymnasium.Env[Any, Any]:
    """One environment, with the arguments for judging an agent and these; seen as pixels if that is configured.

    Args:
        config: Which, and with what arguments.
        fine: Whether its pictures may take time (what agents see never does).
        arguments: Of the environment.
    """
    given = {**config.arguments(judging=True), **arguments}
    if "render_mode" in arguments and config.id not in ENVIRONMENTS:
        draw_without_a_window()
    if config.pixels:
        return _make_one(config, given)
    env = gymnasium.make(config.id, **given)
    if not fine:
        draw_quickly(env)
    return env


def _make_one(config: EnvConfig, arguments: dict[str, Any]) -> gymnasium.Env[Any, Any]:
    """One of those that stand side by side; all of them have a state."""
    if not config.pixels:
        return Replayable(gymnasium.make(config.id, **arguments))
    if config.id not in ENVIRONMENTS:
        draw_without_a_window()
    env = gymnasium.make(config.id, **{"render_mode": "rgb_array", **arguments})
    draw_quickly(env)
    return Pixels(
        env if env.has_wrapper_attr("get_state") else Replayable(env),
        edge=config.pixels_edge,
        stack=config.pixels_stack,
    )


def _draw_once(config: EnvConfig) -> None:
    """Draw a picture, so that what is missing for that is told before there is a run."""
    env = make_env(config)
    env.reset(seed=0)
    env.close()


def check_id(env_id: str) -> None:
    """Refuse an id that Gymnasium does not know; ``module:id`` imports the module first.

    Raises:
        UsageError: Naming the nearest.
    """
    module, _, name = env_id.rpartition(":")
    if not module and name not in gymnasium.registry:
        latest = [other for other in gymnasium.registry if other.rpartition("-v")[0] == name.rpartition("-v")[0]]
        raise UsageError(
            f"unknown env.id {env_id!r}: {nearest(name, latest or _similar(name))}; "
            "env.id=module:Name-v0 imports the module that registers it"
        )


def _similar(name: str) -> list[str]:
    """Registered ids to list in an error: those of the same namespace, rlkit's own first of all."""
    namespace = name.rpartition("/")[0]
    return [env_id for env_id in gymnasium.registry if env_id.rpartition("/")[0] in (namespace, "rlkit")]
