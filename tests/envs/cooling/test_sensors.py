"""Sensors: which there are, and that their errors are as stated."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from rlkit.envs.cooling.instruments import measurable
from rlkit.envs.cooling.packing import pack_plant
from rlkit.envs.cooling.plant import SHIPPED, load_plant
from rlkit.envs.cooling.sensors import (
    DEAD,
    FROZEN,
    INSTRUMENTS,
    PERFECT,
    Reading,
    SensorArray,
    Sensors,
    SensorState,
    build_sensors,
    parse_sensors,
    read_sensors,
    show_sensors,
    start_sensors,
)
from rlkit.envs.streams import new_streams

READINGS = (  # columns 0, 1, 2 and 5 of the truth
    (0, Reading("supply_temp_c", "C", 0.0, 50.0, "minimal")),
    (1, Reading("fan_power_kw", "kW", 0.0, 200.0, "standard")),
    (2, Reading("chillers_on", "1", 0.0, 4.0, "minimal", exact=True)),
    (5, Reading("rack_7_inlet_temp_c", "C", 0.0, 60.0, "full")),
)


class Bench:
    """Sensors with their state and a truth to read, for tests."""

    def __init__(
        self, config: Sensors, n: int, truth: tuple[float, ...] = (20.0, 80.0, 2.0, 0.0, 0.0, 25.0), seed: int = 0
    ):
        self.array: SensorArray = build_sensors(config, READINGS)
        self.state: SensorState = self.array.new_state(n)
        self.n, self.streams = n, new_streams(seed, n)
        self.truth = np.tile(np.array(truth), (n, 1))
        self.mode = np.zeros((n, len(self.array)), np.int8)
        self.jump = np.zeros((n, len(self.array)), np.float32)
        for i in range(n):
            start_sensors(i, self.array.rules, self.state, self.streams)

    def read(self, days: float = 0.0) -> np.ndarray:
        for i in range(self.n):
            read_sensors(
                i,
                self.array.rules,
                self.state,
                self.truth,
                self.mode,
                self.jump,
                days,
                np.empty(len(self.array)),
                self.streams,
            )
        return self.state.shown.copy()


def test_sets_are_nested_and_redundancy_multiplies_them() -> None:
    names = {name: build_sensors(Sensors(set=name), READINGS).names for name in ("minimal", "standard", "full")}
    assert names["minimal"] == ("supply_temp_c", "chillers_on")
    assert set(names["minimal"]) < set(names["standard"]) < set(names["full"])
    assert names["full"] == tuple(reading.name for _, reading in READINGS)
    double = build_sensors(Sensors(set="minimal", redundancy=2), READINGS)
    assert double.names == ("supply_temp_c#1", "supply_temp_c#2", "chillers_on#1", "chillers_on#2")
    assert double.units == ("C", "C", "1", "1")


def test_perfect_sensors_show_the_truth_and_draw_nothing() -> None:
    bench = Bench(PERFECT, 3)
    untouched = new_streams(0, 3)
    np.testing.assert_array_equal(bench.read(), np.tile(np.float32([20.0, 80.0, 2.0]), (3, 1)))
    np.testing.assert_array_equal(bench.streams, untouched)


def test_noise_bias_and_drift_have_the_stated_sizes() -> None:
    n = 4_000
    bench = Bench(Sensors(noise=2.0, bias=3.0, drift=4.0, rounding=False), n)
    readings = np.stack([bench.read() for _ in range(50)])
    instrument = INSTRUMENTS["C"]
    within, between = readings[:, :, 0].std(0).mean(), readings[:, :, 0].mean(0).std()
    assert within == pytest.approx(2.0 * instrument.noise, rel=0.03)
    assert between == pytest.approx(3.0 * instrument.bias, rel=0.05)
    assert readings[:, :, 0].mean() == pytest.approx(20.0, abs=4 * between / np.sqrt(n))
    power = INSTRUMENTS["kW"]
    assert readings[:, :, 1].std(0).mean() == pytest.approx(2.0 * power.noise * 200.0, rel=0.03)
    drifted = bench.read(days=365.0)[:, 0] - readings[:, :, 0].mean(0)
    assert drifted.std() == pytest.approx(np.hypot(4.0 * instrument.drift, within), rel=0.05)
    assert (readings[:, :, 2] == 2.0).all()  # it is known exactly


def test_a_full_set_reads_the_columns_it_names() -> None:
    bench = Bench(dataclasses.replace(PERFECT, set="full"), 1)
    assert bench.read().tolist() == [[20.0, 80.0, 2.0, 25.0]]


def test_redundant_sensors_have_errors_of_their_own() -> None:
    bench = Bench(Sensors(set="minimal", redundancy=2), 3_000)
    shown = bench.read()
    assert abs(np.corrcoef(shown[:, 0], shown[:, 1])[0, 1]) < 0.08


def test_values_are_rounded_and_stay_within_the_range() -> None:
    bench = Bench(Sensors(), 500, truth=(50.0, 0.0, 4.0, 25.0))
    shown = bench.read().astype(np.float64)
    assert shown[:, 0].max() == 50.0 and shown[:, 1].min() == 0.0
    steps = shown[:, 0] / INSTRUMENTS["C"].resolution
    np.testing.assert_allclose(steps, np.rint(steps), atol=1e-3)
    low, high = bench.array.bounds(scaled=False)
    assert (shown >= low).all() and (shown <= high).all()


def test_lost_readings_hold_the_last_value_as_often_as_stated() -> None:
    bench = Bench(Sensors(set="minimal", dropout=0.1), 200)
    before = bench.read()
    assert (before[:, 0] > 0).all()  # never lost at the start
    held, total = 0, 0
    for step in range(1, 200):
        bench.truth[:, 0] = 20.0 + step % 2 * 10  # a fresh reading cannot equal the last one
        after = bench.read()
        held += int((after[:, 0] == before[:, 0]).sum())
        total += len(after)
        before = after
    assert held / total == pytest.approx(0.1, abs=0.01)


def test_faulty_sensors_freeze_go_dead_and_jump_without_changing_the_noise() -> None:
    healthy, faulty = Bench(Sensors(dropout=0.05), 4), Bench(Sensors(dropout=0.05), 4)
    first = faulty.read()
    healthy.read()
    faulty.mode[:, 0], faulty.mode[:, 1] = FROZEN, DEAD
    faulty.mode[3, :] = 0
    faulty.jump[3, 0] = 5.0
    for _ in range(20):
        right, wrong = healthy.read(), faulty.read()
    np.testing.assert_array_equal(wrong[:3, 0], first[:3, 0])
    assert (wrong[:3, 1] == 0.0).all()
    np.testing.assert_allclose(wrong[3, 0], right[3, 0] + 5.0, atol=0.0101)
    np.testing.assert_array_equal(healthy.streams, faulty.streams)


def test_scaled_observations_map_each_range_to_minus_one_to_one() -> None:
    bench = Bench(PERFECT, 2, truth=(0.0, 200.0, 2.0, 25.0))
    bench.read()
    out = np.full((2, 5), 9.0, np.float32)
    show_sensors(1, bench.array.rules, bench.state, True, out, 1)
    np.testing.assert_allclose(out, [[9, 9, 9, 9, 9], [9, -1, 1, 0, 9]])
    show_sensors(0, bench.array.rules, bench.state, False, out, 2)
    np.testing.assert_allclose(out[0], [9, 9, 0, 200, 2])
    low, high = bench.array.bounds(scaled=True)
    assert (low == -1).all() and (high == 1).all()


def test_a_row_does_not_depend_on_the_others() -> None:
    few, many = Bench(Sensors(dropout=0.1), 2), Bench(Sensors(dropout=0.1), 20)
    for _ in range(30):
        np.testing.assert_array_equal(few.read(), many.read()[:2])


@pytest.mark.parametrize(
    ("config", "complaint"),
    [
        ("standrad", "did you mean 'standard'"),
        ({"set": "all"}, "unknown set of sensors 'all'"),
        ({"nois": 1.0}, "no key 'nois': did you mean 'noise'"),
        ({"redundancy": 0}, "whole number >= 1"),
        ({"noise": -1.0}, "noise of sensors is a factor >= 0"),
        ({"dropout": 1.0}, "probability below 1"),
        ({"rounding": 2}, "true or false"),
        (7, "expected keys and values"),
    ],
)
def test_wrong_configurations_are_told(config: object, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        parse_sensors(config)  # type: ignore[arg-type]


def test_configurations_are_understood() -> None:
    assert parse_sensors("full").set == "full" and parse_sensors("perfect") == PERFECT
    assert parse_sensors({"redundancy": 3, "rounding": False}) == Sensors(redundancy=3, rounding=False)


def test_wrong_readings_are_told() -> None:
    with pytest.raises(ValueError, match="unit 'kw': there are: .*kW"):
        build_sensors(Sensors(), [(0, Reading("a", "kw", 0, 1))])
    with pytest.raises(ValueError, match="range 1 to 1"):
        build_sensors(Sensors(), [(0, Reading("a", "kW", 1, 1))])
    with pytest.raises(ValueError, match="none of 1 readings belongs to the 'minimal' set"):
        build_sensors(Sensors(set="minimal"), [(0, Reading("a", "kW", 0, 1))])


@pytest.mark.parametrize("name", SHIPPED)
def test_every_shipped_plant_can_be_measured(name: str) -> None:
    """Column and name agree; the sets grow; the largest plant reaches thousands of sensors."""
    plant = load_plant(name)
    layout = pack_plant(plant).readings
    found = measurable(plant, layout)
    assert all(layout.names()[column] == reading.name for column, reading in found)
    assert all(layout.units()[column] == reading.unit for column, reading in found)
    sizes = [len(build_sensors(Sensors(set=kind), found)) for kind in ("minimal", "standard", "full")]
    assert 18 <= sizes[0] < sizes[1] < sizes[2]
    if name == "hall_10mw":
        assert len(build_sensors(Sensors(set="full", redundancy=3), found)) > 2000
