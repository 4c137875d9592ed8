"""Where pictures are drawn: in processes of their own, since a process keeps its first OpenGL."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from rlkit.envs.locomotion.backend import open_context
from rlkit.errors import UsageError

DRAW = """
import os, sys
from rlkit.envs.locomotion.vector import ObstacleCourseVectorEnv
envs = ObstacleCourseVectorEnv(1, threads=1, width=64, height=36)
envs.reset(seed=0)
if "MUJOCO_GL" not in os.environ:
    assert "OpenGL" not in sys.modules, "OpenGL is loaded before it is needed"
try:
    print("drawn", envs.render_row(0).std() > 10, envs._screen._painter._context.__class__.__module__)
except ValueError as error:
    print(error)
"""
NO_EGL = {"__EGL_VENDOR_LIBRARY_FILENAMES": "/nonexistent"}  # libEGL is there, a driver is not


def draw(**variables: str) -> str:
    """What a fresh process says; no word on stderr, not even at its end."""
    kept = {name: value for name, value in os.environ.items() if name not in ("MUJOCO_GL", "PYOPENGL_PLATFORM")}
    done = subprocess.run([sys.executable, "-c", DRAW], env={**kept, **variables}, capture_output=True, text=True)
    assert done.returncode == 0 and done.stderr == ""
    return done.stdout.strip()


def test_egl_is_taken_by_itself() -> None:
    assert draw() == "drawn True mujoco.egl"


def test_without_egl_it_is_osmesa_or_a_word_on_what_to_install() -> None:
    said = draw(**NO_EGL)
    if said.startswith("drawn"):
        assert said == "drawn True mujoco.osmesa"
    else:
        assert "apt-get install libegl1 libgl1-mesa-dri" in said and "apt-get install libosmesa6" in said
        assert "MUJOCO_GL is not set" in said and "egl: " in said and "osmesa: " in said


def test_the_users_choice_holds() -> None:
    said = draw(MUJOCO_GL="egl", **NO_EGL)
    assert "MUJOCO_GL=egl" in said and "egl: " in said and "osmesa: " not in said
    assert draw(MUJOCO_GL="EGL") == "drawn True mujoco.egl"


def test_switched_off_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MUJOCO_GL", "off")
    with pytest.raises(UsageError, match="switched off by MUJOCO_GL=off: unset it"):
        open_context(8, 8)
