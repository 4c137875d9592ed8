"""What is drawn: a body on its course, the points where it sees the terrain, and a camera beside it."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, NamedTuple

import mujoco
import numpy as np
from numpy.typing import NDArray

from rlkit.envs.locomotion import looks
from rlkit.envs.locomotion.courses import Courses
from rlkit.envs.locomotion.simulation import Simulation
from rlkit.errors import UsageError

MAX_PIXELS = 4096
SAMPLES = 4  # of a smooth edge
SCAN_RADIUS_M = 0.03
SCAN_RGBA = (0.05, 0.75, 0.85, 1.0)
SHADE_RGBA, SHADE_RADIUS_M = (0.0, 0.0, 0.0, 0.3), 0.18
FINISH_RGBA = (0.95, 0.95, 0.95, 1.0)
_IDENTITY = np.eye(3).ravel()


@dataclass(frozen=True, kw_only=True)
class RenderOptions:
    """What pictures are like.

    Attributes:
        width: In pixels.
        height: In pixels.
        show_scan: Whether the points are drawn at which the body sees the terrain.
        antialias: Whether edges are smooth; without, a picture takes 0.4 of the time.
    """

    width: int = 640
    height: int = 360
    show_scan: bool = True
    antialias: bool = True

    def __post_init__(self) -> None:
        for name in ("width", "height"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MAX_PIXELS:
                raise UsageError(
                    f"{name} of a picture is a whole number of pixels from 1 to {MAX_PIXELS}, got {value!r}"
                )
        for name in ("show_scan", "antialias"):
            if not isinstance(getattr(self, name), bool):
                raise UsageError(f"{name} is True or False, got {getattr(self, name)!r}")

    @classmethod
    def take(cls, arguments: dict[str, Any]) -> RenderOptions:
        """The options among the arguments of an environment, which are taken out."""
        return cls(**{name: arguments.pop(name) for name in RENDER_OPTIONS if name in arguments})


RENDER_OPTIONS = tuple(item.name for item in fields(RenderOptions))


class Shot(NamedTuple):
    """What is drawn.

    Attributes:
        row: Which simulation.
        focus: Where its root is, shape ``(3,)``.
        ground_m: Height of the terrain under the root.
        points: Where its scan meets the terrain, shape ``(p, 3)``.
    """

    row: int
    focus: NDArray[np.float64]
    ground_m: float
    points: NDArray[np.float64]


class Stage:
    """The scene as MuJoCo draws it, and a camera that goes along beside the body.

    A picture is of the present state alone: the camera follows without delay along the track, and half as much up.

    Args:
        simulation: Whose rows are drawn.
        courses: Theirs.
        options: What pictures are like.
    """

    def __init__(self, simulation: Simulation, courses: Courses, options: RenderOptions) -> None:
        self.options = options
        self._simulation, self._courses = simulation, courses
        self._model_part, self._anatomy = simulation.model.geoms, simulation.model.anatomy
        self.model = simulation.mujoco_model(0)
        self.model.vis.global_.offwidth, self.model.vis.global_.offheight = options.width, options.height
        self.model.vis.quality.offsamples = SAMPLES if options.antialias else 0
        self._data = mujoco.MjData(self.model)
        looks.paint(self.model, courses, 0, self._model_part)
        self.scene = mujoco.MjvScene(self.model, maxgeom=self.model.ngeom + self.model.nsite + 200)
        for flag in ("SHADOW", "REFLECTION"):  # with them a picture takes six times as long
            self.scene.flags[getattr(mujoco.mjtRndFlag, f"mjRND_{flag}")] = False
        self.scene.flags[mujoco.mjtRndFlag.mjRND_HAZE] = True
        self.scene.flags[mujoco.mjtRndFlag.mjRND_SKYBOX] = True
        self._visible = mujoco.MjvOption()
        self._nothing_held = mujoco.MjvPerturb()
        self.camera = mujoco.MjvCamera()
        self.camera.type = mujoco.mjtCamera.mjCAMERA_FREE
        self.camera.distance, self.camera.azimuth, self.camera.elevation = self._view()

    def _view(self) -> tuple[float, float, float]:
        """Distance in units of the body's height, azimuth and elevation: from the side, or over the shoulder."""
        distance = 3.2 + 0.8 * self._anatomy.stand_m
        return (distance, 80.0, -12.0) if self._anatomy.planar else (distance, 52.0, -22.0)

    def show(self, shot: Shot, *, decorated: bool = True) -> None:
        """Set the scene.

        Args:
            shot: What is drawn.
            decorated: With the points of the scan, the finish line and the body's shade, which are no objects.
        """
        self._simulation.mujoco_model(shot.row, self.model)
        self._simulation.mujoco_data(shot.row, self._data)
        looks.paint(self.model, self._courses, shot.row, self._model_part)
        ahead = 0.9 if self._anatomy.planar else 1.2
        self.camera.lookat[:] = (shot.focus[0] + ahead, shot.focus[1], 0.5 * shot.focus[2] + 0.15)
        mujoco.mjv_updateScene(
            self.model,
            self._data,
            self._visible,
            self._nothing_held,
            self.camera,
            mujoco.mjtCatBit.mjCAT_ALL,
            self.scene,
        )
        if decorated:
            self._decorate(shot)

    def _decorate(self, shot: Shot) -> None:
        x, y, z = shot.focus
        lift = max(z - shot.ground_m, 0.0)
        self._add("CYLINDER", (SHADE_RADIUS_M + 0.1 * lift, 0.0, 0.002), (x, y, shot.ground_m + 0.004), SHADE_RGBA)
        finish, width = self._courses.length_m[shot.row], self._courses.half_width_m[shot.row]
        self._add("BOX", (0.1, width, 0.003), (finish, 0.0, 0.003), FINISH_RGBA)
        for y in (-width, width):
            self._add("CYLINDER", (0.04, 1.0, 1.0), (finish, y, 1.0), FINISH_RGBA)
        for point in shot.points if self.options.show_scan else ():
            self._add("SPHERE", (SCAN_RADIUS_M,) * 3, point, SCAN_RGBA)

    def _add(self, kind: str, size: Any, place: Any, rgba: Any) -> None:
        """A thing that is only seen."""
        if self.scene.ngeom >= self.scene.maxgeom:
            return
        geom = self.scene.geoms[self.scene.ngeom]
        mujoco.mjv_initGeom(
            geom,
            getattr(mujoco.mjtGeom, f"mjGEOM_{kind}"),
            np.asarray(size, dtype=np.float64),
            np.asarray(place, dtype=np.float64),
            _IDENTITY,
            np.asarray(rgba, dtype=np.float32),
        )
        geom.category = mujoco.mjtCatBit.mjCAT_DECOR
        geom.emission = 0.5
        self.scene.ngeom += 1
