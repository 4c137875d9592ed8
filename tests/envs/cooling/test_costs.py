"""Money, limits and rewards."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest

from rlkit.envs.cooling import costs, readings
from rlkit.envs.cooling.costs import CLASSES, CONSTRAINTS, charges, parse_limits, parse_price, parse_reward
from rlkit.envs.cooling.psychrometrics import dew_point_c, humidity_ratio_from_relative_humidity
from rlkit.envs.cooling.vector import CoolingVectorEnv

ROOT = Path(__file__).resolve().parents[3]
LAYOUT = readings.Layout(readings.PLANT_READINGS, readings.ZONE_READINGS, readings.RACK_READINGS, zones=2, racks=2)
COMFORTABLE = {
    "inlet_max_c": 24.0,
    "inlet_min_c": 20.0,
    "zone_inlet_mean_c": 22.0,
    "dew_point_c": 9.0,
    "inlet_humidity": 0.44,
}


class Charged:
    """One hall whose readings are written by hand."""

    def __init__(self, limits: Any = "recommended", step_s: float = 300.0) -> None:
        self.c = charges(parse_limits(limits), parse_price(0.1), parse_reward("cost"), step_s, 100.0, 45.0)
        self.truth = np.zeros((1, LAYOUT.width))
        self.history = np.zeros((1, int(self.c["window"][0]), 2))
        self.out = np.zeros((1 + len(CONSTRAINTS), 1))
        self.steps = 0
        self.write(COMFORTABLE)
        costs.start_history(self.truth, 0, 2, self.history)

    def write(self, values: dict[str, float]) -> None:
        for name, value in values.items():
            self.truth[:, LAYOUT.columns(name)] = value

    def step(self, **values: float) -> dict[str, float]:
        self.write(values)
        costs.charge(self.c[0], self.truth, 0, 2, self.steps, self.history, self.out)
        self.steps += 1
        return dict(zip(("sum", *CONSTRAINTS), self.out[:, 0].tolist(), strict=True))


def test_within_the_limits_nothing_is_charged() -> None:
    assert set(Charged().step().values()) == {0.0}


@pytest.mark.parametrize("name", list(CLASSES))
def test_inlets_are_charged_beyond_their_class_in_kelvin_hours(name: str) -> None:
    low, high = CLASSES[name].inlet_c
    charged = Charged({"class": name, "change_k": 100.0})
    assert charged.step(inlet_max_c=high, inlet_min_c=low)["inlet_temp"] == 0.0
    assert charged.step(inlet_max_c=high + 3.0)["inlet_temp"] == pytest.approx(3.0 * 300 / 3600)
    assert charged.step(inlet_min_c=low - 2.0)["inlet_temp"] == pytest.approx(5.0 * 300 / 3600)
    assert charged.step()["sum"] == pytest.approx(5.0 * 300 / 3600)


@pytest.mark.parametrize("step_s", [60.0, 300.0, 900.0])
def test_change_is_judged_over_fifteen_minutes_whatever_the_step(step_s: float) -> None:
    """16 K an hour is allowed, 24 K an hour is 1 K in 15 minutes too much."""
    for rate_k_h, beyond in ((16.0, 0.0), (24.0, 1.0), (-24.0, 1.0)):
        charged = Charged(step_s=step_s)
        inlet = 22.0
        for _ in range(int(3600 / step_s)):
            inlet += rate_k_h * step_s / 3600
            last = charged.step(zone_inlet_mean_c=inlet)["rate"]
        assert last == pytest.approx(beyond * step_s / 3600)


def test_a_jump_is_charged_for_fifteen_minutes_and_then_forgotten() -> None:
    charged = Charged()
    rates = [charged.step(zone_inlet_mean_c=30.0)["rate"] for _ in range(5)]
    assert rates == pytest.approx([3.0 * 300 / 3600] * 3 + [0.0] * 2)


def test_humidity_is_charged_as_dew_point() -> None:
    hours = 300 / 3600
    assert Charged().step(dew_point_c=16.5)["humidity"] == pytest.approx(1.5 * hours)
    assert Charged().step(dew_point_c=-11.0, inlet_humidity=0.1)["humidity"] == pytest.approx(2.0 * hours)
    # 66 % at 20 C: as many K as its dew point is above that of 60 %.
    pressure = 101325.0
    actual, allowed = (
        dew_point_c(humidity_ratio_from_relative_humidity(20.0, rh, pressure), pressure) for rh in (0.66, 0.6)
    )
    charged = Charged().step(dew_point_c=float(actual), inlet_humidity=0.66)["humidity"]
    assert charged == pytest.approx((actual - allowed) * hours, rel=0.03)
    assert Charged("A1").step(dew_point_c=-5.0, inlet_humidity=0.06)["humidity"] > 0.0


def test_unmet_heat_is_charged_as_share_of_the_peak() -> None:
    assert Charged().step(unmet_heat_kw=25.0)["unmet_heat"] == pytest.approx(0.25 * 300 / 3600)


def test_prices_by_the_hour_wrap_around_midnight() -> None:
    price = parse_price({"energy": {"7": 0.2, 22: 0.1}, "water": 2.0})
    assert price.energy == (0.1,) * 7 + (0.2,) * 15 + (0.1,) * 2
    assert price.dearest == pytest.approx(0.2 / price.mean_energy)


@pytest.mark.parametrize(
    "price", [{"energy": {"24": 0.1}}, {"energy": {}}, {"enrgy": 0.1}, {"water": "x"}, "free", {"energy": {0: 0}}]
)
def test_wrong_prices_are_refused(price: Any) -> None:
    with pytest.raises(ValueError, match="price"):
        parse_price(price)


@pytest.mark.parametrize("limits", [{"class": "B"}, {"inlet": [18, 27]}, {"inlet_c": [27, 18]}, {"humidity": 0.6}])
def test_wrong_limits_are_refused(limits: Any) -> None:
    with pytest.raises(ValueError, match="limits|class"):
        parse_limits(limits)


def test_return_is_the_bill() -> None:
    """Sum of rewards times the unit = what the episode says it has cost = energy and water times their prices."""
    price = {"energy": {"0": 0.08, "8": 0.2, "20": 0.08}, "water": 5.0}
    envs = CoolingVectorEnv(3, price=price, step_s=900.0, autoreset_mode="disabled", weather="hot_dry")
    envs.reset(seed=0)
    unit = float(envs.setup.model.charges["unit"][0])
    total, bill = np.zeros(3), np.zeros(3)
    for step in range(96):
        tariff = 0.2 if 8 <= step // 4 < 20 else 0.08
        _, rewards, _, _, infos = envs.step(envs.default_actions())
        total += rewards * unit
        bill += tariff * envs.reading("facility_energy_kwh") + 0.005 * envs.reading("water_l")
    np.testing.assert_allclose(-total, infos["operating_cost"], rtol=1e-12)
    np.testing.assert_allclose(bill, infos["operating_cost"], rtol=1e-12)
    assert (bill > 0.0).all() and infos["water_l"].min() > 0.0


def test_weighted_reward_takes_off_what_is_broken() -> None:
    task = {"limits": {"inlet_c": [0.0, 15.0]}, "autoreset_mode": "disabled"}
    plain, weighted = (CoolingVectorEnv(2, reward=r, **task) for r in ("cost", {"kind": "weighted", "weight": 3.0}))
    for envs in (plain, weighted):
        envs.reset(seed=0)
    for _ in range(5):
        _, a, _, _, infos = plain.step(plain.default_actions())
        _, b, _, _, _ = weighted.step(weighted.default_actions())
        np.testing.assert_allclose(b, a - 3.0 * infos["cost"], rtol=1e-12)
        assert (infos["cost"] > 0.0).all()


def test_the_rewards_scale_is_about_one_for_every_plant() -> None:
    for plant in ("small_room", "two_zone", "hall_1mw", "hall_10mw"):
        env = gymnasium.make("rlkit/DataCenterCooling-v0", plant=plant).unwrapped
        env.reset(seed=0)
        assert -2.0 < env.step(env.default_action())[1] < -0.3


def test_the_pue_trap_and_its_page() -> None:
    """The page's own code: a warmer room lowers PUE while the facility draws more."""
    page = (ROOT / "docs" / "cooling-pue-trap.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    names: dict[str, Any] = {}
    exec(compile(code, "docs/cooling-pue-trap.md", "exec"), names)
    trap = names["trap"]
    assert trap[24.0]["PUE"] < trap[18.0]["PUE"] and trap[24.0]["energy_kwh"] > trap[18.0]["energy_kwh"]
    assert trap[24.0]["operating_cost"] > trap[18.0]["operating_cost"]
    assert trap[24.0]["violation_minutes"] == 0.0
