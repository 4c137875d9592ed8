"""Speed as ratios to peers, each measured in one run."""

BENCHMARKS = ("negotiation", "ppo", "continuous", "cooling", "dqn", "locomotion", "preferences")
