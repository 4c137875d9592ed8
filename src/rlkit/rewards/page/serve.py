"""`serve`: the page of a run, until Ctrl-C."""

from __future__ import annotations

import contextlib
import ipaddress
import os
import secrets
import socket
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rlkit.errors import UsageError
from rlkit.rewards.store import STORE, ComparisonStore

SHORTEST_TOKEN = 16


@dataclass(frozen=True, kw_only=True)
class PageConfig:
    """How the page is served.

    Attributes:
        host: Address to listen on; only a loopback address does without a token.
        port: 0: any that is free.
        token: Whether the page is for those only who have the link.
        names: Names of this computer that browsers may use, beside its host name.
        cache_mb: Of clips on the disk.
        lease_s: How long a pair is kept for who looks at it.
    """

    host: str = "127.0.0.1"
    port: int = 8700
    token: bool = True
    names: tuple[str, ...] = ()
    cache_mb: int = 512
    lease_s: float = 120.0

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 65_535:
            raise UsageError(f"port must be 0 to 65535, got {self.port}")
        if self.cache_mb < 1:
            raise UsageError(f"cache_mb must be at least 1, got {self.cache_mb}")
        if self.lease_s < 10:
            raise UsageError(f"lease_s must be at least 10 seconds, got {self.lease_s}")
        if not self.token and not is_loopback(self.host):
            raise UsageError(
                f"host={self.host} lets other computers in, and token=false lets anyone label: leave one of them out"
            )


def is_loopback(host: str) -> bool:
    """Whether only this computer reaches it."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def serve(run: Path, config: PageConfig) -> None:
    """Serve the page of a run.

    Args:
        run: The run folder.
        config: How.

    Raises:
        UsageError: If the run asks no people, its page is being served, or the port is taken.
    """
    try:
        import uvicorn

        from rlkit.rewards.page.app import make_app
    except ModuleNotFoundError as error:
        raise UsageError(f"the page needs {error.name}: pip install 'rlkit-toolkit[label]'") from error
    from rlkit.rewards.clips import Projectionist
    from rlkit.rewards.desk import Desk

    preferences = run / "preferences"
    store = ComparisonStore(preferences / STORE)
    folder = preferences / "page"
    folder.mkdir(exist_ok=True)
    with _alone(folder), _listening(config) as listener:
        token = read_token(folder / "token") if config.token else None
        port = listener.getsockname()[1]
        clips = Projectionist(store.path, folder / "clips", limit_bytes=config.cache_mb * 2**20)
        app = make_app(Desk(store, lease_s=config.lease_s), clips, token=token, port=port, names=config.names)
        print(f"Label at {_link(config, port, token)}\nCtrl-C ends; all answers are on the disk.", file=sys.stderr)
        quiet = uvicorn.Config(
            app, log_level="warning", access_log=False, server_header=False, ws="none", timeout_graceful_shutdown=3
        )  # an access log would show the token
        uvicorn.Server(quiet).run(sockets=[listener])
    store.close()


def read_token(path: Path) -> str:
    """The token of a run: made once, so that a page that is open goes on when the server begins anew."""
    with contextlib.suppress(FileNotFoundError):
        token = path.read_text(encoding="ascii").strip()
        if len(token) >= SHORTEST_TOKEN:
            return token
        path.unlink()
    token = secrets.token_urlsafe(24)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
        file.write(token)
    return token


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Keep other servers of this run away: the cache of clips is one server's."""
    try:
        import fcntl
    except ImportError:  # Windows
        yield
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UsageError(f"the page of {folder.parents[1]} is being served already") from error
        yield
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _listening(config: PageConfig) -> Iterator[socket.socket]:
    try:
        family = socket.getaddrinfo(config.host, config.port, type=socket.SOCK_STREAM)[0][0]
        listener = socket.create_server((config.host, config.port), family=family)
    except OSError as error:
        raise UsageError(
            f"cannot listen on {config.host}:{config.port} ({error.strerror or error}): choose another port="
        ) from error
    with listener:
        yield listener


def _link(config: PageConfig, port: int, token: str | None) -> str:
    host = config.host
    with contextlib.suppress(ValueError):
        address = ipaddress.ip_address(host)
        host = socket.gethostname() if address.is_unspecified else f"[{host}]" if address.version == 6 else host
    return f"http://{host}:{port}/" + (f"?token={token}" if token else "")
