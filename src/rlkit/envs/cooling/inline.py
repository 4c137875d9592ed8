"""Kernels that are compiled into their callers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

from numba import njit

F = TypeVar("F", bound=Callable[..., Any])


def inlined(function: F) -> F:
    """Compile a part of a larger kernel, as :func:`rlkit.envs.jit.kernel` does, and have LLVM inline its calls.

    A step of a hall calls some forty small kernels with the same arrays. Called as functions each counts references
    to these arrays with atomic instructions; inlined, the counting cancels out and a step takes half the time.

    Args:
        function: Nopython-compatible function; it must not raise.

    Returns:
        The compiled function, which Python can still call.
    """
    try:
        return cast(F, njit(cache=True, nogil=True, error_model="numpy", forceinline=True)(function))
    except RuntimeError:  # "cannot cache function: no locator available for file"
        return cast(F, njit(nogil=True, error_model="numpy", forceinline=True)(function))
