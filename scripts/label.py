"""Ask people which of two clips is better: ``python scripts/label.py run=<folder>``."""

from rlkit.cli import label_main

if __name__ == "__main__":
    raise SystemExit(label_main())
