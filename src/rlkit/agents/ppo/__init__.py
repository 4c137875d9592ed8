"""Masked PPO that acts and learns with less work: `LeanMaskablePPO`, a drop-in for `sb3_contrib.MaskablePPO`."""

from rlkit.agents.ppo.lean import LeanMaskablePPO
from rlkit.agents.ppo.policy import LeanMaskablePolicy

__all__ = ["LeanMaskablePPO", "LeanMaskablePolicy"]
