"""The plant's components as scalar kernels: servers, fans, coils, chillers, heat exchangers.

Each takes a record (:mod:`rlkit.envs.cooling.packing`) and plain numbers in SI units (W, K, kg/s, Pa; temperatures
in C), keeps no state and raises nothing. Curves are the published ones, clipped to their published range.

Sources: EnergyPlus Engineering Reference 25.2 ("EIR chiller"); Incropera,
Fundamentals of Heat and Mass Transfer, eq. 11.30 (counterflow) and 11.32 (cross-flow, both fluids unmixed); Wetter
1999 (LBNL-42355) for the coil's film coefficients.
"""

from __future__ import annotations

import math

from rlkit.envs.jit import inlined

CP_WATER = 4183.0  # J/(kg K), water between 10 and 35 C: 4178 to 4192 (IAPWS)
CP_AIR = 1015.0  # J per kg of moist air and K, at a humidity ratio of 0.005

_COIL_TOLERANCE = 1e-4  # of the conductance, when its water flow is sought
_COIL_NEAR = 0.03  # change of the flow, relative, that one step of Newton's finds
_LEAST_FLOW = 1e-6  # below this share of the design flow there is no exchange
_LOG_LEAST_FLOW = math.log(_LEAST_FLOW)


@inlined
def cubic(c, x):  # type: ignore[no-untyped-def]
    """Cubic polynomial with coefficients ``c[0..3]``, lowest first."""
    return c[0] + x * (c[1] + x * (c[2] + x * c[3]))


@inlined
def biquadratic(c, x, y):  # type: ignore[no-untyped-def]
    """EnergyPlus' Curve:Biquadratic, ``c0 + c1 x + c2 x^2 + c3 y + c4 y^2 + c5 x y``."""
    return c[0] + x * (c[1] + c[2] * x) + y * (c[3] + c[4] * y + c[5] * x)


@inlined
def clip(x, low, high):  # type: ignore[no-untyped-def]
    """A number brought into a range."""
    return min(max(x, low), high)


@inlined
def drive_power(curve, floor, design_w, speed):  # type: ignore[no-untyped-def]
    """Electric power in W of a fan or pump at a share of its design flow: a published part-load curve.

    Args:
        curve: Coefficients of the share of design power as a cubic in the share of flow.
        floor: Least share of power while it turns.
        design_w: Power at design flow.
        speed: Share of design flow, 0 (off) to 1.
    """
    if speed <= _LEAST_FLOW:
        return 0.0
    return design_w * max(cubic(curve, speed), floor)


@inlined
def cpu_power(it, peak_w, utilisation, inlet_c):  # type: ignore[no-untyped-def]
    """Power in W of processors, memory and disks: idle share, a line in utilisation, leakage with temperature.

    The linear form is EnergyPlus' ElectricEquipment:ITE:AirCooled (constant, per utilisation, per K); leakage above
    a reference inlet temperature multiplies it.
    """
    c = it.cpu_curve
    share = max(c[0] + c[1] * utilisation + c[2] * inlet_c, 0.0)
    return peak_w * share * (1.0 + it.leakage_per_k * max(inlet_c - it.leakage_from_c, 0.0))


@inlined
def working_share(it, inlet_c):  # type: ignore[no-untyped-def]
    """Share of its power that a rack draws: 1 until its inlet is too hot, falling to 0 where it has switched off."""
    return clip(1.0 - it.throttle_per_k * (inlet_c - it.throttle_c), 0.0, 1.0)


@inlined
def server_airflow(it, utilisation, inlet_c):  # type: ignore[no-untyped-def]
    """Share of the design flow that the servers' own fans draw: flat in temperature up to a knee, then rising."""
    c = it.airflow_curve
    share = c[0] + c[1] * utilisation + c[2] * inlet_c
    share *= 1.0 + it.airflow_rise_per_k * max(inlet_c - it.airflow_rise_from_c, 0.0)
    return clip(share, it.airflow_share_min, it.airflow_share_max)


@inlined
def crossflow_effectiveness(ntu, capacity_ratio):  # type: ignore[no-untyped-def]
    """Effectiveness of a cross-flow exchanger with both fluids unmixed, Incropera eq. 11.32."""
    root = ntu**0.22
    if capacity_ratio < 1e-6:
        return -math.expm1(-ntu)
    return -math.expm1(root / capacity_ratio * math.expm1(-capacity_ratio * ntu / root))


@inlined
def counterflow_effectiveness(ntu, capacity_ratio):  # type: ignore[no-untyped-def]
    """Effectiveness of a counterflow exchanger, Incropera eq. 11.29, without a jump where the streams are equal.

    (EnergyPlus goes over to ``ntu / (1 + ntu)`` from a ratio of 0.995 on; a jump of 0.1 % that searches stumble over.)
    """
    unequal = 1.0 - capacity_ratio
    x = ntu * unequal
    if x < 1e-3:
        gone = ntu * (1.0 - x * (0.5 - x * (1.0 / 6.0 - x / 24.0)))
    else:
        gone = (1.0 - math.exp(-x)) / unequal
    return gone / (1.0 + capacity_ratio * gone)


@inlined
def film_of_air(coil, airflow):  # type: ignore[no-untyped-def]
    """Film conductance in W/K on a coil's air side: hA = hA0 (m/m0)^n, n = 0.8."""
    return coil.film_air_w_k * airflow**coil.film_air_exponent


@inlined
def coil_conductance(coil, airflow, water_flow):  # type: ignore[no-untyped-def]
    """Heat in W that a dry chilled-water coil moves for each K between entering air and entering water.

    Film coefficients scale with flow: hA = hA0 (m/m0)^n, n = 0.8 in air and 0.85 in water.

    Args:
        coil: The zone's record.
        airflow: Share of design airflow.
        water_flow: Share of design water flow.
    """
    if airflow <= _LEAST_FLOW:
        return 0.0
    return conductance_with(coil, film_of_air(coil, airflow), airflow, water_flow)


@inlined
def conductance_with(coil, film_air, airflow, water_flow):  # type: ignore[no-untyped-def]
    """:func:`coil_conductance` where the air's film conductance is known."""
    if water_flow <= _LEAST_FLOW:
        return 0.0
    log_flow = math.log(water_flow) if water_flow != 1.0 else 0.0
    return _conductance_and_growth(coil, film_air, airflow * coil.air_w_k, log_flow)[0]


@inlined
def _conductance_and_growth(coil, film_air, air_w_k, log_flow):  # type: ignore[no-untyped-def]
    """Conductance of a coil, and by how many per cent it grows with a per cent of water flow.

    It is ``least * crossflow_effectiveness(ntu, least / most)`` with as few powers as there can be; the derivative is
    the chain rule's, term by term.

    Args:
        coil: The zone's record.
        film_air: Film conductance on the air's side at this airflow, W/K.
        air_w_k: Heat capacity flow of the air.
        log_flow: Logarithm of the share of design water flow.
    """
    water_w_k, film_water = coil.water_w_k, coil.film_water_w_k
    if log_flow != 0.0:
        water_w_k *= math.exp(log_flow)
        film_water *= math.exp(coil.film_water_exponent * log_flow)
    both = 1.0 / (film_air + film_water)
    if air_w_k < water_w_k:
        least, most, least_growth, ratio_growth = air_w_k, water_w_k, 0.0, -1.0
    else:
        least, most, least_growth, ratio_growth = water_w_k, air_w_k, 1.0, 1.0
    ntu, inverse_ratio = film_air * film_water * both / least, most / least
    ntu_growth = coil.film_water_exponent * film_air * both - least_growth
    log_root = 0.22 * math.log(ntu)
    kept = math.exp(-least / most * ntu * math.exp(-log_root))
    exponent = math.exp(log_root) * inverse_ratio * (kept - 1.0)
    missed = math.exp(exponent)
    growth = exponent * (0.22 * ntu_growth - ratio_growth) - ntu * kept * (ratio_growth + 0.78 * ntu_growth)
    return least * (1.0 - missed), least_growth - missed * growth / (1.0 - missed)


@inlined
def coil_water_flow(coil, film_air, airflow, conductance, most, full, guess):  # type: ignore[no-untyped-def]
    """Share of design water flow at which a coil has a conductance.

    Resistance ``1 / conductance`` is close to a line in ``1 / flow``: Newton's method in these, inside a bracket. A
    step of less than 3 % of the flow meets the conductance to 1e-4, and is not tried again.

    Args:
        coil: The zone's record.
        film_air: From :func:`film_of_air`.
        airflow: Share of design airflow.
        conductance: Asked for, W/K.
        most: Largest share of water flow there is.
        full: Conductance at that.
        guess: A share to start from.

    Returns:
        The share, and by how many per cent the conductance grows there with a per cent of it (0 where not sought).
    """
    if conductance <= 0.0 or most <= _LEAST_FLOW:
        return 0.0, 0.0
    if conductance >= full * (1.0 - _COIL_TOLERANCE):
        return most, 0.0
    if conductance <= _LEAST_FLOW * coil.water_w_k:
        return conductance / coil.water_w_k, 0.0  # so little water leaves as warm as the air is
    air_w_k = airflow * coil.air_w_k
    kink = math.log(air_w_k / coil.water_w_k)  # the correlation's slope jumps where least and most change places
    high = math.log(most)
    low = high + _LOG_LEAST_FLOW
    x = math.log(guess) if 1e-3 * most < guess < 0.98 * most else high - 0.7
    growth = 0.0
    for _ in range(60):
        trial, growth = _conductance_and_growth(coil, film_air, air_w_k, x)
        over = trial / conductance - 1.0
        if abs(over) < _COIL_TOLERANCE:
            break
        if over < 0.0:
            low = x
        else:
            high = x
        share = over / growth if growth > 0.0 else -1.0
        following = x - math.log(1.0 + share) if share > -1.0 else high
        if not low < following < high:
            x = 0.5 * (low + high)
            continue
        near = abs(share) < _COIL_NEAR and (x < kink) == (following < kink)
        x = following
        if near:
            break
    return math.exp(x), growth


@inlined
def foreseen_flow(flow, conductance, growth, wanted):  # type: ignore[no-untyped-def]
    """Where :func:`coil_water_flow` does well to begin: one step from where it last ended.

    Args:
        flow: Share of design water flow found last.
        conductance: For which it was found; 0 where it was not.
        growth: By how many per cent that grew with a per cent of flow.
        wanted: Conductance now asked for, above 0.
    """
    if conductance <= 0.0:
        return flow
    return flow * growth / max(growth + conductance / wanted - 1.0, 0.2 * growth)


@inlined
def exchanger_conductance(design_ntu, hot_design, cold_design, hot, cold):  # type: ignore[no-untyped-def]
    """W per K of entering temperature difference of a counterflow plate exchanger between two water streams.

    Film coefficients scale with flow to the power 0.8 (Dittus-Boelter) on either side, equal at design.

    Args:
        design_ntu: Transfer units at design.
        hot_design: Heat capacity flow of one stream at design, W/K.
        cold_design: Of the other.
        hot: Heat capacity flow now, W/K.
        cold: Of the other.
    """
    if hot <= _LEAST_FLOW * hot_design or cold <= _LEAST_FLOW * cold_design:
        return 0.0
    ua = design_ntu * min(hot_design, cold_design)
    ua *= 2.0 / ((hot / hot_design) ** -0.8 + (cold / cold_design) ** -0.8)
    least, most = min(hot, cold), max(hot, cold)
    return least * counterflow_effectiveness(ua / least, least / most)


@inlined
def chiller_capacity(chiller, leaving_c, entering_c):  # type: ignore[no-untyped-def]
    """Full-load capacity in W of one chiller, EnergyPlus' Chiller:Electric:EIR, its curve clipped to its range.

    Args:
        chiller: The plant's record.
        leaving_c: Leaving chilled water.
        entering_c: Entering condenser water (outdoor air for an air-cooled machine).
    """
    x = clip(leaving_c, chiller.leaving_min_c, chiller.leaving_max_c)
    y = clip(entering_c, chiller.entering_min_c, chiller.entering_max_c)
    return chiller.chiller_capacity_w * biquadratic(chiller.capacity_curve, x, y)


@inlined
def chiller_power(chiller, capacity_w, load_w, leaving_c, entering_c):  # type: ignore[no-untyped-def]
    """Compressor power in W of one chiller that carries a load, EnergyPlus' Chiller:Electric:EIR.

    Below its least part load the machine cycles, and its power falls in proportion.

    Args:
        chiller: The plant's record.
        capacity_w: From :func:`chiller_capacity` at the same temperatures.
        load_w: Heat taken out of the chilled water, at most ``part_load_max`` of the capacity.
        leaving_c: Leaving chilled water.
        entering_c: Entering condenser water.
    """
    if load_w <= 0.0:
        return 0.0
    x = clip(leaving_c, chiller.leaving_min_c, chiller.leaving_max_c)
    y = clip(entering_c, chiller.entering_min_c, chiller.entering_max_c)
    part_load = load_w / capacity_w
    cycling = min(1.0, part_load / chiller.part_load_min)
    part_load = max(part_load, chiller.unloading_min)
    z = clip(part_load, chiller.part_load_curve_min, chiller.part_load_curve_max)
    return (
        capacity_w
        / chiller.chiller_cop
        * biquadratic(chiller.input_curve, x, y)
        * cubic(chiller.part_load_curve, z)
        * cycling
    )
