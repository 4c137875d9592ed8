"""What only some air handlers have, as fields of a zone's record: evaporative coolers and direct-expansion coils."""

from __future__ import annotations

import math
from typing import Any

from numpy.typing import NDArray

from rlkit.envs.cooling.coolers import DirectCooler, DxCoil, IndirectCooler
from rlkit.envs.cooling.mapping import PlantError
from rlkit.envs.cooling.merkel import saturated_enthalpy
from rlkit.envs.cooling.parts import Zone
from rlkit.envs.cooling.psychrometrics import (
    density,
    enthalpy,
    humidity_ratio_at_wet_bulb,
    saturated_humidity_ratio,
)

RATED_DRY_BULB_C, RATED_WET_BULB_C = 26.67, 19.44  # AHRI 210/240, air that enters a direct-expansion coil
SEA_LEVEL_PA = 101325.0


def padded(values: tuple[float, ...], length: int, name: str) -> list[float]:
    """Coefficients, lowest first, filled up with zeros.

    Raises:
        PlantError: If there are none, or more than ``length``.
    """
    if not 1 <= len(values) <= length:
        raise PlantError(f"{name}: at most {length} coefficients, got {len(values)}")
    return [*values, *([0.0] * (length - len(values)))]


def pack_extras(zones: NDArray[Any], index: int, zone: Zone) -> None:
    """Fill the fields of evaporative coolers and of a direct-expansion coil; all zero without them."""
    h = zone.air_handler
    row = zones[index : index + 1]
    if h.direct_cooler is not None:
        _pack_direct(row, h.direct_cooler)
    if h.indirect_cooler is not None:
        _pack_indirect(row, h.indirect_cooler, zone.name)
    if h.dx_coil is not None:
        _pack_dx(row, h.dx_coil, zone.name)


def _blowdown(cycles: float | None) -> float:
    return 0.0 if cycles is None else 1.0 / (cycles - 1.0)


def _pack_direct(row: NDArray[Any], c: DirectCooler) -> None:
    row["extras"] = 1
    row["direct_effectiveness"], row["direct_pump_w"] = c.effectiveness, c.pump_kw * 1e3
    row["direct_least_c"], row["direct_wet_bulb_limit_c"] = c.least_c, c.wet_bulb_limit_c
    row["direct_blowdown"] = _blowdown(c.cycles_of_concentration)


def _pack_indirect(row: NDArray[Any], c: IndirectCooler, name: str) -> None:
    row["extras"] = 1
    row["indirect_dry_effectiveness"], row["indirect_wet_effectiveness"] = c.dry_effectiveness, c.wet_effectiveness
    for curve in ("dry_curve", "wet_curve", "fan_curve"):
        row[f"indirect_{curve}"] = padded(getattr(c, curve), 4, f"zone {name!r}: indirect_cooler.{curve}")
    row["indirect_air_m3_s"], row["indirect_fan_w"] = c.air_m3_s, c.fan_kw * 1e3
    row["indirect_pump_w"], row["indirect_pump_low"] = c.pump_kw * 1e3, c.pump_low
    row["indirect_wet_from_c"], row["indirect_wet_bulb_limit_c"] = c.wet_from_c, c.wet_bulb_limit_c
    row["indirect_blowdown"] = _blowdown(c.cycles_of_concentration)


def _pack_dx(row: NDArray[Any], c: DxCoil, name: str) -> None:
    row["extras"] = row["dx"] = 1
    where = f"zone {name!r}: dx_coil"
    row["dx_capacity_w"], row["dx_cop"] = c.capacity_kw * 1e3, c.cop
    for curve in ("capacity_curve", "input_curve"):
        row[f"dx_{curve}"] = padded(getattr(c, curve), 6, f"{where}.{curve}")
    for curve in ("capacity_flow_curve", "input_flow_curve", "part_load_curve"):
        row[f"dx_{curve}"] = padded(getattr(c, curve), 4, f"{where}.{curve}")
    row["dx_wet_bulb_min_c"], row["dx_wet_bulb_max_c"] = c.wet_bulb_c
    row["dx_outdoor_min_c"], row["dx_outdoor_max_c"] = c.outdoor_c
    row["dx_air_kg_s"], row["dx_bypass_kg_s"] = _bypass(c, where)


def _bypass(c: DxCoil, where: str) -> tuple[float, float]:
    """Rated airflow in kg/s, and what it must be divided by for the logarithm of the bypass factor.

    As EnergyPlus does: from the rated state air moves towards the apparatus dew point, where the line through the
    entering and the leaving state meets saturation; the bypass factor is the share of the way that is left.
    """
    humidity = humidity_ratio_at_wet_bulb(RATED_DRY_BULB_C, RATED_WET_BULB_C, SEA_LEVEL_PA)
    air_kg_s = c.airflow_m3_s * density(RATED_DRY_BULB_C, humidity, SEA_LEVEL_PA)
    h_in = enthalpy(RATED_DRY_BULB_C, humidity)
    drop = c.capacity_kw * 1e3 / air_kg_s
    latent = (1.0 - c.sensible_ratio) * drop
    humidity_out = humidity - latent / (enthalpy(RATED_DRY_BULB_C, 1.0) - enthalpy(RATED_DRY_BULB_C, 0.0))
    leaving = RATED_DRY_BULB_C - c.sensible_ratio * drop / (enthalpy(1.0, humidity_out) - enthalpy(0.0, humidity_out))
    slope = (humidity - humidity_out) / (RATED_DRY_BULB_C - leaving)

    def excess(t_c: float) -> float:
        return humidity - slope * (RATED_DRY_BULB_C - t_c) - saturated_humidity_ratio(t_c, SEA_LEVEL_PA)

    high, low = leaving, leaving
    while excess(low) <= 0.0 and low > leaving - 40.0:
        low -= 0.5
    if excess(high) >= 0.0 or excess(low) <= 0.0:
        raise PlantError(
            f"{where}: no coil has a sensible ratio of {c.sensible_ratio} with {c.capacity_kw} kW and "
            f"{c.airflow_m3_s} m3/s: its air would leave at {leaving:.1f} C and a humidity ratio of {humidity_out:.4f}"
        )
    for _ in range(60):
        middle = 0.5 * (low + high)
        low, high = (low, middle) if excess(middle) < 0.0 else (middle, high)
    h_dew, _ = saturated_enthalpy(low, SEA_LEVEL_PA)
    factor = (h_in - drop - h_dew) / (h_in - h_dew)
    return air_kg_s, -math.log(factor) * air_kg_s
