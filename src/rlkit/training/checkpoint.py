"""Checkpoints: folders that are whole or absent, and hold arrays, numbers and texts, never code.

A checkpoint is a tree of dictionaries, lists, arrays, tensors and plain values. Tensors go to
``tensors.safetensors``, arrays to ``arrays.npz`` (read with ``allow_pickle=False``), the rest to ``state.json``;
``manifest.json`` has the format's number and the sha256 of each. The folder is written beside its place, synced to
disk and renamed.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch as th
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors

from rlkit.errors import UsageError
from rlkit.trees import pack, unpack

FORMAT = 1
STATE, ARRAYS, TENSORS, MANIFEST = "state.json", "arrays.npz", "tensors.safetensors", "manifest.json"
_PREFIX, _UNFINISHED = "step-", ".unfinished-"


class DamagedCheckpoint(UsageError):
    """A checkpoint whose files are missing or changed."""


def save(folder: Path, step: int, tree: dict[str, Any], keep: int) -> Path:
    """Write a checkpoint, then remove all but the newest ``keep``.

    Those of later steps go too: the run went back behind them, because they were damaged.

    Args:
        folder: Where checkpoints are; made if it is not there. No other process may write to it.
        step: Of the run; names the checkpoint.
        tree: What it holds.
        keep: How many stay. A failed write removes none.

    Returns:
        Its folder.

    Raises:
        UsageError: If the disk is full or the folder cannot be written.
    """
    target = folder / f"{_PREFIX}{step:012d}"
    unfinished, replaced = folder / f"{_UNFINISHED}{step:012d}", folder / f"{_UNFINISHED}replaced"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for leftover in folder.glob(f"{_UNFINISHED}*"):  # of a process that was killed while it wrote
            shutil.rmtree(leftover)
        unfinished.mkdir()
        _write(unfinished, tree)
        if target.exists():  # the same step of an earlier try
            target.rename(replaced)
        unfinished.rename(target)
        _sync(folder)
    except OSError as error:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise UsageError(
            f"cannot write a checkpoint to {folder}: {error.strerror or error}. Earlier checkpoints are untouched: "
            f"make room or give write permission, then go on with resume={folder.parent}"
        ) from error
    found = checkpoints(folder)
    newest = found.index(target) + 1
    for stale in (*found[: max(0, newest - keep)], *found[newest:], replaced):
        shutil.rmtree(stale, ignore_errors=True)
    return target


def checkpoints(folder: Path) -> list[Path]:
    """Checkpoints in a folder, oldest first."""
    names = re.compile(rf"{_PREFIX}\d{{12,}}")
    found = (path for path in folder.glob(f"{_PREFIX}*") if names.fullmatch(path.name) and path.is_dir())
    return sorted(found, key=lambda path: int(path.name.removeprefix(_PREFIX)))


def load(checkpoint: Path) -> dict[str, Any]:
    """What a checkpoint holds.

    Raises:
        DamagedCheckpoint: If it is not whole.
        UsageError: If it is of a newer format.
    """
    try:
        manifest = json.loads((checkpoint / MANIFEST).read_text(encoding="utf-8"))
        version, sums = manifest["format"], dict(manifest["sha256"])
        if version > FORMAT:
            raise UsageError(
                f"{checkpoint} has format {version}, this rlkit reads up to {FORMAT}: install the rlkit that wrote it"
            )
        for name in (STATE, ARRAYS, TENSORS):
            if sums[name] != _sha256(checkpoint / name):
                raise DamagedCheckpoint(f"{checkpoint / name} is damaged: its sha256 is not the one in {MANIFEST}")
        state = json.loads((checkpoint / STATE).read_text(encoding="utf-8"))
        with (checkpoint / ARRAYS).open("rb") as file, np.load(file, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
        tensors = load_tensors((checkpoint / TENSORS).read_bytes())
        tree = unpack(state, {"array": arrays, "tensor": tensors})
    except UsageError:
        raise
    except Exception as error:  # whatever the parsers make of bytes that somebody changed, sums and all
        raise DamagedCheckpoint(f"{checkpoint} is damaged: {error!r}") from error
    if not isinstance(tree, dict):
        raise DamagedCheckpoint(f"{checkpoint} is damaged: it holds no state")
    return tree


def load_newest(folder: Path, tell: Callable[[str], None]) -> tuple[Path, dict[str, Any]] | None:
    """The newest checkpoint that is whole.

    Args:
        folder: Where checkpoints are.
        tell: Is told of every damaged one that is passed over.

    Returns:
        Its folder and what it holds; None if there are no checkpoints at all.

    Raises:
        DamagedCheckpoint: If there are some, and none is whole.
        UsageError: If the newest that is whole is of a newer format.
    """
    problems: list[DamagedCheckpoint] = []
    for checkpoint in reversed(checkpoints(folder)):
        try:
            found = checkpoint, load(checkpoint)
        except DamagedCheckpoint as error:
            problems.append(error)
            continue
        for problem in problems:
            tell(f"{problem}. Falling back to the one before.")
        return found
    if problems:
        raise DamagedCheckpoint(
            f"no checkpoint in {folder} is whole, and there are {len(problems)}; the newest: {problems[0]}. "
            "Put back a copy of one, or begin a new run"
        )
    return None


def _write(folder: Path, tree: dict[str, Any]) -> None:
    arrays: dict[str, np.ndarray] = {}
    tensors: dict[str, th.Tensor] = {}

    def put_aside(value: Any) -> Any:
        if not isinstance(value, th.Tensor):
            return None
        tensors[f"t{len(tensors)}"] = value.detach().cpu().contiguous().clone()
        return {"tensor": f"t{len(tensors) - 1}"}

    state = json.dumps(pack(tree, arrays, put_aside))
    (folder / STATE).write_text(state, encoding="utf-8")
    with (folder / ARRAYS).open("wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]
    (folder / TENSORS).write_bytes(save_tensors(tensors))  # not `save_file`: a full disk is an OSError here
    sums = {name: _sha256(folder / name) for name in (STATE, ARRAYS, TENSORS)}
    (folder / MANIFEST).write_text(json.dumps({"format": FORMAT, "sha256": sums}, indent=2) + "\n", encoding="utf-8")
    for name in (STATE, ARRAYS, TENSORS, MANIFEST):
        _sync(folder / name)
    _sync(folder)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync(path: Path) -> None:
    """Wait until a file or a folder's entries are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
