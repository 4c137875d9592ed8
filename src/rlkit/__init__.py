"""rlkit: reinforcement learning for tasks whose reward is hard to write down."""
