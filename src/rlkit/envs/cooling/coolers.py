"""What only some air handlers have, as frozen dataclasses: evaporative coolers and direct-expansion coils."""

from __future__ import annotations

from dataclasses import dataclass

Curve = tuple[float, ...]
Range = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class DirectCooler:
    """A wetted pad in the air stream, behind the fan: EnergyPlus' EvaporativeCooler:Direct:ResearchSpecial.

    It runs only as far as the supply setpoint asks.

    Attributes:
        effectiveness: Share of the way from dry to wet bulb at full spray.
        pump_kw: Of the circulating pump at full spray.
        least_c: Entering dry bulb above which it runs.
        wet_bulb_limit_c: Entering wet bulb below which it runs.
        cycles_of_concentration: Of its sump; None without blowdown.
    """

    effectiveness: float
    pump_kw: float
    least_c: float
    wet_bulb_limit_c: float
    cycles_of_concentration: float | None = None


@dataclass(frozen=True, kw_only=True)
class IndirectCooler:
    """An exchanger to outdoor air, dry or sprayed, behind the direct cooler: Indirect:ResearchSpecial of EnergyPlus.

    Its own fan moves as much outdoor air as the supply setpoint asks. Where it is dry its sink is the outdoor dry bulb,
    where it is sprayed the outdoor wet bulb.

    Attributes:
        dry_effectiveness: Share of the way to the outdoor dry bulb when both flows are equal.
        wet_effectiveness: To the outdoor wet bulb, likewise.
        dry_curve: Factor of the dry effectiveness as a cubic in outdoor over cooled air, at most 1.
        wet_curve: Of the wet one.
        air_m3_s: Outdoor air at full fan speed.
        fan_kw: Its fan at full speed.
        fan_curve: Share of fan power as a cubic in the share of speed.
        pump_kw: Of the spray pump.
        pump_low: Its share of power up to half the fan's speed.
        wet_from_c: Outdoor dry bulb from which it is sprayed.
        wet_bulb_limit_c: Outdoor wet bulb up to which it is sprayed; above it, it does not run.
        cycles_of_concentration: Of its sump; None without blowdown.
    """

    dry_effectiveness: float
    wet_effectiveness: float
    dry_curve: Curve
    wet_curve: Curve
    air_m3_s: float
    fan_kw: float
    fan_curve: Curve = (0.0, 0.0, 0.0, 1.0)
    pump_kw: float
    pump_low: float = 1.0
    wet_from_c: float
    wet_bulb_limit_c: float
    cycles_of_concentration: float | None = None


@dataclass(frozen=True, kw_only=True)
class DxCoil:
    """A direct-expansion coil with its own air-cooled condensing unit: EnergyPlus' Coil:Cooling:DX:SingleSpeed.

    Attributes:
        capacity_kw: Gross total capacity at the rating point (26.7 C dry, 19.4 C wet bulb, outdoors 35 C).
        sensible_ratio: Sensible share of it there; with the airflow it fixes the bypass factor.
        airflow_m3_s: At the rating point.
        cop: Gross, there, with the condenser fan.
        capacity_curve: Biquadratic in entering wet bulb and outdoor dry bulb.
        input_curve: The same, of energy input over cooling output.
        capacity_flow_curve: Quadratic in the share of rated airflow.
        input_flow_curve: The same, of energy input.
        part_load_curve: Quadratic in part load: what cycling leaves of the efficiency.
        wet_bulb_c: Range of the curves in wet bulb.
        outdoor_c: In outdoor dry bulb.
    """

    capacity_kw: float
    sensible_ratio: float
    airflow_m3_s: float
    cop: float
    capacity_curve: Curve
    input_curve: Curve
    capacity_flow_curve: Curve = (1.0,)
    input_flow_curve: Curve = (1.0,)
    part_load_curve: Curve = (1.0,)
    wet_bulb_c: Range
    outdoor_c: Range
