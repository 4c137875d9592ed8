"""The audit of a learned reward: plays, films, and writes ``preferences/audit.*``."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from typing import Any

import gymnasium
import numpy as np
from numpy.typing import NDArray

from rlkit.agents.chance import RandomActions
from rlkit.agents.policy import load_policy
from rlkit.files import write_atomically
from rlkit.rewards.audit import Behaviour, audit, behaviour
from rlkit.rewards.envs import LearnedRewardEnvs, Step
from rlkit.rewards.loop import PreferenceLoop
from rlkit.rewards.pool import EpisodePool
from rlkit.rewards.recording import record, recording_pool
from rlkit.rewards.simulators import replay
from rlkit.training.audit_report import AUDIT, draw, markdown
from rlkit.training.clips import Clip
from rlkit.training.config import RunConfig
from rlkit.training.environments import make_env, make_envs
from rlkit.training.folder import RunFolder

SEED_OFFSET = 2_000_003  # apart from training's and evaluation's
SIDE_BY_SIDE, EPISODES, STEPS = 8, 4, 1_000  # environments; episodes of each if they are short; steps of each at most
FILMED, WIDTH, FPS = 3, 160, 15.0  # clips beside one another

Act = Callable[[Any, NDArray[np.bool_] | None], NDArray[Any]]


def audit_run(folder: RunFolder, loop: PreferenceLoop) -> str:
    """Audit the reward that a run has learned.

    Args:
        folder: The run's, with its policy; gets ``preferences/audit.json``, ``audit.png`` and clips.
        loop: At the run's end.

    Returns:
        The section of the report.
    """
    config = folder.read_config()
    policy = load_policy(folder.path)
    rng = np.random.default_rng(SEED_OFFSET + config.seed)
    at_random = RandomActions(policy.action_space, SEED_OFFSET + config.seed)
    acted, chance = (_behave(config, loop, act, rng) for act in (policy.predict, at_random.predict))
    found = audit(loop, acted, chance, gamma=config.agent.gamma, seed=SEED_OFFSET + config.seed)
    if loop.model.fits:
        draw(folder, loop, found, acted, chance)
        found["clips"] = _film(config, folder, acted, found)
    write_atomically(folder.preferences / AUDIT, json.dumps(_plain(found), indent=1) + "\n")
    return markdown(found)


def _behave(config: RunConfig, loop: PreferenceLoop, act: Act, rng: np.random.Generator) -> Behaviour:
    """Let somebody act in environments like those of training, and cut segments from what was lived."""
    envs = make_envs(config.env, SIDE_BY_SIDE, reward=config.reward)
    assert isinstance(envs, LearnedRewardEnvs)
    pool = recording_pool(envs, loop.config, SIDE_BY_SIDE, STEPS + loop.config.segment)
    envs.source = _Recorder(pool)
    masked = envs.has_attr("action_masks")
    envs.seed(SEED_OFFSET + config.seed)
    observations = envs.reset()
    ended = np.zeros(SIDE_BY_SIDE, dtype=np.int64)
    while pool.written.min() < STEPS and (ended.min() < EPISODES or pool.written.min() < 2 * loop.config.segment):
        masks = np.asarray(envs.env_method("action_masks")) if masked else None
        observations, _, dones, _ = envs.step(act(observations, masks))
        ended += dones
    envs.close()
    width = int(gymnasium.spaces.utils.flatdim(envs.observation_space))
    return behaviour(pool, loop.config.segment, width, rng)


class _Recorder:
    """Rewards nothing, and records."""

    def __init__(self, pool: EpisodePool) -> None:
        self._pool = pool

    def begin(self) -> None:
        self._pool.begin()

    def reward(self, step: Step) -> NDArray[Any]:
        record(self._pool, step, 0)
        return np.zeros(len(step.rewards))


def _film(config: RunConfig, folder: RunFolder, acted: Behaviour, found: dict[str, Any]) -> list[str]:
    """Clips of extremes, written beside the audit; their names. Where none can be drawn, ``no_clips`` says why."""
    written = []
    try:
        env = make_env(config.env, render_mode="rgb_array", **config.env.arguments())
        fps = float(env.metadata.get("render_fps") or FPS)
        every = max(1, round(fps / FPS))
        for name in ("loved", "hated", "suspect"):
            films = []
            for row in found.get(name, [])[:FILMED]:
                segment = acted.pool.cut(acted.spans, row["number"])
                if segment.clip is not None:
                    frames = [env.render() for number in replay(env, segment.clip) if number % every == 0]
                    films.append(Clip(frames, every / fps).scaled(WIDTH).frames)  # type: ignore[arg-type]
            if films:
                write_atomically(folder.preferences / f"{name}.gif", Clip(_beside(films), every / fps).gif())
                written.append(f"{name}.gif")
        env.close()
    except Exception as error:  # a library that draws is missing, or a display: clips are not worth the run
        found["no_clips"] = str(error) or type(error).__name__
    return written


def _beside(films: Sequence[list[NDArray[np.uint8]]]) -> list[NDArray[np.uint8]]:
    """Frames of several films side by side; one that is over stays at its last."""
    longest = max(len(frames) for frames in films)
    return [np.hstack([frames[min(place, len(frames) - 1)] for frames in films]) for place in range(longest)]


def _plain(tree: Any) -> Any:
    """What JSON can hold: numbers that are none as null."""
    if isinstance(tree, dict):
        return {key: _plain(part) for key, part in tree.items()}
    if isinstance(tree, list | tuple):
        return [_plain(part) for part in tree]
    if isinstance(tree, np.generic):
        tree = tree.item()
    return None if isinstance(tree, float) and not math.isfinite(tree) else tree
