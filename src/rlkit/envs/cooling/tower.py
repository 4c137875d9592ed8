"""The condenser loop and its cooling towers over one solution of the plant."""

from __future__ import annotations

import math

from rlkit.envs.cooling import readings
from rlkit.envs.cooling.components import CP_WATER, clip, drive_power
from rlkit.envs.cooling.merkel import merkel_heat, saturated_enthalpy, tower_conductance, tower_evaporation, tower_heat
from rlkit.envs.cooling.psychrometrics import CP_DRY_AIR, CP_VAPOUR, density
from rlkit.envs.cooling.water import CONDENSER
from rlkit.envs.jit import inlined

_P = readings.numbers(readings.PLANT_STATE)
SPEED, RISE, EXIT = _P["tower_speed"], _P["tower_rise_k"], _P["tower_exit_c"]

_R = readings.numbers(readings.PLANT_READINGS)
TOWER_J, REJECTED_J, BASIN_J = _R["tower_fan_energy_kwh"], _R["rejected_heat_kw"], _R["basin_heater_energy_kwh"]
EVAPORATION, DRIFT, BLOWDOWN, WATER = _R["evaporation_l"], _R["drift_l"], _R["blowdown_l"], _R["water_l"]
SPEED_S = _R["tower_fan_speed"]

_SPEED_TOLERANCE = 1e-4  # of the heat, relative
_SPEED_TRIALS = 60


@inlined
def heat_at_speed(p, t, speed, water_w_k, water_in_c, guess_k):  # type: ignore[no-untyped-def]
    """Heat in W of one cell with its fan at a speed, or off (0: free convection); and the wet-bulb rise.

    Args:
        p: The plant's record.
        t: Of the moment: wet bulb, pressure, saturated enthalpy there, air density, its specific heat, water ratio.
        speed: Share of design airflow.
        water_w_k: Heat capacity flow of the water.
        water_in_c: Entering water.
        guess_k: Rise to start from.
    """
    wet_bulb, pressure, h_in, rho, cp_moist, ratio = t
    if speed <= 0.0:
        air = p.free_convection * p.tower_air_m3_s * rho
        ua = p.free_convection * p.tower_ua_w_k
    else:
        air = speed * p.tower_air_m3_s * rho
        ua = tower_conductance(p, speed, ratio, wet_bulb)
    return tower_heat(air, water_w_k, ua, cp_moist, h_in, wet_bulb, water_in_c, pressure, guess_k)


@inlined
def _part_of_curve(p, air_ratio):  # type: ignore[no-untyped-def]
    """Whether an airflow is below (0), within (1) or above (2) the range of the conductance's curve."""
    return 0 if air_ratio < p.air_ratio_min else 1 if air_ratio < 1.0 else 2


@inlined
def speed_for_heat(p, t, wanted_w, most, water_w_k, water_in_c, exit_c):  # type: ignore[no-untyped-def]
    """Fan speed at which a cell gives off a heat.

    Sought by the wet bulb of the leaving air: with the heat given, it says what airflow there is, and an effectiveness
    what heat goes with it; the warmer, the less. A secant inside a bracket, which ends where its next step is certain
    to be good enough: never where it crosses an end of the conductance curve's range, at which the slope jumps.

    Returns:
        The speed; whether what is wanted is below what the least speed gives (-1), above what ``most`` does (1), or
        between (0); and the leaving air's wet bulb.
    """
    wet_bulb, pressure, h_in, rho, cp_moist, ratio = t
    full_air = p.tower_air_m3_s * rho
    low, high = wet_bulb, water_in_c
    leaving = exit_c if low + 0.02 * (high - low) < exit_c < high else 0.5 * (low + high)
    last, last_error, x, part = leaving, 0.0, most, -1
    for iteration in range(_SPEED_TRIALS):
        h, _ = saturated_enthalpy(leaving, pressure)
        x, last_part = wanted_w / (full_air * (h - h_in)), part
        part = _part_of_curve(p, x)
        ua = tower_conductance(p, x, ratio, wet_bulb)
        heat, _ = merkel_heat(x * full_air, water_w_k, ua, cp_moist, h_in, h, wet_bulb, leaving, water_in_c)
        error = heat / wanted_w - 1.0
        if abs(error) < _SPEED_TOLERANCE:
            break
        if error < 0.0:
            if x >= most:
                return most, 1, leaving
            high = leaving
        else:
            if x <= p.air_ratio_min:
                return p.air_ratio_min, -1, leaving
            low = leaving
        following = leaving + 1.2 * error * (leaving - wet_bulb)
        if iteration > 0 and error != last_error:
            following = leaving - error * (leaving - last) / (error - last_error)
        certain = part == last_part and abs(error * last_error) < 0.3 * _SPEED_TOLERANCE
        last, last_error = leaving, error
        leaving = following if low < following < high else 0.5 * (low + high)
        if certain and leaving == following:
            h, _ = saturated_enthalpy(leaving, pressure)
            x = wanted_w / (full_air * (h - h_in))
            if _part_of_curve(p, x) == part:
                break
    if x > most:
        return most, 1, leaving
    if x < p.air_ratio_min:
        return p.air_ratio_min, -1, leaving
    return x, 0, leaving


@inlined
def drift_with(p, temperature, loop_w, flow_w_k, conductance, wet_bulb, dt):  # type: ignore[no-untyped-def]
    """Basin temperature after a solution with the towers' conductance held: the exact exponential.

    ``C dT/dt = loop - K (T + loop / flow - wet_bulb)``.
    """
    if conductance <= 0.0:
        return temperature + loop_w * dt / p.condenser_j_k
    settled = wet_bulb + loop_w / conductance - loop_w / flow_w_k
    return settled + (temperature - settled) * math.exp(-conductance * dt / p.condenser_j_k)


@inlined
def conductance_at(p, state, i, t, speed, cells, water_w_k, water_in_c):  # type: ignore[no-untyped-def]
    """W per K between entering water and wet bulb of all cells in use, at a fan speed."""
    heat, rise = heat_at_speed(p, t, speed, water_w_k, water_in_c, state[i, RISE])
    state[i, RISE] = rise
    return cells * heat / max(water_in_c - t[0], 1e-3)


@inlined
def controlled_basin(p, state, i, t, loop_w, flow_w_k, cells, most, setpoint_c, decay, dt):  # type: ignore[no-untyped-def]
    """Basin temperature after a solution in which the fans follow a setpoint; fan speed and share of time running.

    Returns:
        Basin temperature, speed while running, share of the time that fans run.
    """
    before = state[i, CONDENSER]
    wanted = loop_w + p.condenser_j_k * (before - setpoint_c) * (1.0 - decay) / dt
    after = before + (loop_w - wanted) * dt / p.condenser_j_k
    water_in = 0.5 * (before + after) + loop_w / flow_w_k
    water_w_k = flow_w_k / cells
    verdict = -1
    speed = p.air_ratio_min
    if wanted > 0.0 and most >= p.air_ratio_min:
        if water_in > t[0] + 0.01:
            speed, verdict, state[i, EXIT] = speed_for_heat(
                p, t, wanted / cells, most, water_w_k, water_in, state[i, EXIT]
            )
            state[i, SPEED] = speed
        else:
            verdict = 1
    if verdict == 0:
        return after, speed, 1.0
    entering = before + loop_w / flow_w_k
    wet_bulb, slowest = t[0], p.air_ratio_min
    if verdict == 1:
        k = conductance_at(p, state, i, t, most, cells, water_w_k, entering)
        return drift_with(p, before, loop_w, flow_w_k, k, wet_bulb, dt), most, 1.0
    k = conductance_at(p, state, i, t, 0.0, cells, water_w_k, entering)
    off = drift_with(p, before, loop_w, flow_w_k, k, wet_bulb, dt)
    if off <= after or most < slowest:
        return off, 0.0, 0.0
    k = conductance_at(p, state, i, t, slowest, cells, water_w_k, entering)
    slow = drift_with(p, before, loop_w, flow_w_k, k, wet_bulb, dt)
    if slow >= after:
        return slow, slowest, 1.0
    return after, slowest, (off - after) / (off - slow)


@inlined
def tower_step(p, state, i, loop_w, flow_kg_s, steered, speed, available, setpoint_c, weather, decay, dt, out):  # type: ignore[no-untyped-def]
    """Advance the condenser loop by one solution of the plant; fan electricity and water.

    Args:
        p: The plant's record.
        state: All states.
        i: The row.
        loop_w: Heat into the loop from condensers, economizer and pumps.
        flow_kg_s: Condenser water.
        steered: Whether the fans turn at ``speed``; else they follow ``setpoint_c``.
        speed: Share of design airflow.
        available: Share of the fans that run.
        setpoint_c: Leaving water.
        weather: Dry bulb, wet bulb, pressure and humidity ratio.
        decay: ``exp(-dt / lambda)`` of the basin's controller.
        dt: Length in s.
        out: Readings.
    """
    before = state[i, CONDENSER]
    if flow_kg_s <= 0.0:
        state[i, CONDENSER] = before + loop_w * dt / p.condenser_j_k
        out[i, BASIN_J] += p.basin_heater_w_k * max(p.basin_heater_c - weather[0], 0.0) * dt  # lost at once: no balance
        if steered:
            out[i, TOWER_J] += p.cells * drive_power(p.tower_fan_curve, 0.0, p.tower_fan_w, speed * available) * dt
            out[i, SPEED_S] += speed * available * dt
        return
    dry_bulb, wet_bulb, pressure, humidity = weather
    cells = clip(math.ceil(flow_kg_s / (p.water_ratio_min * p.tower_water_kg_s)), 1.0, float(p.cells))
    flow_w_k = flow_kg_s * CP_WATER
    h_in, _ = saturated_enthalpy(wet_bulb, pressure)
    t = (
        wet_bulb,
        pressure,
        h_in,
        density(dry_bulb, humidity, pressure),
        CP_DRY_AIR + humidity * CP_VAPOUR,
        flow_kg_s / (cells * p.tower_water_kg_s),
    )
    if steered:
        running = 1.0
        speed = speed * available
        speed = speed if speed >= p.air_ratio_min else 0.0
        k = conductance_at(p, state, i, t, speed, cells, flow_w_k / cells, before + loop_w / flow_w_k)
        after = drift_with(p, before, loop_w, flow_w_k, k, wet_bulb, dt)
    else:
        after, speed, running = controlled_basin(
            p, state, i, t, loop_w, flow_w_k, cells, available, setpoint_c, decay, dt
        )
    after = max(after, min(before, p.basin_min_c))  # frost: part of the water goes past the fill
    state[i, CONDENSER] = after
    heat_j = loop_w * dt - p.condenser_j_k * (after - before)
    out[i, REJECTED_J] += heat_j
    out[i, TOWER_J] += running * cells * drive_power(p.tower_fan_curve, 0.0, p.tower_fan_w, speed) * dt
    out[i, SPEED_S] += running * speed * dt
    use_water(p, state, i, t, heat_j / dt / cells, running * speed, running, cells, flow_kg_s, humidity, dt, out)


@inlined
def use_water(p, state, i, t, heat_w, speed, running, cells, flow_kg_s, humidity, dt, out):  # type: ignore[no-untyped-def]
    """Evaporation, drift and blowdown of a solution, in litres (taken as kg)."""
    wet_bulb, pressure, h_in, rho, _, _ = t
    air = (speed + (1.0 - running) * p.free_convection) * p.tower_air_m3_s * rho
    if air <= 0.0:
        air = p.free_convection * p.tower_air_m3_s * rho
    guess = clip(state[i, EXIT], wet_bulb, wet_bulb + 30.0)
    evaporated, state[i, EXIT] = tower_evaporation(air, heat_w, h_in, humidity, guess, pressure)
    evaporated *= cells * dt
    drift = p.drift * flow_kg_s * speed * dt
    blowdown = max(evaporated / (p.concentration - 1.0) - drift, 0.0)
    out[i, EVAPORATION] += evaporated
    out[i, DRIFT] += drift
    out[i, BLOWDOWN] += blowdown
    out[i, WATER] += evaporated + drift + blowdown
