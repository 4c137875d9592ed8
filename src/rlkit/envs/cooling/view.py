"""What a picture of a data center shows: plain numbers with their units, taken from one hall of a batch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rlkit.envs.cooling.weather import DAY_S

if TYPE_CHECKING:
    from rlkit.envs.cooling.vector import CoolingVectorEnv

MODES = ("mechanical", "partly free", "free cooling")


@dataclass(frozen=True, kw_only=True)
class ZoneView:
    """A zone: its racks, its air handlers and what is asked of them."""

    name: str
    inlets_c: tuple[float, ...]
    it_kw: float
    supply_c: float
    return_c: float
    airflow_kg_s: float
    server_airflow_kg_s: float
    fan_speed: float
    fan_kw: float
    valve: float
    outdoor_share: float  # of the handlers' air; negative where there is no outdoor air
    supply_setpoint_c: float | None


@dataclass(frozen=True, kw_only=True)
class PlantView:
    """A hall at the end of a step.

    Temperatures in C, powers and heats in kW, flows in kg/s. Set points are None where actuators are moved directly.
    """

    name: str
    zones: tuple[ZoneView, ...]
    limits_c: tuple[float, float]
    day: int
    time_s: float  # since midnight
    dry_bulb_c: float
    wet_bulb_c: float
    facility_kw: float
    it_kw: float
    cooling_kw: float
    fans_kw: float
    pumps_kw: float
    chillers_kw: float
    towers_kw: float
    water_l_h: float
    chillers: int
    chillers_on: int
    part_load: float
    chiller_heat_kw: float
    economizer_heat_kw: float
    chilled_supply_c: float
    chilled_return_c: float
    chilled_flow_kg_s: float
    condenser_supply_c: float
    condenser_return_c: float
    condenser_flow_kg_s: float
    cells: int  # 0: air-cooled
    tower_speed: float
    has_economizer: bool
    mode: int  # of the economizer: index in MODES
    chilled_setpoint_c: float
    condenser_setpoint_c: float | None
    faults: tuple[str, ...]

    @property
    def pue(self) -> float:
        """Facility power over IT power in this step."""
        return self.facility_kw / self.it_kw if self.it_kw > 0.0 else 0.0

    @property
    def hottest_c(self) -> float:
        """Hottest rack inlet."""
        return max(inlet for zone in self.zones for inlet in zone.inlets_c)


def view_of(envs: CoolingVectorEnv, row: int) -> PlantView:
    """One hall of a batch as it is now."""
    setup = envs.setup
    plant, layout = setup.plant, setup.packed.readings
    truth, commands = envs._batch.readings[row], envs._batch.commands[row]
    place = envs._batch.episodes[row]
    limits = setup.model.charges[0]

    def value(name: str, index: int = 0) -> float:
        return float(truth[layout.column(name, index)])

    def asked(name: str, index: int = 0) -> float | None:
        if setup.task.control != "supervisory" and name != "chilled_water_setpoint_c":
            return None
        return float(commands[setup.commands.column(name, index)])

    first = 0
    zones = []
    for z, zone in enumerate(plant.zones):
        inlets = tuple(value("inlet_c", rack) for rack in range(first, first + zone.racks))
        first += zone.racks
        zones.append(
            ZoneView(
                name=zone.name,
                inlets_c=inlets,
                it_kw=value("zone_it_power_kw", z),
                supply_c=value("supply_air_c", z),
                return_c=value("return_air_c", z),
                airflow_kg_s=value("airflow_kg_s", z),
                server_airflow_kg_s=value("server_airflow_kg_s", z),
                fan_speed=value("fan_speed", z),
                fan_kw=value("fan_power_kw", z),
                valve=value("valve_position", z),
                outdoor_share=value("outdoor_air_share", z) if zone.air_handler.outdoor_air is not None else -1.0,
                supply_setpoint_c=asked("supply_air_setpoint_c", z),
            )
        )
    per_h = value("facility_power_kw") / max(value("facility_energy_kwh"), 1e-9)  # of the step the readings are of
    return PlantView(
        name=plant.name,
        zones=tuple(zones),
        limits_c=(float(limits["inlet_low_c"]), float(limits["inlet_high_c"])),
        day=int(((place["weather_s"] + place["steps"] * setup.task.step_s) // DAY_S) % 365) + 1,
        time_s=float((place["weather_s"] + place["steps"] * setup.task.step_s) % DAY_S),
        dry_bulb_c=value("outdoor_dry_bulb_c"),
        wet_bulb_c=value("outdoor_wet_bulb_c"),
        facility_kw=value("facility_power_kw"),
        it_kw=value("it_power_kw"),
        cooling_kw=value("cooling_power_kw"),
        fans_kw=sum(zone.fan_kw for zone in zones),
        pumps_kw=(value("chilled_water_pump_energy_kwh") + value("condenser_pump_energy_kwh")) * per_h,
        chillers_kw=value("chiller_energy_kwh") * per_h,
        towers_kw=value("tower_fan_energy_kwh") * per_h,
        water_l_h=value("water_l") * per_h,
        chillers=plant.chillers.count,
        chillers_on=round(value("chillers_on")),
        part_load=value("chiller_part_load"),
        chiller_heat_kw=value("chiller_heat_kw"),
        economizer_heat_kw=value("economizer_heat_kw"),
        chilled_supply_c=value("chilled_water_supply_c"),
        chilled_return_c=value("chilled_water_return_c"),
        chilled_flow_kg_s=value("chilled_water_flow_kg_s"),
        condenser_supply_c=value("condenser_water_supply_c"),
        condenser_return_c=value("condenser_water_return_c"),
        condenser_flow_kg_s=value("condenser_water_flow_kg_s"),
        cells=plant.condenser.towers.cells if plant.condenser is not None else 0,
        tower_speed=value("tower_fan_speed"),
        has_economizer=plant.condenser is not None and plant.condenser.economizer is not None,
        mode=round(value("economizer_mode")),
        chilled_setpoint_c=float(asked("chilled_water_setpoint_c") or 0.0),
        condenser_setpoint_c=asked("condenser_water_setpoint_c"),
        faults=tuple(f"{fault['kind']} {fault['unit']}" for fault in envs.active_faults(row)),
    )
