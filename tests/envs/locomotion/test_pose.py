"""The root's pose, which is worked out from its joints, is MuJoCo's."""

from __future__ import annotations

import mujoco
import numpy as np
import pytest

from rlkit.envs.locomotion.model import build_model
from rlkit.envs.locomotion.pose import new_pose, pose_rows
from rlkit.envs.locomotion.simulation import Simulation

from .batches import ALL_BODIES, make, random_actions
from .test_model import PLANAR, custom


def assert_mujocos(simulation: Simulation, pose) -> None:
    """Against the site on the root, whose axes are the world's in the model's own pose."""
    model = simulation.model.mujoco
    site = model.site("rlkit_root").id
    for row in range(len(pose.place)):
        data = simulation.mujoco_data(row)
        np.testing.assert_allclose(pose.place[row], data.site_xpos[site], atol=1e-12)
        np.testing.assert_allclose(pose.turn[row], data.site_xmat[site], atol=1e-12)
        motion = np.zeros(6)
        mujoco.mj_objectVelocity(model, data, mujoco.mjtObj.mjOBJ_SITE, site, motion, 0)
        np.testing.assert_allclose(pose.velocity[row], motion[3:], atol=1e-9)
        np.testing.assert_allclose(pose.spin[row], pose.turn[row].reshape(3, 3).T @ motion[:3], atol=1e-9)


@pytest.mark.parametrize("body", ALL_BODIES)
def test_of_bodies_that_move(body: str) -> None:
    envs = make(3, body=body, terrain="flat", autoreset_mode="same_step")
    for actions in random_actions(envs, 12):
        envs.step(actions)
    assert_mujocos(envs._simulation, envs._pose)


@pytest.mark.parametrize("planar", [False, True])
def test_of_a_root_that_does_not_begin_upright_or_whose_joints_are_turned_about(tmp_path, planar: bool) -> None:
    body = custom(tmp_path, joint=PLANAR, quat="1 0 0 0", planar=True) if planar else custom(tmp_path)
    simulation = Simulation(build_model(body, None), 4, 1)
    rng = np.random.default_rng(0)
    readout = simulation.readout
    readout.qpos[:] = simulation.model.mujoco.qpos0 + rng.normal(size=readout.qpos.shape)
    readout.qvel[:] = rng.normal(size=readout.qvel.shape)
    if not planar:
        readout.qpos[:, 3:7] /= np.linalg.norm(readout.qpos[:, 3:7], axis=1, keepdims=True)
    pose, rows = new_pose(4), np.ones(4, dtype=bool)
    pose_rows(rows, readout, simulation.model.anatomy, pose)
    assert_mujocos(simulation, pose)
