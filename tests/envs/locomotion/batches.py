"""Batches of bodies for tests, and ways to put a body where a test needs it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rlkit.envs.locomotion.bodies import BODIES
from rlkit.envs.locomotion.pose import pose_rows
from rlkit.envs.locomotion.vector import ObstacleCourseVectorEnv

TERRAIN_OF = {"walker": "mixed", "quadruped": "slalom", "humanoid": "rough"}  # between them, every way of building


def make(n: int = 1, *, seed: int | list[int] = 0, **arguments: Any) -> ObstacleCourseVectorEnv:
    """A batch that was reset; episodes end only where a test wants to see them end."""
    given = {"autoreset_mode": "disabled", "threads": 1, **arguments}
    envs = ObstacleCourseVectorEnv(n, **given)
    envs.reset(seed=seed)
    return envs


def no_actions(envs: ObstacleCourseVectorEnv) -> NDArray[np.float32]:
    return np.zeros(envs.action_space.shape, dtype=np.float32)  # type: ignore[arg-type]


def random_actions(envs: ObstacleCourseVectorEnv, steps: int, size: float = 0.4) -> NDArray[np.float32]:
    rng = np.random.default_rng(7)
    return rng.uniform(-size, size, (steps, *envs.action_space.shape)).astype(np.float32)  # type: ignore[misc]


def move(envs: ObstacleCourseVectorEnv, x: float = 0.0, y: float = 0.0, z: float = 0.0, row: int = 0) -> None:
    """Shift the root of one body."""
    readout, body = envs._simulation.readout, envs.setup.body
    where = {"x": 0, "z": 1} if body.planar else {"x": 0, "y": 1, "z": 2}
    for axis, distance in (("x", x), ("y", y), ("z", z)):
        if distance:
            readout.qpos[row, where[axis]] += distance
    pose_rows(np.ones(envs.num_envs, dtype=np.bool_), readout, envs._model.anatomy, envs._pose)


def topple(envs: ObstacleCourseVectorEnv, row: int = 0) -> None:
    """Lay one body down where it is."""
    position = envs._simulation.readout.qpos[row]
    if envs.setup.body.planar:
        position[2] = 1.5
    else:
        position[3:7] = (np.cos(1.2), np.sin(1.2), 0.0, 0.0)


def observed(envs: ObstacleCourseVectorEnv, name: str, row: int = 0) -> float:
    return float(envs.observe()[0][row, envs.observation_names.index(name)])


ALL_BODIES = tuple(BODIES)
