"""Deep Q-learning with switches and auxiliary tasks: `DQN`, a drop-in for Stable-Baselines3's."""

from rlkit.agents.dqn.dqn import DQN

__all__ = ["DQN"]
