"""Files that have either their old or their new content, whatever happens while they are written."""

from __future__ import annotations

import os
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
