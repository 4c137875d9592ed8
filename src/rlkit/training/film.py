"""An agent is filmed: for TensorBoard while it trains, and for a file when it is judged."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
from numpy.typing import NDArray
from stable_baselines3.common.logger import Image

from rlkit.agents import LEARNERS
from rlkit.agents.policy import Policy, load_policy
from rlkit.errors import UsageError
from rlkit.training.clips import Clip, check_path, write_clip
from rlkit.training.environments import make_env
from rlkit.training.evaluation import SEED_OFFSET, pictures
from rlkit.training.folder import RunFolder
from rlkit.training.tasks import EnvConfig

VIDEO = ("video", "video_seconds", "video_size")  # settings of scripts/evaluate.py
MOVING_FPS = 15  # an environment with fewer frames a second is told by pictures, not by clips
FILM_FPS = 25.0  # of a file: more are not seen, and it grows
CLIP_S, CLIP_FPS, CLIP_WIDTH = 8.0, 12.5, 320  # of those in TensorBoard
CLIP_EVERY = 16  # evaluations, beside the 1st, 2nd, 4th, 8th and the last: a clip takes seconds


def moves(metadata: Mapping[str, Any]) -> bool:
    """Whether an environment with this metadata is best shown in motion."""
    return "rgb_array" in metadata.get("render_modes", ()) and (metadata.get("render_fps") or 0) >= MOVING_FPS


def record(policy: Policy, config: EnvConfig, seed: int, seconds: float, most_fps: float, **arguments: Any) -> Clip:
    """Let a policy play an episode, greedily, and look on.

    Args:
        policy: What plays.
        config: Of the environment.
        seed: Of the episode.
        seconds: How much of it, in the environment's time.
        most_fps: Frames a second at most.
        arguments: Of :func:`make_env`: whether pictures are fine, and the environment's beside those of judging.

    Raises:
        UsageError: If the environment cannot be made so, or makes no pictures.
    """
    try:
        env = make_env(config, render_mode="rgb_array", **arguments)
        fps = float(env.metadata.get("render_fps") or most_fps)
        every = max(1, round(fps / most_fps))
        try:
            frames = _frames(policy, env, seed, every, max(1, round(seconds * fps)))
        finally:
            env.close()
    except (gymnasium.error.Error, ValueError, TypeError, ImportError) as error:
        raise UsageError(f"env.id={config.id} cannot be filmed: {error}") from error
    return Clip(frames, every / fps)


def _frames(policy: Policy, env: gymnasium.Env[Any, Any], seed: int, every: int, steps: int) -> list[NDArray[np.uint8]]:
    masked, over, step = env.has_wrapper_attr("action_masks"), False, 0
    observation, _ = env.reset(seed=seed)
    frames: list[Any] = [env.render()]
    while not over and step < steps:
        mask = env.get_wrapper_attr("action_masks")() if masked else None
        observation, _, terminated, truncated, _ = env.step(policy.predict(observation, mask))
        over, step = terminated or truncated, step + 1
        if over or step % every == 0:
            frames.append(env.render())
    if not all(isinstance(frame, np.ndarray) and frame.ndim == 3 for frame in frames):
        raise UsageError(f"{env} makes no pictures: render() gave {type(frames[0]).__name__}")
    return frames


class Album:
    """What TensorBoard shows of evaluations: now and then a clip where things move, else an episode's last picture.

    Args:
        config: Of the environment.
        metadata: The environment's.
        eval_every: Steps between two evaluations.
        say: Tells people something.
    """

    def __init__(
        self, config: EnvConfig, metadata: Mapping[str, Any], eval_every: int, say: Callable[[str], None]
    ) -> None:
        self._config, self._eval_every, self._say = config, eval_every, say
        self._moves = moves(metadata)
        self._prefix = metadata.get("metrics", {}).get("prefix") or "eval"
        self._works = True

    def look(self, policy: Policy, seed: int, step: int, *, final: bool) -> dict[str, Image | Clip]:
        """What to log, by tag; empty where nothing is due, or the environment cannot be drawn here.

        Args:
            policy: What plays.
            seed: Of the evaluation.
            step: Of the run; it alone decides what is due, so that a run that goes on has the clips of one that was
                never stopped.
            final: Whether it is the run's last evaluation.
        """
        if not self._works:
            return {}
        if not self._moves:
            drawn = pictures(policy, self._config, seed + step)
            self._works = bool(drawn)
            return {f"eval/{name}": Image(frame, "HWC") for name, frame in drawn.items()}
        number = step // self._eval_every
        if not (final or number % CLIP_EVERY == 0 or number.bit_count() == 1):
            return {}
        try:
            clip = record(policy, self._config, seed + step, CLIP_S, CLIP_FPS).scaled(CLIP_WIDTH)
        except Exception as error:  # a library that draws is missing, or a display: clips are not worth the run
            self._works = False
            self._say(f"no clips for TensorBoard: {error}")
            return {}
        return {f"{self._prefix}/clip": clip}


@dataclass(frozen=True)
class Film:
    """What ``scripts/evaluate.py video=...`` asks for.

    Attributes:
        path: Of the file.
        seconds: How much of an episode at most, in the environment's time.
        size: Width and height in pixels, for environments that take these arguments; None for their own.
    """

    path: Path
    seconds: float = 20.0
    size: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        check_path(self.path)
        if isinstance(self.seconds, bool) or not isinstance(self.seconds, int | float) or not 0 < self.seconds <= 3600:
            raise UsageError(f"video_seconds must be a number above 0 and up to 3600, got {self.seconds!r}")
        if self.size is not None and not (len(self.size) == 2 and all(type(n) is int and n > 0 for n in self.size)):
            raise UsageError(f"video_size must be [width,height] in pixels, got {list(self.size)}")

    def make(self, folder: RunFolder) -> None:
        """Film the policy of a run.

        Raises:
            UsageError: If there is none that acts, its environment makes no pictures, or the file cannot be written.
        """
        config = folder.read_config()
        if config.agent.name in LEARNERS:
            raise UsageError(
                f"{folder.path} is a run of agent={config.agent.name}, which does not act: leave video= out"
            )
        size = {} if self.size is None else dict(zip(("width", "height"), self.size, strict=True))
        seed = SEED_OFFSET + config.seed
        policy = load_policy(folder.path)
        write_clip(self.path, record(policy, config.env, seed, self.seconds, FILM_FPS, fine=True, **size))


def read_film(settings: Mapping[str, Any]) -> Film | None:
    """What the settings in :data:`VIDEO` ask for; None without ``video``.

    Raises:
        UsageError: If one is not possible.
    """
    if "video" not in settings:
        if settings:
            raise UsageError(f"{next(iter(settings))}= is of a video: give video=<file> too")
        return None
    size = settings.get("video_size")
    if size is not None and not isinstance(size, list):
        raise UsageError(f"video_size must be [width,height] in pixels, got {size!r}")
    seconds = settings.get("video_seconds", Film.seconds)
    return Film(Path(str(settings["video"])).expanduser(), seconds, None if size is None else tuple(size))
