"""Years of five-minute samples: halls run by an operator who tries things within safe limits.

The operator holds setpoints for one to four hours, as people do, then goes on to others: a quarter of the time to the
plant's defaults, half of the time to a neighbour of the last (one setpoint moved by up to a quarter of its range), a
quarter of the time anywhere within its limits. Supply air stays between the limits' lowest inlet and three kelvin below
the highest, airflow at or above three quarters of the default. When the hottest inlet comes within a kelvin of its
limit the operator goes back to the defaults until it is two kelvin below.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import gymnasium
import numpy as np
from gymnasium.vector import VectorEnv
from numpy.typing import NDArray

HOLD_H = (1.0, 4.0)
SHARES = {"default": 0.25, "neighbour": 0.5, "anywhere": 0.25}
NEIGHBOUR = 0.25  # of a range
LEAST_AIRFLOW = 0.75  # of the default
INLET_C = (18.0, 27.0)  # ASHRAE TC 9.9's recommended class
SUPPLY_BELOW_K = 3.0
GUARD_ON_K, GUARD_OFF_K = 1.0, 2.0
TRUTH = ("pue", "facility_power_kw", "inlet_max_c", "inlet_min_c", "aisle_pressure_pa")


@dataclass(frozen=True)
class History:
    """What was seen, done, and came of it; the steps of all years one after the other.

    Attributes:
        observed: What sensors showed before each step, engineering units, shape ``(steps, halls, observations)``.
        setpoints: Those of the step, shape ``(steps, halls, actions)``.
        outcome: What the step brought, by the plant's own meters, shape ``(steps, halls, 5)``: :data:`TRUTH`.
        year: Of each step, shape ``(steps,)``.
        steps_a_day: How many.
    """

    observed: NDArray[np.float32]
    setpoints: NDArray[np.float32]
    outcome: NDArray[np.float32]
    year: NDArray[np.int64]
    steps_a_day: int

    def digest(self) -> str:
        """The same for the same data, bit for bit."""
        total = hashlib.sha256()
        for array in (self.observed, self.setpoints, self.outcome):
            total.update(array.tobytes())
        return total.hexdigest()


def make_halls(env_id: str, halls: int, arguments: dict[str, Any], **changes: Any) -> VectorEnv[Any, Any, Any]:
    """The run's environment for another purpose: other weather, another length."""
    kept = {key: value for key, value in arguments.items() if key not in ("num_envs", "vectorization_mode", "copy")}
    return gymnasium.make_vec(
        env_id, halls, vectorization_mode="vector_entry_point", **{**kept, "autoreset_mode": "same_step", **changes}
    )


def gather(
    env_id: str,
    arguments: dict[str, Any],
    *,
    weather: Sequence[str],
    workload: Sequence[str],
    halls: int,
    days: int,
    seed: int,
) -> History:
    """Run halls through years, one after the other.

    Args:
        env_id: The environment's.
        arguments: Its arguments; weather, workload and the episode's length are replaced.
        weather: Of each year.
        workload: Of each year.
        halls: Side by side, each with an operator of its own; all live through the same years.
        days: Of each year that are run, from New Year's Day on.
        seed: Of the operators and the halls.
    """
    parts = []
    for year, (sky, load) in enumerate(zip(weather, workload, strict=True)):
        changes = {"weather": sky, "workload": load, "split": "all", "start": 1, "episode_days": float(days)}
        envs: Any = make_halls(env_id, halls, arguments, **changes)
        sequence = np.random.SeedSequence([seed, year])
        parts.append(_live(envs, np.random.default_rng(sequence), int(sequence.generate_state(1)[0])))
        envs.close()
    observed, setpoints, outcome = (
        np.concatenate(arrays) for arrays in zip(*(part[:3] for part in parts), strict=True)
    )
    year_of = np.repeat(np.arange(len(parts)), [len(part[0]) for part in parts])
    return History(observed, setpoints, outcome, year_of, parts[0][3])


def _live(
    envs: Any, rng: np.random.Generator, seed: int
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32], int]:
    """One year of all halls: the first three arrays of :class:`History`, and the steps of a day."""
    steps, n = envs.max_episode_steps, envs.num_envs
    step_s = float(envs.setup.task.step_s)
    default = envs.decode_actions(envs.default_actions())
    low, high = safe_limits(envs)
    plan = plan_setpoints(rng, steps, default, low, high, step_s)
    actions, default_actions = envs.encode_actions(plan), envs.default_actions()
    names = list(envs.reading_names)
    power = [names.index(name) for name in ("facility_power_kw", "it_power_kw", "inlet_max_c", "inlet_min_c")]
    pressure = [i for i, name in enumerate(names) if name.endswith(".aisle_pressure_pa")]
    shown = np.zeros((steps, n, envs.single_observation_space.shape[0]), np.float32)
    readings = np.zeros((steps, n, len(power) + len(pressure)), np.float64)
    hottest, guard_on, guard_off = _guard(envs)
    guarded = np.zeros(n, np.bool_)
    observations, _ = envs.reset(seed=seed)
    for step in range(steps):
        shown[step] = observations
        guarded = observations[:, hottest] > np.where(guarded, guard_off, guard_on)
        if guarded.any():
            plan[step, guarded], actions[step, guarded] = default[guarded], default_actions[guarded]
        observations, *_ = envs.step(actions[step])
        readings[step] = envs.readings()[:, power + pressure]
    facility, it, high_c, low_c = readings[:, :, :4].transpose(2, 0, 1)
    outcome = np.stack([facility / it, facility, high_c, low_c, readings[:, :, 4:].min(axis=-1)], axis=-1)
    observed = envs.decode_observations(shown).astype(np.float32)
    steps_a_day = round(86_400.0 / step_s)  # the last step has reset the halls: what it brought is not to be had
    return observed[:-1], plan[:-1].astype(np.float32), outcome[:-1].astype(np.float32), steps_a_day


def _guard(envs: Any) -> tuple[int, float, float]:
    """Column of the hottest inlet's sensor, and what it shows where the guard sets in and lets go."""
    column = envs.observation_names.index("inlet_max_c")
    zero, one = (envs.decode_observations(np.full(envs.single_observation_space.shape, v))[column] for v in (0.0, 1.0))
    on_c, off_c = INLET_C[1] - GUARD_ON_K, INLET_C[1] - GUARD_OFF_K
    return column, (on_c - zero) / (one - zero), (off_c - zero) / (one - zero)


def safe_limits(envs: Any) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Lowest and highest setpoints that are tried, shape ``(actions,)`` each (see the module)."""
    low, high = (bound.astype(np.float64).copy() for bound in envs.setup.action_bounds())
    default = envs.decode_actions(envs.default_actions())[0]
    for i, name in enumerate(envs.action_names):
        if name.endswith("supply_air_setpoint_c"):
            low[i], high[i] = max(low[i], INLET_C[0]), min(high[i], INLET_C[1] - SUPPLY_BELOW_K)
        elif name.endswith("airflow"):
            low[i] = max(low[i], LEAST_AIRFLOW * default[i])
    return low, high


def plan_setpoints(
    rng: np.random.Generator,
    steps: int,
    default: NDArray[np.float64],
    low: NDArray[np.float64],
    high: NDArray[np.float64],
    step_s: float,
) -> NDArray[np.float64]:
    """What the operators of ``n`` halls set at every step, shape ``(steps, n, actions)``.

    Args:
        rng: Draws.
        steps: How many.
        default: Shape ``(n, actions)``.
        low: Lowest that is tried, shape ``(actions,)``.
        high: Highest.
        step_s: Length of a step.
    """
    n, actions = default.shape
    plan = np.empty((steps, n, actions))
    shortest, longest = (round(hours * 3600.0 / step_s) for hours in HOLD_H)
    kinds, shares = list(SHARES), list(SHARES.values())
    for hall in range(n):
        step, current = 0, default[hall].copy()
        while step < steps:
            kind = kinds[rng.choice(len(kinds), p=shares)]
            if kind == "default":
                current = default[hall].copy()
            elif kind == "anywhere":
                current = rng.uniform(low, high)
            else:
                moved = rng.integers(actions)
                current[moved] += rng.uniform(-NEIGHBOUR, NEIGHBOUR) * (high[moved] - low[moved])
                current = np.clip(current, low, high)
            held = int(rng.integers(shortest, longest + 1))
            plan[step : step + held, hall] = current
            step += held
    return plan
