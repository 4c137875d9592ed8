"""Where MuJoCo draws without a window: EGL, else OSMesa, else an error that says what to install.

MuJoCo itself decides when it is imported, by ``MUJOCO_GL``, and would try to open a window if that is not set. Here the
choice is made when the first picture is drawn.
"""

from __future__ import annotations

import importlib
import os
import platform
import sys
from typing import Any

from rlkit.errors import UsageError

AUTOMATIC = ("egl", "osmesa")
_NATIVE = {"glfw": "glfw", "glx": "glfw", "wgl": "glfw", "cgl": "cgl"}
_OFF = ("disable", "disabled", "off", "false", "0")  # as MuJoCo reads it
_ADVICE = (
    "On Debian or Ubuntu `apt-get install libegl1 libgl1-mesa-dri` gives EGL, with or without a graphics card, and "
    "`apt-get install libosmesa6` OSMesa; on Fedora `dnf install mesa-libEGL mesa-dri-drivers` gives EGL"
)


def open_context(width: int, height: int) -> Any:
    """A context of OpenGL without a window, made current.

    ``MUJOCO_GL`` decides if it is set (to ``egl``, ``osmesa`` or ``glfw``); else EGL is tried, then OSMesa. On other
    systems than Linux it is what MuJoCo takes there.

    Args:
        width: In pixels.
        height: In pixels.

    Returns:
        An object with ``make_current`` and ``free``.

    Raises:
        UsageError: If none can be had; the message says why, and what to install.
    """
    wanted = os.environ.get("MUJOCO_GL", "").strip().lower()
    if wanted in _OFF:
        raise UsageError(f"rendering is switched off by MUJOCO_GL={wanted}: unset it, or set it to egl or osmesa")
    reasons = []
    for name in _candidates(wanted):
        try:
            return _opened(name, width, height)
        except Exception as error:  # native libraries fail in every way
            reasons.append(f"{name}: {error or type(error).__name__}")
    source = f"MUJOCO_GL={wanted}" if wanted else "MUJOCO_GL is not set"
    raise UsageError(f"nothing here can draw pictures ({source}). {_ADVICE}. What failed: {'; '.join(reasons)}")


def _candidates(wanted: str) -> tuple[str, ...]:
    if wanted in AUTOMATIC:
        return (wanted,)
    if wanted in _NATIVE:
        return (_NATIVE[wanted],)
    return {"Linux": AUTOMATIC, "Darwin": ("cgl", "glfw")}.get(platform.system(), ("glfw",))


def _opened(name: str, width: int, height: int) -> Any:
    """A current context of one kind; a failure leaves no trace that would make the next kind fail too."""
    loaded, variables = set(sys.modules), {key: os.environ.get(key) for key in ("PYOPENGL_PLATFORM", "MUJOCO_GL")}
    try:
        if name == "osmesa":
            os.environ["MUJOCO_GL"] = name  # MuJoCo's library looks there for how to find OpenGL's functions
        context = importlib.import_module(f"mujoco.{name}").GLContext(width, height)
        context.make_current()
    except Exception:
        for key, value in variables.items():
            if value is None:
                os.environ.pop(key, None)
        for module in set(sys.modules) - loaded:  # PyOpenGL keeps the platform that it was first loaded for
            if module.partition(".")[0] == "OpenGL" or module.startswith(f"mujoco.{name}"):
                del sys.modules[module]
        raise
    return context
