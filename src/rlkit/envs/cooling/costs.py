"""What a step costs: electricity and water in money, broken limits in degree-hours.

Limits are those of ASHRAE TC 9.9, *Thermal Guidelines for Data Processing Environments* (5th edition 2021, table 2.1;
the recommended humidity is that edition's 70 %, which holds where copper and silver coupons corrode slowly; the edition
of 2015 had 60 %). Each is charged with what is beyond it, times hours:

* ``inlet_temp`` in K h: the hottest rack inlet above the class, plus the coldest below it;
* ``rate`` in K h: by how much a zone's mean inlet has changed over the last 15 minutes, beyond 5 K (TC 9.9: at most
  20 K an hour *and* 5 K in any 15 minutes);
* ``humidity`` in K h: dew point of the worst zone beyond the class; too high a relative humidity counts as the dew
  point beyond the one that is allowed at that inlet temperature;
* ``unmet_heat`` in h: heat that the chillers lacked the capacity for, over the plant's peak IT power.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rlkit.envs.cooling import readings
from rlkit.envs.cooling.mapping import from_mapping
from rlkit.envs.cooling.psychrometrics import log_saturation_slope
from rlkit.envs.jit import inlined
from rlkit.errors import UsageError, nearest

CONSTRAINTS = ("inlet_temp", "rate", "humidity", "unmet_heat")
WINDOW_S = 900.0  # of the limit on the rate of change
HOURS = 24
ENERGY_PRICE, WATER_PRICE = 0.10, 4.0  # US dollars a kWh and a m3: round figures for industry, 2024
Range = tuple[float, float]

_R, _Z = readings.numbers(readings.PLANT_READINGS), readings.numbers(readings.ZONE_READINGS)
_HOTTEST, _COLDEST, _UNMET = _R["inlet_max_c"], _R["inlet_min_c"], _R["unmet_heat_kw"]
_ZONES, _ZONE_WIDTH = len(_R), len(_Z)
_MEAN, _DEW, _HUMIDITY = _Z["zone_inlet_mean_c"], _Z["dew_point_c"], _Z["inlet_humidity"]


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What rack inlets must keep to.

    Attributes:
        inlet_c: Lowest and highest temperature.
        dew_point_c: Lowest and highest dew point.
        humidity: Lowest and highest relative humidity, 0 to 1.
        change_k: Largest change within 15 minutes.
    """

    inlet_c: Range
    dew_point_c: Range
    humidity: Range = (0.0, 1.0)
    change_k: float = 5.0


CLASSES = {
    "recommended": Limits(inlet_c=(18.0, 27.0), dew_point_c=(-9.0, 15.0), humidity=(0.0, 0.7)),
    "A1": Limits(inlet_c=(15.0, 32.0), dew_point_c=(-12.0, 17.0), humidity=(0.08, 0.8)),
    "A2": Limits(inlet_c=(10.0, 35.0), dew_point_c=(-12.0, 21.0), humidity=(0.08, 0.8)),
    "A3": Limits(inlet_c=(5.0, 40.0), dew_point_c=(-12.0, 24.0), humidity=(0.08, 0.85)),
    "A4": Limits(inlet_c=(5.0, 45.0), dew_point_c=(-12.0, 24.0), humidity=(0.08, 0.9)),
}


def parse_limits(config: str | Mapping[str, Any] | Limits) -> Limits:
    """Limits from a keyword argument.

    Args:
        config: A class of TC 9.9 (:data:`CLASSES`), or a mapping with ``class`` (default ``"recommended"``) and those
            attributes of :class:`Limits` that differ from it.

    Raises:
        UsageError: Naming the nearest right key or class.

    Example:
        >>> parse_limits({"class": "A1", "change_k": 3.0}).inlet_c
        (15.0, 32.0)
    """
    if isinstance(config, Limits):
        return config
    changes = dict(config) if isinstance(config, Mapping) else {"class": config}
    name = changes.pop("class", "recommended")
    if name not in CLASSES:
        raise UsageError(f"unknown class of limits {name!r}: {nearest(str(name), CLASSES)}")
    base = {key: getattr(CLASSES[name], key) for key in ("inlet_c", "dew_point_c", "humidity", "change_k")}
    return from_mapping(Limits, {**base, **changes}, "limits")


@dataclass(frozen=True, kw_only=True)
class Price:
    """A tariff, in any currency.

    Attributes:
        energy: Of a kWh, for each hour of the day.
        water: Of a cubic metre.
    """

    energy: tuple[float, ...]
    water: float

    @property
    def mean_energy(self) -> float:
        """Mean over the day."""
        return sum(self.energy) / HOURS

    @property
    def dearest(self) -> float:
        """Highest price over the mean."""
        return max(self.energy) / self.mean_energy


def parse_price(config: float | Mapping[str, Any] | Price) -> Price:
    """A tariff from a keyword argument.

    Args:
        config: The price of a kWh; or a mapping with ``energy`` (a price, or prices by the hour from which on they
            hold, ``{"0": 0.08, "7": 0.16, "22": 0.08}``) and ``water`` (of a cubic metre).

    Raises:
        UsageError: If it cannot be understood.

    Example:
        >>> parse_price({"energy": {"7": 0.16, "22": 0.08}}).energy[6:8]
        (0.08, 0.16)
    """
    if isinstance(config, Price):
        return config
    mapping = dict(config) if isinstance(config, Mapping) else {"energy": config}
    for key in mapping:
        if key not in ("energy", "water"):
            raise UsageError(f"price: there is no key {key!r}: {nearest(str(key), ('energy', 'water'))}")
    water = _positive(mapping.get("water", WATER_PRICE), "the price of water")
    energy = mapping.get("energy", ENERGY_PRICE)
    if not isinstance(energy, Mapping):
        return Price(energy=(_positive(energy, "the price of energy"),) * HOURS, water=water)
    return Price(energy=_by_hour(energy), water=water)


def _by_hour(prices: Mapping[Any, Any]) -> tuple[float, ...]:
    try:
        starts = {int(hour): value for hour, value in prices.items()}
    except (TypeError, ValueError):
        starts = {-1: 0.0}
    if not starts or min(starts) < 0 or max(starts) >= HOURS:
        raise UsageError(f"energy prices begin at whole hours from 0 to {HOURS - 1}, got {list(prices)}")
    of_hour = []
    current = starts[max(starts)]  # until the day's first change it is yesterday's last
    for hour in range(HOURS):
        current = starts.get(hour, current)
        of_hour.append(_positive(current, f"the price of energy from {hour}:00 on"))
    if sum(of_hour) <= 0.0:
        raise UsageError("the price of energy must be above 0 at some hour")
    return tuple(of_hour)


def _positive(value: Any, what: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0.0 <= value < math.inf:
        raise UsageError(f"{what} is a number >= 0, got {value!r}")
    return float(value)


@dataclass(frozen=True, kw_only=True)
class Reward:
    """What the learner is paid.

    Attributes:
        kind: ``"cost"``: the money spent, negative. ``"weighted"``: that, less ``weight`` times the broken limits.
        weight: In units of reward for each K h (:data:`CONSTRAINTS`).
    """

    kind: str = "cost"
    weight: float = 5.0

    def __post_init__(self) -> None:
        if self.kind not in ("cost", "weighted"):
            raise UsageError(f"unknown reward {self.kind!r}: {nearest(self.kind, ('cost', 'weighted'))}")
        if not 0.0 <= self.weight < math.inf:
            raise UsageError(f"the weight of broken limits is >= 0, got {self.weight!r}")

    @property
    def violation_weight(self) -> float:
        """What a K h costs in the reward."""
        return self.weight if self.kind == "weighted" else 0.0


def parse_reward(config: str | Mapping[str, Any] | Reward) -> Reward:
    """The reward from a keyword argument: its kind, or a mapping of the attributes of :class:`Reward`.

    Raises:
        UsageError: Naming the nearest right key or kind.
    """
    if isinstance(config, Reward):
        return config
    if isinstance(config, str):
        return Reward(kind=config)
    return from_mapping(Reward, dict(config) if isinstance(config, Mapping) else config, "reward")


# What the kernels need of this, in one record.
CHARGES = np.dtype(
    [
        ("step_h", np.float64),
        ("it_peak_kw", np.float64),
        ("energy_price", np.float64, HOURS),
        ("water_price_l", np.float64),
        ("unit", np.float64),  # money in one unit of reward
        ("weight", np.float64),
        ("inlet_low_c", np.float64),
        ("inlet_high_c", np.float64),
        ("dew_low_c", np.float64),
        ("dew_high_c", np.float64),
        ("humidity_low", np.float64),
        ("humidity_high", np.float64),
        ("change_k", np.float64),  # over the window
        ("window", np.int64),  # control steps
        ("trip_c", np.float64),
        ("trip_step", np.float64),  # reward for each step that is lost by a thermal trip
        ("outage_steps", np.float64),  # steps that are lost beyond the episode's end
    ],
    align=True,
)
OUTAGE_FACTOR = 2.0  # a hall that has tripped is charged as if it drew twice its IT peak, at the dearest hour,
OUTAGE_H = 4.0  # for the rest of the episode and so many hours more: no policy gains by ending an episode


def charges(
    limits: Limits, price: Price, reward: Reward, step_s: float, it_peak_kw: float, trip_c: float
) -> NDArray[np.void]:
    """One record of :data:`CHARGES`, shape ``(1,)``.

    Args:
        limits: Of the inlets.
        price: The tariff.
        reward: Its form.
        step_s: Length of a control step.
        it_peak_kw: Of the plant.
        trip_c: Inlet temperature at which servers switch off.
    """
    c = np.zeros(1, CHARGES)
    c["step_h"], c["it_peak_kw"] = step_s / 3600.0, it_peak_kw
    c["energy_price"], c["water_price_l"] = price.energy, price.water / 1000.0
    c["unit"] = price.mean_energy * it_peak_kw * step_s / 3600.0
    c["weight"] = reward.violation_weight
    c["inlet_low_c"], c["inlet_high_c"] = limits.inlet_c
    c["dew_low_c"], c["dew_high_c"] = limits.dew_point_c
    c["humidity_low"], c["humidity_high"] = limits.humidity
    window = max(1, round(WINDOW_S / step_s))
    c["window"], c["change_k"] = window, limits.change_k * window * step_s / WINDOW_S
    c["outage_steps"] = OUTAGE_H * 3600.0 / step_s
    c["trip_c"], c["trip_step"] = trip_c, -OUTAGE_FACTOR * price.dearest
    return c


@inlined
def money(c, truth, i, time_s, energy_column, water_column):  # type: ignore[no-untyped-def]
    """What a step's electricity and water cost, at the price of the hour in which it begins."""
    hour = int(time_s / 3600.0) % HOURS
    return truth[i, energy_column] * c.energy_price[hour] + truth[i, water_column] * c.water_price_l


@inlined
def _dew_excess(c, dew_c, humidity):  # type: ignore[no-untyped-def]
    """By how many K a dew point is beyond the limits; relative humidity by the slope of the saturation curve."""
    above, below = dew_c - c.dew_high_c, c.dew_low_c - dew_c
    if humidity > c.humidity_high:
        above = max(above, math.log(humidity / c.humidity_high) / log_saturation_slope(dew_c))
    if 0.0 < humidity < c.humidity_low:
        below = max(below, math.log(c.humidity_low / humidity) / log_saturation_slope(dew_c))
    return max(above, 0.0) + max(below, 0.0)


@inlined
def charge(c, truth, i, zones, step, history, out):  # type: ignore[no-untyped-def]
    """Charge row ``i`` for the limits that its readings break, and remember its inlets.

    Args:
        c: A record of :data:`CHARGES`.
        truth: Readings, shape ``(n, K)``.
        i: The row.
        zones: How many.
        step: Number of the step in the episode, from 0.
        history: Mean inlets of the last steps as a ring, shape ``(n, window, zones)``; the oldest is overwritten.
        out: Sum and constraints (:data:`CONSTRAINTS`), shape ``(5, n)``; column ``i`` is written.
    """
    hours = c.step_h
    hot = max(truth[i, _HOTTEST] - c.inlet_high_c, 0.0)
    cold = max(c.inlet_low_c - truth[i, _COLDEST], 0.0)
    change = damp = 0.0
    place = step % c.window
    for z in range(zones):
        first = _ZONES + z * _ZONE_WIDTH
        inlet = truth[i, first + _MEAN]
        change = max(change, abs(inlet - history[i, place, z]) - c.change_k)
        history[i, place, z] = inlet
        damp = max(damp, _dew_excess(c, truth[i, first + _DEW], truth[i, first + _HUMIDITY]))
    out[1, i] = (hot + cold) * hours
    out[2, i] = change * hours
    out[3, i] = damp * hours
    out[4, i] = truth[i, _UNMET] / c.it_peak_kw * hours
    out[0, i] = out[1, i] + out[2, i] + out[3, i] + out[4, i]


@inlined
def start_history(truth, i, zones, history):  # type: ignore[no-untyped-def]
    """Fill the ring of row ``i`` with the present inlets."""
    for place in range(history.shape[1]):
        for z in range(zones):
            history[i, place, z] = truth[i, _ZONES + z * _ZONE_WIDTH + _MEAN]
