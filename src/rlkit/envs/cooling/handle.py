"""One object that stands for many arrays, so that a call of a kernel passes a pointer instead of all of them.

Numba unpacks each array that it is passed, which takes a tenth of a microsecond: with the sixty arrays of a batch of
data centers longer than the step of one. A handle keeps them unpacked.
"""

from __future__ import annotations

from typing import Any

from numba import types
from numba.core.extending import overload
from numba.experimental import structref


@structref.register
class HandleType(types.StructRef):
    """Numba's type of :class:`Handle`: one field, ``arrays``."""


class Handle(structref.StructRefProxy):
    """What Python holds of it: nothing but a reference. It can be neither copied nor pickled."""


structref.define_boxing(HandleType, Handle)


def new_handle(arrays: Any) -> Any:
    """A handle on a (nested) tuple of arrays; only for kernels."""
    raise NotImplementedError("new_handle is for compiled code")


@overload(new_handle)
def _new_handle(arrays: Any) -> Any:
    handle_type = HandleType([("arrays", arrays)])

    def build(arrays: Any) -> Any:
        handle: Any = structref.new(handle_type)  # type: ignore[call-arg]
        handle.arrays = arrays
        return handle

    return build
