"""Files have their old or their new content, whatever happens."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from rlkit.files import write_atomically, write_together


def test_text_and_bytes(tmp_path: Path) -> None:
    write_atomically(tmp_path / "text", "Äpfel\n")
    write_atomically(tmp_path / "bytes", b"\x00\xff")
    assert (tmp_path / "text").read_bytes() == "Äpfel\n".encode()
    assert (tmp_path / "bytes").read_bytes() == b"\x00\xff"
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("call", [0, 1])
def test_full_disk_changes_nothing(call: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of files that belong together, neither changes when the second cannot be written."""
    one, other = tmp_path / "one", tmp_path / "other"
    write_together({one: "old", other: "old"})
    calls = iter(range(10))

    def full(descriptor: int) -> None:
        if next(calls) == call:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_together({one: "new", other: "new"})
    assert one.read_text() == other.read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 2


def test_synced_before_it_takes_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Or a power cut could leave an empty file under the right name."""
    order: list[str] = []
    sync, replace = os.fsync, Path.replace

    def synced(descriptor: int) -> None:
        order.append("sync")
        sync(descriptor)

    def replaced(self: Path, target: Any) -> Any:
        order.append("replace")
        return replace(self, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(Path, "replace", replaced)
    write_together({tmp_path / "a": "1", tmp_path / "b": "2"})
    assert order == ["sync", "sync", "replace", "replace"]
