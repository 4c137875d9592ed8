"""Servos in the place of a model's motors: an action is then the angle that a joint is pulled to."""

from __future__ import annotations

from typing import Any

import mujoco
import numpy as np

from rlkit.envs.locomotion.bodies import BodySpec, Servo
from rlkit.errors import UsageError

_HINGE = int(mujoco.mjtJoint.mjJNT_HINGE)


def put_servos(spec: Any, body: BodySpec, servo: Servo, bare: Any) -> None:
    """Make a servo of each motor: control -1 pulls its joint to the low end of its range, 1 to the high end.

    Args:
        spec: The model, changed in place.
        body: Whose it is.
        servo: How stiff.
        bare: The model as it is in its file, compiled.

    Raises:
        UsageError: If an actuator is no motor on a hinge with a range.
    """
    for number, actuator in enumerate(spec.actuators):
        joint = int(bare.actuator_trnid[number, 0])
        _check_motor(body, bare, number, joint)
        low, high = bare.jnt_range[joint]
        torque = abs(bare.actuator_gear[number, 0]) * _most_force(bare, number)
        actuator.gear = [1.0, 0.0, 0.0, 0.0, 0.0, 0.0]
        actuator.biastype = mujoco.mjtBias.mjBIAS_AFFINE
        actuator.gainprm[0] = 0.5 * servo.stiffness_nm * (high - low)
        actuator.biasprm[:3] = 0.5 * servo.stiffness_nm * (low + high), -servo.stiffness_nm, -servo.damping_nms
        actuator.ctrlrange = [-1.0, 1.0]
        actuator.forcelimited, actuator.forcerange = mujoco.mjtLimited.mjLIMITED_TRUE, [-torque, torque]


def _most_force(bare: Any, number: int) -> float:
    """What a motor exerts at most, before its gear."""
    ranges = [bare.actuator_ctrlrange[number]]
    if bare.actuator_forcelimited[number]:
        ranges.append(bare.actuator_forcerange[number])
    return min(float(np.abs(ends).max()) for ends in ranges)


def _check_motor(body: BodySpec, bare: Any, number: int, joint: int) -> None:
    """Refuse what a servo cannot take the place of."""
    plain = (
        bare.actuator_trntype[number] == mujoco.mjtTrn.mjTRN_JOINT
        and bare.actuator_gaintype[number] == mujoco.mjtGain.mjGAIN_FIXED
        and bare.actuator_biastype[number] == mujoco.mjtBias.mjBIAS_NONE
        and bare.actuator_dyntype[number] == mujoco.mjtDyn.mjDYN_NONE
        and bare.actuator_gainprm[number, 0] == 1.0
    )
    if not plain or bare.jnt_type[joint] != _HINGE or not bare.jnt_limited[joint]:
        name = bare.actuator(number).name or f"number {number}"
        raise UsageError(
            f"actuator {name} of {body.mjcf} is no motor on a hinge with a range, so that it can have no servo: "
            "leave servo out"
        )
