"""Model-predictive control with the ARX models, after Lazic et al. 2018 (section 5).

Over a horizon it minimises energy and what inlets stray from a band inside their limits. The paper tracks setpoints and
charges what fans and valves do beyond their least, ``sum q (x - x_sp)^2 + r (u - u_min)^2``; here the identified power
model says what a control costs, and temperatures are free within the band, whose lower end rises with the air's
moisture. As there, rate limits and boxes are built into the controls, ``u = clip(u_previous + D tanh z)``, the free
``z`` are found by Adam, disturbances are held at their present values, and only the first step is done. The boxes are
what was explored: beyond it a linear model is a guess.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rlkit.envs.cooling.controllers.arx import (
    EXPLORE_H,
    LAGS,
    Identified,
    Online,
    control_columns,
    explore,
    explored_bounds,
    hottest,
    identify,
    step_limits,
)
from rlkit.envs.cooling.controllers.building import Setpoints, Shown, coldest_inlets, tower_setpoint
from rlkit.envs.cooling.task import Setup
from rlkit.envs.cooling.vector import CoolingVectorEnv
from rlkit.envs.jit import kernel

HORIZON = 6  # control steps
ITERATIONS, RATE = 40, 0.15  # of Adam
BETA_1, BETA_2, TINY = 0.9, 0.999, 1e-8
TRACKING = 0.3  # q, in shares of the facility's power for each K^2 beyond the band
BAND_K = (0.7, 1.0)  # by how much the band is inside the limits, below and above: noise, forecasts that fail


class Problem(NamedTuple):
    """What a plan is made from, for ``n`` halls."""

    inlets: NDArray[np.float64]  # (n, lags, zones), the latest first
    controls: NDArray[np.float64]  # (n, lags, 1 + 2 zones), the latest first: what was in force
    parameters: NDArray[np.float64]  # (n, zones, width)
    outside: NDArray[np.float64]  # (n, zones) what disturbances add to the next inlet, held
    price: NDArray[np.float64]  # (1 + 2 zones,) share of the facility's power for each unit of a control
    low: NDArray[np.float64]  # (1 + 2 zones,)
    high: NDArray[np.float64]
    most: NDArray[np.float64]  # largest change in a step
    coldest: NDArray[np.float64]  # (n, zones) lower end of the band, C


@kernel
def _simulate(i, p, lags, z, u, held, x):  # type: ignore[no-untyped-def]
    """Controls and inlets that follow from the free variables ``z`` of hall ``i``.

    ``u`` has ``lags - 1`` rows of the past, then the plan; ``x`` has ``lags`` rows of the past. ``held`` is -1 where a
    control is held by the low end of its box, 1 where by the high end, else 0.
    """
    horizon, width = z.shape
    zones = x.shape[1]
    for k in range(lags - 1):
        u[k] = p.controls[i, lags - 2 - k]
    for k in range(lags):
        x[k] = p.inlets[i, lags - 1 - k]
    for k in range(horizon):
        for j in range(width):
            before = p.controls[i, 0, j] if k == 0 else u[lags - 2 + k, j]
            wanted = before + p.most[j] * np.tanh(z[k, j])
            u[lags - 1 + k, j] = min(max(wanted, p.low[j]), p.high[j])
            held[k, j] = -1.0 if wanted < p.low[j] else (1.0 if wanted > p.high[j] else 0.0)
        for zone in range(zones):
            w = p.parameters[i, zone]
            following = p.outside[i, zone]
            for lag in range(lags):
                row = u[lags - 1 + k - lag]
                following += w[lag] * x[lags - 1 + k - lag, zone]
                b = lags + 3 * lag
                following += w[b] * row[1 + zone] + w[b + 1] * row[1 + zones + zone] + w[b + 2] * row[0]
            x[lags + k, zone] = following


@kernel
def _slopes(i, p, lags, z, held, x, hottest_c, tracking, du, dx):  # type: ignore[no-untyped-def]
    """Gradient of the objective by ``z``, written over ``du``: back through the inlets, then through the controls.

    What a box holds is free to move inwards, else nothing would ever bring it off its bound.
    """
    horizon, width = z.shape
    zones = x.shape[1]
    for k in range(horizon):
        du[k] = p.price
    dx[:] = 0.0
    for k in range(horizon - 1, -1, -1):
        for zone in range(zones):
            w = p.parameters[i, zone]
            inlet = x[lags + k, zone]
            out = max(inlet - hottest_c, 0.0) + min(inlet - p.coldest[i, zone], 0.0)
            slope = dx[lags + k, zone] + 2.0 * tracking * out
            for lag in range(lags):
                dx[lags - 1 + k - lag, zone] += w[lag] * slope
                if k - lag >= 0:
                    b = lags + 3 * lag
                    du[k - lag, 1 + zone] += w[b] * slope
                    du[k - lag, 1 + zones + zone] += w[b + 1] * slope
                    du[k - lag, 0] += w[b + 2] * slope
    for j in range(width):
        later = 0.0
        for k in range(horizon - 1, -1, -1):
            slope = du[k, j] + later
            later = slope if held[k, j] == 0.0 else 0.0
            moves = held[k, j] * slope >= 0.0
            du[k, j] = slope * p.most[j] * (1.0 - np.tanh(z[k, j]) ** 2) if moves else 0.0


@kernel
def plan_rows(p, lags, horizon, hottest_c, tracking, iterations, start, out):  # type: ignore[no-untyped-def]
    """First controls of the best plans.

    Args:
        p: A :class:`Problem`.
        lags: T.
        horizon: Steps.
        hottest_c: Upper end of the band.
        tracking: q.
        iterations: Of Adam.
        start: Free variables to start from, shape ``(n, horizon, 1 + 2 zones)``; the result is left there.
        out: Written, shape ``(n, 1 + 2 zones)``.
    """
    n, width = out.shape
    zones = p.inlets.shape[2]
    u, x = np.zeros((lags - 1 + horizon, width)), np.zeros((lags + horizon, zones))
    held, du, dx = np.zeros((horizon, width)), np.zeros((horizon, width)), np.zeros((lags + horizon, zones))
    first, second = np.zeros((horizon, width)), np.zeros((horizon, width))
    for i in range(n):
        z = start[i]
        first[:], second[:] = 0.0, 0.0
        for turn in range(iterations):
            _simulate(i, p, lags, z, u, held, x)
            _slopes(i, p, lags, z, held, x, hottest_c, tracking, du, dx)
            a, b = 1.0 - BETA_1 ** (turn + 1), 1.0 - BETA_2 ** (turn + 1)
            for k in range(horizon):
                for j in range(width):
                    first[k, j] = BETA_1 * first[k, j] + (1.0 - BETA_1) * du[k, j]
                    second[k, j] = BETA_2 * second[k, j] + (1.0 - BETA_2) * du[k, j] ** 2
                    z[k, j] -= RATE * (first[k, j] / a) / (np.sqrt(second[k, j] / b) + TINY)
                    z[k, j] = min(max(z[k, j], -2.0), 2.0)  # where tanh is flat nothing would bring it back
        _simulate(i, p, lags, z, u, held, x)
        out[i] = u[lags - 1]


class ArxMpc:
    """Explores a hall for three hours, identifies it, then plans with what it found.

    Sets supply air, airflow and chilled water; towers follow the wet bulb. Reads hottest inlets, dew points,
    utilisation, outdoor dry and wet bulb, and, while it explores, the facility's meter. One exploration serves all
    halls of a batch, since they are built alike; each learns on from it by itself.

    Args:
        explore_h: Length of the exploration.
        walk: Whether setpoints move in it; False leaves all to the local loops.
        horizon: Control steps in a plan.
        online: Whether it learns on.
        seed: Of the exploration.
    """

    def __init__(
        self,
        *,
        explore_h: float = EXPLORE_H,
        walk: bool = True,
        horizon: int = HORIZON,
        online: bool = True,
        seed: int = 0,
    ) -> None:
        self.explore_h = explore_h
        self.walk = walk
        self.horizon = horizon
        self.online = online
        self.seed = seed
        self._found: tuple[Setup, Identified] | None = None
        self._begun = False

    def model_of(self, envs: CoolingVectorEnv) -> Identified:
        """The model of these halls; explored once and kept."""
        if self._found is None or self._found[0] is not envs.setup:
            log = explore(envs, hours=self.explore_h, walk=self.walk, seed=self.seed)
            self._found = envs.setup, identify(log)
            self._begun = False
        return self._found[1]

    def reset(self, envs: CoolingVectorEnv, rows: NDArray[np.bool_]) -> None:
        """Explore, unless that was done; take the present inlets as all that is known of the past."""
        model, n = self.model_of(envs), envs.num_envs
        if not self._begun:
            self._setpoints = s = Setpoints(envs)
            self._columns = control_columns(s)
            self._most = step_limits(s, float(envs.setup.task.step_s))
            self._values = s.tile(n)
            self._inlets = np.zeros((n, LAGS, s.zones))
            self._controls = np.zeros((n, LAGS, len(self._columns)))
            self._free = np.zeros((n, self.horizon, len(self._columns)))
            self._last: NDArray[np.float64] | None = None
            self._learner = Online(model, n)
            self._begun = True
        self._values[rows] = self._setpoints.defaults
        self._inlets[rows] = hottest(Shown(envs))[rows][:, None]
        self._controls[rows] = self._setpoints.defaults[self._columns]
        self._free[rows] = 0.0
        self._learner.forget(rows)
        if rows.all():
            self._last = None

    def act(self, envs: CoolingVectorEnv) -> NDArray[np.float32]:
        """Setpoints for the coming step."""
        shown = Shown(envs)
        inlets = hottest(shown)
        if self._last is not None and self.online:
            self._learner.learn(self._last, inlets)
        self._inlets = np.concatenate([inlets[:, None], self._inlets[:, :-1]], axis=1)
        outside = np.stack(
            np.broadcast_arrays(shown.utilisation(), shown.reading("outdoor_dry_bulb_c")[:, None], 1.0), axis=2
        )
        chosen = self._plan(envs, shown, outside)
        self._controls = np.concatenate([chosen[:, None], self._controls[:, :-1]], axis=1)
        self._last = self._regressors(outside)
        self._values[:, self._columns] = chosen
        self._values[:, self._setpoints.condenser] = tower_setpoint(shown.reading("outdoor_wet_bulb_c"))[:, None]
        return envs.encode_actions(self._values)

    def _plan(self, envs: CoolingVectorEnv, shown: Shown, outside: NDArray[np.float64]) -> NDArray[np.float64]:
        s, columns, model = self._setpoints, self._columns, self.model_of(envs)
        parameters = self._learner.parameters
        problem = Problem(
            self._inlets,
            self._controls,
            parameters,
            np.einsum("nzk,nzk->nz", parameters[:, :, -3:], outside) + self._learner.offsets,
            model.power[: len(columns)] / envs.setup.plant.it_peak_kw,
            *explored_bounds(s),
            self._most,
            coldest_inlets(envs, shown) + BAND_K[0],
        )
        hottest_c = float(envs.setup.model.charges["inlet_high_c"][0]) - BAND_K[1]
        self._free = np.concatenate([self._free[:, 1:], 0.0 * self._free[:, :1]], axis=1)
        chosen = np.zeros((envs.num_envs, len(columns)))
        plan_rows(problem, LAGS, self.horizon, hottest_c, TRACKING, ITERATIONS, self._free, chosen)
        return chosen

    def _regressors(self, outside: NDArray[np.float64]) -> NDArray[np.float64]:
        """Of the coming step, shape ``(n, zones, width)``."""
        zones = self._setpoints.zones
        parts = [self._inlets[:, k, :, None] for k in range(LAGS)]
        for k in range(LAGS):
            row = self._controls[:, k]
            water = np.repeat(row[:, :1], zones, axis=1)
            parts.append(np.stack([row[:, 1 : 1 + zones], row[:, 1 + zones :], water], axis=2))
        return np.concatenate([*parts, outside], axis=2)
