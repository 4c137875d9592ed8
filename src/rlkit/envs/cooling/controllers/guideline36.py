"""ASHRAE Guideline 36-2021's trim-and-respond resets, with racks in the place of zones.

Trim and respond (section 5.1.14): every ``T`` a setpoint is trimmed a little towards what costs least; where there are
more requests than ``I`` it answers with ``respond`` for each further one, at most ``respond_max``.

* Supply air (5.16.2.2): T 2 min, delay 10 min, I 2, trim +0.1 K, respond -0.2 K, at most -0.6 K.
* Chilled water (5.20.5.2): a plant reset from 0 (warmest) to 1 (coldest), T 5 min, delay 15 min, I 2, trim -2 %,
  respond +3 %, at most +7 %. The guideline's first half resets the pumps' pressure; these pumps reset theirs by
  themselves, so that the whole reset goes to the temperature.
* Supply fans keep a pressure, here between cold and hot aisle, as data centers with variable airflow do; the guideline
  has no sequence for it.
* Towers: the setpoint follows the wet bulb (LBNL's PartialDataCenter). The economizer's modes, the outdoor-air dampers
  and the staging of chillers are the plant's own sequences.

The figures are those of LBNL's implementation (Modelica Buildings, ``Controls.OBC.ASHRAE.G36``), which follows the
standard; section numbers are from memory. Requests are adapted: the guideline counts zones 2 or 3 C (5.6.8.1) above
their setpoint, servers have less room below their limit. Ignored requests are for systems of many: below ten units
none is ignored, else two racks of a small room could not make themselves heard.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rlkit.envs.cooling.controllers.building import Setpoints, Shown, tower_setpoint
from rlkit.envs.cooling.hall import DESIGN_AISLE_PA
from rlkit.envs.cooling.task import Setup
from rlkit.envs.cooling.vector import CoolingVectorEnv

FEW_UNITS = 10  # below so many racks (or zones) no request is ignored
REQUEST_STEPS_K = (0.0, 0.5, 1.0)  # above the inlet setpoint: one, two, three requests of a rack
SUPPLY_REQUEST_K = (2.0, 3.0)  # supply air above its setpoint: two, three requests of an air handler (5.16.16.1)
VALVE_OPEN = 0.95  # a valve further open is a request (5.16.16.1)
AISLE_PA = 2.5  # cold over hot aisle; vendors recommend 2 to 5 Pa
AISLE_MEMORY_S = 300.0  # of the fans' pressure loop


@dataclass(frozen=True, kw_only=True)
class TrimAndRespond:
    """One reset (5.1.14).

    Attributes:
        period_s: Time between two executions; a longer control step does as many as fit, a shorter one a part.
        delay_s: Before the first.
        ignored: Requests that do not count.
        trim: For each execution.
        respond: For each execution and request; the other sign.
        respond_max: Largest response of an execution.
    """

    period_s: float
    delay_s: float
    ignored: int
    trim: float
    respond: float
    respond_max: float

    def change(self, requests: NDArray[np.int64], units: NDArray[np.int64] | int, step_s: float) -> NDArray[np.float64]:
        """By how much the setpoint moves within a control step.

        Args:
            requests: Shape ``(n, ...)``.
            units: How many can make requests.
            step_s: Length of the control step.
        """
        counted = np.maximum(requests - np.where(np.asarray(units) < FEW_UNITS, 0, self.ignored), 0)
        response = np.minimum(counted * abs(self.respond), abs(self.respond_max)) * np.sign(self.respond)
        return (self.trim * (counted == 0) + response) * (step_s / self.period_s)


SUPPLY_AIR = TrimAndRespond(period_s=120.0, delay_s=600.0, ignored=2, trim=0.1, respond=-0.2, respond_max=-0.6)
CHILLED_WATER = TrimAndRespond(period_s=300.0, delay_s=900.0, ignored=2, trim=-0.02, respond=0.03, respond_max=0.07)


class Guideline36:
    """Trim and respond on supply air and chilled water, fans on aisle pressure, towers on the wet bulb.

    Reads rack inlets, supply air, valves, aisle pressures and the outdoor wet bulb.

    Args:
        inlet_margin_k: By how much the racks' setpoint lies below the limit of their inlets.
        aisle_pa: Setpoint of the pressure between cold and hot aisle.
    """

    def __init__(self, *, inlet_margin_k: float = 2.0, aisle_pa: float = AISLE_PA) -> None:
        self.inlet_margin_k = inlet_margin_k
        self.aisle_pa = aisle_pa
        self._setup: Setup | None = None

    def reset(self, envs: CoolingVectorEnv, rows: NDArray[np.bool_]) -> None:
        """Begin from the plant's default setpoints."""
        if self._setup is not envs.setup:
            self._setup = envs.setup
            self._setpoints = Setpoints(envs)
            self._values = self._setpoints.tile(envs.num_envs)
            self._plant_reset = np.zeros(envs.num_envs)
            self._elapsed_s = np.zeros(envs.num_envs)
            racks = [zone.racks for zone in envs.setup.plant.zones]
            self._racks = np.array(racks)
            self._first_racks = np.concatenate([[0], np.cumsum(racks)[:-1]])
        s = self._setpoints
        span = s.high[s.chilled] - s.low[s.chilled]
        self._values[rows] = s.defaults
        self._plant_reset[rows] = (s.high[s.chilled] - s.defaults[s.chilled]) / span
        self._elapsed_s[rows] = 0.0

    def act(self, envs: CoolingVectorEnv) -> NDArray[np.float32]:
        """Setpoints for the coming step."""
        shown = Shown(envs)
        s, values, step_s = self._setpoints, self._values, float(envs.setup.task.step_s)
        self._reset_supply(envs, shown, step_s)
        self._reset_chilled_water(shown, step_s)
        self._turn_fans(envs, shown, step_s)
        values[:, s.condenser] = tower_setpoint(shown.reading("outdoor_wet_bulb_c"))[:, None]
        np.clip(values, s.low, s.high, out=values)
        self._elapsed_s += step_s
        return envs.encode_actions(values)

    def _reset_supply(self, envs: CoolingVectorEnv, shown: Shown, step_s: float) -> None:
        limit = float(envs.setup.model.charges["inlet_high_c"][0]) - self.inlet_margin_k
        above = shown.inlets() - limit
        each = sum((above >= step).astype(np.int64) for step in REQUEST_STEPS_K)
        requests = np.add.reduceat(each, self._first_racks, axis=1)
        change = SUPPLY_AIR.change(requests, self._racks, step_s)
        awake = self._elapsed_s >= SUPPLY_AIR.delay_s
        self._values[:, self._setpoints.supply] += np.where(awake[:, None], change, 0.0)

    def _reset_chilled_water(self, shown: Shown, step_s: float) -> None:
        s = self._setpoints
        above = shown.zones("supply_air_c") - self._values[:, s.supply]
        some, many = SUPPLY_REQUEST_K
        each = np.where(above >= many, 3, np.where(above >= some, 2, shown.zones("valve_position") >= VALVE_OPEN))
        change = CHILLED_WATER.change(each.sum(1), s.zones, step_s)
        awake = self._elapsed_s >= CHILLED_WATER.delay_s
        self._plant_reset = np.clip(self._plant_reset + np.where(awake, change, 0.0), 0.0, 1.0)
        self._values[:, s.chilled] = s.high[s.chilled] - self._plant_reset * (s.high[s.chilled] - s.low[s.chilled])

    def _turn_fans(self, envs: CoolingVectorEnv, shown: Shown, step_s: float) -> None:
        """An integral loop on surplus air, to which pressure is the square."""
        zones = envs.setup.packed.zones
        servers_share = 0.1 * zones["server_air_kg_s"] / zones["air_kg_s"]  # of the fans' flow, for 10 % more air
        pressure = shown.zones("aisle_pressure_pa")
        wanted = np.sqrt(self.aisle_pa / DESIGN_AISLE_PA)
        surplus = np.sign(pressure) * np.sqrt(np.abs(pressure) / DESIGN_AISLE_PA)
        gain = 1.0 - np.exp(-step_s / AISLE_MEMORY_S)
        self._values[:, self._setpoints.airflow] += gain * servers_share * (wanted - surplus)
