"""How faults come and go in each environment, and what plant and sensors feel of them.

Units of a kind fail independently, so their faults together are a Poisson stream whose victim is drawn evenly; a unit
that is down cannot fail again. A row remembers when the next thing changes, so a step without a change costs one
comparison. A fault lasts for one step at least.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rlkit.envs.cooling.sensors import DEAD, FROZEN, WORKING
from rlkit.envs.jit import kernel
from rlkit.envs.streams import below, exponential, normal

FAN, CHILLER, PUMP, TOWER, COIL, VALVE, SENSOR_BIAS, SENSOR_FREEZE, SENSOR_DROPOUT = range(9)
KINDS = ("fan", "chiller", "pump", "tower", "coil", "valve", "sensor_bias", "sensor_freeze", "sensor_dropout")
ROUND_OFF = 1e-9  # a share below it is none
FREE_VALVE = -1.0  # what the plant's kernel takes for a valve that moves
MAX_FAULTS = 32  # at once in one environment; what would come on top does not happen

# One fault of one environment.
FAULT = np.dtype(
    [
        ("kind", np.int32),  # index in KINDS; -1 where the slot is free
        ("unit", np.int32),
        ("start_s", np.float64),  # since the episode began
        ("end_s", np.float64),
        ("value", np.float64),  # valve: position; sensor_bias: offset in its unit; NaN to be settled when it starts
        ("active", np.bool_),
    ],
    align=True,
)


class FaultRules(NamedTuple):
    """Faults as kernels take them: arrays ``(kinds,)``, and where units of the plant are felt."""

    units: NDArray[np.int64]
    mean_gap_s: NDArray[np.float64]  # mean time between two faults of any unit of the kind; inf for none
    mean_repair_s: NDArray[np.float64]
    lost: NDArray[np.float64]  # share of a unit's capacity that is lost
    first: NDArray[np.int64]  # the kind's first unit in the next two
    column: NDArray[np.int64]  # (units of the plant,) column of the plant's faults
    weight: NDArray[np.float64]  # (units of the plant,) share of that column's capacity
    valve_state: NDArray[np.int64]  # (zones,) column of the plant's state where a valve's position is
    sensor_offset: NDArray[np.float64]  # (sensors,) standard deviation of a jump


class FaultState(NamedTuple):
    """What is broken, and what comes next: arrays with a row for each environment."""

    slots: NDArray[np.void]  # (n, MAX_FAULTS) of FAULT
    next_s: NDArray[np.float64]  # (n, kinds) time of the next random fault of a kind
    due_s: NDArray[np.float64]  # (n,) when something changes next


class FaultEffects(NamedTuple):
    """What plant and sensors feel: arrays with a row for each environment."""

    plant: NDArray[np.float64]  # (n, f) as rlkit.envs.cooling.kernel takes it: shares that are left, stuck valves
    sensor_mode: NDArray[np.int8]  # (n, sensors) WORKING, FROZEN or DEAD
    sensor_jump: NDArray[np.float32]  # (n, sensors)


@kernel
def start_faults(i, rules, state, effects, streams):  # type: ignore[no-untyped-def]
    """Begin an episode in row ``i``: everything works, and the first fault of each kind is drawn."""
    for slot in range(state.slots.shape[1]):
        state.slots[i, slot].kind = -1
    for kind in range(rules.units.shape[0]):
        state.next_s[i, kind] = exponential(streams, i, rules.mean_gap_s[kind])
    _apply(i, rules, state, effects)


@kernel
def advance_faults(i, elapsed_s, rules, state, effects, plant_state, streams):  # type: ignore[no-untyped-def]
    """Bring the faults of environment ``i`` up to a time.

    A loop over many rows does well to test ``elapsed_s >= state.due_s[i]`` before: the call alone costs it more than
    the comparison.

    Args:
        i: The environment's row.
        elapsed_s: Since the episode began.
        rules: Of the faults.
        state: Changed in place.
        effects: Row ``i`` is written anew when something changed.
        plant_state: Of the plant's kernel, shape ``(n, s)``: a valve sticks where it stands there.
        streams: Random streams.

    Returns:
        Whether something changed.
    """
    if elapsed_s < state.due_s[i]:
        return False
    _change(i, elapsed_s, rules, state, effects, plant_state, streams)
    return True


@kernel
def _change(i, elapsed_s, rules, state, effects, plant_state, streams):  # type: ignore[no-untyped-def]
    """End, draw and begin what is due."""
    for slot in range(state.slots.shape[1]):
        if state.slots[i, slot].kind >= 0 and state.slots[i, slot].end_s <= elapsed_s:
            state.slots[i, slot].kind = -1
    for kind in range(rules.units.shape[0]):
        while state.next_s[i, kind] <= elapsed_s:
            _break(i, kind, rules, state, streams)
            state.next_s[i, kind] += exponential(streams, i, rules.mean_gap_s[kind])
    for slot in range(state.slots.shape[1]):
        fault = state.slots[i, slot]
        if fault.kind >= 0 and not fault.active and fault.start_s <= elapsed_s:
            fault.active = True
            if fault.kind == VALVE and math.isnan(fault.value):
                fault.value = plant_state[i, rules.valve_state[fault.unit]]
    _apply(i, rules, state, effects)


@kernel
def _break(i, kind, rules, state, streams):  # type: ignore[no-untyped-def]
    """One random fault of a kind: of a unit that is drawn evenly, unless it is down already or no slot is free."""
    unit = below(streams, i, rules.units[kind])
    repair_s = exponential(streams, i, rules.mean_repair_s[kind])
    offset = rules.sensor_offset[unit] * normal(streams, i) if kind == SENSOR_BIAS else math.nan
    free = -1
    for slot in range(state.slots.shape[1]):
        fault = state.slots[i, slot]
        if fault.kind < 0:
            free = slot if free < 0 else free
        elif fault.kind == kind and fault.unit == unit:
            return
    if free >= 0:
        fault = state.slots[i, free]
        fault.kind, fault.unit, fault.active, fault.value = kind, unit, False, offset
        fault.start_s = state.next_s[i, kind]
        fault.end_s = fault.start_s + repair_s


@kernel
def _apply(i, rules, state, effects):  # type: ignore[no-untyped-def]
    """Derive effects and the time of the next change from the slots."""
    for unit in range(rules.column.shape[0]):
        effects.plant[i, rules.column[unit]] = 1.0
    for unit in range(rules.units[VALVE]):
        effects.plant[i, rules.column[rules.first[VALVE] + unit]] = FREE_VALVE
    effects.sensor_mode[i, :] = WORKING
    effects.sensor_jump[i, :] = 0.0
    due = math.inf
    for kind in range(rules.units.shape[0]):
        due = min(due, state.next_s[i, kind])
    for slot in range(state.slots.shape[1]):
        fault = state.slots[i, slot]
        if fault.kind >= 0:
            due = min(due, fault.end_s if fault.active else fault.start_s)
            if fault.active:
                _feel(i, fault, rules, effects)
    state.due_s[i] = due


@kernel
def _feel(i, fault, rules, effects):  # type: ignore[no-untyped-def]
    """What one active fault does."""
    if fault.kind < VALVE:
        unit = rules.first[fault.kind] + fault.unit
        left = effects.plant[i, rules.column[unit]] - rules.weight[unit] * rules.lost[fault.kind]
        effects.plant[i, rules.column[unit]] = left if left > ROUND_OFF else 0.0
    elif fault.kind == VALVE:
        effects.plant[i, rules.column[rules.first[VALVE] + fault.unit]] = fault.value
    elif fault.kind == SENSOR_BIAS:
        effects.sensor_jump[i, fault.unit] += fault.value
    elif fault.kind == SENSOR_DROPOUT:
        effects.sensor_mode[i, fault.unit] = DEAD
    elif effects.sensor_mode[i, fault.unit] != DEAD:
        effects.sensor_mode[i, fault.unit] = FROZEN
