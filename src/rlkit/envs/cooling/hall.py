"""The air side: racks, hot and cold sides, coils and fans of one zone over one sub-step.

Servers push their own airflow ``m_it`` from the cold to the hot side; the air handlers push ``m_crah`` the other way.
What the servers draw and the handlers do not deliver they draw from the hot side (recirculation); what they do not
draw returns past them (bypass). Sealing is never perfect, so that even in balance a rack draws its own share from the
hot side, less so where the cold aisle is over-pressurised.

The thermal masses are the servers of each rack, the hot side's air and a slow mass. A sub-step solves the linear
network of one zone with its flows, heats and coil conductance held: every mass follows its exact exponential towards
what it would settle at, its neighbours see its exact mean over the sub-step, and the loop that air makes (inlet,
servers, hot side, coil, supply) is closed for these means in one linear equation. Each exchange is thus one number
that leaves one side and enters the other, and energy closes to round-off whatever the length of the sub-step.
"""

from __future__ import annotations

import math

from rlkit.envs.cooling import readings
from rlkit.envs.cooling.components import (
    CP_AIR,
    clip,
    conductance_with,
    cpu_power,
    cubic,
    drive_power,
    film_of_air,
    server_airflow,
    working_share,
)
from rlkit.envs.cooling.psychrometrics import LATENT_HEAT_0C, saturated_humidity_ratio
from rlkit.envs.jit import inlined

_Z = readings.numbers(readings.ZONE_STATE)
HOT, MASS, HUMIDITY, FAN = _Z["hot_air_c"], _Z["mass_c"], _Z["humidity_ratio"], _Z["fan_speed"]
CONDUCTANCE, VALVE, SUPPLY, COIL_W = _Z["conductance_w_k"], _Z["valve"], _Z["supply_air_c"], _Z["coil_heat_w"]
FOUND, GROWTH = _Z["found_w_k"], _Z["found_growth"]
_K = readings.numbers(readings.RACK_STATE)
SERVER, INLET = _K["server_c"], _K["inlet_c"]
PLANT_STATES, ZONE_STATES, RACK_STATES = len(readings.PLANT_STATE), len(_Z), len(_K)

_R = readings.numbers(readings.PLANT_READINGS)
IT_J, SERVER_FAN_J, UPS_J = _R["it_energy_kwh"], _R["server_fan_energy_kwh"], _R["ups_energy_kwh"]
LIGHT_J, FAN_J, ENVELOPE_J = _R["lighting_energy_kwh"], _R["fan_energy_kwh"], _R["envelope_heat_kw"]
THROTTLED_J = _R["throttled_power_kw"]
ENERGY_IN_J = _R["energy_residual"]  # heat put into the hall, until the row is finished

# Columns of the scratch table of zones, which lives for one row of one call.
(
    Z_AIR, Z_FAN_RISE, Z_FAN_W, Z_FIXED, Z_MOST, Z_TARGET, Z_OUTDOOR, Z_LATENT_W, Z_COIL_J, Z_CONDUCTANCE_S,
    Z_WATER_MOST, Z_SPEED, Z_FILM, Z_OUTDOOR_MOST, Z_SERVER_AIR, Z_IT_W, Z_SHI, Z_PRESSURE, Z_INLET_MEAN,
    Z_CLEAN,
    # Evaporative coolers: what they make of mixed air (Z_SCALE * mixed + Z_SHIFT), water into it in kg/s, heat out of
    # it in J. DX coil: surface in C, electricity and W/K while it runs, humidity ratio of its surface. Evaporative
    # coolers again: electricity in W, and whether the indirect one is sprayed.
    Z_SCALE, Z_SHIFT, Z_SPRAY, Z_PRECOOL_J, Z_COLD, Z_DX_W, Z_DX_FULL_W, Z_DX_HUMIDITY, Z_EVAPORATIVE_W, Z_SPRAYED,
) = range(30)  # fmt: skip
ZONE_SCRATCH = 30
# Of racks.
K_POWER, K_AIR, K_DECAY, K_MEAN, K_OUTLET = range(5)
RACK_SCRATCH = 5

DESIGN_AISLE_PA = 5.0  # cold over hot when the handlers deliver 10 % more than the servers draw: common set point
SHUT_OFF_PA = 60.0  # server fans stall about there
_LITTLE = 1e-3  # share of design airflow below which a handler does nothing


@inlined
def zone_offset(z):  # type: ignore[no-untyped-def]
    """First column of a zone's state."""
    return PLANT_STATES + z * ZONE_STATES


@inlined
def rack_offset(zones, r):  # type: ignore[no-untyped-def]
    """First column of a rack's state."""
    return PLANT_STATES + zones * ZONE_STATES + r * RACK_STATES


@inlined
def mean_share(x):  # type: ignore[no-untyped-def]
    """Mean of ``exp(-t)`` over ``0 < t < x``, and its value at the end."""
    decay = math.exp(-x)
    return (1.0 - decay) / x if x > 1e-6 else 1.0 - 0.5 * x, decay


@inlined
def approach(before, gain, rate, dt):  # type: ignore[no-untyped-def]
    """Mean and end of what obeys ``dw/dt = rate - gain * w`` over a step, exact however small ``gain`` is."""
    x = gain * dt
    net = (rate - gain * before) * dt
    if x < 1e-6:
        return before + net * (0.5 - x / 6.0), before + net * (1.0 - 0.5 * x)
    first = -math.expm1(-x) / x
    return before + net * (1.0 - first) / x, before + net * first


@inlined
def set_fan(zone, state, i, offset, command, available, mean, decay):  # type: ignore[no-untyped-def]
    """Move a zone's fans towards a command.

    Args:
        zone: The zone's record.
        state: All states.
        i: The row.
        offset: First column of the zone.
        command: Share of design flow asked of each fan.
        available: Share of the fans that run.
        mean: From :func:`mean_share` of the step over the loop's time constant.
        decay: From the same.

    Returns:
        Mean share of design flow, and mean electric power in W.
    """
    target = command * available
    before = state[i, offset + FAN]
    state[i, offset + FAN] = target + (before - target) * decay
    speed = target + (before - target) * mean
    if available <= 0.0:
        return speed, 0.0
    return speed, drive_power(zone.fan_curve, zone.fan_floor, zone.fan_w * available, min(speed / available, 1.0))


@inlined
def most_outdoor_air(zone, hot_c, outdoor_c, outdoor_humidity, pressure_pa):  # type: ignore[no-untyped-def]
    """Largest share of outdoor air that dampers and rules allow."""
    low, high = zone.outdoor_share_min, zone.outdoor_share_max
    if high <= low or outdoor_c >= zone.outdoor_limit_c or outdoor_c >= hot_c - 0.1 or outdoor_c < zone.outdoor_least_c:
        return low
    if zone.dew_point_limited == 1:
        if outdoor_humidity > saturated_humidity_ratio(zone.dew_point_limit_c, pressure_pa):
            return low
    return high


@inlined
def mixing_share(zone, hot_c, target_c, outdoor_c, most):  # type: ignore[no-untyped-def]
    """Share of outdoor air that brings the mixed air to the supply setpoint, within what is allowed."""
    if outdoor_c >= hot_c - 0.1:
        return zone.outdoor_share_min
    return clip((hot_c - target_c) / (hot_c - outdoor_c), zone.outdoor_share_min, most)


@inlined
def condensation(  # type: ignore[no-untyped-def]
    zone, state, i, offset, speed, chilled_c, entering_c, outdoor_humidity, pressure_pa, outdoor_kg_s, spray_kg_s, dt
):
    """Moisture of a zone over one solution of the plant: outdoor air and sprays bring it in, a cold coil takes it out.

    The coil's surface is at the mean water temperature plus the drop over the water's film, and not colder than the
    mean air less the drop over the air's film (else a valve that lets hardly any water through would leave it at the
    water's temperature, and condense more than that water can take); where its saturated
    humidity is below the air's, vapour condenses with the mass conductance that the Lewis relation gives (air's film
    conductance over its specific heat). The sensible conductance stays that of the dry coil, and the surface is not
    warmed further by the latent heat: both small where, as in data centers, latent heat is a few per cent.

    Returns:
        Mean latent heat in W, and the mean latent heat that outdoor air brings in W.
    """
    before = state[i, offset + HUMIDITY]
    gain = outdoor_kg_s / zone.air_kg
    target_rate = outdoor_kg_s * outdoor_humidity / zone.air_kg + spray_kg_s / zone.air_kg
    mass_w = 0.0
    surface_humidity = 0.0
    if speed > _LITTLE and state[i, offset + CONDUCTANCE] > 0.0:
        flow = max(state[i, offset + VALVE], 0.05)
        heat = max(state[i, offset + COIL_W], 0.0)
        surface_c = chilled_c + heat * (0.5 / (flow * zone.water_w_k) + 1.0 / (zone.film_water_w_k * flow))
        air_side_c = entering_c - heat / speed * (0.5 / zone.air_w_k + 1.0 / zone.film_air_w_k)
        surface_c = max(surface_c, air_side_c)
        surface_humidity = saturated_humidity_ratio(min(surface_c, 60.0), pressure_pa)
        if surface_humidity < before:
            mass_w = zone.film_air_w_k * speed / CP_AIR
            gain += mass_w / zone.air_kg
            target_rate += mass_w * surface_humidity / zone.air_kg
    if spray_kg_s > 0.0:
        average, after = approach(before, gain, target_rate, dt)
    elif gain <= 0.0:
        return 0.0, 0.0
    else:
        mean, decay = mean_share(gain * dt)
        target = target_rate / gain
        average = target + (before - target) * mean
        after = target + (before - target) * decay
    state[i, offset + HUMIDITY] = after
    latent = LATENT_HEAT_0C * mass_w * (average - surface_humidity) if mass_w > 0.0 else 0.0
    return latent, LATENT_HEAT_0C * outdoor_kg_s * (outdoor_humidity - average)


@inlined
def draw_air(p, zone, racks, state, i, load, k, out, dt):  # type: ignore[no-untyped-def]
    """What the racks of a zone draw, in electricity and air, from their last inlet temperatures; fills ``k``.

    Returns:
        Sums over racks, all in W or W/K: airflow; airflow times own recirculation; heat that the servers' masses hand
        to the air whatever its inlet; airflow whose inlet reaches the outlet within the sub-step; the same times own
        recirculation; electric power.
    """
    flow = flow_leak = constant = passed = passed_leak = power_sum = fans = lost = 0.0
    for r in range(zone.first_rack, zone.first_rack + zone.racks):
        rack = racks[r]
        offset = rack_offset(p.zones, r)
        utilisation = load[i, rack.load_column]
        inlet = state[i, offset + INLET]
        share = server_airflow(p, utilisation, inlet)
        fan = rack.fan_w * max(cubic(p.server_fan_curve, share), p.server_fan_floor)
        power = cpu_power(p, rack.peak_w, utilisation, inlet) + fan
        working = working_share(p, inlet)
        lost += power * (1.0 - working)
        power *= working
        fan *= working
        air = rack.air_w_k * share
        mean, decay = mean_share(dt * air / rack.heat_capacity_j_k)
        k[r, K_POWER], k[r, K_AIR], k[r, K_DECAY], k[r, K_MEAN] = power, air, decay, mean
        flow += air
        flow_leak += air * rack.recirculation
        constant += power * (1.0 - mean) + air * mean * state[i, offset + SERVER]
        passed += air * (1.0 - mean)
        passed_leak += air * (1.0 - mean) * rack.recirculation
        power_sum += power
        fans += fan
    out[i, IT_J] += power_sum * dt
    out[i, SERVER_FAN_J] += fans * dt
    out[i, THROTTLED_J] += lost * dt
    return flow, flow_leak, constant, passed, passed_leak, power_sum


@inlined
def wanted_conductance(mixed_c, chilled_c, target_c, air_w_k, most):  # type: ignore[no-untyped-def]
    """Coil conductance that brings mixed air to a temperature, within what the coil has."""
    if mixed_c <= target_c:
        return 0.0
    if mixed_c <= chilled_c + 0.05:
        return most
    return min(air_w_k * (mixed_c - target_c) / (mixed_c - chilled_c), most)


@inlined
def zone_substep(p, zone, racks, state, i, load, z, s, k, out, dt, valve_gain, outdoor_c, chilled_c, last):  # type: ignore[no-untyped-def]
    """Advance one zone by one sub-step (see the module).

    Args:
        p: The plant's record.
        zone: The zone's.
        racks: All racks' records.
        state: All states; this row is changed.
        i: The row.
        load: Utilisation, all rows.
        z: The zone's number.
        s: Scratch of zones, filled for this solution of the plant.
        k: Scratch of racks.
        out: Readings; energies accumulate in J.
        dt: Length of the sub-step in s.
        valve_gain: Share of the way that the coil's valve goes in one sub-step.
        outdoor_c: Dry bulb.
        chilled_c: Chilled water.
        last: Whether it is the solution's last sub-step.

    Returns:
        Sensible heat from air to water in W, mean over the sub-step.
    """
    offset = zone_offset(z)
    flow, flow_leak, constant, passed, passed_leak, power = draw_air(p, zone, racks, state, i, load, k, out, dt)
    crah = s[z, Z_AIR]
    # A rack draws the share ``missing + leak * sealed`` of its inlet from the hot side.
    missing = max(1.0 - crah / flow, 0.0)
    over = max(crah / flow, 1.0)
    sealed = (1.0 - missing) / (over * over)
    drawn_hot = missing * passed + sealed * passed_leak
    bypass = crah + missing * flow + sealed * flow_leak - flow

    # Coil: its valve heads for the supply setpoint, or stands where it stands.
    hot = state[i, offset + HOT]
    share = s[z, Z_OUTDOOR]
    if s[z, Z_OUTDOOR_MOST] > zone.outdoor_share_min:
        share = s[z, Z_OUTDOOR] = mixing_share(zone, hot, s[z, Z_TARGET], outdoor_c, s[z, Z_OUTDOOR_MOST])
    conductance = s[z, Z_FIXED]
    if conductance < 0.0:
        mixed = s[z, Z_SCALE] * (hot + share * (outdoor_c - hot)) + s[z, Z_SHIFT]
        wanted = wanted_conductance(mixed, chilled_c, s[z, Z_TARGET], crah, s[z, Z_MOST])
        before = min(state[i, offset + CONDUCTANCE], s[z, Z_MOST])
        conductance = before + (wanted - before) * valve_gain
    state[i, offset + CONDUCTANCE] = conductance
    reach = conductance / crah if conductance > 0.0 else 0.0

    # The hot side's mean ``th`` and the supply ``ts``, each linear in the other.
    loss_w = ups_loss(p, zone, power)
    leak = zone.infiltration_kg_s * CP_AIR
    total = flow + bypass + zone.mass_w_k + leak
    mean, decay = mean_share(dt * total / zone.air_j_k)
    heat = zone.lighting_w + zone.ups_loss_share * loss_w
    ground_w = zone.floor_w_k * (zone.ground_c - state[i, offset + SUPPLY])
    fixed = constant + zone.mass_w_k * state[i, offset + MASS] + leak * outdoor_c + heat + ground_w
    from_supply = passed - drawn_hot + bypass
    a = (1.0 - mean) / total
    scale, shift = s[z, Z_SCALE], s[z, Z_SHIFT]
    other = (1.0 - reach) * share * outdoor_c * scale + (1.0 - reach) * shift + reach * chilled_c + s[z, Z_FAN_RISE]
    th = (a * (fixed + from_supply * other) + mean * hot) / (
        1.0 - a * (drawn_hot + from_supply * (1.0 - reach) * (1.0 - share) * scale)
    )
    blended = th + share * (outdoor_c - th)
    mixed = scale * blended + shift
    ts = (1.0 - reach) * mixed + reach * chilled_c + s[z, Z_FAN_RISE]
    settled = (fixed + from_supply * ts + drawn_hot * th) / total
    state[i, offset + HOT] = settled + (hot - settled) * decay
    state[i, offset + SUPPLY] = ts
    envelope = zone.envelope_w_k * (outdoor_c - state[i, offset + MASS])
    state[i, offset + MASS] += dt / zone.mass_j_k * (zone.mass_w_k * (th - state[i, offset + MASS]) + envelope)

    coil_w = conductance * (mixed - chilled_c)
    s[z, Z_COIL_J] += coil_w * dt
    s[z, Z_PRECOOL_J] += crah * (blended - mixed) * dt
    s[z, Z_CONDUCTANCE_S] += conductance * dt
    s[z, Z_SERVER_AIR], s[z, Z_IT_W] = flow, power
    outdoor_w = envelope + ground_w + (leak + share * crah) * (outdoor_c - th)
    out[i, UPS_J] += loss_w * dt
    out[i, LIGHT_J] += zone.lighting_w * dt
    out[i, ENVELOPE_J] += outdoor_w * dt
    out[i, ENERGY_IN_J] += (power + heat + outdoor_w + s[z, Z_FAN_RISE] * crah) * dt
    settle_racks(p, zone, racks, state, i, z, s, k, ts, th, missing, sealed, last)
    return coil_w


@inlined
def ups_loss(p, zone, power_w):  # type: ignore[no-untyped-def]
    """Loss of the power supply that feeds a zone, W."""
    c = p.ups_loss
    x = power_w / zone.it_peak_w
    return zone.it_peak_w * (c[0] + x * (c[1] + x * c[2]))


@inlined
def settle_racks(p, zone, racks, state, i, z, s, k, ts, th, missing, sealed, last):  # type: ignore[no-untyped-def]
    """Give every rack its inlet and its servers' new temperature; after the last sub-step what is read of a zone."""
    flow = warmed = heated = 0.0
    for r in range(zone.first_rack, zone.first_rack + zone.racks):
        offset = rack_offset(p.zones, r)
        drawn = missing + sealed * racks[r].recirculation
        inlet = ts + drawn * (th - ts)
        air = k[r, K_AIR]
        settled = inlet + k[r, K_POWER] / air
        server = state[i, offset + SERVER]
        state[i, offset + SERVER] = settled + (server - settled) * k[r, K_DECAY]
        state[i, offset + INLET] = inlet
        if last:
            outlet = settled + (server - settled) * k[r, K_MEAN]
            k[r, K_OUTLET] = outlet
            flow += air
            warmed += air * (inlet - ts)
            heated += air * (outlet - ts)
    if last:
        s[z, Z_INLET_MEAN] = ts + warmed / flow
        s[z, Z_SHI] = warmed / heated if heated > 0.0 else 0.0
        surplus = (s[z, Z_AIR] - flow) / (0.1 * zone.server_air_kg_s * CP_AIR)
        s[z, Z_PRESSURE] = clip(DESIGN_AISLE_PA * surplus * abs(surplus), -SHUT_OFF_PA, SHUT_OFF_PA)


@inlined
def prepare_zone(  # type: ignore[no-untyped-def]
    p, zone, state, i, z, s, speed, fan_w, target_c, valve, water_most, fouling, outdoor
):
    """Fill a zone's scratch for one solution of the plant.

    Args:
        p: The plant's record.
        zone: The zone's.
        state: All states.
        i: The row.
        z: The zone's number.
        s: Scratch of zones.
        speed: Share of design airflow.
        fan_w: Electric power of the fans.
        target_c: Supply setpoint.
        valve: Position where it is fixed, else negative.
        water_most: Share of design water flow with the valve open.
        fouling: Share of the coil's conductance that is left.
        outdoor: Dry bulb in C, pressure in Pa, humidity ratio.
    """
    outdoor_c, pressure, humidity = outdoor
    running = speed > _LITTLE
    crah = zone.air_w_k * speed if running else 0.0
    s[z, Z_AIR] = crah
    s[z, Z_SPEED] = speed
    s[z, Z_FAN_W] = fan_w
    s[z, Z_FAN_RISE] = fan_w * zone.fan_heat / crah if running else 0.0
    s[z, Z_TARGET] = target_c - s[z, Z_FAN_RISE]
    s[z, Z_WATER_MOST] = water_most
    s[z, Z_COIL_J] = s[z, Z_CONDUCTANCE_S] = s[z, Z_PRECOOL_J] = 0.0
    s[z, Z_SCALE] = 1.0
    s[z, Z_SHIFT] = s[z, Z_SPRAY] = 0.0
    hot = state[i, zone_offset(z) + HOT]
    s[z, Z_OUTDOOR] = s[z, Z_OUTDOOR_MOST] = 0.0
    if running:
        most = most_outdoor_air(zone, hot, outdoor_c, humidity, pressure)
        s[z, Z_OUTDOOR] = mixing_share(zone, hot, s[z, Z_TARGET], outdoor_c, most)
        if zone.extras == 0:  # evaporative coolers and DX coils are settled for the air of the solution's beginning
            s[z, Z_OUTDOOR_MOST] = most
    s[z, Z_CLEAN] = 1.0 / fouling if fouling > 0.0 else 0.0
    s[z, Z_MOST] = 0.0
    s[z, Z_FIXED] = -1.0
    if zone.dx == 1:
        return
    if not running:
        s[z, Z_FIXED] = 0.0
        return
    film = s[z, Z_FILM] = film_of_air(zone, speed)
    if valve >= 0.0:
        s[z, Z_FIXED] = fouling * conductance_with(zone, film, speed, valve * water_most)
    else:
        s[z, Z_MOST] = fouling * conductance_with(zone, film, speed, water_most)
