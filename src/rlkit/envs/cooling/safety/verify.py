"""Checks of an agent's actions before they reach the plant: its own confidence, its own check, an independent one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from gymnasium.vector import VectorEnv
from numpy.typing import ArrayLike, NDArray

from rlkit.envs.cooling.safety.layer import SafetyLayer
from rlkit.envs.cooling.safety.model import SteadyModel
from rlkit.envs.cooling.safety.monitor import Monitor, monitored
from rlkit.envs.cooling.safety.rules import CoolingRule, Fallback
from rlkit.envs.cooling.vector import CoolingVectorEnv
from rlkit.errors import UsageError

Confidence = Callable[[NDArray[Any], NDArray[Any]], ArrayLike]  # of observations and actions, (n,)
Check = Callable[[NDArray[Any], NDArray[np.float64]], ArrayLike]  # of observations and values, (n,) bool
TRIP_RESERVE_K = 10.0
STEPS_BACK = (0.25, 0.5, 0.75)  # of the way from a rejected action to the fallback


def inlet_limit(envs: CoolingVectorEnv) -> float:
    """The hottest inlet that is allowed: the task's limit, at least 10 K below where servers trip."""
    limit = float(envs.setup.model.charges["inlet_high_c"][0])
    return min(limit, envs.setup.plant.servers.shutdown_c[0] - TRIP_RESERVE_K)


def cooling_rule(envs: CoolingVectorEnv, monitor: Monitor) -> CoolingRule:
    """The built-in rule controller: it begins 2 K below the limit and gives everything 1 K above it."""
    return CoolingRule(envs, monitor, inlet_limit(envs) - 2.0)


def fallback_values(layer: SafetyLayer, fallback: Fallback) -> NDArray[np.float64]:
    """What a rule controller asks for, in engineering units.

    Raises:
        UsageError: If it gives actions of another shape.
    """
    actions = np.asarray(fallback(layer))
    if actions.shape != layer.action_space.shape:
        raise UsageError(f"a fallback gives actions of shape {layer.action_space.shape}, got {actions.shape}")
    return layer.plant_envs.decode_actions(actions)


class UncertaintyDrop(SafetyLayer):
    """Actions of which the agent is not sure are dropped in favour of the fallback.

    The confidence of each hall's action comes from a callable, or is told before every step with :meth:`tell`; what
    has not been told, or is NaN, counts as none.

    Args:
        envs: What to wrap.
        confidence: From observations and actions (both as the agent knows them) to ``(n,)``; None: it is told.
        threshold: Lowest confidence that passes.
        fallback: A rule controller; None for :func:`cooling_rule`.
    """

    name = "uncertainty"

    def __init__(
        self,
        envs: VectorEnv[Any, Any, Any],
        confidence: Confidence | None = None,
        threshold: float = 0.5,
        fallback: Fallback | None = None,
    ) -> None:
        envs, monitor = monitored(envs)
        super().__init__(envs)
        self._confidence, self.threshold = confidence, float(threshold)
        self._fallback = fallback or cooling_rule(self.plant_envs, monitor)
        self._told = np.full(self.num_envs, np.nan)

    def tell(self, confidence: ArrayLike) -> None:
        """The confidence of the next step's actions, shape ``(n,)``."""
        if self._confidence is not None:
            raise UsageError("the confidence is computed by a callable; leave it out to tell it")
        self._told[:] = confidence

    def _filter(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        confidence = self._told.copy()
        self._told[:] = np.nan
        if self._confidence is not None:
            actions = self.plant_envs.encode_actions(values)
            confidence = np.asarray(self._confidence(self.observations, actions), dtype=np.float64)
        # An agent that has not answered (a NaN) is not unsure: that is for the failover.
        doubtful = ~(confidence >= self.threshold) & np.isfinite(values).all(axis=1)
        if not doubtful.any():
            return values
        return np.where(doubtful[:, None], fallback_values(self, self._fallback), values)

    def _arrays(self) -> dict[str, NDArray[Any]]:
        return {"told": self._told}


class TwoLayerVerification(SafetyLayer):
    """An action passes if the agent's own check and an independent one find nothing wrong with it.

    The independent check (:class:`~rlkit.envs.cooling.safety.model.SteadyModel` and the last readings) rejects what

    * would settle at a hottest inlet above the limit, in any zone;
    * cools less than the commands in force while a zone is above the limit already;
    * (actuators) leaves chillers, pumps or towers too small for the load.

    A rejected action is drawn towards the fallback by a quarter, a half or three quarters of the way, as far as it
    takes for the independent check to pass; where that does not help it is replaced by the fallback.

    Args:
        envs: What to wrap.
        own_check: The agent's, from observations and actions in engineering units to bool ``(n,)``; None for none.
            What it rejects is replaced by the fallback.
        fallback: A rule controller, which is trusted; None for :func:`cooling_rule`.
        inlet_limit_c: None for the task's own limit (:func:`inlet_limit`).
    """

    name = "verification"

    def __init__(
        self,
        envs: VectorEnv[Any, Any, Any],
        own_check: Check | None = None,
        fallback: Fallback | None = None,
        inlet_limit_c: float | None = None,
    ) -> None:
        envs, self._monitor = monitored(envs)
        super().__init__(envs)
        self.inlet_limit_c = inlet_limit(self.plant_envs) if inlet_limit_c is None else float(inlet_limit_c)
        self.model = SteadyModel(self.plant_envs, self._monitor)
        self._own_check = own_check
        self._all = np.ones(self.num_envs, dtype=np.bool_)
        self._fallback = fallback or cooling_rule(self.plant_envs, self._monitor)

    def passes(self, values: NDArray[np.float64], rows: NDArray[np.bool_] | None = None) -> NDArray[np.bool_]:
        """The independent check of actions in engineering units, of these rows; false for NaN and for all others."""
        return self.model.passes(values, self.inlet_limit_c, self._all if rows is None else rows)

    def _filter(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        passed = self.passes(values)
        if self._own_check is None and passed.all():
            return values
        answered = np.isfinite(values).all(axis=1)
        rejected = answered & ~passed
        distrusted = np.zeros_like(rejected)
        if self._own_check is not None:
            distrusted = answered & ~np.asarray(self._own_check(self.observations, values), dtype=np.bool_)
            rejected &= ~distrusted
        if not (rejected | distrusted).any():
            return values
        fallback = fallback_values(self, self._fallback)
        changed = np.where((rejected | distrusted)[:, None], fallback, values)
        for share in STEPS_BACK:
            if not rejected.any():
                break
            nearer = values + share * (fallback - values)
            good = self.passes(nearer, rejected)
            changed[good] = nearer[good]
            rejected &= ~good
        return changed
