"""Controllers that a learner is held against: rules, a static optimum, model-predictive control.

All are supervisory: they give setpoints, which the plant's own loops follow. ``docs/cooling-controllers.md`` tells what
each does and how good it is.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from rlkit.errors import UsageError, nearest

if TYPE_CHECKING:
    from rlkit.envs.cooling.vector import CoolingVectorEnv


class Controller(Protocol):
    """What gives setpoints to a batch of halls."""

    def reset(self, envs: CoolingVectorEnv, rows: NDArray[np.bool_]) -> None:
        """Be told that episodes have just begun.

        Args:
            envs: The halls.
            rows: In which of them, shape ``(n,)``.
        """

    def act(self, envs: CoolingVectorEnv) -> NDArray[np.float32]:
        """Actions for the coming step, shape ``(n, actions)``, as the environment takes them."""


CONTROLLERS: dict[str, str] = {
    "setpoints": "setpoints:FixedSetpoints",
    "guideline36": "guideline36:Guideline36",
    "static_optimum": "static_optimum:StaticOptimum",
    "arx_mpc": "arx_mpc:ArxMpc",
    "perfect_mpc": "perfect_mpc:PerfectMpc",
}


def make_controller(name: str, **settings: Any) -> Controller:
    """A controller by its name.

    Args:
        name: A key of :data:`CONTROLLERS`.
        settings: Arguments of its class.

    Raises:
        UsageError: If there is no such controller.

    Example:
        >>> make_controller("setpoints", supply_air_c=20.0).supply_air_c
        20.0
    """
    if name not in CONTROLLERS:
        raise UsageError(f"there is no controller {name!r}: {nearest(str(name), CONTROLLERS)}")
    module, _, attribute = CONTROLLERS[name].partition(":")
    return cast(Controller, getattr(import_module(f"{__name__}.{module}"), attribute)(**settings))
