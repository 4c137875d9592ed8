"""What a cooling task is made of: its arguments, checked, and everything that they imply as arrays for the kernels."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from rlkit.envs.cooling.costs import charges, parse_limits, parse_price, parse_reward
from rlkit.envs.cooling.episode import CONTROL, SETTINGS, SOURCE, Model, Sources, Start
from rlkit.envs.cooling.faults import FaultModel, build_faults, parse_faults
from rlkit.envs.cooling.forecast import Forecast, parse_forecast
from rlkit.envs.cooling.halls import ROUGH_SUBSTEPS_S, Timing, action_bounds, default_actions, split_step
from rlkit.envs.cooling.instruments import measurable
from rlkit.envs.cooling.mapping import PlantError, from_mapping
from rlkit.envs.cooling.packing import PackedPlant, pack_plant
from rlkit.envs.cooling.plant import Plant, load_plant
from rlkit.envs.cooling.readings import Layout
from rlkit.envs.cooling.sensors import SensorArray, build_sensors, parse_sensors
from rlkit.envs.cooling.weather import DAY_S, Weather, load_weather, start_days
from rlkit.envs.cooling.workload import LoadNoise, Workload, load_workload, noise_rule
from rlkit.errors import UsageError, nearest

CONTROLS = ("supervisory", "actuator")
STEP_RANGE_S = (30.0, 900.0)
SPIN_UP_H = 3.0  # a hall runs for so long with default setpoints before its episode begins
SPIN_STEP_S = 900.0
SLOTS = 96  # quarter-hours in which an episode may begin, with start="anytime"
CLOCK = ("hour_sin", "hour_cos", "week_sin", "week_cos")
Names = str | Path | Sequence[str | Path]


@dataclass(frozen=True, kw_only=True)
class Task:
    """The arguments of the environment; :class:`~rlkit.envs.cooling.env.CoolingEnv` explains them."""

    plant: str | Path | Mapping[str, Any] | Plant = "two_zone"
    weather: Names = "temperate"
    workload: Names = "diurnal"
    split: str = "all"
    control: str = "supervisory"
    step_s: float = 300.0
    substeps: int | None = None
    episode_days: float = 1.0
    start: str | int = "random"
    sensors: Any = "standard"
    faults: Any = "none"
    forecast: Any = None
    observe_commands: bool = False
    load_noise: float | Mapping[str, Any] | LoadNoise = 0.02
    reward: Any = "cost"
    price: Any = 0.10
    limits: Any = "recommended"
    scaled: bool = True

    def __post_init__(self) -> None:
        low, high = STEP_RANGE_S
        if not _is_number(self.step_s) or not low <= self.step_s <= high:
            raise UsageError(f"step_s is a number of seconds from {low:.0f} to {high:.0f}, got {self.step_s!r}")
        if not _is_number(self.episode_days) or not self.step_s / DAY_S <= self.episode_days <= 366.0:
            raise UsageError(
                f"episode_days is a number of days from one step ({self.step_s / DAY_S:.4f}) to 366, "
                f"got {self.episode_days!r}"
            )
        if self.control not in CONTROLS:
            raise UsageError(f"unknown control {self.control!r}: {nearest(str(self.control), CONTROLS)}")
        if self.substeps is not None and (not _is_whole(self.substeps) or not 1 <= self.substeps <= 100):
            raise UsageError(f"substeps is None or a whole number from 1 to 100, got {self.substeps!r}")
        for name in ("scaled", "observe_commands"):
            if not isinstance(getattr(self, name), bool):
                raise UsageError(f"{name} is true or false, got {getattr(self, name)!r}")
        if self.start not in ("random", "anytime") and not _is_whole(self.start):
            raise UsageError(
                f"start is 'random' (a day, at midnight), 'anytime' (also an hour) or a day of the year from 1 on, "
                f"got {self.start!r}"
            )

    @classmethod
    def parse(cls, arguments: Mapping[str, Any]) -> Task:
        """From keyword arguments.

        Raises:
            UsageError: If one is unknown (the nearest is named) or wrong.
        """
        known = [field.name for field in dataclasses.fields(cls)]
        for key in arguments:
            if key not in known:
                raise UsageError(f"there is no argument {key!r}: {nearest(key, known)}")
        return cls(**arguments)

    @property
    def episode_steps(self) -> int:
        """Control steps in an episode."""
        return max(1, round(self.episode_days * DAY_S / self.step_s))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_whole(value: Any) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


@dataclass(frozen=True, eq=False)
class Setup:
    """A task with all that follows from it.

    Attributes:
        task: Its arguments.
        plant: The data center.
        packed: The same for kernels, with layouts.
        weathers: Sources that episodes draw from.
        workloads: Likewise.
        sensors: What the learner sees.
        faults: What can break.
        forecast: None where nothing is forecast.
        noise: Of the load.
        columns: Of the plant's actions that the learner sets, shape ``(actions,)``: those that do something here.
        model: For kernels: what a step needs.
        start: What the beginning of an episode needs besides.
    """

    task: Task
    plant: Plant
    packed: PackedPlant
    weathers: tuple[Weather, ...]
    workloads: tuple[Workload, ...]
    sensors: SensorArray
    faults: FaultModel
    forecast: Forecast | None
    noise: LoadNoise
    columns: NDArray[np.int64]
    model: Model
    start: Start

    @property
    def commands(self) -> Layout:
        """Layout of the plant's actions at the task's level of control."""
        return self.packed.supervisory if self.task.control == "supervisory" else self.packed.actuator

    @property
    def action_names(self) -> tuple[str, ...]:
        """Of every action."""
        names = self.commands.names()
        return tuple(names[column] for column in self.columns)

    @property
    def action_units(self) -> tuple[str, ...]:
        """Of every action, where they are not scaled."""
        units = self.commands.units()
        return tuple(units[column] for column in self.columns)

    @property
    def observation_names(self) -> tuple[str, ...]:
        """Of every observation."""
        ahead = () if self.forecast is None else tuple(name for name, *_ in self.forecast.columns())
        commanded = (f"command.{name}" for name in self.action_names) if self.task.observe_commands else ()
        return (*self.sensors.names, *CLOCK, *ahead, *commanded)

    @property
    def observation_units(self) -> tuple[str, ...]:
        """Of every observation, where they are not scaled."""
        ahead = () if self.forecast is None else tuple(unit for _, unit, *_ in self.forecast.columns())
        commanded = self.action_units if self.task.observe_commands else ()
        return (*self.sensors.units, *("1" for _ in CLOCK), *ahead, *commanded)

    def observation_bounds(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Lowest and highest of every observation in engineering units."""
        low, high = self.sensors.bounds(scaled=False)
        ends = [] if self.forecast is None else [(a, b) for *_, a, b in self.forecast.columns()]
        clock = np.ones(len(CLOCK))
        lows, highs = np.array(ends).reshape(-1, 2).T
        least, most = self.action_bounds() if self.task.observe_commands else ((), ())
        return (
            np.concatenate([low, -clock, lows, least]).astype(np.float32),
            np.concatenate([high, clock, highs, most]).astype(np.float32),
        )

    def observation_space(self) -> spaces.Box:
        """Of one environment."""
        low, high = self.observation_bounds()
        if self.task.scaled:
            return spaces.Box(-1.0, 1.0, low.shape, np.float32)
        return spaces.Box(low, high, dtype=np.float32)

    def action_bounds(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Lowest and highest of every action in engineering units."""
        return self.model.controls["low"], self.model.controls["high"]

    def action_space(self) -> spaces.Box:
        """Of one environment."""
        low, high = self.action_bounds()
        if self.task.scaled:
            return spaces.Box(-1.0, 1.0, low.shape, np.float32)
        return spaces.Box(low.astype(np.float32), high.astype(np.float32), dtype=np.float32)


def set_up(task: Task, n: int) -> Setup:
    """Everything that a task's arguments imply for a batch of ``n``.

    Raises:
        ValueError: If one cannot be used: a file that is not there, a split without days, a step too long for a plant.
    """
    plant = Plant.from_mapping(dict(task.plant)) if isinstance(task.plant, Mapping) else load_plant(task.plant)
    packed = pack_plant(plant)
    weathers = tuple(load_weather(source) for source in _listed("weather", task.weather))
    workloads = tuple(load_workload(source, len(plant.zones)) for source in _listed("workload", task.workload))
    sensors = build_sensors(parse_sensors(task.sensors), measurable(plant, packed.readings))
    faults = build_faults(parse_faults(task.faults), plant, packed, sensors)
    noise = _parse_noise(task.load_noise)
    columns = _useful_columns(packed, task.control)
    weather, weather_days = _sources(weathers, task)
    workload, workload_days = _sources(workloads, task, zones=len(plant.zones))
    model = Model(
        packed.plant,
        packed.zones,
        packed.racks,
        _timing(task, packed),
        _settings(task, weather),
        _charges(task, plant),
        weather,
        workload,
        noise_rule(noise, float(task.step_s)),
        sensors.rules,
        _controls(packed, task, columns),
    )
    start = Start(
        _spin_timing(packed),
        weather_days,
        workload_days,
        default_actions(packed, n),
        default_actions(packed, 1, task.control)[0],
    )
    forecast = parse_forecast(task.forecast)
    return Setup(task, plant, packed, weathers, workloads, sensors, faults, forecast, noise, columns, model, start)


def _listed(name: str, sources: Names) -> list[str | Path]:
    if isinstance(sources, str | Path):
        return [sources]
    if not isinstance(sources, Sequence) or not sources or not all(isinstance(s, str | Path) for s in sources):
        raise UsageError(f"{name} is a name, a path, or a list of these, got {sources!r}")
    return list(sources)


def _parse_noise(config: float | Mapping[str, Any] | LoadNoise) -> LoadNoise:
    if isinstance(config, LoadNoise):
        return config
    return from_mapping(LoadNoise, dict(config) if isinstance(config, Mapping) else {"spread": config}, "load_noise")


def _useful_columns(packed: PackedPlant, control: str) -> NDArray[np.int64]:
    """Actions that do something: no tower setpoint for an air-cooled plant, no economizer where there is none."""
    plant = packed.plant[0]
    useless = set()
    if plant["water_cooled"] == 0:
        useless |= {"condenser_water_setpoint_c", "condenser_pump_speed", "tower_fan_speed"}
    if plant["economizer"] == 0:
        useless.add("economizer")
    names = (packed.supervisory if control == "supervisory" else packed.actuator).names()
    return np.array([column for column, name in enumerate(names) if name not in useless], dtype=np.int64)


def _controls(packed: PackedPlant, task: Task, columns: NDArray[np.int64]) -> NDArray[np.void]:
    controls = np.zeros(len(columns), CONTROL)
    low, high = action_bounds(packed, task.control)
    controls["column"], controls["low"], controls["high"] = columns, low[columns], high[columns]
    return controls


def _charges(task: Task, plant: Plant) -> NDArray[np.void]:
    limits, price, reward = parse_limits(task.limits), parse_price(task.price), parse_reward(task.reward)
    return charges(limits, price, reward, float(task.step_s), plant.it_peak_kw, plant.servers.shutdown_c[0])


def _timing(task: Task, packed: PackedPlant) -> Timing:
    step_s = float(task.step_s)
    if task.substeps is None:
        return split_step(packed, step_s)
    return split_step(packed, step_s, substep_s=step_s / task.substeps)


def _spin_timing(packed: PackedPlant) -> Timing:
    """The longest sub-steps that the plant's masses allow."""
    for substep_s in ROUGH_SUBSTEPS_S:
        try:
            return split_step(packed, SPIN_STEP_S, SPIN_STEP_S, substep_s)
        except PlantError:
            pass
    return split_step(packed, SPIN_STEP_S)


def _settings(task: Task, weather: Sources) -> NDArray[np.void]:
    s = np.zeros(1, SETTINGS)
    s["step_s"], s["steps"], s["scaled"] = task.step_s, task.episode_steps, task.scaled
    s["slots"] = SLOTS if task.start == "anytime" else 1
    s["spin_steps"] = round(SPIN_UP_H * 3600.0 / SPIN_STEP_S)
    s["day"] = -1
    if not isinstance(task.start, str):
        last = int(weather.about["days"].min())
        if not 1 <= task.start <= last:
            raise UsageError(f"start is a day of the year from 1 to {last}, got {task.start!r}")
        s["day"] = task.start - 1
    return s


def _sources(
    loaded: Sequence[Weather] | Sequence[Workload], task: Task, zones: int = 0
) -> tuple[Sources, NDArray[np.int64]]:
    """Tables one behind the other, and the days on which an episode may begin in each."""
    about = np.zeros(len(loaded), SOURCE)
    tables: list[NDArray[np.float64]] = []
    starts: list[NDArray[np.int64]] = []
    shared = all(source.table.shape[1] == 1 for source in loaded)
    spare = 1.0 if task.start == "anytime" else 0.0  # begun later in the day, an episode ends a day later
    for row, source in zip(about, cast(Sequence[Weather | Workload], loaded), strict=True):
        days = start_days(source.num_days, task.split, math.ceil(task.episode_days + spare - 1e-9))
        table = source.table
        if zones and not shared and table.shape[1] == 1:
            table = np.repeat(table, zones, axis=1)
        row["first"], row["rows"] = sum(map(len, tables)), len(table)
        row["first_start"], row["starts"] = sum(map(len, starts)), len(days)
        row["step_s"], row["days"] = source.step_s, source.num_days
        tables.append(table)
        starts.append(days)
    return Sources(np.ascontiguousarray(np.concatenate(tables)), about), np.concatenate(starts)
