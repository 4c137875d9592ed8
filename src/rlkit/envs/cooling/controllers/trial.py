"""Try setpoints on the true model: many halls at once, from given states, through given weather and load.

What the static optimum and the perfect-model controller search with. The plant, its costs and limits are the
environment's own kernels, so that a trial says what the environment would.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rlkit.envs.cooling.costs import Reward, charge, money
from rlkit.envs.cooling.halls import Timing
from rlkit.envs.cooling.kernel import step_halls
from rlkit.envs.cooling.metrics import FACILITY, WATER
from rlkit.envs.cooling.readings import PLANT_READINGS, numbers
from rlkit.envs.cooling.summary import stored_energy
from rlkit.envs.jit import kernel

VIOLATION_WEIGHT = Reward().weight  # units of reward for each K h beyond a limit: the weighted reward's own
INLET_FACTOR = 10.0  # by so much searches take broken limits of inlets more seriously: these are to be kept,
TRIP_KH = 1e3  # humidity is not in their hands; and what a thermal trip counts as
_HOTTEST = numbers(PLANT_READINGS)["inlet_max_c"]


class Packed(NamedTuple):
    """What a trial needs of a task and does not change."""

    plant: NDArray[np.void]
    zones: NDArray[np.void]
    racks: NDArray[np.void]
    timing: Timing
    charges: NDArray[np.void]


class Surroundings(NamedTuple):
    """What comes to ``h`` halls from outside, over ``t`` steps."""

    weather: NDArray[np.float64]  # (t, h, 3)
    load: NDArray[np.float64]  # (t, h, zones)
    faults: NDArray[np.float64]  # (t, h, f)


class Halls(NamedTuple):
    """``m`` halls in trial, changed in place: every ``m / h`` of them have the surroundings of one."""

    state: NDArray[np.float64]  # (m, s)
    readings: NDArray[np.float64]  # (m, r)
    history: NDArray[np.float64]  # (m, window, zones)


@kernel
def _surround(t, each, around, weather, load, faults):  # type: ignore[no-untyped-def]
    """Weather, load and faults of every hall in trial at step ``t``."""
    for r in range(weather.shape[0]):
        weather[r, :] = around.weather[t, r // each]
        load[r, :] = around.load[t, r // each]
        faults[r, :] = around.faults[t, r // each]


@kernel
def roll_out(packed, around, commands, hold, skip, steps_before, time_s, halls, spent, broken):  # type: ignore[no-untyped-def]
    """Run halls through all steps of their surroundings.

    Args:
        packed: A :class:`Packed`.
        around: A :class:`Surroundings`, ``t`` steps.
        commands: The plant's setpoints in engineering units, block by block: shape ``(blocks, m, 2 + 2 zones)``.
        hold: Steps in a block.
        skip: Steps at the beginning that cost nothing.
        steps_before: Control steps of each hall's episode so far, shape ``(h,)``.
        time_s: Time of day at which the first step begins, shape ``(h,)``.
        halls: A :class:`Halls`.
        spent: Written, money, shape ``(m,)``.
        broken: Written, sum of the broken limits in K h, those of inlets times :data:`INLET_FACTOR`, shape ``(m,)``.
    """
    m = halls.state.shape[0]
    steps, h = around.weather.shape[0], around.weather.shape[1]
    each = m // h
    weather, load = np.empty((m, 3)), np.empty((m, around.load.shape[2]))
    faults = np.empty((m, around.faults.shape[2]))
    costs, rows = np.zeros((5, m)), np.ones(m, np.bool_)
    c, zones = packed.charges[0], packed.plant[0].zones
    spent[:], broken[:] = 0.0, 0.0
    for t in range(steps):
        _surround(t, each, around, weather, load, faults)
        step_halls(
            rows, packed.plant, packed.zones, packed.racks, commands[t // hold], weather, load, faults, packed.timing,
            halls.state, halls.readings,
        )  # fmt: skip
        for r in range(m):
            charge(c, halls.readings, r, zones, steps_before[r // each] + t, halls.history, costs)
            if t >= skip:
                spent[r] += money(c, halls.readings, r, time_s[r // each] + t * packed.timing.step_s, FACILITY, WATER)
                broken[r] += costs[0, r] + (INLET_FACTOR - 1.0) * costs[1, r]
            if halls.readings[r, _HOTTEST] >= c.trip_c:
                broken[r] += TRIP_KH


@kernel
def stored_kwh(packed, state, out):  # type: ignore[no-untyped-def]
    """Heat in every hall's masses in kWh, shape ``(m,)``."""
    for r in range(state.shape[0]):
        out[r] = stored_energy(packed.plant[0], packed.zones, packed.racks, state, r) / 3.6e6


def charged(
    packed: Packed, spent: NDArray[np.float64], broken: NDArray[np.float64], weight: float = VIOLATION_WEIGHT
) -> NDArray[np.float64]:
    """Money, with broken limits at ``weight`` units of reward for each K h."""
    return spent + weight * float(packed.charges["unit"][0]) * broken
