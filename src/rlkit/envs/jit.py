"""How kernels are compiled: ahead of use, cached on disk, without the interpreter's lock."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

from numba import njit

F = TypeVar("F", bound=Callable[..., Any])


def kernel(function: F) -> F:
    """Compile a function over arrays with Numba.

    The machine code is cached beside the source (or in the user's cache folder), so that only the first run on a
    machine waits for the compiler. Where nothing can be written, it is compiled anew in every process. Numba
    notices a change of the function's own file, not of functions it calls in others: after changing those, delete
    ``__pycache__`` (the test suite does so by itself).

    Args:
        function: Nopython-compatible function; it must not raise.

    Returns:
        The compiled function.
    """
    try:
        return cast(F, njit(cache=True, nogil=True)(function))
    except RuntimeError:  # "cannot cache function: no locator available for file"
        return cast(F, njit(nogil=True)(function))
