from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from mujoco.batch import SimulationError

from rlkit.envs.locomotion.metrics import CAUSES
from rlkit.envs.locomotion.simulation import parse_threads, physical_cores
from rlkit.errors import UsageError

from .batches import ALL_BODIES, make, move, no_actions, random_actions


@pytest.mark.parametrize("body", ALL_BODIES)
def test_a_box_that_grows_under_a_body_carries_it(body: str) -> None:
    """Without ``set_const``, MuJoCo goes on with the bounding volume that the box had: the body falls through."""
    envs = make(2, seed=[0, 0], body=body, terrain="flat")
    simulation, courses = envs._simulation, envs._tracks.courses
    top_m = 0.6
    courses.boxes[1, 0] = (-5.0, 5.0, -5.0, 5.0, 0.0, top_m)
    courses.num_boxes[1] = 1
    all_rows = np.ones(2, dtype=bool)
    simulation.place(all_rows, courses)
    move(envs, z=top_m, row=1)
    for _ in range(20):
        simulation.step(all_rows, envs.setup.body.substeps)
    lowest = simulation.readout.site_xpos[:, :, 2].min(axis=1)
    assert lowest[1] - lowest[0] == pytest.approx(top_m, abs=0.01)


def test_a_reset_is_mujocos() -> None:
    envs = make(3)
    simulation = envs._simulation
    for actions in random_actions(envs, 5):
        envs.step(actions)
    simulation.reset(np.array([True, False, True]))
    ours = simulation._batch.state.copy()
    simulation._batch.reset(np.array([0, 2]), stage=0)
    np.testing.assert_array_equal(ours, simulation._batch.state)


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e12])
@pytest.mark.parametrize("where", ["qpos", "qvel"])
def test_a_simulation_that_diverges_ends_alone(tmp_path, monkeypatch, where: str, value: float) -> None:
    monkeypatch.chdir(tmp_path)
    envs, twin = make(3, body="quadruped"), make(3, body="quadruped")
    getattr(envs._simulation.readout, where)[1, 8] = value
    for step, actions in enumerate(random_actions(envs, 3)):
        if step == 1:
            envs.reset(options={"reset_mask": np.array([False, True, False])})
        result, expected = envs.step(actions), twin.step(actions)
        for ours, theirs in zip(result[:3], expected[:3], strict=True):
            np.testing.assert_array_equal(ours[[0, 2]], theirs[[0, 2]])
        if step == 0:
            observations, rewards, terminations, truncations, info = result
            assert terminations.tolist() == [False, True, False] and not truncations.any()
            assert CAUSES[info["cause"][1]] == "diverged" and rewards[1] == 0.0
            assert not observations[1].any()
        else:
            assert not result[2].any() and np.isfinite(result[0]).all()
    assert not list(tmp_path.iterdir())  # MuJoCo's log would lie here


def test_an_error_of_mujoco_ends_the_episodes_that_it_names(monkeypatch: Any) -> None:
    envs = make(3)
    batch, step = envs._simulation._batch, envs._simulation._batch.step

    def raising(*arguments: Any) -> None:
        step(*arguments)
        raise SimulationError(np.array([2]), "out of memory")

    monkeypatch.setattr(batch, "step", raising)
    _, _, terminations, _, info = envs.step(no_actions(envs))
    assert terminations.tolist() == [False, False, True]
    assert CAUSES[info["cause"][2]] == "diverged"
    monkeypatch.undo()
    envs.reset(options={"reset_mask": np.array([False, False, True])})
    assert not envs.step(no_actions(envs))[2].any()


def test_threads() -> None:
    assert parse_threads(None) == physical_cores() >= 1
    assert parse_threads(3) == 3
    assert make(2, threads=5)._simulation.threads == 2  # no more than there is to do
    for bad in (0, -1, 1.5, True, "2"):
        with pytest.raises(UsageError, match="threads is None"):
            parse_threads(bad)
