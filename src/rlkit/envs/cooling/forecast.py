"""Forecasts of weather and load, with errors of a stated size.

The error of the forecast for ``h`` hours ahead is first-order autoregressive in the lead, from zero at lead zero:

    error(0) = 0,   error(h) = a error(h - 1) + b surprise(h),   a = exp(-1 / memory)

with standard normal surprises, so it is unbiased and its standard deviation is
``sigma(h) = sigma(24) * sqrt((1 - a^2h) / (1 - a^48))``. A surprise belongs to an hour of the future and stays with it:
when that hour has come, the surprise drops out of all later forecasts and a new one is drawn at the far end. So
forecasts for one hour, made one after the other, converge to the truth and are revised only by what the passing hour
has brought, as those of a good weather service are.

Dry and wet bulb share their error (an air mass that comes early or late), so the wet bulb never passes the dry bulb.
The load's own noise (:class:`rlkit.envs.cooling.workload.LoadNoise`) is forecast by its mean, which fades with its
memory.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rlkit.envs.cooling.mapping import from_mapping
from rlkit.envs.cooling.weather import DRY_BULB, WET_BULB, value_at
from rlkit.envs.cooling.workload import LoadNoise
from rlkit.envs.jit import kernel
from rlkit.envs.streams import normal
from rlkit.errors import UsageError

HOUR_S = 3600.0
REFERENCE_H = 24.0  # the lead at which errors are stated
MAX_LEAD_H = 168
TEMPERATURE_RANGE_C = (-40.0, 60.0)
VARIABLES = (
    ("dry_bulb_c", "C", *TEMPERATURE_RANGE_C),
    ("wet_bulb_c", "C", *TEMPERATURE_RANGE_C),
    ("load", "1", 0.0, 1.0),
)
TEMPERATURE, LOAD = range(2)  # the errors


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """What is forecast, and how well. The default errors are what a regional weather service may achieve; set by hand.

    Attributes:
        leads_h: Hours ahead, rising.
        temperature_error_k: Standard deviation of the error of dry and wet bulb a day ahead.
        load_error: Standard deviation of the error of utilisation a day ahead, without the load's own noise.
        memory_h: E-folding time of the error's correlation.
    """

    leads_h: tuple[int, ...] = (1, 2, 3, 6, 12, 24)
    temperature_error_k: float = 1.5
    load_error: float = 0.04
    memory_h: float = 24.0

    def __post_init__(self) -> None:
        leads = tuple(self.leads_h)
        rising = all(a < b for a, b in zip(leads, leads[1:], strict=False))
        whole = all(isinstance(h, int) and not isinstance(h, bool) and 1 <= h <= MAX_LEAD_H for h in leads)
        if not leads or not whole or not rising:
            raise UsageError(
                f"leads_h of a forecast are rising whole hours from 1 to {MAX_LEAD_H}, got {self.leads_h!r}"
            )
        for name in ("temperature_error_k", "load_error"):
            if not 0.0 <= getattr(self, name) < math.inf:
                raise UsageError(f"{name} of a forecast is >= 0, got {getattr(self, name)!r}")
        if not 0.0 < self.memory_h < math.inf:
            raise UsageError(f"memory_h of a forecast is a number of hours > 0, got {self.memory_h!r}")

    def _growth(self, lead_h: float) -> float:
        return math.sqrt(math.expm1(-2 * lead_h / self.memory_h) / math.expm1(-2 * REFERENCE_H / self.memory_h))

    def temperature_std_k(self, lead_h: float) -> float:
        """Standard deviation of the error of dry and wet bulb at a lead."""
        return self.temperature_error_k * self._growth(lead_h)

    def load_std(self, lead_h: float, noise: LoadNoise, zones: int = 1) -> float:
        """Standard deviation of the error of the mean utilisation of so many zones, the load's own noise included."""
        own = noise.spread**2 * -math.expm1(-2 * lead_h * HOUR_S / noise.memory_s) / zones
        return math.hypot(self.load_error * self._growth(lead_h), math.sqrt(own))

    def columns(self) -> list[tuple[str, str, float, float]]:
        """Name, unit, low and high end of each forecast, as :func:`show_forecast` writes them."""
        return [(f"{name}_in_{h}h", unit, low, high) for h in self.leads_h for name, unit, low, high in VARIABLES]


def parse_forecast(config: bool | Mapping[str, Any] | Forecast | None) -> Forecast | None:
    """A forecast from a keyword argument: None or False for none, True for the default, or attributes of it.

    Raises:
        UsageError: Naming the nearest right key.
    """
    if config is None or config is False:
        return None
    if config is True:
        return Forecast()
    if isinstance(config, Forecast):
        return config
    return from_mapping(Forecast, dict(config) if isinstance(config, Mapping) else config, "forecast")


class ForecastRules(NamedTuple):
    """A forecast as kernels take it."""

    leads_h: NDArray[np.int64]  # (leads,)
    noise_left: NDArray[np.float64]  # (leads,) share of the load's present noise that is expected then
    shocks: NDArray[np.float64]  # (2,) b, of temperature and load
    decay: float  # a


class ForecastState(NamedTuple):
    """What forecasts carry from step to step: arrays with a row for each environment."""

    surprises: NDArray[np.float64]  # (n, 2, hours) of the next hours, standard normal
    errors: NDArray[np.float64]  # (n, 2, leads) that follow from them
    hour: NDArray[np.int64]  # (n,) the hour since when


def forecast_rules(forecast: Forecast, noise: LoadNoise) -> ForecastRules:
    """The forecast's discrete form."""
    decay = math.exp(-1.0 / forecast.memory_h)
    leads = np.array(forecast.leads_h, dtype=np.int64)
    first = [forecast.temperature_std_k(1.0), forecast.load_error * forecast._growth(1.0)]
    return ForecastRules(leads, np.exp(-leads * HOUR_S / noise.memory_s), np.array(first), decay)


def new_forecast_state(forecast: Forecast, n: int) -> ForecastState:
    """State for ``n`` environments, to be begun with :func:`start_forecast`."""
    leads = forecast.leads_h
    return ForecastState(np.zeros((n, 2, leads[-1])), np.zeros((n, 2, len(leads))), np.zeros(n, np.int64))


@kernel
def start_forecast(i, time_s, rules, state, streams):  # type: ignore[no-untyped-def]
    """Begin an episode in row ``i`` at a time: draw the surprises of all hours ahead."""
    for variable in range(2):
        for k in range(state.surprises.shape[2]):
            state.surprises[i, variable, k] = normal(streams, i)
    state.hour[i] = int(np.floor(time_s / HOUR_S))
    _follow(i, rules, state)


@kernel
def advance_forecast(i, time_s, rules, state, streams):  # type: ignore[no-untyped-def]
    """Bring the errors of row ``i`` up to a time; nothing is drawn and nothing changes within an hour."""
    hour = int(np.floor(time_s / HOUR_S))
    if hour > state.hour[i]:
        _pass_hours(i, hour, rules, state, streams)


@kernel
def _pass_hours(i, hour, rules, state, streams):  # type: ignore[no-untyped-def]
    """Drop the surprises of the hours that have passed and draw new ones at the far end."""
    hours = state.surprises.shape[2]
    while state.hour[i] < hour:
        for variable in range(2):
            for k in range(hours - 1):
                state.surprises[i, variable, k] = state.surprises[i, variable, k + 1]
            state.surprises[i, variable, hours - 1] = normal(streams, i)
        state.hour[i] += 1
    _follow(i, rules, state)


@kernel
def _follow(i, rules, state):  # type: ignore[no-untyped-def]
    """Errors at all leads, from the surprises."""
    for variable in range(2):
        error = 0.0
        lead = 0
        for k in range(state.surprises.shape[2]):
            error = rules.decay * error + rules.shocks[variable] * state.surprises[i, variable, k]
            if k + 1 == rules.leads_h[lead]:
                state.errors[i, variable, lead] = error
                lead += 1


@kernel
def show_forecast(i, time_s, load_time_s, rules, state, weather, load, noise, scaled, out, start):  # type: ignore[no-untyped-def]
    """Write the forecasts of environment ``i``: for each lead dry bulb, wet bulb and mean utilisation.

    Args:
        i: The environment's row.
        time_s: Of the weather.
        load_time_s: Of the workload's table.
        rules: Of the forecast.
        state: Of the forecast, brought up to ``time_s``.
        weather: Table and step in seconds.
        load: Table and step in seconds.
        noise: The load's present noise, shape ``(n, zones)``.
        scaled: Whether ranges become -1 to 1.
        out: Observations, shape ``(n, >= start + 3 * leads)``; row ``i`` is written from column ``start`` on.
        start: First column.
    """
    low, high = TEMPERATURE_RANGE_C
    for lead in range(rules.leads_h.shape[0]):
        ahead_s = rules.leads_h[lead] * HOUR_S
        column = start + 3 * lead
        error = state.errors[i, TEMPERATURE, lead]
        dry = min(max(value_at(weather[0], weather[1], time_s + ahead_s, DRY_BULB) + error, low), high)
        wet = min(max(value_at(weather[0], weather[1], time_s + ahead_s, WET_BULB) + error, low), high)
        mean = _mean_load(i, load, load_time_s + ahead_s, noise, rules.noise_left[lead])
        mean = min(max(mean + state.errors[i, LOAD, lead], 0.0), 1.0)
        if scaled:
            out[i, column] = 2.0 * (dry - low) / (high - low) - 1.0
            out[i, column + 1] = 2.0 * (wet - low) / (high - low) - 1.0
            out[i, column + 2] = 2.0 * mean - 1.0
        else:
            out[i, column], out[i, column + 1], out[i, column + 2] = dry, wet, mean


@kernel
def _mean_load(i, load, time_s, noise, noise_left):  # type: ignore[no-untyped-def]
    """Expected utilisation at a time, averaged over the zones."""
    table, step_s = load
    zones = noise.shape[1]
    total = 0.0
    level = value_at(table, step_s, time_s, 0)
    for zone in range(zones):
        if zone > 0 and table.shape[1] > 1:
            level = value_at(table, step_s, time_s, zone)
        total += min(max(level + noise_left * noise[i, zone], 0.0), 1.0)
    return total / zones
