"""The kernel: conservation, monotonicity, dynamics, staging, faults, and the same numbers alone as in a batch."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hall_driver import Driver
from hypothesis import given, settings
from hypothesis import strategies as st

from rlkit.envs.cooling.halls import action_bounds, longest_solution_s
from rlkit.envs.cooling.packing import pack_plant
from rlkit.envs.cooling.plant import SHIPPED, load_plant
from rlkit.envs.cooling.readings import PLANT_READINGS

METERS = [q.name for q in PLANT_READINGS if q.unit == "kWh" and q.name not in ("facility_energy_kwh",)]


def settled(plant: str = "two_zone", n: int = 1, steps: int = 200, **keywords) -> Driver:
    driver = Driver(plant, n, **keywords)
    driver.step(steps)
    return driver


def random_run(plant: str, level: str, seed: int, n: int = 24, steps: int = 60, step_s: float = 300.0) -> Driver:
    """Random actions, weather, load and faults that change at every step."""
    driver = Driver(plant, n, level=level, step_s=step_s)
    rng = np.random.default_rng(seed)
    low, high = action_bounds(driver.packed, level)
    for _ in range(steps):
        driver.actions[:] = rng.uniform(low, high, driver.actions.shape)
        driver.weather[:, 0] = rng.uniform(-20, 42, n)
        driver.weather[:, 1] = driver.weather[:, 0] - rng.uniform(0, 10, n)
        driver.load[:] = rng.uniform(0, 1, driver.load.shape)
        fails = rng.uniform(size=driver.halls.faults.shape)
        driver.halls.faults[:] = np.where(fails < 0.05, 0.0, np.where(fails < 0.1, fails * 10, 1.0))
        stuck = driver.packed.faults.columns("stuck_valve")
        driver.halls.faults[:, stuck] = np.where(fails[:, stuck] < 0.1, fails[:, stuck] * 10, -1.0)
        check_conservation(driver)
    return driver


def check_conservation(driver: Driver) -> None:
    readings = driver.step()
    assert np.isfinite(readings).all()
    assert np.abs(driver.column("energy_residual")).max() < 1e-9
    meters = sum(driver.column(name) for name in METERS) - driver.column("server_fan_energy_kwh")
    np.testing.assert_allclose(meters, driver.column("facility_energy_kwh"), rtol=1e-12)
    water = driver.column("evaporation_l") + driver.column("drift_l") + driver.column("blowdown_l")
    np.testing.assert_allclose(water, driver.column("water_l"), rtol=1e-12)
    assert min(driver.column(name).min() for name in METERS) >= 0.0


@pytest.mark.parametrize("plant", SHIPPED)
@pytest.mark.parametrize("level", ["supervisory", "actuator"])
def test_energy_meters_and_water_close_at_every_step(plant, level):
    random_run(plant, level, seed=0, n=8 if plant == "hall_10mw" else 24)


@pytest.mark.parametrize("step_s", [30.0, 900.0, 3600.0])
def test_energy_closes_at_any_step_length(step_s):
    random_run("hall_1mw", "supervisory", seed=1, n=6, steps=30, step_s=step_s)


@pytest.mark.parametrize("plant", SHIPPED)
def test_a_settled_hall_is_near_its_setpoints(plant):
    driver = settled(plant)
    p = driver.packed.plant[0]
    assert driver.read("chilled_water_supply_c") == pytest.approx(p["chilled_water_default_c"], abs=0.05)
    np.testing.assert_allclose(driver.blocks("supply_air_c"), p["supply_air_default_c"], atol=0.1)
    assert 18.0 <= driver.read("inlet_max_c") <= 27.0
    assert driver.read("unmet_heat_kw") == 0.0
    assert 1.02 < driver.read("facility_energy_kwh") / driver.read("it_energy_kwh") < 1.6


@pytest.mark.parametrize("plant", SHIPPED)
def test_a_row_does_not_depend_on_its_batch(plant):
    batch = random_run(plant, "supervisory", seed=2, n=3, steps=10)
    alone = Driver(plant, 3)
    rng = np.random.default_rng(2)
    low, high = action_bounds(alone.packed, "supervisory")
    for _ in range(10):
        alone.actions[:] = rng.uniform(low, high, alone.actions.shape)
        alone.weather[:, 0] = rng.uniform(-20, 42, 3)
        alone.weather[:, 1] = alone.weather[:, 0] - rng.uniform(0, 10, 3)
        alone.load[:] = rng.uniform(0, 1, alone.load.shape)
        fails = rng.uniform(size=alone.halls.faults.shape)
        alone.halls.faults[:] = np.where(fails < 0.05, 0.0, np.where(fails < 0.1, fails * 10, 1.0))
        stuck = alone.packed.faults.columns("stuck_valve")
        alone.halls.faults[:, stuck] = np.where(fails[:, stuck] < 0.1, fails[:, stuck] * 10, -1.0)
        for row in range(3):  # one call a row
            alone.rows[:] = np.arange(3) == row
            alone.step()
    np.testing.assert_array_equal(alone.halls.state, batch.halls.state)
    np.testing.assert_array_equal(alone.halls.readings, batch.halls.readings)


def energy_of_a_day(plant: str, step_s: float = 300.0, colder_k: tuple[float, ...] = (0.0,), **lengths) -> np.ndarray:
    """kWh of a day with a swing of load and weather, in as many halls as there are climates."""
    driver = Driver(plant, len(colder_k), step_s=step_s, **lengths)
    cold = np.array(colder_k)
    total = np.zeros(len(colder_k))
    for k in range(round(86400.0 / step_s)):
        swing = np.sin((k * step_s / 3600.0 - 9.0) * np.pi / 12.0)
        driver.load[:] = 0.55 + 0.3 * swing
        driver.weather[:, 0] = 24.0 + 6.0 * swing - cold
        driver.weather[:, 1] = 17.0 + 3.0 * swing - 0.8 * cold
        driver.step()
        total += driver.column("facility_energy_kwh")
    return total


@pytest.mark.parametrize("plant", SHIPPED)
def test_halving_the_sub_steps_changes_a_days_energy_by_less_than_a_thousandth(plant):
    solution_s = longest_solution_s(pack_plant(load_plant(plant)))
    coarse = energy_of_a_day(plant, solution_s=solution_s, substep_s=60.0)
    for half in ({"solution_s": solution_s, "substep_s": 30.0}, {"solution_s": solution_s / 2, "substep_s": 60.0}):
        np.testing.assert_allclose(energy_of_a_day(plant, **half), coarse, rtol=1e-3)


@pytest.mark.parametrize("plant", ["small_room", "two_zone", "hall_1mw", "hall_10mw"])
def test_steps_of_a_quarter_hour_in_one_solution_keep_that_bound(plant):
    """In five climates: from free cooling to a hot day."""
    climates = (-6.0, 0.0, 6.0, 12.0, 20.0)
    whole = energy_of_a_day(plant, 900.0, climates)
    divided = energy_of_a_day(plant, 900.0, climates, solution_s=300.0, substep_s=60.0)
    halved = energy_of_a_day(plant, 900.0, climates, solution_s=150.0, substep_s=30.0)
    np.testing.assert_allclose(whole, halved, rtol=1e-3)
    np.testing.assert_allclose(whole, divided, rtol=1e-3)
    assert (whole != divided).all()  # else nothing was left out


def test_a_step_in_which_much_happens_is_divided():
    """A jump of the set points: the quarter-hour that was tried whole is done again in three, to the last bit."""
    tried, divided = Driver(step_s=900.0, plant="two_zone"), Driver("two_zone", step_s=900.0)
    assert tried.timing.rough_substeps > 0
    divided.timing = tried.timing._replace(rough_substeps=0)
    tried.step(40)
    divided.halls.state[:] = tried.halls.state
    for driver in (tried, divided):
        driver.act("supply_air_setpoint_c", 24.0)
        driver.step()
    np.testing.assert_array_equal(tried.halls.state, divided.halls.state)
    np.testing.assert_array_equal(tried.halls.readings, divided.halls.readings)
    assert abs(tried.read("energy_residual")) < 1e-9


@settings(max_examples=15, deadline=None)
@given(
    plant=st.sampled_from(["hall_1mw", "hall_10mw"]),
    load=st.floats(0.1, 1.0),
    wet_bulb=st.floats(-5.0, 22.0),
    rise=st.floats(0.5, 4.0),
)
def test_facility_power_rises_with_wet_bulb(plant, load, wet_bulb, rise):
    """Mechanical cooling: the economizer's rules switch, and need not be optimal where they do."""
    mechanical = dataclasses.replace(
        load_plant(plant), condenser=dataclasses.replace(load_plant(plant).condenser, economizer=None)
    )
    driver = Driver(mechanical, 2, dry_bulb_c=30.0, load=load)
    driver.weather[:, 1] = wet_bulb, wet_bulb + rise
    driver.step(150)
    cold, warm = driver.column("facility_power_kw")
    assert warm >= cold * (1.0 - 2e-4)


@settings(max_examples=15, deadline=None)
@given(load=st.floats(0.1, 0.9), more=st.floats(0.02, 0.1), wet_bulb=st.floats(0.0, 24.0))
def test_power_rises_with_load(load, more, wet_bulb):
    driver = Driver("small_room", 2, dry_bulb_c=wet_bulb + 5.0, wet_bulb_c=wet_bulb)
    driver.load[:] = [[load], [load + more]]
    driver.step(150)
    for name in ("chiller_energy_kwh", "facility_power_kw", "it_power_kw", "coil_heat_kw"):
        low, high = driver.column(name)
        assert high > low


@settings(max_examples=15, deadline=None)
@given(plant=st.sampled_from(SHIPPED), load=st.floats(0.2, 0.7), airflow=st.floats(0.3, 0.9), more=st.floats(0.02, 0.1))
def test_inlets_do_not_warm_with_more_airflow(plant, load, airflow, more):
    """While the plant holds its supply setpoint; beyond that, more air is more fan heat."""
    driver = Driver(plant, 2, load=load)
    driver.act("airflow", np.array([airflow, airflow + more]))
    driver.step(100)
    few, many = driver.blocks("inlet_c")
    assert (many <= few + 0.02).all()


@settings(max_examples=10, deadline=None)
@given(load=st.floats(0.1, 0.6), setpoint=st.floats(5.0, 8.0), more=st.floats(0.2, 0.8))
def test_chiller_power_falls_with_warmer_chilled_water(load, setpoint, more):
    """With the same number of machines: two at part load may draw less than one that works hard."""
    driver = Driver("hall_1mw", 2, load=load, dry_bulb_c=30.0, wet_bulb_c=24.0)
    driver.packed.plant["stage_up"] = 10.0
    driver.reset()
    driver.act("chilled_water_setpoint_c", np.array([setpoint, setpoint + more]))
    driver.step(150)
    cold, warm = driver.column("chiller_energy_kwh")
    assert warm < cold


def test_chiller_power_rises_with_condenser_water():
    driver = Driver("hall_1mw", 5, dry_bulb_c=12.0, wet_bulb_c=8.0, load=0.8)
    driver.packed.plant["economizer"] = 0
    driver.act("condenser_water_setpoint_c", np.linspace(16.0, 28.0, 5))
    driver.step(150)
    np.testing.assert_allclose(driver.column("condenser_water_supply_c"), np.linspace(16.0, 28.0, 5), atol=0.3)
    assert (np.diff(driver.column("chiller_energy_kwh")) > 0).all()
    assert (np.diff(driver.column("tower_fan_energy_kwh")) < 0).all()


def test_warm_rooms_cost_server_power_so_that_pue_alone_can_be_gamed():
    """The trap: with the two-zone example's IT curves a warmer supply lowers PUE and raises the bill."""
    driver = Driver("two_zone", 2, dry_bulb_c=30.0, wet_bulb_c=22.0)
    driver.act("supply_air_setpoint_c", np.array([18.0, 22.0]))
    driver.step(200)
    pue = driver.column("facility_energy_kwh") / driver.column("it_energy_kwh")
    assert pue[1] < pue[0]
    assert driver.column("facility_energy_kwh")[1] > 1.05 * driver.column("facility_energy_kwh")[0]


def closed_room():
    """One zone and one rack without recirculation, leakage with temperature, or walls."""
    plant = load_plant("small_room")
    servers = dataclasses.replace(
        plant.servers,
        leakage_per_k=0.0,
        airflow_rise_per_k=0.0,
        fan_floor=0.0,
        ups_loss=(0.0,),
        shutdown_c=(90.0, 99.0),
    )
    zone = dataclasses.replace(
        plant.zones[0],
        racks=1,
        rack_peak_kw=50.0,
        recirculation=(0.0, 0.0),
        envelope_w_k=0.0,
        infiltration_m3_s=0.0,
        lighting_kw=0.0,
    )
    return dataclasses.replace(plant, servers=servers, zones=(zone,))


def test_step_response_of_the_servers_is_the_analytic_exponential():
    """Supply held, enough air: ``C dT/dt = P - m c (T - T_in)`` after a step in load."""
    driver = Driver(closed_room(), step_s=10.0, load=0.3)
    driver.act("airflow", 1.0)
    driver.packed.plant["chilled_water_s"] = driver.packed.plant["valve_s"] = 1e-3
    driver.step(3000)
    rack, p = driver.packed.racks[0], driver.packed.plant[0]
    before = driver.state("server_c")[0, 0]
    driver.load[:] = 0.8
    share = p["airflow_curve"][0] + 0.8 * p["airflow_curve"][1]
    power = rack["peak_w"] * (0.4 + 0.6 * 0.8) + rack["fan_w"] * share**3
    tau = rack["heat_capacity_j_k"] / (rack["air_w_k"] * share)
    inlet = driver.state("inlet_c")[0, 0]
    for _ in range(40):
        driver.step()
        assert driver.state("inlet_c")[0, 0] == pytest.approx(inlet, abs=0.2)
        settled_at = driver.state("inlet_c")[0, 0] + power / (rack["air_w_k"] * share)
        expected = settled_at + (before - settled_at) * np.exp(-10.0 / tau)
        assert driver.state("server_c")[0, 0] == pytest.approx(expected, abs=1e-10)
        before = expected


@pytest.mark.parametrize("failure", ["fans_available", "chilled_water_pumps_available"])
def test_without_cooling_a_room_warms_at_power_over_capacity(failure):
    """All the heat goes into servers, air and walls: their mean warms at P/C from the first minute on."""
    driver = Driver(closed_room(), step_s=60.0, load=0.5)
    driver.packed.zones["fan_heat"] = 0.0
    driver.step(300)
    driver.fail(failure, 0.0)
    zone, rack = driver.packed.zones[0], driver.packed.racks[0]
    masses = {"hot_air_c": zone["air_j_k"], "mass_c": zone["mass_j_k"], "server_c": rack["heat_capacity_j_k"]}
    driver.step(5)  # the fans run down
    start = sum(c * driver.state(name)[0, 0] for name, c in masses.items())
    energy = 0.0
    for _ in range(60):
        driver.step()
        energy += driver.read("it_energy_kwh") * 3.6e6
    warmed = (sum(c * driver.state(name)[0, 0] for name, c in masses.items()) - start) / sum(masses.values())
    assert warmed == pytest.approx(energy / sum(masses.values()), rel=1e-9)
    assert warmed > 5.0


def test_losing_a_chiller_warms_the_water_and_staging_brings_the_other():
    driver = settled("hall_1mw", load=0.4, dry_bulb_c=30.0, wet_bulb_c=24.0)
    assert driver.read("chillers_on") == 1.0
    driver.act("chilled_water_setpoint_c", 8.0)
    driver.load[:] = 1.0
    driver.step(24)
    assert driver.read("chillers_on") == 2.0
    driver.fail("chillers_available", 0.5)
    driver.step(24)
    assert driver.read("chillers_on") == 1.0
    assert driver.read("unmet_heat_kw") > 10.0
    assert driver.read("chilled_water_supply_c") > 9.0
    driver.fail("chillers_available", 1.0)
    driver.step(48)
    assert driver.read("chillers_on") == 2.0
    assert driver.read("chilled_water_supply_c") == pytest.approx(8.0, abs=0.1)


def test_chillers_obey_their_least_times():
    driver = Driver("hall_1mw", level="actuator", step_s=60.0, dry_bulb_c=30.0, wet_bulb_c=22.0)
    driver.step(30)
    p = driver.packed.plant[0]
    on, changes = [], []
    for k in range(240):
        driver.act("chillers", float(k % 2 + 1))
        driver.step()
        on.append(driver.read("chillers_on"))
    changes = np.flatnonzero(np.diff(on)) * 60.0
    ups = np.diff(on)[np.flatnonzero(np.diff(on))]
    for first, second, up in zip(changes, changes[1:], ups, strict=False):
        assert second - first >= (p["min_on_s"] if up > 0 else p["min_off_s"]) - 1e-9


def test_the_economizer_carries_a_cold_day_alone_and_rests_on_a_hot_one():
    cold = settled("hall_1mw", dry_bulb_c=-5.0, wet_bulb_c=-6.0)
    assert cold.read("economizer_mode") == 2.0
    assert cold.read("chiller_energy_kwh") == 0.0
    assert cold.read("economizer_heat_kw") == pytest.approx(cold.read("coil_heat_kw"), rel=0.02)
    assert cold.read("chilled_water_supply_c") == pytest.approx(8.0, abs=0.2)
    hot = settled("hall_1mw", dry_bulb_c=33.0, wet_bulb_c=25.0)
    assert hot.read("economizer_mode") == 0.0
    assert hot.read("economizer_heat_kw") == 0.0


def test_modes_dwell():
    driver = Driver("hall_1mw", step_s=60.0)
    modes = []
    for k in range(600):
        driver.weather[:, 1] = -5.0 if (k // 33) % 2 else 26.0
        driver.weather[:, 0] = 30.0
        driver.step()
        modes.append(driver.read("economizer_mode"))
    changes = np.flatnonzero(np.diff(modes)) * 60.0
    assert len(changes) > 3
    assert np.diff(changes).min() >= driver.packed.plant["economizer_dwell_s"][0] - 1e-9


def test_a_stuck_valve_leaves_the_supply_uncontrolled():
    driver = settled(n=2)
    driver.weather[:] = [35.0, 24.0, 101325.0]
    driver.halls.faults[1, driver.packed.faults.column("stuck_valve", 0)] = 0.05
    driver.step(100)
    np.testing.assert_allclose(driver.blocks("supply_air_c")[0], 18.0, atol=0.1)
    assert driver.blocks("supply_air_c")[1, 0] > 20.0
    assert driver.blocks("valve_position")[1, 0] == pytest.approx(0.05)


def test_condensation_dries_the_air_towards_the_coil():
    """A humid leaky room: coils take out what leaks in, and the dew point settles near the coil's surface."""
    plant = load_plant("small_room")
    leaky = dataclasses.replace(plant, zones=(dataclasses.replace(plant.zones[0], infiltration_m3_s=0.1),))
    driver = settled(leaky, dry_bulb_c=30.0, wet_bulb_c=27.0)
    assert driver.read("latent_heat_kw") > 0.5
    assert 7.0 < driver.blocks("dew_point_c")[0, 0] < 18.0
    dry = settled(leaky, dry_bulb_c=10.0, wet_bulb_c=4.0)
    assert dry.read("latent_heat_kw") == 0.0


def test_hot_servers_throttle_instead_of_running_away():
    driver = settled("two_zone", load=1.0, dry_bulb_c=40.0, wet_bulb_c=20.0)
    driver.fail("fans_available", 0.0)
    driver.step(200)
    assert driver.read("throttled_power_kw") > 1.0
    assert driver.read("inlet_max_c") < 65.0
