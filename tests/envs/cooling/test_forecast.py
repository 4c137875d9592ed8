"""Forecasts: unbiased, with the stated error, converging."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from rlkit.envs.cooling.forecast import (
    Forecast,
    advance_forecast,
    forecast_rules,
    new_forecast_state,
    parse_forecast,
    show_forecast,
    start_forecast,
)
from rlkit.envs.cooling.weather import load_weather, value_at
from rlkit.envs.cooling.workload import LoadNoise, advance_noise, load_workload, noise_rule, start_noise
from rlkit.envs.streams import new_streams

LEADS = (1, 6, 24, 48)
HOUR_S = 3600.0
START_S = 100 * 86_400.0 + 1234.0


class Bench:
    """Forecasts in a temperate spring, for tests."""

    def __init__(self, forecast: Forecast, n: int, noise: LoadNoise | None = None, seed: int = 0) -> None:
        self.forecast, self.n = forecast, n
        self.noise_config = noise or LoadNoise(spread=0.0)
        self.rules = forecast_rules(forecast, self.noise_config)
        self.state = new_forecast_state(forecast, n)
        self.streams = new_streams(seed, n)
        self.weather, self.load = load_weather("temperate"), load_workload("constant:0.5")
        self.noise = np.zeros((n, 2))
        for i in range(n):
            start_forecast(i, START_S, self.rules, self.state, self.streams)

    def show(self, time_s: float, scaled: bool = False) -> np.ndarray:
        """Forecasts, shape ``(n, leads, 3)``."""
        out = np.full((self.n, 3 * len(self.forecast.leads_h)), np.nan)
        weather, load = (self.weather.table, self.weather.step_s), (self.load.table, self.load.step_s)
        for i in range(self.n):
            advance_forecast(i, time_s, self.rules, self.state, self.streams)
            show_forecast(i, time_s, time_s, self.rules, self.state, weather, load, self.noise, scaled, out, 0)
        return out.reshape(self.n, -1, 3)

    def truth(self, time_s: float) -> np.ndarray:
        """What comes: dry bulb, wet bulb, table of the load, shape ``(leads, 3)``."""
        weather, load = self.weather, self.load
        return np.array(
            [
                [
                    value_at(weather.table, weather.step_s, time_s + h * HOUR_S, 0),
                    value_at(weather.table, weather.step_s, time_s + h * HOUR_S, 6),
                    value_at(load.table, load.step_s, time_s + h * HOUR_S, 0),
                ]
                for h in self.forecast.leads_h
            ]
        )


@pytest.mark.parametrize("hours_later", [0.0, 30.5])
def test_errors_are_unbiased_and_as_large_as_stated(hours_later: float) -> None:
    forecast, n = Forecast(leads_h=LEADS, load_error=0.03), 20_000
    bench = Bench(forecast, n)
    time_s = START_S + hours_later * HOUR_S
    errors = bench.show(time_s) - bench.truth(time_s)
    for lead, hours in enumerate(LEADS):
        for variable in range(3):
            std = forecast.temperature_std_k(hours) if variable < 2 else forecast.load_std(hours, bench.noise_config)
            sample = errors[:, lead, variable]
            assert abs(sample.mean()) < 4 * std / np.sqrt(n)
            assert sample.std() == pytest.approx(std, rel=4 / np.sqrt(2 * n))
    assert forecast.temperature_std_k(24) == forecast.temperature_error_k
    assert forecast.temperature_std_k(1) < 0.4 * forecast.temperature_std_k(24) < forecast.temperature_std_k(48)


def test_load_error_includes_the_loads_own_noise() -> None:
    """What comes is simulated: the forecast's error against it has the stated size at every lead."""
    noise, n = LoadNoise(spread=0.04, memory_s=7200.0), 5_000
    forecast = Forecast(leads_h=(1, 2, 6), load_error=0.02)
    bench = Bench(forecast, n, noise)
    rule = noise_rule(noise, HOUR_S)
    for i in range(n):
        start_noise(i, rule, bench.streams, bench.noise)
    shown = bench.show(START_S)[:, :, 2]
    for hour in range(1, 7):
        for i in range(n):
            advance_noise(i, rule, bench.streams, bench.noise)
        if hour in forecast.leads_h:
            error = shown[:, forecast.leads_h.index(hour)] - (0.5 + bench.noise.mean(1))
            std = forecast.load_std(hour, noise, zones=2)
            assert error.std() == pytest.approx(std, rel=0.05) and abs(error.mean()) < 4 * std / np.sqrt(n)


def test_forecasts_of_one_hour_are_revised_without_a_pattern_and_converge() -> None:
    forecast, n = Forecast(leads_h=tuple(range(1, 13))), 3_000
    bench = Bench(forecast, n)
    hours = range(12)
    made = np.stack([bench.show(START_S + h * HOUR_S)[:, 11 - h, 0] for h in hours], axis=1)  # all for hour 12
    errors = made - bench.truth(START_S)[11, 0]
    spread = errors.std(0)
    assert (np.diff(spread) < 0).all() and spread[-1] == pytest.approx(forecast.temperature_std_k(1), rel=0.06)
    revisions = np.diff(errors, axis=1)
    correlations = np.corrcoef(revisions.T) - np.eye(11)
    assert np.abs(correlations).max() < 5 / np.sqrt(n)
    assert np.corrcoef(errors[:, 0], errors[:, 6])[0, 1] > 0.5


def test_errors_stay_within_an_hour_and_the_wet_bulb_below_the_dry() -> None:
    bench = Bench(Forecast(leads_h=(1, 24)), 50)
    hour_s = np.ceil(START_S / HOUR_S) * HOUR_S
    one = bench.show(hour_s) - bench.truth(hour_s)
    other = bench.show(hour_s + 3300.0) - bench.truth(hour_s + 3300.0)
    np.testing.assert_allclose(one, other, atol=1e-9)
    assert np.abs(bench.show(hour_s + 3600.0) - bench.truth(hour_s + 3600.0) - one).min() > 1e-6
    assert (bench.show(hour_s + 3600.0)[:, :, 1] <= bench.show(hour_s + 3600.0)[:, :, 0] + 1e-12).all()


def test_a_perfect_forecast_is_the_truth() -> None:
    bench = Bench(Forecast(leads_h=LEADS, temperature_error_k=0.0, load_error=0.0), 2)
    np.testing.assert_allclose(bench.show(START_S)[1], bench.truth(START_S))


def test_scaled_forecasts_follow_the_stated_ranges() -> None:
    bench = Bench(Forecast(leads_h=LEADS), 3)
    plain, scaled = bench.show(START_S).reshape(3, -1), bench.show(START_S, scaled=True).reshape(3, -1)
    columns = bench.forecast.columns()
    low, high = np.array([c[2] for c in columns]), np.array([c[3] for c in columns])
    np.testing.assert_allclose(scaled, 2 * (plain - low) / (high - low) - 1)
    assert [c[0] for c in columns[:3]] == ["dry_bulb_c_in_1h", "wet_bulb_c_in_1h", "load_in_1h"]


def test_rows_do_not_depend_on_the_batch() -> None:
    few, many = Bench(Forecast(), 2), Bench(Forecast(), 9)
    for step in range(40):
        time_s = START_S + step * 900.0
        np.testing.assert_array_equal(few.show(time_s), many.show(time_s)[:2])


@pytest.mark.parametrize(
    ("config", "complaint"),
    [
        ({"leads_h": [2, 1]}, "leads_h"),
        ({"leads_h": []}, "rising whole hours"),
        ({"leads_h": [1, 500]}, "from 1 to 168"),
        ({"temperature_error_k": -1.0}, "temperature_error_k of a forecast is >= 0"),
        ({"memory_h": 0.0}, "memory_h"),
        ({"lead_h": [1]}, "did you mean 'leads_h'"),
        ("yes", "expected keys and values"),
    ],
)
def test_wrong_configurations_are_told(config: Any, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        parse_forecast(config)


def test_configurations_are_understood() -> None:
    assert parse_forecast(None) is None and parse_forecast(False) is None and parse_forecast(True) == Forecast()
    assert parse_forecast({"leads_h": [1, 3]}) == Forecast(leads_h=(1, 3))
