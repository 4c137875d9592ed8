"""Train an agent: ``python scripts/train.py env=negotiation``."""

from rlkit.cli import train_main

if __name__ == "__main__":
    raise SystemExit(train_main())
