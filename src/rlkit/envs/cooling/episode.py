"""Episodes of N halls as kernels: begin them, step them, observe them.

One call does a control step of the whole batch: actions to setpoints, weather, load, faults, plant, sensors, reward,
costs and the sums of the episode's metrics. All draws come from the row's own stream and none depends on actions, so
two controllers with the same seed meet the same weather, load noise, sensor errors and faults.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rlkit.envs.cooling.costs import charge, money, start_history
from rlkit.envs.cooling.fault_kernel import (
    FaultEffects,
    advance_faults,
    start_faults,
)
from rlkit.envs.cooling.forecast import (
    advance_forecast,
    show_forecast,
    start_forecast,
)
from rlkit.envs.cooling.halls import Timing
from rlkit.envs.cooling.handle import new_handle
from rlkit.envs.cooling.kernel import Room, advance_halls, reset_halls
from rlkit.envs.cooling.metrics import FACILITY, WATER, add_step, start_totals
from rlkit.envs.cooling.readings import PLANT_READINGS, numbers
from rlkit.envs.cooling.sensors import SensorRules, SensorState, read_sensors, show_sensors, start_sensors
from rlkit.envs.cooling.weather import DAY_S, DRY_BULB, PRESSURE, WET_BULB, value_at
from rlkit.envs.cooling.workload import NoiseRule, advance_noise, start_noise, utilisation_at
from rlkit.envs.jit import inlined, kernel, lean_kernel
from rlkit.envs.streams import below

WEEK_S = 7 * DAY_S
_HOTTEST = numbers(PLANT_READINGS)["inlet_max_c"]
WEATHER, WORKLOAD, DAY, WORKLOAD_DAY = range(4)  # columns of what reset options fix

# Where an episode is.
EPISODE = np.dtype(
    [
        ("weather", np.int64),  # which source
        ("workload", np.int64),
        ("day", np.int64),  # of the year on which it began, 1 is New Year's Day
        ("steps", np.int64),
        ("weather_s", np.float64),  # time of its begin in the weather's table
        ("load_s", np.float64),  # the same of the workload's
    ],
    align=True,
)

SETTINGS = np.dtype(
    [
        ("step_s", np.float64),
        ("steps", np.int64),  # of an episode
        ("scaled", np.bool_),
        ("slots", np.int64),  # times of day at which an episode may begin, evenly spread
        ("day", np.int64),  # on which every episode begins, from 0; -1 where it is drawn
        ("spin_steps", np.int64),
    ],
    align=True,
)

SOURCE = np.dtype(
    [
        ("first", np.int64),  # row of the common table
        ("rows", np.int64),
        ("first_start", np.int64),  # entry of the common list of first days
        ("starts", np.int64),
        ("step_s", np.float64),
        ("days", np.int64),
    ],
    align=True,
)

# One action: which of the plant's it is, and its range in engineering units.
CONTROL = np.dtype([("column", np.int64), ("low", np.float64), ("high", np.float64)], align=True)


class Sources(NamedTuple):
    """Tables of weather or workload, one behind the other."""

    table: NDArray[np.float64]
    about: NDArray[np.void]  # (k,) SOURCE


class Model(NamedTuple):
    """What a step needs and does not change."""

    plant: NDArray[np.void]
    zones: NDArray[np.void]
    racks: NDArray[np.void]
    timing: Timing
    settings: NDArray[np.void]
    charges: NDArray[np.void]
    weather: Sources
    workload: Sources
    noise: NoiseRule
    sensors: SensorRules
    controls: NDArray[np.void]  # (actions,) CONTROL


class Start(NamedTuple):
    """What the beginning of an episode needs besides."""

    spin: Timing
    weather_days: NDArray[np.int64]  # on which episodes may begin, from 0, of all sources
    workload_days: NDArray[np.int64]
    spin_commands: NDArray[np.float64]  # (n, a) default setpoints
    first_command: NDArray[np.float64]  # what is in force before the first action


class Batch(NamedTuple):
    """What changes with every step: arrays with a row for each hall."""

    episodes: NDArray[np.void]  # (n,) EPISODE
    state: NDArray[np.float64]
    readings: NDArray[np.float64]
    commands: NDArray[np.float64]  # the plant's actions, in engineering units
    weather: NDArray[np.float64]  # (n, 3)
    load: NDArray[np.float64]  # (n, zones)
    noise: NDArray[np.float64]  # (n, zones)
    sensors: SensorState
    effects: FaultEffects
    history: NDArray[np.float64]  # (n, window, zones)
    costs: NDArray[np.float64]  # (5, n)
    totals: NDArray[np.void]  # (n,) TOTALS
    room: Room
    values: NDArray[np.float64]  # (sensors,) room for what they read


class Arrays(NamedTuple):
    """Everything that a step of a batch reads and writes, but rows and actions."""

    model: Model
    batch: Batch
    streams: NDArray[np.uint64]
    observations: NDArray[np.float32]
    rewards: NDArray[np.float64]
    terminations: NDArray[np.bool_]


@kernel
def hold(arrays):  # type: ignore[no-untyped-def]
    """A handle on :class:`Arrays`, for :func:`step_rows`."""
    return new_handle(arrays)


@inlined
def _weather(i, e, since_s, table, about, out):  # type: ignore[no-untyped-def]
    """Dry bulb, wet bulb and pressure around a hall, so long after its episode began."""
    source = about[e.weather]
    rows = table[source.first : source.first + source.rows]
    time_s = e.weather_s + since_s
    out[i, 0] = value_at(rows, source.step_s, time_s, DRY_BULB)
    out[i, 1] = value_at(rows, source.step_s, time_s, WET_BULB)
    out[i, 2] = value_at(rows, source.step_s, time_s, PRESSURE)


@inlined
def _load(i, e, since_s, table, about, noise, out):  # type: ignore[no-untyped-def]
    """Utilisation of a hall, so long after its episode began."""
    source = about[e.workload]
    rows = table[source.first : source.first + source.rows]
    utilisation_at(i, rows, source.step_s, e.load_s + since_s, noise, out)


@inlined
def _command(i, actions, controls, scaled, out):  # type: ignore[no-untyped-def]
    """Actions of row ``i`` to the plant's, within their ranges."""
    for j in range(controls.shape[0]):
        low, high = controls[j].low, controls[j].high
        value = np.float64(actions[i, j])
        if scaled:
            value = low + 0.5 * (value + 1.0) * (high - low)
        out[i, controls[j].column] = min(max(value, low), high)


@inlined
def _clock(i, weather_s, load_s, out, column):  # type: ignore[no-untyped-def]
    """Time of day and of the workload's week, as sines and cosines."""
    days, weeks = weather_s / DAY_S, load_s / WEEK_S  # less whole ones: "%" takes ten times as long
    day, week = 2.0 * math.pi * (days - math.floor(days)), 2.0 * math.pi * (weeks - math.floor(weeks))
    out[i, column], out[i, column + 1] = math.sin(day), math.cos(day)
    out[i, column + 2], out[i, column + 3] = math.sin(week), math.cos(week)


@lean_kernel
def observe_rows(rows, m, b, observations):  # type: ignore[no-untyped-def]
    """Write what the sensors of these rows show, and the clock. Draws nothing."""
    sensors, shown, step_s, scaled = m.sensors, b.sensors, m.settings[0].step_s, m.settings[0].scaled
    episodes = b.episodes
    for i in range(rows.shape[0]):
        if rows[i]:
            e = episodes[i]
            show_sensors(i, sensors, shown, scaled, observations, 0)
            since = e.steps * step_s
            _clock(i, e.weather_s + since, e.load_s + since, observations, sensors.low.shape[0])


@lean_kernel
def foresee_rows(rows, start, rules, state, m, b, streams, observations, column):  # type: ignore[no-untyped-def]
    """Bring the forecasts of these rows up to date and write them into the observations.

    Args:
        rows: Which, shape ``(n,)`` bool.
        start: 1 where episodes have just begun, 0 for the next step, -1 to write only, without a draw.
        rules: Of the forecast.
        state: Of the forecast, changed in place.
        m: The model.
        b: The batch.
        streams: Random streams.
        observations: Written.
        column: The forecast's first.
    """
    step_s, scaled, noise = m.settings[0].step_s, m.settings[0].scaled, b.noise
    for i in range(rows.shape[0]):
        if not rows[i]:
            continue
        e = b.episodes[i]
        weather_s, load_s = e.weather_s + e.steps * step_s, e.load_s + e.steps * step_s
        if start == 1:
            start_forecast(i, weather_s, rules, state, streams)
        elif start == 0:
            advance_forecast(i, weather_s, rules, state, streams)
        w, u = m.weather.about[e.weather], m.workload.about[e.workload]
        weather = m.weather.table[w.first : w.first + w.rows], w.step_s
        load = m.workload.table[u.first : u.first + u.rows], u.step_s
        show_forecast(i, weather_s, load_s, rules, state, weather, load, noise, scaled, observations, column)


@kernel
def fail_rows(rows, start, rules, state, effects, plant_state, episodes, step_s, streams):  # type: ignore[no-untyped-def]
    """Let faults of these rows come and go; ``start`` says whether episodes have just begun."""
    for i in range(rows.shape[0]):
        if not rows[i]:
            continue
        elapsed = episodes[i].steps * step_s
        if start:
            start_faults(i, rules, state, effects, streams)
        elif elapsed >= state.due_s[i]:
            advance_faults(i, elapsed, rules, state, effects, plant_state, streams)


@kernel
def step_rows(rows, actions, handle):  # type: ignore[no-untyped-def]
    """One control step of these rows: changes the batch, writes observations, rewards and terminations.

    Args:
        rows: Which, shape ``(n,)`` bool. The costs of the others become 0.
        actions: Shape ``(n, actions)``.
        handle: From :func:`hold`.
    """
    m, b, streams, observations, rewards, terminations = handle.arrays
    _step_rows(rows, actions, m, b, streams, observations, rewards, terminations)


@lean_kernel
def _step_rows(rows, actions, m, b, streams, observations, rewards, terminations):  # type: ignore[no-untyped-def]
    step_s, scaled = m.settings[0].step_s, m.settings[0].scaled
    commands, controls, rule, noise, costs, load = b.commands, m.controls, m.noise, b.noise, b.costs, b.load
    episodes, readings, history, totals, weather = b.episodes, b.readings, b.history, b.totals, b.weather
    weathers, about_weathers = m.weather
    workloads, about_workloads = m.workload
    for i in range(rows.shape[0]):
        if not rows[i]:
            for c in range(costs.shape[0]):
                costs[c, i] = 0.0
            continue
        e = episodes[i]
        middle = (e.steps + 0.5) * step_s
        _command(i, actions, controls, scaled, commands)
        advance_noise(i, rule, streams, noise)
        _weather(i, e, middle, weathers, about_weathers, weather)
        _load(i, e, middle, workloads, about_workloads, noise, load)
    advance_halls(
        rows, m.plant, m.zones, m.racks, commands, weather, load, b.effects.plant, m.timing, b.state, readings, b.room
    )
    c, p, steps = m.charges[0], m.plant[0], m.settings[0].steps
    for i in range(rows.shape[0]):
        if rows[i]:
            rewards[i], terminations[i] = _settle(i, c, episodes[i], p, steps, step_s, readings, history, costs, totals)
    _look(rows, m.sensors, b, step_s, streams)
    observe_rows(rows, m, b, observations)


@inlined
def _settle(i, c, e, p, steps, step_s, truth, history, costs, totals):  # type: ignore[no-untyped-def]
    """What the step of row ``i`` has cost; lets its time pass. Returns its reward and whether it tripped."""
    spent = money(c, truth, i, e.weather_s + e.steps * step_s, FACILITY, WATER)
    charge(c, truth, i, p.zones, e.steps, history, costs)
    tripped = truth[i, _HOTTEST] >= c.trip_c
    add_step(c, truth, i, p.zones, p.racks, spent, costs, tripped, totals)
    e.steps += 1
    reward = -spent / c.unit - c.weight * costs[0, i]
    if tripped:
        reward += c.trip_step * (max(steps - e.steps, 0) + c.outage_steps)
    return reward, tripped


@lean_kernel
def _look(rows, rules, b, step_s, streams):  # type: ignore[no-untyped-def]
    """Read the sensors of these rows."""
    state, truth, mode, jump = b.sensors, b.readings, b.effects.sensor_mode, b.effects.sensor_jump
    values, episodes = b.values, b.episodes
    for i in range(rows.shape[0]):
        if rows[i]:
            read_sensors(i, rules, state, truth, mode, jump, episodes[i].steps * step_s / DAY_S, values, streams)


@kernel
def _draw(i, e, s, m, start, streams, fixed):  # type: ignore[no-untyped-def]
    """When and where the new episode of row ``i`` takes place; what is fixed is drawn all the same, and not used."""
    weather, workload = below(streams, i, m.weather.about.shape[0]), below(streams, i, m.workload.about.shape[0])
    e.weather = fixed[i, WEATHER] if fixed[i, WEATHER] >= 0 else weather
    e.workload = fixed[i, WORKLOAD] if fixed[i, WORKLOAD] >= 0 else workload
    about, load = m.weather.about[e.weather], m.workload.about[e.workload]
    day = start.weather_days[about.first_start + below(streams, i, about.starts)]
    load_day = start.workload_days[load.first_start + below(streams, i, load.starts)]
    slot = below(streams, i, s.slots)
    if s.day >= 0:
        day, load_day = s.day, s.day % load.days
    day = fixed[i, DAY] if fixed[i, DAY] >= 0 else day
    load_day = fixed[i, WORKLOAD_DAY] if fixed[i, WORKLOAD_DAY] >= 0 else load_day
    e.day = day + 1
    e.steps = 0
    e.weather_s = (day + slot / s.slots) * DAY_S
    e.load_s = (load_day + slot / s.slots) * DAY_S


@kernel
def begin_rows(rows, fixed, m, start, b, streams, observations):  # type: ignore[no-untyped-def]
    """Begin new episodes in these rows, where all is well.

    Each hall starts where it would about be after running for long at its present load, then runs for the spin-up with
    default setpoints through the weather and load of the hours before.

    Args:
        rows: Which, shape ``(n,)`` bool.
        fixed: Weather, workload, and their days (from 0) where they are not to be drawn, else -1; shape ``(n, 4)``.
        m: The model.
        start: What else it takes.
        b: The batch, changed in place.
        streams: Random streams.
        observations: Written.
    """
    s = m.settings[0]
    before_s = -s.spin_steps * start.spin.step_s
    for i in range(rows.shape[0]):
        if rows[i]:
            _draw(i, b.episodes[i], s, m, start, streams, fixed)
            start_noise(i, m.noise, streams, b.noise)
            start_sensors(i, m.sensors, b.sensors, streams)
            b.commands[i, :] = start.first_command
    _pass(rows, m, b, before_s)
    reset_halls(rows, m.plant, m.zones, m.racks, b.weather, b.load, b.state)
    for step in range(s.spin_steps):
        _pass(rows, m, b, before_s + (step + 0.5) * start.spin.step_s)
        advance_halls(
            rows, m.plant, m.zones, m.racks, start.spin_commands, b.weather, b.load, b.effects.plant, start.spin,
            b.state, b.readings, b.room,
        )  # fmt: skip
    for i in range(rows.shape[0]):
        if rows[i]:
            start_history(b.readings, i, m.plant[0].zones, b.history)
            start_totals(b.readings, i, b.totals)
    _look(rows, m.sensors, b, s.step_s, streams)
    observe_rows(rows, m, b, observations)


@kernel
def _pass(rows, m, b, since_s):  # type: ignore[no-untyped-def]
    """Weather and load of these rows at a time since (before) their begin."""
    for i in range(rows.shape[0]):
        if rows[i]:
            _weather(i, b.episodes[i], since_s, m.weather.table, m.weather.about, b.weather)
            _load(i, b.episodes[i], since_s, m.workload.table, m.workload.about, b.noise, b.load)
