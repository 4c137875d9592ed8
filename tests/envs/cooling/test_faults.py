"""Faults: rates, repairs, effects, fixed faults."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from rlkit.envs.cooling.fault_kernel import KINDS, MAX_FAULTS, advance_faults, start_faults
from rlkit.envs.cooling.faults import Faults, build_faults, faults_of, lay_faults, parse_faults
from rlkit.envs.cooling.halls import new_faults
from rlkit.envs.cooling.packing import pack_plant
from rlkit.envs.cooling.plant import load_plant
from rlkit.envs.cooling.sensors import DEAD, FROZEN, Reading, Sensors, build_sensors
from rlkit.envs.streams import new_streams

HOUR_S = 3600.0


PLANT = load_plant("hall_1mw")
PACKED = pack_plant(PLANT)
SENSORS = build_sensors(Sensors(), [(0, Reading("a_c", "C", 0.0, 50.0)), (1, Reading("b_kw", "kW", 0.0, 200.0))])
VALVE_AT = 0.37


class Bench:
    """Faults of a hall with three fans a zone, for tests."""

    def __init__(self, config: Any, n: int, seed: int = 0) -> None:
        self.config = dataclasses.replace(parse_faults(config), fans_per_zone=3)
        self.model = build_faults(self.config, PLANT, PACKED, SENSORS)
        self.n, self.streams = n, new_streams(seed, n)
        self.plant_state = np.zeros((n, PACKED.state.width))
        self.plant_state[:, PACKED.state.columns("valve")] = VALVE_AT
        self.state, self.effects = self.model.new_state(np.zeros((n, PACKED.faults.width)))
        for i in range(n):
            start_faults(i, self.model.rules, self.state, self.effects, self.streams)

    def advance(self, elapsed_s: float) -> list[bool]:
        rules, state, effects, streams = self.model.rules, self.state, self.effects, self.streams
        return [
            bool(advance_faults(i, elapsed_s, rules, state, effects, self.plant_state, streams)) for i in range(self.n)
        ]

    def felt(self, name: str, zone: int = 0) -> NDArray[np.float64]:
        return self.effects.plant[:, PACKED.faults.column(name, zone)]


def _healthy(bench: Bench) -> bool:
    well = (bench.effects.plant == new_faults(PACKED, bench.n)).all()
    return bool(well and not bench.effects.sensor_mode.any() and not bench.effects.sensor_jump.any())


def test_without_faults_nothing_ever_changes() -> None:
    bench = Bench("none", 3)
    assert not any(bench.advance(1e9)) and _healthy(bench)
    assert faults_of(bench.model, bench.state, 0) == []


def test_availability_is_what_rate_and_repair_imply() -> None:
    """A unit that fails every 20 h and is out for 5 h is available for 20 / 25 of the time."""
    bench = Bench({"fan": {"rate_per_hour": 0.05, "repair_hours": 5.0}}, 60)
    up, steps = np.zeros(60), 0
    for step in range(4_000):
        bench.advance(step * HOUR_S / 4)
        if step > 400:
            up += bench.felt("fans_available")
            steps += 1
    assert (up / steps).mean() == pytest.approx(20 / 25, abs=0.02)
    assert (bench.felt("chillers_available") == 1.0).all()


@pytest.mark.parametrize("step_s", [30.0, 900.0])
def test_how_often_faults_begin_does_not_depend_on_the_step(step_s: float) -> None:
    bench = Bench({"chiller": {"rate_per_hour": 0.1, "repair_hours": 0.001}}, 100)
    begun, seen = 0, [set() for _ in range(100)]
    for step in range(int(20 * HOUR_S / step_s)):
        bench.advance(step * step_s)
        for i in range(100):
            for fault in faults_of(bench.model, bench.state, i):
                key = (fault["unit"], fault["start_s"])
                begun += key not in seen[i]
                seen[i].add(key)
    expected = 100 * PLANT.chillers.count * 0.1 * 20
    assert abs(begun - expected) < 4.5 * np.sqrt(expected)


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_is_felt_where_it_should_be_and_heals(kind: str) -> None:
    bench = Bench("none", 2)
    fault = {"kind": kind, "unit": 0, "at_s": 600.0, "for_s": 1200.0}
    if kind == "sensor_bias":
        fault["value"] = -2.5
    lay_faults(bench.model, bench.state, 1, [fault])
    assert bench.advance(300.0) == [False, False] and _healthy(bench)
    assert bench.advance(600.0) == [False, True]
    felt = {
        "fan": bench.felt("fans_available")[1] == pytest.approx(2 / 3),
        "chiller": bench.felt("chillers_available")[1] == pytest.approx(1 - 1 / PLANT.chillers.count),
        "pump": bench.felt("chilled_water_pumps_available")[1] == 0.5,
        "tower": bench.felt("tower_fans_available")[1] == pytest.approx(1 - 1 / PLANT.condenser.towers.cells),
        "coil": bench.felt("coil_fouling")[1] == pytest.approx(0.7),
        "valve": bench.felt("stuck_valve")[1] == VALVE_AT,
        "sensor_bias": bench.effects.sensor_jump[1, 0] == -2.5,
        "sensor_freeze": bench.effects.sensor_mode[1, 0] == FROZEN,
        "sensor_dropout": bench.effects.sensor_mode[1, 0] == DEAD,
    }
    assert [name for name, is_felt in felt.items() if is_felt] == [kind]
    (told,) = faults_of(bench.model, bench.state, 1)
    assert (told["kind"], told["unit"], told["start_s"], told["end_s"]) == (kind, 0, 600.0, 1800.0)
    assert told.get("sensor") == ("a_c" if kind.startswith("sensor") else None)
    assert faults_of(bench.model, bench.state, 0) == []
    assert bench.advance(1500.0) == [False, False] and bench.advance(1800.0) == [False, True]
    assert _healthy(bench)


def test_fixed_faults_by_name_position_and_for_ever() -> None:
    bench = Bench({"fan": {"remaining": 0.6}}, 1)
    lay_faults(
        bench.model,
        bench.state,
        0,
        [
            {"kind": "valve", "unit": 0, "value": 0.8},
            {"kind": "sensor_freeze", "unit": "b_kw"},
            {"kind": "fan", "unit": 2},
            {"kind": "pump", "unit": 3},
        ],
    )
    bench.advance(0.0)
    bench.advance(1e8)
    assert bench.felt("stuck_valve")[0] == 0.8 and bench.effects.sensor_mode[0].tolist() == [0, FROZEN]
    assert bench.felt("fans_available")[0] == pytest.approx(1 - 0.4 / 3)
    assert (bench.felt("chilled_water_pumps_available")[0], bench.felt("condenser_pumps_available")[0]) == (1.0, 0.5)
    start_faults(0, bench.model.rules, bench.state, bench.effects, bench.streams)
    assert _healthy(bench) and faults_of(bench.model, bench.state, 0) == []


def test_rows_do_not_depend_on_the_batch_and_seeds_repeat() -> None:
    few, many = Bench("severe", 2, seed=3), Bench("severe", 10, seed=3)
    happened = 0
    for step in range(2_000):
        few.advance(step * 300.0)
        many.advance(step * 300.0)
        for one, other in zip(few.effects, many.effects, strict=True):
            np.testing.assert_array_equal(one, other[:2])
        happened += len(faults_of(few.model, few.state, 0))
    assert happened


def test_more_faults_than_slots_do_no_harm() -> None:
    bench = Bench({kind: {"rate_per_hour": 100.0, "repair_hours": 1000.0} for kind in KINDS}, 1)
    for step in range(50):
        bench.advance(step * 300.0)
    told = faults_of(bench.model, bench.state, 0)
    assert len({(fault["kind"], fault["unit"]) for fault in told}) == len(told) <= MAX_FAULTS
    assert (bench.felt("fans_available") == 0.0).all() and (bench.felt("chillers_available") == 0.0).all()


@pytest.mark.parametrize(
    ("fault", "complaint"),
    [
        ({"kind": "fann", "unit": 0}, "unknown kind of fault 'fann': did you mean 'fan'"),
        ({"kind": "fan", "unit": 99}, "whole number from 0 to .*, got 99"),
        ({"kind": "fan", "unit": "a_c"}, "whole number from 0 to .*, got 'a_c'"),
        ({"kind": "sensor_bias", "unit": "a_k", "value": 1.0}, "did you mean 'a_c'"),
        ({"kind": "sensor_bias", "unit": 0}, "needs value"),
        ({"kind": "valve", "unit": 0, "value": 2.0}, "from 0 to 1"),
        ({"kind": "fan", "unit": 0, "at_s": -1.0}, "at_s of a fixed fault is a number >= 0"),
        ({"kind": "fan", "unit": 0, "at": 1.0}, "no key 'at'"),
        ({"unit": 0}, "mapping with kind and unit"),
    ],
)
def test_wrong_fixed_faults_are_told(fault: dict[str, Any], complaint: str) -> None:
    bench = Bench("none", 1)
    with pytest.raises(ValueError, match=complaint):
        lay_faults(bench.model, bench.state, 0, [fault])


def test_too_many_fixed_faults_are_told() -> None:
    bench = Bench("none", 1)
    with pytest.raises(ValueError, match=f"at most {MAX_FAULTS} faults"):
        lay_faults(bench.model, bench.state, 0, [{"kind": "fan", "unit": 0}] * (MAX_FAULTS + 1))


@pytest.mark.parametrize(
    ("config", "complaint"),
    [
        ("typicall", "did you mean 'typical'"),
        ({"fam": {}}, "no key 'fam'"),
        ({"fan": {"rate_per_hour": -1.0}}, "rate_per_hour of a fault is >= 0"),
        ({"fan": {"repair_hours": 0.0}}, "repair_hours of a fault is > 0"),
        ({"fan": {"remaining": 2.0}}, "from 0 to 1"),
        ({"fans_per_zone": 0}, "whole number >= 1"),
        ({"sensor_offset": -1.0}, "sensor_offset of faults is >= 0"),
    ],
)
def test_wrong_configurations_are_told(config: Any, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        parse_faults(config)


def test_presets_are_ordered() -> None:
    rates = [parse_faults(name).fan.rate_per_hour for name in ("none", "typical", "severe")]
    assert rates == sorted(rates) and rates[0] == 0.0 and isinstance(parse_faults("none"), Faults)
