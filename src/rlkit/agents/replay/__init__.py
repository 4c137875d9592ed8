"""A replay that keeps each frame once: for vector environments, n-step returns, priorities and sequences together."""

from rlkit.agents.replay.compact import Batch, CompactReplay, Sequences

__all__ = ["Batch", "CompactReplay", "Sequences"]
