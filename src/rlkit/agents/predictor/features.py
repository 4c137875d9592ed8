"""What the predictor is told: Gao's 19 inputs (2014, section 3.1), each from the sensors that a simulated plant has.

Columns are found by the sensors' names, so that every plant and every set of sensors from ``"standard"`` on will do.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rlkit.envs.cooling.psychrometrics import enthalpy_j_kg, humidity_ratio_from_wet_bulb, relative_humidity
from rlkit.errors import UsageError

Array = NDArray[np.float64]
PRESSURE_PA = 101_325.0  # of the derived humidity features: a constant only stretches them
CP_WATER = 4.186  # kJ/(kg K)


class Feature(NamedTuple):
    """One of the 19: its name here, Gao's input, and how it is come by where the plant has no such thing."""

    name: str
    gao: str
    source: str


GAO_FEATURES = (
    Feature("it_power_kw", "1 total server IT load", "the same"),
    Feature("chilled_water_heat_kw", "2 campus core network load", "no such load: heat in the chilled water"),
    Feature("chilled_water_flow_kg_s", "3 process water pumps running", "one variable-speed pump set: its flow"),
    Feature("valve_position", "4 mean process pump VFD", "mean coil valve, which the pump's speed follows"),
    Feature("condenser_water_flow_kg_s", "5 condenser water pumps running", "pumps run with the chillers: their flow"),
    Feature("chilled_water_error_k", "6 mean condenser pump VFD", "no sensor of it: chilled water less its setpoint"),
    Feature("tower_fan_speed", "7 cooling towers running", "all cells run: speed of their fans"),
    Feature(
        "condenser_water_setpoint_c", "8 mean tower leaving-water setpoint", "the same (without towers: as measured)"
    ),
    Feature("chillers_on", "9 chillers running", "the same"),
    Feature("economizer_mode", "10 drycoolers running", "no drycoolers: 0 mechanical, 1 partial, 2 free cooling"),
    Feature("chiller_part_load", "11 chilled-water injection pumps", "no such pumps: part load of the chillers"),
    Feature("chilled_water_setpoint_c", "12 mean injection setpoint", "the chillers' leaving-water setpoint"),
    Feature("approach_k", "13 mean heat-exchanger approach", "chilled less condenser water, across the economizer"),
    Feature("outdoor_wet_bulb_c", "14 outside wet bulb", "the same"),
    Feature("outdoor_dry_bulb_c", "15 outside dry bulb", "the same"),
    Feature("outdoor_enthalpy_kj_kg", "16 outside enthalpy", "from wet and dry bulb"),
    Feature("outdoor_humidity", "17 outside relative humidity", "from wet and dry bulb"),
    Feature("supply_air_setpoint_c", "18 outdoor wind speed", "towers here know no wind: mean supply-air setpoint"),
    Feature("airflow_setpoint", "19 outdoor wind direction", "the same: mean airflow setpoint of the air handlers"),
)
GAO_NAMES = tuple(feature.name for feature in GAO_FEATURES)
# What decides the hour ahead besides: where the air and the water are now, and the time of day, which the load follows.
STATE_NAMES = (
    "inlet_max_c",
    "inlet_mean_c",
    "inlet_min_c",
    "supply_air_c",
    "return_air_c",
    "aisle_pressure_pa",
    "chilled_water_supply_c",
    "condenser_water_supply_c",
    "hour_sin",
    "hour_cos",
)
_PLANT_SENSORS = (
    "it_power_kw",
    "facility_power_kw",
    "chilled_water_supply_c",
    "chilled_water_return_c",
    "chilled_water_flow_kg_s",
    "condenser_water_supply_c",
    "condenser_water_flow_kg_s",
    "tower_fan_speed",
    "chillers_on",
    "economizer_mode",
    "chiller_part_load",
    "outdoor_wet_bulb_c",
    "outdoor_dry_bulb_c",
    "inlet_max_c",
    "inlet_mean_c",
    "inlet_min_c",
    "hour_sin",
    "hour_cos",
)
_ZONE_SENSORS = ("valve_position", "supply_air_c", "return_air_c", "aisle_pressure_pa")


class FeatureReader:
    """Features from what sensors show and what setpoints are asked for, both in engineering units.

    Args:
        observation_names: Of the environment's observations.
        action_names: Of its actions: supervisory setpoints.

    Raises:
        UsageError: If a sensor is missing, or actions are not setpoints.
    """

    def __init__(self, observation_names: Sequence[str], action_names: Sequence[str]) -> None:
        self.observation_names, self.action_names = tuple(observation_names), tuple(action_names)
        first = {name.partition("#")[0]: i for i, name in reversed(list(enumerate(self.observation_names)))}
        self._plant = {name: first[name] for name in _PLANT_SENSORS if name in first}
        self._zones = {
            sensor: [i for name, i in first.items() if name.startswith("zone") and name.endswith(f".{sensor}")]
            for sensor in _ZONE_SENSORS
        }
        missing = [name for name in _PLANT_SENSORS if name not in first]
        missing += [f"zone0.{name}" for name, columns in self._zones.items() if not columns]
        if missing:
            raise UsageError(
                f"agent=pue_predictor needs env=cooling with sensors 'standard' or more; missing: {', '.join(missing)}"
            )
        self._setpoints = {
            end: [i for i, name in enumerate(self.action_names) if name.rpartition(".")[2] == end]
            for end in ("chilled_water_setpoint_c", "condenser_water_setpoint_c", "supply_air_setpoint_c", "airflow")
        }
        if not self._setpoints["supply_air_setpoint_c"] or not self._setpoints["airflow"]:
            raise UsageError(
                f"agent=pue_predictor needs control='supervisory'; the actions are {', '.join(action_names)}"
            )

    @property
    def ahead_names(self) -> tuple[str, ...]:
        """Of the columns of :meth:`ahead`."""
        return (*GAO_NAMES, *STATE_NAMES, *(f"set.{name}" for name in self.action_names))

    def gao(self, observed: Array, setpoints: Array) -> NDArray[np.float32]:
        """The 19 features.

        Args:
            observed: What sensors show now, shape ``(n, observations)``.
            setpoints: Those of the coming step, shape ``(n, actions)``.

        Returns:
            Shape ``(n, 19)``.
        """
        now = {name: observed[:, column] for name, column in self._plant.items()}
        wet, dry = now["outdoor_wet_bulb_c"], now["outdoor_dry_bulb_c"]
        enthalpy, humidity = outdoor_air(dry, wet)
        chilled = self._setpoint(setpoints, "chilled_water_setpoint_c", now["chilled_water_supply_c"])
        columns = {
            **now,
            "chilled_water_heat_kw": CP_WATER
            * now["chilled_water_flow_kg_s"]
            * (now["chilled_water_return_c"] - now["chilled_water_supply_c"]),
            "valve_position": observed[:, self._zones["valve_position"]].mean(axis=1),
            "condenser_water_setpoint_c": self._setpoint(
                setpoints, "condenser_water_setpoint_c", now["condenser_water_supply_c"]
            ),
            "chilled_water_setpoint_c": chilled,
            "chilled_water_error_k": now["chilled_water_supply_c"] - chilled,
            "approach_k": now["chilled_water_supply_c"] - now["condenser_water_supply_c"],
            "outdoor_enthalpy_kj_kg": enthalpy,
            "outdoor_humidity": humidity,
            "supply_air_setpoint_c": setpoints[:, self._setpoints["supply_air_setpoint_c"]].mean(axis=1),
            "airflow_setpoint": setpoints[:, self._setpoints["airflow"]].mean(axis=1),
        }
        return np.stack([columns[name] for name in GAO_NAMES], axis=1).astype(np.float32)

    def state(self, observed: Array) -> NDArray[np.float32]:
        """Where the hall is now: :data:`STATE_NAMES`, shape ``(n, 10)``; of zones the worst."""
        columns = {name: observed[:, column] for name, column in self._plant.items()}
        columns["supply_air_c"] = observed[:, self._zones["supply_air_c"]].max(axis=1)
        columns["return_air_c"] = observed[:, self._zones["return_air_c"]].max(axis=1)
        columns["aisle_pressure_pa"] = observed[:, self._zones["aisle_pressure_pa"]].min(axis=1)
        return np.stack([columns[name] for name in STATE_NAMES], axis=1).astype(np.float32)

    def ahead(self, observed: Array, setpoints: Array) -> NDArray[np.float32]:
        """Inputs of the hour ahead: the 19, the state, every setpoint; arguments as for :meth:`gao`."""
        return np.concatenate(
            [self.gao(observed, setpoints), self.state(observed), setpoints.astype(np.float32)], axis=1
        )

    def measured_pue(self, observed: Array) -> Array:
        """PUE of the last step by the plant's own power sensors, shape ``(n,)``."""
        facility, it = (observed[:, self._plant[name]] for name in ("facility_power_kw", "it_power_kw"))
        return facility / np.maximum(it, 1e-6)

    def _setpoint(self, setpoints: Array, name: str, otherwise: Array) -> Array:
        columns = self._setpoints[name]
        return setpoints[:, columns].mean(axis=1) if columns else otherwise


def outdoor_air(dry_bulb_c: Array, wet_bulb_c: Array) -> tuple[Array, Array]:
    """Enthalpy in kJ/kg and relative humidity (0 to 1) of air at sea level."""
    pressure = np.full_like(dry_bulb_c, PRESSURE_PA)
    wet_below = np.minimum(wet_bulb_c, dry_bulb_c)  # sensors' errors may cross in fog
    moisture = humidity_ratio_from_wet_bulb(dry_bulb_c, wet_below, pressure)
    return enthalpy_j_kg(dry_bulb_c, moisture) / 1000.0, relative_humidity(dry_bulb_c, moisture, pressure)
