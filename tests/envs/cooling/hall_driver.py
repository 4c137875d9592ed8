"""Drives the kernel in tests: one plant, fixed weather, load, actions and faults unless told otherwise."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rlkit.envs.cooling.halls import default_actions, new_halls, split_step
from rlkit.envs.cooling.kernel import reset_halls, step_halls
from rlkit.envs.cooling.packing import PackedPlant, pack_plant
from rlkit.envs.cooling.plant import Plant, load_plant


class Driver:
    """N halls of one plant."""

    def __init__(
        self,
        plant: str | Plant,
        n: int = 1,
        step_s: float = 300.0,
        level: str = "supervisory",
        dry_bulb_c: float = 20.0,
        wet_bulb_c: float = 15.0,
        load: float = 0.6,
        **lengths: float,
    ) -> None:
        self.packed: PackedPlant = pack_plant(load_plant(plant))
        self.n = n
        self.layout = self.packed.supervisory if level == "supervisory" else self.packed.actuator
        self.timing = split_step(self.packed, step_s, **lengths)
        self.actions = default_actions(self.packed, n, level)
        self.weather = np.tile([dry_bulb_c, wet_bulb_c, 101325.0], (n, 1))
        self.load = np.full((n, int(self.packed.plant["load_columns"][0])), load)
        self.rows = np.ones(n, dtype=np.bool_)
        self.halls = new_halls(self.packed, n)
        self.reset()

    def reset(self) -> None:
        reset_halls(self.rows, *self.packed[:3], self.weather, self.load, self.halls.state)

    def step(self, steps: int = 1) -> NDArray[np.float64]:
        """Readings after so many steps."""
        for _ in range(steps):
            step_halls(
                self.rows,
                *self.packed[:3],
                self.actions,
                self.weather,
                self.load,
                self.halls.faults,
                self.timing,
                self.halls.state,
                self.halls.readings,
            )
        return self.halls.readings

    def act(self, name: str, value: float | NDArray[np.float64]) -> None:
        self.actions[:, self.layout.columns(name)] = np.asarray(value).reshape(-1, 1)

    def fail(self, name: str, value: float | NDArray[np.float64]) -> None:
        self.halls.faults[:, self.packed.faults.columns(name)] = np.asarray(value).reshape(-1, 1)

    def read(self, name: str, row: int = 0) -> float:
        return float(self.halls.readings[row, self.packed.readings.column(name)])

    def column(self, name: str) -> NDArray[np.float64]:
        """A plant reading of all rows."""
        return self.halls.readings[:, self.packed.readings.column(name)]

    def blocks(self, name: str) -> NDArray[np.float64]:
        """A zone's or rack's reading, ``(n, zones or racks)``."""
        return self.halls.readings[:, self.packed.readings.columns(name)]

    def state(self, name: str) -> NDArray[np.float64]:
        return self.halls.state[:, self.packed.state.columns(name)]
