"""Faults: fans, chillers, pumps and tower cells that trip, coils that foul, valves that stick, sensors that go wrong.

Each kind has a rate an hour for each unit and a mean time to repair, both of exponential waiting times. Fixed faults
can be laid down for an episode. The truth, for ``info``, is :func:`faults_of`; how faults come and go, and what plant
and sensors feel of them, is in :mod:`rlkit.envs.cooling.fault_kernel`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rlkit.envs.cooling.fault_kernel import (
    FAULT,
    KINDS,
    MAX_FAULTS,
    SENSOR_BIAS,
    VALVE,
    FaultEffects,
    FaultRules,
    FaultState,
)
from rlkit.envs.cooling.mapping import from_mapping
from rlkit.envs.cooling.packing import PackedPlant
from rlkit.envs.cooling.plant import Plant
from rlkit.envs.cooling.readings import Layout
from rlkit.envs.cooling.sensors import SensorArray
from rlkit.errors import UsageError, nearest

HOUR_S = 3600.0


@dataclass(frozen=True, kw_only=True)
class FaultRate:
    """How often one unit of a kind fails.

    Attributes:
        rate_per_hour: Faults an hour of one unit.
        repair_hours: Mean time to repair.
        remaining: Share of its capacity that is left to the unit meanwhile (not for valves and sensors).
    """

    rate_per_hour: float = 0.0
    repair_hours: float = 4.0
    remaining: float = 0.0

    def __post_init__(self) -> None:
        if not 0.0 <= self.rate_per_hour < math.inf:
            raise UsageError(f"rate_per_hour of a fault is >= 0, got {self.rate_per_hour!r}")
        if not 0.0 < self.repair_hours < math.inf:
            raise UsageError(f"repair_hours of a fault is > 0, got {self.repair_hours!r}")
        if not 0.0 <= self.remaining <= 1.0:
            raise UsageError(f"remaining of a fault is from 0 to 1, got {self.remaining!r}")


@dataclass(frozen=True, kw_only=True)
class Faults:
    """Random faults of every kind; none by default.

    Attributes:
        fan: Air handlers' fans trip; units are numbered zone by zone, ``fans_per_zone`` each.
        chiller: Chillers trip.
        pump: Pumps trip: first ``pumps_per_loop`` chilled-water pumps, then (with towers) as many condenser pumps.
        tower: Tower cells' fans trip.
        coil: A zone's coils foul: its share of conductance falls to ``remaining`` (0.7 unless set).
        valve: A zone's coil valve sticks where it stands.
        sensor_bias: Sensors jump by an offset.
        sensor_freeze: Sensors stay at their last value.
        sensor_dropout: Sensors go dead at the low end of their range.
        sensor_offset: Standard deviation of the offset, as share of the sensor's range.
        fans_per_zone: Fans that share a zone's airflow.
        pumps_per_loop: Pumps that share a loop's flow.
    """

    fan: FaultRate = FaultRate()
    chiller: FaultRate = FaultRate()
    pump: FaultRate = FaultRate()
    tower: FaultRate = FaultRate()
    coil: FaultRate = FaultRate(repair_hours=168.0, remaining=0.7)
    valve: FaultRate = FaultRate()
    sensor_bias: FaultRate = FaultRate()
    sensor_freeze: FaultRate = FaultRate()
    sensor_dropout: FaultRate = FaultRate()
    sensor_offset: float = 0.05
    fans_per_zone: int = 4
    pumps_per_loop: int = 2

    def __post_init__(self) -> None:
        if not 0.0 <= self.sensor_offset < math.inf:
            raise UsageError(f"sensor_offset of faults is >= 0, got {self.sensor_offset!r}")
        for name in ("fans_per_zone", "pumps_per_loop"):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise UsageError(f"{name} of faults is a whole number >= 1, got {value!r}")

    def rate(self, kind: str) -> FaultRate:
        """Of one of :data:`KINDS`."""
        rate: FaultRate = getattr(self, kind)
        return rate


def _all(per_year: float, sensor_per_year: float) -> Faults:
    machine = FaultRate(rate_per_hour=per_year / 8760.0, repair_hours=6.0)
    coil = FaultRate(rate_per_hour=per_year / 8760.0, repair_hours=168.0, remaining=0.7)
    sensor = FaultRate(rate_per_hour=sensor_per_year / 8760.0, repair_hours=24.0)
    rates = {kind: sensor if kind.startswith("sensor") else machine for kind in KINDS}
    return Faults(**{**rates, "coil": coil})  # type: ignore[arg-type]


# "typical": one fault of each kind a machine and year, one in ten years a sensor: orders of magnitude, by hand.
# "severe": a hundred times as many, to try controllers with a fault every few days.
PRESETS: dict[str, Faults] = {"none": Faults(), "typical": _all(1.0, 0.1), "severe": _all(100.0, 10.0)}


def parse_faults(config: str | Mapping[str, Any] | Faults) -> Faults:
    """Faults from a keyword argument.

    Args:
        config: A key of :data:`PRESETS`, a mapping such as ``{"fan": {"rate_per_hour": 0.01}}``, or as it is.

    Raises:
        UsageError: Naming the nearest right key.
    """
    if isinstance(config, Faults):
        return config
    if isinstance(config, str):
        if config not in PRESETS:
            raise UsageError(f"unknown faults {config!r}: {nearest(config, PRESETS)}")
        return PRESETS[config]
    return from_mapping(Faults, dict(config) if isinstance(config, Mapping) else config, "faults")


@dataclass(frozen=True, eq=False)
class FaultModel:
    """Faults of one plant with its sensors.

    Attributes:
        rules: For kernels.
        sensor_names: To name them in ``info`` and to find them in fixed faults.
    """

    rules: FaultRules
    sensor_names: tuple[str, ...]

    def new_state(self, plant_faults: NDArray[np.float64]) -> tuple[FaultState, FaultEffects]:
        """State and effects, to be begun with :func:`start_faults`.

        Args:
            plant_faults: Shape ``(n, f)``: what the plant's kernel is given; faults are written there.
        """
        n, sensors = len(plant_faults), int(self.rules.units[SENSOR_BIAS])
        slots = np.zeros((n, MAX_FAULTS), FAULT)
        slots["kind"] = -1
        state = FaultState(slots, np.full((n, len(KINDS)), np.inf), np.full(n, np.inf))
        mode, jump = np.zeros((n, sensors), np.int8), np.zeros((n, sensors), np.float32)
        return state, FaultEffects(plant_faults, mode, jump)


def build_faults(config: Faults, plant: Plant, packed: PackedPlant, sensors: SensorArray) -> FaultModel:
    """Faults for a plant with its sensors.

    Args:
        config: How often.
        plant: How many units there are.
        packed: Where they are felt.
        sensors: What can go wrong with them.
    """
    columns = _columns(config, plant, packed.faults)
    counts = [len(columns[kind]) if kind in columns else len(sensors) for kind in KINDS]
    rates = [config.rate(kind) for kind in KINDS]
    per_hour = np.array(counts) * np.array([rate.rate_per_hour for rate in rates])
    felt = [pair for kind in KINDS if kind in columns for pair in columns[kind]]
    zones = range(len(plant.zones))
    rules = FaultRules(
        units=np.array(counts, dtype=np.int64),
        mean_gap_s=np.divide(HOUR_S, per_hour, out=np.full(len(KINDS), np.inf), where=per_hour > 0.0),
        mean_repair_s=np.array([rate.repair_hours * HOUR_S for rate in rates]),
        lost=np.array([1.0 - rate.remaining for rate in rates]),
        first=np.concatenate([[0], np.cumsum(counts)[:-1]]).astype(np.int64),
        column=np.array([column for column, _ in felt], dtype=np.int64),
        weight=np.array([1.0 / sharing for _, sharing in felt]),
        valve_state=np.array([packed.state.column("valve", zone) for zone in zones], dtype=np.int64),
        sensor_offset=config.sensor_offset * (sensors.rules.high - sensors.rules.low),
    )
    return FaultModel(rules, sensors.names)


def _columns(config: Faults, plant: Plant, layout: Layout) -> dict[str, list[tuple[int, int]]]:
    """For each unit of the plant, by kind: the column where it is felt, and how many units share that column."""
    zones = range(len(plant.zones))
    pumps = ["chilled_water_pumps_available"]
    cells = 0
    if plant.condenser is not None:
        pumps.append("condenser_pumps_available")
        cells = plant.condenser.towers.cells
    fans, per_loop, chillers = config.fans_per_zone, config.pumps_per_loop, plant.chillers.count
    return {
        "fan": [(layout.column("fans_available", zone), fans) for zone in zones for _ in range(fans)],
        "chiller": [(layout.column("chillers_available"), chillers)] * chillers,
        "pump": [(layout.column(loop), per_loop) for loop in pumps for _ in range(per_loop)],
        "tower": [(layout.column("tower_fans_available"), cells)] * cells,
        "coil": [(layout.column("coil_fouling", zone), 1) for zone in zones],
        "valve": [(layout.column("stuck_valve", zone), 1) for zone in zones],
    }


def lay_faults(model: FaultModel, state: FaultState, i: int, faults: Sequence[Mapping[str, Any]]) -> None:
    """Lay down fixed faults for the episode that has just begun in row ``i``.

    Args:
        model: Of the plant.
        state: Changed in place.
        i: The environment's row.
        faults: Each a mapping with ``kind`` (of :data:`KINDS`), ``unit`` (a number, or a sensor's name), ``at_s``
            (since the episode began, default 0), ``for_s`` (default: to the end) and ``value`` (the position of a
            stuck valve, default where it is then; the offset of a biased sensor, required).

    Raises:
        UsageError: If a fault cannot be understood, or there are more than MAX_FAULTS.
    """
    records = [_record(model, fault) for fault in faults]
    free = np.flatnonzero(state.slots["kind"][i] < 0)
    if len(records) > len(free):
        raise UsageError(f"at most {MAX_FAULTS} faults at once, got {len(records)}")
    for slot, record in zip(free, records, strict=False):
        state.slots[i, slot] = record
        state.due_s[i] = min(state.due_s[i], record[2])


FIXED_KEYS = ("kind", "unit", "at_s", "for_s", "value")


def _record(model: FaultModel, fault: Mapping[str, Any]) -> tuple[int, int, float, float, float, bool]:
    """A fixed fault as a record of FAULT."""
    if not isinstance(fault, Mapping) or "kind" not in fault or "unit" not in fault:
        raise UsageError(f"a fixed fault is a mapping with kind and unit, got {fault!r}")
    for key in fault:
        if key not in FIXED_KEYS:
            raise UsageError(f"a fixed fault has no key {key!r}: {nearest(str(key), FIXED_KEYS)}")
    if fault["kind"] not in KINDS:
        raise UsageError(f"unknown kind of fault {fault['kind']!r}: {nearest(str(fault['kind']), KINDS)}")
    kind = KINDS.index(fault["kind"])
    start_s = _seconds(fault, "at_s", 0.0)
    value = _seconds(fault, "value", math.nan, low=-math.inf)
    if kind == SENSOR_BIAS and math.isnan(value):
        raise UsageError("a fixed sensor_bias needs value: the offset in the sensor's unit")
    if kind == VALVE and not math.isnan(value) and not 0.0 <= value <= 1.0:
        raise UsageError(f"the value of a fixed valve fault is a position from 0 to 1, got {value!r}")
    return kind, _unit(model, kind, fault["unit"]), start_s, start_s + _seconds(fault, "for_s", math.inf), value, False


def _seconds(fault: Mapping[str, Any], key: str, default: float, low: float = 0.0) -> float:
    value = fault.get(key, default)
    if value is default:
        return default
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value:
        raise UsageError(f"{key} of a fixed fault is a number{' >= 0' if low == 0.0 else ''}, got {value!r}")
    return float(value)


def _unit(model: FaultModel, kind: int, unit: Any) -> int:
    count = int(model.rules.units[kind])
    if isinstance(unit, str) and kind >= SENSOR_BIAS:
        if unit not in model.sensor_names:
            raise UsageError(f"no sensor is called {unit!r}: {nearest(unit, model.sensor_names)}")
        return model.sensor_names.index(unit)
    if isinstance(unit, bool) or not isinstance(unit, int | np.integer) or not 0 <= unit < count:
        raise UsageError(
            f"the unit of a fixed {KINDS[kind]} fault is a whole number from 0 to {count - 1}, got {unit!r}"
        )
    return int(unit)


def faults_of(model: FaultModel, state: FaultState, i: int) -> list[dict[str, Any]]:
    """The truth for ``info``: every fault that is active in row ``i``, as plain values."""
    found = []
    for slot in state.slots[i]:
        if slot["kind"] >= 0 and slot["active"]:
            kind, unit = int(slot["kind"]), int(slot["unit"])
            fault: dict[str, Any] = {"kind": KINDS[kind], "unit": unit}
            if kind >= SENSOR_BIAS:
                fault["sensor"] = model.sensor_names[unit]
            fault.update(start_s=float(slot["start_s"]), end_s=float(slot["end_s"]))
            if kind in (VALVE, SENSOR_BIAS):
                fault["value"] = float(slot["value"])
            found.append(fault)
    return found
