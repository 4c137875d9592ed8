"""Bargain with the agent of a run: ``python scripts/play.py run=<folder>``."""

from rlkit.cli import play_main

if __name__ == "__main__":
    raise SystemExit(play_main())
