"""Console commands in processes of their own that can be killed, at the price of a fork.

A fork server has imported everything once (`warm`), so that a process costs a tenth of a second instead of three.
"""

from __future__ import annotations

import functools
import importlib
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing import forkserver
from pathlib import Path
from typing import Any
from unittest import mock

HERE = Path(__file__).resolve().parent
PATIENCE_S = 300.0

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["warm"])


@dataclass(frozen=True)
class Finished:
    """How a command ended; ``code`` is minus the signal's number if a signal ended it."""

    code: int | None
    out: str
    err: str


class Command:
    """A console command that has been started.

    Args:
        name: As in `rlkit.cli`: ``train``, ``evaluate``, ``report``, ``play``.
        arguments: Of the command line.
        folder: Where it runs; its output goes there too.
        fault: Called in the process before the command, to make something go wrong; a function of a module.
    """

    count = 0

    def __init__(self, name: str, *arguments: str, folder: Path, fault: Callable[[], None] | None = None) -> None:
        Command.count += 1
        self._out, self._err = (folder / f".{kind}-{Command.count}" for kind in ("out", "err"))
        path = os.pathsep.join([str(HERE), *filter(None, [os.environ.get("PYTHONPATH")])])
        with mock.patch.dict(os.environ, PYTHONPATH=path):
            forkserver.ensure_running()
        work = (name, arguments, str(folder), str(self._out), str(self._err), fault)
        self._process = _context.Process(target=_run, args=work, daemon=True)
        self._process.start()

    def wait(self, patience_s: float = PATIENCE_S) -> Finished:
        """Wait for its end."""
        self._process.join(patience_s)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
            raise AssertionError(f"no end after {patience_s} s: {self.err}")
        return Finished(self._process.exitcode, self.out, self.err)

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        assert self._process.pid is not None
        os.kill(self._process.pid, number)

    def wait_until(self, condition: Callable[[], bool]) -> None:
        """Wait for something to happen while it runs."""
        end = time.monotonic() + PATIENCE_S
        while not condition():
            assert self._process.is_alive(), f"ended before its time: {self.err}"
            assert time.monotonic() < end, "nothing happened"
            time.sleep(0.001)

    @property
    def out(self) -> str:
        """What it has printed so far."""
        return self._out.read_text() if self._out.exists() else ""

    @property
    def err(self) -> str:
        """The same of stderr."""
        return self._err.read_text() if self._err.exists() else ""


def run(name: str, *arguments: str, folder: Path, fault: Callable[[], None] | None = None) -> Finished:
    """Run a command to its end."""
    return Command(name, *arguments, folder=folder, fault=fault).wait()


def _run(
    name: str, arguments: tuple[str, ...], folder: str, out: str, err: str, fault: Callable[[], None] | None
) -> None:
    for descriptor, path in ((1, out), (2, err)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), descriptor)
    os.chdir(folder)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored where the tests run in the background
    if fault is not None:
        fault()
    sys.exit(getattr(importlib.import_module("rlkit.cli"), f"{name}_main")(arguments))


def kill_at(function: str, call: int) -> None:
    """Be killed when a function of a module is called for the ``call``-th time."""
    module, _, name = function.partition(":")
    owner = importlib.import_module(module)
    original, calls = getattr(owner, name), [0]

    @functools.wraps(original)
    def counted(*args: Any, **kwargs: Any) -> Any:
        calls[0] += 1
        if calls[0] == call:
            os.kill(os.getpid(), signal.SIGKILL)
        return original(*args, **kwargs)

    setattr(owner, name, counted)


def without_curves() -> None:
    """Draw no ``curves.png``, which takes longer than a tiny run."""
    from rlkit.training import run as runs

    runs.draw_curves = lambda folder: None
