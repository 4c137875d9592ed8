"""The upper bound: model-predictive control with the true simulator as its model and the true future as its forecast.

Every half hour it draws plans, runs each of them through the environment's own kernel from the hall's true state,
through the weather, load, load noise and faults that will come, and keeps the best (cross-entropy search around its
last plan and around what the static optimum would do). Nobody could install it; it says what there is to gain. It is a
search, so that it bounds the optimum from below only as far as the search goes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rlkit.envs.cooling.controllers.building import Setpoints
from rlkit.envs.cooling.controllers.static_optimum import StaticOptimum
from rlkit.envs.cooling.controllers.trial import Halls, Packed, Surroundings, charged, roll_out, stored_kwh
from rlkit.envs.cooling.episode import EPISODE
from rlkit.envs.cooling.vector import CoolingVectorEnv
from rlkit.errors import UsageError

ELITES = 6
FIRST_SPREAD = 0.10  # of the ranges: how far plans are drawn from the incumbent at first
SHRINK = 0.6  # what a round leaves of it
OFFSETS_K = (-1.5, 1.5, 3.0, 5.0, 7.0)  # of supply air, tried in the first round
MARGIN_K = 0.02  # to the limits of inlets: setpoints are rounded to single precision on their way
APART = 2  # so many zones are also tried apart from the others
COMMON = 0.7  # share of a draw that all blocks of a plan have in common
HEAT_KWH = 0.2  # electricity for each kWh of heat that a plan leaves behind in the hall: about a plant's mean


class PerfectMpc:
    """Plans with the true model through the true future.

    Args:
        block_s: A plan holds its setpoints for so long, and is made anew after it.
        horizon_blocks: Blocks in a plan.
        candidates: Plans in a round.
        rounds: Of the search.
        seed: Of the search.
    """

    def __init__(
        self,
        *,
        block_s: float = 1800.0,
        horizon_blocks: int = 5,
        candidates: int = 40,
        rounds: int = 6,
        seed: int = 0,
    ) -> None:
        if min(block_s, horizon_blocks, rounds) <= 0 or candidates <= ELITES:
            raise UsageError(
                f"a plan needs block_s, horizon_blocks and rounds above 0 and more than {ELITES} candidates, got "
                f"{block_s!r}, {horizon_blocks!r}, {rounds!r} and {candidates!r}"
            )
        self.block_s = block_s
        self.horizon_blocks = horizon_blocks
        self.candidates = candidates
        self.rounds = rounds
        self._rng = np.random.default_rng(seed)
        self._static = StaticOptimum(seed=seed)

    def reset(self, envs: CoolingVectorEnv, rows: NDArray[np.bool_]) -> None:
        """Look into the future of all halls, which must begin their episodes together.

        Raises:
            UsageError: If only some of the halls begin.
        """
        if not rows.all():
            raise UsageError("perfect_mpc plans for halls whose episodes begin together: reset all of them")
        self._setpoints = Setpoints(envs)
        self._static.reset(envs, rows)
        model = envs.setup.model
        charges = model.charges.copy()
        charges["inlet_high_c"] -= MARGIN_K
        charges["inlet_low_c"] += MARGIN_K
        self._packed = Packed(model.plant, model.zones, model.racks, model.timing, charges)
        self._hold = max(1, round(self.block_s / float(envs.setup.task.step_s)))
        self._around = look_ahead(envs)
        self._step = 0
        self._plan = self._static_plan(envs, 0)

    def act(self, envs: CoolingVectorEnv) -> NDArray[np.float32]:
        """Setpoints for the coming step."""
        if self._step % self._hold == 0:
            if self._step > 0:
                self._plan = np.concatenate([self._plan[1:], self._plan[-1:]])
            self._improve(envs)
        self._step = min(self._step + 1, len(self._around.weather) - 1)
        return envs.encode_actions(self._plan[0])

    def _blocks(self) -> int:
        """Blocks of a plan that begin before the episode ends."""
        left = len(self._around.weather) - self._step
        return min(self.horizon_blocks, -(-left // self._hold))

    def _static_plan(self, envs: CoolingVectorEnv, start: int) -> NDArray[np.float64]:
        """What the static optimum would do, shape ``(horizon, n, actions)``."""
        plan = []
        last = len(self._around.weather)
        for block in range(self.horizon_blocks):
            first = min(start + block * self._hold, last - 1)
            steps = slice(first, min(first + self._hold, last))
            load, weather = self._around.load[steps].mean(0), self._around.weather[steps].mean(0)
            plan.append(self._static.setpoints(envs, load, weather))
        return np.array(plan)

    def _improve(self, envs: CoolingVectorEnv) -> None:
        """Search around the incumbent and around the static optimum's plan; keep the best."""
        s, n, blocks = self._setpoints, envs.num_envs, self._blocks()
        static = self._static_plan(envs, self._step)[:blocks]
        best = self._plan[:blocks]
        mean = best
        span = s.high - s.low
        spread: NDArray[np.float64] = np.broadcast_to(FIRST_SPREAD * span, best.shape)
        before = envs.get_state()["task"]
        rows = np.arange(n)
        for number in range(self.rounds):
            plans = self._draw(mean, spread)
            plans[:, :, 0], plans[:, :, 1] = best, static
            if number == 0:
                self._scatter(plans, best, static)
            np.clip(plans, s.low, s.high, out=plans)
            costs = self._costs(envs, before, plans)
            order = np.argsort(costs, axis=1)[:, :ELITES]
            elites = np.take_along_axis(plans, order[None, :, :, None], axis=2)
            best = plans[:, rows, order[:, 0]]
            mean = 0.5 * (elites.mean(2) + best)
            spread = np.maximum(SHRINK * spread, 0.5 * elites.std(2))
        self._plan[:blocks] = best
        self._plan[blocks:] = best[-1]

    def _scatter(self, plans: NDArray[np.float64], best: NDArray[np.float64], static: NDArray[np.float64]) -> None:
        """Make the first round look further: around the static optimum, and with warmer or colder air all along.

        What keeps a moist hall within its limits is some kelvins away, and small steps towards it may not pay.
        """
        half = self.candidates // 2
        plans[:, :, half:] += (static - best)[:, :, None]
        supply = self._setpoints.supply
        groups = [supply, *supply[:, None][:APART]] if len(supply) > 1 else [supply]
        moves = [(plan, group, offset) for plan in (static, best) for group in groups for offset in OFFSETS_K]
        for place, (plan, group, offset) in zip(range(2, self.candidates - ELITES), moves, strict=False):
            plans[:, :, place] = plan
            plans[:, :, place, group] += offset

    def _draw(self, mean: NDArray[np.float64], spread: NDArray[np.float64]) -> NDArray[np.float64]:
        """Plans about a mean, shape ``(blocks, n, candidates, actions)``."""
        blocks, n, actions = mean.shape
        common = self._rng.standard_normal((1, n, self.candidates, actions))
        own = self._rng.standard_normal((blocks, n, self.candidates, actions))
        few = self._rng.random((1, n, self.candidates, actions)) < 0.5  # a plan moves some of the setpoints only
        return mean[:, :, None] + spread[:, :, None] * few * (COMMON * common + np.sqrt(1.0 - COMMON**2) * own)

    def _costs(self, envs: CoolingVectorEnv, before: dict[str, Any], plans: NDArray[np.float64]) -> NDArray[np.float64]:
        """Money of every plan, with broken limits charged, shape ``(n, candidates)``."""
        blocks, n, each, _ = plans.shape
        m = n * each
        steps = slice(self._step, min(self._step + blocks * self._hold, len(self._around.weather)))
        around = Surroundings(*(np.ascontiguousarray(part[steps]) for part in self._around))
        commands = np.tile(envs.setup.start.spin_commands[0], (blocks, m, 1))
        commands[:, :, envs.setup.columns] = plans.reshape(blocks, m, -1)
        halls = Halls(*(np.repeat(before[name], each, axis=0) for name in ("state", "readings", "history")))
        episodes = before["episodes"].view(EPISODE)[:, 0]
        time_s = episodes["weather_s"] + episodes["steps"] * float(envs.setup.task.step_s)
        spent, broken, left = np.zeros((3, m))
        roll_out(self._packed, around, commands, self._hold, 0, episodes["steps"], time_s, halls, spent, broken)
        costs = charged(self._packed, spent, broken)
        if steps.stop < len(self._around.weather):
            stored_kwh(self._packed, halls.state, left)
            costs += left * HEAT_KWH * float(self._packed.charges["energy_price"][0].mean())
        return costs.reshape(n, each)


def look_ahead(envs: CoolingVectorEnv) -> Surroundings:
    """Weather, load and faults of the rest of the episodes: the halls are run to their end, and set back.

    No draw depends on actions, so that what comes is the same whatever the controller does. What follows a thermal
    trip is not known (there a new episode has begun); the last values before it stand for it.
    """
    before = envs.get_state()
    actions = envs.default_actions()
    faults = envs.setup.packed.faults.width
    going = np.ones(envs.num_envs, dtype=np.bool_)
    weather: list[NDArray[np.float64]] = []
    load: list[NDArray[np.float64]] = []
    broken: list[NDArray[np.float64]] = []
    steps = int(envs.max_episode_steps or 0) - int(before["elapsed"].max())
    for step in range(steps):
        _, _, terminated, truncated, infos = envs.step(actions)
        going &= ~(terminated | truncated)
        seen = (*envs.surroundings(), infos.get("faults", np.zeros((envs.num_envs, faults))))
        for values, whole in zip(seen, (weather, load, broken), strict=True):
            whole.append(np.where(going[:, None], values, whole[-1]) if step else values)
    envs.set_state(before)
    if not before["task"]["has_faults"]:
        broken = [before["task"]["plant_faults"]] * steps
    return Surroundings(np.array(weather), np.array(load), np.array(broken))
