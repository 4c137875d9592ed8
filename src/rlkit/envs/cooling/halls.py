"""Arrays of N data centers for the kernel: state, readings, faults, actions, and how a step is divided."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rlkit.envs.cooling.components import CP_WATER
from rlkit.envs.cooling.mapping import PlantError
from rlkit.envs.cooling.packing import PackedPlant

SOLUTION_S = 300.0  # longest solution of the plant
SWITCHING_SOLUTION_S = 150.0  # the same where evaporative coolers or direct-expansion coils switch with every solution
SUBSTEP_S = 60.0  # longest sub-step of the air side
ROUGH_SUBSTEPS_S = (
    450.0,
    300.0,
    180.0,
    90.0,
)  # the same where a step is tried with one solution, the first that a plant can
STEP_RANGE_S = (1.0, 3600.0)


class Timing(NamedTuple):
    """How a control step is divided (see the module)."""

    step_s: float
    solutions: int
    substeps: int  # in each solution
    rough_substeps: int = 0  # of the single solution that is tried first; 0 where none is


class Halls(NamedTuple):
    """The arrays of N halls."""

    state: NDArray[np.float64]
    readings: NDArray[np.float64]
    faults: NDArray[np.float64]


def split_step(
    packed: PackedPlant, step_s: float, solution_s: float | None = None, substep_s: float | None = None
) -> Timing:
    """Divide a control step into solutions of the plant and sub-steps of the air side.

    Args:
        packed: The plant.
        step_s: Length of a control step.
        solution_s: Longest solution of the plant; None for :func:`longest_solution_s`.
        substep_s: Longest sub-step; None for :data:`SUBSTEP_S`. Where either is given no rough solution is tried.

    Raises:
        PlantError: If a step is out of range, or a mass of the plant is too small for its sub-steps.
    """
    low, high = STEP_RANGE_S
    if not low <= step_s <= high:
        raise PlantError(f"a control step lasts {low:.0f} to {high:.0f} s, got {step_s!r}")
    solutions = max(1, math.ceil(step_s / (solution_s or longest_solution_s(packed)) - 1e-9))
    substeps = max(1, math.ceil(step_s / solutions / (substep_s or SUBSTEP_S) - 1e-9))
    _check_substep(packed, step_s / solutions / substeps)
    divided = solution_s is not None or substep_s is not None or packed.zones["extras"].any()
    rough = 0 if divided or solutions == 1 else _rough_substeps(packed, step_s)
    return Timing(float(step_s), solutions, substeps, rough)


def _check_substep(packed: PackedPlant, dt: float) -> None:
    """Refuse sub-steps in which a mass of the plant would overshoot."""
    plant, zones = packed.plant, packed.zones
    exchange = float((zones["mass_w_k"] + zones["envelope_w_k"] - 0.5 * zones["mass_j_k"] / dt).max())
    if exchange > 0.0:
        raise PlantError(f"a zone's mass_kj_k is too small for sub-steps of {dt:.0f} s: it must exceed 2 dt * mass_w_k")
    coils = float(np.minimum(zones["air_w_k"], zones["water_w_k"]).sum())
    if coils * dt > 1.5 * float(plant["loop_j_k"][0]):
        least = coils * dt / 1.5 / (1000.0 * CP_WATER)
        raise PlantError(
            f"chilled_water_m3 is too small for sub-steps of {dt:.0f} s: it must be at least {least:.2f} m3"
        )


def _rough_substeps(packed: PackedPlant, step_s: float) -> int:
    """Sub-steps of the single solution that is tried first: as few as the plant's masses allow."""
    for longest in ROUGH_SUBSTEPS_S:
        substeps = math.ceil(step_s / longest - 1e-9)
        try:
            _check_substep(packed, step_s / substeps)
        except PlantError:
            continue
        return substeps
    return 0


def longest_solution_s(packed: PackedPlant) -> float:
    """The longest solution with which halving it changes a day's energy by less than 0.1 %."""
    return SWITCHING_SOLUTION_S if packed.zones["extras"].any() else SOLUTION_S


def new_halls(packed: PackedPlant, n: int) -> Halls:
    """Arrays of ``n`` halls, without faults, to be filled by :func:`reset_halls`."""
    return Halls(np.zeros((n, packed.state.width)), np.zeros((n, packed.readings.width)), new_faults(packed, n))


def new_faults(packed: PackedPlant, n: int) -> NDArray[np.float64]:
    """Faults of ``n`` halls in which all is well."""
    faults = np.ones((n, packed.faults.width))
    faults[:, packed.faults.columns("stuck_valve")] = -1.0
    return faults


def default_actions(packed: PackedPlant, n: int, level: str = "supervisory") -> NDArray[np.float64]:
    """What an uninformed operator does: the plant's default setpoints, or its machines in fixed positions.

    The positions suit a warm day at high load; with nothing to close them, they overcool on any other.
    """
    p = packed.plant[0]
    layout = packed.supervisory if level == "supervisory" else packed.actuator
    actions = np.zeros((n, layout.width))
    actions[:, layout.column("chilled_water_setpoint_c")] = p["chilled_water_default_c"]
    if level == "supervisory":
        actions[:, layout.column("condenser_water_setpoint_c")] = p["condenser_water_default_c"]
        actions[:, layout.columns("supply_air_setpoint_c")] = p["supply_air_default_c"]
        actions[:, layout.columns("airflow")] = p["airflow_default"]
        return actions
    actions[:, layout.column("chillers")] = p["chillers"]
    for name in ("chilled_water_pump_speed", "condenser_pump_speed", "tower_fan_speed"):
        actions[:, layout.column(name)] = 0.8
    actions[:, layout.columns("fan_speed")] = p["airflow_default"]
    actions[:, layout.columns("valve_position")] = 0.6
    return actions


def action_bounds(packed: PackedPlant, level: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Lowest and highest of every action; the kernel clips to them."""
    p = packed.plant[0]
    layout = packed.supervisory if level == "supervisory" else packed.actuator
    low, high = np.zeros(layout.width), np.ones(layout.width)
    pairs = [("chilled_water_setpoint_c", "chilled_water", "_c")]
    if level == "supervisory":
        pairs += [
            ("condenser_water_setpoint_c", "condenser_water", "_c"),
            ("supply_air_setpoint_c", "supply_air", "_c"),
            ("airflow", "airflow", ""),
        ]
    else:
        high[layout.column("chillers")] = p["chillers"]
    for column, name, unit in pairs:
        low[layout.columns(column)] = p[f"{name}_min{unit}"]
        high[layout.columns(column)] = p[f"{name}_max{unit}"]
    return low, high
