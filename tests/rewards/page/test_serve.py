"""The command: what it refuses, what it prints, and that ``kill -9`` loses and doubles nothing."""

from __future__ import annotations

import contextlib
import random
import signal
import socket
import stat
import threading
import time
from pathlib import Path
from typing import Any

import httpx2
import pytest

from commands import run as run_command
from rewards.lived import make_run
from rewards.page.browser import filled_store, new_client, teach
from rewards.page.server import Server, blind, browser, link_of, port_of, post
from rlkit.errors import UsageError
from rlkit.rewards.clips import unpack
from rlkit.rewards.page.serve import PageConfig, is_loopback, read_token
from rlkit.rewards.store import STORE, ComparisonStore

KILLS, MOST = 50, 5  # answers between two kills, if there is time for so many


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run folder with pairs that are asked at once; nothing can be seen of them."""
    (tmp_path / "run" / "preferences").mkdir(parents=True)
    store = filled_store(tmp_path / "run" / "preferences", pairs=KILLS * (MOST + 1))
    teach(store)
    store.close()
    return tmp_path / "run"


def store_of(run: Path) -> ComparisonStore:
    return ComparisonStore(run / "preferences" / STORE)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "there are no comparisons in"),
        (("host=0.0.0.0", "token=false"), "token=false lets anyone label"),
        (("host=192.168.1.2", "token=false"), "token=false lets anyone label"),
        (("prot=1",), "did you mean 'port'?"),
        (("port=70000",), "port must be 0 to 65535"),
        (("port=http",), "port must be a int"),
        (("lease_s=1",), "at least 10 seconds"),
        (("cache_mb=0",), "at least 1"),
        (("token=mine",), "token must be a bool"),
    ],
)
def test_what_cannot_be_served_is_refused_in_one_sentence(
    tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    finished = run_command("label", f"run={tmp_path}", *arguments, folder=tmp_path)
    assert finished.code == 2
    assert said in finished.err and "Traceback" not in finished.err


def test_help_lists_every_setting(tmp_path: Path) -> None:
    finished = run_command("label", "--help", folder=tmp_path)
    assert finished.code == 0
    assert all(f"\n  {name}=" in finished.out for name in PageConfig.__dataclass_fields__)


@pytest.mark.parametrize(
    ("host", "loopback"),
    [("127.0.0.1", True), ("::1", True), ("localhost", True), ("127.8.0.1", True), ("0.0.0.0", False), ("::", False)]
    + [("example.org", False), ("192.168.0.1", False), ("localhost.example.org", False)],
)  # fmt: skip
def test_loopback_is_known(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback
    if not loopback:
        with pytest.raises(UsageError, match="token=false"):
            PageConfig(host=host, token=False)


def test_the_token_is_made_once_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "token"
    token = read_token(path)
    assert len(token) >= 32 and read_token(path) == token
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.write_text("short")
    assert len(read_token(path)) >= 32
    assert read_token(tmp_path / "other") != token


def test_a_port_that_is_taken_and_a_page_that_is_served_are_refused(run: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        finished = run_command("label", f"run={run}", f"port={port}", folder=run)
        assert finished.code == 2 and "choose another port=" in finished.err
    server = Server(run, "port=0")
    assert server.link
    finished = run_command("label", f"run={run}", "port=0", folder=run)
    assert finished.code == 2 and "is being served already" in finished.err
    assert server.stop() == 130
    assert "Traceback" not in server.said


def test_the_page_and_its_clips_come_from_the_command(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", pairs=5)
    server = Server(run, "port=0")
    with browser(server.link) as ada:
        page = ada.get("/").text
        assert "which is better?" in page and server.link.partition("token=")[2] not in page
        for name in ("main.js", "style.css", "icon.svg"):
            assert ada.get(f"/static/{name}").raise_for_status().content
        pictures = unpack(ada.get("/api/clip/1").raise_for_status().content)
    assert pictures[0].shape == (400, 600, 3)
    assert 1 < len(pictures) <= 16 // 2 + 1
    assert (run / "preferences" / "page" / "clips" / "1.clip").exists()
    assert server.stop() == 130
    assert not (run / "preferences" / "page" / "clips").exists()


def test_an_open_page_goes_on_when_the_server_was_killed(run: Path) -> None:
    server = blind(run)
    link = link_of(lambda: server.err)
    with browser(link) as ada:
        (shown,) = post(ada, "next", count=1, client=new_client())["pairs"]
        answer = {"lease": shown["lease"], "choice": "left", "client": new_client()}
        post(ada, "answer", **answer)
        server.send(signal.SIGKILL)
        server.wait()
        with pytest.raises(httpx2.TransportError):
            post(ada, "answer", **answer)
        server = blind(run, port_of(link))
        assert link_of(lambda: server.err) == link
        post(ada, "answer", **answer)  # the same cookie, the same answer
    assert len(store_of(run).labels()) == 1
    server.send(signal.SIGKILL)


def test_no_acknowledged_answer_is_lost_or_doubled_by_kills(run: Path) -> None:
    """The server is killed at random while somebody answers; the browser says again what was not acknowledged."""
    rng, port = random.Random(0), 0
    acknowledged: list[dict[str, Any]] = []
    waiting: dict[str, Any] | None = None
    for _ in range(KILLS):
        server = blind(run, port)
        link = link_of(lambda server=server: server.err)  # type: ignore[misc]
        port = port_of(link)
        began = time.monotonic()
        with contextlib.suppress(httpx2.TransportError), browser(link) as ada:
            moment_s = rng.uniform(0.0, 5.0) * (time.monotonic() - began)  # so on slow machines too
            killer = threading.Timer(moment_s, server.send, (signal.SIGKILL,))
            killer.start()
            for _ in range(MOST):
                if waiting is None:
                    (shown,) = post(ada, "next", count=1, client=new_client())["pairs"]
                    choice = rng.choice(["left", "right", "tie", "cant_tell"])
                    waiting = {"lease": shown["lease"], "choice": choice, "client": new_client(), "pair": shown["pair"]}
                post(ada, "answer", **{key: waiting[key] for key in ("lease", "choice", "client")})
                acknowledged.append(waiting)
                waiting = None
        killer.join()
        assert server.wait().code == -signal.SIGKILL
    labels = store_of(run).labels()
    if waiting is not None and len(labels) > len(acknowledged):  # committed, and killed before it said so
        acknowledged.append(waiting)
    assert len(acknowledged) >= KILLS // 2
    assert [label.pair for label in labels] == [answer["pair"] for answer in acknowledged]
    for label, answer in zip(labels, acknowledged, strict=True):
        assert (label.answer.side(label.swapped) or label.answer) == answer["choice"]


def test_a_killed_server_leaves_no_process_behind(run: Path) -> None:
    server = Server(run, "port=0")
    assert server.link
    children = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children")
    end = time.monotonic() + 30
    while not children.read_text() and time.monotonic() < end:
        time.sleep(0.02)
    left = children.read_text().split()
    assert left
    server.stop(signal.SIGKILL)
    while any(Path(f"/proc/{process}").exists() for process in left):
        assert time.monotonic() < end + 30
        time.sleep(0.02)
