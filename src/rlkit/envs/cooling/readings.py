"""What the kernel says of every step, what it is told, and what it remembers: names and units, in one place.

A hall's readings are one row of float64: the plant's (:data:`PLANT_READINGS`), then a block for each zone
(:data:`ZONE_READINGS`), then one for each rack (:data:`RACK_READINGS`). State, actions and faults are laid out in the
same way. :class:`Layout` gives the columns of a plant's rows by name. Unless the meaning says otherwise, powers,
heats, flows and airflows are means over the step and temperatures are those at its end.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from rlkit.errors import UsageError, nearest


class Quantity(NamedTuple):
    """A column: its name, its unit, and what it means."""

    name: str
    unit: str
    meaning: str


PLANT_READINGS = (
    Quantity("facility_energy_kwh", "kWh", "all electricity of the step: the facility meter"),
    Quantity("it_energy_kwh", "kWh", "racks, with their own fans, after the power supply"),
    Quantity("server_fan_energy_kwh", "kWh", "server fans (part of it_energy_kwh)"),
    Quantity("ups_energy_kwh", "kWh", "loss of the power supply"),
    Quantity("lighting_energy_kwh", "kWh", "lights and small loads"),
    Quantity("fan_energy_kwh", "kWh", "fans of the air handlers"),
    Quantity("chilled_water_pump_energy_kwh", "kWh", "chilled-water pumps"),
    Quantity("condenser_pump_energy_kwh", "kWh", "condenser-water pumps"),
    Quantity("chiller_energy_kwh", "kWh", "compressors, and condenser fans where air-cooled"),
    Quantity("tower_fan_energy_kwh", "kWh", "cooling-tower fans"),
    Quantity("basin_heater_energy_kwh", "kWh", "heaters that keep idle tower basins from freezing"),
    Quantity("dx_energy_kwh", "kWh", "direct-expansion coils: compressors and condenser fans"),
    Quantity("evaporative_energy_kwh", "kWh", "evaporative coolers: their pumps and the fans of their outdoor air"),
    Quantity("water_l", "L", "make-up water: evaporation, drift and blowdown"),
    Quantity("evaporation_l", "L", "evaporated in towers and evaporative coolers"),
    Quantity("drift_l", "L", "carried off as droplets"),
    Quantity("blowdown_l", "L", "drained to keep the concentration"),
    Quantity("facility_power_kw", "kW", "mean of the facility meter"),
    Quantity("it_power_kw", "kW", "mean of the racks"),
    Quantity("cooling_power_kw", "kW", "mean of fans, pumps, chillers and towers"),
    Quantity("coil_heat_kw", "kW", "from air to chilled water, sensible and latent"),
    Quantity("latent_heat_kw", "kW", "the latent part of it: condensation on the coils"),
    Quantity("chiller_heat_kw", "kW", "from chilled water by the chillers"),
    Quantity("economizer_heat_kw", "kW", "from chilled water by the waterside economizer"),
    Quantity("rejected_heat_kw", "kW", "to the outdoors by towers, condensers in air, indirect evaporative coolers"),
    Quantity("envelope_heat_kw", "kW", "into the zones through walls, leaks and outdoor air (negative: out)"),
    Quantity("chilled_water_supply_c", "C", "chilled water that reaches the coils"),
    Quantity("chilled_water_return_c", "C", "chilled water that comes back"),
    Quantity("chilled_water_flow_kg_s", "kg/s", "through the pumps"),
    Quantity("condenser_water_supply_c", "C", "tower basin (outdoor air where air-cooled)"),
    Quantity("condenser_water_return_c", "C", "to the towers"),
    Quantity("condenser_water_flow_kg_s", "kg/s", "through the pumps"),
    Quantity("chillers_on", "1", "running at the end"),
    Quantity("chiller_part_load", "1", "load over capacity of those running"),
    Quantity("chiller_starts", "1", "starts during the step"),
    Quantity("economizer_mode", "1", "0 mechanical, 1 partial, 2 free"),
    Quantity("tower_fan_speed", "1", "share of design airflow"),
    Quantity("outdoor_dry_bulb_c", "C", "as given"),
    Quantity("outdoor_wet_bulb_c", "C", "as given"),
    Quantity("outdoor_humidity_ratio", "kg/kg", "from these and the pressure"),
    Quantity("inlet_max_c", "C", "hottest rack inlet"),
    Quantity("inlet_mean_c", "C", "mean rack inlet, weighted by airflow"),
    Quantity("inlet_min_c", "C", "coldest rack inlet"),
    Quantity("inlet_rise_k_h", "K/h", "fastest change of a rack's inlet over the step, signed"),
    Quantity("out_of_range", "1", "share of the step in which a chiller curve was clipped"),
    Quantity("throttled_power_kw", "kW", "what the racks would draw more if none were too hot to work"),
    Quantity("unmet_heat_kw", "kW", "what the chillers would have had to take beyond their capacity"),
    Quantity("energy_residual", "1", "heat in less stored less out, over the heat in"),
)

ZONE_READINGS = (
    Quantity("supply_air_c", "C", "air that leaves the air handlers"),
    Quantity("return_air_c", "C", "air on the hot side"),
    Quantity("airflow_kg_s", "kg/s", "of the air handlers"),
    Quantity("server_airflow_kg_s", "kg/s", "of the server fans"),
    Quantity("fan_speed", "1", "share of design airflow"),
    Quantity("fan_power_kw", "kW", "of the air handlers"),
    Quantity("valve_position", "1", "share of design water flow through the coils; of time that a DX coil runs"),
    Quantity("zone_coil_heat_kw", "kW", "sensible, from air to the coil"),
    Quantity("zone_it_power_kw", "kW", "of its racks"),
    Quantity("zone_inlet_max_c", "C", "hottest rack inlet"),
    Quantity("zone_inlet_mean_c", "C", "mean rack inlet, weighted by airflow"),
    Quantity("mass_c", "C", "of floor, walls and racks"),
    Quantity("dew_point_c", "C", "of the zone's air"),
    Quantity("inlet_humidity", "1", "relative humidity at the mean rack inlet"),
    Quantity("aisle_pressure_pa", "Pa", "cold aisle over hot aisle"),
    Quantity("supply_heat_index", "1", "SHI: share of the racks' heat taken in from the hot side"),
    Quantity("outdoor_air_share", "1", "of the handlers' flow"),
)

RACK_READINGS = (
    Quantity("inlet_c", "C", "air that enters the rack"),
    Quantity("outlet_c", "C", "air that leaves it, mean over the last sub-step"),
    Quantity("power_kw", "kW", "electricity, with its fans"),
)

PLANT_STATE = (
    Quantity("chilled_water_c", "C", "chilled-water loop"),
    Quantity("condenser_water_c", "C", "condenser loop and basin"),
    Quantity("chilled_water_pump_w", "W", "of the last solution"),
    Quantity("chilled_water_kg_s", "kg/s", "flow of the last solution"),
    Quantity("return_c", "C", "chilled-water return of the last solution"),
    Quantity("chillers_on", "1", "running"),
    Quantity("chillers_ready", "1", "of these, how many have reached capacity"),
    Quantity("since_start_s", "s", "since a chiller started"),
    Quantity("since_stop_s", "s", "since a chiller stopped"),
    Quantity("chiller_demand_w", "W", "heat that the chillers were asked to take in the last solution"),
    Quantity("economizer_mode", "1", "0 mechanical, 1 partial, 2 free"),
    Quantity("since_mode_s", "s", "since the mode changed"),
    Quantity("tower_speed", "1", "fan ratio of the last solution"),
    Quantity("tower_rise_k", "K", "wet-bulb rise of the last solution"),
    Quantity("tower_exit_c", "C", "leaving air of the last solution"),
)

ZONE_STATE = (
    Quantity("hot_air_c", "C", "air on the hot side"),
    Quantity("mass_c", "C", "slow mass"),
    Quantity("humidity_ratio", "kg/kg", "of the zone's air"),
    Quantity("fan_speed", "1", "share of design airflow"),
    Quantity("conductance_w_k", "W/K", "of the coil at its valve's position"),
    Quantity("valve", "1", "share of design water flow"),
    Quantity("supply_air_c", "C", "air that leaves the air handlers"),
    Quantity("coil_heat_w", "W", "of the last solution"),
    Quantity("dew_point_c", "C", "of the last solution"),
    Quantity(
        "found_w_k", "W/K", "conductance, without fouling, for which the valve was last found; 0 where it was not"
    ),
    Quantity("found_growth", "1", "by how many per cent it grows there with a per cent of water"),
)

RACK_STATE = (
    Quantity("server_c", "C", "thermal mass of the servers, also the air that leaves them"),
    Quantity("inlet_c", "C", "air that entered in the last sub-step"),
)

SUPERVISORY_ACTIONS = (
    Quantity("chilled_water_setpoint_c", "C", "leaving the chillers"),
    Quantity("condenser_water_setpoint_c", "C", "leaving the towers"),
)
SUPERVISORY_ZONE_ACTIONS = (
    Quantity("supply_air_setpoint_c", "C", "leaving the air handlers"),
    Quantity("airflow", "1", "share of design airflow"),
)
ACTUATOR_ACTIONS = (
    Quantity("chillers", "1", "number to run (rounded); minimum on and off times still hold"),
    Quantity("chilled_water_setpoint_c", "C", "leaving the chillers, kept by their own controller"),
    Quantity("chilled_water_pump_speed", "1", "share of design flow"),
    Quantity("condenser_pump_speed", "1", "share of design flow"),
    Quantity("tower_fan_speed", "1", "share of design airflow"),
    Quantity("economizer", "1", "above 0.5: tower water through the economizer"),
)
ACTUATOR_ZONE_ACTIONS = (
    Quantity("fan_speed", "1", "share of design airflow"),
    Quantity("valve_position", "1", "share of design water flow at full pump speed"),
)

PLANT_FAULTS = (
    Quantity("chillers_available", "1", "share that can run (rounded down to machines)"),
    Quantity("chilled_water_pumps_available", "1", "share of flow"),
    Quantity("condenser_pumps_available", "1", "share of flow"),
    Quantity("tower_fans_available", "1", "share of airflow"),
)
ZONE_FAULTS = (
    Quantity("fans_available", "1", "share of airflow"),
    Quantity("stuck_valve", "1", "position, or negative where the valve moves"),
    Quantity("coil_fouling", "1", "share of its conductance that is left"),
)

WEATHER = (
    Quantity("dry_bulb_c", "C", "outdoor air"),
    Quantity("wet_bulb_c", "C", "outdoor air"),
    Quantity("pressure_pa", "Pa", "of the site"),
)


@dataclass(frozen=True)
class Layout:
    """Columns of one kind of row: those of the plant, then a block a zone, then a block a rack.

    Example:
        >>> layout = Layout(WEATHER, (), (), zones=2, racks=2)
        >>> layout.column("wet_bulb_c")
        1
    """

    plant: tuple[Quantity, ...]
    zone: tuple[Quantity, ...]
    rack: tuple[Quantity, ...]
    zones: int
    racks: int

    @property
    def width(self) -> int:
        """Columns of a row."""
        return len(self.plant) + self.zones * len(self.zone) + self.racks * len(self.rack)

    def column(self, name: str, index: int = 0) -> int:
        """Column of a quantity; ``index`` is the number of the zone or rack, where it belongs to one.

        Raises:
            UsageError: If there is no such quantity, zone or rack.
        """
        for start, block, count in self._blocks():
            names = [q.name for q in block]
            if name in names:
                if not 0 <= index < count:
                    raise UsageError(f"{name!r}: there are {count}, got number {index}")
                return start + index * len(block) + names.index(name)
        raise UsageError(f"there is no {name!r}: {nearest(name, [q.name for _, b, _ in self._blocks() for q in b])}")

    def columns(self, name: str) -> slice:
        """Columns of a quantity of all zones or racks (or the plant's single one), as a slice."""
        first = self.column(name)
        for start, block, count in self._blocks():
            if start <= first < start + count * len(block):
                return slice(first, start + count * len(block), max(len(block), 1))
        raise UsageError(f"there is no {name!r}")

    def names(self) -> list[str]:
        """A unique name of every column, such as ``zone0.supply_air_c`` or ``rack12.inlet_c``."""
        named = [q.name for q in self.plant]
        named += [f"zone{z}.{q.name}" for z in range(self.zones) for q in self.zone]
        return named + [f"rack{r}.{q.name}" for r in range(self.racks) for q in self.rack]

    def units(self) -> list[str]:
        """Unit of every column."""
        units = [q.unit for q in self.plant] + [q.unit for q in self.zone] * self.zones
        return units + [q.unit for q in self.rack] * self.racks

    def _blocks(self) -> tuple[tuple[int, tuple[Quantity, ...], int], ...]:
        zones_start = len(self.plant)
        racks_start = zones_start + self.zones * len(self.zone)
        return (0, self.plant, 1), (zones_start, self.zone, self.zones), (racks_start, self.rack, self.racks)


def numbers(block: tuple[Quantity, ...]) -> dict[str, int]:
    """Column of each quantity inside its block, for kernels to take as constants."""
    return {quantity.name: i for i, quantity in enumerate(block)}
