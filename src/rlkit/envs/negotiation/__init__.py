"""The negotiation game (*Deal or No Deal*); ``NegotiationEnv`` is its manual."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rlkit.envs.negotiation.aec import aec_env as aec_env
    from rlkit.envs.negotiation.env import NegotiationEnv as NegotiationEnv
    from rlkit.envs.negotiation.vector import NegotiationVectorEnv as NegotiationVectorEnv

_LAZY = {"aec_env": "aec", "NegotiationEnv": "env", "NegotiationVectorEnv": "vector"}


def __getattr__(name: str) -> Any:
    """Import on first use: Numba takes half a second, PettingZoo is an extra."""
    if name in _LAZY:
        from importlib import import_module

        return getattr(import_module(f"{__name__}.{_LAZY[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
