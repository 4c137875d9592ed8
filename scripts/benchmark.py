"""Measure speed as ratios: ``python scripts/benchmark.py <name>``; ``--help`` lists the names."""

from rlkit.cli import benchmark_main

if __name__ == "__main__":
    raise SystemExit(benchmark_main())
