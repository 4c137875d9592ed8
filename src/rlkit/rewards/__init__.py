"""Rewards from people: comparisons of segments, who answers them, and the reward model that is fitted to them."""
