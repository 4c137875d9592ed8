"""Compare runs: ``python scripts/report.py runs/...``."""

from rlkit.cli import report_main

if __name__ == "__main__":
    raise SystemExit(report_main())
