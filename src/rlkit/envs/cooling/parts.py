"""The parts of a data center as frozen dataclasses, in engineering units that their names carry."""

from __future__ import annotations

from dataclasses import dataclass

from rlkit.envs.cooling.coolers import Curve, DirectCooler, DxCoil, IndirectCooler, Range

# Fans with variable-speed drives: share of power over share of flow (DOE-2; EnergyPlus' Fan:VariableVolume example).
VSD_FAN: Curve = (0.0015302446, 0.0052080574, 1.1086242, -0.11635563)
# Cooling tower fans: EnergyPlus' CoolingTowerFanRatioCurve.
TOWER_FAN: Curve = (-0.0093151630, 0.0512333966, -0.0838364671, 1.0419182336)
# Pumps with variable-speed drives and a pressure setpoint that is reset: OpenStudio Standards (NREL), from DOE-2.
VSD_PUMP: Curve = (0.0, 0.0205, 0.4101, 0.5753)


@dataclass(frozen=True, kw_only=True)
class Servers:
    """How IT equipment turns work into heat and moves its own air.

    Attributes:
        cpu_curve: Share of peak power: constant, per utilisation, per K of inlet temperature.
        leakage_per_k: Rise of that with inlet temperature above ``leakage_from_c``.
        leakage_from_c: See there.
        fan_share: Power of the server fans at design flow, share of a rack's peak power (which it is part of).
        fan_curve: Their share of power as a cubic in their share of flow.
        fan_floor: Least share of their power.
        airflow_m3_s_per_kw: Design airflow for each kW of peak power.
        airflow_curve: Share of it: constant, per utilisation, per K of inlet temperature.
        airflow_rise_per_k: Rise of that with inlet temperature above ``airflow_rise_from_c``.
        airflow_rise_from_c: See there.
        airflow_range: Least and largest share.
        shutdown_c: Inlet temperatures at which servers begin to throttle and at which they have switched off.
        heat_capacity_kj_k_per_kw: Thermal mass for each kW of peak power.
        ups_loss: Loss of the power supply as share of peak power: constant, linear, quadratic in the share of load.
    """

    cpu_curve: Curve
    leakage_per_k: float = 0.0
    leakage_from_c: float = 25.0
    fan_share: float
    fan_curve: Curve = (0.0, 0.0, 0.0, 1.0)
    fan_floor: float = 0.0
    airflow_m3_s_per_kw: float
    airflow_curve: Curve
    airflow_rise_per_k: float = 0.0
    airflow_rise_from_c: float = 25.0
    airflow_range: Range = (0.3, 1.5)
    shutdown_c: Range = (45.0, 60.0)
    heat_capacity_kj_k_per_kw: float
    ups_loss: Curve = (0.0, 0.0, 0.0)


@dataclass(frozen=True, kw_only=True)
class Coil:
    """A chilled-water coil by its design point, from which its conductance is found.

    Attributes:
        heat_kw: Of the whole zone at design.
        air_in_c: Air that enters at design.
        water_in_c: Water that enters at design.
        water_kg_s: Largest water flow of the whole zone.
        film_ratio: Film conductance of air over that of water at design.
        film_exponents: Exponents of flow in the film conductances of air and water.
    """

    heat_kw: float
    air_in_c: float
    water_in_c: float
    water_kg_s: float
    film_ratio: float = 0.5
    film_exponents: Range = (0.8, 0.85)


@dataclass(frozen=True, kw_only=True)
class OutdoorAir:
    """Outdoor air let into an air handler: ventilation, and free cooling where it is cold enough.

    Attributes:
        share: Least and largest share of the handler's flow.
        limit_c: Free cooling works below this outdoor temperature.
        least_c: And above this one.
        dew_point_limit_c: And below this outdoor dew point; None: whatever the humidity.
    """

    share: Range
    limit_c: float
    least_c: float = -100.0
    dew_point_limit_c: float | None = None


@dataclass(frozen=True, kw_only=True)
class AirHandler:
    """The CRAH units of a zone, taken together.

    Attributes:
        airflow_m3_s: Of all of them at full speed.
        pressure_pa: Fan pressure rise.
        efficiency: Of fan, motor and drive together.
        fan_curve: Share of power as a cubic in share of flow.
        fan_floor: Least share of power while running.
        heat_to_air: Share of the fan power that warms the air.
        coil: The chilled-water coil; None where there is a direct-expansion coil.
        dx_coil: The direct-expansion coil; None where there is a chilled-water coil.
        outdoor_air: None for a closed room.
        direct_cooler: Evaporative cooler in the air stream; None without.
        indirect_cooler: Evaporative cooler beside the air stream; None without.
    """

    airflow_m3_s: float
    pressure_pa: float
    efficiency: float
    fan_curve: Curve = VSD_FAN
    fan_floor: float = 0.0
    heat_to_air: float = 1.0
    coil: Coil | None = None
    dx_coil: DxCoil | None = None
    outdoor_air: OutdoorAir | None = None
    direct_cooler: DirectCooler | None = None
    indirect_cooler: IndirectCooler | None = None

    @property
    def coil_kw(self) -> float:
        """Design heat of the coil, whichever kind it is."""
        if self.coil is not None:
            return self.coil.heat_kw
        return self.dx_coil.capacity_kw if self.dx_coil is not None else 0.0


@dataclass(frozen=True, kw_only=True)
class Zone:
    """A room or aisle pair: racks between a cold and a hot side, served by air handlers.

    Attributes:
        name: Unique.
        racks: Number of racks (or rows of like racks) that are followed one by one.
        rack_peak_kw: Peak power of each.
        recirculation: Share of its inlet air that a rack draws from the hot side when supply matches demand, for the
            first and the last rack; between them on a line.
        air_m3: Volume of the hot side.
        mass_kj_k: Heat capacity of what warms slowly: floor, walls, racks, cable trays.
        mass_w_k: Conductance between the hot side's air and it.
        envelope_w_k: Conductance between it and the outdoors.
        floor_w_k: Conductance between the supply air under the raised floor and the ground.
        ground_c: Temperature of the ground.
        infiltration_m3_s: Outdoor air that leaks in.
        lighting_kw: Lights and other small loads, all heat.
        ups_loss_share: Share of the power supply's loss that warms the zone; the rest is a room of its own.
        air_handler: What cools it.
    """

    name: str
    racks: int
    rack_peak_kw: float
    recirculation: Range
    air_m3: float
    mass_kj_k: float
    mass_w_k: float
    envelope_w_k: float = 0.0
    floor_w_k: float = 0.0
    ground_c: float = 15.0
    infiltration_m3_s: float = 0.0
    lighting_kw: float = 0.0
    ups_loss_share: float = 0.0
    air_handler: AirHandler


@dataclass(frozen=True, kw_only=True)
class Pumps:
    """Equal pumps in parallel on one loop.

    Attributes:
        flow_kg_s: Of all of them at full speed.
        head_pa: At that flow.
        efficiency: Of pump, motor and drive together.
        curve: Share of power as a cubic in share of flow.
        heat_to_water: Share of the power that warms the water.
    """

    flow_kg_s: float
    head_pa: float
    efficiency: float
    curve: Curve = VSD_PUMP
    heat_to_water: float = 0.9


@dataclass(frozen=True, kw_only=True)
class Chillers:
    """Equal chillers in parallel: EnergyPlus' Chiller:Electric:EIR.

    Attributes:
        count: How many.
        capacity_kw: Reference capacity of one.
        cop: Reference COP.
        capacity_curve: Biquadratic in leaving chilled and entering condenser temperature.
        input_curve: The same, of energy input over cooling output.
        part_load_curve: Cubic (or shorter) in part load.
        leaving_c: Range of the curves in leaving chilled water.
        entering_c: Range in entering condenser water (or outdoor air); head-pressure control
            keeps the condenser above it.
        part_load: Least part load before cycling, and the largest.
        part_load_range: Range of the part-load curve.
        unloading_min: Least part load to which the compressor unloads.
        start_up_s: Time to reach full capacity.
        min_on_s: Least time between a start and the next stop of any of them.
        min_off_s: Least time between a stop and the next start.
        min_flow: Least share of design flow, chilled and condenser water, through a running machine; below it the flow
            switch trips.
        condenser_fan_kw_per_kw: Fan power over capacity, air-cooled machines only.
    """

    count: int
    capacity_kw: float
    cop: float
    capacity_curve: Curve
    input_curve: Curve
    part_load_curve: Curve
    leaving_c: Range
    entering_c: Range
    part_load: Range
    part_load_range: Range
    unloading_min: float
    start_up_s: float = 180.0
    min_on_s: float = 900.0
    min_off_s: float = 600.0
    min_flow: float = 0.4
    condenser_fan_kw_per_kw: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Towers:
    """Equal cooling-tower cells in parallel: EnergyPlus' CoolingTower:VariableSpeed:Merkel.

    Attributes:
        cells: How many.
        water_kg_s: Design water flow of one.
        air_m3_s: Design airflow of one.
        fan_kw: Design fan power of one.
        water_in_c: Design entering water.
        water_out_c: Design leaving water; with the flows it fixes the conductance.
        wet_bulb_c: Design wet bulb.
        free_convection: Share of conductance and of airflow with the fan off.
        air_ratio_min: Least share of airflow with the fan on; below it the fan cycles.
        water_ratio_min: Least share of design water flow of a cell in use.
        fan_curve: Share of fan power as a cubic in the share of airflow.
        ua_air_curve: UA over share of airflow, quadratic.
        ua_water_curve: UA over share of water flow, quadratic.
        ua_wet_bulb_curve: UA over design wet bulb less wet bulb, quadratic.
        water_ratio_range: Range of ``ua_water_curve``.
        wet_bulb_difference_range: Range of ``ua_wet_bulb_curve``.
        cycles_of_concentration: Of the basin; fixes blowdown.
        drift: Share of the circulating water that leaves as droplets at full fan speed.
        water_min_c: The tower is bypassed so that the basin stays above this (frost).
        basin_heater_kw_k: Power of the basin heater for each K that the outdoors are below ``basin_heater_c``, while
            no water flows; all of it is lost to the outdoors.
        basin_heater_c: See there.
    """

    cells: int
    water_kg_s: float
    air_m3_s: float
    fan_kw: float
    water_in_c: float
    water_out_c: float
    wet_bulb_c: float
    free_convection: float = 0.1
    air_ratio_min: float = 0.2
    water_ratio_min: float = 0.33
    fan_curve: Curve = TOWER_FAN
    ua_air_curve: Curve = (0.0, 1.3, -0.3)
    ua_water_curve: Curve = (0.1082, 1.667, -0.7713)
    ua_wet_bulb_curve: Curve = (1.0, 0.0081, 0.0)
    water_ratio_range: Range = (0.3, 1.1)
    wet_bulb_difference_range: Range = (-10.0, 25.0)
    cycles_of_concentration: float
    drift: float
    water_min_c: float = 5.0
    basin_heater_kw_k: float = 0.0
    basin_heater_c: float = 4.5


@dataclass(frozen=True, kw_only=True)
class Economizer:
    """A waterside economizer: a plate exchanger between tower water and returning chilled water.

    Attributes:
        approach_k: Leaving chilled water less entering tower water at design.
        range_k: Entering chilled water less entering tower water at design.
        chilled_kg_s: Design flow on the chilled side.
        tower_kg_s: Design flow on the tower side.
        tower_approach_k: What the rules expect of the tower above wet bulb.
        deadband_k: Of the rules.
        dwell_s: Least time in a mode.
    """

    approach_k: float
    range_k: float
    chilled_kg_s: float
    tower_kg_s: float
    tower_approach_k: float = 4.0
    deadband_k: float = 1.0
    dwell_s: float = 1200.0


@dataclass(frozen=True, kw_only=True)
class Condenser:
    """The water-cooled side: condenser loop, its pumps, towers, and perhaps an economizer."""

    volume_m3: float
    pumps: Pumps
    towers: Towers
    economizer: Economizer | None = None


@dataclass(frozen=True, kw_only=True)
class Control:
    """Local loops and what an operator may ask of them.

    Attributes:
        fan_s: Closed-loop time constant of the air handlers' fans.
        valve_s: Of the coil valves on supply air.
        chilled_water_s: Of the chillers on leaving water.
        condenser_water_s: Of the tower fans on the basin.
        stage_up: Part load of the running chillers above which one more starts.
        stage_down: Part load that one fewer would have, below which one stops.
        stage_off: Part load of the last chiller below which it stops, and above which it starts again; None: one always
            runs (unless the waterside economizer carries the load alone).
        supply_air_c: Range of the setpoint.
        airflow: Range of the fans' share of flow.
        chilled_water_c: Range of the setpoint.
        condenser_water_c: Range of the setpoint.
        supply_air_default_c: What an uninformed operator asks for; likewise below.
        airflow_default: See there.
        chilled_water_default_c: See there.
        condenser_water_default_c: See there.
    """

    fan_s: float = 20.0
    valve_s: float = 60.0
    chilled_water_s: float = 120.0
    condenser_water_s: float = 180.0
    stage_up: float = 0.9
    stage_down: float = 0.75
    stage_off: float | None = None
    supply_air_c: Range
    airflow: Range = (0.2, 1.0)
    chilled_water_c: Range
    condenser_water_c: Range
    supply_air_default_c: float
    airflow_default: float
    chilled_water_default_c: float
    condenser_water_default_c: float
