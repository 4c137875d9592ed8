"""Scenarios of ViZDoom as small grey pictures, without a display and without files in the working directory."""

from __future__ import annotations

import re
import shutil
import tempfile
import warnings
from collections import deque
from contextlib import chdir
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from rlkit.envs.games import needed
from rlkit.errors import nearest

HEIGHT, WIDTH = 60, 80  # half of the smallest screen, 160x120
BAR, FULL_HEALTH = 3, 100.0  # rows; what the player begins with
ZOOM = 6  # of rendered pictures


class DoomEnv(gymnasium.Env[NDArray[np.uint8], Any]):
    """A scenario of ViZDoom (Wydmuch et al. 2018), whose engine and maps come with its wheel.

    ## Action space
    ``Discrete(buttons + 1)``: nothing, or one of the scenario's buttons, for ``frame_skip`` tics.

    ## Observation space
    ``Box(0, 255, (frame_stack, 60, 80), uint8)``: the last frames, the newest last; before the episode's first they are
    black. The screen of 160x120 in grey, each pixel the mean of four. Where the scenario tells the player's health, the
    lowest three rows are a bar as long as it, white on black: without, what a medkit was good for is not to be seen.

    ## Reward
    The scenario's, summed over the tics of an action.

    ## Start, end
    Each episode has a seed drawn from ``np_random``, and the engine then does the same for the same actions. Terminated
    where the scenario ends; truncated when its time is up. If the engine exits by itself, it is started anew and the
    episode is truncated; ``info["restarts"]`` counts that.

    ## Arguments
    * ``scenario``: such as ``Basic``, ``HealthGathering``, ``MyWayHome``, ``DefendTheCenter``.
    * ``frame_skip``: tics an action lasts.
    * ``frame_stack``: frames in an observation.
    * ``health_bar``: whether health is drawn, where the scenario tells it.

    Raises:
        ImportError: If ViZDoom is not installed.
        ValueError: If there is no such scenario.
    """

    metadata: dict[str, Any] = {"render_modes": ["rgb_array"], "render_fps": 9}

    def __init__(
        self,
        scenario: str = "Basic",
        *,
        frame_skip: int = 4,
        frame_stack: int = 4,
        health_bar: bool = True,
        render_mode: str | None = None,
    ) -> None:
        self._vizdoom = needed("vizdoom", "doom")
        files = {path.stem: path for path in Path(self._vizdoom.scenarios_path).glob("*.cfg")}
        name = re.sub(r"(?<!^)(?=[A-Z])", "_", scenario).lower()
        if name not in files:
            raise ValueError(f"unknown scenario {scenario!r}: {nearest(name, sorted(files))}")
        if frame_skip < 1 or frame_stack < 1:
            raise ValueError(f"frame_skip and frame_stack must be at least 1, got {frame_skip} and {frame_stack}")
        self._file, self._skip, self.restarts = files[name], frame_skip, 0
        self._scratch = Path(tempfile.mkdtemp(prefix="rlkit-doom-"))  # the engine writes where it is started
        self._frames: deque[NDArray[np.uint8]] = deque(maxlen=frame_stack)
        self._game = self._start()
        told = self._game.get_available_game_variables()
        health = self._vizdoom.GameVariable.HEALTH
        self._health = told.index(health) if health_bar and health in told else None
        self._buttons = np.eye(self._game.get_available_buttons_size(), dtype=np.int64).tolist()
        self.observation_space = spaces.Box(0, 255, (frame_stack, HEIGHT, WIDTH), np.uint8)
        self.action_space = spaces.Discrete(len(self._buttons) + 1)
        self.metadata = {**type(self).metadata, "frame_stack": frame_stack}
        self.render_mode = render_mode

    def _start(self) -> Any:
        library, game = self._vizdoom, self._vizdoom.DoomGame()
        with chdir(self._scratch):
            game.load_config(str(self._file))
            game.set_doom_config_path(str(self._scratch / "_vizdoom.ini"))
            game.set_screen_resolution(library.ScreenResolution.RES_160X120)
            game.set_screen_format(library.ScreenFormat.GRAY8)
            game.set_window_visible(False)
            game.set_sound_enabled(False)
            game.set_mode(library.Mode.PLAYER)
            game.init()
        return game

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.uint8], dict[str, Any]]:
        """Begin an episode."""
        super().reset(seed=seed)
        self._game.set_seed(int(self.np_random.integers(2**31 - 1)))
        self._game.new_episode()
        for _ in range(self._frames.maxlen or 1):
            self._frames.append(np.zeros((HEIGHT, WIDTH), np.uint8))
        self._look()
        return np.stack(self._frames), {"restarts": self.restarts}

    def step(self, action: Any) -> tuple[NDArray[np.uint8], float, bool, bool, dict[str, Any]]:
        """Take an action."""
        pressed = self._buttons[action - 1] if action else [0] * len(self._buttons)
        terminated = truncated = False
        reward = 0.0
        try:
            reward = float(self._game.make_action(pressed, self._skip))
            if self._game.is_episode_finished():
                truncated = bool(self._game.is_episode_timeout_reached()) and not self._game.is_player_dead()
                terminated = not truncated
            self._look()
        except (self._vizdoom.ViZDoomUnexpectedExitException, self._vizdoom.ViZDoomIsNotRunningException) as error:
            self.restarts += 1
            warnings.warn(f"Doom exited by itself and was started anew ({error})", RuntimeWarning, stacklevel=2)
            self._game.close()
            self._game, truncated = self._start(), True
        return np.stack(self._frames), reward, terminated, truncated, {"restarts": self.restarts}

    def _look(self) -> None:
        """The newest frame; where the episode is over, there is none, and the last one stays."""
        state = self._game.get_state()
        if state is None:
            self._frames.append(self._frames[-1])
            return
        screen = state.screen_buffer.reshape(HEIGHT, 2, WIDTH, 2).mean((1, 3)).astype(np.uint8)
        if self._health is not None:
            screen[-BAR:] = np.where(
                np.arange(WIDTH) < WIDTH * state.game_variables[self._health] / FULL_HEALTH, 255, 0
            )
        self._frames.append(screen)

    def render(self) -> Any:
        """The newest frame, larger."""
        if self.render_mode is None:
            return None
        return np.repeat(self._frames[-1].repeat(ZOOM, 0).repeat(ZOOM, 1)[..., None], 3, -1)

    def close(self) -> None:
        """Stop the engine and delete what it wrote."""
        self._game.close()
        shutil.rmtree(self._scratch, ignore_errors=True)
