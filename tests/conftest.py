"""What all tests share."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
HUMAN_CONTEXTS = ROOT.parent / "shared" / "data" / "deal_or_no_deal" / "selfplay.txt"


def pytest_configure() -> None:
    """Numba does not see changes in other files than a kernel's own: drop what was compiled before the last edit."""
    envs = ROOT / "src" / "rlkit" / "envs"
    newest = max((source.stat().st_mtime for source in envs.rglob("*.py")), default=0.0)
    for compiled in envs.rglob("__pycache__/*.nb[ic]"):
        if compiled.stat().st_mtime < newest:
            compiled.unlink(missing_ok=True)


@pytest.fixture
def human_contexts() -> Path:
    """The published selfplay.txt; skips where it is not beside the repository."""
    if not HUMAN_CONTEXTS.exists():
        pytest.skip("the human-collected contexts (selfplay.txt) are not beside the repository")
    return HUMAN_CONTEXTS
