"""What is said of an episode agrees with the meters and with the definitions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from rlkit.envs.cooling.metrics import METRICS, VERDICT
from rlkit.envs.cooling.vector import CoolingVectorEnv


def episode(**task: Any) -> tuple[CoolingVectorEnv, dict[str, np.ndarray], list[dict[str, np.ndarray]]]:
    """A day with set points that change every hour: the hall, its verdicts, and every step's true readings."""
    envs = CoolingVectorEnv(3, autoreset_mode="disabled", **task)
    envs.reset(seed=2)
    rng = np.random.default_rng(0)
    log: list[dict[str, np.ndarray]] = []
    infos: dict[str, Any] = {}
    actions = envs.default_actions()
    for step in range(envs.max_episode_steps or 0):
        if step % 12 == 0:
            actions = np.clip(envs.default_actions() + rng.normal(0.0, 0.3, actions.shape), -1, 1).astype(np.float32)
        infos = envs.step(actions)[4]
        log.append({**dict(zip(envs.reading_names, envs.readings().T, strict=True)), "cost": infos["cost"]})
    return envs, infos, log


@pytest.fixture(scope="module", params=["two_zone", "hall_1mw"])
def day(request: pytest.FixtureRequest) -> tuple[CoolingVectorEnv, dict[str, np.ndarray], list[dict[str, np.ndarray]]]:
    return episode(plant=request.param, weather="hot_humid")


def total(log: list[dict[str, np.ndarray]], name: str) -> np.ndarray:
    return np.sum([record[name] for record in log], axis=0)


def test_energies_are_the_meters(day: Any) -> None:
    _, verdict, log = day
    facility, it = total(log, "facility_energy_kwh"), total(log, "it_energy_kwh")
    np.testing.assert_allclose(verdict["energy_kwh"], facility, rtol=1e-12)
    np.testing.assert_allclose(verdict["it_energy_kwh"], it, rtol=1e-12)
    np.testing.assert_allclose(verdict["water_l"], total(log, "water_l"), rtol=1e-12)
    cooling = sum(
        total(log, f"{name}_energy_kwh")
        for name in ("fan", "chilled_water_pump", "condenser_pump", "chiller", "tower_fan")
    )
    np.testing.assert_allclose(verdict["cooling_energy_kwh"], cooling, rtol=1e-9)


def test_ratios_are_of_sums_not_means_of_ratios(day: Any) -> None:
    _, verdict, log = day
    facility, it, fans = (total(log, f"{name}_energy_kwh") for name in ("facility", "it", "server_fan"))
    np.testing.assert_allclose(verdict["PUE"], facility / it, rtol=1e-12)
    np.testing.assert_allclose(verdict["TUE"], facility / it * it / (it - fans), rtol=1e-12)
    np.testing.assert_allclose(verdict["WUE"], total(log, "water_l") / it, rtol=1e-12)
    assert (verdict["TUE"] > verdict["PUE"]).all() and (verdict["PUE"] > 1.0).all()


def test_compliance_is_that_of_the_racks(day: Any) -> None:
    envs, verdict, log = day
    racks = [name for name in envs.reading_names if name.startswith("rack") and name.endswith(".inlet_c")]
    inlets = np.array([[record[name] for name in racks] for record in log])  # steps, racks, halls
    over, under = np.maximum(inlets - 27.0, 0.0), np.maximum(18.0 - inlets, 0.0)
    np.testing.assert_allclose(verdict["RCI_hi"], 1.0 - over.mean((0, 1)) / 5.0, rtol=1e-9)
    np.testing.assert_allclose(verdict["RCI_lo"], 1.0 - under.mean((0, 1)) / 3.0, rtol=1e-9)
    beyond = over.max(1) + under.max(1)
    np.testing.assert_allclose(verdict["violation_minutes"], 5.0 * (beyond > 0.0).sum(0))
    np.testing.assert_allclose(verdict["degree_minutes"], 5.0 * beyond.sum(0), rtol=1e-9, atol=1e-9)
    np.testing.assert_array_equal(verdict["is_success"], verdict["violation_minutes"] == 0.0)
    assert verdict["violation_minutes"].max() > 0.0
    np.testing.assert_allclose(verdict["constraint_cost"], total(log, "cost"), rtol=1e-12)


def test_supply_heat_index_is_weighted_by_power(day: Any) -> None:
    envs, verdict, log = day
    zones = range(len(envs.setup.plant.zones))
    heat = sum(r[f"zone{z}.supply_heat_index"] * r[f"zone{z}.zone_it_power_kw"] for r in log for z in zones)
    np.testing.assert_allclose(verdict["SHI"], heat / 12.0 / verdict["it_energy_kwh"], rtol=1e-9)
    assert ((0.0 < verdict["SHI"]) & (verdict["SHI"] < 0.5)).all()


def test_wear_is_counted(day: Any) -> None:
    envs, verdict, log = day
    np.testing.assert_array_equal(verdict["chiller_starts"], total(log, "chiller_starts"))
    modes = np.array([record["economizer_mode"] for record in log])
    assert (verdict["mode_changes"] >= (np.diff(modes, axis=0) != 0).sum(0)).all()


def test_metrics_name_fields_of_the_verdict() -> None:
    for sources in METRICS["values"].values():
        for source in [sources] if isinstance(sources, str) else sources:
            assert source in (VERDICT.names or ())
    assert METRICS["prefix"] == "cooling"
