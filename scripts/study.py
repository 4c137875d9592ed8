"""Run a study; --help tells more."""

from rlkit.cli import study_main

if __name__ == "__main__":
    raise SystemExit(study_main())
