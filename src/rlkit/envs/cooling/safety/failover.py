"""Failover: the rule controller takes over when the readings, the sensors or the agent give cause, and hands back."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from gymnasium.vector import VectorEnv
from numpy.typing import NDArray

from rlkit.envs.cooling.safety.layer import Outcome, SafetyLayer
from rlkit.envs.cooling.safety.monitor import monitored
from rlkit.envs.cooling.safety.rules import Fallback
from rlkit.envs.cooling.safety.steady import answered
from rlkit.envs.cooling.safety.verify import cooling_rule, fallback_values, inlet_limit
from rlkit.envs.jit import inlined, kernel
from rlkit.errors import UsageError

CAUSES = ("hot", "sensors", "lost")
HOT, SENSORS, LOST = range(len(CAUSES))


@dataclass(frozen=True, kw_only=True)
class FailoverRules:
    """When the rule controller takes over, and how it hands back.

    Attributes:
        hot_k: Above the limit on inlets it takes over.
        clear_k: Below the limit a zone must be before it hands back.
        ahead_k: It also takes over where an inlet would be so far above ``hot_k`` after another step like the last.
        dwell_s: Least time in charge.
        takeover_s: Time to take over when the agent or sensors are lost; when it is hot this is done at once.
        handback_s: Time to hand back.
    """

    hot_k: float = 1.0
    clear_k: float = 1.0
    ahead_k: float = 3.0
    dwell_s: float = 1800.0
    takeover_s: float = 300.0
    handback_s: float = 900.0

    def __post_init__(self) -> None:
        for name in ("clear_k", "ahead_k", "dwell_s", "takeover_s", "handback_s"):
            if not 0.0 <= getattr(self, name) < np.inf:
                raise UsageError(f"{name} of a failover is a number >= 0, got {getattr(self, name)!r}")
        if not -self.clear_k < self.hot_k < np.inf:
            raise UsageError(f"hot_k of a failover must be above -clear_k ({-self.clear_k}), got {self.hot_k!r}")


class Seen(NamedTuple):
    """What the monitor knows of ``n`` halls."""

    hottest_c: NDArray[np.float64]  # (n, zones)
    rise_k: NDArray[np.float64]
    disagree: NDArray[np.bool_]  # (n,)
    silent: NDArray[np.bool_]


class State(NamedTuple):
    """Who steers ``n`` halls, each ``(n,)``."""

    share: NDArray[np.float64]
    engaged: NDArray[np.bool_]
    cause: NDArray[np.int64]
    engaged_s: NDArray[np.float64]
    lost: NDArray[np.bool_]  # as reported
    unanswered: NDArray[np.bool_]  # that, or NaN


class Failover(SafetyLayer):
    """The rule controller steers while there is cause, for a least time, and then hands back smoothly.

    Causes: ``hot``: a zone's hottest inlet is beyond the limit, or rises so fast that it soon will be; ``sensors``: a
    zone without a plausible inlet reading, readings that contradict each other, or a silent sensor network; ``lost``:
    the agent has not answered (NaN in its row) or its link is reported down with :meth:`report_lost`.

    Authority moves along a line: commands are ``share`` of the rule's and the rest of the agent's, and a step moves
    ``share`` by its length over ``takeover_s`` or ``handback_s``. While there is no agent's action, the command in
    force stands in for it. ``info["safety_failover_cause"]`` tells the cause, index in :data:`CAUSES` or -1.

    Args:
        envs: What to wrap.
        fallback: The rule controller; None for :func:`~rlkit.envs.cooling.safety.verify.cooling_rule`.
        rules: Thresholds and times.
        inlet_limit_c: None for the task's own limit.
    """

    name = "failover"

    def __init__(
        self,
        envs: VectorEnv[Any, Any, Any],
        fallback: Fallback | None = None,
        rules: FailoverRules | None = None,
        inlet_limit_c: float | None = None,
    ) -> None:
        envs, self._monitor = monitored(envs)
        super().__init__(envs)
        self.rules = rules or FailoverRules()
        self.inlet_limit_c = inlet_limit(self.plant_envs) if inlet_limit_c is None else float(inlet_limit_c)
        self._fallback = fallback or cooling_rule(self.plant_envs, self._monitor)
        n = self.num_envs
        self.share = np.zeros(n)  # of authority that the rule has
        self.engaged = np.zeros(n, dtype=np.bool_)
        self.cause = np.full(n, -1, dtype=np.int64)
        self._engaged_s = np.zeros(n)
        self._lost = np.zeros(n, dtype=np.bool_)
        self._unanswered = np.zeros(n, dtype=np.bool_)
        self._state = State(self.share, self.engaged, self.cause, self._engaged_s, self._lost, self._unanswered)
        m = self._monitor
        self._seen = Seen(m.hottest_c, m.rise_k, m.disagree, m.silent)

    def report_lost(self, lost: bool, hall: int | None = None) -> None:
        """Say that the link to the agent is down, or up again, in one hall or all."""
        self._lost[slice(None) if hall is None else hall] = lost

    def _filter(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        step_s = self.step_minutes * 60.0
        shares = step_s / max(self.rules.takeover_s, 1e-9), step_s / max(self.rules.handback_s, 1e-9)
        some = decide_rows(values, self._seen, self._rules_of_step(step_s), shares, self._state)
        if not some:
            return values
        agent = np.where(self._unanswered[:, None], self.commands_in_force, values)
        fallback = fallback_values(self, self._fallback)
        share = self.share[:, None]
        mixed = np.where(share == 1.0, fallback, agent + share * (fallback - agent))
        return np.where(share > 0.0, mixed, agent)

    def _rules_of_step(self, step_s: float) -> tuple[float, float, float, float, float]:
        hot_c = self.inlet_limit_c + self.rules.hot_k
        warm_c = self.inlet_limit_c - self.rules.clear_k
        return hot_c, hot_c + self.rules.ahead_k, warm_c, self.rules.dwell_s, step_s

    def _acts(self, values: NDArray[np.float64], filtered: NDArray[np.float64]) -> NDArray[np.bool_]:
        return self.share > 0.0

    def _forget(self, begun: NDArray[np.bool_]) -> None:
        self.share[begun] = self._engaged_s[begun] = 0.0
        self.engaged[begun] = False
        self.cause[begun] = -1

    def _after(self, outcome: Outcome) -> Outcome:
        outcome.result[4]["safety_failover_cause"] = self.cause.copy()
        return super()._after(outcome)

    def _arrays(self) -> dict[str, NDArray[Any]]:
        return {
            "share": self.share,
            "engaged": self.engaged,
            "cause": self.cause,
            "engaged_s": self._engaged_s,
            "lost": self._lost,
        }


@inlined
def _cause(i, lost, seen, rules):  # type: ignore[no-untyped-def]
    """Why the rule controller should steer hall ``i``, -1 for no reason; and whether a zone is warm still."""
    hot_c, ahead_c, warm_c, _, _ = rules
    hot = warm = blind = False
    for z in range(seen.hottest_c.shape[1]):
        hottest = seen.hottest_c[i, z]
        hot = hot or hottest > hot_c or hottest + max(seen.rise_k[i, z], 0.0) > ahead_c
        warm = warm or hottest > warm_c
        blind = blind or math.isnan(hottest)
    if hot:
        return HOT, warm
    if blind or seen.disagree[i] or seen.silent[i]:
        return SENSORS, warm
    return (LOST if lost else -1), warm


@kernel
def decide_rows(values, seen, rules, shares, state):  # type: ignore[no-untyped-def]
    """Engage where there is cause, release where there is none any more and the least time is over.

    Args:
        values: The agent's actions, shape ``(n, a)``; NaN where it has not answered.
        seen: A :class:`Seen`.
        rules: In C: hot, hot after another step, warm; least time in charge and length of a step in s.
        shares: By how much authority moves in a step: taken over, handed back.
        state: A :class:`State`, changed in place.

    Returns:
        Whether any hall has to be steered by something else than its agent.
    """
    some = False
    for i in range(values.shape[0]):
        state.unanswered[i] = state.lost[i] or not answered(i, values)
        cause, warm = _cause(i, state.unanswered[i], seen, rules)
        if cause >= 0 and not state.engaged[i]:
            state.engaged[i] = True
            state.engaged_s[i] = 0.0
        elif state.engaged[i]:
            state.engaged[i] = cause >= 0 or warm or state.engaged_s[i] < rules[3]
        if cause >= 0:
            state.cause[i] = cause
        elif not state.engaged[i]:
            state.cause[i] = -1
        if state.engaged[i]:
            state.engaged_s[i] += rules[4]
            state.share[i] = 1.0 if state.cause[i] == HOT else min(state.share[i] + shares[0], 1.0)
        else:
            state.share[i] = max(state.share[i] - shares[1], 0.0)
        some = some or state.unanswered[i] or state.share[i] > 0.0
    return some
