"""The safety layer: no adversary trips a hall that its rule controller would save; each layer does what it says."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from numpy.typing import NDArray

from rlkit.envs.cooling.env import CoolingEnv
from rlkit.envs.cooling.plant import SHIPPED
from rlkit.envs.cooling.safety import (
    ActionLimits,
    Failover,
    FailoverRules,
    Monitor,
    OperatorOverride,
    RateLimit,
    TwoLayerVerification,
    UncertaintyDrop,
    default_rule,
    find_layer,
    layers_of,
    maximum_cooling,
    safe,
    steady,
    study,
)
from rlkit.envs.cooling.safety.adversaries import ADVERSARIES, BangBang, Worst
from rlkit.envs.cooling.safety.verify import cooling_rule, inlet_limit
from rlkit.envs.cooling.vector import CoolingVectorEnv
from rlkit.errors import UsageError

HOUR_S = 3600
ROUND_OFF = 1e-5  # of float32 actions, in engineering units
FAULT_S = 2 * HOUR_S


def _envs(n: int = 1, **task: Any) -> CoolingVectorEnv:
    return CoolingVectorEnv(n, **{"autoreset_mode": "disabled", "plant": "hall_1mw", "start": 200, **task})


def _sensor(kind: str, name: str, value: float = math.nan) -> dict[str, Any]:
    fault: dict[str, Any] = {"kind": kind, "unit": name, "at_s": FAULT_S}
    return fault if math.isnan(value) else {**fault, "value": value}


def _machine(kind: str, unit: int, **more: Any) -> dict[str, Any]:
    return {"kind": kind, "unit": unit, "at_s": FAULT_S, **more}


def _scenarios(pumps: int) -> dict[str, list[dict[str, Any]]]:
    """Fixed faults of each hall of a batch, machines and sensors, alone and together."""
    inlets = ("zone0.zone_inlet_max_c", "inlet_max_c")
    low = [_sensor("sensor_bias", name, -8.0) for name in inlets]
    return {
        "none": [],
        "two fans": [_machine("fan", 0), _machine("fan", 1)],
        "chiller": [_machine("chiller", 0)],
        "chiller for a while": [_machine("chiller", 0, for_s=1200)],
        "chilled-water pump": [_machine("pump", 0)],
        "last pump": [_machine("pump", pumps - 1)],
        "valve": [_machine("valve", 0, value=0.5)],
        "coil": [_machine("coil", 0)],
        "inlets read low": low,
        "inlets freeze": [_sensor("sensor_freeze", name) for name in inlets],
        "inlet dead": [_sensor("sensor_dropout", inlets[0])],
        "inlet reads high": [_sensor("sensor_bias", inlets[0], 8.0)],
        "supply reads low": [_sensor("sensor_bias", "zone0.supply_air_c", -8.0)],
        "power freezes": [_sensor("sensor_freeze", "zone0.zone_it_power_kw")],
        "fan speed reads high": [_sensor("sensor_bias", "zone0.fan_speed", 0.4)],
        "fans, and inlets read low": [_machine("fan", 0), _machine("fan", 1), *low],
    }


def _play(envs: Any, act: Any, hours: float) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Which halls trip, and their hottest true inlet until then."""
    base = envs.unwrapped
    tripped, hottest = np.zeros(base.num_envs, dtype=np.bool_), np.zeros(base.num_envs)
    for _ in range(int(hours * HOUR_S / base.setup.task.step_s)):
        _, _, terminated, truncated, _ = envs.step(act())
        hottest = np.where(tripped, hottest, np.maximum(hottest, base.reading("inlet_max_c")))
        tripped |= terminated
        if (terminated | truncated).any():
            envs.reset(options={"reset_mask": terminated | truncated})
    return tripped, hottest


def _begin(envs: Any, given: list[Any] | None) -> None:
    envs.reset(seed=1, options=None if given is None else {"faults": given})


def _rule_trips(given: list[Any] | None, hours: float, n: int, **task: Any) -> NDArray[np.bool_]:
    """Halls that even the rule controller loses: they lack the capacity to survive."""
    base = _envs(n, **task)
    monitor = Monitor(base)
    rule = cooling_rule(base, monitor)
    _begin(monitor, given)
    return _play(monitor, lambda: rule(monitor), hours)[0]


@pytest.mark.parametrize("control", ["supervisory", "actuator"])
@pytest.mark.parametrize("plant", SHIPPED)
def test_no_adversary_trips_a_hall_that_its_rule_controller_saves(plant: str, control: str) -> None:
    """With 15-minute steps, the longest: a whole step of harm before anybody can look again."""
    task = {"plant": plant, "control": control, "step_s": 900.0}
    faults = _scenarios(2 if plant == "small_room" else 4)
    given, n = list(faults.values()), len(faults)
    lost = _rule_trips(given, 12, n, **task)
    assert {name for name, trips in zip(faults, lost, strict=True) if trips} <= {"chiller"}
    for kind in (Worst, BangBang):
        envs = safe(_envs(n, **task))
        _begin(envs, given)
        tripped, _ = _play(envs, kind(envs, seed=2), 12)
        assert not (tripped & ~lost).any(), (kind, [name for name, t in zip(faults, tripped, strict=True) if t])


@pytest.mark.parametrize("plant,control", [("hall_1mw", "supervisory"), ("two_zone", "actuator")])
def test_not_even_one_that_knows_the_plant_and_searches(plant: str, control: str) -> None:
    faults = {name: f for name, f in _scenarios(4).items() if name in ("none", "two fans", "inlets read low", "coil")}
    task = {"plant": plant, "control": control}
    lost = _rule_trips(list(faults.values()), 6, len(faults), **task)
    envs = safe(_envs(len(faults), **task))
    _begin(envs, list(faults.values()))
    tripped, _ = _play(envs, ADVERSARIES["search"](envs, seed=3), 6)
    assert not lost.any() and not tripped.any()


@pytest.mark.parametrize("plant", ["hall_1mw", "hall_10mw"])
def test_with_severe_random_faults_of_machines_and_sensors(plant: str) -> None:
    task = {"plant": plant, "faults": "severe"}
    lost = _rule_trips(None, 24, 12, **task)
    envs = safe(_envs(12, **task))
    _begin(envs, None)
    tripped, _ = _play(envs, Worst(envs), 23.5)
    assert lost.sum() <= 1 and not (tripped & ~lost).any()


@pytest.mark.parametrize("control", ["supervisory", "actuator"])
@pytest.mark.parametrize("plant", ["two_zone", "hall_10mw"])
def test_without_the_layer_the_same_adversary_trips_a_sound_hall(plant: str, control: str) -> None:
    envs = Monitor(_envs(2, plant=plant, control=control))
    envs.reset(seed=1)
    assert _play(envs, Worst(envs), 3)[0].all()


@pytest.mark.parametrize("control", ["supervisory", "actuator"])
def test_rates_are_never_exceeded(control: str) -> None:
    envs = RateLimit(_envs(4, control=control, step_s=300.0), {"economizer": 0.1} if control == "actuator" else None)
    envs.reset(seed=0)
    adversary = BangBang(envs, seed=0, change=0.5)
    before, moved = envs.commands, np.zeros(len(envs.action_names))
    for _ in range(60):
        _, _, tripped, _, info = envs.step(adversary())
        change = np.abs(envs.commands - before)
        assert (change <= envs.most + ROUND_OFF).all()
        if tripped.any():
            envs.reset(options={"reset_mask": tripped})
        moved, before = np.maximum(moved, change.max(axis=0)), envs.commands
    assert (moved >= np.minimum(envs.most, 0.2) - ROUND_OFF).all()  # it uses what it is allowed
    assert info["safety_rate_limit"].any()


def test_rates_are_in_units_a_minute() -> None:
    envs = RateLimit(_envs(1, step_s=120.0), {"airflow": 0.02})
    envs.reset(seed=0)
    before = envs.commands[0]
    envs.step(envs.encode_actions(np.array([[8.8, 29.0, 27.0, 1.0]])))
    moved = dict(zip(envs.action_names, envs.commands[0] - before, strict=True))
    assert moved["zone0.airflow"] == pytest.approx(0.04, abs=ROUND_OFF)
    assert moved["zone0.supply_air_setpoint_c"] == pytest.approx(0.66, abs=ROUND_OFF)


def test_limits_are_never_exceeded_and_rules_narrow_them(tmp_path: Path) -> None:
    file = tmp_path / "limits.yaml"
    file.write_text(
        "limits:\n  airflow: [0.45, 0.8]\nrules:\n"
        "  - {reading: outdoor_dry_bulb_c, above: -30, control: supply_air_setpoint_c, range: [16, 22]}\n"
        "  - {reading: outdoor_dry_bulb_c, above: 55, control: chilled_water_setpoint_c, range: [5, 6]}\n"
    )
    envs = ActionLimits(_envs(3), file)
    envs.reset(seed=0)
    adversary, seen = BangBang(envs, seed=1, change=0.5), []
    for _ in range(40):
        envs.step(adversary())
        seen.append(envs.commands)
    low, high = np.min(seen, axis=(0, 1)), np.max(seen, axis=(0, 1))
    assert low == pytest.approx([5.0, 15.56, 16.0, 0.45], abs=ROUND_OFF)
    assert high == pytest.approx([8.8, 29.44, 22.0, 0.8], abs=ROUND_OFF)


def test_a_rule_holds_where_its_sensor_is_dead() -> None:
    rule = {"reading": "outdoor_wet_bulb_c", "above": 55, "control": "supply_air_setpoint_c", "range": [14, 18]}
    envs = ActionLimits(_envs(2), {"rules": [rule]})
    envs.reset(seed=0, options={"faults": [[{"kind": "sensor_dropout", "unit": "outdoor_wet_bulb_c"}], []]})
    for _ in range(2):
        envs.step(envs.encode_actions(np.tile([8.0, 20.0, 24.0, 0.7], (2, 1))))
    assert envs.commands[:, 2] == pytest.approx([18.0, 24.0], abs=ROUND_OFF)


def test_what_is_pinned_stays_where_it_is_until_it_is_released() -> None:
    envs = safe(_envs(3))
    envs.reset(seed=0)
    adversary = BangBang(envs, seed=0)
    envs.pin("airflow", 0.7, hall=1)
    for _ in range(10):
        _, _, _, _, info = envs.step(adversary())
        assert envs.commands[1, 3] == pytest.approx(0.7, abs=ROUND_OFF)
        assert info["safety_override"].tolist() == [False, True, False]
    envs.release(hall=1)
    seen = set()
    for _ in range(10):
        _, _, _, _, info = envs.step(adversary())
        seen.add(round(float(envs.commands[1, 3]), 3))
        assert not info["safety_override"].any()
    assert len(seen) > 1


def test_good_actions_pass_untouched_bit_for_bit() -> None:
    plain, envs = _envs(3), safe(_envs(3))
    plain.reset(seed=5)
    envs.reset(seed=5)
    for _ in range(100):
        a, b = plain.step(plain.default_actions()), envs.step(envs.default_actions())
        np.testing.assert_array_equal(a[0], b[0])
        np.testing.assert_array_equal(a[1], b[1])
        assert not any(b[4][f"safety_{name}"].any() for name in ("rate_limit", "verification", "failover"))


def test_the_independent_check_is_on_the_safe_side_of_the_plant() -> None:
    """What it lets pass, held for hours on a sound hall, does not break the limit."""
    for control, plant in (("supervisory", "hall_1mw"), ("actuator", "hall_1mw"), ("supervisory", "small_room")):
        envs = TwoLayerVerification(_envs(64, plant=plant, control=control, workload="constant:0.6"))
        envs.reset(seed=0)
        low, high = envs.setup.action_bounds()
        values = low + np.random.default_rng(0).random((64, len(low))) * (high - low)
        passed = envs.passes(values)
        assert 3 <= passed.sum() <= 61
        _, hottest = _play(envs.unwrapped, lambda: envs.encode_actions(values), 8)  # noqa: B023
        assert (hottest[passed] <= inlet_limit(envs.unwrapped) + 0.5).all()
        assert (hottest > inlet_limit(envs.unwrapped)).sum() >= 3


def test_what_a_check_rejects_is_replaced() -> None:
    distrusts = lambda observations, values: np.array([True, False, True])  # noqa: E731
    envs = TwoLayerVerification(_envs(3), distrusts, fallback=maximum_cooling)
    envs.reset(seed=0)
    actions = np.stack([envs.default_actions()[0], envs.default_actions()[0], Worst(envs)()[0]])
    _, _, _, _, info = envs.step(actions)
    assert info["safety_verification"].tolist() == [False, True, True]
    np.testing.assert_allclose(envs.commands[0], envs.decode_actions(actions[0]), atol=ROUND_OFF)
    np.testing.assert_allclose(envs.commands[1], [5.0, 15.56, 14.0, 1.0], atol=ROUND_OFF)
    assert envs.commands[2, 3] > 0.35 and envs.commands[2, 2] < 27.0


def test_uncertain_actions_are_dropped() -> None:
    envs = UncertaintyDrop(_envs(3), lambda observations, actions: [0.9, 0.2, math.nan], fallback=maximum_cooling)
    envs.reset(seed=0)
    _, _, _, _, info = envs.step(envs.default_actions())
    assert info["safety_uncertainty"].tolist() == [False, True, True]
    assert envs.commands[:, 3] == pytest.approx([0.6, 1.0, 1.0], abs=ROUND_OFF)


def test_confidence_is_told_for_one_step() -> None:
    envs = UncertaintyDrop(_envs(2), threshold=0.8, fallback=maximum_cooling)
    envs.reset(seed=0)
    envs.tell([0.9, 0.7])
    assert envs.step(envs.default_actions())[4]["safety_uncertainty"].tolist() == [False, True]
    assert envs.step(envs.default_actions())[4]["safety_uncertainty"].all()  # none was told


def test_failover_takes_over_and_hands_back_smoothly() -> None:
    """The agent is silent in hall 0 for four steps: the rule takes over, stays for its dwell, hands back in steps."""
    rules = FailoverRules(dwell_s=2400.0, takeover_s=600.0, handback_s=1200.0)
    envs = Failover(_envs(2), fallback=maximum_cooling, rules=rules)
    envs.reset(seed=0)
    agent = envs.encode_actions(np.tile([8.0, 20.0, 20.0, 0.5], (2, 1)))
    envs.step(agent)
    silent = agent.copy()
    silent[0] = np.nan
    airflow = []
    for step in range(18):
        _, _, _, _, info = envs.step(silent if step < 4 else agent)
        airflow.append(float(envs.commands[0, 3]))
        assert info["safety_failover"].tolist() == [envs.share[0] > 0.0, False]
        assert info["safety_failover_cause"][1] == -1
    taken, handed = airflow.index(1.0), len(airflow) - airflow[::-1].index(1.0)
    assert taken == 1 and airflow[0] == pytest.approx(0.75, abs=ROUND_OFF)  # 600 s are two steps
    assert handed == 8  # its dwell of eight steps, from the first
    assert airflow[handed : handed + 4] == pytest.approx([0.875, 0.75, 0.625, 0.5], abs=ROUND_OFF)
    assert airflow[-1] == pytest.approx(0.5, abs=ROUND_OFF)


def test_heat_engages_failover_at_once_and_without_chatter() -> None:
    """Half the fans of the 10 MW hall's first zone fail, and the agent keeps them slow."""
    envs = Failover(_envs(1, plant="hall_10mw"))
    fans = [{"kind": "fan", "unit": unit, "at_s": HOUR_S, "for_s": 3 * HOUR_S} for unit in (0, 1)]
    envs.reset(seed=0, options={"faults": [fans]})
    engaged, agent = [], envs.encode_actions(np.tile([8.0, 20.0, *[24.0, 0.5] * 8], (1, 1)))
    for _ in range(12 * 8):
        _, _, terminated, _, info = envs.step(agent)
        engaged.append(bool(envs.engaged[0]))
        if info["safety_failover_cause"][0] == 0:
            assert envs.engaged[0] and envs.share[0] == 1.0
    assert not terminated.any() and any(engaged)
    starts = np.flatnonzero(np.diff(np.array([False, *engaged]).astype(int)) == 1)
    ends = np.flatnonzero(np.diff(np.array([*engaged, False]).astype(int)) == -1)
    assert (ends - starts + 1 >= 6)[:-1].all() and len(starts) >= 2  # 30 minutes at least; the last may be cut off


@pytest.mark.parametrize("kind", ["sensor_dropout", "sensor_freeze"])
def test_blindness_engages_failover(kind: str) -> None:
    envs = safe(_envs(2))
    names = [name for name in envs.observation_names if "inlet_m" in name]
    envs.reset(seed=0, options={"faults": [[{"kind": kind, "unit": name} for name in names], []]})
    for _ in range(8):
        _, _, _, _, info = envs.step(envs.default_actions())
    assert info["safety_failover"].tolist() == [True, False]
    assert info["safety_failover_cause"].tolist() == [1, -1]
    assert info["safety_monitor"].tolist() == [True, False]


def test_a_link_that_is_reported_down_hands_over() -> None:
    envs = safe(_envs(2))
    envs.reset(seed=0)
    envs.report_lost(True, hall=1)
    assert envs.step(envs.default_actions())[4]["safety_failover"].tolist() == [False, True]


def test_without_failover_a_missing_action_is_an_error() -> None:
    envs = RateLimit(_envs(1))
    envs.reset(seed=0)
    with pytest.raises(ValueError, match="finite"):
        envs.step(np.full((1, 4), np.nan, dtype=np.float32))


def test_redundant_sensors_outvote_a_wrong_one() -> None:
    wrong = "zone0.zone_inlet_max_c#2"
    envs = Monitor(_envs(2, sensors={"set": "standard", "redundancy": 3}))
    faults = [[{"kind": "sensor_bias", "unit": wrong, "value": -15.0}], [{"kind": "sensor_dropout", "unit": wrong}]]
    envs.reset(seed=0, options={"faults": faults})
    for _ in range(5):
        envs.step(envs.default_actions())
    np.testing.assert_allclose(envs.hottest_c[:, 0], envs.reading("inlet_max_c"), atol=0.4)
    assert not envs.disagree.any()


@pytest.mark.parametrize("value", [-8.0, 8.0])
@pytest.mark.parametrize("name", ["zone0.zone_inlet_max_c", "zone0.zone_inlet_mean_c", "inlet_max_c"])
def test_one_wrong_inlet_sensor_never_hides_heat(name: str, value: float) -> None:
    envs = Monitor(_envs(1))
    envs.reset(seed=0, options={"faults": [[{"kind": "sensor_bias", "unit": name, "value": value}]]})
    for _ in range(5):
        envs.step(envs.default_actions())
    assert envs.hottest_c[0, 0] > envs.reading("inlet_max_c")[0] - 1.0


def test_a_steady_hall_with_perfect_sensors_is_not_taken_for_frozen() -> None:
    envs = Monitor(_envs(1, sensors="perfect", workload="constant:0.5", load_noise=0.0))
    envs.reset(seed=0)
    for _ in range(30):
        _, _, _, _, info = envs.step(envs.default_actions())
        assert not info["safety_monitor"].any()


@pytest.mark.parametrize("control", ["supervisory", "actuator"])
def test_state_round_trip_is_bit_exact(control: str) -> None:
    def make() -> Any:
        envs = safe(_envs(4, control=control, faults="severe"), confidence=lambda o, a: np.abs(a[:, 0]) + 0.3)
        envs.reset(seed=3)
        return envs

    def follow(envs: Any) -> list[NDArray[Any]]:
        adversary, said = BangBang(envs, seed=9), []
        for step in range(40):
            actions = adversary()
            actions[step % 4] = np.nan if step % 5 == 0 else actions[step % 4]
            observations, rewards, *_, info = envs.step(actions)
            said += [observations, rewards, envs.commands, *(v for k, v in info.items() if k.startswith("safety"))]
        return said

    first = make()
    first.pin("chilled_water_setpoint_c", 6.5, hall=2)
    follow(first)
    state = first.get_state()
    expected = follow(first)
    second = make()
    second.set_state(state)
    for resumed in (second, first):
        resumed.set_state(state)
        for a, b in zip(expected, follow(resumed), strict=True):
            np.testing.assert_array_equal(a, b)


def test_a_state_of_other_layers_is_refused() -> None:
    envs, other = safe(_envs(1)), RateLimit(_envs(1))
    envs.reset(seed=0)
    other.reset(seed=0)
    with pytest.raises(ValueError, match="other safety layers"):
        envs.set_state(other.get_state())


@pytest.mark.parametrize("mode", ["same_step", "next_step"])
def test_counts_are_in_the_verdict_and_metrics_and_begin_anew(mode: str) -> None:
    envs = safe(_envs(2, autoreset_mode=mode, max_episode_steps=5))
    envs.reset(seed=0)
    verdicts = []
    for _ in range(14):
        actions = np.stack([envs.default_actions()[0], Worst(envs)()[0]])
        _, _, _, truncated, info = envs.step(actions)
        if truncated.any():
            verdicts.append(info["final_info"] if mode == "same_step" else info)
    assert len(verdicts) == 2
    for verdict in verdicts:
        assert verdict["safety_steps"].tolist() == [5, 5]
        assert verdict["safety_rate_limit_steps"].tolist() == [0, 5]
        assert verdict["safety_failover_steps"].tolist() == [0, 0]
        assert verdict["safety_interventions_steps"].tolist() == [0, 5]
    values = envs.metadata["metrics"]["values"]
    assert values["safety_rate_limit"] == ["safety_rate_limit_steps", "safety_steps"]
    assert values["safety_interventions"] == ["safety_interventions_steps", "safety_steps"]
    assert {"safety_verification", "safety_failover", "safety_override", "PUE"} <= set(values)


def test_a_hall_in_a_batch_is_what_it_is_alone() -> None:
    single = CoolingEnv(plant="hall_1mw", start=200, safety="standard")
    batch = safe(_envs(3))
    one, _ = single.reset(seed=11)
    three, _ = batch.reset(seed=[11, 12, 13])
    worst = Worst(batch)()
    for _ in range(20):
        np.testing.assert_array_equal(one, three[0])
        one, reward, *_, info = single.step(worst[0])
        three, rewards, *_, infos = batch.step(worst)
        assert reward == rewards[0] and info["safety_verification"] == infos["safety_verification"][0]


@pytest.mark.filterwarnings("ignore:.*spec.*:UserWarning")
def test_the_single_environment_keeps_gymnasiums_contract() -> None:
    check_env(CoolingEnv(plant="small_room", episode_days=0.1, safety="standard"), skip_render_check=True)


def test_layers_compose_in_any_order_and_can_be_found() -> None:
    envs = Failover(ActionLimits(TwoLayerVerification(OperatorOverride(RateLimit(_envs(1))))))
    envs.reset(seed=0)
    envs.step(Worst(envs)())
    assert find_layer(envs, RateLimit) is not None and find_layer(envs, UncertaintyDrop) is None
    assert find_layer(envs, Monitor) is not None
    assert default_rule(envs).shape == (1, 4)


@pytest.mark.parametrize(
    "make,complaint",
    [
        (lambda: RateLimit(_envs(1), {"airflw": 0.1}), "did you mean 'airflow'"),
        (lambda: RateLimit(_envs(1), {"airflow": 0}), "above 0"),
        (lambda: ActionLimits(_envs(1), {"limit": {}}), "did you mean 'limits'"),
        (lambda: ActionLimits(_envs(1), {"limits": {"airflow": [0.9, 0.1]}}), "lowest, highest"),
        (lambda: ActionLimits(_envs(1), {"limits": {"airflow": [2, 3]}}), "must overlap"),
        (lambda: ActionLimits(_envs(1), {"rules": [{"reading": "x"}]}), "range of a rule"),
        (
            lambda: ActionLimits(
                _envs(1), {"rules": [{"reading": "inlet_mx_c", "above": 1, "control": "airflow", "range": [0, 1]}]}
            ),
            "did you mean 'inlet_max_c'",
        ),
        (lambda: ActionLimits(_envs(1), "nowhere.yaml"), "cannot read"),
        (lambda: OperatorOverride(_envs(1)).pin("airflow", 3.0), "can be pinned from"),
        (lambda: OperatorOverride(_envs(1)).pin("airflow", 0.5, hall=4), "hall is a whole number"),
        (lambda: FailoverRules(dwell_s=-1.0), "dwell_s"),
        (lambda: layers_of("standrd"), "did you mean 'standard'"),
        (lambda: layers_of(3), "unknown safety 3"),
        (lambda: layers_of({"rate": {}}), "did you mean 'rates'"),
        (lambda: layers_of({"failover": {"dwel_s": 3}}), "did you mean 'dwell_s'"),
        (lambda: layers_of({"failover": {"dwell_s": "long"}}), "dwell_s of a failover is a number"),
    ],
)
def test_mistakes_are_told(make: Any, complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        make()


def test_the_example_of_the_docs_runs(capsys: pytest.CaptureFixture[str]) -> None:
    page = Path(__file__).resolve().parents[3] / "docs" / "cooling-safety.md"
    (code,) = re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL)
    exec(compile(code, str(page), "exec"), {})
    assert "True" in capsys.readouterr().out


def test_the_study_plays_whole_episodes() -> None:
    envs = study.make_halls("small_room", 0, "none", layer=True, n=2)
    result = study.play(envs, lambda: study.warm_actions(envs.unwrapped))
    assert result["trips"] == 0.0 and 1.0 < result["mwh"] < 5.0 and 0.0 < result["verification"] < 1.0


def test_an_argument_puts_layers_around_the_batch_and_the_single_hall() -> None:
    config = {"rates": {"airflow": 0.01}, "limits": {"limits": {"airflow": [0.5, 0.8]}}, "failover": {"dwell_s": 600}}
    arguments = {"plant": "hall_1mw", "safety": config}
    envs: Any = gymnasium.make_vec("rlkit/DataCenterCooling-v0", num_envs=2, **arguments)
    env: Any = gymnasium.make("rlkit/DataCenterCooling-v0", **arguments)
    envs.reset(seed=[4, 5])
    env.reset(seed=4)
    worst = Worst(envs)()
    for _ in range(4):
        _, rewards, *_, infos = envs.step(worst)
        _, reward, *_, info = env.step(worst[0])
        assert infos["safety_interventions"].all() and info["safety_interventions"] and reward == rewards[0]
    assert envs.commands[:, 3] == pytest.approx(0.5, abs=ROUND_OFF)  # from the default 0.6 by 0.05 a step, to its limit
    assert find_layer(envs, Failover).rules.dwell_s == 600  # type: ignore[union-attr]
    plain: Any = gymnasium.make_vec("rlkit/DataCenterCooling-v0", num_envs=2, plant="hall_1mw", safety="none")
    assert plain is plain.unwrapped


def test_state_of_the_single_hall_goes_back_with_its_layers() -> None:
    env = CoolingEnv(plant="hall_1mw", faults="severe", safety="standard")
    env.reset(seed=2)
    worst = env.encode_action(np.array([8.8, 29.0, 27.0, 0.3]))
    for _ in range(10):
        env.step(worst)
    state = env.get_state()
    first = [env.step(worst) for _ in range(20)]
    env.set_state(state)
    for one in first:
        other = env.step(worst)
        np.testing.assert_array_equal(one[0], other[0])
        assert one[1:4] == other[1:4] and one[4]["safety_verification"] == other[4]["safety_verification"]


@pytest.mark.parametrize("control", ["supervisory", "actuator"])
def test_a_plant_without_chilled_water_in_a_zone_is_checked_too(control: str) -> None:
    """EnergyPlus' west zone has a direct-expansion coil: the check trusts it as far as it reaches, and no farther."""
    envs = TwoLayerVerification(_envs(2, plant="two_zone_energyplus", control=control, workload="constant:0.6"))
    envs.reset(seed=0)
    low, high = envs.setup.action_bounds()
    names, values = list(envs.action_names), np.stack([high, high])
    for name in names:
        if name.endswith("setpoint_c"):
            values[:, names.index(name)] = low[names.index(name)]
    if control == "actuator":
        values[1, names.index("zone0.valve_position")] = 0.0  # the coil stands still
    else:
        values[1, names.index("zone0.supply_air_setpoint_c")] = 27.0
    inlets = envs.model.inlets(values)
    assert np.isfinite(inlets).all() and (inlets[0] < 25.0).all() and inlets[1, 0] > inlets[0, 0] + 2.0


def test_the_model_is_no_cooler_than_its_own_equations_settle() -> None:
    """Its shortcuts to the fixed point, against plain iteration until nothing moves."""
    envs = TwoLayerVerification(_envs(64, plant="two_zone", control="actuator"))
    envs.reset(seed=1)
    low, high = envs.setup.action_bounds()
    values = low + np.random.default_rng(2).random((64, len(low))) * (high - low)
    model = envs.model
    quick = model.inlets(values)
    plain = np.array([[_iterated(model, values, i, z) for z in range(2)] for i in range(64)])
    assert (quick >= plain - 0.05).all()
    assert (np.abs(quick - plain) < 0.05).mean() > 0.95


def _iterated(model: Any, values: NDArray[np.float64], hall: int, zone: int) -> float:
    p, z = model._plant.view(np.recarray)[0], model._zones.view(np.recarray)[zone]
    seen = model._seen()
    speed = values[hall, z.airflow] * seen.fans_available[hall, zone]
    crah = max(z.handler_w_k * speed, 1.0)
    chilled = max(values[hall, p.chilled], seen.values[hall, p.chilled_supply])
    water = values[hall, z.valve] * values[hall, p.pump]
    per_w = max(1.0 / steady._coil(z, speed, water) - 1.0 / crah, 0.0)
    load = steady._utilisation(hall, p, z, 2, seen.values)
    warmest = steady._outdoor_supply(hall, p, z, seen.values)
    inlet, before = chilled, -1.0
    for _ in range(100_000):
        if abs(inlet - before) < 1e-9:
            break
        before, air = inlet, z.server_air_w_k * steady._flow_share(p, load, inlet)
        heat = z.peak_w * steady._power_share(p, load, inlet) + z.other_w + z.fan_w * speed**2 * z.heat_to_air
        missing = max(1.0 - crah / air, 0.0)
        drawn = missing + (1.0 - missing) * z.recirculation
        inlet = min(min(chilled + heat * per_w, warmest) + drawn * heat / min(crah, air), steady.HOTTEST_C)
    return float(inlet)
