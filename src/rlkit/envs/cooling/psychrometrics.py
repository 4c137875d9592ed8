"""Moist air after ASHRAE Handbook of Fundamentals 2017, chapter 1, in SI units.

Every relation stands once, as a scalar kernel that other kernels call (``saturation_pressure``, ``wet_bulb``, ...), and
a second time as a function over arrays that broadcasts (``saturation_pressure_pa``, ``wet_bulb_c``, ...: the same
name with its unit). Humidity ratios are kg of water per kg of dry air, enthalpies J per kg of dry air. Wet bulb is
solved at the site's pressure to round-off; explicit fits such as Stull's (2011) are off by up to 0.7 K.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rlkit.envs.jit import inlined

KELVIN = 273.15
TRIPLE_POINT_C = 0.01
MASS_RATIO = 0.621945  # molar mass of water over that of dry air, ASHRAE eq. 20
GAS_CONSTANT_DRY_AIR = 287.042  # J/(kg K), ASHRAE eq. 1
CP_DRY_AIR = 1006.0  # J/(kg K), ASHRAE eq. 30
CP_VAPOUR = 1860.0  # J/(kg K), ASHRAE eq. 30
LATENT_HEAT_0C = 2501e3  # J/kg, ASHRAE eq. 30
LATENT_HEAT_ICE = 2830e3  # J/kg, ASHRAE eq. 35

_MAX_ITERATIONS = 60
_WET_BULB_TOLERANCE_K = 1e-9
_DEW_POINT_TOLERANCE_K = 1e-5  # of the last step; the error after it is the square of that
_LOWEST_C = -100.0  # the fits end there
_HIGHEST_C = 200.0
_LOWEST_PA = 1.405e-3  # saturation pressure at -100 C
_ICE_CELLS, _CELLS = 101, 301  # of the table of the saturation pressure, a kelvin each
_FIRST_CELL_C = TRIPLE_POINT_C - _ICE_CELLS


# Hyland and Wexler 1983, ASHRAE eq. 5 and 6: of 1/T, 1, T, T^2, T^3, T^4 and log T.
_ICE = (-5.6745359e3, 6.3925247, -9.677843e-3, 6.2215701e-7, 2.0747825e-9, -9.484024e-13, 4.1635019)
_WATER = (-5.8002206e3, 1.3914993, -4.8640239e-2, 4.1764768e-5, -1.4452093e-8, 0.0, 6.5459673)


@inlined
def log_saturation_pressure(t_c: float) -> float:
    """Logarithm of the pressure of saturated vapour in Pa: Hyland and Wexler 1983, ASHRAE eq. 5 and 6."""
    t = t_c + KELVIN
    if t_c <= TRIPLE_POINT_C:
        c = _ICE
        return c[0] / t + c[1] + t * (c[2] + t * (c[3] + t * (c[4] + t * c[5]))) + c[6] * math.log(t)
    c = _WATER
    return c[0] / t + c[1] + t * (c[2] + t * (c[3] + t * c[4])) + c[6] * math.log(t)


def _saturation_table() -> NDArray[np.float64]:
    """Quintics through the saturation pressure, one for each kelvin: shape ``(cells, 6)``, lowest power first.

    Cells meet at the triple point, where the formula changes. Each quintic goes through six points of its cell
    (Chebyshev's).
    """
    cells = np.arange(_CELLS, dtype=np.float64)[:, None]
    places = 0.5 - 0.5 * np.cos(np.pi * (np.arange(6) + 0.5) / 6.0)
    t = _FIRST_CELL_C + cells + places + KELVIN
    ice, water = (
        c[0] / t + c[1] + t * (c[2] + t * (c[3] + t * (c[4] + t * c[5]))) + c[6] * np.log(t) for c in (_ICE, _WATER)
    )
    pressures = np.exp(np.where(cells < _ICE_CELLS, ice, water))
    table = np.linalg.solve(np.vander(places, increasing=True), pressures.T).T.copy()
    table.flags.writeable = False
    return table


_SATURATION = _saturation_table()


@inlined
def saturation_and_slope(t_c: float) -> tuple[float, float]:
    """Pressure of saturated vapour in Pa and its derivative in Pa/K, -100 to 200 C (beyond, that at the end).

    From a table: :func:`log_saturation_pressure` takes a logarithm, an exponential and a division, and this is what a
    step of a hall asks for most. Off the formula by at most 1e-11 (2e-10 below -60 C), relative; the slope by 1e-8.
    """
    u = min(max(t_c, _LOWEST_C), _HIGHEST_C) - _FIRST_CELL_C
    cell = min(max(int(u), 0), _CELLS - 1)
    x = u - cell
    c0, c1, c2 = _SATURATION[cell, 0], _SATURATION[cell, 1], _SATURATION[cell, 2]
    c3, c4, c5 = _SATURATION[cell, 3], _SATURATION[cell, 4], _SATURATION[cell, 5]
    pressure = c0 + x * (c1 + x * (c2 + x * (c3 + x * (c4 + x * c5))))
    return pressure, c1 + x * (2.0 * c2 + x * (3.0 * c3 + x * (4.0 * c4 + x * 5.0 * c5)))


@inlined
def saturation_pressure(t_c: float) -> float:
    """Pressure of saturated vapour in Pa over ice (-100 to 0.01 C) or water (to 200 C)."""
    return saturation_and_slope(t_c)[0]


@inlined
def log_saturation_slope(t_c: float) -> float:
    """Derivative of the logarithm of the saturation pressure, in 1/K."""
    t = t_c + KELVIN
    if t_c <= TRIPLE_POINT_C:
        c = _ICE
        return -c[0] / (t * t) + c[2] + t * (2.0 * c[3] + t * (3.0 * c[4] + t * 4.0 * c[5])) + c[6] / t
    c = _WATER
    return -c[0] / (t * t) + c[2] + t * (2.0 * c[3] + t * 3.0 * c[4]) + c[6] / t


@inlined
def saturated_humidity_ratio(t_c: float, pressure_pa: float) -> float:
    """Humidity ratio of saturated air, ASHRAE eq. 21."""
    p = saturation_pressure(t_c)
    return MASS_RATIO * p / (pressure_pa - p)


@inlined
def enthalpy(t_c: float, humidity_ratio: float) -> float:
    """Enthalpy of moist air in J/kg, ASHRAE eq. 30."""
    return CP_DRY_AIR * t_c + humidity_ratio * (LATENT_HEAT_0C + CP_VAPOUR * t_c)


@inlined
def humidity_ratio_at_wet_bulb(dry_bulb_c: float, wet_bulb_c: float, pressure_pa: float) -> float:
    """Humidity ratio from the wet bulb, ASHRAE eq. 33 (above freezing) and 35 (below)."""
    saturated = saturated_humidity_ratio(wet_bulb_c, pressure_pa)
    if wet_bulb_c >= 0.0:
        return ((2501.0 - 2.326 * wet_bulb_c) * saturated - 1.006 * (dry_bulb_c - wet_bulb_c)) / (
            2501.0 + 1.86 * dry_bulb_c - 4.186 * wet_bulb_c
        )
    return ((2830.0 - 0.24 * wet_bulb_c) * saturated - 1.006 * (dry_bulb_c - wet_bulb_c)) / (
        2830.0 + 1.86 * dry_bulb_c - 2.1 * wet_bulb_c
    )


@inlined
def humidity_ratio_at_relative_humidity(dry_bulb_c: float, relative_humidity: float, pressure_pa: float) -> float:
    """Humidity ratio from relative humidity (0 to 1), ASHRAE eq. 22."""
    p = relative_humidity * saturation_pressure(dry_bulb_c)
    return MASS_RATIO * p / (pressure_pa - p)


@inlined
def vapour_pressure(humidity_ratio: float, pressure_pa: float) -> float:
    """Partial pressure of water vapour in Pa, ASHRAE eq. 20 solved for it."""
    return pressure_pa * humidity_ratio / (MASS_RATIO + humidity_ratio)


@inlined
def relative_humidity_of(dry_bulb_c: float, humidity_ratio: float, pressure_pa: float) -> float:
    """Relative humidity, 0 to 1 (above 1 where the air is supersaturated)."""
    return vapour_pressure(humidity_ratio, pressure_pa) / saturation_pressure(dry_bulb_c)


@inlined
def density(dry_bulb_c: float, humidity_ratio: float, pressure_pa: float) -> float:
    """Moist air's mass (dry air and vapour) in kg a cubic metre, ASHRAE eq. 26."""
    volume = GAS_CONSTANT_DRY_AIR * (dry_bulb_c + KELVIN) * (1.0 + humidity_ratio / MASS_RATIO) / pressure_pa
    return (1.0 + humidity_ratio) / volume


@inlined
def dew_point_near(humidity_ratio: float, pressure_pa: float, guess_c: float) -> float:
    """Dew (or frost) point in C by Newton's method on the logarithm of the saturation pressure, from a guess.

    The logarithm is close to a line in -1/T, so from 30 K away four rounds reach round-off, from 1 K two. -100 C
    where the air is dry.
    """
    p = vapour_pressure(humidity_ratio, pressure_pa)
    if p < _LOWEST_PA:
        return _LOWEST_C
    t = guess_c
    for _ in range(_MAX_ITERATIONS):
        saturated, slope = saturation_and_slope(t)
        step = math.log(p / saturated) * saturated / slope
        t = min(max(t + step, _LOWEST_C), _HIGHEST_C)
        if abs(step) < _DEW_POINT_TOLERANCE_K:
            break
    return t


@inlined
def dew_point(humidity_ratio: float, pressure_pa: float) -> float:
    """Dew (or frost) point in C."""
    return dew_point_near(humidity_ratio, pressure_pa, 10.0)


@inlined
def wet_bulb(dry_bulb_c: float, humidity_ratio: float, pressure_pa: float) -> float:
    """Thermodynamic wet bulb in C: Newton's method, kept inside a bracket that halves where it would leave.

    ASHRAE's equations for ice and for water overlap at 0 C: some humidity ratios have a solution on either side. The
    one with water is taken wherever there is one.
    """
    if humidity_ratio >= saturated_humidity_ratio(dry_bulb_c, pressure_pa):
        return dry_bulb_c
    low, high = max(dry_bulb_c - 70.0, _LOWEST_C), dry_bulb_c
    if dry_bulb_c > 0.0:
        if humidity_ratio >= humidity_ratio_at_wet_bulb(dry_bulb_c, 0.0, pressure_pa):
            low = 0.0
        else:
            high = -1e-12
    t = dry_bulb_c - 0.3 * max(dry_bulb_c - dew_point(humidity_ratio, pressure_pa), 0.0)
    t = min(max(t, low), high)
    for _ in range(_MAX_ITERATIONS):
        excess = humidity_ratio_at_wet_bulb(dry_bulb_c, t, pressure_pa) - humidity_ratio
        if excess > 0.0:
            high = t
        else:
            low = t
        p, p_slope = saturation_and_slope(t)
        slope = MASS_RATIO * p_slope * pressure_pa / ((pressure_pa - p) * (pressure_pa - p)) + 1.006 / 2501.0
        following = t - excess / slope
        if following <= low or following >= high:
            following = 0.5 * (low + high)
        moved = abs(following - t)
        t = following
        if moved < _WET_BULB_TOLERANCE_K or high - low < _WET_BULB_TOLERANCE_K:
            break
    return t


def _mapped(function: Callable[..., float], *arguments: ArrayLike) -> NDArray[np.float64]:
    """Broadcast a scalar kernel over arrays; shape of the result as NumPy would have it."""
    return np.asarray(np.vectorize(function, otypes=[np.float64])(*arguments))


def saturation_pressure_pa(t_c: ArrayLike) -> NDArray[np.float64]:
    """Pressure of saturated vapour in Pa at temperatures in C.

    Example:
        >>> float(saturation_pressure_pa(20.0).round(1))
        2338.8
    """
    return _mapped(saturation_pressure, t_c)


def enthalpy_j_kg(dry_bulb_c: ArrayLike, humidity_ratio: ArrayLike) -> NDArray[np.float64]:
    """Enthalpy of moist air in J per kg of dry air."""
    return _mapped(enthalpy, dry_bulb_c, humidity_ratio)


def density_kg_m3(dry_bulb_c: ArrayLike, humidity_ratio: ArrayLike, pressure_pa: ArrayLike) -> NDArray[np.float64]:
    """Density of moist air in kg a cubic metre."""
    return _mapped(density, dry_bulb_c, humidity_ratio, pressure_pa)


def humidity_ratio_from_wet_bulb(
    dry_bulb_c: ArrayLike, wet_bulb_c: ArrayLike, pressure_pa: ArrayLike
) -> NDArray[np.float64]:
    """Humidity ratio from dry and wet bulb."""
    return _mapped(humidity_ratio_at_wet_bulb, dry_bulb_c, wet_bulb_c, pressure_pa)


def humidity_ratio_from_dew_point(dew_point_c: ArrayLike, pressure_pa: ArrayLike) -> NDArray[np.float64]:
    """Humidity ratio from the dew point."""
    return _mapped(saturated_humidity_ratio, dew_point_c, pressure_pa)


def humidity_ratio_from_relative_humidity(
    dry_bulb_c: ArrayLike, relative_humidity: ArrayLike, pressure_pa: ArrayLike
) -> NDArray[np.float64]:
    """Humidity ratio from dry bulb and relative humidity (0 to 1)."""
    return _mapped(humidity_ratio_at_relative_humidity, dry_bulb_c, relative_humidity, pressure_pa)


def relative_humidity(dry_bulb_c: ArrayLike, humidity_ratio: ArrayLike, pressure_pa: ArrayLike) -> NDArray[np.float64]:
    """Relative humidity, 0 to 1."""
    return _mapped(relative_humidity_of, dry_bulb_c, humidity_ratio, pressure_pa)


def dew_point_c(humidity_ratio: ArrayLike, pressure_pa: ArrayLike) -> NDArray[np.float64]:
    """Dew point in C."""
    return _mapped(dew_point, humidity_ratio, pressure_pa)


def wet_bulb_c(dry_bulb_c: ArrayLike, humidity_ratio: ArrayLike, pressure_pa: ArrayLike) -> NDArray[np.float64]:
    """Wet bulb in C.

    Example:
        >>> w = humidity_ratio_from_relative_humidity(30.0, 0.5, 101325.0)
        >>> float(wet_bulb_c(30.0, w, 101325.0).round(2))
        22.0
    """
    return _mapped(wet_bulb, dry_bulb_c, humidity_ratio, pressure_pa)
