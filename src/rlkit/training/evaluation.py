"""How good an agent is: returns on fixed seeds while it trains, and the task's own judgement at the end."""

from __future__ import annotations

import importlib
import json
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from rlkit.agents import LEARNERS
from rlkit.agents.policy import Policy, load_policy
from rlkit.agents.vecenv import VecEnvAdapter
from rlkit.envs import ENVIRONMENTS
from rlkit.errors import UsageError, nearest
from rlkit.files import write_atomically
from rlkit.statistics import interval
from rlkit.training.config import RunConfig
from rlkit.training.environments import make_env, make_envs
from rlkit.training.folder import RunFolder
from rlkit.training.tasks import EnvConfig

SEED_OFFSET = 1_000_003  # evaluation seeds lie apart from training's
FINAL_EPISODES = 100
SIDE_BY_SIDE = 16  # environments that have no batch of their own


@dataclass(frozen=True)
class Episodes:
    """What came of some episodes.

    Attributes:
        returns: Shape ``(n,)``, in the environment's unit.
        lengths: Shape ``(n,)``.
        successes: Shape ``(n,)``; None where the environment does not say.
    """

    returns: NDArray[np.float64]
    lengths: NDArray[np.int64]
    successes: NDArray[np.bool_] | None


class Player(Protocol):
    """Who plays."""

    def predict(self, obs: Any, mask: NDArray[np.bool_] | None = None) -> Any:
        """An action for each observation of a batch; the mask, shape ``(n, actions)``, tells which are possible."""
        ...


def play_episodes(policy: Player, envs: VecEnvAdapter, episodes: int, seed: int) -> Episodes:
    """Let a policy play, greedily.

    Each environment plays its share to the end, so that short episodes do not count more than long ones.

    Args:
        policy: What plays.
        envs: Reset here, with the seed.
        episodes: How many in all.
        seed: Of the environments.
    """
    quota = np.full(envs.num_envs, episodes // envs.num_envs)
    quota[: episodes % envs.num_envs] += 1
    masked = envs.has_attr("action_masks")
    found: list[dict[str, Any]] = []
    envs.seed(seed)
    observations = envs.reset()
    while quota.any():
        envs.counted[:] = quota > 0  # or its figures would count short episodes more than long ones
        mask = np.asarray(envs.env_method("action_masks")) if masked else None
        observations, _, dones, infos = envs.step(policy.predict(observations, mask))
        for row in np.flatnonzero(dones & (quota > 0)):
            quota[row] -= 1
            found.append(infos[row])
    successes = [info["is_success"] for info in found if "is_success" in info]
    return Episodes(
        np.array([info["episode"]["r"] for info in found], dtype=np.float64),
        np.array([info["episode"]["l"] for info in found], dtype=np.int64),
        np.array(successes, dtype=np.bool_) if len(successes) == len(found) else None,
    )


def evaluation_envs(config: EnvConfig, episodes: int) -> VecEnvAdapter:
    """Environments to judge an agent on, as many as pay off."""
    batched = config.id in ENVIRONMENTS and not config.pixels
    return make_envs(config, min(episodes, 1024 if batched else SIDE_BY_SIDE), judging=True)


def pictures(policy: Policy, config: EnvConfig, seed: int) -> dict[str, NDArray[np.uint8]]:
    """An episode as pictures, shape ``(height, width, 3)`` each: ``last_frame``, and ``episode`` where a task plots it.

    Empty if the environment cannot be drawn here.
    """
    row = ENVIRONMENTS.get(config.id)
    plot, records = row.plot if row is not None else None, []
    try:
        with warnings.catch_warnings(action="ignore"):  # that it has no such mode
            env = make_env(config, render_mode="rgb_array")
        observation, _ = env.reset(seed=seed)
        masked, over = env.has_wrapper_attr("action_masks"), False
        while not over:
            mask = env.get_wrapper_attr("action_masks")() if masked else None
            observation, _, terminated, truncated, _ = env.step(policy.predict(observation, mask))
            over = terminated or truncated
            if plot is not None:
                records.append(env.get_wrapper_attr("record")())
        frames: dict[str, Any] = {"last_frame": env.render()}
        if plot is not None:
            module, _, function = plot.partition(":")
            frames["episode"] = getattr(importlib.import_module(module), function)(records)
        env.close()
    except Exception:  # a library that draws is missing, or a display: a picture is not worth the run
        return {}
    return {name: frame for name, frame in frames.items() if isinstance(frame, np.ndarray) and frame.ndim == 3}


def judge(policy: Policy, config: RunConfig, settings: dict[str, Any] | None = None) -> dict[str, Any]:
    """The final judgement: the task's own if it has one, else the returns of 100 episodes.

    Args:
        policy: What is judged.
        config: Of its run.
        settings: Arguments of the task's own judgement, such as ``opponents``.

    Returns:
        What goes to ``evaluation.json``; ``score`` is the one number by which runs are compared.

    Raises:
        UsageError: If a setting is not possible.
    """
    own = task_evaluation(config.env)
    _check_settings(f"agents of {config.env.id}", settings, settings_of(config.env))
    if own is not None:
        judgement: dict[str, Any] = own.evaluate(policy, config.env.arguments(judging=True), **(settings or {}))
        return judgement
    count = (settings or {}).get("episodes", FINAL_EPISODES)
    if isinstance(count, bool) or not isinstance(count, int) or count < 1:
        raise UsageError(f"episodes must be a whole number >= 1, got {count!r}")
    envs = evaluation_envs(config.env, count)
    episodes = play_episodes(policy, envs, count, SEED_OFFSET + config.seed)
    envs.close()
    low, high = interval(episodes.returns)
    result: dict[str, Any] = {
        "env_id": config.env.id,
        "episodes": count,
        "score": float(episodes.returns.mean()),
        "interval": [low, high],
        "mean_length": float(episodes.lengths.mean()),
    }
    if episodes.successes is not None:
        result["success_rate"] = float(episodes.successes.mean())
    return result


def _check_settings(who: str, settings: dict[str, Any] | None, allowed: Sequence[str]) -> None:
    for key in settings or {}:
        if key not in allowed:
            raise UsageError(f"{who} are not judged by {key}=: {nearest(key, allowed)}")


def to_markdown(judgement: dict[str, Any], config: RunConfig) -> str:
    """A judgement as tables to read."""
    own = task_evaluation(config.env)
    if own is not None:
        return str(own.markdown(judgement))
    low, high = judgement["interval"]
    lines = [
        f"Mean return over {judgement['episodes']} episodes of {judgement['env_id']}, 95 % interval in brackets.",
        "",
        "| agent | return | length |" + (" success |" if "success_rate" in judgement else ""),
        "|---|---|---|" + ("---|" if "success_rate" in judgement else ""),
        f"| {config.agent.name} | {judgement['score']:.2f} [{low:.2f}, {high:.2f}] "
        f"| {judgement['mean_length']:.1f} |"
        + (f" {judgement['success_rate']:.1%} |" if "success_rate" in judgement else ""),
    ]
    return "\n".join(lines) + "\n"


def every_setting() -> list[str]:
    """Names of what some judgement can be told, for the command line."""
    modules = {row.evaluation for row in ENVIRONMENTS.values()} | {spec.evaluation for spec in LEARNERS.values()}
    found = (name for module in modules if module for name in importlib.import_module(module).SETTINGS)
    return sorted({"episodes", *found})


def task_evaluation(config: EnvConfig) -> ModuleType | None:
    """The module with a task's own ``evaluate`` and ``markdown``, which judge agents that see its observations."""
    row = ENVIRONMENTS.get(config.id)
    if row is None or row.evaluation is None or config.pixels:
        return None
    return importlib.import_module(row.evaluation)


def settings_of(config: EnvConfig) -> Sequence[str]:
    """Names of what the judgement of agents of a task can be told."""
    own = task_evaluation(config)
    return ("episodes",) if own is None else own.SETTINGS


def evaluate_run(folder: RunFolder, settings: dict[str, Any] | None = None) -> tuple[dict[str, Any], str]:
    """Judge the policy of a run folder.

    Args:
        folder: The run's.
        settings: As for :func:`judge`.

    Returns:
        The judgement, and the same to read.
    """
    config = folder.read_config()
    if config.agent.name in LEARNERS:
        judge_learner: Any = importlib.import_module(LEARNERS[config.agent.name].evaluation)
        _check_settings(f"runs of agent={config.agent.name}", settings, judge_learner.SETTINGS)
        found = judge_learner.evaluate(folder.policy, config.env, config.agent, config.seed, **(settings or {}))
        return found, str(judge_learner.markdown(found))
    judgement = judge(load_policy(folder.path), config, settings)
    return judgement, to_markdown(judgement, config)


def save_judgement(path: Path, judgement: dict[str, Any]) -> None:
    """Write ``evaluation.json``."""
    write_atomically(path, json.dumps(judgement, indent=1) + "\n")
