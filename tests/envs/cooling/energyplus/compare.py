"""Our components on EnergyPlus' own inlet conditions."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rlkit.envs.cooling import tower
from rlkit.envs.cooling.components import CP_WATER, chiller_capacity, chiller_power
from rlkit.envs.cooling.merkel import saturated_enthalpy, tower_evaporation
from rlkit.envs.cooling.packing import PackedPlant
from rlkit.envs.cooling.psychrometrics import CP_DRY_AIR, CP_VAPOUR, density
from rlkit.envs.jit import kernel

Columns = dict[str, NDArray[np.float64]]
INPUTS = (
    "load_w", "chilled_c", "condenser_c", "tower_in_c", "tower_flow_kg_s", "tower_speed", "tower_heat_w",
    "dry_bulb_c", "wet_bulb_c", "humidity_ratio", "pressure_pa",
)  # fmt: skip


class Ours(NamedTuple):
    """What our components say, one number an hour."""

    power_w: NDArray[np.float64]
    part_load: NDArray[np.float64]
    tower_out_c: NDArray[np.float64]
    tower_speed: NDArray[np.float64]
    evaporation_kg_s: NDArray[np.float64]


def ours(packed: PackedPlant, columns: Columns) -> Ours:
    """Chiller power, tower outlet at EnergyPlus' fan speed, speed and evaporation at EnergyPlus' heat."""
    inputs = np.column_stack([columns[name] for name in INPUTS])
    out = np.zeros((len(inputs), len(Ours._fields)))
    _evaluate(packed.plant, inputs, out)
    return Ours(*out.T)


@kernel
def _evaluate(plant, inputs, out):  # type: ignore[no-untyped-def]
    p = plant[0]
    for i in range(inputs.shape[0]):
        load, chilled, condenser, water_in, flow, speed, heat, dry, wet, humidity, pressure = inputs[i]
        capacity = chiller_capacity(p, chilled, condenser)
        out[i, 0] = chiller_power(p, capacity, load, chilled, condenser)
        out[i, 1] = load / capacity
        h_in, _ = saturated_enthalpy(wet, pressure)
        t = (
            wet,
            pressure,
            h_in,
            density(dry, humidity, pressure),
            CP_DRY_AIR + humidity * CP_VAPOUR,
            flow / p.tower_water_kg_s,
        )
        given, _ = tower.heat_at_speed(p, t, speed, flow * CP_WATER, water_in, 5.0)
        out[i, 2] = water_in - given / (flow * CP_WATER)
        out[i, 3], _, _ = tower.speed_for_heat(p, t, max(heat, 1.0), 1.0, flow * CP_WATER, water_in, wet + 5.0)
        air = speed * p.tower_air_m3_s * t[3]
        out[i, 4], _ = tower_evaporation(air, heat, h_in, humidity, wet + 5.0, pressure)
