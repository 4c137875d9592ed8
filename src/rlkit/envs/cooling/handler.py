"""What only some air handlers have: evaporative coolers and direct-expansion (DX) coils.

Air is mixed, goes through the fan, the direct cooler, the indirect cooler and the coil. The kernels of the air side
(:mod:`rlkit.envs.cooling.hall`) know a coil as a conductance towards a cold temperature and everything before it as a
line in the mixed air's temperature, ``Z_SCALE * mixed + Z_SHIFT``; here these numbers are found once a solution of the
plant, from the air as it is at its beginning.

Source: EnergyPlus Engineering Reference 25.2, "Direct Evaporative Cooler Special Research Model", "Indirect Evaporative
Cooler Special Research Model" and "Single-Speed Electric DX Air Cooling Coil".
"""

from __future__ import annotations

import math

from rlkit.envs.cooling import hall, readings
from rlkit.envs.cooling.components import CP_AIR, biquadratic, clip, cubic
from rlkit.envs.cooling.merkel import saturated_enthalpy
from rlkit.envs.cooling.psychrometrics import (
    LATENT_HEAT_0C,
    density,
    enthalpy,
    saturated_humidity_ratio,
    wet_bulb,
)
from rlkit.envs.jit import inlined

_R = readings.numbers(readings.PLANT_READINGS)
_ENERGY_J, _DX_J, _REJECTED_J = _R["evaporative_energy_kwh"], _R["dx_energy_kwh"], _R["rejected_heat_kw"]
_EVAPORATION, _BLOWDOWN, _WATER = _R["evaporation_l"], _R["blowdown_l"], _R["water_l"]

_DRY_ROUNDS = 12  # in search of the wet bulb at which a DX coil stays dry: error of the capacity below 0.1 %
_DRY_RELAXATION = 0.4  # EnergyPlus' own
_COLDEST_C = -40.0  # of a DX coil's surface


@inlined
def prepare(zone, state, i, z, s, valve, fouling, outdoor):  # type: ignore[no-untyped-def]
    """Decide for one solution of the plant how evaporative coolers run and what the DX coil can do.

    Args:
        zone: The zone's record.
        state: All states.
        i: The row.
        z: The zone's number.
        s: Scratch of zones, with airflow, outdoor share, fan rise and target; the rest is written.
        valve: Share of time that the DX coil runs where it is fixed, else negative.
        fouling: Share of the DX coil's conductance that is left.
        outdoor: Dry bulb, wet bulb, pressure, humidity ratio.
    """
    s[z, hall.Z_EVAPORATIVE_W] = s[z, hall.Z_SPRAYED] = 0.0
    s[z, hall.Z_DX_W] = s[z, hall.Z_DX_FULL_W] = 0.0
    s[z, hall.Z_COLD] = state[i, hall.zone_offset(z) + hall.SUPPLY]
    if zone.dx == 1 and (valve >= 0.0 or s[z, hall.Z_AIR] <= 0.0):
        s[z, hall.Z_FIXED] = 0.0
    if s[z, hall.Z_AIR] <= 0.0:
        return
    dry_bulb, _, pressure, humidity_out = outdoor
    offset = hall.zone_offset(z)
    share, rise = s[z, hall.Z_OUTDOOR], s[z, hall.Z_FAN_RISE]
    hot, humidity = state[i, offset + hall.HOT], state[i, offset + hall.HUMIDITY]
    entering = hot + share * (dry_bulb - hot) + rise
    setpoint = s[z, hall.Z_TARGET] + rise
    humidity += share * (humidity_out - humidity)
    if zone.direct_effectiveness > 0.0:
        drop = _spray(zone, z, s, entering, humidity, pressure, setpoint)
        entering -= drop
        humidity += s[z, hall.Z_SPRAY] * CP_AIR / s[z, hall.Z_AIR]
        s[z, hall.Z_SHIFT] = -drop
    if zone.indirect_dry_effectiveness > 0.0:
        reach, sink = _indirect(zone, z, s, entering, setpoint, outdoor)
        entering -= reach * (entering - sink)
        s[z, hall.Z_SCALE] = 1.0 - reach
        s[z, hall.Z_SHIFT] = (1.0 - reach) * (s[z, hall.Z_SHIFT] + rise) + reach * sink - rise
    if zone.dx == 1:
        _dx(zone, z, s, entering, humidity, pressure, dry_bulb)
        s[z, hall.Z_MOST] *= fouling
        if valve >= 0.0:
            s[z, hall.Z_FIXED] = clip(valve, 0.0, 1.0) * s[z, hall.Z_MOST]


@inlined
def _spray(zone, z, s, entering_c, humidity, pressure, setpoint_c):  # type: ignore[no-untyped-def]
    """Temperature drop in the direct cooler; writes its water in kg/s, so that enthalpy is kept, and its pump."""
    if entering_c <= setpoint_c or entering_c < zone.direct_least_c:
        return 0.0
    t_wet = wet_bulb(entering_c, max(humidity, 0.0), pressure)
    if t_wet >= zone.direct_wet_bulb_limit_c or t_wet >= entering_c:
        return 0.0
    most = zone.direct_effectiveness * (entering_c - t_wet)
    drop = min(most, entering_c - setpoint_c)
    s[z, hall.Z_SPRAY] = s[z, hall.Z_AIR] * drop / LATENT_HEAT_0C
    s[z, hall.Z_EVAPORATIVE_W] += zone.direct_pump_w * drop / most
    return drop


@inlined
def _indirect(zone, z, s, entering_c, setpoint_c, outdoor):  # type: ignore[no-untyped-def]
    """How far the indirect cooler brings the air towards its sink, and the sink: outdoor dry or wet bulb.

    EnergyPlus' order of modes: off where it would not cool, dry below an outdoor temperature, sprayed above it.
    """
    dry_bulb, wet_bulb_c, pressure, humidity = outdoor
    if entering_c <= setpoint_c or entering_c <= dry_bulb:
        return 0.0, 0.0
    wet = dry_bulb >= zone.indirect_wet_from_c
    if wet and wet_bulb_c >= zone.indirect_wet_bulb_limit_c:
        return 0.0, 0.0
    sink = wet_bulb_c if wet else dry_bulb
    ratio = zone.indirect_air_m3_s * density(dry_bulb, humidity, pressure) * CP_AIR / s[z, hall.Z_AIR]
    reach = (entering_c - setpoint_c) / (entering_c - sink)
    speed = 1.0
    most = _effectiveness(zone, wet, ratio)
    if reach < most:
        low, high = 0.0, 1.0
        for _ in range(20):
            speed = 0.5 * (low + high)
            if _effectiveness(zone, wet, ratio * speed) < reach:
                low = speed
            else:
                high = speed
    else:
        reach = most
    s[z, hall.Z_EVAPORATIVE_W] += zone.indirect_fan_w * max(cubic(zone.indirect_fan_curve, speed), 0.0)
    if wet:
        s[z, hall.Z_EVAPORATIVE_W] += zone.indirect_pump_w * (zone.indirect_pump_low if speed < 0.5 else 1.0)
        s[z, hall.Z_SPRAYED] = 1.0
    return reach, sink


@inlined
def _effectiveness(zone, wet, ratio):  # type: ignore[no-untyped-def]
    """Of the indirect cooler, at a ratio of outdoor to cooled air."""
    if wet:
        return zone.indirect_wet_effectiveness * max(cubic(zone.indirect_wet_curve, min(ratio, 1.875)), 0.0)
    return zone.indirect_dry_effectiveness * clip(cubic(zone.indirect_dry_curve, min(ratio, 1.1)), 0.0, 1.0)


@inlined
def _dx(zone, z, s, entering_c, humidity, pressure, outdoor_c):  # type: ignore[no-untyped-def]
    """Capacity, electricity and surface of the DX coil, running all the time, in this entering air.

    The air moves towards saturation at the apparatus dew point by all but the bypass factor. Where that point would be
    wetter than the air nothing condenses: then the capacity is that of air just dry enough (EnergyPlus' iteration).
    """
    air_kg_s = s[z, hall.Z_AIR] / CP_AIR
    flow = air_kg_s / zone.dx_air_kg_s
    moved = 1.0 - math.exp(-zone.dx_bypass_kg_s / air_kg_s)
    y = clip(outdoor_c, zone.dx_outdoor_min_c, zone.dx_outdoor_max_c)
    trial = max(humidity, 0.0)
    capacity, x, surface, surface_humidity, guess = 0.0, 0.0, 0.0, 0.0, 8.0
    for _ in range(_DRY_ROUNDS):
        x = clip(wet_bulb(entering_c, trial, pressure), zone.dx_wet_bulb_min_c, zone.dx_wet_bulb_max_c)
        capacity = zone.dx_capacity_w * biquadratic(zone.dx_capacity_curve, x, y)
        capacity *= cubic(zone.dx_capacity_flow_curve, flow)
        surface = _saturated_at(enthalpy(entering_c, trial) - capacity / (air_kg_s * moved), pressure, guess)
        surface_humidity = saturated_humidity_ratio(surface, pressure)
        guess = surface
        if surface_humidity <= trial * 1.001:
            break
        trial += _DRY_RELAXATION * (surface_humidity - trial)
    full = moved * s[z, hall.Z_AIR]
    s[z, hall.Z_COLD] = surface - s[z, hall.Z_FAN_RISE]
    s[z, hall.Z_MOST] = full
    s[z, hall.Z_DX_FULL_W] = full
    s[z, hall.Z_DX_HUMIDITY] = min(surface_humidity, humidity)
    ratio = biquadratic(zone.dx_input_curve, x, y) * cubic(zone.dx_input_flow_curve, flow)
    s[z, hall.Z_DX_W] = capacity * ratio / zone.dx_cop


@inlined
def _saturated_at(h, pressure, guess_c):  # type: ignore[no-untyped-def]
    """Temperature of saturated air of an enthalpy, by Newton's method."""
    t = guess_c
    for _ in range(20):
        at, slope = saturated_enthalpy(t, pressure)
        step = (h - at) / slope
        t = max(t + step, _COLDEST_C)
        if abs(step) < 1e-3:
            break
    return t


@inlined
def condensation(zone, state, i, offset, z, s, outdoor_humidity, outdoor_kg_s, dt):  # type: ignore[no-untyped-def]
    """Moisture of a zone with a DX coil over one solution: outdoor air, spray, and what the running coil condenses.

    The coil runs the share of time that it ran in the last solution. Unlike the water coil's (a few per cent of the
    heat), its moisture follows the air that enters it.

    Returns:
        Mean latent heat in W, and the mean latent heat that outdoor air brings in W.
    """
    before = state[i, offset + hall.HUMIDITY]
    spray, share = s[z, hall.Z_SPRAY], s[z, hall.Z_OUTDOOR]
    run = state[i, offset + hall.VALVE] if s[z, hall.Z_FIXED] != 0.0 else 0.0
    coil_kg_s = run * s[z, hall.Z_DX_FULL_W] / CP_AIR
    carried = share * outdoor_humidity
    if s[z, hall.Z_AIR] > 0.0:
        carried += spray * CP_AIR / s[z, hall.Z_AIR]
    surface = s[z, hall.Z_DX_HUMIDITY]
    if (1.0 - share) * before + carried <= surface:
        coil_kg_s = 0.0
    gain = (outdoor_kg_s + coil_kg_s * (1.0 - share)) / zone.air_kg
    rate = (outdoor_kg_s * outdoor_humidity + spray - coil_kg_s * (carried - surface)) / zone.air_kg
    average, after = hall.approach(before, gain, rate, dt)
    state[i, offset + hall.HUMIDITY] = after
    latent = LATENT_HEAT_0C * coil_kg_s * ((1.0 - share) * average + carried - surface)
    return latent, LATENT_HEAT_0C * outdoor_kg_s * (outdoor_humidity - average)


@inlined
def finish(zone, state, i, z, s, outdoor_c, dt, out):  # type: ignore[no-untyped-def]
    """Electricity, water and heat given off over a solution, after its sub-steps."""
    spray = s[z, hall.Z_SPRAY]
    indirect_j = s[z, hall.Z_PRECOOL_J] - LATENT_HEAT_0C * spray * dt
    out[i, _REJECTED_J] += indirect_j
    out[i, _ENERGY_J] += s[z, hall.Z_EVAPORATIVE_W] * dt
    sprayed = s[z, hall.Z_SPRAYED] * max(indirect_j, 0.0) / LATENT_HEAT_0C
    drained = spray * dt * zone.direct_blowdown + sprayed * zone.indirect_blowdown
    out[i, _EVAPORATION] += spray * dt + sprayed
    out[i, _BLOWDOWN] += drained
    out[i, _WATER] += spray * dt + sprayed + drained
    if zone.dx == 0:
        return
    offset = hall.zone_offset(z)
    run = 0.0
    if s[z, hall.Z_DX_FULL_W] > 0.0:
        run = min(s[z, hall.Z_CONDUCTANCE_S] / dt / s[z, hall.Z_DX_FULL_W], 1.0)
    state[i, offset + hall.VALVE] = run
    state[i, offset + hall.COIL_W] = s[z, hall.Z_COIL_J] / dt
    power = 0.0
    if run > 0.0:
        power = s[z, hall.Z_DX_W] * min(run / max(cubic(zone.dx_part_load_curve, run), 0.7), 1.0)
    out[i, _DX_J] += power * dt
    out[i, hall.ENERGY_IN_J] += power * dt
    out[i, _REJECTED_J] += s[z, hall.Z_COIL_J] + (s[z, hall.Z_LATENT_W] + power) * dt
