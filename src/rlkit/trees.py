"""Trees of dictionaries, lists, tuples, arrays and plain values, as JSON with the arrays put aside; or as bytes."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

COMPRESSED_FROM = 1 << 16  # bytes: less than that is not worth the time
_STRUCTURE = "tree"


def pack(value: Any, arrays: dict[str, NDArray[Any]], leaf: Callable[[Any], Any] = lambda value: None) -> Any:
    """A tree as JSON; its arrays are put aside under numbers.

    Args:
        value: The tree.
        arrays: Filled.
        leaf: What to write for a value of a kind that is not known here; None: it is refused.

    Raises:
        TypeError: If something cannot be in it.
    """
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, np.generic):
        value = np.asarray(value)
    if isinstance(value, np.ndarray):
        if value.dtype.hasobject:
            raise TypeError("an array of Python objects cannot be kept")
        arrays[f"a{len(arrays)}"] = value
        return {"array": f"a{len(arrays) - 1}"}
    if isinstance(value, dict):
        return {"dict": [[pack(key, arrays, leaf), pack(part, arrays, leaf)] for key, part in value.items()]}
    if isinstance(value, list | tuple):
        kind = "list" if isinstance(value, list) else "tuple"
        return {kind: [pack(part, arrays, leaf) for part in value]}
    packed = leaf(value)
    if packed is None:
        raise TypeError(f"{type(value).__name__} cannot be kept")
    return packed


def unpack(packed: Any, leaves: Mapping[str, Mapping[str, Any]]) -> Any:
    """The tree that :func:`pack` gave.

    Args:
        packed: Read from JSON.
        leaves: What was put aside, by kind (``array`` and those of ``leaf``) and name.

    Raises:
        KeyError, ValueError, AttributeError: If it is none.
    """
    if not isinstance(packed, dict):
        return packed
    ((kind, content),) = packed.items()
    if kind in leaves:
        return leaves[kind][content]
    if kind == "dict":
        return {unpack(key, leaves): unpack(part, leaves) for key, part in content}
    if kind in ("list", "tuple"):
        parts = [unpack(part, leaves) for part in content]
        return parts if kind == "list" else tuple(parts)
    raise ValueError(f"unknown kind {kind!r}")


def to_bytes(tree: Any) -> bytes:
    """A tree as bytes that hold no code: an ``.npz`` of its arrays, and of the JSON text as one array more."""
    arrays: dict[str, NDArray[Any]] = {}
    structure = json.dumps(pack(tree, arrays)).encode()
    file = io.BytesIO()
    save = np.savez_compressed if sum(array.nbytes for array in arrays.values()) >= COMPRESSED_FROM else np.savez
    save(file, **{_STRUCTURE: np.frombuffer(structure, np.uint8)}, **arrays)  # type: ignore[arg-type]
    return file.getvalue()


def from_bytes(data: bytes) -> Any:
    """The tree that :func:`to_bytes` gave.

    Raises:
        ValueError, KeyError: If the bytes are no tree.
    """
    with np.load(io.BytesIO(data), allow_pickle=False) as stored:
        arrays = {name: stored[name] for name in stored.files}
    return unpack(json.loads(arrays.pop(_STRUCTURE).tobytes()), {"array": arrays})


def map_arrays(function: Callable[[NDArray[Any]], Any], tree: Any) -> Any:
    """The same tree, each array replaced by what a function makes of it."""
    if isinstance(tree, np.ndarray):
        return function(tree)
    if isinstance(tree, dict):
        return {key: map_arrays(function, part) for key, part in tree.items()}
    if isinstance(tree, list | tuple):
        return type(tree)(map_arrays(function, part) for part in tree)
    return tree
