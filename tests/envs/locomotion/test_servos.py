from __future__ import annotations

import mujoco
import numpy as np
import pytest

from rlkit.envs.locomotion.bodies import QUADRUPED, BodySpec, Servo
from rlkit.envs.locomotion.model import build_model
from rlkit.envs.locomotion.vector import ObstacleCourseVectorEnv
from rlkit.errors import UsageError

SERVO = {"stiffness_nm": 400.0, "damping_nms": 30.0}
ARM = """<mujoco><worldbody><geom type="plane" size="5 5 1"/>
  <body name="torso" pos="0 0 1"><freejoint/><geom size="0.1"/>
    <body pos="0 0 -0.2"><joint name="knee" axis="0 1 0" {joint}/><geom name="foot" size="0.05"/></body>
  </body></worldbody><actuator>{motor}</actuator></mujoco>"""
RANGE = 'range="-30 90" limited="true"'


def arm(tmp_path, motor: str, joint: str = RANGE) -> BodySpec:
    path = tmp_path / "arm.xml"
    path.write_text(ARM.format(motor=motor, joint=joint))
    return BodySpec(mjcf=str(path), feet=("foot",), servo=Servo(stiffness_nm=20.0, damping_nms=2.0))


def test_the_torque_is_the_stated_one_and_no_more_than_the_motors(tmp_path) -> None:
    motor = '<motor joint="knee" gear="-5" ctrlrange="-1 2" ctrllimited="true"/>'
    model = build_model(arm(tmp_path, motor), None).mujoco
    data = mujoco.MjData(model)
    low, high = np.radians([-30.0, 90.0])
    data.ctrl[0], data.qpos[7], data.qvel[6] = 0.5, 0.6, 0.3
    mujoco.mj_forward(model, data)
    wanted = low + 0.75 * (high - low)
    assert data.qfrc_actuator[6] == pytest.approx(20.0 * (wanted - 0.6) - 2.0 * 0.3)
    for control, sign in ((1.0, 1.0), (-1.0, -1.0)):
        data.ctrl[0], data.qpos[7] = control, low if sign > 0 else high
        mujoco.mj_forward(model, data)
        assert data.qfrc_actuator[6] == pytest.approx(sign * 10.0)  # |gear| times the larger control


def test_a_motor_whose_force_is_limited_lends_the_servo_no_more(tmp_path) -> None:
    motor = '<motor joint="knee" gear="5" ctrlrange="-2 2" ctrllimited="true" forcerange="-1 0.5" forcelimited="true"/>'
    model = build_model(arm(tmp_path, motor), None).mujoco
    np.testing.assert_allclose(model.actuator_forcerange, [[-5.0, 5.0]])


def test_joints_go_to_the_angles_that_actions_name() -> None:
    envs = ObstacleCourseVectorEnv(2, body="quadruped", terrain="flat", servo=SERVO, autoreset_mode="disabled")
    observations, _ = envs.reset(seed=0)
    action = np.tile(np.array([[0.5, 0.0]] * 4, dtype=np.float32).ravel(), (2, 1))
    for _ in range(40):
        observations, _, ended, _, _ = envs.step(action)
    assert not ended.any()
    model = mujoco.MjModel.from_xml_path(str(QUADRUPED.path()))
    for name, share in zip(envs.action_names, action[0], strict=True):
        low, high = model.joint(name).range
        wanted = 0.5 * (low + high) + 0.5 * (high - low) * share
        found = observations[:, envs.observation_names.index(name)]
        np.testing.assert_allclose(found, wanted, atol=0.04)  # it carries its weight with a small error


@pytest.mark.parametrize(
    ("motor", "joint"),
    [
        ('<motor joint="knee" ctrlrange="-1 1" ctrllimited="true"/>', ""),
        ('<position joint="knee" ctrlrange="-1 1" ctrllimited="true"/>', RANGE),
        ('<general joint="knee" dyntype="integrator" ctrlrange="-1 1" ctrllimited="true"/>', RANGE),
        ('<motor joint="knee" ctrlrange="-1 1" ctrllimited="true"/>', 'type="slide" range="-1 1" limited="true"'),
    ],
)
def test_what_a_servo_cannot_replace_is_refused(tmp_path, motor: str, joint: str) -> None:
    with pytest.raises(UsageError, match="no motor on a hinge with a range"):
        build_model(arm(tmp_path, motor, joint), None)
