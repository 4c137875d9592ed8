"""What is said of an episode: energy, money, water, efficiency metrics, compliance and wear.

Ratios are of sums over the episode (energy-weighted), as their standards ask:

* PUE, ISO/IEC 30134-2: facility energy over IT energy;
* TUE = ITUE x PUE (Patterson et al. 2013): facility energy over what the processors get; ITUE is IT energy over IT
  energy less server fans, so that moving work from CRAH fans to server fans does not look like a saving;
* WUE, ISO/IEC 30134-9: litres of water for each kWh of IT energy;
* RCI (Herrlin 2005), high and low end: 1 when no rack inlet is beyond the recommended range, 0 when all are at the
  allowable end, below 0 beyond it; range and allowable end are TC 9.9's recommended and A1 classes;
* SHI (Sharma, Bash and Patel 2002): share of the racks' heat that they take in again.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from rlkit.envs.cooling import readings
from rlkit.envs.cooling.costs import CLASSES
from rlkit.envs.jit import inlined, kernel

_R, _Z = readings.numbers(readings.PLANT_READINGS), readings.numbers(readings.ZONE_READINGS)
FACILITY, WATER = _R["facility_energy_kwh"], _R["water_l"]
_IT, _SERVER_FANS, _UPS, _LIGHTS = (
    _R["it_energy_kwh"],
    _R["server_fan_energy_kwh"],
    _R["ups_energy_kwh"],
    _R["lighting_energy_kwh"],
)
_STARTS, _MODE, _CLIPPED = _R["chiller_starts"], _R["economizer_mode"], _R["out_of_range"]
_HOTTEST = _R["inlet_max_c"]
_ZONES, _ZONE_WIDTH, _RACK_WIDTH = len(_R), len(_Z), len(readings.RACK_READINGS)
_SHI, _ZONE_IT = _Z["supply_heat_index"], _Z["zone_it_power_kw"]
_LOW_C, _HIGH_C = CLASSES["recommended"].inlet_c
_LOWEST_C, _HIGHEST_C = CLASSES["A1"].inlet_c

# Sums over an episode so far.
TOTALS = np.dtype(
    [
        ("step_h", np.float64),
        ("energy_kwh", np.float64),
        ("it_kwh", np.float64),
        ("server_fan_kwh", np.float64),
        ("overhead_kwh", np.float64),  # power supply and lights
        ("operating_cost", np.float64),
        ("water_l", np.float64),
        ("over_k", np.float64),  # beyond the recommended range, mean over racks, summed over steps
        ("under_k", np.float64),
        ("steps", np.float64),
        ("recirculated_kwh", np.float64),  # SHI times IT energy
        ("inlet_kh", np.float64),
        ("constraint_cost", np.float64),
        ("violation_steps", np.float64),
        ("rate_steps", np.float64),
        ("humidity_steps", np.float64),
        ("unmet_steps", np.float64),
        ("out_of_range_steps", np.float64),
        ("chiller_starts", np.float64),
        ("mode_changes", np.float64),
        ("mode", np.float64),  # of the last step
        ("max_inlet_c", np.float64),
        ("tripped", np.float64),
    ],
    align=True,
)

VERDICT = np.dtype(
    [
        ("energy_kwh", np.float64),  # facility meter
        ("it_energy_kwh", np.float64),
        ("cooling_energy_kwh", np.float64),  # fans, pumps, chillers, towers
        ("operating_cost", np.float64),  # electricity and water, in the tariff's currency
        ("water_l", np.float64),
        ("PUE", np.float64),
        ("TUE", np.float64),
        ("WUE", np.float64),  # L/kWh
        ("RCI_hi", np.float64),
        ("RCI_lo", np.float64),
        ("SHI", np.float64),
        ("violation_minutes", np.float64),  # with a rack inlet beyond the limits
        ("degree_minutes", np.float64),  # by how much, K min
        ("rate_minutes", np.float64),  # with inlets that change too fast
        ("humidity_minutes", np.float64),
        ("unmet_minutes", np.float64),  # with chillers short of capacity
        ("constraint_cost", np.float64),  # sum of info["cost"]
        ("max_inlet_c", np.float64),
        ("out_of_range_minutes", np.float64),  # with a chiller outside its published curves
        ("chiller_starts", np.int64),
        ("mode_changes", np.int64),  # of the economizer
        ("weather", np.int64),  # which of the sources
        ("workload", np.int64),
        ("day", np.int64),  # of the year, 1 is New Year's Day
        ("thermal_trip", np.bool_),
        ("is_success", np.bool_),  # no violation minutes and no trip
    ],
    align=True,
)

_AVERAGED = (
    "energy_kwh",
    "cooling_energy_kwh",
    "operating_cost",
    "water_l",
    "violation_minutes",
    "degree_minutes",
    "rate_minutes",
    "humidity_minutes",
    "constraint_cost",
    "max_inlet_c",
    "RCI_hi",
    "RCI_lo",
    "SHI",
    "TUE",
    "chiller_starts",
    "thermal_trip",
)
METRICS: dict[str, Any] = {
    "prefix": "cooling",
    "values": {
        **{name: name for name in _AVERAGED},
        "PUE": ["energy_kwh", "it_energy_kwh"],
        "WUE": ["water_l", "it_energy_kwh"],
    },
}


@inlined
def start_totals(truth, i, totals):  # type: ignore[no-untyped-def]
    """Begin an episode in row ``i``."""
    t = totals[i]
    t.step_h = t.energy_kwh = t.it_kwh = t.server_fan_kwh = t.overhead_kwh = t.operating_cost = t.water_l = 0.0
    t.over_k = t.under_k = t.steps = t.recirculated_kwh = t.inlet_kh = t.constraint_cost = 0.0
    t.violation_steps = t.rate_steps = t.humidity_steps = t.unmet_steps = t.out_of_range_steps = 0.0
    t.chiller_starts = t.mode_changes = t.tripped = 0.0
    t.mode = truth[i, _MODE]
    t.max_inlet_c = truth[i, _HOTTEST]


@inlined
def add_step(c, truth, i, zones, racks, spent, costs, tripped, totals):  # type: ignore[no-untyped-def]
    """Add a step of row ``i``.

    Args:
        c: A record of ``costs.CHARGES``.
        truth: Readings.
        i: The row.
        zones: How many.
        racks: How many.
        spent: Money of the step.
        costs: Sum and constraints of the step, shape ``(5, n)``.
        tripped: Whether servers switched off.
        totals: Records of :data:`TOTALS`.
    """
    t = totals[i]
    t.step_h = c.step_h
    t.energy_kwh += truth[i, FACILITY]
    t.it_kwh += truth[i, _IT]
    t.server_fan_kwh += truth[i, _SERVER_FANS]
    t.overhead_kwh += truth[i, _UPS] + truth[i, _LIGHTS]
    t.operating_cost += spent
    t.water_l += truth[i, WATER]
    t.steps += 1.0
    t.constraint_cost += costs[0, i]
    t.inlet_kh += costs[1, i]
    t.violation_steps += 1.0 if costs[1, i] > 0.0 else 0.0
    t.rate_steps += 1.0 if costs[2, i] > 0.0 else 0.0
    t.humidity_steps += 1.0 if costs[3, i] > 0.0 else 0.0
    t.unmet_steps += 1.0 if costs[4, i] > 0.0 else 0.0
    t.out_of_range_steps += truth[i, _CLIPPED]
    t.chiller_starts += truth[i, _STARTS]
    t.mode_changes += 1.0 if truth[i, _MODE] != t.mode else 0.0
    t.mode = truth[i, _MODE]
    t.max_inlet_c = max(t.max_inlet_c, truth[i, _HOTTEST])
    t.tripped = 1.0 if tripped else 0.0
    for z in range(zones):
        first = _ZONES + z * _ZONE_WIDTH
        t.recirculated_kwh += truth[i, first + _SHI] * truth[i, first + _ZONE_IT] * c.step_h
    over = under = 0.0
    for r in range(racks):
        inlet = truth[i, _ZONES + zones * _ZONE_WIDTH + r * _RACK_WIDTH]
        over += max(inlet - _HIGH_C, 0.0)
        under += max(_LOW_C - inlet, 0.0)
    t.over_k += over / racks
    t.under_k += under / racks


@kernel
def judge(rows, totals, episodes, verdicts):  # type: ignore[no-untyped-def]
    """Write the verdicts of these rows.

    Args:
        rows: Which, shape ``(n,)`` bool.
        totals: Records of :data:`TOTALS`.
        episodes: Records of ``episode.EPISODE``.
        verdicts: Records of :data:`VERDICT`.
    """
    for i in range(rows.shape[0]):
        if not rows[i]:
            continue
        t, v = totals[i], verdicts[i]
        it, steps = max(t.it_kwh, 1e-9), max(t.steps, 1.0)
        v.energy_kwh, v.it_energy_kwh = t.energy_kwh, t.it_kwh
        v.cooling_energy_kwh = t.energy_kwh - t.it_kwh - t.overhead_kwh
        v.operating_cost, v.water_l = t.operating_cost, t.water_l
        v.PUE, v.WUE = t.energy_kwh / it, t.water_l / it
        v.TUE = t.energy_kwh / max(t.it_kwh - t.server_fan_kwh, 1e-9)
        v.RCI_hi = 1.0 - t.over_k / steps / (_HIGHEST_C - _HIGH_C)
        v.RCI_lo = 1.0 - t.under_k / steps / (_LOW_C - _LOWEST_C)
        v.SHI = t.recirculated_kwh / it
        step_min = 60.0 * t.step_h
        v.violation_minutes, v.degree_minutes = t.violation_steps * step_min, 60.0 * t.inlet_kh
        v.rate_minutes, v.humidity_minutes = t.rate_steps * step_min, t.humidity_steps * step_min
        v.unmet_minutes, v.out_of_range_minutes = t.unmet_steps * step_min, t.out_of_range_steps * step_min
        v.constraint_cost, v.max_inlet_c = t.constraint_cost, t.max_inlet_c
        v.chiller_starts, v.mode_changes = int(t.chiller_starts), int(t.mode_changes)
        v.weather, v.workload, v.day = episodes[i].weather, episodes[i].workload, episodes[i].day
        v.thermal_trip = t.tripped > 0.0
        v.is_success = t.violation_steps == 0.0 and t.tripped == 0.0
