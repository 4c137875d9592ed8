"""Speed as ratios to peers, each measured in one run."""

BENCHMARKS = ("negotiation", "ppo", "cooling", "dqn")
