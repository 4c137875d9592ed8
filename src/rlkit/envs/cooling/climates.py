"""Synthetic years of weather, so that the environment runs without a file.

A year is a sum of harmonics and of first-order autoregressive noise, hour by hour, as is usual for synthetic weather
(e.g. Magnano, Boland and Hyndman 2008, "Generation of synthetic sequences of half-hourly temperature"):

    dry bulb  = mean - annual cos(2 pi (day - coldest) / 365)
                + sun * (diurnal cos(2 pi (hour - 14.6) / 24) + second cos(4 pi (hour - 13) / 24)) + front
    dew point = dew mean - dew annual cos(2 pi (day - coldest - 5) / 365) + moisture, kept below the dry bulb
    pressure  = standard pressure at the elevation + swing
    wind      = Rayleigh speed with an afternoon maximum, slowly turning direction

``front``, ``moisture`` and ``swing`` are correlated noises (lows are warm and moist), larger in winter and without far
outliers, with an e-folding time of 36 hours; ``sun`` is a factor about 1 (clear and overcast days). All but ``hot_dry``
were fitted by least squares to a TMY3 file: harmonics, spreads of the residuals and correlations are that file's.
Nothing of a file itself is in here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rlkit.envs.cooling.weather import Weather, humidity_from_dew_point, make_weather
from rlkit.errors import nearest

HOURS = 8760
MEMORY_H = 36.0  # residuals of TMY3 temperatures correlate by about 0.5 over a day
PRESSURE_WINTER = 0.35  # by which share the pressure swings more in mid-winter
SUN_MEMORY_H = 24.0
SUN_SPREAD = 0.35
WIND_MEMORY_H = 5.0
FOG_K = 1.2  # how gently the dew point gives way to a falling dry bulb
TURN_DEG = 25.0  # hourly spread of the wind's change of direction
BEND_SCALE = 1.2003  # one over the spread of 2 tanh(z / 2), z standard normal
RAYLEIGH_MEAN = np.sqrt(np.pi / 2)


@dataclass(frozen=True, kw_only=True)
class Climate:
    """What a year of weather is drawn from; temperatures in C (differences in K).

    Attributes:
        resembles: The place it was fitted to, or what it stands for.
        elevation_m: Above sea level.
        mean_c: Annual mean of the dry bulb.
        annual_c: Amplitude of its annual wave.
        diurnal_c: Amplitude of its daily wave.
        second_c: Amplitude of its half-daily wave.
        front_c: Standard deviation of its noise, over the year.
        front_winter: By which share the noise is larger in mid-winter, and smaller in mid-summer.
        dew_mean_c: Annual mean of the dew point.
        dew_annual_c: Amplitude of its annual wave.
        dew_noise_c: Standard deviation of its noise, over the year.
        dew_winter: As ``front_winter``, for the dew point.
        dew_with_dry: Correlation of the two noises.
        pressure_noise_pa: Standard deviation of the pressure.
        pressure_with_dry: Correlation of pressure and dry bulb.
        wind_m_s: Mean wind speed.
        wind_diurnal_m_s: Amplitude of its daily wave.
        coldest_day: Day of the year (from 1) with the coldest mean.
    """

    resembles: str
    elevation_m: float
    mean_c: float
    annual_c: float
    diurnal_c: float
    second_c: float
    front_c: float
    front_winter: float
    dew_mean_c: float
    dew_annual_c: float
    dew_noise_c: float
    dew_winter: float
    dew_with_dry: float
    pressure_noise_pa: float
    pressure_with_dry: float
    wind_m_s: float
    wind_diurnal_m_s: float
    coldest_day: float = 16.0


CLIMATES: dict[str, Climate] = {
    "temperate": Climate(
        resembles="Sterling, Virginia (humid subtropical to continental)",
        elevation_m=82,
        mean_c=12.7,
        annual_c=12.1,
        diurnal_c=4.45,
        second_c=0.87,
        front_c=4.97,
        front_winter=0.3,
        dew_mean_c=6.4,
        dew_annual_c=12.8,
        dew_noise_c=5.81,
        dew_winter=0.42,
        dew_with_dry=0.74,
        pressure_noise_pa=709,
        pressure_with_dry=-0.38,
        wind_m_s=3.3,
        wind_diurnal_m_s=1.09,
    ),
    "marine": Climate(
        resembles="San Francisco, California (cool summers, mild winters)",
        elevation_m=2,
        mean_c=13.8,
        annual_c=3.1,
        diurnal_c=2.98,
        second_c=0.83,
        front_c=2.28,
        front_winter=0.06,
        dew_mean_c=8.9,
        dew_annual_c=2.6,
        dew_noise_c=2.71,
        dew_winter=0.46,
        dew_with_dry=0.32,
        pressure_noise_pa=394,
        pressure_with_dry=-0.22,
        wind_m_s=4.7,
        wind_diurnal_m_s=1.76,
        coldest_day=25.5,
    ),
    "hot_dry": Climate(
        resembles="a low desert (chosen by hand, not fitted)",
        elevation_m=340,
        mean_c=23.5,
        annual_c=11.0,
        diurnal_c=6.5,
        second_c=1.2,
        front_c=3.2,
        front_winter=0.2,
        dew_mean_c=4.0,
        dew_annual_c=5.0,
        dew_noise_c=5.5,
        dew_winter=0.2,
        dew_with_dry=-0.1,
        pressure_noise_pa=380,
        pressure_with_dry=-0.3,
        wind_m_s=2.8,
        wind_diurnal_m_s=0.7,
    ),
    "hot_humid": Climate(
        resembles="Tampa, Florida (humid subtropical, long summers)",
        elevation_m=6,
        mean_c=22.3,
        annual_c=6.4,
        diurnal_c=3.78,
        second_c=1.02,
        front_c=3.49,
        front_winter=0.48,
        dew_mean_c=17.3,
        dew_annual_c=6.6,
        dew_noise_c=4.61,
        dew_winter=0.7,
        dew_with_dry=0.79,
        pressure_noise_pa=400,
        pressure_with_dry=-0.33,
        wind_m_s=3.3,
        wind_diurnal_m_s=1.12,
    ),
    "cold": Climate(
        resembles="Chicago, Illinois (humid continental, hard winters)",
        elevation_m=201,
        mean_c=10.0,
        annual_c=14.2,
        diurnal_c=3.44,
        second_c=0.72,
        front_c=5.30,
        front_winter=0.26,
        dew_mean_c=4.3,
        dew_annual_c=13.4,
        dew_noise_c=5.69,
        dew_winter=0.27,
        dew_with_dry=0.82,
        pressure_noise_pa=710,
        pressure_with_dry=-0.41,
        wind_m_s=4.6,
        wind_diurnal_m_s=0.95,
    ),
    "highland": Climate(
        resembles="Golden, Colorado (dry, 1,829 m up, thin air)",
        elevation_m=1829,
        mean_c=9.8,
        annual_c=11.3,
        diurnal_c=5.04,
        second_c=1.11,
        front_c=5.48,
        front_winter=0.29,
        dew_mean_c=-0.6,
        dew_annual_c=9.0,
        dew_noise_c=4.70,
        dew_winter=0.2,
        dew_with_dry=0.20,
        pressure_noise_pa=525,
        pressure_with_dry=0.09,
        wind_m_s=4.0,
        wind_diurnal_m_s=0.63,
        coldest_day=19.5,
    ),
}


def standard_pressure_pa(elevation_m: float) -> float:
    """Pressure of the standard atmosphere (ASHRAE Handbook of Fundamentals 2017, chapter 1, eq. 3)."""
    return float(101_325.0 * (1.0 - 2.25577e-5 * elevation_m) ** 5.2559)


def is_name(source: str) -> bool:
    """Whether a source names a climate, rightly or wrongly, rather than a file (which has a dot or a slash)."""
    return not any(mark in source for mark in "./\\~")


def synthesize(name: str) -> Weather:
    """A year of a climate.

    Args:
        name: A key of :data:`CLIMATES`, perhaps with the number of a year: ``"cold:3"``.

    Raises:
        ValueError: If there is no such climate, or the year is not a whole number >= 0.
    """
    climate_name, _, year = name.partition(":")
    if climate_name not in CLIMATES:
        raise ValueError(
            f"unknown weather {name!r}: {nearest(climate_name, CLIMATES)}; or give the path of an EPW or TMY3 file"
        )
    if year and not (year.isascii() and year.isdigit()):
        raise ValueError(f"the year of a climate is a whole number >= 0 such as '{climate_name}:3', got {name!r}")
    climate = CLIMATES[climate_name]
    number = int(year or 0)
    place = list(CLIMATES).index(climate_name)
    rng = np.random.default_rng(np.random.SeedSequence([place, number]))
    return _year(climate, rng, f"{climate_name}:{number}")


def _noise(shocks: NDArray[np.float64], memory_h: float) -> NDArray[np.float64]:
    """First-order autoregressive noise of spread 1 that runs on from the year's end to its beginning.

    Args:
        shocks: Standard normal, shape ``(hours, k)``.
        memory_h: E-folding time of the correlation.
    """
    decay = np.exp(-1.0 / memory_h)
    lead_in = int(12 * memory_h)  # correlation e^-12 with whatever it starts from
    state = np.zeros(shocks.shape[1])
    noise = np.empty_like(shocks)
    for hour in range(-lead_in, len(shocks)):
        state = decay * state + np.sqrt(1 - decay**2) * shocks[hour]
        if hour >= 0:
            noise[hour] = state
    return noise


def _year(climate: Climate, rng: np.random.Generator, source: str) -> Weather:
    hour = np.arange(HOURS)
    day = hour / 24.0
    annual = -np.cos(2 * np.pi * (day + 1 - climate.coldest_day) / 365)
    dew_annual = -np.cos(2 * np.pi * (day - 4 - climate.coldest_day) / 365)
    shocks = rng.standard_normal((HOURS, 7))
    front, moisture, swing = _bounded(_noise(_correlated(climate, shocks[:, :3]), MEMORY_H)).T
    sun = 1.0 + SUN_SPREAD * np.clip(_noise(shocks[:, 3:4], SUN_MEMORY_H)[:, 0], -2, 2)
    wave = climate.diurnal_c * np.cos(2 * np.pi * (hour - 14.6) / 24)
    wave += climate.second_c * np.cos(4 * np.pi * (hour - 13.0) / 24)
    front *= climate.front_c * _season(annual, climate.front_winter)
    moisture *= climate.dew_noise_c * _season(annual, climate.dew_winter)
    swing *= climate.pressure_noise_pa * _season(annual, PRESSURE_WINTER)
    dry_bulb = climate.mean_c + climate.annual_c * annual + sun * wave + front
    depression = dry_bulb - (climate.dew_mean_c + climate.dew_annual_c * dew_annual + moisture)
    dew_point = dry_bulb - FOG_K * np.logaddexp(0.0, depression / FOG_K)
    wind_afternoon = climate.wind_m_s + climate.wind_diurnal_m_s * np.cos(2 * np.pi * (hour - 14.5) / 24)
    gusts = np.hypot(*_noise(shocks[:, 4:6], WIND_MEMORY_H).T) / RAYLEIGH_MEAN
    turns = np.cumsum(TURN_DEG * (shocks[:, 6] - shocks[:, 6].mean()))  # back at the year's end where it began
    return make_weather(
        dry_bulb,
        dew_point,
        humidity_from_dew_point(dry_bulb, dew_point),
        standard_pressure_pa(climate.elevation_m) + swing,
        np.maximum(wind_afternoon, 0.0) * gusts,
        (225.0 + turns) % 360.0,
        step_s=3600.0,
        location=f"synthetic, like {climate.resembles}",
        elevation_m=climate.elevation_m,
        source=source,
    )


def _bounded(noise: NDArray[np.float64]) -> NDArray[np.float64]:
    """Standard normal noise bent so that it stays within 2.5 spreads, as air masses do; its spread stays 1."""
    return BEND_SCALE * 2.0 * np.tanh(noise / 2.0)


def _season(annual: NDArray[np.float64], winter: float) -> NDArray[np.float64]:
    """Scale of a noise that is larger in winter by this share; its mean square over the year is 1."""
    return (1.0 - winter * annual) / np.sqrt(1.0 + 0.5 * winter**2)


def _correlated(climate: Climate, shocks: NDArray[np.float64]) -> NDArray[np.float64]:
    """Shocks of dry bulb, dew point and pressure with the climate's correlations; all ``(hours, 3)``."""
    dry = shocks[:, 0]
    dew = climate.dew_with_dry * dry + np.sqrt(1 - climate.dew_with_dry**2) * shocks[:, 1]
    pressure = climate.pressure_with_dry * dry + np.sqrt(1 - climate.pressure_with_dry**2) * shocks[:, 2]
    return np.column_stack([dry, dew, pressure])
