"""The 19 features by hand, histories and their samples."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import pytest

from rlkit.agents.predictor.features import GAO_FEATURES, GAO_NAMES, STATE_NAMES, FeatureReader
from rlkit.agents.predictor.history import HOLD_H, INLET_C, History, gather, plan_setpoints, safe_limits
from rlkit.agents.predictor.samples import AHEAD, hour_ahead, next_step, split_steps
from rlkit.errors import UsageError

SENSORS = {
    "it_power_kw": 800.0,
    "facility_power_kw": 960.0,
    "chilled_water_supply_c": 8.5,
    "chilled_water_return_c": 14.5,
    "chilled_water_flow_kg_s": 30.0,
    "condenser_water_supply_c": 20.0,
    "condenser_water_flow_kg_s": 40.0,
    "tower_fan_speed": 0.7,
    "chillers_on": 2.0,
    "economizer_mode": 1.0,
    "chiller_part_load": 0.6,
    "outdoor_wet_bulb_c": 20.0,
    "outdoor_dry_bulb_c": 30.0,
    "inlet_max_c": 24.0,
    "inlet_mean_c": 22.0,
    "inlet_min_c": 21.0,
    "zone0.valve_position": 0.4,
    "zone0.supply_air_c": 18.0,
    "zone0.return_air_c": 31.0,
    "zone0.aisle_pressure_pa": 9.0,
    "zone1.valve_position": 0.6,
    "zone1.supply_air_c": 19.0,
    "zone1.return_air_c": 33.0,
    "zone1.aisle_pressure_pa": 4.0,
    "hour_sin": 0.0,
    "hour_cos": 1.0,
}
SETPOINTS = {
    "chilled_water_setpoint_c": 7.0,
    "condenser_water_setpoint_c": 21.0,
    "zone0.supply_air_setpoint_c": 18.0,
    "zone0.airflow": 0.6,
    "zone1.supply_air_setpoint_c": 20.0,
    "zone1.airflow": 0.8,
}


def _reader() -> tuple[FeatureReader, np.ndarray, np.ndarray]:
    reader = FeatureReader(list(SENSORS), list(SETPOINTS))
    return reader, np.array([list(SENSORS.values())]), np.array([list(SETPOINTS.values())])


def test_the_features_by_hand() -> None:
    reader, observed, setpoints = _reader()
    features = dict(zip(GAO_NAMES, reader.gao(observed, setpoints)[0].tolist(), strict=True))
    assert len(GAO_FEATURES) == 19
    assert [feature.gao.split()[0] for feature in GAO_FEATURES] == [str(i) for i in range(1, 20)]
    by_hand = {
        "it_power_kw": 800.0,
        "chilled_water_heat_kw": 4.186 * 30.0 * 6.0,
        "chilled_water_flow_kg_s": 30.0,
        "valve_position": 0.5,
        "condenser_water_flow_kg_s": 40.0,
        "chilled_water_error_k": 1.5,
        "tower_fan_speed": 0.7,
        "condenser_water_setpoint_c": 21.0,
        "chillers_on": 2.0,
        "economizer_mode": 1.0,
        "chiller_part_load": 0.6,
        "chilled_water_setpoint_c": 7.0,
        "approach_k": -11.5,
        "outdoor_wet_bulb_c": 20.0,
        "outdoor_dry_bulb_c": 30.0,
        "supply_air_setpoint_c": 19.0,
        "airflow_setpoint": 0.7,
    }
    for name, value in by_hand.items():
        assert features[name] == pytest.approx(value, rel=1e-6), name
    # ASHRAE's psychrometric chart: 30 C dry, 20 C wet bulb at sea level: 39.6 % and 57.1 kJ/kg
    assert features["outdoor_humidity"] == pytest.approx(0.396, abs=0.003)
    assert features["outdoor_enthalpy_kj_kg"] == pytest.approx(57.1, abs=0.3)


def test_the_hour_ahead_is_told_the_state_and_every_setpoint() -> None:
    reader, observed, setpoints = _reader()
    ahead = dict(zip(reader.ahead_names, reader.ahead(observed, setpoints)[0].tolist(), strict=True))
    assert len(ahead) == 19 + len(STATE_NAMES) + len(SETPOINTS)
    assert (ahead["supply_air_c"], ahead["return_air_c"], ahead["aisle_pressure_pa"]) == (19.0, 33.0, 4.0)
    assert ahead["set.zone1.airflow"] == pytest.approx(0.8)
    assert reader.measured_pue(observed)[0] == 1.2


def test_a_plant_without_towers_is_told_what_is_measured_and_redundant_sensors_are_read_once() -> None:
    names = [f"{name}#{copy}" for name in SENSORS for copy in (1, 2)]
    values = np.array([[value + 100.0 * (copy - 1) for value in SENSORS.values() for copy in (1, 2)]])
    actions = {name: value for name, value in SETPOINTS.items() if name != "condenser_water_setpoint_c"}
    reader = FeatureReader(names, list(actions))
    features = dict(zip(GAO_NAMES, reader.gao(values, np.array([list(actions.values())]))[0].tolist(), strict=True))
    assert features["condenser_water_setpoint_c"] == SENSORS["condenser_water_supply_c"]
    assert features["it_power_kw"] == 800.0


def test_missing_sensors_and_other_control_are_told() -> None:
    with pytest.raises(UsageError, match="missing: chiller_part_load"):
        FeatureReader([name for name in SENSORS if name != "chiller_part_load"], list(SETPOINTS))
    with pytest.raises(UsageError, match="supervisory"):
        FeatureReader(list(SENSORS), ["chillers", "zone0.fan_speed"])


def test_operators_hold_setpoints_for_hours_within_limits() -> None:
    low, high = np.array([5.0, 0.5]), np.array([9.0, 1.0])
    plan = plan_setpoints(np.random.default_rng(0), 3000, np.array([[7.0, 0.6]] * 2), low, high, 300.0)
    assert (plan >= low).all() and (plan <= high).all()
    changes = np.flatnonzero((plan[1:, 0] != plan[:-1, 0]).any(axis=1))
    assert (np.diff(changes) >= HOLD_H[0] * 12).all()
    assert 0.15 < (plan[:, 0] == [7.0, 0.6]).all(axis=1).mean() < 0.45
    assert plan.std(axis=0).min() > 0.05


def test_histories_keep_limits_and_are_the_same_for_the_same_seed(history: History) -> None:
    again = gather(
        "rlkit/DataCenterCooling-v0",
        {"plant": "two_zone"},
        weather=["marine", "temperate"],
        workload=["diurnal", "diurnal:1"],
        halls=2,
        days=6,
        seed=5,
    )
    assert again.digest() == history.digest()
    assert history.observed.shape[:2] == (2 * (6 * 288 - 1), 2)
    assert (history.outcome[:, :, 0] > 1.0).all()
    assert (history.outcome[:, :, 2] > INLET_C[1]).mean() < 0.01
    assert history.outcome[:, :, 2].max() < INLET_C[1] + 1.0


def test_what_is_seen_comes_before_what_is_done(history: History) -> None:
    """The sensors' last facility power is near the outcome of the step before, not of the step itself."""
    envs: Any = gymnasium.make_vec("rlkit/DataCenterCooling-v0", num_envs=1, vectorization_mode="vector_entry_point")
    shown = history.observed[:1727, 0, envs.observation_names.index("facility_power_kw")]
    power = history.outcome[:1727, 0, 1]
    assert np.abs(shown[1:] - power[:-1]).mean() < 0.3 * np.abs(shown[1:] - power[1:]).mean()
    low, high = safe_limits(envs)
    assert (history.setpoints >= low - 1e-4).all() and (history.setpoints <= high + 1e-4).all()


def _counting(steps: int = 40) -> tuple[History, FeatureReader]:
    """One hall whose outcome is the step's number, and whose setpoints change at step 20."""
    observed = np.tile(np.array(list(SENSORS.values()), np.float32), (steps, 1, 1)).transpose(0, 1, 2)
    setpoints = np.tile(np.array(list(SETPOINTS.values()), np.float32), (steps, 1, 1))
    setpoints[20:, :, 0] = 8.0
    outcome = np.repeat(np.arange(steps, dtype=np.float32), 5).reshape(steps, 1, 5)
    year = (np.arange(steps) >= 35).astype(np.int64)
    return History(observed, setpoints, outcome, year, 288), FeatureReader(list(SENSORS), list(SETPOINTS))


def test_samples_of_the_next_step_and_of_the_hour_ahead_by_hand() -> None:
    history, reader = _counting()
    samples = next_step(history, reader)
    assert samples.targets[:, 0].tolist() == list(range(40))
    assert samples.inputs[19, GAO_NAMES.index("chilled_water_setpoint_c")] == 7.0
    assert samples.inputs[20, GAO_NAMES.index("chilled_water_setpoint_c")] == 8.0
    ahead = hour_ahead(history, reader, 300.0)
    assert ahead.step.tolist() == [*range(9), *range(20, 24)]  # windows of 12 across no change and no year
    first = dict(zip(AHEAD, ahead.targets[0].tolist(), strict=True))
    assert first == {
        "pue": 5.5,
        "facility_power_kw": 5.5,
        "inlet_max_c": 11.0,
        "inlet_min_c": 0.0,
        "aisle_pressure_pa": 11.0,
    }


def test_the_hold_out_is_later_than_all_that_is_trained_on(history: History) -> None:
    reader = FeatureReader(
        gymnasium.make("rlkit/DataCenterCooling-v0").get_wrapper_attr("observation_names"),
        gymnasium.make("rlkit/DataCenterCooling-v0").get_wrapper_attr("action_names"),
    )
    samples = next_step(history, reader)
    first, end = split_steps(history, 0.7)
    train, held_out = samples.within(0, first), samples.within(first, end)
    assert train.step.max() < held_out.step.min()
    assert len(train) / len(samples) == pytest.approx(0.7, abs=0.001)
    assert len(train) + len(held_out) == len(samples)
    assert len(held_out.thinned(50)) == 50
