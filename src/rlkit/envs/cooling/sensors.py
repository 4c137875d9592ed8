"""Sensors: what a controller sees of the plant, with the errors that instruments have.

A sensor reads one quantity of the plant's table of true readings as

    shown = resolution * round((truth + bias + drift * days + jump + noise) / resolution),  held within its range

where the bias and the drift's rate are drawn when an episode begins and the noise at every reading. Now and then a
reading is lost; the sensor then shows its last value, as building management systems do. A faulty sensor
(:mod:`rlkit.envs.cooling.faults`) jumps, freezes, or goes dead at the low end of its range, as an open 4-20 mA loop
does.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rlkit.envs.cooling.mapping import from_mapping
from rlkit.envs.jit import kernel
from rlkit.envs.streams import Streams, normal, uniform
from rlkit.errors import UsageError, nearest

SETS = ("minimal", "standard", "full")
WORKING, FROZEN, DEAD = range(3)  # how a sensor is
_NEVER = 2**62


@dataclass(frozen=True)
class Reading:
    """A quantity of the plant that can be measured.

    Attributes:
        name: Unique, with its unit at the end (``chilled_water_supply_temp_c``).
        unit: A key of :data:`INSTRUMENTS`.
        low: Low end of the range that an instrument for it covers.
        high: High end.
        level: The smallest set of sensors that has it: ``"minimal"``, ``"standard"`` or ``"full"``.
        exact: Whether it is known without a sensor's errors, such as how many machines run.
    """

    name: str
    unit: str
    low: float
    high: float
    level: str = "standard"
    exact: bool = False


@dataclass(frozen=True)
class Instrument:
    """What instruments for a unit are like. Absolute figures are in the unit, relative ones shares of the range.

    Attributes:
        noise: Standard deviation of a reading's noise.
        bias: Standard deviation, over instruments, of the constant error.
        drift: Standard deviation, over instruments, of the drift in a year.
        resolution: Smallest step that is shown; 0 for none.
        relative: Whether the four are shares of the instrument's range.
    """

    noise: float
    bias: float
    drift: float
    resolution: float
    relative: bool


# Biases are about a third of usual tolerances: temperature IEC 60751 class B (0.3 K + 0.5 %), power IEC 62053 class 1,
# magnetic flow meters 1 %, humidity 2 %, pressure 1 % of range. Noise and drift are orders of magnitude, by hand.
INSTRUMENTS: dict[str, Instrument] = {
    "C": Instrument(0.05, 0.12, 0.10, 0.01, relative=False),
    "K/h": Instrument(0.5, 0.1, 0.1, 0.1, relative=False),
    "kW": Instrument(0.002, 0.003, 0.001, 0.0001, relative=True),
    "kg/s": Instrument(0.003, 0.003, 0.002, 0.0005, relative=True),
    "Pa": Instrument(0.003, 0.004, 0.003, 0.0005, relative=True),
    "1": Instrument(0.002, 0.005, 0.005, 0.001, relative=True),  # shares: humidity, speed, position, load
}


@dataclass(frozen=True, kw_only=True)
class Sensors:
    """Which sensors there are and how good they are.

    Attributes:
        set: ``"minimal"`` (what a plant cannot be run without), ``"standard"`` or ``"full"`` (every quantity of the
            plant, down to each rack and unit).
        redundancy: Sensors for each reading, with errors of their own.
        noise: Multiplies the noise of :data:`INSTRUMENTS`; 0 for none.
        bias: Multiplies the biases.
        drift: Multiplies the drift.
        dropout: Probability that a single reading is lost.
        rounding: Whether values are rounded to the instrument's resolution.
    """

    set: str = "standard"
    redundancy: int = 1
    noise: float = 1.0
    bias: float = 1.0
    drift: float = 1.0
    dropout: float = 0.0
    rounding: bool = True

    def __post_init__(self) -> None:
        if self.set not in SETS:
            raise UsageError(f"unknown set of sensors {self.set!r}: {nearest(self.set, SETS)}")
        if isinstance(self.redundancy, bool) or self.redundancy != int(self.redundancy) or self.redundancy < 1:
            raise UsageError(f"the redundancy of sensors is a whole number >= 1, got {self.redundancy!r}")
        for name in ("noise", "bias", "drift"):
            if not 0.0 <= getattr(self, name) < math.inf:
                raise UsageError(f"the {name} of sensors is a factor >= 0, got {getattr(self, name)!r}")
        if not 0.0 <= self.dropout < 1.0:
            raise UsageError(f"the dropout of sensors is a probability below 1, got {self.dropout!r}")
        if not isinstance(self.rounding, bool):
            raise UsageError(f"the rounding of sensors is true or false, got {self.rounding!r}")


PERFECT = Sensors(noise=0.0, bias=0.0, drift=0.0, dropout=0.0, rounding=False)


def parse_sensors(config: str | Mapping[str, Any] | Sensors) -> Sensors:
    """Sensors from a keyword argument.

    Args:
        config: The name of a set, ``"perfect"`` (the standard set without any error), a mapping of the attributes of
            :class:`Sensors`, or as it is.

    Raises:
        UsageError: Naming the nearest right key or set.

    Example:
        >>> parse_sensors({"set": "full", "redundancy": 2}).redundancy
        2
    """
    if isinstance(config, Sensors):
        return config
    if config == "perfect":
        return PERFECT
    if isinstance(config, str):
        if config not in SETS:
            raise UsageError(f"unknown sensors {config!r}: {nearest(config, (*SETS, 'perfect'))}")
        return Sensors(set=config)
    mapping = dict(config) if isinstance(config, Mapping) else config
    rounding = mapping.pop("rounding", True) if isinstance(mapping, dict) else True
    return dataclasses.replace(from_mapping(Sensors, mapping, "sensors"), rounding=rounding)


# One sensor as kernels take it. Records in one array: every array that a kernel is passed costs it some nanoseconds.
SENSOR = np.dtype(
    [
        ("reading", np.int64),  # column of the table of true readings
        ("low", np.float64),
        ("high", np.float64),
        ("noise", np.float64),
        ("bias", np.float64),
        ("drift_per_day", np.float64),
        ("resolution", np.float64),
        ("per_step", np.float64),  # one over it; 0 where there is none
        ("log_kept", np.float64),  # logarithm of the probability that a reading is not lost; the same for all
    ],
    align=True,
)


class SensorState(NamedTuple):
    """What sensors carry from step to step: arrays with a row for each environment."""

    bias: NDArray[np.float32]  # (n, sensors)
    drift_per_day: NDArray[np.float32]  # (n, sensors)
    shown: NDArray[np.float32]  # (n, sensors) in engineering units
    until_lost: NDArray[np.int64]  # (n,) readings until the next one that is lost


@dataclass(frozen=True, eq=False)
class SensorArray:
    """All sensors of a plant.

    Attributes:
        config: What was asked for.
        names: Of each sensor: its reading's, with ``#1``, ``#2``, ... where there are several.
        units: Of each sensor.
        rules: For kernels: records of :data:`SENSOR`, shape ``(sensors,)``.
    """

    config: Sensors
    names: tuple[str, ...]
    units: tuple[str, ...]
    rules: NDArray[np.void]

    def __len__(self) -> int:
        return len(self.names)

    def new_state(self, n: int) -> SensorState:
        """State for ``n`` environments, to be begun with :func:`start_sensors`."""
        bias, drift, shown = np.zeros((3, n, len(self)), np.float32)
        return SensorState(bias, drift, shown, np.zeros(n, np.int64))

    def bounds(self, scaled: bool) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Least and largest value that each sensor can show; -1 and 1 where scaled."""
        if scaled:
            return np.full(len(self), -1, np.float32), np.full(len(self), 1, np.float32)
        return self.rules["low"].astype(np.float32), self.rules["high"].astype(np.float32)


def build_sensors(config: Sensors, readings: Sequence[tuple[int, Reading]]) -> SensorArray:
    """The sensors for a plant's readings.

    Args:
        config: Which ones, and how good.
        readings: Column in the plant's table of true readings, and what can be measured there
            (:func:`rlkit.envs.cooling.instruments.measurable`).

    Raises:
        ValueError: If a reading has an unknown unit, or an empty range, or none belongs to the set.
    """
    rank = SETS.index(config.set)
    present = [(column, reading) for column, reading in readings if SETS.index(reading.level) <= rank]
    if not present:
        raise ValueError(f"none of {len(readings)} readings belongs to the {config.set!r} set of sensors")
    chosen = [(column, reading, copy) for column, reading in present for copy in range(config.redundancy)]
    names, rows = [], []
    for _, reading, copy in chosen:
        names.append(reading.name if config.redundancy == 1 else f"{reading.name}#{copy + 1}")
        rows.append((reading.low, reading.high, *_errors(config, reading)))
    rules = np.zeros(len(rows), SENSOR)
    rules["reading"] = [column for column, _, _ in chosen]
    for name, values in zip(SENSOR.names[1:7], zip(*rows, strict=True), strict=True):  # type: ignore[index]
        rules[name] = values
    np.divide(1.0, rules["resolution"], out=rules["per_step"], where=rules["resolution"] > 0.0)
    rules["log_kept"] = math.log1p(-config.dropout)
    return SensorArray(config, tuple(names), tuple(reading.unit for _, reading, _ in chosen), rules)


def _errors(config: Sensors, reading: Reading) -> tuple[float, float, float, float]:
    """Noise, bias, drift a day and resolution of an instrument for a reading."""
    if reading.unit not in INSTRUMENTS:
        raise ValueError(
            f"reading {reading.name!r} has the unit {reading.unit!r}: {nearest(reading.unit, INSTRUMENTS)}"
        )
    if not -math.inf < reading.low < reading.high < math.inf:
        raise ValueError(f"reading {reading.name!r} has the range {reading.low} to {reading.high}")
    if reading.exact:
        return 0.0, 0.0, 0.0, 0.0
    instrument = INSTRUMENTS[reading.unit]
    span = reading.high - reading.low if instrument.relative else 1.0
    return (
        config.noise * instrument.noise * span,
        config.bias * instrument.bias * span,
        config.drift * instrument.drift * span / 365.0,
        instrument.resolution * span if config.rounding else 0.0,
    )


@kernel
def _readings_until_lost(streams: Streams, i: int, log_kept: float) -> int:
    """How many readings come through before the next is lost: geometric, so that no number is drawn for each."""
    if log_kept == 0.0:
        return _NEVER
    return int(min(math.log1p(-uniform(streams, i)) / log_kept, 1e18))


@kernel
def start_sensors(i, rules, state, streams):  # type: ignore[no-untyped-def]
    """Begin an episode in row ``i``: draw biases and drifts. The first reading of an episode is never lost."""
    for s in range(rules.shape[0]):
        state.bias[i, s] = rules[s].bias * normal(streams, i) if rules[s].bias > 0.0 else 0.0
        state.drift_per_day[i, s] = rules[s].drift_per_day * normal(streams, i) if rules[s].drift_per_day > 0.0 else 0.0
    lost = _readings_until_lost(streams, i, rules[0].log_kept)
    state.until_lost[i] = min(lost, _NEVER - rules.shape[0]) + rules.shape[0]


@kernel
def read_sensors(i, rules, state, truth, mode, jump, days, streams):  # type: ignore[no-untyped-def]
    """Read all sensors of environment ``i``: writes row ``i`` of ``state.shown``, in engineering units.

    Faults change what is shown, never how many numbers are drawn, so that the noise is the same with and without them.

    Args:
        i: The environment's row.
        rules: Of the sensors.
        state: Of the sensors.
        truth: True readings, shape ``(n, K)``.
        mode: WORKING, FROZEN or DEAD, shape ``(n, sensors)`` int8.
        jump: Faulty offset, shape ``(n, sensors)`` float32.
        days: Since the episode began.
        streams: Random streams.
    """
    until_lost = state.until_lost[i]
    for s in range(rules.shape[0]):
        if until_lost == 0:
            until_lost = _readings_until_lost(streams, i, rules[0].log_kept)
            continue
        until_lost -= 1
        noise = rules[s].noise
        value = truth[i, rules[s].reading] + state.bias[i, s] + state.drift_per_day[i, s] * days + jump[i, s]
        if noise > 0.0:
            value += noise * normal(streams, i)
        step = rules[s].resolution
        if step > 0.0:
            value = step * np.rint(value * rules[s].per_step)
        if mode[i, s] == WORKING:
            low, high = rules[s].low, rules[s].high
            state.shown[i, s] = low if value < low else (high if value > high else value)
        elif mode[i, s] == DEAD:
            state.shown[i, s] = rules[s].low
    state.until_lost[i] = until_lost


@kernel
def show_sensors(i, rules, state, scaled, out, start):  # type: ignore[no-untyped-def]
    """Copy what the sensors of environment ``i`` show into an observation.

    Args:
        i: The environment's row.
        rules: Of the sensors.
        state: Of the sensors.
        scaled: Whether each range becomes -1 to 1.
        out: Observations, shape ``(n, >= start + sensors)``; row ``i`` is written from column ``start`` on.
        start: First column.
    """
    for s in range(rules.shape[0]):
        if scaled:
            share = (state.shown[i, s] - rules[s].low) / (rules[s].high - rules[s].low)
            out[i, start + s] = min(max(2.0 * share - 1.0, -1.0), 1.0)
        else:
            out[i, start + s] = state.shown[i, s]
