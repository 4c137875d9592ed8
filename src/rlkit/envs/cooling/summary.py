"""From what a hall has gone through to what is read of it: sums become means, meters and residuals."""

from __future__ import annotations

from rlkit.envs.cooling import hall, readings, tower, water
from rlkit.envs.cooling.components import CP_AIR
from rlkit.envs.cooling.psychrometrics import LATENT_HEAT_0C, dew_point_near, relative_humidity_of
from rlkit.envs.jit import inlined

_R = readings.numbers(readings.PLANT_READINGS)
_FIRST_ENERGY, _LAST_ENERGY = _R["facility_energy_kwh"], _R["evaporative_energy_kwh"]
_FACILITY, _IT, _UPS, _LIGHTS = _FIRST_ENERGY, _R["it_energy_kwh"], _R["ups_energy_kwh"], _R["lighting_energy_kwh"]
_FACILITY_KW, _IT_KW, _COOLING_KW = _R["facility_power_kw"], _R["it_power_kw"], _R["cooling_power_kw"]
_SUPPLY_C, _RETURN_C = _R["chilled_water_supply_c"], _R["chilled_water_return_c"]
_CONDENSER_C, CONDENSER_RETURN_C = _R["condenser_water_supply_c"], _R["condenser_water_return_c"]
_ON, _MODE = _R["chillers_on"], _R["economizer_mode"]
_DRY, _WET, _HUMIDITY = _R["outdoor_dry_bulb_c"], _R["outdoor_wet_bulb_c"], _R["outdoor_humidity_ratio"]
_MAX, _MEAN, _MIN, _RISE = _R["inlet_max_c"], _R["inlet_mean_c"], _R["inlet_min_c"], _R["inlet_rise_k_h"]
_RESIDUAL = _R["energy_residual"]
PLANT_READINGS = len(readings.PLANT_READINGS)
ZONE_READINGS, RACK_READINGS = len(readings.ZONE_READINGS), len(readings.RACK_READINGS)
_KWH = 1.0 / 3.6e6  # of a J
DEW = readings.numbers(readings.ZONE_STATE)["dew_point_c"]


@inlined
def stored_energy(p, zones, racks, state, i):  # type: ignore[no-untyped-def]
    """Heat in a hall's masses, sensible and latent, in J above 0 C."""
    total = p.loop_j_k * state[i, water.CHILLED]
    if p.water_cooled == 1:
        total += p.condenser_j_k * state[i, water.CONDENSER]
    for z in range(p.zones):
        zone, offset = zones[z], hall.zone_offset(z)
        total += zone.air_j_k * state[i, offset + hall.HOT] + zone.mass_j_k * state[i, offset + hall.MASS]
        total += zone.air_kg * LATENT_HEAT_0C * state[i, offset + hall.HUMIDITY]
    for r in range(p.racks):
        total += racks[r].heat_capacity_j_k * state[i, hall.rack_offset(p.zones, r) + hall.SERVER]
    return total


@inlined
def finish(p, zones, racks, state, i, weather, s, k, step_s, before, inlets_before, out):  # type: ignore[no-untyped-def]
    """Turn sums into readings."""
    heat_in = out[i, hall.ENERGY_IN_J]
    stored = stored_energy(p, zones, racks, state, i) - before
    out[i, _RESIDUAL] = (heat_in - stored - out[i, tower.REJECTED_J]) / max(abs(heat_in), 1.0)
    facility = 0.0
    for c in range(_FIRST_ENERGY + 1, _LAST_ENERGY + 1):
        out[i, c] *= _KWH
        facility += out[i, c]
    facility -= out[i, hall.SERVER_FAN_J]  # inside the racks' own meter
    out[i, _FACILITY] = facility
    per_hour, per_s = 3600.0 / step_s, 1.0 / step_s
    out[i, _FACILITY_KW] = facility * per_hour
    out[i, _IT_KW] = out[i, _IT] * per_hour
    out[i, _COOLING_KW] = (facility - out[i, _IT] - out[i, _UPS] - out[i, _LIGHTS]) * per_hour
    kw = 1e-3 * per_s
    for c in range(water.COIL_J, hall.ENVELOPE_J + 1):
        out[i, c] *= kw
    out[i, water.UNMET_J] *= kw
    out[i, hall.THROTTLED_J] *= kw
    for c in (water.FLOW_S, water.CONDENSER_FLOW_S, water.PART_LOAD_S, tower.SPEED_S, water.CLIPPED_S):
        out[i, c] *= per_s
    out[i, _SUPPLY_C], out[i, _RETURN_C] = state[i, water.CHILLED], state[i, water.RETURN]
    out[i, _CONDENSER_C] = state[i, water.CONDENSER] if p.water_cooled == 1 else weather[0]
    if p.water_cooled == 0:
        out[i, CONDENSER_RETURN_C] = weather[0]
    out[i, _ON], out[i, _MODE] = state[i, water.ON], state[i, water.MODE]
    out[i, _DRY], out[i, _WET], out[i, _HUMIDITY] = weather[0], weather[1], weather[3]
    _finish_racks(p, zones, state, i, s, k, step_s, inlets_before, out)
    for z in range(p.zones):
        _finish_zone(p, zones[z], state, i, z, weather[2], s, step_s, out)


@inlined
def _finish_racks(p, zones, state, i, s, k, step_s, inlets_before, out):  # type: ignore[no-untyped-def]
    """Inlets: of racks, and the extremes and means of zones and of the hall."""
    out[i, _MAX], out[i, _MIN], out[i, _RISE] = -1e3, 1e3, 0.0
    weighted = flow = 0.0
    for z in range(p.zones):
        zone = zones[z]
        hottest = -1e3
        for r in range(zone.first_rack, zone.first_rack + zone.racks):
            inlet = state[i, hall.rack_offset(p.zones, r) + hall.INLET]
            column = PLANT_READINGS + p.zones * ZONE_READINGS + r * RACK_READINGS
            out[i, column] = inlet
            out[i, column + 1] = k[r, hall.K_OUTLET]
            out[i, column + 2] = k[r, hall.K_POWER] / 1e3
            hottest = max(hottest, inlet)
            out[i, _MIN] = min(out[i, _MIN], inlet)
            rise = (inlet - inlets_before[r]) * 3600.0 / step_s
            if abs(rise) > abs(out[i, _RISE]):
                out[i, _RISE] = rise
        column = PLANT_READINGS + z * ZONE_READINGS
        out[i, column + 9] = hottest
        out[i, _MAX] = max(out[i, _MAX], hottest)
        weighted += s[z, hall.Z_INLET_MEAN] * s[z, hall.Z_SERVER_AIR]
        flow += s[z, hall.Z_SERVER_AIR]
    out[i, _MEAN] = weighted / flow


@inlined
def _finish_zone(p, zone, state, i, z, pressure, s, step_s, out):  # type: ignore[no-untyped-def]
    """One zone's readings, in the order of ``ZONE_READINGS`` (the fan's power and the coil's heat are sums so far)."""
    c = PLANT_READINGS + z * ZONE_READINGS
    offset = hall.zone_offset(z)
    humidity = state[i, offset + hall.HUMIDITY]
    out[i, c] = state[i, offset + hall.SUPPLY]
    out[i, c + 1] = state[i, offset + hall.HOT]
    out[i, c + 2] = s[z, hall.Z_AIR] / CP_AIR
    out[i, c + 3] = s[z, hall.Z_SERVER_AIR] / CP_AIR
    out[i, c + 4] = s[z, hall.Z_SPEED]
    out[i, c + 5] *= 1e-3 / step_s
    out[i, c + 6] = state[i, offset + hall.VALVE]
    out[i, c + 7] *= 1e-3 / step_s
    out[i, c + 8] = s[z, hall.Z_IT_W] / 1e3
    out[i, c + 10] = s[z, hall.Z_INLET_MEAN]
    out[i, c + 11] = state[i, offset + hall.MASS]
    state[i, offset + DEW] = dew_point_near(humidity, pressure, state[i, offset + DEW])
    out[i, c + 12] = state[i, offset + DEW]
    out[i, c + 13] = relative_humidity_of(s[z, hall.Z_INLET_MEAN], humidity, pressure)
    out[i, c + 14] = s[z, hall.Z_PRESSURE]
    out[i, c + 15] = s[z, hall.Z_SHI]
    out[i, c + 16] = s[z, hall.Z_OUTDOOR]
