"""A plant as record arrays in SI units, which the kernels read.

Shapes and types do not depend on the plant, so that kernels compile once for all plants.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rlkit.envs.cooling import readings
from rlkit.envs.cooling.components import CP_AIR, CP_WATER, coil_conductance
from rlkit.envs.cooling.mapping import PlantError
from rlkit.envs.cooling.merkel import saturated_enthalpy, tower_conductance, tower_heat
from rlkit.envs.cooling.packing_extras import pack_extras, padded
from rlkit.envs.cooling.parts import Coil, Condenser, Economizer, Zone
from rlkit.envs.cooling.plant import Plant
from rlkit.envs.cooling.psychrometrics import density
from rlkit.envs.cooling.records import PLANT, RACK, ZONE


class PackedPlant(NamedTuple):
    """What kernels are given of a plant, and where its rows' columns are."""

    plant: NDArray[np.void]  # (1,) PLANT
    zones: NDArray[np.void]  # (z,) ZONE
    racks: NDArray[np.void]  # (m,) RACK
    state: readings.Layout
    readings: readings.Layout
    supervisory: readings.Layout
    actuator: readings.Layout
    faults: readings.Layout


def pack_plant(plant: Plant, load_by: str = "zone") -> PackedPlant:
    """A plant as record arrays, with the conductances that its design points imply.

    Args:
        plant: What to pack.
        load_by: Whether utilisation is given for each ``"zone"`` or each ``"rack"``.

    Raises:
        PlantError: If a design point cannot be reached, or a curve has the wrong number of coefficients.
    """
    if load_by not in ("zone", "rack"):
        raise PlantError(f"load_by must be 'zone' or 'rack', got {load_by!r}")
    z, m = len(plant.zones), plant.rack_count
    p = np.zeros(1, dtype=PLANT)
    p["zones"], p["racks"], p["load_columns"] = z, m, z if load_by == "zone" else m
    _pack_servers(p, plant)
    _pack_chilled_water(p, plant)
    _pack_condenser(p, plant)
    _pack_control(p, plant)
    zones, racks = np.zeros(z, dtype=ZONE), np.zeros(m, dtype=RACK)
    first = 0
    for index, zone in enumerate(plant.zones):
        _pack_zone(zones, index, zone, plant, first)
        _pack_racks(racks, zone, plant, first, index, load_by)
        first += zone.racks
    return PackedPlant(p, zones, racks, *_layouts(z, m))


def _layouts(z: int, m: int) -> tuple[readings.Layout, ...]:
    r = readings
    return (
        r.Layout(r.PLANT_STATE, r.ZONE_STATE, r.RACK_STATE, z, m),
        r.Layout(r.PLANT_READINGS, r.ZONE_READINGS, r.RACK_READINGS, z, m),
        r.Layout(r.SUPERVISORY_ACTIONS, r.SUPERVISORY_ZONE_ACTIONS, (), z, m),
        r.Layout(r.ACTUATOR_ACTIONS, r.ACTUATOR_ZONE_ACTIONS, (), z, m),
        r.Layout(r.PLANT_FAULTS, r.ZONE_FAULTS, (), z, m),
    )


def _pack_servers(p: NDArray[Any], plant: Plant) -> None:
    s = plant.servers
    p["cpu_curve"] = padded(s.cpu_curve, 3, "servers.cpu_curve")
    p["leakage_per_k"], p["leakage_from_c"] = s.leakage_per_k, s.leakage_from_c
    p["throttle_c"], p["throttle_per_k"] = s.shutdown_c[0], 1.0 / max(s.shutdown_c[1] - s.shutdown_c[0], 1e-3)
    p["airflow_curve"] = padded(s.airflow_curve, 3, "servers.airflow_curve")
    p["airflow_rise_per_k"], p["airflow_rise_from_c"] = s.airflow_rise_per_k, s.airflow_rise_from_c
    p["airflow_share_min"], p["airflow_share_max"] = s.airflow_range
    p["server_fan_curve"] = padded(s.fan_curve, 4, "servers.fan_curve")
    p["server_fan_floor"] = s.fan_floor
    p["ups_loss"] = padded(s.ups_loss, 3, "servers.ups_loss")


def _pack_chilled_water(p: NDArray[Any], plant: Plant) -> None:
    pumps, c = plant.chilled_water_pumps, plant.chillers
    p["loop_j_k"] = plant.chilled_water_m3 * 1000.0 * CP_WATER
    p["pump_kg_s"], p["pump_w"] = pumps.flow_kg_s, pumps.flow_kg_s / 1000.0 * pumps.head_pa / pumps.efficiency
    p["pump_curve"], p["pump_heat"] = padded(pumps.curve, 4, "chilled_water_pumps.curve"), pumps.heat_to_water
    p["chillers"], p["chiller_capacity_w"], p["chiller_cop"] = c.count, c.capacity_kw * 1e3, c.cop
    p["capacity_curve"] = padded(c.capacity_curve, 6, "chillers.capacity_curve")
    p["input_curve"] = padded(c.input_curve, 6, "chillers.input_curve")
    p["part_load_curve"] = padded(c.part_load_curve, 4, "chillers.part_load_curve")
    p["leaving_min_c"], p["leaving_max_c"] = c.leaving_c
    p["entering_min_c"], p["entering_max_c"] = c.entering_c
    p["part_load_min"], p["part_load_max"] = c.part_load
    p["part_load_curve_min"], p["part_load_curve_max"] = c.part_load_range
    p["unloading_min"] = c.unloading_min
    p["start_up_s"], p["min_on_s"], p["min_off_s"] = max(c.start_up_s, 1e-3), c.min_on_s, c.min_off_s
    p["chiller_min_flow"] = c.min_flow * pumps.flow_kg_s / c.count
    p["condenser_fan_share"] = c.condenser_fan_kw_per_kw


def _pack_condenser(p: NDArray[Any], plant: Plant) -> None:
    p["condenser_j_k"] = 1.0
    if plant.condenser is None:
        return
    loop, t = plant.condenser, plant.condenser.towers
    p["water_cooled"] = 1
    p["condenser_j_k"] = loop.volume_m3 * 1000.0 * CP_WATER
    p["condenser_kg_s"] = loop.pumps.flow_kg_s
    p["condenser_min_flow"] = plant.chillers.min_flow * loop.pumps.flow_kg_s / plant.chillers.count
    p["condenser_pump_w"] = loop.pumps.flow_kg_s / 1000.0 * loop.pumps.head_pa / loop.pumps.efficiency
    p["condenser_pump_curve"] = padded(loop.pumps.curve, 4, "condenser.pumps.curve")
    p["condenser_pump_heat"] = loop.pumps.heat_to_water
    p["cells"], p["tower_water_kg_s"], p["tower_air_m3_s"] = t.cells, t.water_kg_s, t.air_m3_s
    p["tower_fan_w"], p["tower_wet_bulb_c"] = t.fan_kw * 1e3, t.wet_bulb_c
    p["free_convection"], p["air_ratio_min"] = t.free_convection, t.air_ratio_min
    p["water_ratio_min"] = t.water_ratio_min
    p["tower_fan_curve"] = padded(t.fan_curve, 4, "towers.fan_curve")
    for name in ("ua_air_curve", "ua_water_curve", "ua_wet_bulb_curve"):
        p[name] = padded(getattr(t, name), 3, f"towers.{name}")
    p["water_ratio_curve_min"], p["water_ratio_curve_max"] = t.water_ratio_range
    p["wet_bulb_difference_min"], p["wet_bulb_difference_max"] = t.wet_bulb_difference_range
    p["concentration"], p["drift"], p["basin_min_c"] = t.cycles_of_concentration, t.drift, t.water_min_c
    p["basin_heater_w_k"], p["basin_heater_c"] = t.basin_heater_kw_k * 1e3, t.basin_heater_c
    p["tower_ua_w_k"] = _tower_ua(p, plant, loop)
    if loop.economizer is not None:
        _pack_economizer(p, plant, loop.economizer)


def _tower_ua(p: NDArray[Any], plant: Plant, loop: Condenser) -> float:
    """Conductance of a cell at which it meets its design point, by bisection (EnergyPlus sizes it in the same way)."""
    t = loop.towers
    dry_bulb = max(35.0, t.wet_bulb_c)  # EnergyPlus' design dry bulb
    cp_moist = 1020.0
    wanted = t.water_kg_s * CP_WATER * (t.water_in_c - t.water_out_c)
    air_kg_s = t.air_m3_s * density(dry_bulb, 0.015, plant.pressure_pa)
    h_in, _ = saturated_enthalpy(t.wet_bulb_c, plant.pressure_pa)
    low, high = 0.0, 100.0 * wanted

    def heat(ua: float) -> float:
        p["tower_ua_w_k"] = ua
        at_design = tower_conductance(p[0], 1.0, 1.0, t.wet_bulb_c)
        return tower_heat(
            air_kg_s, t.water_kg_s * CP_WATER, at_design, cp_moist, h_in, t.wet_bulb_c, t.water_in_c,
            plant.pressure_pa, 5.0,
        )[0]  # fmt: skip

    if heat(high) < wanted:
        raise PlantError(
            f"plant {plant.name!r}: no tower of any size cools {t.water_kg_s} kg/s from {t.water_in_c} to "
            f"{t.water_out_c} C at a wet bulb of {t.wet_bulb_c} C with {t.air_m3_s} m3/s of air: give it more air"
        )
    for _ in range(60):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if heat(middle) < wanted else (low, middle)
    return high


def _pack_economizer(p: NDArray[Any], plant: Plant, e: Economizer) -> None:
    """Transfer units from the design approach: effectiveness is that of a counterflow exchanger."""
    chilled, tower = e.chilled_kg_s * CP_WATER, e.tower_kg_s * CP_WATER
    least, ratio = min(chilled, tower), min(chilled, tower) / max(chilled, tower)
    effectiveness = chilled * (e.range_k - e.approach_k) / (least * e.range_k)
    if not 0.0 < effectiveness < 1.0:
        raise PlantError(
            f"plant {plant.name!r}: the economizer's design needs an effectiveness of {effectiveness:.2f}, which must "
            "be between 0 and 1: give it more tower water or a larger approach"
        )
    if ratio > 0.995:
        ntu = effectiveness / (1.0 - effectiveness)
    else:
        ntu = np.log((1.0 - effectiveness * ratio) / (1.0 - effectiveness)) / (1.0 - ratio)
    p["economizer"], p["economizer_ntu"] = 1, ntu
    p["economizer_chilled_w_k"], p["economizer_tower_w_k"] = chilled, tower
    p["economizer_approach_k"], p["economizer_tower_approach_k"] = e.approach_k, e.tower_approach_k
    p["economizer_deadband_k"], p["economizer_dwell_s"] = e.deadband_k, e.dwell_s


def _pack_control(p: NDArray[Any], plant: Plant) -> None:
    c = plant.control
    for name in ("fan_s", "valve_s", "chilled_water_s", "condenser_water_s", "stage_up", "stage_down"):
        p[name] = getattr(c, name)
    p["stage_off"] = -1.0 if c.stage_off is None else c.stage_off
    for name, (low, high) in (
        ("supply_air", c.supply_air_c),
        ("chilled_water", c.chilled_water_c),
        ("condenser_water", c.condenser_water_c),
    ):
        p[f"{name}_min_c"], p[f"{name}_max_c"] = low, high
        p[f"{name}_default_c"] = getattr(c, f"{name}_default_c")
    p["airflow_min"], p["airflow_max"] = c.airflow
    p["airflow_default"] = c.airflow_default


def _pack_zone(zones: NDArray[Any], index: int, zone: Zone, plant: Plant, first: int) -> None:
    h = zone.air_handler
    rho = density(20.0, 0.008, plant.pressure_pa)
    zones["first_rack"][index], zones["racks"][index] = first, zone.racks
    zones["it_peak_w"][index] = zone.racks * zone.rack_peak_kw * 1e3
    zones["air_kg"][index] = zone.air_m3 * rho
    zones["air_j_k"][index] = zone.air_m3 * rho * CP_AIR
    zones["mass_j_k"][index], zones["mass_w_k"][index] = zone.mass_kj_k * 1e3, zone.mass_w_k
    zones["envelope_w_k"][index] = zone.envelope_w_k
    zones["floor_w_k"][index], zones["ground_c"][index] = zone.floor_w_k, zone.ground_c
    zones["infiltration_kg_s"][index] = zone.infiltration_m3_s * rho
    zones["lighting_w"][index], zones["ups_loss_share"][index] = zone.lighting_kw * 1e3, zone.ups_loss_share
    zones["air_kg_s"][index] = h.airflow_m3_s * rho
    zones["air_w_k"][index] = h.airflow_m3_s * rho * CP_AIR
    zones["fan_w"][index] = h.airflow_m3_s * h.pressure_pa / h.efficiency
    zones["fan_curve"][index] = padded(h.fan_curve, 4, f"zone {zone.name!r}: fan_curve")
    zones["fan_floor"][index], zones["fan_heat"][index] = h.fan_floor, h.heat_to_air
    zones["outdoor_limit_c"][index] = -1e3
    if h.outdoor_air is not None:
        zones["outdoor_share_min"][index], zones["outdoor_share_max"][index] = h.outdoor_air.share
        zones["outdoor_limit_c"][index] = h.outdoor_air.limit_c
        zones["outdoor_least_c"][index] = h.outdoor_air.least_c
        if h.outdoor_air.dew_point_limit_c is not None:
            zones["dew_point_limited"][index], zones["dew_point_limit_c"][index] = 1, h.outdoor_air.dew_point_limit_c
    servers_m3_s = zone.racks * zone.rack_peak_kw * plant.servers.airflow_m3_s_per_kw
    zones["server_air_kg_s"][index] = servers_m3_s * rho
    if h.coil is not None:
        _pack_coil(zones, index, zone, h.coil)
    pack_extras(zones, index, zone)


def _pack_coil(zones: NDArray[Any], index: int, zone: Zone, c: Coil) -> None:
    """Film conductances at which the coil meets its design point, by bisection."""
    zones["film_air_exponent"][index], zones["film_water_exponent"][index] = c.film_exponents
    zones["water_kg_s"][index], zones["water_w_k"][index] = c.water_kg_s, c.water_kg_s * CP_WATER
    wanted = c.heat_kw * 1e3 / (c.air_in_c - c.water_in_c)
    most = min(zones["air_w_k"][index], zones["water_w_k"][index])
    low, high = 0.0, 50.0 * most

    def conductance(film_air: float) -> float:
        zones["film_air_w_k"][index], zones["film_water_w_k"][index] = film_air, film_air / c.film_ratio
        return coil_conductance(zones[index], 1.0, 1.0)

    if wanted <= 0.0 or conductance(high) < wanted:
        raise PlantError(
            f"zone {zone.name!r}: no coil moves {c.heat_kw} kW from air of {c.air_in_c} C to water of {c.water_in_c} C "
            f"with these flows; they allow {conductance(high) * (c.air_in_c - c.water_in_c) / 1e3:.0f} kW at most"
        )
    for _ in range(60):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if conductance(middle) < wanted else (low, middle)
    conductance(high)


def _pack_racks(racks: NDArray[Any], zone: Zone, plant: Plant, first: int, index: int, load_by: str) -> None:
    s = plant.servers
    rows = slice(first, first + zone.racks)
    rho = density(20.0, 0.008, plant.pressure_pa)
    racks["load_column"][rows] = index if load_by == "zone" else np.arange(first, first + zone.racks)
    racks["peak_w"][rows] = zone.rack_peak_kw * 1e3 * (1.0 - s.fan_share)
    racks["fan_w"][rows] = zone.rack_peak_kw * 1e3 * s.fan_share
    racks["air_w_k"][rows] = zone.rack_peak_kw * s.airflow_m3_s_per_kw * rho * CP_AIR
    racks["recirculation"][rows] = np.linspace(*zone.recirculation, zone.racks)
    racks["heat_capacity_j_k"][rows] = zone.rack_peak_kw * s.heat_capacity_kj_k_per_kw * 1e3
