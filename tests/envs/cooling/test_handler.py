"""Evaporative coolers, direct-expansion coils, economizer limits and idle chillers, on EnergyPlus' two-zone plant."""

from __future__ import annotations

import dataclasses

import pytest
from hall_driver import Driver

from rlkit.envs.cooling.mapping import PlantError
from rlkit.envs.cooling.plant import Plant, load_plant

NAME = "two_zone_energyplus"
WEST, EAST = 0, 1


def changed(zone: int, **parts: object) -> Plant:
    """The plant with parts of one zone's air handler replaced."""
    plant = load_plant(NAME)
    zones = list(plant.zones)
    zones[zone] = dataclasses.replace(zones[zone], air_handler=dataclasses.replace(zones[zone].air_handler, **parts))
    return dataclasses.replace(plant, zones=tuple(zones))


def driven(plant: str | Plant = NAME, steps: int = 48, supply_c: float = 16.0, **keys: float) -> Driver:
    driver = Driver(plant, **keys)
    driver.act("supply_air_setpoint_c", supply_c)
    driver.step(steps)
    return driver


@pytest.mark.parametrize(
    "dry_bulb_c, wet_bulb_c", [(-25, -26), (5, 4), (18, 12), (21, 20), (26, 17), (33, 18), (34, 28)]
)
def test_energy_and_water_balance(dry_bulb_c, wet_bulb_c):
    driver = Driver(NAME, dry_bulb_c=dry_bulb_c, wet_bulb_c=wet_bulb_c, load=0.8)
    for supply_c in (18.0, 13.0, 16.0):
        driver.act("supply_air_setpoint_c", supply_c)
        for _ in range(24):
            driver.step()
            assert abs(driver.read("energy_residual")) < 1e-9
            water = sum(driver.read(f"{name}_l") for name in ("evaporation", "drift", "blowdown"))
            assert driver.read("water_l") == pytest.approx(water, rel=1e-9, abs=1e-12)


def test_submeters_add_up_to_the_facility_meter():
    driver = driven(dry_bulb_c=24.0, wet_bulb_c=17.0, load=0.8)
    names = [
        f"{name}_energy_kwh"
        for name in (
            "it", "ups", "lighting", "fan", "chilled_water_pump", "condenser_pump", "chiller", "tower_fan",
            "basin_heater", "dx", "evaporative",
        )
    ]  # fmt: skip
    assert driver.read("facility_energy_kwh") == pytest.approx(sum(driver.read(name) for name in names), rel=1e-12)
    assert driver.read("dx_energy_kwh") > 0.0
    assert driver.read("evaporative_energy_kwh") > 0.0


def test_dx_coil_holds_the_setpoint_and_its_compressor_works_harder_in_the_heat():
    power = []
    for dry_bulb_c in (24.0, 30.0, 36.0):
        driver = driven(dry_bulb_c=dry_bulb_c, wet_bulb_c=21.0, load=0.8, steps=96)
        assert driver.blocks("supply_air_c")[0, WEST] == pytest.approx(16.0, abs=0.1)
        power.append(driver.read("dx_energy_kwh"))
    assert power[0] < power[1] < power[2]


def test_direct_cooler_cools_by_wetting_the_air():
    """Sensible heat becomes moisture; what it saves the compressor it costs in water."""
    keys = {"dry_bulb_c": 30.0, "wet_bulb_c": 16.0, "load": 0.8, "supply_c": 14.0}
    wet, dry = driven(steps=0, **keys), driven(changed(WEST, direct_cooler=None), steps=0, **keys)
    column = wet.packed.readings.column("evaporation_l")
    evaporated = [sum(float(hall.step()[0, column]) for _ in range(12)) for hall in (wet, dry)]
    assert wet.blocks("dew_point_c")[0, WEST] > dry.blocks("dew_point_c")[0, WEST] + 1.0
    assert wet.blocks("zone_coil_heat_kw")[0, WEST] < dry.blocks("zone_coil_heat_kw")[0, WEST] - 1.0
    assert evaporated[0] > evaporated[1] + 1.0


def test_indirect_cooler_uses_no_water_in_the_cold_and_the_wet_bulb_in_the_heat():
    cool = driven(dry_bulb_c=17.0, wet_bulb_c=14.0, load=0.8, supply_c=18.0)
    hot = driven(dry_bulb_c=26.0, wet_bulb_c=14.0, load=0.8, supply_c=18.0)
    assert cool.read("evaporative_energy_kwh") > 0.0
    assert cool.read("chiller_heat_kw") > 0.0
    assert hot.blocks("zone_coil_heat_kw")[0, EAST] == pytest.approx(0.0, abs=0.05)
    without = driven(changed(EAST, indirect_cooler=None), dry_bulb_c=26.0, wet_bulb_c=14.0, load=0.8, supply_c=18.0)
    assert without.blocks("zone_coil_heat_kw")[0, EAST] > 50.0


@pytest.mark.parametrize(
    "dry_bulb_c, wet_bulb_c, opens",
    [(14.0, 11.0, True), (14.0, 13.9, False), (17.0, 10.0, False), (-21.0, -21.5, False)],
)
def test_economizer_limits(dry_bulb_c, wet_bulb_c, opens):
    """East: below 16 C, above -20 C, and below a dew point of 13.5 C."""
    driver = driven(dry_bulb_c=dry_bulb_c, wet_bulb_c=wet_bulb_c, load=0.8, supply_c=18.0)
    assert (driver.blocks("outdoor_air_share")[0, EAST] > 0.0) == opens


def test_the_last_chiller_stops_and_its_basin_is_heated_in_frost():
    driver = driven(dry_bulb_c=-5.5, wet_bulb_c=-7.0, load=0.8, supply_c=18.0)
    assert driver.read("chillers_on") == 0.0
    assert driver.read("condenser_pump_energy_kwh") == 0.0
    assert driver.read("basin_heater_energy_kwh") == pytest.approx(0.45 * 10.0 * 300.0 / 3600.0)


def test_an_air_handler_has_one_kind_of_coil():
    with pytest.raises(PlantError, match="either a coil"):
        changed(WEST, dx_coil=None)


def test_a_dx_coil_that_cannot_be_is_refused():
    coil = load_plant(NAME).zones[WEST].air_handler.dx_coil
    with pytest.raises(PlantError, match="no coil has a sensible ratio"):
        Driver(changed(WEST, dx_coil=dataclasses.replace(coil, sensible_ratio=0.2)))
