"""Continuous monitoring: what the readings say when sensors may be wrong."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from gymnasium.vector import VectorEnv
from numpy.typing import NDArray

from rlkit.envs.cooling.safety.layer import SafetyLayer, find_layer
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
FROZEN_STEPS = 4  # equal readings in a row; with the noise of our thermometers once in 1e5 by chance
APART_K = 3.0  # readings of one zone's inlets differ by less: their spread between racks is 1 to 2 K
NEVER_STILL = ("C", "kW", "kg/s")  # units whose instruments show noise wherever they are


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
        hottest_c: Estimated hottest inlet, ``(n, zones)``; NaN where no sensor can be trusted.
        rise_k: Its change over the last step.
        disagree: Whether readings of one zone contradict each other, ``(n,)``.
        silent: Whether nothing moves any more: the link to the sensors is lost, ``(n,)``.
        fans_available: Estimated share of the fans that turn, ``(n, zones)``.
    """

    name = "monitor"

    def __init__(self, envs: VectorEnv[Any, Any, Any]) -> None:
        super().__init__(envs)
        n, z = self.num_envs, len(self.plant_envs.setup.plant.zones)
        self._zones = z
        self._extra: list[str] = []
        self.watch(())
        self.hottest_c = np.full((n, z), np.nan)
        self.rise_k = np.zeros((n, z))
        self.fans_available = np.ones((n, z))
        self.disagree = np.zeros(n, dtype=np.bool_)
        self.silent = np.zeros(n, dtype=np.bool_)
        self._implausible = np.zeros(n, dtype=np.bool_)
        self._last_airflow = np.zeros((n, z))

    def watch(self, names: Sequence[str]) -> None:
        """Let :meth:`value` know further readings, from the next step on.

        Raises:
            UsageError: If there is no such sensor; the nearest is named.
        """
        self._extra += names
        self._names, self._columns = self._choose(self._extra)
        self._index = {name: row for row, name in enumerate(self._names)}
        self._racks = self._racks_of_zones()
        setup = self.plant_envs.setup
        units = np.array(setup.sensors.units)[self._columns]
        low, high = setup.observation_bounds()
        self._low, self._high = low.astype(np.float64)[self._columns], high.astype(np.float64)[self._columns]
        self._freezable = np.isin(units, NEVER_STILL) & (setup.sensors.rules.noise[self._columns] > 0.0)
        # No flow or speed may be true; a thermometer or a power meter at its low end is dead.
        floor = self._low + 1e-3 * (self._high - self._low)
        self._floor = np.where(np.isin(units, ("C", "kW")), floor, -np.inf)
        self._shown = np.zeros((self.num_envs, *self._columns.shape))
        self._repeats = np.zeros(self._shown.shape, dtype=np.int64)
        self.values = np.full(self._shown.shape[:2], np.nan)

    def _choose(self, extra: Sequence[str]) -> tuple[list[str], NDArray[np.int64]]:
        """Names of the readings that are watched, and the sensors of each, shape ``(names, redundancy)``."""
        names = self.plant_envs.setup.sensors.names
        copies: dict[str, list[int]] = {}
        for column, name in enumerate(names):
            copies.setdefault(name.split("#")[0], []).append(column)
        for name in extra:
            if name not in copies:
                raise UsageError(f"there is no sensor of {name!r}: {nearest(name, copies)}")
        racks = len(self.plant_envs.setup.packed.racks)
        wanted = [*PLANT_WANTED, *(f"zone{z}.{name}" for z in range(self._zones) for name in ZONE_WANTED)]
        wanted += [f"rack{r}.inlet_c" for r in range(racks)]
        chosen = [name for name in dict.fromkeys([*wanted, *extra]) if name in copies]
        return chosen, np.array([copies[name] for name in chosen], dtype=np.int64)

    def _racks_of_zones(self) -> list[NDArray[np.int64]]:
        """For each zone, the rows of its racks' inlets among the readings; empty without such sensors."""
        found, first = [], 0
        for zone in self.plant_envs.setup.plant.zones:
            names = (f"rack{r}.inlet_c" for r in range(first, first + zone.racks))
            found.append(np.array([self._index[name] for name in names if name in self._index], dtype=np.int64))
            first += zone.racks
        return found

    def value(self, name: str) -> NDArray[np.float64]:
        """What the plausible sensors of a reading say, ``(n,)``; NaN where there is none."""
        row = self._index.get(name)
        return np.full(self.num_envs, np.nan) if row is None else self.values[:, row]

    def zone_values(self, name: str) -> NDArray[np.float64]:
        """The same of every zone, ``(n, zones)``."""
        return np.stack([self.value(f"zone{z}.{name}") for z in range(self._zones)], axis=1)

    def _filter(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        return values

    def _acts(self, values: NDArray[np.float64], filtered: NDArray[np.float64]) -> NDArray[np.bool_]:
        return self._implausible

    def _arrays(self) -> dict[str, NDArray[Any]]:
        names = ("shown", "repeats", "implausible", "last_airflow")
        public = ("values", "hottest_c", "rise_k", "fans_available", "disagree", "silent")
        return {**{key: getattr(self, f"_{key}") for key in names}, **{key: getattr(self, key) for key in public}}

    def _observe(self, observations: NDArray[Any], begun: NDArray[np.bool_]) -> None:
        decoded = self.plant_envs.decode_observations(observations)
        shown = decoded[:, self._columns]
        repeated = (np.abs(shown - self._shown) <= 1e-6 * (self._high - self._low)) & ~begun[:, None, None]
        self._repeats[:] = np.where(repeated, self._repeats + 1, 0)
        self._shown[:] = shown
        frozen = self._freezable & (self._repeats >= FROZEN_STEPS)
        plausible = np.isfinite(shown) & (shown > self._floor) & ~frozen
        self._implausible[:] = ~plausible.all(axis=(1, 2))
        self.silent[:] = frozen[:, self._freezable].all(axis=1) if self._freezable.any() else False
        self.values[:] = _upper_median(shown, plausible)
        before = self.hottest_c.copy()
        self._estimate_inlets()
        self.rise_k[:] = np.where(begun[:, None], 0.0, np.nan_to_num(self.hottest_c - before))
        self._estimate_fans(begun)

    def _estimate_inlets(self) -> None:
        hall = self.value("inlet_max_c")
        own = self.zone_values("zone_inlet_max_c")
        self.disagree[:] = False
        with np.errstate(invalid="ignore"):
            if self._zones > 1:
                hottest_zone = own.max(axis=1)  # NaN if a zone's is unknown
                self.disagree |= np.abs(hall - hottest_zone) > APART_K
            for z in range(self._zones):
                sources = [own[:, z], self.value(f"zone{z}.zone_inlet_mean_c"), self._second_rack(z)]
                if self._zones == 1:
                    sources.append(hall)
                ranked = np.sort(np.nan_to_num(np.stack(sources, axis=1), nan=-np.inf), axis=1)[:, ::-1]
                count = np.isfinite(ranked).sum(axis=1)
                apart = (count > 1) & (ranked[:, 0] - ranked[:, min(1, ranked.shape[1] - 1)] > APART_K)
                apart |= ranked[:, 0] < self.value(f"zone{z}.supply_air_c") - APART_K
                self.disagree |= apart
                # Two colder than the hottest by far cannot outvote it: a hot spot is worse than a needless alarm.
                second = np.where((count > 2) & ~apart, ranked[:, min(1, ranked.shape[1] - 1)], ranked[:, 0])
                self.hottest_c[:, z] = np.where(count > 0, second, hall)

    def _second_rack(self, zone: int) -> NDArray[np.float64]:
        """The second-hottest rack of a zone, so that one wrong sensor among many is not believed."""
        rows = self._racks[zone]
        if len(rows) < 3:
            return np.full(self.num_envs, np.nan)
        inlets = np.nan_to_num(self.values[:, rows], nan=-np.inf)
        second = np.partition(inlets, -2, axis=1)[:, -2]
        return np.where(np.isfinite(second), second, np.nan)

    def _estimate_fans(self, begun: NDArray[np.bool_]) -> None:
        """Share of the fans that turn: their speed over what was asked, where that has not just changed."""
        asked = self.airflow_of(self.plant_envs.commands)
        speed = self.zone_values("fan_speed")
        with np.errstate(invalid="ignore", divide="ignore"):
            share = np.clip(speed / asked, 0.0, 1.0)
            steady = (np.abs(asked - self._last_airflow) < 0.02) & (speed > 0.02) & ~begun[:, None]
        share = np.where(share > 0.93, 1.0, share)  # within noise and bias of the sensor
        self.fans_available[begun] = 1.0
        self.fans_available[:] = np.where(steady & np.isfinite(share), share, self.fans_available)
        self._last_airflow[:] = asked

    def airflow_of(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Share of design airflow that actions ask of the fans, ``(n, zones)``."""
        name = "airflow" if self.plant_envs.setup.task.control == "supervisory" else "fan_speed"
        names = self.plant_envs.action_names
        return values[:, [names.index(f"zone{z}.{name}") for z in range(self._zones)]]


def _upper_median(values: NDArray[np.float64], plausible: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Median over the last axis of what is plausible, the higher of the two in the middle; NaN of nothing."""
    if values.shape[-1] == 1:
        return np.where(plausible, values, np.nan)[..., 0]
    ranked = np.sort(np.where(plausible, values, np.inf), axis=-1)
    count = plausible.sum(axis=-1)
    middle = np.take_along_axis(ranked, np.minimum(count // 2, values.shape[-1] - 1)[..., None], axis=-1)[..., 0]
    return np.where(count > 0, middle, np.nan)


def monitored(envs: VectorEnv[Any, Any, Any]) -> tuple[VectorEnv[Any, Any, Any], Monitor]:
    """An environment with a monitor, which is put around it if there is none, and that monitor."""
    monitor = find_layer(envs, Monitor)
    if monitor is None:
        envs = monitor = Monitor(envs)
    return envs, monitor
