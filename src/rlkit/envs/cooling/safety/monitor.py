"""Continuous monitoring: what the readings say when sensors may be wrong."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from gymnasium.vector import VectorEnv
from numpy.typing import NDArray

from rlkit.envs.cooling.safety.layer import SafetyLayer, find_layer
from rlkit.envs.cooling.safety.watch import Instruments, Watched, watch_rows
from rlkit.errors import UsageError, nearest

ZONE_WANTED = (
    "zone_inlet_max_c",
    "zone_inlet_mean_c",
    "supply_air_c",
    "fan_speed",
    "zone_it_power_kw",
)
PLANT_WANTED = (
    "inlet_max_c",
    "it_power_kw",
    "chilled_water_supply_c",
    "condenser_water_supply_c",
    "outdoor_dry_bulb_c",
    "outdoor_wet_bulb_c",
)
NEVER_STILL = ("C", "kW", "kg/s")  # units whose instruments show noise wherever they are
WITH_FLOOR = ("C", "kW")  # no flow or speed may be true; a thermometer or a power meter at its low end is dead


class Monitor(SafetyLayer):
    """Watches the sensors and estimates what other layers need; it changes no action.

    A reading is implausible if it is not finite, at the low end of a thermometer's or power meter's range (a dead
    current loop), or has shown the same value five times in a row although its instrument has noise. Of redundant
    sensors it takes the median of the plausible ones (of two, the higher). The hottest inlet of a zone is estimated
    from all that measure it: its hottest and mean inlet, the hall's hottest, the second-hottest rack. One wrong sensor
    out of three cannot move it far; where the readings disagree by more than 3 K, it is the highest of them.

    ``info["safety_monitor"]`` tells the halls with an implausible reading.

    Args:
        envs: What to wrap.

    Attributes:
        rows: Column of each reading in ``values``, by name.
        values: What the plausible sensors of each reading say, ``(n, readings)``; NaN where there is none.
        hottest_c: Estimated hottest inlet, ``(n, zones)``; NaN where no sensor can be trusted.
        rise_k: Its change over the last step.
        disagree: Whether readings of one zone contradict each other, ``(n,)``.
        silent: Whether nothing moves any more: the link to the sensors is lost, ``(n,)``.
        fans_available: Estimated share of the fans that turn, ``(n, zones)``.
    """

    name = "monitor"

    def __init__(self, envs: VectorEnv[Any, Any, Any]) -> None:
        super().__init__(envs)
        n, self._zones = self.num_envs, len(self.plant_envs.setup.plant.zones)
        self._extra: list[str] = []
        self.hottest_c = np.full((n, self._zones), np.nan)
        self.rise_k = np.zeros((n, self._zones))
        self.fans_available = np.ones((n, self._zones))
        self.disagree = np.zeros(n, dtype=np.bool_)
        self.silent = np.zeros(n, dtype=np.bool_)
        self._implausible = np.zeros(n, dtype=np.bool_)
        self._last_airflow = np.zeros((n, self._zones))
        self.watch(())

    def watch(self, names: Sequence[str]) -> None:
        """Let :meth:`value` know further readings, from the next step on.

        Raises:
            UsageError: If no sensor shows one.
        """
        self._extra += names
        columns = self._choose(self._extra)
        self._instruments = self._describe(np.array(list(columns.values()), dtype=np.int64), list(columns))
        self.rows = {name: row for row, name in enumerate(columns)}
        n, (readings, redundancy) = self.num_envs, self._instruments.columns.shape
        self.values = np.full((n, readings), np.nan)
        self._watched = Watched(
            self.values,
            self.hottest_c,
            self.rise_k,
            self.fans_available,
            self.disagree,
            self.silent,
            self._implausible,
            np.zeros((n, readings, redundancy), dtype=np.float32),
            np.zeros((n, readings, redundancy), dtype=np.uint8),
            self._last_airflow,
        )

    def _choose(self, extra: Sequence[str]) -> dict[str, list[int]]:
        """The sensors of each reading that is watched."""
        setup = self.plant_envs.setup
        copies: dict[str, list[int]] = {}
        for column, name in enumerate(setup.sensors.names):
            copies.setdefault(name.split("#")[0], []).append(column)
        for name in extra:
            if name not in copies:
                raise UsageError(f"there is no sensor of {name!r}: {nearest(name, copies)}")
        wanted = [*PLANT_WANTED, *(f"zone{z}.{name}" for z in range(self._zones) for name in ZONE_WANTED)]
        wanted += [f"rack{r}.inlet_c" for r in range(len(setup.packed.racks))]
        return {name: copies[name] for name in dict.fromkeys([*wanted, *extra]) if name in copies}

    def _describe(self, columns: NDArray[np.int64], names: list[str]) -> Instruments:
        setup = self.plant_envs.setup
        units = np.array(setup.sensors.units)[columns]
        low, high = (bound.astype(np.float64)[columns] for bound in setup.observation_bounds())
        place = {name: row for row, name in enumerate(names)}
        airflow = "airflow" if setup.task.control == "supervisory" else "fan_speed"
        zones = [
            [
                *(place.get(f"zone{z}.{name}", -1) for name in ZONE_WANTED[:4]),
                self.plant_envs.action_names.index(f"zone{z}.{airflow}"),
            ]
            for z in range(self._zones)
        ]
        racks, first = np.full((self._zones, max(zone.racks for zone in setup.plant.zones)), -1, dtype=np.int64), 0
        for z, zone in enumerate(setup.plant.zones):
            racks[z, : zone.racks] = [place.get(f"rack{r}.inlet_c", -1) for r in range(first, first + zone.racks)]
            first += zone.racks
        return Instruments(
            columns,
            low,
            high - low,
            np.where(np.isin(units, WITH_FLOOR), low + 1e-3 * (high - low), -np.inf),
            np.isin(units, NEVER_STILL) & (setup.sensors.rules.noise[columns] > 0.0),
            np.array(zones, dtype=np.int64),
            racks,
            place.get("inlet_max_c", -1),
            setup.task.scaled,
        )

    def value(self, name: str) -> NDArray[np.float64]:
        """What the plausible sensors of a reading say, ``(n,)``; NaN where there is none."""
        row = self.rows.get(name)
        return np.full(self.num_envs, np.nan) if row is None else self.values[:, row]

    def _filter(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        return values

    def _acts(self, values: NDArray[np.float64], filtered: NDArray[np.float64]) -> NDArray[np.bool_]:
        return self._implausible

    def _arrays(self) -> dict[str, NDArray[Any]]:
        return self._watched._asdict()

    def _observe(self, observations: NDArray[Any], begun: NDArray[np.bool_]) -> None:
        watch_rows(observations, begun, self.commands_in_force, self._instruments, self._watched)


def monitored(envs: VectorEnv[Any, Any, Any]) -> tuple[VectorEnv[Any, Any, Any], Monitor]:
    """An environment with a monitor, which is put around it if there is none, and that monitor."""
    monitor = find_layer(envs, Monitor)
    if monitor is None:
        envs = monitor = Monitor(envs)
    return envs, monitor
