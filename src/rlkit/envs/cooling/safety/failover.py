"""Failover: the rule controller takes over when the readings, the sensors or the agent give cause, and hands back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from gymnasium.vector import VectorEnv
from numpy.typing import NDArray

from rlkit.envs.cooling.safety.layer import SafetyLayer
from rlkit.envs.cooling.safety.monitor import monitored
from rlkit.envs.cooling.safety.rules import Fallback
from rlkit.envs.cooling.safety.verify import cooling_rule, fallback_values, inlet_limit
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

    def report_lost(self, lost: bool, hall: int | None = None) -> None:
        """Say that the link to the agent is down, or up again, in one hall or all."""
        self._lost[slice(None) if hall is None else hall] = lost

    def _filter(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        lost = self._lost | ~np.isfinite(values).all(axis=1)
        self._decide(lost)
        step_s = self.step_minutes * 60.0
        takeover = np.where(self.cause == HOT, np.inf, step_s / max(self.rules.takeover_s, 1e-9))
        change = np.where(self.engaged, takeover, -step_s / max(self.rules.handback_s, 1e-9))
        self.share[:] = np.clip(self.share + change, 0.0, 1.0)
        if not (lost.any() or self.share.any()):
            return values
        agent = np.where(lost[:, None], self.plant_envs.commands, values)
        fallback = fallback_values(self, self._fallback)
        share = self.share[:, None]
        mixed = np.where(share == 1.0, fallback, agent + share * (fallback - agent))
        return np.where(share > 0.0, mixed, agent)

    def _decide(self, lost: NDArray[np.bool_]) -> None:
        """Engage where there is cause, release where there is none any more and the least time is over."""
        hottest, rise = self._monitor.hottest_c, np.maximum(self._monitor.rise_k, 0.0)
        hot_c = self.inlet_limit_c + self.rules.hot_k
        with np.errstate(invalid="ignore"):
            beyond: NDArray[np.bool_] = (hottest > hot_c) | (hottest + rise > hot_c + self.rules.ahead_k)
            warm: NDArray[np.bool_] = hottest > self.inlet_limit_c - self.rules.clear_k
        hot = beyond.any(axis=1)
        sensors = np.isnan(hottest).any(axis=1) | self._monitor.disagree | self._monitor.silent
        cause = np.where(hot, HOT, np.where(sensors, SENSORS, np.where(lost, LOST, -1)))
        begins = (cause >= 0) & ~self.engaged
        self._engaged_s[begins] = 0.0
        stays = self.engaged & ((cause >= 0) | warm.any(axis=1) | (self._engaged_s < self.rules.dwell_s))
        self.engaged[:] = begins | stays
        self.cause[:] = np.where(cause >= 0, cause, np.where(self.engaged, self.cause, -1))
        self._engaged_s += np.where(self.engaged, self.step_minutes * 60.0, 0.0)

    def _acts(self, values: NDArray[np.float64], filtered: NDArray[np.float64]) -> NDArray[np.bool_]:
        return self.share > 0.0

    def _observe(self, observations: NDArray[Any], begun: NDArray[np.bool_]) -> None:
        self.share[begun] = self._engaged_s[begun] = 0.0
        self.engaged[begun] = False
        self.cause[begun] = -1

    def _after(self, result: Any) -> Any:
        result[4]["safety_failover_cause"] = self.cause.copy()
        return super()._after(result)

    def _arrays(self) -> dict[str, NDArray[Any]]:
        return {
            "share": self.share,
            "engaged": self.engaged,
            "cause": self.cause,
            "engaged_s": self._engaged_s,
            "lost": self._lost,
        }
