"""Rule controllers that need no learning: what takes over when the agent may not steer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rlkit.envs.cooling.safety.monitor import Monitor
from rlkit.envs.cooling.vector import CoolingVectorEnv

Fallback = Callable[[Any], ArrayLike]  # from the layer (its observations, default_actions(), ...) to actions (n, a)
BAND_K = 3.0  # from default set points to maximum cooling


def default_rule(envs: Any) -> NDArray[np.float32]:
    """The plant's default set points, whatever the readings."""
    actions: NDArray[np.float32] = envs.default_actions()
    return actions


def coldest_values(envs: CoolingVectorEnv) -> NDArray[np.float64]:
    """As much cooling as the plant gives: cold set points, all machines at full speed; shape ``(a,)``."""
    low, high = envs.setup.action_bounds()
    cold = [name.endswith("setpoint_c") for name in envs.action_names]
    return np.where(cold, low, high)


def maximum_cooling(envs: Any) -> NDArray[np.float32]:
    """As much cooling as the plant gives, always: it costs energy, and overcools."""
    base: CoolingVectorEnv = envs.unwrapped
    return base.encode_actions(np.tile(coldest_values(base), (base.num_envs, 1)))


class CoolingRule:
    """Default set points while it is cool; towards maximum cooling as the hottest inlet rises; that if it is unknown.

    Proportional: the estimate of the hottest inlet at ``from_c`` gives the default, 3 K above it everything.

    Args:
        envs: Which data centers.
        monitor: Gives the estimate.
        from_c: Where it begins.
    """

    def __init__(self, envs: CoolingVectorEnv, monitor: Monitor, from_c: float) -> None:
        self._envs, self._monitor, self._from_c = envs, monitor, from_c
        self._coldest = coldest_values(envs)
        self._default = envs.decode_actions(envs.default_actions())

    def __call__(self, envs: Any) -> NDArray[np.float32]:
        """Actions ``(n, a)``."""
        hottest = np.nan_to_num(self._monitor.hottest_c, nan=np.inf).max(axis=1)
        share = np.clip((hottest - self._from_c) / BAND_K, 0.0, 1.0)[:, None]
        return self._envs.encode_actions(self._default + share * (self._coldest - self._default))
