from __future__ import annotations

import mujoco
import numpy as np
import pytest

from rlkit.envs.locomotion.bodies import BODIES

from .batches import ALL_BODIES, TERRAIN_OF, make, move, observed, random_actions


def settled(body: str, steps: int = 8):
    """A batch after some steps, and MuJoCo's own view of row 1, computed apart from the batch."""
    envs = make(2, body=body, terrain=TERRAIN_OF[body], seed=3)
    for actions in random_actions(envs, steps, 0.2):
        envs.step(actions)
    model, data = envs._simulation.mujoco_model(1), envs._simulation.mujoco_data(1)
    mujoco.mj_forward(model, data)
    return envs, model, data


@pytest.mark.parametrize("body", ALL_BODIES)
def test_names_are_those_of_what_is_observed(body: str) -> None:
    envs, _, data = settled(body)
    root = data.body(BODIES[body].root)
    for joint in envs._model.joint_names:
        assert observed(envs, joint, 1) == pytest.approx(data.joint(joint).qpos[0], abs=1e-5)
        assert observed(envs, f"{joint}_rate", 1) == pytest.approx(
            np.clip(data.joint(joint).qvel[0], -20, 20), abs=1e-4
        )
    level = max(envs.terrain_height(root.xpos[0], root.xpos[1], root.xpos[2], row=1), 0.0)
    assert observed(envs, "height", 1) == pytest.approx(root.xpos[2] - level, abs=1e-5)
    turn = root.xmat.reshape(3, 3)
    if body == "walker":
        assert observed(envs, "pitch", 1) == pytest.approx(data.joint("rooty").qpos[0], abs=1e-5)
        assert observed(envs, "speed_x", 1) == pytest.approx(data.joint("rootx").qvel[0], abs=1e-5)
        assert observed(envs, "speed_z", 1) == pytest.approx(data.joint("rootz").qvel[0], abs=1e-5)
        assert observed(envs, "pitch_rate", 1) == pytest.approx(data.joint("rooty").qvel[0], abs=1e-5)
    else:
        free = data.joint("root").qvel
        down = [observed(envs, f"down_{axis}", 1) for axis in "xyz"]
        np.testing.assert_allclose(down, -turn[2], atol=1e-5)
        velocity = [observed(envs, f"velocimeter_{axis}", 1) for axis in "xyz"]
        np.testing.assert_allclose(velocity, turn.T @ free[:3], atol=1e-4)
        np.testing.assert_allclose([observed(envs, f"gyro_{axis}", 1) for axis in "xyz"], free[3:], atol=1e-4)
        heading = np.arctan2(observed(envs, "heading_sin", 1), observed(envs, "heading_cos", 1))
        assert heading == pytest.approx(np.arctan2(turn[1, 0], turn[0, 0]), abs=1e-4)
        assert observed(envs, "across_track", 1) == pytest.approx(
            root.xpos[1] / envs.get_course(1).half_width_m, abs=1e-5
        )


@pytest.mark.parametrize("body", ALL_BODIES)
def test_the_scan_is_the_terrain_around_the_root(body: str) -> None:
    envs, _, data = settled(body)
    first, end = envs.observation_groups["terrain"]
    assert envs.observation_groups["proprioception"] == (0, first) and end == envs.single_observation_space.shape[0]
    x, y, z = data.body(BODIES[body].root).xpos
    stand = envs._model.anatomy.stand_m
    expected = [
        envs.terrain_height(x + ahead, y + left, row=1) - (z - stand) for ahead, left in BODIES[body].points.offsets_m
    ]
    np.testing.assert_allclose(envs.observe()[0][1, first:end], np.clip(expected, -2, 2), atol=1e-5)


@pytest.mark.parametrize("body", ALL_BODIES)
def test_feet_feel_the_ground_when_they_come_to_it(body: str) -> None:
    envs = make(body=body, terrain="flat")
    touch = [k for k, name in enumerate(envs.observation_names) if name.startswith("touch_")]
    assert len(touch) == len(BODIES[body].feet)
    assert not envs.observe()[0][0, touch].any()  # bodies begin a little above the ground
    felt = [envs.step(np.zeros(envs.action_space.shape, np.float32))[0][0, touch] for _ in range(12)]
    assert (np.max(felt, axis=0) > 0.3).sum() >= 2


def test_the_feet_of_a_body_at_rest_feel_its_weight() -> None:
    envs = make(body="quadruped", terrain="flat")
    for _ in range(60):
        observation = envs.step(np.zeros(envs.action_space.shape, np.float32))[0][0]
    touch = [k for k, name in enumerate(envs.observation_names) if name.startswith("touch_")]
    assert observation[touch].sum() == pytest.approx(1.0, abs=0.02)


def test_a_body_does_not_rise_where_the_floor_ends() -> None:
    envs = make(terrain="gaps", curriculum="none", seed=1)
    gap = envs.get_course().obstacles[0]
    before = observed(envs, "height")
    move(envs, x=0.5 * (gap.start_m + gap.end_m))
    envs.step(np.zeros((1, 6), np.float32))
    assert envs.terrain_height(0.5 * (gap.start_m + gap.end_m)) == -1.0
    assert observed(envs, "height") == pytest.approx(before, abs=0.01)
