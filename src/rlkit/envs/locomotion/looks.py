"""How courses look: sky, light, a ground of squares with sides of one metre, a colour for each kind of obstacle."""

from __future__ import annotations

from typing import Any

import mujoco
import numpy as np
from numpy.typing import NDArray

from rlkit.envs.locomotion.courses import FLIGHT, GAP, HURDLE, PLATFORM, RELIEF, WALL, Courses

PREFIX = "rlkit_look_"
SKY_TOP, SKY_HORIZON = (0.30, 0.50, 0.75), (0.86, 0.91, 0.95)
GROUND_LIGHT, GROUND_DARK = (0.80, 0.83, 0.85), (0.66, 0.70, 0.74)
PIT_RGBA = (0.30, 0.33, 0.38, 1.0)
WHITE = (1.0, 1.0, 1.0, 1.0)
KIND_RGBA = {
    HURDLE: (0.88, 0.36, 0.22, 1.0),
    GAP: WHITE,  # the floors between gaps: of the ground's material
    PLATFORM: (0.55, 0.38, 0.72, 1.0),
    WALL: (0.22, 0.46, 0.68, 1.0),
    FLIGHT: (0.93, 0.70, 0.24, 1.0),
    RELIEF: (0.55, 0.62, 0.42, 1.0),
}
_SKY_PIXELS = 256
_GROUND_PIXELS = 256
NEAREST_M, FARTHEST_M = 0.05, 60.0  # what is nearer or farther is not drawn; haze begins before


def dress(spec: Any) -> None:
    """Give a model sky, light and the material of the ground. Physics does not know of it.

    Args:
        spec: A ``mujoco.MjSpec``; its own skies and the world's lights are replaced.
    """
    for texture in [t for t in spec.textures if t.type == mujoco.mjtTexture.mjTEXTURE_SKYBOX]:
        spec.delete(texture)
    for light in list(spec.worldbody.lights):
        spec.delete(light)
    spec.add_texture(
        name=f"{PREFIX}sky",
        type=mujoco.mjtTexture.mjTEXTURE_SKYBOX,
        builtin=mujoco.mjtBuiltin.mjBUILTIN_GRADIENT,
        rgb1=SKY_TOP,
        rgb2=SKY_HORIZON,
        width=_SKY_PIXELS,
        height=6 * _SKY_PIXELS,
    )
    spec.add_texture(
        name=f"{PREFIX}squares",
        type=mujoco.mjtTexture.mjTEXTURE_2D,
        builtin=mujoco.mjtBuiltin.mjBUILTIN_CHECKER,
        rgb1=GROUND_LIGHT,
        rgb2=GROUND_DARK,
        width=_GROUND_PIXELS,
        height=_GROUND_PIXELS,
    )
    ground = spec.add_material(name=f"{PREFIX}ground", texuniform=True, texrepeat=[1.0, 1.0], specular=0.0)
    ground.textures[mujoco.mjtTextureRole.mjTEXROLE_RGB] = f"{PREFIX}squares"
    spec.worldbody.add_light(
        name=f"{PREFIX}sun",
        type=mujoco.mjtLightType.mjLIGHT_DIRECTIONAL,
        dir=[-0.25, 0.35, -1.0],
        diffuse=[0.62, 0.62, 0.60],
        specular=[0.1, 0.1, 0.1],
        ambient=[0.0, 0.0, 0.0],
        castshadow=False,
    )


def paint(model: Any, courses: Courses, row: int, geoms: Any) -> None:
    """Colour the terrain of a model by what its parts are, and set light and distances for drawing.

    Args:
        model: A copy of the simulation's ``MjModel`` that is for drawing alone.
        courses: The courses.
        row: Which one the model has.
        geoms: The model's ``geometry.Geoms``.
    """
    ground = model.material(f"{PREFIX}ground").id
    has_pit = courses.ground_z[row] < 0.0
    model.geom_rgba[geoms.plane] = PIT_RGBA if has_pit else WHITE
    model.geom_matid[geoms.plane] = -1 if has_pit else ground
    kinds = box_kinds(courses, row)
    for number, (box, kind) in enumerate(zip(geoms.boxes, kinds, strict=False)):
        shade = 0.86 if kind == FLIGHT and number % 2 else 1.0  # or one step could not be told from the next
        model.geom_rgba[box, :3] = shade * np.array(KIND_RGBA[kind][:3])
        model.geom_matid[box] = ground if kind == GAP else -1
    if geoms.field >= 0:
        model.geom_rgba[geoms.field] = KIND_RGBA[RELIEF]
        model.geom_matid[geoms.field] = ground
    model.stat.extent = 1.0  # else of all that is parked far below, and the distances here are shares of it
    vis = model.vis
    vis.map.znear, vis.map.zfar = NEAREST_M, FARTHEST_M
    vis.map.haze = 0.4
    vis.rgba.haze[:] = (*SKY_HORIZON, 1.0)
    vis.headlight.ambient[:] = 0.40
    vis.headlight.diffuse[:] = 0.18
    vis.headlight.specular[:] = 0.0
    vis.quality.shadowsize = 0


def box_kinds(courses: Courses, row: int) -> NDArray[np.int64]:
    """What each box of a course is part of; the floors between gaps count as gaps."""
    boxes = courses.boxes[row, : courses.num_boxes[row]]
    obstacles = courses.obstacles[row, : courses.num_obstacles[row]]
    middle = 0.5 * (boxes[:, 0] + boxes[:, 1])
    number = np.searchsorted(obstacles["end_m"], middle).clip(max=max(len(obstacles) - 1, 0))
    floor = boxes[:, 5] <= 0.0
    return np.where(floor, GAP, obstacles["kind"][number] if len(obstacles) else HURDLE)
