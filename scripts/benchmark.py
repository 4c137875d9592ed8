"""Measure speed as ratios: ``python scripts/benchmark.py negotiation|ppo|continuous|cooling|dqn|locomotion``."""

from rlkit.cli import benchmark_main

if __name__ == "__main__":
    raise SystemExit(benchmark_main())
