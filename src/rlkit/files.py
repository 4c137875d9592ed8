"""Files that have either their old or their new content, whatever happens while they are written; and locks."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def write_atomically(path: Path, content: str | bytes) -> None:
    """Write a file beside its place, sync it to disk and rename it.

    Args:
        path: Of the file.
        content: Text is written as UTF-8.

    Raises:
        OSError: If that fails; the file is as it was, and nothing is left beside it.
    """
    write_together({path: content})


def write_together(contents: dict[Path, str | bytes]) -> None:
    """Write files that belong together: none takes its place before all are on the disk.

    Args:
        contents: Of each file; texts are written as UTF-8.

    Raises:
        OSError: If that fails; as long as it does in writing, all files are as they were.
    """
    unfinished = {path: path.with_name(f".{path.name}.unfinished") for path in contents}
    try:
        for path, content in contents.items():
            with unfinished[path].open("wb") as file:
                file.write(content.encode() if isinstance(content, str) else content)
                file.flush()
                os.fsync(file.fileno())
        for path, written in unfinished.items():
            written.replace(path)
    except OSError:
        for written in unfinished.values():
            written.unlink(missing_ok=True)
        raise


@contextmanager
def locked(path: Path) -> Iterator[bool]:
    """Hold a lock that a process loses when it ends, however it ends.

    Args:
        path: Of a file or a folder that is there.

    Yields:
        Whether it is ours; False while another process holds it. Without locks (Windows) always True.
    """
    try:
        import fcntl
    except ImportError:
        yield True
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            ours = True
        except BlockingIOError:
            ours = False
        yield ours
    finally:
        os.close(descriptor)
