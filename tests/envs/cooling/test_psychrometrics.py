"""Moist air against psychrolib, the published implementation of the same handbook chapter."""

from __future__ import annotations

import numpy as np
import pytest

from rlkit.envs.cooling import psychrometrics as psy

psychrolib = pytest.importorskip("psychrolib", reason="psychrolib is the oracle: pip install psychrolib")


@pytest.fixture(scope="module", autouse=True)
def si_units() -> None:
    psychrolib.SetUnitSystem(psychrolib.SI)


@pytest.fixture(scope="module")
def states() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Dry bulb, relative humidity and pressure from a cold mountain to a hot coast."""
    rng = np.random.default_rng(0)
    n = 3000
    return rng.uniform(-30, 50, n), rng.uniform(0.02, 1.0, n), rng.uniform(75e3, 104e3, n)


def oracle(function, *arguments):
    return np.array([function(*row) for row in zip(*arguments, strict=True)])


def test_saturation_pressure(states):
    t = states[0]
    np.testing.assert_allclose(psy.saturation_pressure_pa(t), oracle(psychrolib.GetSatVapPres, t), rtol=1e-12)


def test_humidity_ratio_enthalpy_and_density(states):
    t, rh, p = states
    w = psy.humidity_ratio_from_relative_humidity(t, rh, p)
    expected = oracle(psychrolib.GetHumRatioFromRelHum, t, rh, p)
    np.testing.assert_allclose(w, np.maximum(expected, w * (expected <= 1e-7)), rtol=1e-9)
    np.testing.assert_allclose(
        psy.enthalpy_j_kg(t, w), oracle(psychrolib.GetMoistAirEnthalpy, t, w), rtol=1e-9, atol=1e-6
    )
    np.testing.assert_allclose(psy.density_kg_m3(t, w, p), oracle(psychrolib.GetMoistAirDensity, t, w, p), rtol=1e-4)


def test_wet_bulb_within_5_mk_of_psychrolib(states):
    t, rh, p = states
    w = psy.humidity_ratio_from_relative_humidity(t, rh, p)
    water, ice = (psy.humidity_ratio_from_wet_bulb(t, freezing, p) for freezing in (0.0, -1e-9))
    two_solutions = (w >= water) & (w <= ice)  # ASHRAE's branches overlap at 0 C; either answer is right
    keep = ~two_solutions & (w > 1e-7)  # psychrolib's lowest humidity ratio
    assert keep.mean() > 0.9
    expected = oracle(psychrolib.GetTWetBulbFromHumRatio, t[keep], w[keep], p[keep])
    assert np.abs(psy.wet_bulb_c(t[keep], w[keep], p[keep]) - expected).max() < 0.005


def test_dew_point_within_5_mk_of_psychrolib(states):
    t, rh, p = states
    w = psy.humidity_ratio_from_relative_humidity(t, rh, p)
    keep = w > 1e-6
    expected = oracle(psychrolib.GetTDewPointFromHumRatio, t[keep], w[keep], p[keep])
    assert np.abs(psy.dew_point_c(w[keep], p[keep]) - expected).max() < 0.005


def test_wet_bulb_and_humidity_ratio_are_inverse(states):
    t, rh, p = states
    w = psy.humidity_ratio_from_relative_humidity(t, rh, p)
    wet = psy.wet_bulb_c(t, w, p)
    back = psy.humidity_ratio_from_wet_bulb(t, wet, p)
    np.testing.assert_allclose(back, w, rtol=1e-7, atol=1e-11)
    assert (wet <= t).all()
    assert (wet >= psy.dew_point_c(w, p) - 1e-6).all()


def test_relative_humidity_round_trip(states):
    t, rh, p = states
    w = psy.humidity_ratio_from_relative_humidity(t, rh, p)
    np.testing.assert_allclose(psy.relative_humidity(t, w, p), rh, rtol=1e-12)


def test_broadcasting_keeps_the_shape():
    out = psy.wet_bulb_c(np.full((2, 1), 30.0), np.full((1, 3), 0.01), 101325.0)
    assert out.shape == (2, 3)
