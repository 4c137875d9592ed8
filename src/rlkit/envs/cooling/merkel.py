"""One cell of a cooling tower: Merkel's effectiveness-NTU tower as in EnergyPlus, and the water that it evaporates.

Scalar kernels like those of :mod:`rlkit.envs.cooling.components`. Source: EnergyPlus Engineering Reference 25.2
("Variable Speed Cooling Tower, Merkel"), after Merkel 1925.
"""

from __future__ import annotations

from rlkit.envs.cooling.components import clip, counterflow_effectiveness
from rlkit.envs.cooling.psychrometrics import (
    CP_DRY_AIR,
    CP_VAPOUR,
    LATENT_HEAT_0C,
    MASS_RATIO,
    saturation_and_slope,
)
from rlkit.envs.jit import inlined

_TOWER_TOLERANCE_K = 1e-4  # of the leaving air's wet bulb; the secant's error after it is far smaller
_TOWER_ITERATIONS = 30
HOTTEST_C = 90.0  # of air in a tower: keeps searches away from boiling


@inlined
def tower_conductance(tower, air_ratio, water_ratio, wet_bulb_c):  # type: ignore[no-untyped-def]
    """UA in W/K of one cell with its fan on: EnergyPlus' Merkel tower, three multiplied curves of the design UA."""
    a, w, d = tower.ua_air_curve, tower.ua_water_curve, tower.ua_wet_bulb_curve
    air = clip(air_ratio, tower.air_ratio_min, 1.0)
    water = clip(water_ratio, tower.water_ratio_curve_min, tower.water_ratio_curve_max)
    cold = clip(tower.tower_wet_bulb_c - wet_bulb_c, tower.wet_bulb_difference_min, tower.wet_bulb_difference_max)
    return (
        tower.tower_ua_w_k
        * (a[0] + air * (a[1] + air * a[2]))
        * (w[0] + water * (w[1] + water * w[2]))
        * (d[0] + cold * (d[1] + cold * d[2]))
    )


@inlined
def saturated_enthalpy(t_c, pressure_pa):  # type: ignore[no-untyped-def]
    """Enthalpy of saturated air in J/kg and its slope in J/(kg K); above 90 C that at 90 C."""
    t_c = min(t_c, HOTTEST_C)
    p, p_slope = saturation_and_slope(t_c)
    dry = 1.0 / (pressure_pa - p)
    w = MASS_RATIO * p * dry
    latent = LATENT_HEAT_0C + CP_VAPOUR * t_c
    slope = MASS_RATIO * p_slope * pressure_pa * dry * dry
    return CP_DRY_AIR * t_c + w * latent, CP_DRY_AIR + w * CP_VAPOUR + slope * latent


@inlined
def merkel_heat(air_kg_s, water_w_k, ua, cp_moist, h_in, h_out, wet_bulb_in_c, wet_bulb_out_c, water_in_c):  # type: ignore[no-untyped-def]
    """Heat in W that Merkel's effectiveness-NTU tower gives off, if its air left at a given wet bulb.

    Returns:
        Heat in W, and the heat capacity flow of the air per K of wet bulb.
    """
    cp_wet = (h_out - h_in) / (wet_bulb_out_c - wet_bulb_in_c)
    air_w_k = air_kg_s * cp_wet
    least, most = min(air_w_k, water_w_k), max(air_w_k, water_w_k)
    effectiveness = counterflow_effectiveness(ua * cp_wet / cp_moist / least, least / most)
    return effectiveness * least * (water_in_c - wet_bulb_in_c), air_w_k


@inlined
def tower_heat(air_kg_s, water_w_k, ua, cp_moist, h_in, wet_bulb_c, water_in_c, pressure_pa, guess_k):  # type: ignore[no-untyped-def]
    """Heat given off by one cell: Merkel 1925 as in EnergyPlus, the leaving air's wet bulb found by secant steps.

    Args:
        air_kg_s: Airflow.
        water_w_k: Heat capacity flow of the water.
        ua: From :func:`tower_conductance`, or the one in free convection.
        cp_moist: Specific heat of the entering air, J/(kg K).
        h_in: Enthalpy of saturated air at the entering wet bulb, J/kg.
        wet_bulb_c: Of the entering air.
        water_in_c: Entering water.
        pressure_pa: Of the site.
        guess_k: Rise of the wet bulb to start from.

    Returns:
        Heat in W (0 where the water is not warmer than the wet bulb), and the rise of the wet bulb in K.
    """
    span = water_in_c - wet_bulb_c
    if span <= 1e-3 or air_kg_s <= 0.0 or water_w_k <= 0.0:
        return 0.0, max(guess_k, 0.1)
    rise = clip(guess_k, 0.05 * span, span)
    last_rise, last_error = 0.0, 0.0
    heat = 0.0
    for iteration in range(_TOWER_ITERATIONS):
        h_out, _ = saturated_enthalpy(wet_bulb_c + rise, pressure_pa)
        heat, air_w_k = merkel_heat(
            air_kg_s, water_w_k, ua, cp_moist, h_in, h_out, wet_bulb_c, wet_bulb_c + rise, water_in_c
        )
        error = heat / air_w_k - rise
        if abs(error) < _TOWER_TOLERANCE_K:
            break
        following = rise + error
        if iteration > 0 and error != last_error:
            following = rise - error * (rise - last_rise) / (error - last_error)
        last_rise, last_error = rise, error
        rise = clip(following, 0.01 * span, span)
    return heat, rise


@inlined
def tower_evaporation(air_kg_s, heat_w, h_in, humidity_in, guess_c, pressure_pa):  # type: ignore[no-untyped-def]
    """Water evaporated in kg/s, and the leaving air's temperature: EnergyPlus' saturated-exit method.

    The air leaves saturated with the heat added to its enthalpy; the water it carries more than before has
    evaporated. (Dividing heat by latent heat counts the sensible part too: 40 % too much over a year.)

    Args:
        air_kg_s: Airflow.
        heat_w: From the water.
        h_in: Enthalpy at the entering wet bulb, J/kg.
        humidity_in: Entering humidity ratio.
        guess_c: Leaving temperature to start from.
        pressure_pa: Of the site.
    """
    if air_kg_s <= 0.0 or heat_w <= 0.0:
        return 0.0, guess_c
    target = h_in + heat_w / air_kg_s
    t = guess_c
    for _ in range(20):
        h, slope = saturated_enthalpy(t, pressure_pa)
        step = (target - h) / slope
        t = min(t + step, HOTTEST_C)
        if abs(step) < 1e-3:  # Newton: the error after this step is about 1e-7 K
            break
    humidity_out = (target - CP_DRY_AIR * t) / (LATENT_HEAT_0C + CP_VAPOUR * t)
    out_share, in_share = humidity_out / (1.0 + humidity_out), humidity_in / (1.0 + humidity_in)
    return max(air_kg_s * (out_share - in_share), 0.0), t
