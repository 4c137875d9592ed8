"""Stages of others as pixels: MinAtar's small games and the arcade's, as agents here take them.

Both draw their chances from ``np_random``, so that an episode can be lived again (`rlkit.envs.replayable`).
"""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from rlkit.errors import nearest

MINATAR_GAMES = ("asterix", "breakout", "freeway", "seaquest", "space_invaders")
ZOOM = 32  # of rendered pictures


def needed(module: str, extra: str) -> ModuleType:
    """A library that an extra installs.

    Raises:
        ImportError: With the line that installs it.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ImportError(f"{module} is missing: pip install 'rlkit-toolkit[{extra}]'") from error


class MinAtarEnv(gymnasium.Env[NDArray[np.uint8], Any]):
    """A game of MinAtar (Young and Tian 2019): Atari's games on a 10x10 grid, a channel for each kind of thing.

    ## Action space
    ``Discrete``: the game's own actions.

    ## Observation space
    ``Box(0, 255, (channels, 10, 10), uint8)``: 255 where a thing is. MinAtar's are bool with channels last.

    ## Reward, start, end
    The game's. With a chance of ``sticky`` the last action is repeated, as in MinAtar; unlike there, an episode's first
    action never repeats the last one of the episode before, so that episodes do not hang together.

    ## Arguments
    * ``game``: one of asterix, breakout, freeway, seaquest, space_invaders.
    * ``sticky``: chance that the last action is repeated.
    * ``ramping``: whether the game grows harder.

    Raises:
        ImportError: If MinAtar is not installed.
        ValueError: If there is no such game.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 10, "frame_stack": 1}

    def __init__(
        self, game: str = "breakout", *, sticky: float = 0.1, ramping: bool = True, render_mode: str | None = None
    ) -> None:
        name = game.lower().replace(" ", "_")
        if name not in MINATAR_GAMES:
            raise ValueError(f"unknown game {game!r}: {nearest(name, MINATAR_GAMES)}")
        self._game = needed("minatar", "minatar").Environment(
            name, sticky_action_prob=sticky, difficulty_ramping=ramping
        )
        self._actions = self._game.minimal_action_set()
        height, width, channels = self._game.state_shape()
        self.observation_space = spaces.Box(0, 255, (channels, height, width), np.uint8)
        self.action_space = spaces.Discrete(len(self._actions))
        self.render_mode = render_mode

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.uint8], dict[str, Any]]:
        """Begin an episode."""
        super().reset(seed=seed)
        self._game.seed(int(self.np_random.integers(2**32)))
        self._game.last_action = 0
        self._game.reset()
        return self._observe(), {}

    def step(self, action: Any) -> tuple[NDArray[np.uint8], float, bool, bool, dict[str, Any]]:
        """Take an action."""
        reward, terminated = self._game.act(self._actions[action])
        return self._observe(), float(reward), bool(terminated), False, {}

    def _observe(self) -> NDArray[np.uint8]:
        return np.ascontiguousarray(self._game.state().transpose(2, 0, 1)).astype(np.uint8) * 255

    def render(self) -> Any:
        """The grid, each channel in a shade of its own."""
        if self.render_mode is None:
            return None
        state = self._game.state()
        shades = (np.arange(state.shape[2]) + 1) * (255 // state.shape[2])
        grey = (state * shades).max(2).astype(np.uint8).repeat(ZOOM, 0).repeat(ZOOM, 1)
        return np.repeat(grey[..., None], 3, -1)


class OwnSeeds(gymnasium.Wrapper[Any, Any, Any, Any]):
    """Begins every episode with a seed drawn from ``np_random``, for simulators with a generator inside.

    Args:
        env: The environment.
    """

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Begin an episode."""
        if seed is None:
            seed = int(self.unwrapped.np_random.integers(2**31 - 1))
        return self.env.reset(seed=seed, options=options)


def make_arcade(
    game: str = "Pong",
    *,
    frame_skip: int = 4,
    frame_stack: int = 4,
    edge: int = 84,
    sticky: float = 0.25,
    life_ends: bool = False,
    render_mode: str | None = None,
) -> gymnasium.Env[Any, Any]:
    """A game of the Arcade Learning Environment with the usual preprocessing (Machado et al. 2018).

    In this order: with a chance of ``sticky`` each frame repeats the last action; up to 30 frames without action at the
    start; an action lasts ``frame_skip`` frames, of the last two of which the brighter pixels are seen; grey; ``edge``
    pixels along each side; ``frame_stack`` frames an observation, before the first of which it is repeated. Episodes
    are truncated after 108,000 frames, which is half an hour.

    Args:
        game: As in ``ALE/<game>-v5``.
        frame_skip: Frames an action lasts.
        frame_stack: Frames in an observation.
        edge: Pixels along each side.
        sticky: Chance that a frame repeats the last action.
        life_ends: Whether the loss of a life ends the episode; agents are judged without.
        render_mode: ``rgb_array`` or ``human``.

    Raises:
        ImportError: If ale-py or OpenCV is not installed.
    """
    ale = needed("ale_py", "arcade")
    needed("cv2", "arcade")
    gymnasium.register_envs(ale)
    env = gymnasium.make(
        f"ALE/{game}-v5",
        frameskip=1,
        repeat_action_probability=sticky,
        max_num_frames_per_episode=108_000,
        render_mode=render_mode,
    )
    env = gymnasium.wrappers.AtariPreprocessing(
        OwnSeeds(env), frame_skip=frame_skip, screen_size=edge, terminal_on_life_loss=life_ends
    )
    stacked = gymnasium.wrappers.FrameStackObservation(env, frame_stack, padding_type="reset")
    stacked.metadata = {**env.metadata, "frame_stack": frame_stack}
    return stacked
