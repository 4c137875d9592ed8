"""Machine code of kernels does not outlive the sources it was made from."""

from __future__ import annotations

import os
from pathlib import Path

from rlkit.envs.jit import drop_stale_kernels


def test_code_older_than_any_source_is_dropped(tmp_path: Path) -> None:
    source, cache = tmp_path / "kernel.py", tmp_path / "__pycache__"
    cache.mkdir()
    old, new = cache / "kernel.old-1.py311.nbi", cache / "kernel.new-1.py311.1.nbc"
    for path in (source, old, new):
        path.touch()
    os.utime(old, (100.0, 100.0))
    os.utime(source, (200.0, 200.0))
    os.utime(new, (300.0, 300.0))
    drop_stale_kernels(tmp_path)
    assert not old.exists() and new.exists()
