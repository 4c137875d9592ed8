"""Linear models of a hall with memory (ARX), identified from a few hours of cautious exploration.

Lazic et al. 2018 ("Data center cooling using model-predictive control", NeurIPS), section 4, with this task's controls.
For every zone on its own (their model is block-sparse too), with ``x`` its hottest inlet, ``u`` its supply-air and
airflow setpoints and the chilled-water setpoint, and ``d`` its utilisation and the outdoor dry bulb::

    x[t+1] = sum_{k<T} a_k x[t-k] + sum_{k<T} b_k u[t-k] + c d[t] + c0

and for the facility meter, over the step that begins at ``t``::

    P[t+1] = p u[t] + q (mean utilisation, dry bulb)[t] + q0

The paper's step is 30 s with T = 5; the environment's is minutes, so that fewer lags span as much. Both are fitted by
ridge regression; :class:`Arx` goes on learning with recursive least squares where its error is large.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rlkit.envs.cooling.controllers.building import Setpoints, Shown, tower_setpoint
from rlkit.envs.cooling.vector import CoolingVectorEnv

LAGS = 2
EXPLORE_H = 3.0  # of exploration (section 4.2)
STEP_K, STEP_AIRFLOW, STEP_WATER_K = 1.0, 0.05, 0.4  # largest change of a setpoint in a control step of 5 minutes
EXPLORED = {"supply": (-3.0, 6.0), "airflow": (-0.25, 0.25), "water": (-1.5, 1.5)}  # about the defaults: safe bounds
DISTURBANCES = 2
RIDGE = 0.05  # on scaled regressors
PRIOR_PRECISION = 20.0  # of the identified parameters, in online learning
FORGET = 0.995
OFFSET_GAIN = 0.5
SURPRISE = 2.0  # a step is learnt from where its error is beyond so many standard deviations (section 4.3)


@dataclass(frozen=True)
class Log:
    """What was seen of one hall, step by step.

    Attributes:
        inlets: Hottest inlet of every zone before the step, shape ``(t + 1, zones)``.
        controls: Setpoints during it, shape ``(t, 1 + 2 zones)``: chilled water, supply airs, airflows.
        loads: Utilisation before it, shape ``(t, zones)``.
        dry_bulb_c: Before it, shape ``(t,)``.
        power_kw: Of the facility during it, shape ``(t,)``.
    """

    inlets: NDArray[np.float64]
    controls: NDArray[np.float64]
    loads: NDArray[np.float64]
    dry_bulb_c: NDArray[np.float64]
    power_kw: NDArray[np.float64]


def control_columns(s: Setpoints) -> NDArray[np.int64]:
    """Actions that ARX controllers set: chilled water, supply airs, airflows."""
    return np.concatenate([[s.chilled], s.supply, s.airflow])


def step_limits(s: Setpoints, step_s: float) -> NDArray[np.float64]:
    """Largest change of each control in a step, shape ``(1 + 2 zones,)``."""
    limits = np.concatenate([[STEP_WATER_K], np.full(s.zones, STEP_K), np.full(s.zones, STEP_AIRFLOW)])
    return limits * step_s / 300.0


def explored_bounds(s: Setpoints) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Lowest and highest of each control that is explored, and that the model may be trusted in."""
    columns = control_columns(s)
    offsets = np.array([EXPLORED["water"]] + [EXPLORED["supply"]] * s.zones + [EXPLORED["airflow"]] * s.zones).T
    low, high = np.clip(s.defaults[columns] + offsets, s.low[columns], s.high[columns])
    return low, high


def explore(envs: CoolingVectorEnv, *, hours: float = EXPLORE_H, walk: bool = True, seed: int = 0) -> Log:
    """Watch a hall of the same task while its setpoints walk at random within safe bounds.

    It is another hall than those of ``envs``: a batch of one, on a training day and without faults.

    Args:
        envs: Give the task.
        hours: How long.
        walk: Whether the setpoints walk; else they stay at their defaults and the local loops do all (what the paper
            finds a poor source of data).
        seed: Of the walk and of the hall.
    """
    task = {f.name: getattr(envs.setup.task, f.name) for f in dataclasses.fields(envs.setup.task)}
    steps = max(LAGS + 2, round(hours * 3600.0 / float(task["step_s"])))
    days = max(1.0, np.ceil(steps * float(task["step_s"]) / 86400.0))
    task |= {"split": "train", "start": "anytime", "faults": "none", "forecast": None, "episode_days": float(days)}
    hall = CoolingVectorEnv(1, autoreset_mode="disabled", **task)
    hall.reset(seed=seed)
    s = Setpoints(hall)
    columns, most = control_columns(s), step_limits(s, float(task["step_s"]))
    bounds = explored_bounds(s)
    rng = np.random.default_rng(seed)
    values = s.tile(1)
    seen: list[tuple[Any, ...]] = []
    shown = Shown(hall)
    for _ in range(steps):
        if walk:
            values[0, columns] = np.clip(values[0, columns] + rng.uniform(-most, most), *bounds)
        values[:, s.condenser] = tower_setpoint(shown.reading("outdoor_wet_bulb_c"))[:, None]
        before = (hottest(shown)[0], values[0, columns].copy(), shown.utilisation()[0])
        dry = shown.reading("outdoor_dry_bulb_c")[0]
        hall.step(hall.encode_actions(values))
        shown = Shown(hall)
        seen.append((*before, dry, shown.reading("facility_power_kw")[0]))
    inlets, controls, loads, dry_bulbs, powers = (np.array(part) for part in zip(*seen, strict=True))
    return Log(np.concatenate([inlets, hottest(shown)]), controls, loads, dry_bulbs, powers)


def hottest(shown: Shown) -> NDArray[np.float64]:
    """Hottest inlet of every zone, shape ``(n, zones)``."""
    return shown.zones("zone_inlet_max_c")


@dataclass(frozen=True)
class Identified:
    """Models of one hall.

    Attributes:
        inlets: Parameters of every zone, shape ``(zones, lags * 4 + 3)``: ``a``, then ``b`` lag by lag (supply air,
            airflow, chilled water), then those of utilisation, dry bulb and one.
        errors: Standard deviation of every zone's one-step error in K on the data, shape ``(zones,)``.
        power: Of the facility meter, in kW for each unit of the controls, then utilisation, dry bulb and one; shape
            ``(1 + 2 zones + 3,)``.
        lags: T.
    """

    inlets: NDArray[np.float64]
    errors: NDArray[np.float64]
    power: NDArray[np.float64]
    lags: int

    def predict(self, log: Log) -> NDArray[np.float64]:
        """Inlets one step ahead for each step of a log from the ``lags``-th on, shape ``(t - lags + 1, zones)``."""
        zones = log.inlets.shape[1]
        return np.stack([regressors(log, z, self.lags) @ self.inlets[z] for z in range(zones)], axis=1)

    def rmse(self, log: Log) -> NDArray[np.float64]:
        """Root mean square of the one-step error in K on a log, for each zone."""
        return np.asarray(np.sqrt(((self.predict(log) - log.inlets[self.lags :]) ** 2).mean(0)))


def regressors(log: Log, zone: int, lags: int) -> NDArray[np.float64]:
    """Of a zone's inlet one step ahead, shape ``(t - lags + 1, lags * 4 + 3)``."""
    steps = len(log.controls)
    zones = log.inlets.shape[1]
    own = log.controls[:, [1 + zone, 1 + zones + zone, 0]]
    last = np.arange(lags - 1, steps)
    parts = [log.inlets[last - k, zone][:, None] for k in range(lags)]
    parts += [own[last - k] for k in range(lags)]
    return np.concatenate(
        [*parts, log.loads[last, zone][:, None], log.dry_bulb_c[last][:, None], np.ones((len(last), 1))], axis=1
    )


def identify(log: Log, lags: int = LAGS) -> Identified:
    """Fit both models to what was seen.

    Args:
        log: From :func:`explore`.
        lags: T.
    """
    zones = log.inlets.shape[1]
    inlets, errors = [], []
    for zone in range(zones):
        x, y = regressors(log, zone, lags), log.inlets[lags:, zone]
        w = _ridge(x, y)
        inlets.append(w)
        errors.append(np.sqrt(np.mean((x @ w - y) ** 2)))
    outside = np.stack([log.loads.mean(1), log.dry_bulb_c, np.ones(len(log.dry_bulb_c))], axis=1)
    power = _ridge(np.concatenate([log.controls, outside], axis=1), log.power_kw)
    return Identified(np.array(inlets), np.array(errors), power, lags)


def _ridge(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """Ridge regression on centred and scaled regressors; the last column is one and takes the centre."""
    centre, scale = x[:, :-1].mean(0), x[:, :-1].std(0)
    moving = scale > 1e-9
    z = (x[:, :-1] - centre) / np.where(moving, scale, 1.0)
    w = np.linalg.solve(z.T @ z + RIDGE * np.eye(z.shape[1]), z.T @ (y - y.mean()))
    w = np.where(moving, w / np.where(moving, scale, 1.0), 0.0)
    return np.append(w, y.mean() - centre @ w)


class Online:
    """Learning on: every hall's offset at every step, and its inlet models' parameters from surprising steps alone.

    The offset, a running mean of the error, is what keeps a linear model right on average in another load and weather
    than it was identified in (offset-free control; the paper's halls are served where they were explored). The rest is
    recursive least squares where the error beside it is surprising (section 4.3).

    Args:
        model: As identified; every hall begins from it.
        n: Halls.
    """

    def __init__(self, model: Identified, n: int) -> None:
        zones, width = model.inlets.shape
        self._model = model
        self.parameters = np.tile(model.inlets, (n, 1, 1))
        self.offsets = np.zeros((n, zones))
        self._covariance = np.zeros((n, zones, width, width))
        self.forget(np.ones(n, dtype=np.bool_))

    def forget(self, rows: NDArray[np.bool_]) -> None:
        """Go back to the identified model in these halls."""
        self.parameters[rows] = self._model.inlets
        self.offsets[rows] = 0.0
        lags = self._model.lags
        typical = np.concatenate([np.full(lags, 20.0), np.tile([20.0, 0.7, 7.0], lags), [0.6, 15.0, 1.0]])
        self._covariance[rows] = np.diag(1.0 / (PRIOR_PRECISION * typical**2))

    def learn(self, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Learn from one step of every hall where it surprises.

        Args:
            x: Regressors, shape ``(n, zones, width)``.
            y: Inlets that followed, shape ``(n, zones)``.

        Returns:
            Where it did, shape ``(n, zones)``.
        """
        error = y - np.einsum("nzw,nzw->nz", x, self.parameters)
        self.offsets += OFFSET_GAIN * (error - self.offsets)
        error = error - self.offsets
        surprising = np.abs(error) > SURPRISE * self._model.errors
        px = np.einsum("nzvw,nzw->nzv", self._covariance, x)
        gain = px / (FORGET + np.einsum("nzw,nzw->nz", x, px))[..., None]
        learnt = (self._covariance - gain[..., :, None] * px[..., None, :]) / FORGET
        self.parameters += np.where(surprising[..., None], gain * error[..., None], 0.0)
        self._covariance = np.where(surprising[..., None, None], learnt, self._covariance)
        return np.asarray(surprising)
