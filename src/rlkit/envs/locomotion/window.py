"""A window in which a stage is seen at its own speed: drag to turn the camera, scroll to come closer, Esc to close."""

from __future__ import annotations

import os
import platform
import time
import warnings
from typing import Any

import mujoco

from rlkit.envs.locomotion.stage import Shot, Stage
from rlkit.errors import UsageError

TITLE = "rlkit"
LEFT_OUT = 10  # frames in a row, where drawing is slower than the simulation


class Window:
    """Shows a stage on the screen.

    Args:
        stage: The scene.
        frame_s: Between two frames; :meth:`show` waits, so that time passes as it does in the simulation.

    Raises:
        UsageError: If there is no display.
    """

    def __init__(self, stage: Stage, frame_s: float) -> None:
        self._stage, self._frame_s = stage, frame_s
        self._glfw = _started_glfw()
        self._window = self._glfw.create_window(stage.options.width, stage.options.height, TITLE, None, None)
        if not self._window:
            raise UsageError(_no_window("GLFW cannot open one here: OpenGL may be missing"))
        self._glfw.make_context_current(self._window)
        self._drawn_by = mujoco.MjrContext(stage.model, mujoco.mjtFontScale.mjFONTSCALE_100)
        mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_WINDOW, self._drawn_by)
        self._cursor = (0.0, 0.0)
        self._glfw.set_cursor_pos_callback(self._window, self._on_cursor)
        self._glfw.set_scroll_callback(self._window, self._on_scroll)
        self._glfw.set_key_callback(self._window, self._on_key)
        self._due_s = time.monotonic()
        self._left_out = 0

    def show(self, shot: Shot) -> None:
        """Draw a frame when its time has come, or none if it is late already; nothing once the window was closed."""
        if self._window is None:
            return
        self._glfw.poll_events()
        if self._glfw.window_should_close(self._window):
            self.close()
            return
        now = time.monotonic()
        self._due_s += self._frame_s
        if now > self._due_s + self._frame_s and self._left_out < LEFT_OUT:
            self._left_out += 1
            return
        self._left_out = 0
        self._due_s = max(self._due_s, now)
        self._stage.show(shot)
        self._glfw.make_context_current(self._window)
        size = self._glfw.get_framebuffer_size(self._window)
        mujoco.mjr_render(mujoco.MjrRect(0, 0, *size), self._stage.scene, self._drawn_by)
        time.sleep(max(0.0, self._due_s - time.monotonic()))
        self._glfw.swap_buffers(self._window)

    def close(self) -> None:
        """Close the window."""
        if self._window is not None:
            self._glfw.make_context_current(self._window)
            self._drawn_by.free()
            self._glfw.destroy_window(self._window)
            self._window = None

    def _on_cursor(self, window: Any, x: float, y: float) -> None:
        before, self._cursor = self._cursor, (x, y)
        if self._glfw.get_mouse_button(window, self._glfw.MOUSE_BUTTON_LEFT) == self._glfw.PRESS:
            height = max(self._glfw.get_window_size(window)[1], 1)
            self._turn(mujoco.mjtMouse.mjMOUSE_ROTATE_H, (x - before[0]) / height, 0.0)
            self._turn(mujoco.mjtMouse.mjMOUSE_ROTATE_V, 0.0, (y - before[1]) / height)

    def _on_scroll(self, window: Any, x: float, y: float) -> None:
        self._turn(mujoco.mjtMouse.mjMOUSE_ZOOM, 0.0, -0.05 * y)

    def _on_key(self, window: Any, key: int, code: int, action: int, modifiers: int) -> None:
        if key == self._glfw.KEY_ESCAPE:
            self._glfw.set_window_should_close(window, True)

    def _turn(self, how: Any, right: float, down: float) -> None:
        mujoco.mjv_moveCamera(self._stage.model, how, right, down, self._stage.camera)


def _started_glfw() -> Any:
    """GLFW, if there is a screen.

    Raises:
        UsageError: If not.
    """
    if platform.system() == "Linux" and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        raise UsageError(_no_window("neither DISPLAY nor WAYLAND_DISPLAY is set"))
    try:
        with warnings.catch_warnings(action="ignore"):  # GLFW's Python package warns besides
            import glfw

            if glfw.init():
                return glfw
            reason = "GLFW cannot reach the display"
    except ImportError as error:
        reason = str(error)
    raise UsageError(_no_window(reason))


def _no_window(reason: str) -> str:
    return (
        f"render_mode='human' opens a window, and there is no display for it ({reason}): take render_mode='rgb_array', "
        "or record a video (scripts/evaluate.py run=... video=clip.gif); over SSH, `ssh -X` lends a display"
    )
