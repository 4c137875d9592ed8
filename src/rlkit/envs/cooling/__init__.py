"""Data-center cooling: plant physics, weather, workload, sensors and faults; ``CoolingEnv`` is the manual."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rlkit.envs.cooling.env import CoolingEnv as CoolingEnv
    from rlkit.envs.cooling.vector import CoolingVectorEnv as CoolingVectorEnv

_LAZY = {"CoolingEnv": "env", "CoolingVectorEnv": "vector"}


def __getattr__(name: str) -> Any:
    """Import on first use: Numba takes half a second."""
    if name in _LAZY:
        from importlib import import_module

        return getattr(import_module(f"{__name__}.{_LAZY[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
