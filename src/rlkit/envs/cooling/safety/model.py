"""The independent check's model: what a set of actions would settle at, from design data and plausible readings.

It is steady, algebraic and written apart from the simulator's kernels (:mod:`rlkit.envs.cooling.safety.steady`), as a
site's engineer would put the plant's design data into the building controller. It errs on the warm side: load has a
margin, servers that warm draw more air and power (solved to the fixed point), a saturated coil stays saturated, racks
take the worst recirculation of their zone, evaporative coolers are left out, and so are masses, which only delay what
is coming.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rlkit.envs.cooling.parts import Servers, Zone
from rlkit.envs.cooling.safety.monitor import Monitor
from rlkit.envs.cooling.safety.steady import DESIGN, PLANT, Seen, check_rows, predict_rows
from rlkit.envs.cooling.vector import CoolingVectorEnv

CP_AIR = 1015.0  # J/(kg K)
AIR_KG_M3 = 1.2
RATED_WET_BULB_C = 19.4  # of air that enters a direct-expansion coil, AHRI 210/240
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
_FILMS = ("film_air_w_k", "film_air_exponent", "film_water_w_k", "film_water_exponent", "air_w_k", "water_w_k")
_ACTIONS = {
    "chilled": "chilled_water_setpoint_c",
    "chillers_on": "chillers",
    "pump": "chilled_water_pump_speed",
    "condenser_pump": "condenser_pump_speed",
    "tower_fan": "tower_fan_speed",
    "economizer_on": "economizer",
}
_READINGS = {
    "it_power": "it_power_kw",
    "chilled_supply": "chilled_water_supply_c",
    "condenser_supply": "condenser_water_supply_c",
    "dry_bulb": "outdoor_dry_bulb_c",
    "wet_bulb": "outdoor_wet_bulb_c",
}


class SteadyModel:
    """Predicts the hottest inlet of every zone for actions in engineering units.

    Args:
        envs: Gives the plant's design data and the names of actions.
        monitor: Gives plausible readings.
    """

    def __init__(self, envs: CoolingVectorEnv, monitor: Monitor) -> None:
        self._envs, self._monitor = envs, monitor
        self._supervisory = envs.setup.task.control == "supervisory"
        self._plant = self._packed_plant()
        zones = envs.setup.plant.zones
        self._zones = np.zeros(len(zones), DESIGN)
        for number, zone in enumerate(zones):
            self._pack_zone(self._zones[number : number + 1], number, zone)
        self._readings: dict[str, int] | None = None

    def inlets(self, values: Floats) -> Floats:
        """Hottest inlet that each zone would settle at, shape ``(n, zones)``; NaN for actions that are."""
        self._find_readings()
        out = np.zeros((len(values), len(self._zones)))
        predict_rows(self._plant, self._zones, values, self._monitor.commands_in_force, self._seen(), out)
        return out

    def passes(self, values: Floats, limit_c: float, rows: Bools) -> Bools:
        """Whether actions of these rows would settle below a limit; False for all others, ``(n,)``.

        They must also cool no less than the commands in force where a zone is above the limit already, and ask for
        enough machines: a chiller that was stopped, or has lost its flow, takes its least time off and its start-up to
        come back, and a hall heats by a kelvin a minute.
        """
        self._find_readings()
        out = np.zeros(len(values), dtype=np.bool_)
        commands = self._monitor.commands_in_force
        check_rows(rows, self._plant, self._zones, values, commands, self._seen(), limit_c, out)
        return out

    def _seen(self) -> Seen:
        return Seen(self._monitor.values, self._monitor.hottest_c, self._monitor.fans_available)

    def _packed_plant(self) -> NDArray[np.void]:
        p, plant = np.zeros(1, PLANT), self._envs.setup.plant
        pumps, chillers = plant.chilled_water_pumps, plant.chillers
        p["supervisory"], p["water_cooled"] = self._supervisory, plant.condenser is not None
        p["chillers"], p["chiller_w"], p["min_flow"] = chillers.count, chillers.capacity_kw * 1e3, chillers.min_flow
        p["pump_w"] = pumps.flow_kg_s / 1000.0 * pumps.head_pa / pumps.efficiency
        if plant.condenser is not None and plant.condenser.economizer is not None:
            e = plant.condenser.economizer
            p["economizer"], p["reach_k"] = True, e.tower_approach_k + e.approach_k + e.deadband_k
        _pack_servers(p, plant.servers)
        names = self._envs.action_names
        for field, name in _ACTIONS.items():
            p[field] = names.index(name) if name in names else -1
        return p

    def _pack_zone(self, row: NDArray[np.void], number: int, zone: Zone) -> None:
        servers, handler = self._envs.setup.plant.servers, zone.air_handler
        row["peak_w"] = peak_w = zone.racks * zone.rack_peak_kw * 1000.0
        row["server_air_w_k"] = peak_w / 1000.0 * servers.airflow_m3_s_per_kw * AIR_KG_M3 * CP_AIR
        row["other_w"] = zone.ups_loss_share * peak_w * sum(servers.ups_loss) + zone.lighting_kw * 1000.0
        row["recirculation"] = max(zone.recirculation)
        row["handler_w_k"] = handler.airflow_m3_s * AIR_KG_M3 * CP_AIR
        row["fan_w"] = handler.airflow_m3_s * handler.pressure_pa / handler.efficiency
        row["heat_to_air"] = handler.heat_to_air
        for field in _FILMS:
            row[field] = self._envs.setup.packed.zones[field][number]
        row["outdoor_limit_c"], outdoor = -np.inf, handler.outdoor_air
        if outdoor is not None and outdoor.share[1] >= 0.99:
            row["outdoor_limit_c"], row["outdoor_least_c"] = outdoor.limit_c - 1.0, outdoor.least_c + 1.0
            dew_point_c = outdoor.dew_point_limit_c
            row["outdoor_wet_bulb_c"] = np.inf if dew_point_c is None else dew_point_c
        row["supply_default_c"] = self._envs.setup.plant.control.supply_air_default_c
        if handler.dx_coil is not None:
            dx = handler.dx_coil
            row["dx_w"] = dx.capacity_kw * 1000.0 * dx.sensible_ratio
            row["dx_capacity_curve"], row["dx_wet_bulb_c"] = dx.capacity_curve, RATED_WET_BULB_C
            row["dx_outdoor_min_c"], row["dx_outdoor_max_c"] = dx.outdoor_c
        actions = ("airflow", "supply_air_setpoint_c", "") if self._supervisory else ("fan_speed", "", "valve_position")
        for field, name in zip(("airflow", "supply", "valve"), actions, strict=True):
            row[field] = self._envs.action_names.index(f"zone{number}.{name}") if name else -1

    def _find_readings(self) -> None:
        """Where readings stand, which changes when the monitor is asked to watch more."""
        rows = self._monitor.rows
        if self._readings is rows:
            return
        self._readings = rows
        for field, name in _READINGS.items():
            self._plant[field] = rows.get(name, -1)
        for number in range(len(self._zones)):
            for field, name in (
                ("it_power", "zone_it_power_kw"),
                ("inlet_mean", "zone_inlet_mean_c"),
                ("supply_air", "supply_air_c"),
            ):
                self._zones[field][number] = rows.get(f"zone{number}.{name}", -1)


def _pack_servers(p: NDArray[np.void], servers: Servers) -> None:
    for field, curve, length in (
        ("cpu_curve", servers.cpu_curve, 3),
        ("airflow_curve", servers.airflow_curve, 3),
        ("fan_curve", servers.fan_curve, 4),
    ):
        p[field] = [*curve, *[0.0] * (length - len(curve))]
    p["leakage_per_k"], p["leakage_from_c"] = servers.leakage_per_k, servers.leakage_from_c
    p["airflow_rise_per_k"], p["airflow_rise_from_c"] = servers.airflow_rise_per_k, servers.airflow_rise_from_c
    p["airflow_min"], p["airflow_max"] = servers.airflow_range
    p["fan_floor"], p["fan_share"] = servers.fan_floor, servers.fan_share
