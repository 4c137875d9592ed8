"""The static optimum and perfect-model control: what they search with, and what they find."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from rlkit.envs.cooling.controllers import CONTROLLERS, make_controller
from rlkit.envs.cooling.controllers.building import Setpoints
from rlkit.envs.cooling.controllers.perfect_mpc import look_ahead
from rlkit.envs.cooling.controllers.play import play
from rlkit.envs.cooling.controllers.static_optimum import Table, _bins, _Steady
from rlkit.envs.cooling.controllers.trial import Halls, Packed, Surroundings, roll_out
from rlkit.envs.cooling.episode import EPISODE
from rlkit.envs.cooling.vector import CoolingVectorEnv


def halls(n: int = 2, **task: Any) -> CoolingVectorEnv:
    given = {"plant": "small_room", "weather": "temperate", "split": "test", "episode_days": 0.25, **task}
    return CoolingVectorEnv(n, autoreset_mode="same_step", reward="weighted", **given)


@pytest.mark.parametrize("plant", ["small_room", "two_zone"])
def test_a_trial_is_what_the_environment_does(plant: str) -> None:
    envs = halls(3, plant=plant, faults="typical")
    envs.reset(seed=4)
    around = look_ahead(envs)
    steps = 12
    before = envs.get_state()["task"]
    values = np.random.default_rng(0).uniform(*envs.setup.action_bounds(), (3, len(envs.action_names)))
    commands = np.tile(envs.setup.start.spin_commands[0], (1, 3, 1))
    commands[0][:, envs.setup.columns] = envs.decode_actions(envs.encode_actions(values))
    model = envs.setup.model
    packed = Packed(model.plant, model.zones, model.racks, model.timing, model.charges)
    trial = Halls(before["state"].copy(), before["readings"].copy(), before["history"].copy())
    spent, broken = np.zeros((2, 3))
    part = Surroundings(*(np.ascontiguousarray(values[:steps]) for values in around))
    episodes = before["episodes"].view(EPISODE)[:, 0]
    roll_out(packed, part, commands, steps, 0, episodes["steps"], episodes["weather_s"], trial, spent, broken)
    rewards, costs, inlet = np.zeros((3, 3))
    for _ in range(steps):
        _, reward, *_, info = envs.step(envs.encode_actions(values))
        rewards += reward
        costs += info["cost"]
        inlet += info["cost_inlet_temp"]
    np.testing.assert_allclose(trial.state, envs.get_state()["task"]["state"], rtol=1e-6)
    np.testing.assert_allclose(broken, costs + 9.0 * inlet, rtol=1e-6)
    unit = float(model.charges["unit"][0])
    np.testing.assert_allclose(spent + 5.0 * unit * costs, -rewards * unit, rtol=1e-6)


def test_looking_ahead_leaves_the_halls_where_they_are_and_tells_the_truth() -> None:
    envs = halls(2)
    envs.reset(seed=9)
    before = envs.get_state()
    around = look_ahead(envs)
    after = envs.get_state()
    np.testing.assert_array_equal(before["streams"], after["streams"])
    np.testing.assert_array_equal(before["task"]["state"], after["task"]["state"])
    for step in range(20):
        envs.step(envs.encode_actions(np.array([[9.0, 24.0, 0.5]] * 2)))  # not what was done when looking ahead
        weather, load = envs.surroundings()
        np.testing.assert_array_equal(around.weather[step], weather)
        np.testing.assert_array_equal(around.load[step], load)


def test_no_setpoints_are_better_in_steady_state_than_the_tables() -> None:
    envs = halls(1)
    table = make_controller("static_optimum").table_of(envs)  # type: ignore[attr-defined]
    loads, wet, depressions, pressure = _bins(envs.setup)
    grid = np.stack(np.meshgrid(loads, wet, depressions, indexing="ij"), axis=-1).reshape(-1, 3)
    weather = np.stack([grid[:, 1] + grid[:, 2], grid[:, 1], np.full(len(grid), pressure)], axis=1)
    steady = _Steady(envs.setup, weather, grid[:, 0])
    s = Setpoints(envs)
    tried = np.random.default_rng(1).uniform(s.low, s.high, (len(grid), 60, len(s.low)))
    rest = s.defaults.copy()  # where Guideline 36 comes to rest
    rest[s.chilled], rest[s.supply] = s.high[s.chilled], 23.0
    tried[:, 0], tried[:, 1] = rest, s.defaults
    assert (table.cost_per_h.ravel() <= steady.cost_per_h(tried).min(1) * 1.003).all()


def test_a_table_is_exact_in_its_bins_linear_between_and_constant_beyond() -> None:
    setpoints = np.arange(8.0).reshape(2, 2, 2, 1)
    table = Table(np.array([0.0, 1.0]), np.array([10.0, 20.0]), np.array([0.0, 5.0]), setpoints, setpoints[..., 0])
    look = lambda load, wet, dry: table.look_up(np.array([load]), np.array([wet]), np.array([dry]))[0, 0]  # noqa: E731
    assert look(0.0, 10.0, 10.0) == 0.0
    assert look(1.0, 20.0, 25.0) == 7.0
    assert look(0.5, 10.0, 10.0) == 2.0
    assert look(0.25, 15.0, 17.5) == pytest.approx(0.25 * 4 + 0.5 * 2 + 0.5 * 1)
    assert look(3.0, 99.0, 199.0) == 7.0


@pytest.mark.parametrize("plant", ["small_room", "two_zone"])
def test_perfect_model_control_costs_least(plant: str) -> None:
    options = {"days": [30, 200], "workload_days": [30, 200]}
    played = {name: play(name, halls(2, plant=plant), seed=2, options=options).returns for name in CONTROLLERS}
    for name, returns in played.items():
        assert (played["perfect_mpc"] >= returns - 0.002 * np.abs(returns)).all(), name


def test_perfect_model_control_asks_for_halls_that_begin_together() -> None:
    envs = halls(2)
    envs.reset(seed=0)
    with pytest.raises(ValueError, match="begin together"):
        make_controller("perfect_mpc").reset(envs, np.array([True, False]))


def test_a_search_without_candidates_is_refused() -> None:
    with pytest.raises(ValueError, match="more than 6 candidates"):
        make_controller("perfect_mpc", candidates=4)
