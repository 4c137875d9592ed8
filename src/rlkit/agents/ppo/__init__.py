"""Masked PPO with a leaner update: `LeanMaskablePPO`, a drop-in for `sb3_contrib.MaskablePPO`."""

from rlkit.agents.ppo.lean import LeanMaskablePPO

__all__ = ["LeanMaskablePPO"]
