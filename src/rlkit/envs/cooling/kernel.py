"""One control step of N data centers: the kernel that environments stand on.

A hall is a row of five float64 arrays; all rows share one plant. What the columns mean, with units, stands in
:mod:`rlkit.envs.cooling.readings`, and where they are in the ``Layout`` that packing gives::

    packed = pack_plant(load_plant("two_zone"))             # load_by="rack" for utilisation of every rack
    halls = new_halls(packed, n)                            # state (n, s), readings (n, r), faults (n, f)
    timing = split_step(packed, 300.0)                      # a control step of 5 minutes
    actions = default_actions(packed, n, "supervisory")     # (n, 2 + 2 z); "actuator": (n, 6 + 2 z)
    weather[:] = dry_bulb_c, wet_bulb_c, pressure_pa        # (n, 3)
    load[:] = utilisation                                   # (n, zones) or (n, racks), 0 to 1
    reset_halls(rows, *packed[:3], weather, load, halls.state)
    step_halls(rows, *packed[:3], actions, weather, load, halls.faults, timing, halls.state, halls.readings)

``rows`` (bool, ``(n,)``) says which halls are touched. The level of control follows from the width of ``actions``.
Nothing is allocated inside the loops, there is no randomness, and a row depends on itself alone.

Time has three lengths. A control step is made of solutions of the plant (:func:`halls.longest_solution_s`): staging and
modes, capacities, pumps, chiller power, towers. A solution is made of sub-steps (at most ``halls.SUBSTEP_S``) of
the air side (:mod:`~rlkit.envs.cooling.hall`) and the chilled-water loop. Every sub-step is exact for what it holds
constant, so that energy closes to round-off at any length and halving the lengths changes a day's energy by less than
0.1 %.

A control step that would take several solutions is first tried as one, with long sub-steps. That is kept where little
has happened (:func:`_calm`: no machine started or stopped, no mode changed, no temperature moved by more than
:data:`CALM_K`); else the row goes back to where it was and the step is divided.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rlkit.envs.cooling import hall, handler, readings, summary, tower, water
from rlkit.envs.cooling.components import CP_AIR, CP_WATER, clip, cpu_power, drive_power, server_airflow
from rlkit.envs.cooling.psychrometrics import humidity_ratio_at_wet_bulb
from rlkit.envs.jit import inlined, kernel, lean_kernel

_ZR = readings.numbers(readings.ZONE_READINGS)
_FAN_KW, _COIL_KW = _ZR["fan_power_kw"], _ZR["zone_coil_heat_kw"]
_SUPERVISORY, _ACTUATOR = len(readings.SUPERVISORY_ACTIONS), len(readings.ACTUATOR_ACTIONS)
_PLANT_FAULTS, _ZONE_FAULTS = len(readings.PLANT_FAULTS), len(readings.ZONE_FAULTS)
CALM_K = 1.0  # a day of two_zone is then off by 0.02 % in energy, by 0.1 % where set points wander; 0.6 gains a tenth


class Decays(NamedTuple):
    """Shares of the way that local loops go, the same for all rows."""

    solution_s: float
    substep_s: float
    fan_mean: float
    fan: float
    valve_gain: float
    chilled: float
    condenser: float


@kernel
def reset_halls(rows, plant, zones, racks, weather, load, state):  # type: ignore[no-untyped-def]
    """Put halls where they would about be after running for long with default setpoints and this load.

    Args:
        rows: Which, shape ``(n,)`` bool.
        plant: ``PackedPlant.plant``.
        zones: ``PackedPlant.zones``.
        racks: ``PackedPlant.racks``.
        weather: Shape ``(n, 3)``.
        load: Utilisation, shape ``(n, zones)`` or ``(n, racks)``.
        state: Written.
    """
    p = plant[0]
    for i in range(rows.shape[0]):
        if not rows[i]:
            continue
        state[i, :] = 0.0
        supply = p.supply_air_default_c
        total = 0.0
        for z in range(p.zones):
            total += _reset_zone(p, zones[z], racks, i, z, supply, load, state)
        state[i, water.CHILLED] = p.chilled_water_default_c
        state[i, water.CONDENSER] = max(p.condenser_water_default_c, weather[i, 1] + 3.0)
        state[i, water.FLOW] = clip(total / (8.0 * CP_WATER), 0.0, p.pump_kg_s)
        state[i, water.RETURN] = p.chilled_water_default_c + 8.0
        on = clip(math.ceil(total / (p.stage_up * p.chiller_capacity_w)), 1.0, float(p.chillers))
        state[i, water.ON] = state[i, water.READY] = on
        state[i, water.DEMAND] = total
        state[i, water.SINCE_START] = state[i, water.SINCE_STOP] = state[i, water.SINCE_MODE] = 1e5
        state[i, tower.SPEED], state[i, tower.RISE], state[i, tower.EXIT] = 0.5, 4.0, weather[i, 1] + 4.0


@inlined
def _reset_zone(p, zone, racks, i, z, supply_c, load, state):  # type: ignore[no-untyped-def]
    """One zone's part of :func:`reset_halls`; returns its heat in W."""
    heat, air = zone.lighting_w, 0.0
    for r in range(zone.first_rack, zone.first_rack + zone.racks):
        rack = racks[r]
        u = load[i, rack.load_column]
        share = server_airflow(p, u, supply_c + 1.0)
        power = cpu_power(p, rack.peak_w, u, supply_c + 1.0) + rack.fan_w * share * share * share
        offset = hall.rack_offset(p.zones, r)
        state[i, offset + hall.INLET] = supply_c + 1.0
        state[i, offset + hall.SERVER] = supply_c + 1.0 + power / (rack.air_w_k * share)
        heat += power
        air += rack.air_w_k * share
    offset = hall.zone_offset(z)
    crah = p.airflow_default * zone.air_w_k
    hot = supply_c + heat / max(crah, 1.0)
    state[i, offset + hall.HOT] = state[i, offset + hall.MASS] = hot
    state[i, offset + hall.HUMIDITY] = 0.008  # a dew point of 10.7 C: the middle of TC 9.9's recommended range
    state[i, offset + summary.DEW] = 10.7
    state[i, offset + hall.FAN] = p.airflow_default
    state[i, offset + hall.SUPPLY] = supply_c
    state[i, offset + hall.VALVE] = 0.5
    state[i, offset + hall.COIL_W] = heat
    state[i, offset + hall.CONDUCTANCE] = heat / max(hot - p.chilled_water_default_c, 1.0)
    return heat


@inlined
def _prepare_zones(p, zones, state, i, actions, supervisory, faults, s, d, outdoor, out):  # type: ignore[no-untyped-def]
    """Fans, coils and moisture of all zones for one solution; returns the latent heat in W that coils take out."""
    dry_bulb, _, pressure, humidity = outdoor
    pumps = faults[i, 1]
    latent_w = 0.0
    for z in range(p.zones):
        zone, offset = zones[z], hall.zone_offset(z)
        fault = _PLANT_FAULTS + z * _ZONE_FAULTS
        valve = faults[i, fault + 1]
        water_most = min(pumps, 1.0)
        if supervisory:
            first = _SUPERVISORY + 2 * z
            target = clip(actions[i, first], p.supply_air_min_c, p.supply_air_max_c)
            command = clip(actions[i, first + 1], p.airflow_min, p.airflow_max)
        else:
            first = _ACTUATOR + 2 * z
            target = p.supply_air_default_c
            command = clip(actions[i, first], 0.0, 1.0)
            water_most = pumps * clip(actions[i, 2], 0.0, 1.0)
            valve = valve if valve >= 0.0 else clip(actions[i, first + 1], 0.0, 1.0)
        speed, fan_w = hall.set_fan(zone, state, i, offset, command, faults[i, fault], d.fan_mean, d.fan)
        hall.prepare_zone(
            p, zone, state, i, z, s, speed, fan_w, target, valve, water_most, faults[i, fault + 2],
            (dry_bulb, pressure, humidity),
        )  # fmt: skip
        if zone.extras == 1:
            handler.prepare(zone, state, i, z, s, valve, faults[i, fault + 2], outdoor)
        if valve >= 0.0:
            state[i, offset + hall.VALVE] = valve * water_most
            state[i, offset + hall.FOUND] = 0.0
        outdoor_kg_s = zone.infiltration_kg_s + s[z, hall.Z_OUTDOOR] * s[z, hall.Z_AIR] / CP_AIR
        if zone.dx == 1:
            latent, brought = handler.condensation(zone, state, i, offset, z, s, humidity, outdoor_kg_s, d.solution_s)
        else:
            hot = state[i, offset + hall.HOT]
            entering = s[z, hall.Z_SCALE] * (hot + s[z, hall.Z_OUTDOOR] * (dry_bulb - hot)) + s[z, hall.Z_SHIFT]
            latent, brought = hall.condensation(
                zone, state, i, offset, speed, state[i, water.CHILLED], entering, humidity, pressure, outdoor_kg_s,
                s[z, hall.Z_SPRAY], d.solution_s,
            )  # fmt: skip
            latent_w += latent
        s[z, hall.Z_LATENT_W] = latent
        out[i, hall.FAN_J] += fan_w * d.solution_s
        out[i, hall.ENVELOPE_J] += brought * d.solution_s
        out[i, hall.ENERGY_IN_J] += brought * d.solution_s
        out[i, summary.PLANT_READINGS + z * summary.ZONE_READINGS + _FAN_KW] += fan_w * d.solution_s
    return latent_w


@inlined
def _condenser_flow(p, state, i, speed, available, supervisory):  # type: ignore[no-untyped-def]
    """Condenser water in kg/s, and the part of it that goes through the economizer."""
    if p.water_cooled == 0 or available <= 0.0:
        return 0.0, 0.0
    chillers = state[i, water.ON] / p.chillers * p.condenser_kg_s
    economizer = p.economizer_tower_w_k / CP_WATER if state[i, water.MODE] >= 1.0 else 0.0
    if supervisory:
        flow = min(chillers + economizer, p.condenser_kg_s * available)
    else:
        flow = p.condenser_kg_s * available * speed
    if chillers + economizer <= 0.0:
        return flow, 0.0
    return flow, min(flow * economizer / (chillers + economizer), economizer)


@inlined
def _solve(p, zones, racks, state, i, actions, supervisory, weather, load, faults, s, k, d, substeps, out):  # type: ignore[no-untyped-def]
    """One solution of the plant (see the module)."""
    dry_bulb, wet_bulb, pressure, humidity = weather
    dt = d.solution_s
    latent_w = _prepare_zones(p, zones, state, i, actions, supervisory, faults, s, d, weather, out)
    water.timers(state, i, dt)
    setpoint_column = 0 if supervisory else 1
    setpoint = clip(actions[i, setpoint_column], p.chilled_water_min_c, p.chilled_water_max_c)
    condenser_pumps = faults[i, 2]
    pump_speed = 1.0 if supervisory else clip(actions[i, 3], 0.0, 1.0)
    if p.economizer == 1:
        if supervisory:
            water.choose_mode(p, state, i, setpoint, wet_bulb)
        else:
            state[i, water.MODE] = 1.0 if actions[i, 5] > 0.5 else 0.0
    entering = max(state[i, water.CONDENSER], p.entering_min_c) if p.water_cooled == 1 else dry_bulb
    capacity = water.capacity_now(p, state, i, entering)
    chilled_speed = 1.0 if supervisory else clip(actions[i, 2], 0.0, 1.0)
    available = water.machines(
        p, faults[i, 0], chilled_speed * faults[i, 1] * p.pump_kg_s, pump_speed * condenser_pumps * p.condenser_kg_s
    )
    if supervisory:
        wanted = water.stages_wanted(p, state, i, capacity, available)
    else:
        wanted = math.floor(clip(actions[i, 0], 0.0, float(p.chillers)) + 0.5)
    ready = water.stage(p, state, i, wanted, available, dt, out)
    flow, economizer_flow = _condenser_flow(p, state, i, pump_speed, condenser_pumps, supervisory)
    exchanger = water.economizer_conductance(p, state, i, economizer_flow) if economizer_flow > 0.0 else 0.0
    chilled_before = state[i, water.CHILLED]
    taken_before, free_before = out[i, water.EVAPORATOR_J], out[i, water.ECONOMIZER_J]
    asked = _air_and_loop(
        p, zones, racks, state, i, load, s, k, d, substeps, dry_bulb, latent_w, setpoint,
        ready * capacity * p.part_load_max, exchanger, out,
    )  # fmt: skip
    state[i, water.DEMAND] = asked
    leaving = 0.5 * (chilled_before + state[i, water.CHILLED])
    load_w = (out[i, water.EVAPORATOR_J] - taken_before) / dt
    free_w = (out[i, water.ECONOMIZER_J] - free_before) / dt
    compressors, fans = water.run_chillers(p, state, i, load_w, capacity, leaving, entering, dt, out)
    water.set_pumps(p, zones, state, i, s, not supervisory, chilled_speed, faults[i, 1], dt, out)
    heat_w = load_w + free_w
    state[i, water.RETURN] = state[i, water.CHILLED] + (heat_w / (state[i, water.FLOW] * CP_WATER) if (
        state[i, water.FLOW] > 1e-3 * p.pump_kg_s) else 0.0)  # fmt: skip
    out[i, hall.ENERGY_IN_J] += compressors * dt
    if p.water_cooled == 0:
        out[i, tower.REJECTED_J] += (load_w + compressors) * dt
        return
    share = flow / (p.condenser_kg_s * condenser_pumps) if condenser_pumps > 0.0 else 0.0
    pump_w = drive_power(p.condenser_pump_curve, 0.0, p.condenser_pump_w * condenser_pumps, min(share, 1.0))
    loop_w = load_w + compressors + free_w + pump_w * p.condenser_pump_heat
    out[i, water.CONDENSER_PUMP_J] += pump_w * dt
    out[i, water.CONDENSER_FLOW_S] += flow * dt
    out[i, summary.CONDENSER_RETURN_C] = state[i, water.CONDENSER] + (loop_w / (flow * CP_WATER) if flow > 0.0 else 0.0)
    out[i, hall.ENERGY_IN_J] += pump_w * p.condenser_pump_heat * dt
    target = p.condenser_water_min_c
    if supervisory:
        target = clip(actions[i, 1], p.condenser_water_min_c, p.condenser_water_max_c)
        if state[i, water.MODE] >= 1.0:
            target = max(min(target, setpoint - p.economizer_approach_k), p.basin_min_c)
    speed = 0.0 if supervisory else clip(actions[i, 4], 0.0, 1.0)
    condenser_before = state[i, water.CONDENSER]
    tower.tower_step(
        p, state, i, loop_w, flow, not supervisory, speed, faults[i, 3], target, weather, d.condenser, dt, out
    )
    mean = max(0.5 * (condenser_before + state[i, water.CONDENSER]), p.entering_min_c)
    water.correct_chillers(p, state, i, compressors, load_w, capacity, leaving, mean, dt, out)


@inlined
def _air_and_loop(  # type: ignore[no-untyped-def]
    p, zones, racks, state, i, load, s, k, d, substeps, dry_bulb, latent_w, setpoint, capacity_w, exchanger, out
):
    """The sub-steps of one solution; returns the heat that chillers were asked to take, mean in W."""
    asked = 0.0
    dt = d.substep_s
    for number in range(substeps):
        heat = latent_w
        last = number == substeps - 1
        chilled = state[i, water.CHILLED]
        for z in range(p.zones):
            dx = zones[z].dx == 1
            cold = s[z, hall.Z_COLD] if dx else chilled
            taken = hall.zone_substep(
                p, zones[z], racks, state, i, load, z, s, k, out, dt, d.valve_gain, dry_bulb, cold, last
            )
            heat += 0.0 if dx else taken
        out[i, water.COIL_J] += heat * dt
        heat += state[i, water.PUMP_W] * p.pump_heat
        asked += water.loop_substep(p, state, i, heat, setpoint, capacity_w, exchanger, dt, d.chilled, out)
    out[i, water.LATENT_J] += latent_w * d.solution_s
    for z in range(p.zones):
        out[i, summary.PLANT_READINGS + z * summary.ZONE_READINGS + _COIL_KW] += s[z, hall.Z_COIL_J]
        if zones[z].extras == 1:
            handler.finish(zones[z], state, i, z, s, dry_bulb, d.solution_s, out)
    return asked / substeps


@inlined
def _decays(p, step_s, solutions, substeps):  # type: ignore[no-untyped-def]
    """The shares that hold for all rows of one call."""
    solution_s = step_s / solutions
    substep_s = solution_s / substeps
    mean, decay = hall.mean_share(solution_s / p.fan_s)
    return Decays(
        solution_s,
        substep_s,
        mean,
        decay,
        1.0 - math.exp(-substep_s / p.valve_s),
        math.exp(-substep_s / p.chilled_water_s),
        math.exp(-solution_s / p.condenser_water_s),
    )


@inlined
def _calm(p, state, i, before):  # type: ignore[no-untyped-def]
    """Whether so little has changed since ``before`` that one solution was enough: no machine, no mode, no jump."""
    if state[i, water.ON] != before[water.ON] or state[i, water.MODE] != before[water.MODE]:
        return False
    if abs(state[i, water.CHILLED] - before[water.CHILLED]) > CALM_K:
        return False
    if p.water_cooled == 1 and abs(state[i, water.CONDENSER] - before[water.CONDENSER]) > CALM_K:
        return False
    for z in range(p.zones):
        column = hall.zone_offset(z) + hall.HOT
        if abs(state[i, column] - before[column]) > CALM_K:
            return False
    return True


class Room(NamedTuple):
    """Where a row's work lies while it is stepped; the same for all rows."""

    kept: NDArray[np.float64]  # (s,) the state before
    zones: NDArray[np.float64]  # (zones, hall.ZONE_SCRATCH)
    racks: NDArray[np.float64]  # (racks, hall.RACK_SCRATCH)
    inlets: NDArray[np.float64]  # (racks,) temperatures before


@kernel
def new_room(p, states):  # type: ignore[no-untyped-def]
    """Room for a plant (its record) with so many states."""
    return Room(
        np.zeros(states),
        np.zeros((p.zones, hall.ZONE_SCRATCH)),
        np.zeros((p.racks, hall.RACK_SCRATCH)),
        np.zeros(p.racks),
    )


@kernel
def step_halls(rows, plant, zones, racks, actions, weather, load, faults, timing, state, readings_out):  # type: ignore[no-untyped-def]
    """One control step of every hall asked for.

    Args:
        rows: Which, shape ``(n,)`` bool.
        plant: ``PackedPlant.plant``.
        zones: ``PackedPlant.zones``.
        racks: ``PackedPlant.racks``.
        actions: Shape ``(n, 2 + 2 z)``: setpoints; or ``(n, 6 + 2 z)``: actuators. Clipped to their ranges.
        weather: Dry bulb in C, wet bulb in C, pressure in Pa, held over the step; shape ``(n, 3)``.
        load: Utilisation, shape ``(n, zones)`` or ``(n, racks)``.
        faults: Shape ``(n, 4 + 3 z)``.
        timing: From :func:`split_step`.
        state: Changed, shape ``(n, s)``.
        readings_out: Written, shape ``(n, r)``.
    """
    room = new_room(plant[0], state.shape[1])
    advance_halls(rows, plant, zones, racks, actions, weather, load, faults, timing, state, readings_out, room)


@lean_kernel
def advance_halls(  # type: ignore[no-untyped-def]
    rows, plant, zones, racks, actions, weather, load, faults, timing, state, readings_out, room
):
    """:func:`step_halls` in a :class:`Room` that is there already."""
    p = plant[0]
    supervisory = actions.shape[1] == _SUPERVISORY + 2 * p.zones
    d = _decays(p, timing.step_s, timing.solutions, timing.substeps)
    whole = _decays(p, timing.step_s, 1, max(timing.rough_substeps, 1))
    kept, s, k, inlets = room
    for i in range(rows.shape[0]):
        if not rows[i]:
            continue
        _clear(i, readings_out)
        for r in range(p.racks):
            inlets[r] = state[i, hall.rack_offset(p.zones, r) + hall.INLET]
        before = summary.stored_energy(p, zones, racks, state, i)
        dry_bulb, wet_bulb, pressure = weather[i, 0], min(weather[i, 1], weather[i, 0]), weather[i, 2]
        humidity = max(humidity_ratio_at_wet_bulb(dry_bulb, wet_bulb, pressure), 0.0)
        outdoor = (dry_bulb, wet_bulb, pressure, humidity)
        rough = timing.rough_substeps > 0
        if rough:
            for c in range(state.shape[1]):
                kept[c] = state[i, c]
        while True:
            length = whole if rough else d
            substeps = timing.rough_substeps if rough else timing.substeps
            for _ in range(1 if rough else timing.solutions):
                _solve(
                    p, zones, racks, state, i, actions, supervisory, outdoor, load, faults, s, k, length, substeps,
                    readings_out,
                )  # fmt: skip
            if not rough or _calm(p, state, i, kept):
                break
            rough = False
            for c in range(state.shape[1]):
                state[i, c] = kept[c]
            _clear(i, readings_out)
        summary.finish(p, zones, racks, state, i, outdoor, s, k, timing.step_s, before, inlets, readings_out)


@inlined
def _clear(i, out):  # type: ignore[no-untyped-def]
    """Set a row to zero."""
    for c in range(out.shape[1]):
        out[i, c] = 0.0
