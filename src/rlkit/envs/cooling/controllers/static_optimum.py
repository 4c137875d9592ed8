"""The steady-state floor: for every load and weather the setpoints that cost least once all has settled.

Searched on the true model: a grid of setpoints for all bins at once, then a cross-entropy search around the best of
each. Thermal masses are shrunk for it, which changes how fast a hall settles but not where. A table holds the result;
between its bins it is interpolated.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rlkit.envs.cooling.controllers.building import Setpoints, Shown, coldest_inlets
from rlkit.envs.cooling.controllers.trial import Halls, Packed, Surroundings, charged, roll_out
from rlkit.envs.cooling.halls import new_halls, split_step
from rlkit.envs.cooling.kernel import reset_halls
from rlkit.envs.cooling.task import Setup
from rlkit.envs.cooling.vector import CoolingVectorEnv
from rlkit.envs.cooling.weather import DRY_BULB, PRESSURE, WET_BULB

STEP_S = 300.0
SETTLE_STEPS, MEAN_STEPS = 10, 6  # an hour lets dwell times of 20 min pass; the mean is over another half
LOADS = 4  # bins
WET_BULBS = (0.0, 0.08, 0.25, 0.42, 0.58, 0.75, 0.92, 1.0)  # bins, as quantiles of the year's
DEPRESSIONS = (0.1, 0.5, 0.9)
GRID = {"chilled": (0.0, 0.5, 1.0), "condenser": (0.0, 0.5), "supply": 6, "airflow": 4}  # shares of the ranges
ROUNDS, SAMPLES, ELITES = 7, 36, 5  # of the search around the grid's best
SPREAD, SHRINK = 0.12, 0.65  # its first standard deviation as a share of the ranges, and what is left a round later
MARGIN_K = 0.3  # to the limits of inlets, for what is not steady
TRIM_GAIN, TRIM_MEMORY_S, TRIM_MOST_K = 0.7, 7200.0, 9.0  # of the feedback that keeps inlets within these


@dataclass(frozen=True)
class Table:
    """Best setpoints by utilisation, wet bulb and depression of the wet bulb below the dry.

    Attributes:
        loads: Bins of utilisation, 0 to 1.
        wet_bulbs_c: Bins of wet bulb.
        depressions_k: Bins of dry bulb less wet bulb; one where the plant does not mind.
        setpoints: In engineering units, shape ``(loads, wet bulbs, depressions, actions)``.
        cost_per_h: Money an hour in these states, broken limits charged, shape ``(loads, wet bulbs, depressions)``.
    """

    loads: NDArray[np.float64]
    wet_bulbs_c: NDArray[np.float64]
    depressions_k: NDArray[np.float64]
    setpoints: NDArray[np.float64]
    cost_per_h: NDArray[np.float64]

    def look_up(
        self, load: NDArray[np.float64], wet_bulb_c: NDArray[np.float64], dry_bulb_c: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Setpoints between the bins (trilinear, constant beyond them), shape ``(n, actions)``; arguments ``(n,)``."""
        axes = (self.loads, self.wet_bulbs_c, self.depressions_k)
        places = [_place(axis, x) for axis, x in zip(axes, (load, wet_bulb_c, dry_bulb_c - wet_bulb_c), strict=True)]
        out = np.zeros((len(load), self.setpoints.shape[-1]))
        for corner in itertools.product((0, 1), repeat=3):
            share = np.ones(len(load))
            index = []
            for side, (low, part), axis in zip(corner, places, axes, strict=True):
                share = share * (part if side else 1.0 - part)
                index.append(np.minimum(low + side, len(axis) - 1))
            out += share[:, None] * self.setpoints[tuple(index)]
        return out


def _place(axis: NDArray[np.float64], x: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Bin below each ``x``, and how far on it lies towards the next, 0 to 1."""
    if len(axis) == 1:
        return np.zeros(len(x), np.int64), np.zeros(len(x))
    low = np.clip(np.searchsorted(axis, x, side="right") - 1, 0, len(axis) - 2)
    return low, np.clip((x - axis[low]) / (axis[low + 1] - axis[low]), 0.0, 1.0)


class StaticOptimum:
    """Setpoints from the table of steady optima, at present load and weather.

    A zone's setpoints follow its own utilisation, the plant's the mean. A trim on the supply air, slowly forgotten,
    keeps inlets within their limits, humidity's included, where the hall is not steady or lies between the bins. It
    reads utilisation, rack inlets, the zones' dew points and outdoor wet and dry bulb, and it knows the plant's true
    model, so it is a yardstick rather than something to install.

    Args:
        seed: Of the search.
    """

    def __init__(self, *, seed: int = 0) -> None:
        self.seed = seed
        self._found: tuple[Setup, Table] | None = None
        self._trim_k = np.zeros((0, 0))

    def reset(self, envs: CoolingVectorEnv, rows: NDArray[np.bool_]) -> None:
        """Search the table, unless it is known for these halls."""
        self.table_of(envs)
        if self._trim_k.shape != (envs.num_envs, self._setpoints.zones):
            self._trim_k = np.zeros((envs.num_envs, self._setpoints.zones))
        self._trim_k[rows] = 0.0

    def table_of(self, envs: CoolingVectorEnv) -> Table:
        """The table of these halls; kept, so that it is searched once."""
        if self._found is None or self._found[0] is not envs.setup:
            self._setpoints = Setpoints(envs)
            self._found = envs.setup, search(envs, self._setpoints, self.seed)
        return self._found[1]

    def act(self, envs: CoolingVectorEnv) -> NDArray[np.float32]:
        """Setpoints for the coming step."""
        shown = Shown(envs)
        weather = np.stack([shown.reading("outdoor_dry_bulb_c"), shown.reading("outdoor_wet_bulb_c")], axis=1)
        values = self.setpoints(envs, shown.utilisation(), weather)
        values[:, self._setpoints.supply] += self._trimmed(envs, shown)
        return envs.encode_actions(values)

    def _trimmed(self, envs: CoolingVectorEnv, shown: Shown) -> NDArray[np.float64]:
        """What is added to the supply air, K, shape ``(n, zones)``."""
        coldest, hottest = shown.extremes()
        cold = np.maximum(coldest_inlets(envs, shown) + MARGIN_K - coldest, 0.0)
        hot = np.maximum(hottest - envs.setup.model.charges["inlet_high_c"] + MARGIN_K, 0.0)
        kept = np.exp(-float(envs.setup.task.step_s) / TRIM_MEMORY_S)
        self._trim_k = np.clip(kept * self._trim_k + TRIM_GAIN * (cold - hot), -TRIM_MOST_K, TRIM_MOST_K)
        return self._trim_k

    def setpoints(
        self, envs: CoolingVectorEnv, load: NDArray[np.float64], weather: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Setpoints in engineering units, shape ``(n, actions)``.

        Args:
            envs: The halls.
            load: Utilisation, shape ``(n, zones)``.
            weather: Dry and wet bulb, shape ``(n, >= 2)``.
        """
        table, s = self.table_of(envs), self._setpoints
        dry, wet = weather[:, 0], weather[:, 1]
        values = table.look_up(load.mean(1), wet, dry)
        for zone in range(s.zones):
            own = table.look_up(load[:, zone], wet, dry)
            columns = [s.supply[zone], s.airflow[zone]]
            values[:, columns] = own[:, columns]
        return values


def search(envs: CoolingVectorEnv, setpoints: Setpoints, seed: int = 0) -> Table:
    """The best steady setpoints of every bin.

    Args:
        envs: Give plant, limits, prices and the range of weather and load.
        setpoints: Where they stand.
        seed: Of the search.
    """
    loads, wet_bulbs, depressions, pressure = _bins(envs.setup)
    bins = np.array(list(itertools.product(loads, wet_bulbs, depressions)))
    weather = np.stack([bins[:, 1] + bins[:, 2], bins[:, 1], np.full(len(bins), pressure)], axis=1)
    trial = _Steady(envs.setup, weather, bins[:, 0])
    groups = _alike(envs.setup.packed.zones)
    grid = _grid(setpoints)
    values = np.broadcast_to(grid, (len(bins), *grid.shape))
    costs = trial.cost_per_h(values)
    best, lowest = _best(values, costs)
    rng = np.random.default_rng(seed)
    span = setpoints.high - setpoints.low
    spread = np.full(best.shape, SPREAD) * span
    for _ in range(ROUNDS):
        values = best[:, None] + spread[:, None] * _shared(
            rng.standard_normal((1, SAMPLES, len(span))), setpoints, groups
        )
        values = np.clip(values, setpoints.low, setpoints.high)
        costs = trial.cost_per_h(values)
        elites = np.take_along_axis(values, np.argsort(costs, axis=1)[:, :ELITES, None], axis=1)
        spread = np.maximum(SHRINK * spread, 0.5 * elites.std(1))
        found, cost = _best(values, costs)
        better = cost < lowest
        best[better], lowest[better] = found[better], cost[better]
    shape = (len(loads), len(wet_bulbs), len(depressions))
    return Table(loads, wet_bulbs, depressions, best.reshape(*shape, -1), lowest.reshape(shape))


def _best(values: NDArray[np.float64], costs: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The cheapest candidate of every bin, and its cost."""
    rows = np.arange(len(costs))
    chosen = costs.argmin(1)
    return values[rows, chosen].copy(), costs[rows, chosen].copy()


def _bins(setup: Setup) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], float]:
    """Bins that span the task's weather and load, and the mean pressure."""
    weather, load = setup.model.weather.table, setup.model.workload.table
    plant, zones = setup.packed.plant[0], setup.packed.zones
    spread = 2.0 * setup.noise.spread
    loads = np.linspace(max(load.min() - spread, 0.0), min(load.max() + spread, 1.0), LOADS)
    wet = weather[:, WET_BULB]
    depression = weather[:, DRY_BULB] - wet
    minds = plant["water_cooled"] == 0 or bool((zones["outdoor_share_max"] > 0.0).any())
    dry = np.quantile(depression, DEPRESSIONS) if minds else np.array([depression.mean()])
    return loads, np.unique(np.quantile(wet, WET_BULBS)), np.unique(dry), float(weather[:, PRESSURE].mean())


def _grid(s: Setpoints) -> NDArray[np.float64]:
    """Every combination of the grid with all zones alike, after the defaults; shape ``(candidates, actions)``."""
    shares = {
        "chilled": GRID["chilled"],
        "condenser": GRID["condenser"] if len(s.condenser) else (0.0,),
        "supply": np.linspace(0.0, 1.0, GRID["supply"]),  # type: ignore[call-overload]
        "airflow": np.linspace(0.0, 1.0, GRID["airflow"]),  # type: ignore[call-overload]
    }
    points = np.array(list(itertools.product(*shares.values())))
    values = np.tile(s.defaults, (len(points) + 1, 1))
    span = s.high - s.low
    for column, columns in enumerate((np.array([s.chilled]), s.condenser, s.supply, s.airflow)):
        values[1:, columns] = s.low[columns] + points[:, [column]] * span[columns]
    return values


def _alike(zones: NDArray[np.void]) -> list[int]:
    """For every zone the first that is built in the same way: these share setpoints at the same load."""
    names = [name for name in zones.dtype.names or () if name != "first_rack"]
    keys = [tuple(np.asarray(zone[name]).tobytes() for name in names) for zone in zones]
    return [keys.index(key) for key in keys]


def _shared(values: NDArray[np.float64], s: Setpoints, groups: list[int]) -> NDArray[np.float64]:
    """Give zones that are alike the same values."""
    values[..., s.supply] = values[..., s.supply[groups]]
    values[..., s.airflow] = values[..., s.airflow[groups]]
    return values


class _Steady:
    """A plant in every bin's load and weather, with little thermal mass."""

    def __init__(self, setup: Setup, weather: NDArray[np.float64], load: NDArray[np.float64]) -> None:
        packed, steps = setup.packed, SETTLE_STEPS + MEAN_STEPS
        timing = split_step(packed, STEP_S)
        zones, racks, charges = packed.zones.copy(), packed.racks.copy(), setup.model.charges.copy()
        dt = STEP_S / timing.solutions / timing.substeps
        zones["mass_j_k"] = 4.0 * dt * (zones["mass_w_k"] + zones["envelope_w_k"])
        zones["air_kg"] /= 10.0  # which holds the moisture
        racks["heat_capacity_j_k"] /= 4.0
        charges["inlet_high_c"] -= MARGIN_K
        charges["inlet_low_c"] += MARGIN_K
        hours = setup.model.charges["step_h"] * 3600.0 / STEP_S
        charges["step_h"] = STEP_S / 3600.0
        charges["unit"] /= hours
        charges["energy_price"] = charges["energy_price"].mean()
        charges["change_k"] = np.inf
        self._packed = Packed(packed.plant, zones, racks, timing, charges)
        self._setup, self._bins = setup, len(weather)
        width = int(packed.plant["load_columns"][0])
        self._around = Surroundings(
            np.ascontiguousarray(np.broadcast_to(weather, (steps, *weather.shape))),
            np.ascontiguousarray(np.broadcast_to(load[:, None], (steps, len(load), width))),
            np.tile(new_halls(packed, 1).faults, (steps, len(weather), 1)),
        )

    def cost_per_h(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Money an hour with broken limits charged, of settings ``(bins, candidates, actions)``; shape of the two."""
        bins, each, _ = values.shape
        m = bins * each
        commands = np.tile(self._setup.start.spin_commands[0], (1, m, 1))
        commands[0][:, self._setup.columns] = values.reshape(m, -1)
        halls = new_halls(self._setup.packed, m)
        window = int(self._packed.charges["window"][0])
        history = np.zeros((m, window, len(self._setup.plant.zones)))
        weather, load = np.repeat(self._around.weather[0], each, 0), np.repeat(self._around.load[0], each, 0)
        packed = self._packed
        rows = np.ones(m, dtype=np.bool_)
        reset_halls(rows, packed.plant, packed.zones, packed.racks, weather, load, halls.state)
        spent, broken = np.zeros((2, m))
        none = np.zeros(bins, np.int64)
        steps = SETTLE_STEPS + MEAN_STEPS
        trial = Halls(halls.state, halls.readings, history)
        roll_out(packed, self._around, commands, steps, SETTLE_STEPS, none, none * 0.0, trial, spent, broken)
        return charged(packed, spent, broken).reshape(bins, each) / (MEAN_STEPS * STEP_S / 3600.0)
