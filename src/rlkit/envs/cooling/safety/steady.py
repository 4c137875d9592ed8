"""Where a zone would settle, as a kernel: the arithmetic of :class:`~rlkit.envs.cooling.safety.model.SteadyModel`.

It shares no code with the simulator's kernels, on purpose: a mistake there is not made here too.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rlkit.envs.jit import inlined, kernel

HOTTEST_C = 80.0  # where the fixed point is given up
ITERATIONS = 40
SETTLED_K = 0.001
LEAP_K = 5.0  # largest extrapolation
NEARLY_K = 0.05  # of a change, good enough after all iterations
LOAD_MARGIN = 0.1  # of utilisation: a step's rise, and what the power meter may be off
LOAD_OF_CHILLER = 0.9  # share of its capacity that a machine is trusted with
LOAD_OF_DX = 0.9  # the same of a direct-expansion coil, which may be fouled
SPARE_FLOW = 0.02  # above the share of flow at which a chiller's flow switch trips
COLD_BASIN_C = 27.0  # warmer condenser water asks for tower fans
COLD_INLET_C, WARM_INLET_C = 15.0, 30.0  # where no inlet is known: whichever is on the safe side
DRY_BULB_C = 35.0  # where it is unknown
_F, _I = np.float64, np.int64

# Design data of a zone, in SI units, and where its readings and actions are; a place is -1 where there is none.
DESIGN = np.dtype(
    [
        ("peak_w", _F),
        ("server_air_w_k", _F),
        ("other_w", _F),  # lights and losses of power supplies
        ("recirculation", _F),
        ("handler_w_k", _F),
        ("fan_w", _F),
        ("heat_to_air", _F),
        ("film_air_w_k", _F),
        ("film_air_exponent", _F),
        ("film_water_w_k", _F),
        ("film_water_exponent", _F),
        ("air_w_k", _F),
        ("water_w_k", _F),
        ("outdoor_limit_c", _F),  # dry bulb below which outdoor air alone may cool; -inf where it may not
        ("outdoor_least_c", _F),
        ("outdoor_wet_bulb_c", _F),  # wet bulb below which it may, for a limit on its dew point, which is lower
        ("supply_default_c", _F),
        ("dx_w", _F),  # sensible capacity of a direct-expansion coil at its rating point; 0 without
        ("dx_capacity_curve", _F, 6),
        ("dx_wet_bulb_c", _F),  # at the rating point
        ("dx_outdoor_min_c", _F),
        ("dx_outdoor_max_c", _F),
        ("airflow", _I),  # actions
        ("supply", _I),
        ("valve", _I),
        ("it_power", _I),  # readings
        ("inlet_mean", _I),
        ("supply_air", _I),
    ],
    align=True,
)

# The same of the plant.
PLANT = np.dtype(
    [
        ("supervisory", np.bool_),
        ("water_cooled", np.bool_),
        ("economizer", np.bool_),
        ("reach_k", _F),  # of the economizer: what chilled water may be above the wet bulb
        ("chillers", _I),
        ("chiller_w", _F),
        ("min_flow", _F),
        ("pump_w", _F),
        ("cpu_curve", _F, 3),
        ("leakage_per_k", _F),
        ("leakage_from_c", _F),
        ("airflow_curve", _F, 3),
        ("airflow_rise_per_k", _F),
        ("airflow_rise_from_c", _F),
        ("airflow_min", _F),
        ("airflow_max", _F),
        ("fan_curve", _F, 4),
        ("fan_floor", _F),
        ("fan_share", _F),
        ("chilled", _I),  # actions
        ("chillers_on", _I),
        ("pump", _I),
        ("condenser_pump", _I),
        ("tower_fan", _I),
        ("economizer_on", _I),
        ("it_power", _I),  # readings
        ("chilled_supply", _I),
        ("condenser_supply", _I),
        ("dry_bulb", _I),
        ("wet_bulb", _I),
    ],
    align=True,
)


class Seen(NamedTuple):
    """What the monitor knows of ``n`` halls."""

    values: NDArray[np.float64]  # (n, readings)
    hottest_c: NDArray[np.float64]  # (n, zones)
    fans_available: NDArray[np.float64]  # (n, zones)


@inlined
def _at(table, i, place, default):  # type: ignore[no-untyped-def]
    """A number of row ``i``, or what stands for it where there is none."""
    return table[i, place] if place >= 0 else default


@inlined
def _flow_share(p, utilisation, inlet_c):  # type: ignore[no-untyped-def]
    """Share of their design airflow that servers draw."""
    c = p.airflow_curve
    share = c[0] + c[1] * utilisation + c[2] * inlet_c
    share *= 1.0 + p.airflow_rise_per_k * max(inlet_c - p.airflow_rise_from_c, 0.0)
    return min(max(share, p.airflow_min), p.airflow_max)


@inlined
def _power_share(p, utilisation, inlet_c):  # type: ignore[no-untyped-def]
    """Power of racks over their peak; nothing is taken off for servers that throttle."""
    c, f = p.cpu_curve, p.fan_curve
    cpu = max(c[0] + c[1] * utilisation + c[2] * inlet_c, 0.0)
    cpu *= 1.0 + p.leakage_per_k * max(inlet_c - p.leakage_from_c, 0.0)
    flow = _flow_share(p, utilisation, inlet_c)
    fan = max(f[0] + flow * (f[1] + flow * (f[2] + flow * f[3])), p.fan_floor)
    return (1.0 - p.fan_share) * cpu + p.fan_share * fan


@inlined
def _utilisation(i, p, zone, zones, readings):  # type: ignore[no-untyped-def]
    """What the power meter implies at the present inlet, with a margin; 1 where none can be trusted."""
    power_kw = _at(readings, i, zone.it_power, math.nan)
    if math.isnan(power_kw) and zones == 1:
        power_kw = _at(readings, i, p.it_power, math.nan)
    if math.isnan(power_kw):
        return 1.0
    inlet = _at(readings, i, zone.inlet_mean, math.nan)
    if math.isnan(inlet):
        inlet = COLD_INLET_C
    idle, full = _power_share(p, 0.0, inlet), _power_share(p, 1.0, inlet)
    implied = (power_kw * 1000.0 / zone.peak_w - idle) / max(full - idle, 1e-6) + LOAD_MARGIN
    return min(max(implied, 0.0), 1.0)


@inlined
def _coil(zone, speed, water):  # type: ignore[no-untyped-def]
    """Conductance of a chilled-water coil in W/K: two films in series in a cross-flow exchanger."""
    speed, water = max(speed, 1e-4), max(water, 1e-4)
    air_film = zone.film_air_w_k * speed**zone.film_air_exponent
    water_film = zone.film_water_w_k * water**zone.film_water_exponent
    air, flow = zone.air_w_k * speed, zone.water_w_k * water
    least, most = min(air, flow), max(air, flow)
    ntu = air_film * water_film / ((air_film + water_film) * least)
    ratio = max(least / most, 1e-6)
    return least * -math.expm1(ntu**0.22 / ratio * math.expm1(-ratio * ntu**0.78))


@inlined
def _dx_w(zone, share, dry_bulb_c):  # type: ignore[no-untyped-def]
    """Heat that a direct-expansion coil is trusted with; evaporative coolers before it can only help."""
    c, x = zone.dx_capacity_curve, zone.dx_wet_bulb_c
    y = DRY_BULB_C if math.isnan(dry_bulb_c) else dry_bulb_c
    y = min(max(y, zone.dx_outdoor_min_c), zone.dx_outdoor_max_c)
    factor = c[0] + c[1] * x + c[2] * x * x + c[3] * y + c[4] * y * y + c[5] * x * y
    return LOAD_OF_DX * share * zone.dx_w * max(factor, 0.0)


@inlined
def _outdoor_supply(i, p, zone, readings):  # type: ignore[no-untyped-def]
    """Supply air of a handler that may take in outdoor air alone; infinite where it may not, or nothing is known."""
    dry_bulb_c = _at(readings, i, p.dry_bulb, math.nan)
    if not zone.outdoor_least_c < dry_bulb_c < zone.outdoor_limit_c:
        return math.inf
    if zone.outdoor_wet_bulb_c < math.inf and not _at(readings, i, p.wet_bulb, math.nan) < zone.outdoor_wet_bulb_c:
        return math.inf
    return max(dry_bulb_c + 2.0, zone.supply_default_c)


@inlined
def _coldest_supply(i, p, zone, values, commands, readings):  # type: ignore[no-untyped-def]
    """The coldest supply air that can be hoped for."""
    if not p.supervisory:
        return -math.inf
    asked, measured = values[i, zone.supply], _at(readings, i, zone.supply_air, math.nan)
    if measured > commands[i, zone.supply] + 1.0:  # saturated: no better than it is now
        return max(asked, measured)
    return asked


@kernel
def settled_inlet(i, z, p, zones, values, commands, seen):  # type: ignore[no-untyped-def]
    """Hottest inlet at which zone ``z`` of hall ``i`` would settle: the least fixed point, from below.

    Args:
        i: The hall.
        z: The zone.
        p: A record of :data:`PLANT`.
        zones: Records of :data:`DESIGN`.
        values: Actions in engineering units, shape ``(n, a)``.
        commands: Those in force.
        seen: A :class:`Seen`.
    """
    zone, readings = zones[z], seen.values
    speed = values[i, zone.airflow] * seen.fans_available[i, z]
    crah_w_k = max(zone.handler_w_k * speed, 1.0)
    fan_w = zone.fan_w * speed * speed * zone.heat_to_air  # warmer than the cubic law has it
    asked_c, measured_c = _at(values, i, p.chilled, 7.0), _at(readings, i, p.chilled_supply, math.nan)
    chilled_c = asked_c + 2.0 if math.isnan(measured_c) else max(asked_c, measured_c)
    share, water = 1.0, 1.0
    if not p.supervisory:
        share = values[i, zone.valve]
        water = share * _at(values, i, p.pump, 1.0)
    per_w, trusted_w = 0.0, math.inf
    if zone.dx_w > 0.0:
        trusted_w = _dx_w(zone, share, _at(readings, i, p.dry_bulb, math.nan))
    else:
        per_w = max(1.0 / _coil(zone, speed, water) - 1.0 / crah_w_k, 0.0)
    warmest = _outdoor_supply(i, p, zone, readings)
    coldest = _coldest_supply(i, p, zone, values, commands, readings)
    utilisation = _utilisation(i, p, zone, zones.shape[0], readings)
    inlet, before, taken = max(coldest, chilled_c), 0.0, 1.0
    for _ in range(ITERATIONS):
        air_w_k = zone.server_air_w_k * _flow_share(p, utilisation, inlet)
        heat_w = zone.peak_w * _power_share(p, utilisation, inlet) + zone.other_w + fan_w
        cooled = chilled_c + heat_w * per_w if heat_w <= trusted_w else HOTTEST_C
        supply = max(coldest, min(cooled, warmest))
        missing = max(1.0 - crah_w_k / air_w_k, 0.0)
        drawn = missing + (1.0 - missing) * zone.recirculation
        rise = min(supply + drawn * heat_w / min(crah_w_k, air_w_k), HOTTEST_C) - inlet
        if abs(rise) < SETTLED_K:
            return inlet + rise
        if rise < 0.0:
            taken = 0.5  # servers that warm draw more air, which cools them: it would go to and fro
        inlet += taken * rise
        if 0.0 < rise < before and taken == 1.0:  # what is still to come, as a geometric series
            inlet = min(inlet + min(rise * rise / (before - rise), LEAP_K), HOTTEST_C)
            before = 0.0
        else:
            before = rise
    return inlet if abs(before) < NEARLY_K else HOTTEST_C  # it has not settled: nobody knows how far it goes


@inlined
def _heat_w(i, p, zones, values, seen):  # type: ignore[no-untyped-def]
    """Heat that the chillers must take; that of direct-expansion coils goes elsewhere."""
    total = p.pump_w
    for z in range(zones.shape[0]):
        zone = zones[z]
        if zone.dx_w > 0.0:
            continue
        inlet = seen.hottest_c[i, z]
        if math.isnan(inlet):
            inlet = WARM_INLET_C
        utilisation = _utilisation(i, p, zone, zones.shape[0], seen.values)
        total += zone.peak_w * _power_share(p, utilisation, inlet) + zone.other_w
        total += zone.fan_w * values[i, zone.airflow] ** 2
    return total


@inlined
def _free_cooling(i, p, zones, values, readings):  # type: ignore[no-untyped-def]
    """Whether the outdoors alone carries the load: by the waterside economizer, or as outdoor air in every zone."""
    free = True
    for z in range(zones.shape[0]):
        free = free and _outdoor_supply(i, p, zones[z], readings) < math.inf
    if free or not p.economizer:
        return free
    cold = _at(readings, i, p.wet_bulb, math.nan) + p.reach_k <= _at(values, i, p.chilled, 7.0)
    on = _at(values, i, p.economizer_on, 0.0) > 0.5 and _at(values, i, p.tower_fan, 0.0) >= 0.5
    return cold and on and _at(values, i, p.condenser_pump, 0.0) >= 0.5


@kernel
def machines_suffice(i, p, zones, values, seen):  # type: ignore[no-untyped-def]
    """Whether the chillers, pumps and towers that actuators ask for can carry the load of hall ``i``."""
    if p.supervisory:
        return True
    needed = 0.0
    if not _free_cooling(i, p, zones, values, seen.values):
        needed = math.ceil(_heat_w(i, p, zones, values, seen) / (LOAD_OF_CHILLER * p.chiller_w))
        needed = min(max(needed, 1.0), float(p.chillers))
    least = (p.min_flow + SPARE_FLOW) * needed / p.chillers
    running = math.floor(_at(values, i, p.chillers_on, float(p.chillers)) + 0.5)
    if running < needed or _at(values, i, p.pump, 1.0) < least:
        return False
    if not p.water_cooled:
        return True
    cool = _at(seen.values, i, p.condenser_supply, math.nan) < COLD_BASIN_C  # False without a sensor
    return _at(values, i, p.condenser_pump, 1.0) >= least and (
        needed == 0.0 or cool or _at(values, i, p.tower_fan, 1.0) >= 0.8
    )


@inlined
def answered(i, values):  # type: ignore[no-untyped-def]
    """Whether the actions of hall ``i`` are numbers."""
    known = True
    for j in range(values.shape[1]):
        known &= math.isfinite(values[i, j])
    return known


@kernel
def predict_rows(plant, zones, values, commands, seen, out):  # type: ignore[no-untyped-def]
    """Write the inlets at which every zone would settle, shape ``(n, zones)``; NaN for actions that are."""
    for i in range(values.shape[0]):
        for z in range(zones.shape[0]):
            out[i, z] = math.nan
            if answered(i, values):
                out[i, z] = settled_inlet(i, z, plant[0], zones, values, commands, seen)


@kernel
def check_rows(rows, plant, zones, values, commands, seen, limit_c, out):  # type: ignore[no-untyped-def]
    """Write for these rows whether actions are safe; those of NaN are not.

    Args:
        rows: Which, shape ``(n,)`` bool.
        plant: One record of :data:`PLANT`.
        zones: Records of :data:`DESIGN`.
        values: Actions in engineering units, shape ``(n, a)``.
        commands: Those in force.
        seen: A :class:`Seen`.
        limit_c: The hottest inlet that is allowed.
        out: Written, shape ``(n,)`` bool.
    """
    p = plant[0]
    for i in range(rows.shape[0]):
        if not rows[i]:
            continue
        safe = answered(i, values) and machines_suffice(i, p, zones, values, seen)
        for z in range(zones.shape[0]):
            if not safe:
                break
            inlet = settled_inlet(i, z, p, zones, values, commands, seen)
            safe = inlet <= limit_c
            if safe and seen.hottest_c[i, z] > limit_c:  # must not cool less than what is in force
                safe = inlet <= settled_inlet(i, z, p, zones, commands, commands, seen) + 0.1
        out[i] = safe
