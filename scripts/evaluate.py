"""Judge the agent of a run: ``python scripts/evaluate.py run=<folder>``."""

from rlkit.cli import evaluate_main

if __name__ == "__main__":
    raise SystemExit(evaluate_main())
