"""How Gymnasium's environments draw where there is no graphics card, and no window."""

from __future__ import annotations

import os
import platform
import sys
from typing import Any

import gymnasium

SHADOW_MAP = 1024  # pixels; a MuJoCo frame without a graphics card takes 45 ms so, 130 with its 4096 and 4 samples


def draw_without_a_window() -> None:
    """Where there is no display, let Gymnasium's MuJoCo draw by EGL, and its classics (SDL) in memory.

    Else MuJoCo looks for a window, and the second time that there is none it ends the process. rlkit's own
    environments look for what there is by themselves.
    """
    if platform.system() == "Linux" and not {"DISPLAY", "WAYLAND_DISPLAY"} & os.environ.keys():
        os.environ.setdefault("MUJOCO_GL", "egl")
        os.environ.setdefault("SDL_VIDEODRIVER", "dummy")


def draw_quickly(env: gymnasium.Env[Any, Any]) -> None:
    """Coarser shadows and no smoothed edges, for pictures that are looked at small, or cannot be waited for.

    Args:
        env: Not drawn yet. Nothing is done to environments that are not Gymnasium's MuJoCo.
    """
    mujoco_envs = sys.modules.get("gymnasium.envs.mujoco")
    if mujoco_envs is not None and isinstance(env.unwrapped, mujoco_envs.MujocoEnv):
        quality = env.unwrapped.model.vis.quality
        quality.shadowsize, quality.offsamples = min(quality.shadowsize, SHADOW_MAP), 0
