"""The data center as an environment: arguments, spaces, seeds, faults, options, states."""

from __future__ import annotations

import copy
import itertools
import json
import pickle
import warnings
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from rlkit.envs.cooling.env import CoolingEnv
from rlkit.envs.cooling.plant import SHIPPED, load_plant
from rlkit.envs.cooling.task import CONTROLS
from rlkit.envs.cooling.vector import CoolingVectorEnv

ID = "rlkit/DataCenterCooling-v0"


def make(**task: Any) -> CoolingEnv:
    env = gymnasium.make(ID, **task).unwrapped
    assert isinstance(env, CoolingEnv)
    return env


def make_vec(n: int, **task: Any) -> CoolingVectorEnv:
    return CoolingVectorEnv(n, **task)


def play(env: CoolingEnv, steps: int, seed: int = 0, **options: Any) -> list[Any]:
    """Observations, rewards and infos of a few steps with random actions near the default."""
    rng = np.random.default_rng(1)
    seen: list[Any] = [env.reset(seed=seed, options=options)[0]]
    for _ in range(steps):
        action = env.default_action() + rng.normal(0.0, 0.1, env.action_space.shape)
        action = np.clip(action, env.action_space.low, env.action_space.high).astype(np.float32)
        seen.extend(env.step(action))
    return seen


@pytest.mark.parametrize(("plant", "control"), list(itertools.product(SHIPPED, CONTROLS)))
def test_every_plant_runs_a_day_under_every_control(plant: str, control: str) -> None:
    env = make(plant=plant, control=control)
    env.reset(seed=0)
    for step in range(1, 289):
        observation, reward, terminated, truncated, info = env.step(env.default_action())
        assert env.observation_space.contains(observation)
        assert np.isfinite(reward) and not terminated and truncated is (step == 288)
        assert abs(env.reading("energy_residual")) < 1e-9
    # Fixed positions of machines overcool two_zone_energyplus, whose servers then draw next to nothing: PUE says 6.9.
    limit = 7.5 if (plant, control) == ("two_zone_energyplus", "actuator") else 2.5
    assert 1.0 < info["PUE"] < limit
    assert len(env.action_names) == env.action_space.shape[0]
    assert len(env.observation_names) == env.observation_space.shape[0]


@pytest.mark.parametrize(
    "task",
    [
        {},
        {"plant": "small_room", "control": "actuator", "forecast": True, "faults": "severe"},
        {"weather": ["cold", "hot_humid:2"], "workload": ["diurnal", "constant:0.6"], "price": {"water": 0.0}},
        {"plant": load_plant("small_room").to_mapping(), "sensors": {"set": "minimal", "dropout": 0.1}},
    ],
)
def test_check_env_and_json(task: dict[str, Any]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(make(**json.loads(json.dumps(task))), skip_render_check=True)


def test_manual_tells_the_layout_of_the_default_task() -> None:
    env = make()
    assert env.observation_space.shape == (49,) and env.action_space.shape == (6,)
    assert env.observation_names[17:20] == ("inlet_max_c", "inlet_mean_c", "inlet_min_c")
    assert env.observation_names[21].startswith("zone0.") and env.observation_names[32].startswith("zone0.")
    assert env.observation_names[45:] == ("hour_sin", "hour_cos", "week_sin", "week_cos")
    assert make(control="actuator").action_space.shape == (9,)
    assert len(make(sensors="minimal").observation_names) == 24 + 4


def test_only_what_does_something_is_an_action() -> None:
    assert not any("condenser" in name for name in make(plant="small_room").action_names)
    assert "economizer" not in make(control="actuator").action_names
    assert "economizer" in make(control="actuator", plant="hall_1mw").action_names


def test_scaled_and_engineering_units_are_the_same_hall() -> None:
    scaled, plain = make(sensors="perfect"), make(sensors="perfect", scaled=False)
    one, _ = scaled.reset(seed=3)
    other, _ = plain.reset(seed=3)
    for _ in range(20):
        np.testing.assert_allclose(scaled.decode_observation(one), other, rtol=1e-5, atol=2e-5)
        action = scaled.action_space.sample()
        one, reward, *_ = scaled.step(action)
        other, again, *_ = plain.step(scaled.decode_action(action).astype(np.float32))
        assert reward == pytest.approx(again, rel=1e-4)
    low, high = plain.action_space.low, plain.action_space.high
    np.testing.assert_allclose(scaled.encode_action(low), -1.0)
    np.testing.assert_allclose(scaled.encode_action(high), 1.0)
    np.testing.assert_allclose(
        scaled.decode_action(scaled.encode_action(0.3 * low + 0.7 * high)), 0.3 * low + 0.7 * high
    )


def test_observations_are_the_sensors_of_the_true_readings() -> None:
    env = make(sensors="perfect", scaled=False)
    env.reset(seed=0)
    observation = env.step(env.default_action())[0]
    values, names = env.readings()
    truth = dict(zip(names, values, strict=True))
    for name, shown in zip(env.observation_names[:-4], observation[:-4], strict=True):
        assert shown == pytest.approx(truth[name], rel=1e-6, abs=1e-5)


@pytest.mark.parametrize("task", [{}, {"scaled": False, "control": "actuator", "forecast": True}])
def test_commands_in_force_are_observed_if_asked_for(task: dict[str, Any]) -> None:
    env, blind = make(observe_commands=True, **task), make(**task)
    count = env.action_space.shape[0]
    assert env.observation_names == (*blind.observation_names, *(f"command.{name}" for name in env.action_names))
    observation, other = env.reset(seed=3)[0], blind.reset(seed=3)[0]
    np.testing.assert_allclose(observation[-count:], env.default_action(), atol=1e-6)
    for _ in range(3):
        np.testing.assert_array_equal(observation[:-count], other)
        action = env.action_space.sample()
        observation, other = env.step(action)[0], blind.step(action)[0]
        np.testing.assert_allclose(observation[-count:], action, rtol=1e-6, atol=1e-6)
    assert env.observation_space.contains(observation)


def test_the_commands_of_each_hall_begin_anew_with_its_episode() -> None:
    envs = CoolingVectorEnv(2, observe_commands=True, autoreset_mode="Disabled")
    envs.reset(seed=0)
    actions = np.full((2, 6), 0.5, np.float32)
    observations = envs.step(actions)[0]
    state = envs.get_state()
    again = envs.reset(seed=1, options={"reset_mask": np.array([True, False])})[0]
    np.testing.assert_allclose(again[0, -6:], envs.default_actions()[0], atol=1e-6)
    np.testing.assert_allclose(again[1, -6:], 0.5)
    envs.step(-actions)
    envs.set_state(state)
    np.testing.assert_array_equal(envs.observe()[0], observations)


EVERYTHING: dict[str, Any] = {
    "faults": "severe",
    "forecast": True,
    "sensors": {"set": "full", "dropout": 0.2},
    "observe_commands": True,
}


@pytest.mark.parametrize("task", [{}, EVERYTHING])
def test_two_runs_of_one_seed_are_equal_and_of_two_are_not(task: dict[str, Any]) -> None:
    for a, b in zip(play(make(**task), 30), play(make(**task), 30), strict=True):
        np.testing.assert_equal(a, b)
    assert not np.array_equal(play(make(**task), 1)[0], play(make(**task), 1, seed=1)[0])


def test_chances_do_not_depend_on_actions() -> None:
    """So that two controllers with one seed are compared under the same load, weather and faults."""
    envs = make_vec(2, faults="severe", autoreset_mode="disabled")
    envs.reset(seed=[5, 5])
    actions = envs.default_actions()
    actions[1, :2] = -1.0  # colder water
    for _ in range(200):
        envs.step(actions)
        weather, load = envs.surroundings()
        np.testing.assert_array_equal(weather[0], weather[1])
        np.testing.assert_array_equal(load[0], load[1])
        kinds = [[(f["kind"], f["unit"]) for f in envs.active_faults(row)] for row in (0, 1)]
        assert kinds[0] == kinds[1]
    assert envs.reading("facility_energy_kwh")[0] != envs.reading("facility_energy_kwh")[1]


def test_first_hours_are_no_artefact_of_the_start() -> None:
    """With default set points and a constant load, the first hour is like those that follow."""
    envs = make_vec(16, workload="constant:0.6", load_noise=0.0, plant="hall_1mw", weather="marine")
    envs.reset(seed=0)
    start = envs.reading("inlet_max_c")
    powers = []
    for _ in range(24):
        envs.step(envs.default_actions())
        powers.append(envs.reading("cooling_power_kw"))
        assert np.abs(envs.reading("inlet_max_c") - start).max() < 0.5
    first, second = np.mean(powers[:12], axis=0), np.mean(powers[12:], axis=0)
    assert np.abs(first - second).max() < 0.1 * second.mean()


def test_options_fix_day_sources_and_faults() -> None:
    env = CoolingEnv(weather=["cold", "hot_dry"], faults="none", max_episode_steps=4)
    options = {"day": 200, "weather": 1, "workload_day": 3, "faults": [{"kind": "chiller", "unit": 0, "at_s": 600}]}
    env.reset(seed=0, options=options)
    assert env.active_faults() == []
    shown = []
    for _ in range(4):
        *_, info = env.step(env.default_action())
        shown.append(info["faults"][0])
    assert (info["day"], info["weather"]) == (200, 1)
    assert [fault["kind"] for fault in env.active_faults()] == ["chiller"]
    assert shown == [1.0, 1.0, 0.0, 0.0] and env.reading("chillers_on") == 0


def test_fixed_start_is_kept_and_random_days_follow_the_split() -> None:
    fixed = make_vec(8, start=45)
    fixed.reset(seed=0)
    assert set(fixed.episodes["day"]) == {45}
    for split, held_out in (("train", False), ("test", True)):
        envs = make_vec(64, split=split)
        envs.reset(seed=0)
        assert (((envs.episodes["day"] - 1) // 7 % 4 == 3) == held_out).all()
        assert (envs.episodes["weather_s"] % 86_400 == 0).all()
    anytime = make_vec(64, start="anytime", split="test")
    anytime.reset(seed=0)
    assert len(set(anytime.episodes["weather_s"] % 86_400)) > 16
    np.testing.assert_array_equal(anytime.episodes["weather_s"] % 86_400, anytime.episodes["load_s"] % 86_400)


def test_shorter_steps_do_not_change_the_day() -> None:
    """Nor do more sub-steps: energy differs by little when the same set points hold."""
    energies = {}
    for task in ({"step_s": 300.0}, {"step_s": 60.0}, {"step_s": 900.0}, {"step_s": 300.0, "substeps": 10}):
        env = make(**task, load_noise=0.0, start=100)
        env.reset(seed=0)
        over = False
        while not over:
            *_, over, info = env.step(env.default_action())
        energies[tuple(task.items())] = info["energy_kwh"]
    assert np.ptp(list(energies.values())) < 0.01 * np.mean(list(energies.values()))


def test_sub_steps_that_are_asked_for_are_made() -> None:
    """Also the number that a step has by default: a quarter-hour is then not tried whole."""
    assert make_vec(1, step_s=900.0)._model.timing.rough_substeps > 0
    timing = make_vec(1, step_s=900.0, substeps=15)._model.timing
    assert timing.rough_substeps == 0 and timing.solutions * timing.substeps == 15


def test_a_thermal_trip_ends_the_episode_and_never_pays() -> None:
    """With all chillers and fans gone the hall heats up to the trip; the return is below that of going on."""
    env = make(plant="hall_1mw")
    faults = [{"kind": "chiller", "unit": unit} for unit in range(2)] + [{"kind": "fan", "unit": u} for u in range(4)]
    env.reset(seed=0, options={"faults": faults, "day": 200})
    total, steps = 0.0, 0
    terminated = truncated = False
    while not (terminated or truncated):
        _, reward, terminated, truncated, info = env.step(env.default_action())
        total, steps = total + reward, steps + 1
    assert terminated and not truncated and steps < 60
    assert info["thermal_trip"] and not info["is_success"] and info["max_inlet_c"] >= 45.0
    env.reset(seed=0, options={"day": 200})
    healthy = sum(env.step(env.default_action())[1] for _ in range(288))
    assert total < healthy


def test_costs_are_those_of_the_last_step_in_every_autoreset_mode() -> None:
    """In same-step mode the info of an end still has the cost of the step that ended; after a reset it is 0."""
    limits = {"inlet_c": [0.0, 5.0]}
    for mode in ("same_step", "next_step", "disabled"):
        envs = make_vec(2, limits=limits, max_episode_steps=3, autoreset_mode=mode)
        _, infos = envs.reset(seed=0)
        assert not infos["cost"].any()
        costs = [envs.step(envs.default_actions())[4]["cost"] for _ in range(3)]
        assert all((cost > 0.0).all() for cost in costs)
        if mode == "next_step":
            assert not envs.step(envs.default_actions())[4]["cost"].any()


def test_state_round_trip_with_everything_on() -> None:
    envs, other = (make_vec(3, autoreset_mode="same_step", episode_days=0.1, **EVERYTHING) for _ in range(2))
    envs.reset(seed=0)
    for _ in range(20):
        envs.step(envs.default_actions())
    other.set_state(pickle.loads(pickle.dumps(envs.get_state())))
    np.testing.assert_array_equal(envs.observe()[0], other.observe()[0])
    for _ in range(40):
        one, two = envs.step(envs.default_actions()), other.step(other.default_actions())
        np.testing.assert_equal(one, two)
    assert all(len(array) == 3 for array in envs.get_state()["task"].values() if isinstance(array, np.ndarray))


def test_state_of_another_task_is_refused() -> None:
    one, other = make_vec(2), make_vec(2, plant="small_room")
    one.reset(seed=0)
    with pytest.raises(ValueError, match="another plant or task"):
        other.set_state(one.get_state())


def test_environments_can_be_pickled() -> None:
    env = make()
    env.reset(seed=0)
    again = pickle.loads(pickle.dumps(env))
    np.testing.assert_equal(env.step(env.default_action()), again.step(again.default_action()))


def test_own_plant_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(load_plant("small_room").to_yaml())
    a, b = make(plant=str(path)), make(plant="small_room")
    for one, two in zip(play(a, 10), play(b, 10), strict=True):
        np.testing.assert_equal(one, two)


@pytest.mark.parametrize(
    ("task", "match"),
    [
        ({"plants": "two_zone"}, "did you mean 'plant'"),
        ({"plant": "two_zones"}, "did you mean 'two_zone'"),
        ({"control": "actuators"}, "did you mean 'actuator'"),
        ({"step_s": 10}, "from 30 to 900"),
        ({"step_s": True}, "from 30 to 900"),
        ({"substeps": 0}, "from 1 to 100"),
        ({"episode_days": 0.0}, "episode_days"),
        ({"start": 366}, "from 1 to 365"),
        ({"start": "noon"}, "start is"),
        ({"split": "valid"}, "split"),
        ({"weather": []}, "a list of these"),
        ({"weather": "temperat"}, "did you mean 'temperate'"),
        ({"workload": "diurnl"}, "did you mean 'diurnal'"),
        ({"sensors": "standrd"}, "did you mean 'standard'"),
        ({"faults": "typicl"}, "did you mean 'typical'"),
        ({"load_noise": -0.1}, "spread"),
        ({"scaled": 1}, "scaled"),
        ({"reward": "costs"}, "did you mean 'cost'"),
        ({"limits": "A5"}, "there are: A1"),
        ({"price": -1.0}, "price of energy"),
        ({"episode_days": 30, "split": "test"}, "no episode of 30 days"),
    ],
)
def test_mistakes_are_told(task: dict[str, Any], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        make(**task)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"days": 3}, "did you mean 'day'"),
        ({"day": 0}, "from 1 to 365"),
        ({"day": "3"}, "whole numbers"),
        ({"weather": 1}, "from 0 to 0"),
        ({"faults": {"kind": "fan"}}, "list of mappings"),
        ({"faults": [{"kind": "fans", "unit": 0}]}, "did you mean 'fan'"),
    ],
)
def test_wrong_reset_options_leave_the_episode_alone(options: dict[str, Any], match: str) -> None:
    env = make()
    env.reset(seed=0)
    before = env.get_state()
    with pytest.raises(ValueError, match=match):
        env.reset(options=options)
    np.testing.assert_equal(env.get_state(), before)


@pytest.mark.parametrize("way", [copy.deepcopy, lambda envs: pickle.loads(pickle.dumps(envs))])
def test_a_copy_goes_its_own_way(way) -> None:
    envs = make_vec(2)
    envs.reset(seed=0)
    twin = way(envs)
    first = envs.step(envs.default_actions())
    second = twin.step(twin.default_actions())
    np.testing.assert_array_equal(first[0], second[0])
    np.testing.assert_array_equal(first[1], second[1])
    before = twin.readings()
    envs.step(envs.default_actions())
    np.testing.assert_array_equal(twin.readings(), before)
