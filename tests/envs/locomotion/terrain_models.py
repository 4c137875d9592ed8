"""Courses drawn for tests, and a MuJoCo model of nothing but terrain."""

from __future__ import annotations

from typing import Any

import mujoco
import numpy as np
from hypothesis import strategies as st
from mujoco.batch import Batch
from numpy.typing import NDArray

from rlkit.envs.locomotion.courses import MAX_BOXES, TERRAINS, Courses, new_courses, parse_terrain
from rlkit.envs.locomotion.generation import generate_rows
from rlkit.envs.locomotion.geometry import Geoms, geometry_rows
from rlkit.envs.locomotion.limits import ANT_LIMITS, HUMANOID_LIMITS, WALKER_LIMITS, CourseLimits
from rlkit.envs.locomotion.rough import add_height_fields

BODIES = {"walker": WALKER_LIMITS, "ant": ANT_LIMITS, "humanoid": HUMANOID_LIMITS}
PAIRS = [(body, terrain) for body in BODIES for terrain in TERRAINS if (body, terrain) != ("walker", "slalom")]
BUILT = [pair for pair in PAIRS if pair[1] not in ("flat", "mixture")]

keys = st.integers(0, 2**64 - 1)
episodes = st.integers(0, 10_000)
difficulties = st.floats(0.0, 1.0)


def draw(
    limits: CourseLimits,
    terrain: str,
    key: int | NDArray[np.uint64],
    *,
    episode: int = 0,
    difficulty: float = 1.0,
    along: bool = False,
) -> Courses:
    """One course a key."""
    all_keys = np.atleast_1d(np.asarray(key, dtype=np.uint64))
    n = len(all_keys)
    courses = new_courses(n, limits)
    generate_rows(
        np.ones(n, dtype=np.bool_),
        all_keys,
        np.full(n, episode, dtype=np.int64),
        np.full(n, parse_terrain(terrain, limits), dtype=np.int32),
        np.full(n, float(difficulty)),
        along,
        limits.for_kernels(),
        courses,
    )
    return courses


def obstacles_of(courses: Courses, row: int = 0) -> NDArray[np.void]:
    return courses.obstacles[row, : courses.num_obstacles[row]]


def many_keys(n: int, seed: int = 0) -> NDArray[np.uint64]:
    return np.random.default_rng(seed).integers(0, 2**64, n, dtype=np.uint64)


def hardness(courses: Courses, row: int = 0) -> NDArray[np.float64]:
    """How hard each obstacle is, in metres: heights, lengths of gaps, and openings with their sign turned."""
    sizes = []
    for o in obstacles_of(courses, row):
        kind = int(o["kind"])
        if kind == 1:
            sizes.append(o["end_m"] - o["start_m"])
        elif kind == 3:
            sizes.append(o["y_min_m"] - o["y_max_m"])
        elif kind == 2 and o["underside_m"] > 0.5:
            sizes.append(-o["underside_m"])
        else:
            sizes.append(o["height_m"])
    return np.array(sizes, dtype=np.float64)


class TerrainModel:
    """Courses shown in a batch of simulations, with a ball in each."""

    def __init__(self, courses: Courses, *, ball_radius_m: float = 0.05) -> None:
        spec = mujoco.MjSpec()
        spec.option.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST
        world = spec.worldbody
        world.add_geom(name="plane", type=mujoco.mjtGeom.mjGEOM_PLANE, size=[0, 0, 1])
        for b in range(MAX_BOXES):
            world.add_geom(name=f"box_{b}", type=mujoco.mjtGeom.mjGEOM_BOX, size=[0.1, 0.1, 0.1])
        add_height_fields(spec, courses.bank, name="field")
        ball = world.add_body(name="ball")
        ball.add_freejoint()
        ball.add_geom(type=mujoco.mjtGeom.mjGEOM_SPHERE, size=[ball_radius_m, 0, 0], group=1)
        self.model = spec.compile()
        self.courses = courses
        self.n = len(courses.field)
        self.batch = Batch(self.model, self.n, nthread=1)
        self.arrays: list[Any] = [self.batch.expand(name) for name in ("geom_pos", "geom_size", "geom_dataid")]
        box_ids = np.array([self.model.geom(f"box_{b}").id for b in range(MAX_BOXES)], dtype=np.int32)
        self.geoms = Geoms(box_ids, self.model.geom("plane").id, self.model.geom("field").id, 0)
        self.show()

    def show(self) -> None:
        geometry_rows(np.ones(self.n, dtype=np.bool_), self.courses, self.geoms, *self.arrays)
        self.batch.set_const()

    def heights_below(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Where rays straight down from points (n, p, 3) hit the terrain."""
        terrain_only = np.array([1, 0, 0, 0, 0, 0], dtype=np.uint8)
        distance, _ = self.batch.ray(points, np.array([0.0, 0.0, -1.0]), geomgroup=terrain_only)
        return points[..., 2] - distance

    def rest(self, x: float, y: float, z: float, seconds: float = 1.5) -> NDArray[np.float64]:
        """Heights at which balls come to rest that are let fall from a point."""
        self.batch.reset()
        self.batch.bind("qpos")[:, :3] = (x, y, z)
        self.batch.step(nstep=round(seconds / self.model.opt.timestep))
        return self.batch.bind("qpos")[:, 2].copy()
