"""Measure speed as ratios: ``python scripts/benchmark.py negotiation|ppo|cooling``."""

from rlkit.cli import benchmark_main

if __name__ == "__main__":
    raise SystemExit(benchmark_main())
