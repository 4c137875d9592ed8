"""The judgement of a cooling agent."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from rlkit.envs.cooling.controllers import make_controller
from rlkit.envs.cooling.controllers.play import Episodes
from rlkit.envs.cooling.evaluation import (
    BASELINE,
    compare,
    evaluate,
    headroom,
    held_out,
    make_halls,
    markdown,
    run,
    saving,
)
from rlkit.envs.cooling.metrics import VERDICT

ROOM = {"plant": "small_room", "weather": "marine", "episode_days": 0.25, "reward": "cost", "split": "train"}


class Idle:
    """A policy that keeps all actions in the middle of their ranges."""

    def __init__(self, actions: int) -> None:
        self.actions = actions

    def predict(self, observations: np.ndarray) -> np.ndarray:
        return np.zeros((len(observations), self.actions), np.float32)


def test_savings_and_headroom_by_hand() -> None:
    baseline, values, bound = np.array([100.0, 300.0]), np.array([90.0, 280.0]), np.array([80.0, 220.0])
    found = saving(baseline, values)
    assert found["percent"] == pytest.approx(7.5)  # 30 of 400
    assert found["interval"] == pytest.approx([20 / 3, 10.0])  # two episodes: the ends are those of one of them
    assert headroom(baseline, values, bound)["percent"] == pytest.approx(30.0)  # type: ignore[index]
    assert headroom(baseline, bound, bound) == {"percent": 100.0, "interval": [100.0, 100.0]}
    assert headroom(baseline, values, baseline - 0.01) is None


def made_up(returns: list[float], energy: float, it: float, cooling: float) -> Episodes:
    verdicts = np.zeros(len(returns), VERDICT)
    verdicts["energy_kwh"], verdicts["it_energy_kwh"], verdicts["cooling_energy_kwh"] = energy, it, cooling
    verdicts["TUE"], verdicts["operating_cost"] = 2.0, -np.array(returns)
    return Episodes(verdicts, np.array(returns))


def test_the_comparison_by_hand() -> None:
    played = {
        "agent": made_up([-90.0, -90.0], 130.0, 100.0, 25.0),
        BASELINE: made_up([-100.0, -100.0], 140.0, 100.0, 40.0),
        "perfect_mpc": made_up([-80.0], 120.0, 100.0, 20.0),
    }
    found = compare(played, np.array([1]), unit=2.0)
    agent = found["players"]["agent"]
    assert agent["charged_cost"] == pytest.approx(180.0)
    assert agent["saving"]["percent"] == pytest.approx(10.0)
    assert agent["headroom"]["percent"] == pytest.approx(50.0)
    assert agent["PUE"] == pytest.approx(1.3)
    assert agent["TUE"] == pytest.approx(2.0)
    assert found["headline"]["agent"] == pytest.approx({"cooling_energy": 37.5, "pue_overhead": 25.0})
    assert found["headline"]["perfect_mpc"] == pytest.approx({"cooling_energy": 50.0, "pue_overhead": 50.0})
    assert found["headline"]["allowed"] == {"cooling_energy": True, "pue_overhead": True}


def test_episodes_are_held_out_and_spread() -> None:
    days = held_out({**ROOM, "weather": ["marine", "temperate"]}, 8)
    assert ((days["days"] - 1) // 7 % 4 == 3).all()  # the fourth week of every four
    assert ((days["workload_days"] - 1) // 7 % 4 == 3).all()
    assert days["weathers"].tolist() == [0, 1] * 4
    assert len(set(days["days"].tolist())) == 8
    assert days["days"][0] < 60
    assert days["days"][-1] > 300


def test_the_baseline_judged_as_an_agent_saves_nothing() -> None:
    judgement = evaluate(make_controller(BASELINE), ROOM, episodes=2, bounds=False, controllers="setpoints")
    assert judgement["score"] == 0.0
    assert judgement["interval"] == [0.0, 0.0]
    assert set(judgement["players"]) == {"agent", "setpoints", BASELINE}


def test_a_whole_judgement_can_be_saved_and_read() -> None:
    judgement = evaluate(Idle(3), ROOM, episodes=2, bound_episodes=1)
    assert json.loads(json.dumps(judgement)) == judgement
    assert judgement["players"]["perfect_mpc"]["headroom"]["percent"] == pytest.approx(100.0)
    assert judgement["players"]["perfect_mpc"]["episodes"] == 1
    text = markdown(judgement)
    assert "**agent**" in text
    assert "headroom allows" in text
    assert text.count("\n| ") == 7  # a header and six players


def test_a_policy_that_moves_actuators_is_held_against_controllers_that_give_setpoints() -> None:
    arguments: dict[str, Any] = {**ROOM, "control": "actuator"}
    actions = len(make_halls(arguments, 1, supervisory=False).action_names)
    judgement = evaluate(Idle(actions), arguments, episodes=1, bounds=False, controllers="setpoints")
    assert np.isfinite(judgement["score"])


def test_broken_limits_are_charged_whatever_the_agent_was_trained_on() -> None:
    days = held_out(ROOM, 2)
    cold = run(make_controller("setpoints", supply_air_c=14.0), ROOM, days)
    unit = float(make_halls(ROOM, 1).setup.model.charges["unit"][0])
    charged = cold.verdicts["operating_cost"] + 5.0 * unit * cold.verdicts["constraint_cost"]
    assert (cold.verdicts["constraint_cost"] > 0.0).all()
    np.testing.assert_allclose(-cold.returns * unit, charged, rtol=1e-6)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"episodes": 0}, "episodes must be a whole number"),
        ({"bounds": 1}, "true or false"),
        ({"controllers": "guidline36"}, "did you mean 'guideline36'"),
    ],
)
def test_impossible_settings_are_told(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        evaluate(Idle(3), ROOM, **settings)
