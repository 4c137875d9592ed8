"""How kernels are compiled: ahead of use, cached on disk, without the interpreter's lock."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

from numba import njit
from numba.core.options import DefaultOptions

F = TypeVar("F", bound=Callable[..., Any])


ENVS = Path(__file__).resolve().parent
# Numba's own name for "no runtime": private, so that a release without it goes on, only slower.
UNCOUNTED: dict[str, Any] = {"_nrt": False} if hasattr(DefaultOptions, "_nrt") else {}


def drop_stale_kernels(folder: Path) -> None:
    """Delete machine code that is older than the newest source below a folder.

    Numba notices a change of a kernel's own file, not of the constants and functions that it takes from others: after
    an update of a checkout, it would go on with the old ones in silence.
    """
    newest = max((source.stat().st_mtime for source in folder.rglob("*.py")), default=0.0)
    for compiled in folder.rglob("__pycache__/*.nb[ic]"):
        try:
            if compiled.stat().st_mtime < newest:
                compiled.unlink()
        except OSError:  # another process was first, or it is not ours to delete
            continue


drop_stale_kernels(ENVS)


def kernel(function: F) -> F:
    """Compile a function over arrays with Numba.

    The machine code is cached beside the source (or in the user's cache folder), so that only the first run on a
    machine waits for the compiler. Where nothing can be written, it is compiled anew in every process.

    Args:
        function: Nopython-compatible function; it must not raise.

    Returns:
        The compiled function.
    """
    return _compiled(function)


def lean_kernel(function: F) -> F:
    """As :func:`kernel`, for a function that makes no array: without counting references to those it is given.

    Numba counts with atomic instructions whenever arrays change hands; where a row is a microsecond's work and passes
    thirty of them, that is a third of it.

    Args:
        function: Nopython-compatible function; it must neither raise, nor allocate, nor keep an array.

    Returns:
        The compiled function.
    """
    return _compiled(function, **UNCOUNTED)


def inlined(function: F) -> F:
    """A part of larger kernels, as :func:`lean_kernel`, that LLVM puts into its callers. Python can still call it."""
    return _compiled(function, forceinline=True, **UNCOUNTED)


def _compiled(function: F, **options: Any) -> F:
    try:
        return cast(F, njit(cache=True, nogil=True, error_model="numpy", **options)(function))
    except RuntimeError:  # "cannot cache function: no locator available for file"
        return cast(F, njit(nogil=True, error_model="numpy", **options)(function))
