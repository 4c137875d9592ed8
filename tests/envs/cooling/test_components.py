"""Components: published limits and monotonicity, which reviewers of a plant rely on."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rlkit.envs.cooling import components as c
from rlkit.envs.cooling import merkel, tower
from rlkit.envs.cooling.packing import pack_plant
from rlkit.envs.cooling.plant import SHIPPED, load_plant
from rlkit.envs.cooling.psychrometrics import (
    density,
    log_saturation_pressure,
    log_saturation_slope,
    saturation_and_slope,
)

PACKED = {name: pack_plant(load_plant(name)) for name in SHIPPED}
PLANTS = st.sampled_from(SHIPPED)
UNIT = st.floats(0.0, 1.0)


@pytest.mark.parametrize("function", [c.crossflow_effectiveness, c.counterflow_effectiveness])
def test_effectiveness_has_its_limits(function):
    for ntu in (0.01, 0.5, 2.0, 10.0):
        assert function(ntu, 0.0) == pytest.approx(1.0 - math.exp(-ntu), rel=1e-6)
        last = 1.0
        for ratio in np.linspace(0.0, 1.0, 21):
            value = function(ntu, ratio)
            assert 0.0 < value <= last + 1e-9
            last = value


def test_crossflow_lies_between_parallel_flow_and_counterflow():
    """To 1 % where coils work; below one transfer unit the published correlation is up to 1.6 % low."""
    for ntu in (1.0, 2.0, 3.0):
        for ratio in (0.2, 0.6, 1.0):
            parallel = (1.0 - math.exp(-ntu * (1.0 + ratio))) / (1.0 + ratio)
            crossflow = c.crossflow_effectiveness(ntu, ratio)
            assert 0.99 * parallel < crossflow < 1.01 * c.counterflow_effectiveness(ntu, ratio)


@pytest.mark.parametrize(
    ("low", "high", "error", "slope_error"), [(-100.0, -60.0, 1e-10, 1e-8), (-60.0, 200.0, 2e-12, 1e-9)]
)
def test_the_table_of_saturation_is_the_formula(low, high, error, slope_error):
    """Over the whole range of the handbook's formula, in cells and at their ends."""
    for t in np.concatenate([np.linspace(low, high, 20011), np.arange(low, high) + 0.01 - 1e-9]):
        pressure, slope = saturation_and_slope(t)
        exact = math.exp(log_saturation_pressure(t))
        assert abs(pressure / exact - 1.0) < error
        assert abs(slope / (exact * log_saturation_slope(t)) - 1.0) < slope_error


def effectiveness_ntu(zone, airflow, water):
    """A coil's conductance as textbooks write it."""
    film_air = zone["film_air_w_k"] * airflow ** zone["film_air_exponent"]
    film_water = zone["film_water_w_k"] * water ** zone["film_water_exponent"]
    streams = airflow * zone["air_w_k"], water * zone["water_w_k"]
    ntu = film_air * film_water / (film_air + film_water) / min(streams)
    return min(streams) * c.crossflow_effectiveness(ntu, min(streams) / max(streams))


@settings(deadline=None)
@given(PLANTS, st.floats(0.05, 1.0), st.floats(0.05, 0.95))
def test_coil_conductance_rises_with_water_and_is_inverted(name, airflow, water):
    zone = PACKED[name].zones[-1]
    conductance = c.coil_conductance(zone, airflow, water)
    assert conductance < c.coil_conductance(zone, airflow, water + 0.05)
    assert conductance <= min(airflow * zone["air_w_k"], water * zone["water_w_k"]) * (1 + 1e-12)
    full = c.coil_conductance(zone, airflow, 1.0)
    assert conductance == pytest.approx(effectiveness_ntu(zone, airflow, water), rel=1e-9)
    for guess in (0.0, 0.3, 1.0, water * 0.96, water * 1.04):
        found, growth = c.coil_water_flow(zone, c.film_of_air(zone, airflow), airflow, conductance, 1.0, full, guess)
        assert c.coil_conductance(zone, airflow, found) == pytest.approx(conductance, rel=2e-4)
        assert 0.0 <= growth <= 1.0


@settings(deadline=None)
@given(PLANTS, UNIT, UNIT, st.floats(0.35, 0.9), st.floats(0.01, 0.1))
def test_chiller_power_is_monotone(name, x, y, load, more):
    """Up with load and condenser temperature, down with warmer chilled water: true of the shipped curve sets.

    From a quarter of full load on; at less the published losses shrink with the capacity, and so with a hot condenser.
    """
    p = PACKED[name].plant[0]

    def power(part: float, leaving: float, entering: float) -> float:
        at = p["leaving_min_c"] + leaving * (p["leaving_max_c"] - p["leaving_min_c"])
        y_c = p["entering_min_c"] + entering * (p["entering_max_c"] - p["entering_min_c"])
        watts = part * 0.75 * p["chiller_capacity_w"]
        return c.chiller_power(p, c.chiller_capacity(p, at, y_c), watts, at, y_c)

    here = power(load, x * 0.9, y * 0.9)
    assert power(load + more, x * 0.9, y * 0.9) > here
    assert power(load, x * 0.9, y * 0.9 + more) >= here * (1 - 1e-9)
    assert power(load, x * 0.9 + more, y * 0.9) <= here * (1 + 1e-9)


@settings(deadline=None)
@given(st.sampled_from(["two_zone", "hall_1mw", "hall_10mw"]), st.floats(-10.0, 26.0), st.floats(3.0, 15.0), UNIT)
def test_tower_heat_rises_with_fan_speed_and_is_inverted(name, wet_bulb, above, where):
    p = PACKED[name].plant[0]
    h_in, _ = merkel.saturated_enthalpy(wet_bulb, 101325.0)
    t = (wet_bulb, 101325.0, h_in, density(wet_bulb + 3.0, 0.005, 101325.0), 1015.0, 1.0)
    water = p["tower_water_kg_s"] * c.CP_WATER
    speed = p["air_ratio_min"] + where * (1.0 - p["air_ratio_min"])
    heat, _ = tower.heat_at_speed(p, t, speed, water, wet_bulb + above, 3.0)
    free, _ = tower.heat_at_speed(p, t, 0.0, water, wet_bulb + above, 3.0)
    full, _ = tower.heat_at_speed(p, t, 1.0, water, wet_bulb + above, 3.0)
    assert 0.0 < free < heat <= full * (1 + 1e-6)
    assert full < water * above
    found, verdict, _ = tower.speed_for_heat(p, t, heat, 1.0, water, wet_bulb + above, wet_bulb + 3.0)
    assert found == pytest.approx(speed, abs=2e-3)
    assert verdict == 0 or where < 1e-3 or where > 0.999


@pytest.mark.parametrize("name", ["two_zone", "hall_1mw", "hall_10mw"])
def test_fan_speed_gives_the_heat_wherever_the_search_begins(name):
    """Also at the ends of the conductance curve's range, across which a secant must not stop."""
    p = PACKED[name].plant[0]
    water = p["tower_water_kg_s"] * c.CP_WATER
    least = p["air_ratio_min"]
    for wet_bulb, above in ((-8.0, 12.0), (5.0, 6.0), (18.0, 4.0), (26.0, 9.0)):
        h_in, _ = merkel.saturated_enthalpy(wet_bulb, 101325.0)
        t = (wet_bulb, 101325.0, h_in, density(wet_bulb + 3.0, 0.005, 101325.0), 1015.0, 1.0)
        for speed in (least + 1e-3, least + 0.02, 0.5, 0.97, 0.99, 0.999, 1.0 - 1e-4):
            heat, rise = tower.heat_at_speed(p, t, speed, water, wet_bulb + above, 3.0)
            for guess in (0.1, 0.7, 0.95, 0.99, 1.0, 1.01, 1.05, 1.5):
                begin = wet_bulb + rise * guess
                found, verdict, _ = tower.speed_for_heat(p, t, heat, 1.0, water, wet_bulb + above, begin)
                given, _ = tower.heat_at_speed(p, t, found, water, wet_bulb + above, 3.0)
                assert given == pytest.approx(heat, rel=3e-4)
                assert verdict == 0 or not least + 1e-3 < speed < 0.999


def test_counterflow_has_no_jump_where_the_streams_are_equal():
    for ntu in (0.1, 1.0, 3.0, 8.0):
        near = [c.counterflow_effectiveness(ntu, ratio) for ratio in (0.994999, 0.995001, 1.0 - 2e-9, 1.0 - 5e-10, 1.0)]
        assert near[0] == pytest.approx(near[1], rel=1e-5)
        assert near[2:] == pytest.approx([ntu / (1.0 + ntu)] * 3, rel=1e-8)


@pytest.mark.parametrize("name", ["two_zone", "hall_1mw", "hall_10mw"])
def test_the_tower_meets_its_design_point(name):
    plant = load_plant(name)
    p, t = PACKED[name].plant[0], plant.condenser.towers
    h_in, _ = merkel.saturated_enthalpy(t.wet_bulb_c, plant.pressure_pa)
    moment = (t.wet_bulb_c, plant.pressure_pa, h_in, density(35.0, 0.015, plant.pressure_pa), 1020.0, 1.0)
    water = t.water_kg_s * c.CP_WATER
    heat, _ = tower.heat_at_speed(p, moment, 1.0, water, t.water_in_c, 5.0)
    assert t.water_in_c - heat / water == pytest.approx(t.water_out_c, abs=0.01)


@settings(deadline=None)
@given(PLANTS, UNIT, st.floats(10.0, 44.0), st.floats(0.1, 5.0))
def test_servers_draw_no_less_when_warmer(name, utilisation, inlet, warmer):
    p = PACKED[name].plant[0]
    assert c.cpu_power(p, 1e3, utilisation, inlet + warmer) >= c.cpu_power(p, 1e3, utilisation, inlet)
    assert c.server_airflow(p, utilisation, inlet + warmer) >= c.server_airflow(p, utilisation, inlet)


@pytest.mark.parametrize(("inlet", "low", "high"), [(30.0, 1.03, 1.09), (35.0, 1.07, 1.20)])
def test_server_power_over_inlet_is_ashraes(inlet, low, high):
    """ASHRAE TC 9.9 2011: a server at 30 C draws 4 to 8 % more than at 15 C, at 35 C 7 to 20 % more."""
    p, rack = PACKED["hall_1mw"].plant[0], PACKED["hall_1mw"].racks[0]

    def power(t: float) -> float:
        fans = rack["fan_w"] * c.cubic(p["server_fan_curve"], c.server_airflow(p, 0.5, t))
        return c.cpu_power(p, rack["peak_w"], 0.5, t) + fans

    assert low <= power(inlet) / power(15.0) <= high


def test_published_fan_curve_is_near_the_cube():
    p = PACKED["hall_1mw"].plant[0]
    for speed in np.linspace(0.3, 1.0, 8):
        assert c.drive_power(p["tower_fan_curve"], 0.0, 1.0, speed) == pytest.approx(speed**3, abs=0.02)
