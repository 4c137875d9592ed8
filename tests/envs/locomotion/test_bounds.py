"""Bounds of static geometry are those that MuJoCo derives, bit for bit; where they cannot be, MuJoCo derives them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from rlkit.envs.locomotion.bodies import BODIES, BodySpec
from rlkit.envs.locomotion.simulation import MODEL_ARRAYS
from rlkit.envs.locomotion.vector import ObstacleCourseVectorEnv

from .batches import make
from .test_model import BALL, FREE, MOTOR


def models(envs: ObstacleCourseVectorEnv) -> list[Any]:
    return [envs._simulation.mujoco_model(row) for row in range(envs.num_envs)]


def assert_derived(envs: ObstacleCourseVectorEnv) -> None:
    """``set_const`` changes nothing in any array of the models."""
    ours = models(envs)
    envs._simulation._batch.set_const()
    for mine, theirs in zip(ours, models(envs), strict=True):
        for name in MODEL_ARRAYS:
            np.testing.assert_array_equal(getattr(mine, name), getattr(theirs, name), err_msg=name)


@pytest.mark.parametrize("terrain", ["flat", "hurdles", "gaps", "mixed", "rough"])
@pytest.mark.parametrize("body", BODIES)
def test_bounds_are_mujocos(body: str, terrain: str) -> None:
    envs = make(3, body=body, terrain=terrain, curriculum="none")
    assert envs._simulation.derives_bounds
    for seed in range(4):
        envs.reset(seed=seed)
        assert_derived(envs)


def test_the_arrays_are_all_there_are() -> None:
    assert {"geom_aabb", "geom_rbound", "geom_sameframe", "bvh_aabb", "dof_invweight0"} <= set(MODEL_ARRAYS)
    assert len(MODEL_ARRAYS) > 300


def test_a_model_with_turned_walls_of_its_own_is_left_to_mujoco(tmp_path) -> None:
    wall = '<geom name="wall" type="box" size="3 0.3 0.2" pos="8 1.3 0" euler="10 20 30"/>'
    path = tmp_path / "walled.xml"
    path.write_text(BALL.format(root=FREE, motor=MOTOR, quat="1 0 0 0").replace("<worldbody>", f"<worldbody>{wall}"))
    body = BodySpec(mjcf=str(path), feet=("foot",))
    envs = make(2, body=body, terrain="hurdles")
    assert not envs._simulation.derives_bounds
    assert_derived(envs)
    envs.reset(seed=5)
    assert_derived(envs)


def test_conditions_that_change_masses_are_left_to_mujoco() -> None:
    envs = make(2, terrain="hurdles", conditions={"mass": [0.5, 2.0]})
    assert not envs._simulation.derives_bounds
    assert_derived(envs)
