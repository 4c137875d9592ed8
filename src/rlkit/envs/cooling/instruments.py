"""Which of a plant's readings can be measured, over which range, and in which set of sensors they are.

The kernel's readings (:mod:`rlkit.envs.cooling.readings`) hold more than a plant's owner can see: energies of the step,
residuals, heat that was not met. What is not named here has no sensor.
"""

from __future__ import annotations

from collections.abc import Callable

from rlkit.envs.cooling.parts import Zone
from rlkit.envs.cooling.plant import Plant
from rlkit.envs.cooling.readings import Layout
from rlkit.envs.cooling.sensors import Reading

Range = tuple[float, float]
HEADROOM = 1.25  # an instrument's range over the design value
AIR_KG_M3 = 1.2
SHARE, WATER_C, AIR_C, OUTDOOR_C = (0.0, 1.0), (0.0, 60.0), (0.0, 60.0), (-40.0, 60.0)
HOT_AIR_C = (0.0, 90.0)
AISLE_PA = (-100.0, 100.0)
CHANGE_K_H = (-60.0, 60.0)

_PlantRange = Callable[[Plant], Range] | Range
_ZoneRange = Callable[[Plant, Zone], Range] | Range


def _facility(plant: Plant) -> Range:
    return 0.0, 2.0 * plant.it_peak_kw


def _it(plant: Plant) -> Range:
    return 0.0, HEADROOM * plant.it_peak_kw


def _cooling(plant: Plant) -> Range:
    return 0.0, plant.it_peak_kw


def _chilled_flow(plant: Plant) -> Range:
    return 0.0, HEADROOM * plant.chilled_water_pumps.flow_kg_s


def _condenser_flow(plant: Plant) -> Range:
    return 0.0, HEADROOM * plant.condenser.pumps.flow_kg_s if plant.condenser is not None else 1.0


def _chillers(plant: Plant) -> Range:
    return 0.0, float(plant.chillers.count)


# Name: smallest set, range. Plant, zones, racks.
_PLANT: dict[str, tuple[str, _PlantRange]] = {
    "facility_power_kw": ("minimal", _facility),
    "it_power_kw": ("minimal", _it),
    "cooling_power_kw": ("minimal", _cooling),
    "coil_heat_kw": ("full", _facility),
    "chiller_heat_kw": ("standard", _facility),
    "economizer_heat_kw": ("standard", _facility),
    "rejected_heat_kw": ("full", lambda plant: (0.0, 3.0 * plant.it_peak_kw)),
    "chilled_water_supply_c": ("minimal", WATER_C),
    "chilled_water_return_c": ("minimal", WATER_C),
    "chilled_water_flow_kg_s": ("minimal", _chilled_flow),
    "condenser_water_supply_c": ("minimal", OUTDOOR_C),
    "condenser_water_return_c": ("minimal", OUTDOOR_C),
    "condenser_water_flow_kg_s": ("standard", _condenser_flow),
    "chillers_on": ("minimal", _chillers),
    "chiller_part_load": ("standard", (0.0, 1.2)),
    "economizer_mode": ("minimal", (0.0, 2.0)),
    "tower_fan_speed": ("minimal", SHARE),
    "outdoor_dry_bulb_c": ("minimal", OUTDOOR_C),
    "outdoor_wet_bulb_c": ("minimal", OUTDOOR_C),
    "inlet_max_c": ("minimal", AIR_C),
    "inlet_mean_c": ("standard", AIR_C),
    "inlet_min_c": ("standard", AIR_C),
    "inlet_rise_k_h": ("standard", CHANGE_K_H),
}
_ZONE: dict[str, tuple[str, _ZoneRange]] = {
    "supply_air_c": ("minimal", AIR_C),
    "return_air_c": ("minimal", HOT_AIR_C),
    "airflow_kg_s": (
        "standard",
        lambda plant, zone: (0.0, HEADROOM * AIR_KG_M3 * zone.air_handler.airflow_m3_s),
    ),
    "fan_speed": ("minimal", SHARE),
    "fan_power_kw": ("standard", lambda plant, zone: (0.0, HEADROOM * _fan_kw(zone))),
    "valve_position": ("minimal", SHARE),
    "zone_coil_heat_kw": ("full", lambda plant, zone: (0.0, 2.0 * zone.air_handler.coil_kw)),
    "zone_it_power_kw": ("standard", lambda plant, zone: (0.0, HEADROOM * zone.racks * zone.rack_peak_kw)),
    "zone_inlet_max_c": ("minimal", AIR_C),
    "zone_inlet_mean_c": ("standard", AIR_C),
    "dew_point_c": ("standard", OUTDOOR_C),
    "inlet_humidity": ("standard", SHARE),
    "aisle_pressure_pa": ("standard", AISLE_PA),
    "outdoor_air_share": ("full", SHARE),
}
_RACK: dict[str, tuple[str, _ZoneRange]] = {
    "inlet_c": ("full", AIR_C),
    "outlet_c": ("full", HOT_AIR_C),
    "power_kw": ("full", lambda plant, zone: (0.0, HEADROOM * zone.rack_peak_kw)),
}
EXACT = frozenset({"chillers_on", "economizer_mode"})  # the controller knows them without a sensor's error


def measurable(plant: Plant, layout: Layout) -> list[tuple[int, Reading]]:
    """The readings of a plant that sensors can be put on.

    Args:
        plant: Gives the ranges.
        layout: Of its readings.

    Returns:
        Column of the kernel's readings, and what an instrument there covers.
    """
    columns = {name: column for column, name in enumerate(layout.names())}
    units = layout.units()
    found = []
    for name, (level, span) in _PLANT.items():
        low, high = span(plant) if callable(span) else span
        column = columns[name]
        found.append((column, Reading(name, units[column], low, high, level, name in EXACT)))
    racks = [zone for zone in plant.zones for _ in range(zone.racks)]
    for block, known, owners in (("zone", _ZONE, list(plant.zones)), ("rack", _RACK, racks)):
        for index, owner in enumerate(owners):
            for quantity, (level, limits) in known.items():
                low, high = limits(plant, owner) if callable(limits) else limits
                name = f"{block}{index}.{quantity}"
                found.append((columns[name], Reading(name, units[columns[name]], low, high, level)))
    return found


def _fan_kw(zone: Zone) -> float:
    handler = zone.air_handler
    return handler.airflow_m3_s * handler.pressure_pa / handler.efficiency / 1000.0
