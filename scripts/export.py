"""Export the acting network of a run; --help tells more."""

from rlkit.cli import export_main

if __name__ == "__main__":
    raise SystemExit(export_main())
