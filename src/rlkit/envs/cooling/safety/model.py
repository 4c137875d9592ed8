"""The independent check's model: what a set of actions would settle at, from design data and plausible readings.

It is steady, algebraic and written apart from the simulator's kernel: NumPy on the plant's design data, as a site's
engineer would put it into the building controller. It errs on the warm side: load has a margin, servers that warm
draw more air and power (solved to the fixed point), a saturated coil stays saturated, racks take the worst
recirculation of their zone, and masses, which only delay what is coming, are left out.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rlkit.envs.cooling.parts import Zone
from rlkit.envs.cooling.safety.monitor import Monitor
from rlkit.envs.cooling.vector import CoolingVectorEnv

CP_AIR = 1015.0  # J/(kg K)
AIR_KG_M3 = 1.2
HOTTEST_C = 80.0  # where the fixed point is given up
LOAD_MARGIN = 0.1  # of utilisation: a step's rise, and what the power meter may be off
ITERATIONS = 25
SETTLED_K = 0.01
LOAD_OF_CHILLER = 0.9  # share of its capacity that a machine is trusted with
SPARE_FLOW = 0.02  # above the share of flow at which a chiller's flow switch trips
COLD_BASIN_C = 27.0  # warmer condenser water asks for tower fans
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


class SteadyModel:
    """Predicts the hottest inlet of every zone for actions in engineering units.

    Args:
        envs: Gives the plant's design data and the names of actions.
        monitor: Gives plausible readings.
    """

    def __init__(self, envs: CoolingVectorEnv, monitor: Monitor) -> None:
        self._envs, self._monitor = envs, monitor
        self._plant = envs.setup.plant
        self._supervisory = envs.setup.task.control == "supervisory"
        self._column = {name: column for column, name in enumerate(envs.action_names)}
        zones = self._plant.zones
        self._peak_w = np.array([zone.racks * zone.rack_peak_kw * 1000.0 for zone in zones])
        self._server_air_w_k = self._peak_w / 1000.0 * self._plant.servers.airflow_m3_s_per_kw * AIR_KG_M3 * CP_AIR
        losses = np.array([zone.ups_loss_share for zone in zones]) * self._peak_w * sum(self._plant.servers.ups_loss)
        self._other_w = losses + np.array([zone.lighting_kw * 1000.0 for zone in zones])
        self._recirculation = np.array([max(zone.recirculation) for zone in zones])
        self._handler_w_k = np.array([zone.air_handler.airflow_m3_s * AIR_KG_M3 * CP_AIR for zone in zones])
        self._fan_w = np.array([_fan_w(zone) for zone in zones])
        self._heat_to_air = np.array([zone.air_handler.heat_to_air for zone in zones])

    def _control(self, values: Floats, name: str, default: float) -> Floats:
        """A control of the plant, ``(n,)``."""
        column = self._column.get(name)
        return np.full(len(values), default) if column is None else values[:, column]

    def _zone_control(self, values: Floats, name: str) -> Floats:
        """A control of every zone, ``(n, zones)``."""
        return values[:, [self._column[f"zone{zone}.{name}"] for zone in range(len(self._peak_w))]]

    def inlets(self, values: Floats) -> Floats:
        """Hottest inlet that each zone would settle at: the least fixed point, from below; shape ``(n, zones)``."""
        speed = self._monitor.airflow_of(values) * self._monitor.fans_available
        crah_w_k = np.maximum(self._handler_w_k * speed, 1.0)
        fan_w = self._fan_w * speed**2 * self._heat_to_air  # warmer than the cubic law has it
        chilled_c, water = self._water(values)
        per_w = np.maximum(1.0 / self._coil(speed, water) - 1.0 / crah_w_k, 0.0)
        warmest, coldest = self._supply_range(values)
        utilisation = self._utilisation()
        inlet = np.maximum(coldest, chilled_c)
        for _ in range(ITERATIONS):
            air_w_k = self._server_air_w_k * self._flow_share(utilisation, inlet)
            heat_w = self._peak_w * self._power_share(utilisation, inlet) + self._other_w + fan_w
            supply = np.maximum(coldest, np.minimum(chilled_c + heat_w * per_w, warmest))
            missing = np.maximum(1.0 - crah_w_k / air_w_k, 0.0)
            drawn = missing + (1.0 - missing) * self._recirculation
            before, inlet = inlet, np.minimum(supply + drawn * heat_w / np.minimum(crah_w_k, air_w_k), HOTTEST_C)
            if np.nanmax(np.abs(inlet - before)) < SETTLED_K:
                break
        return inlet

    def _flow_share(self, utilisation: Floats, inlet_c: Floats) -> Floats:
        """Share of their design airflow that servers draw."""
        s, c = self._plant.servers, (*self._plant.servers.airflow_curve, 0.0, 0.0)
        share = c[0] + c[1] * utilisation + c[2] * inlet_c
        share = share * (1.0 + s.airflow_rise_per_k * np.maximum(inlet_c - s.airflow_rise_from_c, 0.0))
        flow: Floats = np.clip(share, *s.airflow_range)
        return flow

    def _power_share(self, utilisation: Floats, inlet_c: Floats) -> Floats:
        """Power of racks over their peak; nothing is taken off for servers that throttle."""
        s, c = self._plant.servers, (*self._plant.servers.cpu_curve, 0.0, 0.0)
        cpu = np.maximum(c[0] + c[1] * utilisation + c[2] * inlet_c, 0.0)
        cpu = cpu * (1.0 + s.leakage_per_k * np.maximum(inlet_c - s.leakage_from_c, 0.0))
        fan = np.maximum(
            np.polynomial.polynomial.polyval(self._flow_share(utilisation, inlet_c), s.fan_curve), s.fan_floor
        )
        share: Floats = (1.0 - s.fan_share) * cpu + s.fan_share * fan
        return share

    def _utilisation(self) -> Floats:
        """What power meters imply at present inlets, with a margin; 1 where no meter can be trusted; ``(n, zones)``."""
        power = self._monitor.zone_values("zone_it_power_kw") * 1000.0 / self._peak_w
        if len(self._peak_w) == 1:
            hall = self._monitor.value("it_power_kw")[:, None] * 1000.0 / self._peak_w
            power = np.where(np.isnan(power), hall, power)
        inlet = np.nan_to_num(self._monitor.zone_values("zone_inlet_mean_c"), nan=15.0)
        idle = self._power_share(np.zeros_like(power), inlet)
        full = self._power_share(np.ones_like(power), inlet)
        implied = (power - idle) / np.maximum(full - idle, 1e-6) + LOAD_MARGIN
        return np.where(np.isnan(implied), 1.0, np.clip(implied, 0.0, 1.0))

    def _water(self, values: Floats) -> tuple[Floats, Floats]:
        """Chilled water as warm as is asked for or as it is, and the largest share of design flow of each coil."""
        asked = self._control(values, "chilled_water_setpoint_c", 7.0)
        measured = self._monitor.value("chilled_water_supply_c")
        chilled_c = np.where(np.isnan(measured), asked + 2.0, np.maximum(asked, measured))[:, None]
        if self._supervisory:
            return chilled_c, np.ones((len(values), len(self._peak_w)))
        pump = self._control(values, "chilled_water_pump_speed", 1.0)[:, None]
        return chilled_c, pump * self._zone_control(values, "valve_position")

    def _coil(self, speed: Floats, water: Floats) -> Floats:
        """Conductance of coils in W/K: two films in series in a cross-flow exchanger."""
        design = self._envs.setup.packed.zones
        speed, water = np.maximum(speed, 1e-4), np.maximum(water, 1e-4)
        air_film = design["film_air_w_k"] * speed ** design["film_air_exponent"]
        water_film = design["film_water_w_k"] * water ** design["film_water_exponent"]
        air, flow = design["air_w_k"] * speed, design["water_w_k"] * water
        least, most = np.minimum(air, flow), np.maximum(air, flow)
        ntu = air_film * water_film / ((air_film + water_film) * least)
        ratio = np.maximum(least / most, 1e-6)
        conductance: Floats = least * -np.expm1(ntu**0.22 / ratio * np.expm1(-ratio * ntu**0.78))
        return conductance

    def _supply_range(self, values: Floats) -> tuple[Floats, Floats]:
        """Supply air: the warmest that outdoor air alone makes it, and the coldest that can be hoped for."""
        outdoors = self._outdoor_supply()
        if not self._supervisory:
            return outdoors, np.full_like(outdoors, -np.inf)
        asked = self._zone_control(values, "supply_air_setpoint_c")
        in_force = self._zone_control(self._envs.commands, "supply_air_setpoint_c")
        measured = self._monitor.zone_values("supply_air_c")
        with np.errstate(invalid="ignore"):
            saturated = np.where(measured > in_force + 1.0, measured, -np.inf)  # no better than it is now
        return outdoors, np.maximum(asked, saturated)

    def _outdoor_supply(self) -> Floats:
        """Supply air of handlers that may take in outdoor air alone; infinite where they may not, or it is too warm."""
        outdoor = self._monitor.value("outdoor_dry_bulb_c")[:, None]
        limit = [
            -np.inf if a is None or a.share[1] < 0.99 else a.limit_c - 1.0
            for a in (zone.air_handler.outdoor_air for zone in self._plant.zones)
        ]
        free = np.maximum(outdoor + 2.0, self._plant.control.supply_air_default_c)
        with np.errstate(invalid="ignore"):
            return np.where(outdoor < np.array(limit), free, np.inf)

    def machines_suffice(self, values: Floats) -> Bools:
        """Whether chillers, pumps and towers that actuators ask for can carry the load, ``(n,)``.

        A chiller that was stopped, or has lost its flow, takes its least time off and its start-up to come back, and
        a hall heats by a kelvin a minute: such actions must not be tried. Always true where local loops do this.
        """
        if self._supervisory:
            return np.ones(len(values), dtype=np.bool_)
        chillers = self._plant.chillers
        needed = np.ceil(self._heat_w(values) / (LOAD_OF_CHILLER * chillers.capacity_kw * 1000.0))
        needed = np.where(self._free_cooling(values), 0, np.clip(needed, 1, chillers.count))
        running = np.floor(self._control(values, "chillers", float(chillers.count)) + 0.5)
        least = (chillers.min_flow + SPARE_FLOW) * needed / chillers.count
        checks = [running >= needed, self._control(values, "chilled_water_pump_speed", 1.0) >= least]
        if self._plant.condenser is not None:
            with np.errstate(invalid="ignore"):
                cool = self._monitor.value("condenser_water_supply_c") < COLD_BASIN_C  # False without a sensor
            checks.append(self._control(values, "condenser_pump_speed", 1.0) >= least)
            checks.append((needed == 0) | cool | (self._control(values, "tower_fan_speed", 1.0) >= 0.8))
        suffice: Bools = np.logical_and.reduce(checks)
        return suffice

    def _heat_w(self, values: Floats) -> Floats:
        """Heat that the chillers must take, ``(n,)``."""
        inlet = np.nan_to_num(self._monitor.hottest_c, nan=30.0)
        servers = self._peak_w * self._power_share(self._utilisation(), inlet) + self._other_w
        fans = self._fan_w * self._zone_control(values, "fan_speed") ** 2
        pumps = self._plant.chilled_water_pumps
        total: Floats = (servers + fans).sum(axis=1) + pumps.flow_kg_s / 1000.0 * pumps.head_pa / pumps.efficiency
        return total

    def _free_cooling(self, values: Floats) -> Bools:
        """Whether the outdoors alone carries the load: by the waterside economizer, or as outdoor air in every zone."""
        free: Bools = np.logical_and.reduce(np.isfinite(self._outdoor_supply()), axis=1)
        condenser = self._plant.condenser
        if condenser is None or condenser.economizer is None:
            return free
        e = condenser.economizer
        reach = self._monitor.value("outdoor_wet_bulb_c") + e.tower_approach_k + e.approach_k + e.deadband_k
        with np.errstate(invalid="ignore"):
            cold = reach <= self._control(values, "chilled_water_setpoint_c", 7.0)
        fans = self._control(values, "tower_fan_speed", 0.0) >= 0.5
        pumps = self._control(values, "condenser_pump_speed", 0.0) >= 0.5
        return free | (cold & (self._control(values, "economizer", 0.0) > 0.5) & fans & pumps)


def _fan_w(zone: Zone) -> float:
    """Design power of a zone's fans."""
    handler = zone.air_handler
    return handler.airflow_m3_s * handler.pressure_pa / handler.efficiency
