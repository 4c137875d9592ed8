"""Plants as data: YAML there and back, errors that help, design points that the packed plant meets."""

from __future__ import annotations

import dataclasses

import pytest
import yaml

from rlkit.envs.cooling.components import CP_WATER, coil_conductance
from rlkit.envs.cooling.halls import split_step
from rlkit.envs.cooling.mapping import PlantError
from rlkit.envs.cooling.packing import pack_plant
from rlkit.envs.cooling.plant import SHIPPED, Plant, load_plant
from rlkit.envs.cooling.readings import WEATHER, Layout
from rlkit.errors import UsageError


@pytest.mark.parametrize("name", SHIPPED)
def test_yaml_round_trip(name, tmp_path):
    plant = load_plant(name)
    path = tmp_path / "copy.yaml"
    path.write_text(plant.to_yaml())
    assert load_plant(path) == plant


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_plant_says_where_its_values_come_from(name):
    from importlib import resources

    text = (resources.files("rlkit.envs.cooling") / "plants" / f"{name}.yaml").read_text()
    assert text.count("#") > 20


def changed(path: str, value: object, name: str = "hall_1mw") -> dict:
    """A shipped plant's mapping with one value replaced (None: removed)."""
    mapping = yaml.safe_load(load_plant(name).to_yaml())
    *parents, last = path.split(".")
    place = mapping
    for key in parents:
        place = place[int(key)] if isinstance(place, list) else place[key]
    if value is None:
        del place[last]
    else:
        place[last] = value
    return mapping


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        (
            "zones.0.air_handler.presure_pa",
            1.0,
            ["zones[0]: air_handler", "did you mean 'pressure_pa'"],
        ),
        ("servers.fan_share", None, ["servers", "missing fan_share"]),
        ("chillers.count", 1.5, ["chillers: count", "whole number", "1.5"]),
        ("chillers.cop", "high", ["chillers: cop", "expected a number", "'high'"]),
        ("chillers.leaving_c", [9.0, 5.0], ["leaving_c", "must not be above"]),
        ("control.airflow", [0.2], ["airflow", "expected 2 numbers, got 1"]),
        ("condenser.towers.water_out_c", 20.0, ["water_out_c must be above", "20.0", "25.56"]),
        ("chillers.unloading_min", 0.5, ["unloading_min (0.5)", "0.1"]),
    ],
)
def test_errors_name_the_place_and_the_remedy(path, value, words):
    with pytest.raises(PlantError) as error:
        Plant.from_mapping(changed(path, value), "mine.yaml")
    for word in ["mine.yaml", *words]:
        assert word in str(error.value)


def test_unknown_names_and_files():
    with pytest.raises(PlantError, match="did you mean 'two_zone'"):
        load_plant("twozone")
    with pytest.raises(PlantError, match="cannot read"):
        load_plant("nowhere.yaml")


@pytest.mark.parametrize("name", SHIPPED)
def test_the_coil_meets_its_design_point(name):
    plant = load_plant(name)
    packed = pack_plant(plant)
    for zone, record in zip(plant.zones, packed.zones, strict=True):
        coil = zone.air_handler.coil
        if coil is None:
            continue  # direct expansion
        heat = coil_conductance(record, 1.0, 1.0) * (coil.air_in_c - coil.water_in_c)
        assert heat == pytest.approx(coil.heat_kw * 1e3, rel=1e-6)


def test_impossible_designs_are_refused():
    plant = load_plant("small_room")
    handler = plant.zones[0].air_handler
    coil = dataclasses.replace(handler.coil, heat_kw=500.0)
    zone = dataclasses.replace(plant.zones[0], air_handler=dataclasses.replace(handler, coil=coil))
    with pytest.raises(PlantError, match="no coil moves 500"):
        pack_plant(dataclasses.replace(plant, zones=(zone,)))
    hall = load_plant("hall_1mw")
    towers = dataclasses.replace(hall.condenser.towers, air_m3_s=3.0)
    with pytest.raises(PlantError, match="give it more air"):
        pack_plant(dataclasses.replace(hall, condenser=dataclasses.replace(hall.condenser, towers=towers)))


def test_masses_too_small_for_the_step_are_refused():
    plant = dataclasses.replace(load_plant("small_room"), chilled_water_m3=0.05)
    with pytest.raises(PlantError, match="chilled_water_m3 is too small"):
        split_step(pack_plant(plant), 300.0)
    with pytest.raises(PlantError, match="1 to 3600 s"):
        split_step(pack_plant(load_plant("small_room")), 1e5)


def test_load_by_rack():
    packed = pack_plant(load_plant("hall_1mw"), load_by="rack")
    assert packed.plant["load_columns"][0] == 100
    with pytest.raises(PlantError, match="load_by"):
        pack_plant(load_plant("hall_1mw"), load_by="row")


def test_layouts_name_every_column_once():
    packed = pack_plant(load_plant("two_zone"))
    for layout in (packed.state, packed.readings, packed.supervisory, packed.actuator, packed.faults):
        names = layout.names()
        assert len(names) == len(set(names)) == len(layout.units()) == layout.width
        for column, name in enumerate(names):
            block, _, plain = name.rpartition(".")
            index = int(block.strip("zonerack") or 0) if block else 0
            assert layout.column(plain, index) == column
    with pytest.raises(UsageError, match="did you mean 'wet_bulb_c'"):
        Layout(WEATHER, (), (), 1, 1).column("wetbulb_c")


def test_design_flow_of_the_reference_hall_is_lbnls():
    packed = pack_plant(load_plant("hall_1mw"))
    assert packed.zones["air_kg_s"][0] == pytest.approx(161.35, rel=0.01)
    assert packed.zones["water_w_k"][0] == pytest.approx(36.6 * CP_WATER)
