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
from rlkit.envs.jit import inlined, kernel
from rlkit.envs.streams import Streams, normal, scaled_normals, uniform
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


class SensorRules(NamedTuple):
    """Sensors as kernels take them: arrays ``(sensors,)``, so that loops over sensors are vectorised."""

    reading: NDArray[np.int64]  # column of the table of true readings
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    noise: NDArray[np.float64]
    bias: NDArray[np.float64]
    drift_per_day: NDArray[np.float64]
    resolution: NDArray[np.float64]
    per_step: NDArray[np.float64]  # one over it; 0 where there is none
    per_half: NDArray[np.float64]  # one over half the range
    log_kept: float  # logarithm of the probability that a reading is not lost


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
        rules: For kernels.
    """

    config: Sensors
    names: tuple[str, ...]
    units: tuple[str, ...]
    rules: SensorRules

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
        return self.rules.low.astype(np.float32), self.rules.high.astype(np.float32)


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
    low, high, noise, bias, drift, resolution = np.array(rows, dtype=np.float64).T.copy()
    per_step = np.divide(1.0, resolution, out=np.zeros_like(resolution), where=resolution > 0.0)
    columns = np.array([column for column, _, _ in chosen], dtype=np.int64)
    kept = math.log1p(-config.dropout)
    rules = SensorRules(columns, low, high, noise, bias, drift, resolution, per_step, 2.0 / (high - low), kept)
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
    bias, drift = rules.bias, rules.drift_per_day
    for s in range(bias.shape[0]):
        state.bias[i, s] = bias[s] * normal(streams, i) if bias[s] > 0.0 else 0.0
        state.drift_per_day[i, s] = drift[s] * normal(streams, i) if drift[s] > 0.0 else 0.0
    lost = _readings_until_lost(streams, i, rules.log_kept)
    state.until_lost[i] = min(lost, _NEVER - bias.shape[0]) + bias.shape[0]


@inlined
def read_sensors(i, rules, state, truth, mode, jump, days, values, streams):  # type: ignore[no-untyped-def]
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
        values: Scratch, shape ``(sensors,)``.
        streams: Random streams.
    """
    count = values.shape[0]
    until_lost = state.until_lost[i]
    if until_lost < count:
        _read_and_lose(i, rules, state, truth, mode, jump, days, values, streams)
        return
    state.until_lost[i] = until_lost - count
    scaled_normals(streams, i, rules.noise, values)
    column, bias, drift, shown = rules.reading, state.bias, state.drift_per_day, state.shown
    low, high, resolution, per_step = rules.low, rules.high, rules.resolution, rules.per_step
    for s in range(count):
        values[s] += truth[i, column[s]] + bias[i, s] + drift[i, s] * days + jump[i, s]
    for s in range(count):
        value = _indicated(values[s], resolution[s], per_step[s], low[s], high[s])
        if mode[i, s] == WORKING:
            shown[i, s] = value
        elif mode[i, s] == DEAD:
            shown[i, s] = low[s]


@inlined
def _indicated(value, step, per_step, low, high):  # type: ignore[no-untyped-def]
    """A value in an instrument's resolution and range."""
    if step > 0.0:
        value = step * np.rint(value * per_step)
    return low if value < low else (high if value > high else value)


@kernel
def _read_and_lose(i, rules, state, truth, mode, jump, days, values, streams):  # type: ignore[no-untyped-def]
    """:func:`read_sensors` where a reading is lost: it shows its last value, and draws no noise."""
    column, bias, drift, shown = rules.reading, state.bias, state.drift_per_day, state.shown
    low, high, resolution, per_step = rules.low, rules.high, rules.resolution, rules.per_step
    scale, log_kept = rules.noise, rules.log_kept
    until_lost = state.until_lost[i]
    for s in range(values.shape[0]):
        if until_lost == 0:
            until_lost = _readings_until_lost(streams, i, log_kept)
            continue
        until_lost -= 1
        noise = scale[s] * normal(streams, i) if scale[s] > 0.0 else 0.0
        value = noise + (truth[i, column[s]] + bias[i, s] + drift[i, s] * days + jump[i, s])
        value = _indicated(value, resolution[s], per_step[s], low[s], high[s])
        if mode[i, s] == WORKING:
            shown[i, s] = value
        elif mode[i, s] == DEAD:
            shown[i, s] = low[s]
    state.until_lost[i] = until_lost


@inlined
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
    shown, low, per_half = state.shown, rules.low, rules.per_half
    if not scaled:
        for s in range(low.shape[0]):
            out[i, start + s] = shown[i, s]
        return
    for s in range(low.shape[0]):
        out[i, start + s] = min(max((shown[i, s] - low[s]) * per_half[s] - 1.0, -1.0), 1.0)
