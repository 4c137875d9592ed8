"""The water side: chilled-water loop, chillers and their staging, waterside economizer, pumps.

A loop is one mass of water at the temperature that leaves the plant. Local controllers are integral controllers tuned
by the lambda rule (Rivera, Morari and Skogestad 1986: for a process much faster than the wanted closed loop, the PI
controller reduces to integral action of gain ``1 / (process gain * lambda)``), which makes the loop follow its setpoint
with a first-order lag; that lag is integrated exactly and its actuator saturates without winding up.
"""

from __future__ import annotations

import math

from rlkit.envs.cooling import hall, readings
from rlkit.envs.cooling.components import (
    CP_WATER,
    chiller_capacity,
    chiller_power,
    clip,
    coil_water_flow,
    drive_power,
    exchanger_conductance,
    foreseen_flow,
)
from rlkit.envs.jit import inlined

_P = readings.numbers(readings.PLANT_STATE)
CHILLED, CONDENSER, PUMP_W, FLOW = (
    _P["chilled_water_c"],
    _P["condenser_water_c"],
    _P["chilled_water_pump_w"],
    _P["chilled_water_kg_s"],
)
RETURN, ON, READY = _P["return_c"], _P["chillers_on"], _P["chillers_ready"]
SINCE_START, SINCE_STOP, DEMAND = _P["since_start_s"], _P["since_stop_s"], _P["chiller_demand_w"]
MODE, SINCE_MODE = _P["economizer_mode"], _P["since_mode_s"]

_R = readings.numbers(readings.PLANT_READINGS)
PUMP_J, CONDENSER_PUMP_J, CHILLER_J = (
    _R["chilled_water_pump_energy_kwh"],
    _R["condenser_pump_energy_kwh"],
    _R["chiller_energy_kwh"],
)
COIL_J, LATENT_J, EVAPORATOR_J = _R["coil_heat_kw"], _R["latent_heat_kw"], _R["chiller_heat_kw"]
ECONOMIZER_J, UNMET_J = _R["economizer_heat_kw"], _R["unmet_heat_kw"]
PART_LOAD_S, STARTS, CLIPPED_S = _R["chiller_part_load"], _R["chiller_starts"], _R["out_of_range"]
FLOW_S, CONDENSER_FLOW_S = _R["chilled_water_flow_kg_s"], _R["condenser_water_flow_kg_s"]

MECHANICAL, PARTIAL, FREE = 0, 1, 2


@inlined
def timers(state, i, dt):  # type: ignore[no-untyped-def]
    """Let time pass for staging and modes."""
    state[i, SINCE_START] += dt
    state[i, SINCE_STOP] += dt
    state[i, SINCE_MODE] += dt


@inlined
def economizer_conductance(p, state, i, tower_kg_s):  # type: ignore[no-untyped-def]
    """W per K between returning chilled water and tower water."""
    return exchanger_conductance(
        p.economizer_ntu,
        p.economizer_chilled_w_k,
        p.economizer_tower_w_k,
        state[i, FLOW] * CP_WATER,
        tower_kg_s * CP_WATER,
    )


@inlined
def choose_mode(p, state, i, setpoint_c, wet_bulb_c):  # type: ignore[no-untyped-def]
    """The economizer's rules (Stein 2009; Modelica Buildings, CoolingMode), with a least dwell in a mode."""
    mode = state[i, MODE]
    if state[i, SINCE_MODE] < p.economizer_dwell_s:
        return
    back, band = state[i, RETURN], p.economizer_deadband_k
    chosen = mode
    if mode == MECHANICAL:
        if back > wet_bulb_c + p.economizer_tower_approach_k + p.economizer_approach_k + band:
            chosen = PARTIAL
    else:
        flow = state[i, FLOW] * CP_WATER
        leaving = back
        if flow > 0.0:
            tower_kg_s = p.economizer_tower_w_k / CP_WATER
            leaving -= economizer_conductance(p, state, i, tower_kg_s) * (back - state[i, CONDENSER]) / flow
        if mode == PARTIAL and leaving > back - 0.25 * band:
            chosen = MECHANICAL
        elif mode == PARTIAL and leaving <= setpoint_c:
            chosen = FREE
        elif mode == FREE and state[i, CHILLED] > setpoint_c + band:
            chosen = PARTIAL
    if chosen != mode:
        state[i, MODE] = chosen
        state[i, SINCE_MODE] = 0.0


@inlined
def machines(p, available_share, chilled_kg_s, condenser_kg_s):  # type: ignore[no-untyped-def]
    """Chillers that can run: those in order whose flow switches are made by what the pumps can deliver.

    Args:
        p: The plant's record.
        available_share: Share of the machines without a fault.
        chilled_kg_s: What the chilled-water pumps deliver at most.
        condenser_kg_s: Likewise the condenser pumps; not looked at for air-cooled machines.
    """
    count = math.floor(available_share * p.chillers + 1e-9)
    count = min(count, math.floor(chilled_kg_s / p.chiller_min_flow + 1e-9))
    if p.water_cooled == 1:
        count = min(count, math.floor(condenser_kg_s / p.condenser_min_flow + 1e-9))
    return count


@inlined
def stages_wanted(p, state, i, capacity_w, available):  # type: ignore[no-untyped-def]
    """Number of chillers that the staging rule wants, from their demand in the last solution."""
    on = state[i, ON]
    if state[i, MODE] == FREE:
        return 0.0
    demand = state[i, DEMAND]
    if on < 1.0:
        return 1.0 if demand > p.stage_off * capacity_w else 0.0
    if on == 1.0 and demand <= p.stage_off * capacity_w:
        return 0.0
    if demand > p.stage_up * on * capacity_w:
        return min(on + 1.0, available)
    if on > 1.0 and demand < p.stage_down * (on - 1.0) * capacity_w:
        return on - 1.0
    return on


@inlined
def stage(p, state, i, wanted, available, dt, out):  # type: ignore[no-untyped-def]
    """Start or stop chillers within their least times on and off; a fault stops them at once.

    Returns:
        How many of those running have reached capacity, mean over the coming solution.
    """
    on = state[i, ON]
    wanted = min(wanted, available)
    if on > available:
        on = available
        state[i, SINCE_STOP] = 0.0
    elif wanted > on and state[i, SINCE_STOP] >= p.min_off_s and state[i, SINCE_START] >= p.start_up_s:
        out[i, STARTS] += wanted - on
        on = wanted
        state[i, SINCE_START] = 0.0
    elif wanted < on and state[i, SINCE_START] >= p.min_on_s:
        on = wanted
        state[i, SINCE_STOP] = 0.0
    state[i, ON] = on
    before = min(state[i, READY], on)
    after = min(before + (on - before) * dt / p.start_up_s, on) if dt < p.start_up_s else on
    state[i, READY] = after
    return 0.5 * (before + after) if dt < p.start_up_s else after


@inlined
def loop_substep(p, state, i, heat_w, setpoint_c, capacity_w, exchanger_w_k, dt, decay, out):  # type: ignore[no-untyped-def]
    """Advance the chilled-water loop by one sub-step.

    The economizer takes what it can of what is wanted, the chillers the rest as far as they go; what nobody takes warms
    the loop.

    Args:
        p: The plant's record.
        state: All states.
        i: The row.
        heat_w: Into the water from coils and pumps.
        setpoint_c: Leaving water.
        capacity_w: Of all chillers that run.
        exchanger_w_k: Conductance of the economizer; 0 where it is off.
        dt: Length in s.
        decay: ``exp(-dt / lambda)`` of the leaving-water controller.
        out: Readings; energies accumulate in J.

    Returns:
        Heat in W that the chillers were asked to take.
    """
    t = state[i, CHILLED]
    wanted = heat_w + p.loop_j_k * (t - setpoint_c) * (1.0 - decay) / dt
    free = 0.0
    if exchanger_w_k > 0.0:
        back = t + heat_w / max(state[i, FLOW] * CP_WATER, 1.0)
        free = clip(exchanger_w_k * (back - state[i, CONDENSER]), 0.0, max(wanted, 0.0))
    asked = max(wanted - free, 0.0)
    taken = min(asked, capacity_w)
    state[i, CHILLED] = t + (heat_w - free - taken) * dt / p.loop_j_k
    out[i, EVAPORATOR_J] += taken * dt
    out[i, ECONOMIZER_J] += free * dt
    out[i, UNMET_J] += max(min(heat_w - free, asked) - taken, 0.0) * dt
    return asked


@inlined
def set_pumps(p, zones, state, i, s, steered, speed, available, dt, out):  # type: ignore[no-untyped-def]
    """Water flows and pump power at the end of a solution, from the coils' mean conductances.

    With setpoints the pumps give just what the valves let through (their pressure setpoint is reset); with direct
    control they turn at the speed asked for.

    Args:
        p: The plant's record.
        zones: All zones' records.
        state: All states.
        i: The row.
        s: Scratch of zones.
        steered: Whether pumps turn at ``speed``.
        speed: Share of design flow asked of each pump.
        available: Share of pumps that run.
        dt: Length of the solution in s.
        out: Readings.
    """
    flow = 0.0
    for z in range(p.zones):
        zone = zones[z]
        if zone.dx == 1:
            continue
        offset = hall.zone_offset(z)
        if s[z, hall.Z_FIXED] < 0.0:
            share = growth = 0.0
            conductance = s[z, hall.Z_CONDUCTANCE_S] / dt * s[z, hall.Z_CLEAN]
            if conductance > 0.0 and s[z, hall.Z_MOST] > 0.0:
                found, found_growth = state[i, offset + hall.FOUND], state[i, offset + hall.GROWTH]
                share, growth = coil_water_flow(
                    zone,
                    s[z, hall.Z_FILM],
                    s[z, hall.Z_SPEED],
                    conductance,
                    s[z, hall.Z_WATER_MOST],
                    s[z, hall.Z_MOST] * s[z, hall.Z_CLEAN],
                    foreseen_flow(state[i, offset + hall.VALVE], found, found_growth, conductance),
                )
            state[i, offset + hall.FOUND] = conductance if growth > 0.0 else 0.0
            state[i, offset + hall.GROWTH] = growth
            state[i, offset + hall.VALVE] = share
        flow += state[i, offset + hall.VALVE] * zone.water_kg_s
        state[i, offset + hall.COIL_W] = s[z, hall.Z_COIL_J] / dt
    if available <= 0.0:
        flow, power = 0.0, 0.0
    else:
        flow = max(flow, state[i, ON] * p.chiller_min_flow)
        share = min(flow / (p.pump_kg_s * available), 1.0)
        power = drive_power(p.pump_curve, 0.0, p.pump_w * available, speed if steered else share)
    state[i, CHILLED] += (power - state[i, PUMP_W]) * p.pump_heat * dt / p.loop_j_k
    state[i, PUMP_W] = power
    state[i, FLOW] = flow
    out[i, PUMP_J] += power * dt
    out[i, FLOW_S] += flow * dt
    out[i, hall.ENERGY_IN_J] += power * p.pump_heat * dt


@inlined
def run_chillers(p, state, i, load_w, capacity_w, leaving_c, entering_c, dt, out):  # type: ignore[no-untyped-def]
    """Electricity of the chillers over a solution, compressors and condenser fans, and clipped curves.

    A condenser colder than the curves' range is no clipping: head-pressure control (a valve on the water, fan stages
    on the air) keeps condensation where the range begins.

    Args:
        p: The plant's record.
        state: All states.
        i: The row.
        load_w: Heat that they took, mean.
        capacity_w: Of one of them.
        leaving_c: Leaving chilled water, mean.
        entering_c: Condenser water, or outdoor air.
        dt: Length in s.
        out: Readings.

    Returns:
        Compressor power in W, and fan power in W.
    """
    on = state[i, ON]
    if on < 1.0 or load_w <= 0.0:
        return 0.0, 0.0
    each = load_w / on
    compressors = on * chiller_power(p, capacity_w, each, leaving_c, entering_c)
    part_load = each / capacity_w
    fans = on * p.chiller_capacity_w * p.condenser_fan_share * min(1.0, part_load / p.part_load_min)
    if (
        entering_c > p.entering_max_c
        or leaving_c < p.leaving_min_c - 1e-6
        or leaving_c > p.leaving_max_c + 1e-6
        or part_load > p.part_load_curve_max + 1e-9
    ):
        out[i, CLIPPED_S] += dt
    out[i, PART_LOAD_S] += part_load * dt
    out[i, CHILLER_J] += (compressors + fans) * dt
    return compressors, fans


@inlined
def correct_chillers(p, state, i, compressors_w, load_w, capacity_w, leaving_c, entering_c, dt, out):  # type: ignore[no-untyped-def]
    """Make the compressors' power that of the solution's mean condenser water, known now; the basin takes the rest.

    Args:
        p: The plant's record.
        state: All states.
        i: The row.
        compressors_w: What was taken for it, at the condenser water of the solution's beginning.
        load_w: Heat that they took, mean.
        capacity_w: Of one of them.
        leaving_c: Leaving chilled water, mean.
        entering_c: Condenser water, mean.
        dt: Length in s.
        out: Readings.
    """
    if compressors_w <= 0.0:
        return
    on = state[i, ON]
    more_j = (on * chiller_power(p, capacity_w, load_w / on, leaving_c, entering_c) - compressors_w) * dt
    out[i, CHILLER_J] += more_j
    out[i, hall.ENERGY_IN_J] += more_j
    state[i, CONDENSER] += more_j / p.condenser_j_k


@inlined
def capacity_now(p, state, i, entering_c):  # type: ignore[no-untyped-def]
    """Capacity in W of one chiller at present temperatures."""
    return chiller_capacity(p, state[i, CHILLED], entering_c)
