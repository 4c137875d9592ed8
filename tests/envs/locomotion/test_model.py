from __future__ import annotations

import mujoco
import numpy as np
import pytest

from rlkit.envs.locomotion.bodies import BODIES, BodySpec
from rlkit.envs.locomotion.model import build_model
from rlkit.envs.locomotion.rough import new_bank
from rlkit.errors import UsageError

BALL = """<mujoco><worldbody>
  <geom name="floor" type="plane" size="5 5 1" friction="0.3 0.1 0.1"/>
  <body name="torso" pos="0 0 1" quat="{quat}">{root}
    <geom name="trunk" size="0.1"/>
    <body name="leg" pos="0 0 -0.2"><joint name="knee" axis="0 1 0"/><geom name="foot" size="0.05"/></body>
  </body></worldbody>
  <actuator>{motor}</actuator></mujoco>"""
FREE = "<freejoint/>"
PLANAR = """<joint type="slide" axis="0 0 -1" ref="0.3"/><joint type="slide" axis="1 0 0" pos="0 0 -1"/>
  <joint axis="0 -1 0" ref="0.2"/>"""
ON_ITS_SIDE = "0.7071067811865476 0.7071067811865476 0 0"
MOTOR = '<motor joint="knee" ctrlrange="-2 4" ctrllimited="true"/>'


def custom(tmp_path, joint: str = FREE, motor: str = MOTOR, quat: str = ON_ITS_SIDE, **fields) -> BodySpec:
    path = tmp_path / "ball.xml"
    path.write_text(BALL.format(root=joint, motor=motor, quat=quat))
    return BodySpec(**{"mjcf": str(path), "feet": ("foot",), **fields})


@pytest.mark.parametrize("name", BODIES)
def test_bodies_touch_the_terrain_and_the_terrain_touches_nothing_else(name: str) -> None:
    body = BODIES[name]
    model = build_model(body, new_bank(body.limits)).mujoco
    terrain = model.geom_bodyid == 0
    assert (model.geom_contype[terrain] == 0).all() and (model.geom_conaffinity[terrain] == 1).all()
    assert (model.geom_contype[~terrain] & 1).all()
    planes = model.geom_type == mujoco.mjtGeom.mjGEOM_PLANE
    assert planes.sum() == 1  # the file's own floor is gone


@pytest.mark.parametrize("name", BODIES)
def test_actions_reach_every_actuator(name: str) -> None:
    model = build_model(BODIES[name], None)
    low, high = model.mujoco.actuator_ctrlrange.T
    np.testing.assert_allclose(model.control_middle - model.control_half, low)
    np.testing.assert_allclose(model.control_middle + model.control_half, high)
    assert len(set(model.actuator_names)) == model.mujoco.nu


def test_a_body_of_ones_own(tmp_path) -> None:
    model = build_model(custom(tmp_path), None)
    assert model.control_middle == [1.0] and model.control_half == [3.0]
    assert model.joint_names == ("knee",) and model.actuator_names == ("knee",)
    assert model.anatomy.stand_m == pytest.approx(1.0)
    data = mujoco.MjData(model.mujoco)
    mujoco.mj_kinematics(model.mujoco, data)
    upright = data.site("rlkit_root").xmat
    np.testing.assert_allclose(upright, np.eye(3).ravel(), atol=1e-6)  # although the torso itself lies on its side
    box = model.mujoco.geom("rlkit_box_0")
    assert box.friction[0] == 0.3  # as the floor that it replaces


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"root": "trso"}, "did you mean 'torso'"),
        ({"feet": ("fot",)}, "did you mean 'foot'"),
        ({"head": "hed"}, "head of body 'custom' names the geom 'hed'"),
        ({"scan_origin": "nose"}, "scan_origin"),
        ({"torque_bodies": ("thigh",)}, "torque_bodies"),
        ({"planar": True}, "hinge about y .planar=True. as joints, it has: free"),
    ],
)
def test_what_a_body_names_must_be_there(tmp_path, changes, message) -> None:
    with pytest.raises(UsageError, match=message):
        build_model(custom(tmp_path, **changes), None)


def test_models_that_cannot_run_are_refused(tmp_path) -> None:
    with pytest.raises(UsageError, match="free joint .planar=False. as joints, it has: hinge"):
        build_model(custom(tmp_path, joint='<joint name="r"/>'), None)
    for crooked in (PLANAR.replace("0 -1 0", "0 -1 1"), PLANAR.replace("1 0 0", "0 1 0"), PLANAR):
        with pytest.raises(UsageError, match="in the world's axes"):
            quat = ON_ITS_SIDE if crooked is PLANAR else "1 0 0 0"
            build_model(custom(tmp_path, joint=crooked, quat=quat, planar=True), None)
    with pytest.raises(UsageError, match="no actuators"):
        build_model(custom(tmp_path, motor=""), None)
    with pytest.raises(UsageError, match="no ctrlrange"):
        build_model(custom(tmp_path, motor='<motor joint="knee"/>'), None)
    with pytest.raises(UsageError, match="MuJoCo cannot read"):
        build_model(custom(tmp_path, motor="<moto/>"), None)
