"""A year of EnergyPlus' two-zone data center in this package's kernel, with the example's own control rules.

:func:`sized_plant` gives the shipped plant ``two_zone_energyplus`` the sizes that EnergyPlus found for a place, and
:func:`run_year` drives it through that place's weather: a thermostat, two setpoint managers and schedules, as the
example has them. Economizer limits, evaporative coolers and staging are the plant's own.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rlkit.envs.cooling.components import CP_AIR, cpu_power, server_airflow
from rlkit.envs.cooling.halls import default_actions, new_halls, split_step
from rlkit.envs.cooling.kernel import reset_halls, step_halls
from rlkit.envs.cooling.packing import PackedPlant, pack_plant
from rlkit.envs.cooling.plant import Plant, load_plant

STEP_S = 900.0  # EnergyPlus' timestep: 4 in an hour
STEPS = 35_040
WARM_UP = 5 * 96  # EnergyPlus repeats the first day until it does not change
MONTH_ENDS = np.cumsum([31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]) * 96

# Schedule "Data Center CPU Loading Schedule": utilisation by the quarter of an hour.
LOADING = np.repeat([0.5, 0.75, 1.0, 0.8], [24, 8, 40, 24])

# End uses as EnergyPlus' meters have them, and the readings that they are made of.
END_USES = {
    "fans": ("fan_energy_kwh",),
    "cooling": ("chiller_energy_kwh", "dx_energy_kwh", "evaporative_energy_kwh"),
    "pumps": ("chilled_water_pump_energy_kwh", "condenser_pump_energy_kwh"),
    "heat_rejection": ("tower_fan_energy_kwh", "basin_heater_energy_kwh"),
    "building": ("it_energy_kwh", "ups_energy_kwh", "lighting_energy_kwh"),
}


@dataclass(frozen=True)
class Rules:
    """The example's controls.

    Attributes:
        thermostat_c: Schedule "Cooling Setpoints".
        zone_w_k: How the west zone's load answers to its temperature in EnergyPlus' prediction: 712 m2 of surfaces at
            3 W/(m2 K) (TARP) and its air over a timestep (946 m3, 11/6 of the first-order rate).
        slab_w_k: From the west zone through the floor slab into the supply air: 232 m2 of 2 in lightweight concrete
            (0.39 m2 K/W) and two films. The setpoint manager does not know of it, so the zone settles above the
            thermostat.
        approach_k: East: supply_temperature_difference 2 K, and 0.3 K of what the slab lets through.
        tower_approach_k: minimum_approach_temperature of the YorkCalc tower, whose setpoint is the wet bulb itself.
        tower_least_c: minimum_setpoint_temperature.
    """

    thermostat_c: float = 23.0
    zone_w_k: float = 4400.0
    slab_w_k: float = 380.0
    approach_k: float = 2.3
    tower_approach_k: float = 1.1111
    tower_least_c: float = 10.0


def sized_plant(sizes: dict[str, float], pressure_pa: float) -> Plant:
    """The shipped plant with EnergyPlus' sizes for a place (see ``two_zone_golden.SIZES`` for the names)."""
    mapping = copy.deepcopy(load_plant("two_zone_energyplus").to_mapping())
    mapping["pressure_pa"] = pressure_pa
    for path, value in sizes.items():
        *way, last = path.split(".")
        node: Any = mapping
        for key in way:
            node = node[int(key)] if key.isdigit() else node[key]
        if last not in node:
            raise KeyError(path)
        node[last] = value
    return Plant.from_mapping(mapping)


class Controller:
    """The example's rules on one hall, from its readings."""

    def __init__(self, packed: PackedPlant, rules: Rules) -> None:
        self._rules = rules
        self._zones = packed.zones
        self._layout = packed.supervisory
        self._p, self._racks = packed.plant[0], packed.racks
        self._supply_c = 16.0
        self._west = [packed.readings.column(name, 0) for name in ("return_air_c", "supply_air_c", "airflow_kg_s")]

    def act(self, readings: NDArray[np.float64], wet_bulb_c: float, load: float, actions: NDArray[np.float64]) -> None:
        """Write the next actions of one hall."""
        r, layout = self._rules, self._layout
        actions[layout.column("condenser_water_setpoint_c")] = max(wet_bulb_c + r.tower_approach_k, r.tower_least_c)
        # West, SetpointManager:SingleZone:Cooling: the supply that carries the load predicted at the thermostat.
        hot, supply, flow = readings[self._west]
        flow_w_k = max(flow, 1.0) * CP_AIR
        self._supply_c += (r.slab_w_k * (hot - supply) - r.zone_w_k * (hot - r.thermostat_c)) / flow_w_k
        self._supply_c = min(max(self._supply_c, 12.0), 18.0)
        actions[layout.column("supply_air_setpoint_c", 0)] = self._supply_c
        actions[layout.column("airflow", 0)] = 1.0
        # East, FlowControlWithApproachTemperatures: as little air as keeps the inlets so far above the supply.
        actions[layout.column("supply_air_setpoint_c", 1)] = 18.0
        actions[layout.column("airflow", 1)] = self._east_airflow(18.0 + r.approach_k, load)

    def _east_airflow(self, inlet_c: float, load: float) -> float:
        """Share of design airflow at which servers that draw air of this temperature get it.

        Racks draw ``drawn = 1 - x (1 - leak)`` of their air from the hot side, where ``x`` is the handlers' flow over
        theirs, and the hot side is ``Q / (x flow)`` warmer than the supply: ``drawn * Q / (x flow) = approach``.
        """
        p, rack = self._p, self._racks[1]
        flow = server_airflow(p, load, inlet_c)
        it_w = cpu_power(p, rack["peak_w"], load, inlet_c) + rack["fan_w"] * flow
        flow_w_k = rack["air_w_k"] * flow
        heat_w = it_w * 1.1 + self._zones["lighting_w"][1]
        x = 1.0 / (1.0 - rack["recirculation"] + self._rules.approach_k * flow_w_k / heat_w)
        return min(max(x * flow_w_k / self._zones["air_w_k"][1], 0.4), 1.0)


def quarter_hours(weather: NDArray[np.float64]) -> NDArray[np.float64]:
    """Hourly dry bulb, wet bulb and pressure, ``(8760, 3)``, as means of quarter hours ``(35040, 3)``."""
    hours = np.arange(len(weather) + 1)
    table = np.vstack([weather, weather[:1]])
    middles = (np.arange(4 * len(weather)) + 0.5) / 4.0
    return np.column_stack([np.interp(middles, hours, table[:, c]) for c in range(3)])


def run_year(plant: Plant, weather: NDArray[np.float64], rules: Rules | None = None) -> NDArray[np.float64]:
    """Readings of every quarter of an hour of a year, shape ``(35040, readings)``.

    Args:
        plant: From :func:`sized_plant`.
        weather: Hourly dry bulb, wet bulb and pressure, ``(8760, 3)``; row ``k`` holds ``k`` hours after midnight.
        rules: The example's unless told otherwise.
    """
    packed = pack_plant(plant)
    halls, timing = new_halls(packed, 1), split_step(packed, STEP_S)
    actions = default_actions(packed, 1)
    controller = Controller(packed, rules or Rules())
    table = quarter_hours(weather)
    rows, now, load = np.ones(1, dtype=np.bool_), table[:1].copy(), np.full((1, 2), LOADING[0])
    reset_halls(rows, *packed[:3], now, load, halls.state)
    kept = np.empty((STEPS, packed.readings.width))
    for k in range(-WARM_UP, STEPS):
        step = k % 96 if k < 0 else k
        now[0], load[:] = table[step], LOADING[step % 96]
        if k > -WARM_UP:
            controller.act(halls.readings[0], now[0, 1], load[0, 0], actions[0])
        step_halls(rows, *packed[:3], actions, now, load, halls.faults, timing, halls.state, halls.readings)
        if k >= 0:
            kept[k] = halls.readings[0]
    return kept


def monthly(packed: PackedPlant, kept: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """kWh a month by end use, 12 numbers each."""
    months = np.split(kept, MONTH_ENDS[:-1])
    columns = {use: [packed.readings.column(name) for name in names] for use, names in END_USES.items()}
    return {use: np.array([m[:, c].sum() for m in months]) for use, c in columns.items()}


def pue(uses: dict[str, NDArray[np.float64]]) -> float:
    """Facility over building energy (IT, power supply, lights): EnergyPlus' two demand rates."""
    return float(sum(use.sum() for use in uses.values()) / uses["building"].sum())
