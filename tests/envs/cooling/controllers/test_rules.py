"""What every controller keeps to, and the rules of the simple ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from rlkit.envs.cooling.controllers import CONTROLLERS, make_controller
from rlkit.envs.cooling.controllers.building import Setpoints, Shown
from rlkit.envs.cooling.controllers.guideline36 import CHILLED_WATER, SUPPLY_AIR
from rlkit.envs.cooling.controllers.play import play
from rlkit.envs.cooling.vector import CoolingVectorEnv

SMALL: dict[str, dict[str, Any]] = {"perfect_mpc": {"candidates": 12, "rounds": 2, "horizon_blocks": 3}}


def halls(n: int = 2, **task: Any) -> CoolingVectorEnv:
    given = {"plant": "small_room", "weather": "marine", "split": "test", "episode_days": 0.25, **task}
    return CoolingVectorEnv(n, autoreset_mode="same_step", reward="weighted", **given)


@pytest.mark.parametrize("plant", ["small_room", "two_zone"])
@pytest.mark.parametrize("name", CONTROLLERS)
def test_limits_hold_on_mild_days(name: str, plant: str) -> None:
    if (name, plant) == ("arx_mpc", "two_zone"):
        pytest.skip("two_zone's airflow has two regimes, which a linear model gets wrong: docs/cooling-controllers.md")
    envs = halls(plant=plant)
    verdicts = play(make_controller(name, **SMALL.get(name, {})), envs, seed=3, options={"days": [120, 290]}).verdicts
    assert not verdicts["thermal_trip"].any()
    assert (verdicts["degree_minutes"] <= 1.0).all()
    assert (verdicts["rate_minutes"] == 0.0).all()


@pytest.mark.parametrize("name", CONTROLLERS)
def test_actions_are_legal_and_the_same_seed_gives_the_same_episode(name: str) -> None:
    found = [play(make_controller(name, **SMALL.get(name, {})), halls(episode_days=0.1), seed=5) for _ in range(2)]
    np.testing.assert_array_equal(found[0].returns, found[1].returns)
    np.testing.assert_array_equal(found[0].verdicts, found[1].verdicts)


@pytest.mark.parametrize("name", [name for name in CONTROLLERS if name != "perfect_mpc"])
def test_a_hall_is_controlled_alike_in_any_batch(name: str) -> None:
    alone = play(name, halls(1), seed=[7])
    among = play(name, halls(3), seed=[1, 7, 2])
    assert alone.returns[0] == pytest.approx(among.returns[1], rel=1e-9)


def test_rows_that_begin_anew_leave_the_others_alone() -> None:
    envs = halls(2)
    controller = make_controller("guideline36")
    envs.reset(seed=0)
    controller.reset(envs, np.array([True, True]))
    for _ in range(20):
        envs.step(controller.act(envs))
    before = controller._values.copy()  # type: ignore[attr-defined]
    controller.reset(envs, np.array([True, False]))
    defaults = Setpoints(envs).defaults
    np.testing.assert_array_equal(controller._values[0], defaults)  # type: ignore[attr-defined]
    np.testing.assert_array_equal(controller._values[1], before[1])  # type: ignore[attr-defined]


def test_direct_control_is_refused() -> None:
    with pytest.raises(ValueError, match="control='supervisory'"):
        play("setpoints", halls(control="actuator"))


def test_a_mistyped_controller_names_the_nearest() -> None:
    with pytest.raises(ValueError, match="did you mean 'guideline36'"):
        make_controller("guidline36")


def test_fixed_setpoints_are_what_was_asked_for() -> None:
    envs = halls(2)
    envs.reset(seed=0)
    controller = make_controller("setpoints", supply_air_c=21.0, airflow=0.6)
    controller.reset(envs, np.ones(2, dtype=np.bool_))
    values = envs.decode_actions(controller.act(envs))
    s = Setpoints(envs)
    np.testing.assert_allclose(values[:, s.supply], 21.0, atol=1e-5)
    np.testing.assert_allclose(values[:, s.airflow], 0.6, atol=1e-6)
    np.testing.assert_allclose(values[:, s.chilled], 7.0, atol=1e-5)


def test_trim_and_respond_by_hand() -> None:
    # Ten units: two requests are ignored, so that the setpoint is trimmed by 0.1 K every 2 minutes.
    assert SUPPLY_AIR.change(np.array([2]), 10, 240.0) == pytest.approx([0.2])
    # Four requests: two count, -0.2 K each; ten requests: at most -0.6 K.
    assert SUPPLY_AIR.change(np.array([4, 12]), 10, 120.0) == pytest.approx([-0.4, -0.6])
    # A plant with few units ignores none.
    assert CHILLED_WATER.change(np.array([0, 1, 5]), 2, 300.0) == pytest.approx([-0.02, 0.03, 0.07])


def test_trim_and_respond_finds_the_warmest_supply_air_that_racks_allow() -> None:
    envs = halls(4, episode_days=1.0, workload="constant:0.5", load_noise=0.0, split="all")
    controller = make_controller("guideline36")
    envs.reset(seed=0)
    controller.reset(envs, np.ones(4, dtype=np.bool_))
    inlets = []
    for _ in range(200):
        envs.step(controller.act(envs))
        inlets.append(envs.reading("inlet_max_c"))
    assert (np.array(inlets[100:]) > 24.0).all()
    assert (np.array(inlets[100:]) < 26.5).all()


def test_guideline_36_costs_less_than_fixed_setpoints_where_servers_mind_warmth_little() -> None:
    played = {
        name: play(name, halls(4, plant="hall_1mw", weather="temperate"), seed=0)
        for name in ("setpoints", "guideline36")
    }
    assert (played["guideline36"].verdicts["operating_cost"] < played["setpoints"].verdicts["operating_cost"]).all()


def test_guideline_36_lowers_pue_and_raises_the_bill_where_servers_mind_warmth_much() -> None:
    """The PUE trap: EnergyPlus' example has servers whose power and airflow are steep in their inlet temperature."""
    played = {name: play(name, halls(4, plant="two_zone"), seed=0).verdicts for name in ("setpoints", "guideline36")}
    assert (played["guideline36"]["PUE"] < played["setpoints"]["PUE"]).all()
    assert (played["guideline36"]["operating_cost"] > played["setpoints"]["operating_cost"]).all()


def test_readings_come_from_sensors_and_from_the_plant_where_there_is_none() -> None:
    envs = halls(2, sensors={"set": "minimal", "noise": 0.0, "bias": 40.0})
    envs.reset(seed=0)
    shown = Shown(envs)
    assert not np.allclose(shown.reading("outdoor_wet_bulb_c"), envs.reading("outdoor_wet_bulb_c"), atol=0.5)
    np.testing.assert_array_equal(shown.zones("aisle_pressure_pa")[:, 0], envs.reading("aisle_pressure_pa"))


def test_several_sensors_of_a_quantity_are_read_by_their_median() -> None:
    envs = halls(1, sensors={"set": "minimal", "redundancy": 3})
    observations, _ = envs.reset(seed=0)
    values = envs.decode_observations(observations)
    columns = [i for i, name in enumerate(envs.observation_names) if name.startswith("outdoor_wet_bulb_c#")]
    assert len(columns) == 3
    assert Shown(envs).reading("outdoor_wet_bulb_c")[0] == np.median(values[0, columns])
