"""The command that serves the page, as a process of its own that can be killed."""

from __future__ import annotations

import contextlib
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2

from commands import Command
from rewards.page.browser import NoClips

SCRIPT = Path(__file__).resolve().parents[3] / "scripts" / "label.py"
PATIENCE_S = 120.0


def _hear_interrupts() -> None:
    """Where tests run in the background, their children would not hear Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Server:
    """A server of a run's page.

    Args:
        run: The run folder.
        arguments: Of the command line.
    """

    def __init__(self, run: Path, *arguments: str) -> None:
        self.run, self._said = run, run / "label.err"
        self.start(*arguments)

    def start(self, *arguments: str) -> None:
        """Begin, or begin anew."""
        with self._said.open("w") as said:
            command = [sys.executable, str(SCRIPT), f"run={self.run}", *arguments]
            self.process = subprocess.Popen(command, stderr=said, stdout=said, preexec_fn=_hear_interrupts)

    @property
    def said(self) -> str:
        """What it printed."""
        return self._said.read_text()

    @property
    def link(self) -> str:
        """Where it is, token and all; waits until it says."""
        return link_of(lambda: self.said)

    @property
    def port(self) -> int:
        """Where it listens."""
        return port_of(self.link)

    def stop(self, number: signal.Signals = signal.SIGINT) -> int:
        """Send it a signal, and wait for its end."""
        self.process.send_signal(number)
        return self.process.wait(PATIENCE_S)


def link_of(said: Callable[[], str]) -> str:
    """The link in what a server prints; waits until it does."""
    end = time.monotonic() + PATIENCE_S
    while not (found := re.search(r"http://\S+", said())):
        assert time.monotonic() < end, said()
        time.sleep(0.01)
    return found[0]


def port_of(link: str) -> int:
    """The port in a link."""
    return int(link.partition("127.0.0.1:")[2].partition("/")[0])


def blind(run: Path, port: int = 0) -> Command:
    """A server that begins in a tenth of a second, and shows no clips."""
    return Command("label", f"run={run}", f"port={port}", folder=run, fault=without_clips)


def without_clips() -> None:
    """Draw nothing, which takes a process of its own."""
    from rlkit.rewards import clips

    clips.Projectionist = lambda *_, **__: NoClips()  # type: ignore[assignment, misc]


@contextlib.contextmanager
def browser(link: str) -> Iterator[httpx2.Client]:
    origin = link.partition("/?")[0]
    with httpx2.Client(base_url=origin, headers={"Origin": origin}, timeout=30.0) as page:
        page.get(link).raise_for_status()
        yield page


def post(page: httpx2.Client, what: str, **fields: Any) -> Any:
    return page.post(f"/api/{what}", json={"annotator": "Ada", **fields}).raise_for_status().json()
