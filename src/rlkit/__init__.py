"""rlkit: reinforcement learning for tasks whose reward is hard to write down.

Importing it registers its environments with Gymnasium, and does little else: neither PyTorch nor Numba is loaded
before it is needed.

Example:
    >>> import gymnasium, rlkit
    >>> envs = gymnasium.make_vec("rlkit/Negotiation-v0", num_envs=4)
    >>> observations, infos = envs.reset(seed=0)
    >>> observations.shape, infos["action_mask"].shape
    ((4, 93), (4, 121))
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rlkit import envs

if TYPE_CHECKING:
    from rlkit.agents.policy import load_policy as load_policy

__version__ = "0.1.0"
__all__ = ["envs", "load_policy"]

envs.register()


def __getattr__(name: str) -> Any:
    """``rlkit.load_policy`` is imported on first use, because it needs PyTorch."""
    if name == "load_policy":
        from rlkit.agents.policy import load_policy

        return load_policy
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
