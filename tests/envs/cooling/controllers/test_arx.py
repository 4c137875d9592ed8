"""Identification and planning with ARX models."""

from __future__ import annotations

import numpy as np
import pytest

from rlkit.envs.cooling.controllers.arx import LAGS, Identified, Log, Online, explore, identify, regressors
from rlkit.envs.cooling.controllers.arx_mpc import Problem, _simulate, _slopes, plan_rows
from rlkit.envs.cooling.vector import CoolingVectorEnv

RNG = np.random.default_rng(0)


def linear_log(steps: int = 400) -> tuple[Log, np.ndarray]:
    """A zone that follows known parameters exactly."""
    rng = np.random.default_rng(1)
    w = np.array([0.5, 0.2, 0.3, -1.0, 0.1, 0.05, -0.5, 0.02, 2.0, 0.03, 4.0])
    controls = np.stack([rng.uniform(6, 9, steps), rng.uniform(15, 24, steps), rng.uniform(0.4, 1.0, steps)], axis=1)
    loads, dry = rng.uniform(0.2, 0.9, (steps, 1)), rng.uniform(0, 30, steps)
    inlets = np.full((steps + 1, 1), 22.0)
    log = Log(inlets, controls, loads, dry, 50.0 + 20.0 * controls[:, 2] - 0.8 * controls[:, 1] + 30.0 * loads[:, 0])
    for t in range(LAGS - 1, steps):
        part = Log(inlets[: t + 2], controls[: t + 1], loads[: t + 1], dry[: t + 1], log.power_kw[: t + 1])
        inlets[t + 1, 0] = regressors(part, 0, LAGS)[-1] @ w
    return log, w


def test_identification_recovers_a_linear_hall() -> None:
    log, w = linear_log()
    model = identify(log)
    np.testing.assert_allclose(model.inlets[0, :-1], w[:-1], atol=0.01)
    assert model.errors[0] < 0.01
    np.testing.assert_allclose(model.power[:3], [0.0, -0.8, 20.0], atol=0.1)


@pytest.fixture(scope="module")
def room() -> CoolingVectorEnv:
    return CoolingVectorEnv(1, plant="small_room", autoreset_mode="same_step", split="test")


def test_exploration_stays_within_its_bounds_and_moves_every_setpoint(room: CoolingVectorEnv) -> None:
    log = explore(room, seed=3)
    assert len(log.controls) == 36  # three hours of five minutes
    assert (log.controls.std(0) > 0.0).all()
    assert (np.abs(np.diff(log.controls, axis=0)) <= [0.4, 1.0, 0.05]).all()
    assert log.inlets.max() < 27.0


def test_a_model_from_exploration_predicts_the_next_inlet(room: CoolingVectorEnv) -> None:
    model = identify(explore(room, seed=0))
    assert model.errors.max() < 0.15  # sensors of 0.05 K noise


def test_a_model_from_data_without_exploration_is_worse(room: CoolingVectorEnv) -> None:
    """Lazic et al. 2018, table 1: a model of a week under local control alone is the worst."""
    unseen = [explore(room, hours=6.0, seed=100 + seed) for seed in range(4)]
    error = {
        walk: np.mean([identify(explore(room, walk=walk, seed=seed)).rmse(log) for seed in range(3) for log in unseen])
        for walk in (True, False)
    }
    assert error[True] < 0.7 * error[False]


def test_online_learning_removes_an_offset_and_leaves_what_is_expected_alone() -> None:
    model = Identified(np.array([[0.0, 0.0, 1.0, 0, 0, 0, 0, 0, 0, 0, 0]]), np.array([0.1]), np.zeros(6), LAGS)
    learner = Online(model, 2)
    x = np.zeros((2, 1, 11))
    x[:, 0, 2] = 20.0
    assert not learner.learn(x, np.array([[20.05], [20.0]])).any()
    np.testing.assert_array_equal(learner.parameters[1], model.inlets)
    for _ in range(20):
        learner.learn(x, np.array([[22.0], [20.0]]))
    predicted = (x * learner.parameters).sum(-1) + learner.offsets
    np.testing.assert_allclose(predicted, [[22.0], [20.0]], atol=0.05)
    learner.forget(np.array([True, False]))
    assert learner.offsets[0, 0] == 0.0


def problem(n: int = 1, zones: int = 2) -> Problem:
    width = 1 + 2 * zones
    parameters = RNG.uniform(-0.3, 0.5, (n, zones, LAGS * 4 + 3))
    controls = np.tile([7.5] + [18.0] * zones + [0.7] * zones, (n, LAGS, 1))
    return Problem(
        np.full((n, LAGS, zones), 22.0), controls, parameters, np.full((n, zones), 3.0), RNG.uniform(-0.1, 0.1, width),
        np.array([5.0] + [14.0] * zones + [0.2] * zones), np.array([9.0] + [27.0] * zones + [1.0] * zones),
        np.array([0.4] + [1.0] * zones + [0.05] * zones), np.full((n, zones), 18.0),
    )  # fmt: skip


def objective(p: Problem, z: np.ndarray) -> tuple[float, np.ndarray]:
    horizon, width = z.shape
    zones = p.inlets.shape[2]
    u, x = np.zeros((LAGS - 1 + horizon, width)), np.zeros((LAGS + horizon, zones))
    held, du, dx = np.zeros((horizon, width)), np.zeros((horizon, width)), np.zeros((LAGS + horizon, zones))
    _simulate(0, p, LAGS, z, u, held, x)
    _slopes(0, p, LAGS, z, held, x, 20.0, 0.3, du, dx)
    later = x[LAGS:]
    broken = np.maximum(later - 20.0, 0.0) ** 2 + np.minimum(later - p.coldest[0], 0.0) ** 2
    return float(u[LAGS - 1 :].sum(0) @ p.price + 0.3 * broken.sum()), du


def test_the_gradient_is_the_objectives() -> None:
    p, z = problem(), RNG.uniform(-0.5, 0.5, (4, 5))
    _, slopes = objective(p, z)
    for place in np.ndindex(z.shape):
        nudge = np.zeros_like(z)
        nudge[place] = 1e-6
        difference = (objective(p, z + nudge)[0] - objective(p, z - nudge)[0]) / 2e-6
        assert slopes[place] == pytest.approx(difference, rel=1e-4, abs=1e-7)


def test_plans_keep_to_boxes_and_rate_limits() -> None:
    p = problem(8)
    chosen = np.zeros((8, 5))
    plan_rows(p, LAGS, 6, 26.0, 0.3, 40, RNG.uniform(-2, 2, (8, 6, 5)), chosen)
    assert (chosen >= p.low).all()
    assert (chosen <= p.high).all()
    assert (np.abs(chosen - p.controls[:, 0]) <= p.most + 1e-12).all()


def test_a_control_on_its_bound_comes_off_it_when_that_pays() -> None:
    p = problem(1, 1)
    p.parameters[:] = 0.0
    p.parameters[0, 0, LAGS] = 1.0  # the inlet is the supply air plus three
    p.controls[:, :, 1] = 14.0
    p.price[:] = 0.0
    chosen = np.zeros((1, 3))
    start = np.full((1, 6, 3), -2.0)
    plan_rows(p, LAGS, 6, 26.0, 1.0, 40, start, chosen)
    assert chosen[0, 1] > 14.5  # the band begins at 18 C, the bound gives 17 C
