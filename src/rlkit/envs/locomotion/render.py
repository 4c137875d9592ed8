"""Pictures of bodies on their courses, drawn by MuJoCo without a window."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

import mujoco
import numpy as np
from numpy.typing import NDArray

from rlkit.envs.locomotion.backend import open_context
from rlkit.envs.locomotion.courses import Courses
from rlkit.envs.locomotion.looks import FARTHEST_M, NEAREST_M
from rlkit.envs.locomotion.simulation import Simulation
from rlkit.envs.locomotion.stage import RenderOptions, Shot, Stage

if TYPE_CHECKING:
    from rlkit.envs.locomotion.window import Window

RENDER_MODES = ("human", "rgb_array", "depth_array")


class Painter:
    """Draws pictures of a stage, as often as wanted.

    Args:
        stage: The scene.

    Raises:
        UsageError: If nothing here can draw.
    """

    def __init__(self, stage: Stage) -> None:
        options = stage.options
        self._stage = stage
        self._context = open_context(options.width, options.height)
        self._drawn_by = mujoco.MjrContext(stage.model, mujoco.mjtFontScale.mjFONTSCALE_100)
        mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN, self._drawn_by)
        self._drawn_by.readDepthMap = mujoco.mjtDepthMap.mjDEPTH_ZEROFAR
        self._rectangle = mujoco.MjrRect(0, 0, options.width, options.height)
        self.close = weakref.finalize(self, _free, self._context, self._drawn_by)

    def picture(self, shot: Shot) -> NDArray[np.uint8]:
        """Colours, shape ``(height, width, 3)``."""
        self._stage.show(shot)
        pixels = np.empty((self._rectangle.height, self._rectangle.width, 3), dtype=np.uint8)
        self._draw(pixels, None)
        return np.ascontiguousarray(pixels[::-1])

    def depths(self, shot: Shot) -> NDArray[np.float32]:
        """Distances from the camera's plane in metres, shape ``(height, width)``; the sky's is ``FARTHEST_M``."""
        self._stage.show(shot, decorated=False)
        raw = np.empty((self._rectangle.height, self._rectangle.width), dtype=np.float32)
        flags = self._stage.scene.flags
        before = flags.copy()
        for name, on in (("SKYBOX", False), ("HAZE", False), ("SEGMENT", True), ("IDCOLOR", True)):
            flags[getattr(mujoco.mjtRndFlag, f"mjRND_{name}")] = on  # the sky is no thing, and blends none
        self._draw(None, raw)
        flags[:] = before
        near, far = NEAREST_M, FARTHEST_M  # the raw numbers are 1 there and 0 here
        return np.ascontiguousarray((near * far / (near + raw.astype(np.float64) * (far - near)))[::-1], np.float32)

    def _draw(self, pixels: Any, depths: Any) -> None:
        self._context.make_current()
        mujoco.mjr_render(self._rectangle, self._stage.scene, self._drawn_by)
        mujoco.mjr_readPixels(pixels, depths, self._rectangle, self._drawn_by)


class Screen:
    """Shows rows of a batch as pictures, as depths or in a window; each is made when it is first asked for.

    Args:
        simulation: Whose rows are drawn.
        courses: Theirs.
        options: What pictures are like.
        frame_s: Time that a frame stays in the window.
    """

    def __init__(self, simulation: Simulation, courses: Courses, options: RenderOptions, frame_s: float) -> None:
        self._simulation, self._courses = simulation, courses
        self._options, self._frame_s = options, frame_s
        self._painter: Painter | None = None
        self._window: Window | None = None

    def draw(self, shot: Shot, mode: str) -> NDArray[Any]:
        """Colours or depths, as the mode (``"rgb_array"`` or ``"depth_array"``) says.

        Raises:
            UsageError: If nothing here can draw.
        """
        if self._painter is None:
            self._painter = Painter(self._new_stage())
        return self._painter.picture(shot) if mode == "rgb_array" else self._painter.depths(shot)

    def show(self, shot: Shot) -> None:
        """Bring the window up to date.

        Raises:
            UsageError: If there is no display for it.
        """
        from rlkit.envs.locomotion.window import Window

        if self._window is None:
            self._window = Window(self._new_stage(), self._frame_s)
        self._window.show(shot)

    def _new_stage(self) -> Stage:
        return Stage(self._simulation, self._courses, self._options)

    def close(self) -> None:
        """Give back what OpenGL holds; it is made anew if something is drawn again."""
        for drawing in (self._painter, self._window):
            if drawing is not None:
                drawing.close()
        self._painter = self._window = None


def _free(context: Any, drawn_by: Any) -> None:
    """Give back what OpenGL holds; at the interpreter's end too, while its modules are still there."""
    with context.as_current():
        drawn_by.free()
    context.free()
