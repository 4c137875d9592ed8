"""Proximal policy optimisation that acts and learns with less work.

`LeanPPO` and `LeanMaskablePPO` are drop-ins for `stable_baselines3.PPO` and `sb3_contrib.MaskablePPO`; `DPPO` is the
variant with a penalty on the KL divergence.
"""

from rlkit.agents.ppo.dppo import DPPO
from rlkit.agents.ppo.lean import LeanMaskablePPO, LeanPPO
from rlkit.agents.ppo.policy import LeanMaskablePolicy, LeanPolicy

__all__ = ["DPPO", "LeanMaskablePPO", "LeanMaskablePolicy", "LeanPPO", "LeanPolicy"]
