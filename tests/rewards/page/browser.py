"""A browser without a screen: posts as the page does."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
from starlette.testclient import TestClient

from rewards.people import add_pairs, new_store
from rlkit.rewards.answers import Answer, Goal
from rlkit.rewards.clips import NoPicture
from rlkit.rewards.desk import Desk
from rlkit.rewards.page import lesson
from rlkit.rewards.page.app import make_app
from rlkit.rewards.store import ComparisonStore

TOKEN = "a-token-of-some-length"
ORIGIN = "http://127.0.0.1:8700"
_numbers = itertools.count()


class NoClips:
    """Clips that need no environment."""

    async def clip(self, segment: int) -> bytes:
        if segment > 100:
            raise NoPicture(f"segment {segment} cannot be shown")
        return b"clip %d" % segment

    def close(self) -> None:
        pass


class Browser(TestClient):
    """Has the cookie, and says where it comes from."""

    def __init__(self, app: Any, name: str = "Ada", **how: Any) -> None:
        super().__init__(app, base_url=ORIGIN, headers={"Origin": ORIGIN}, **how)
        self.name = name
        self.get(f"/?token={TOKEN}")

    def say(self, what: str, status: int = 200, **fields: Any) -> Any:
        """Post, and what is told; the annotator goes along."""
        response = self.post(f"/api/{what}", json={"annotator": self.name, **fields})
        assert response.status_code == status, response.text
        return response.json()

    def next(self, count: int = 1) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.say("next", count=count, client=new_client())["pairs"]
        return found

    def answer(
        self, lease: str, choice: str, client: str | None = None, status: int = 200, ms: int | None = 900
    ) -> Any:
        return self.say("answer", status, lease=lease, choice=choice, ms=ms, client=client or new_client())


def new_client() -> str:
    return f"client-{next(_numbers):06d}"


def teach(store: ComparisonStore) -> None:
    """Write the goal and explain the examples."""
    store.set_goal(Goal("Go far.", ("smoothly",), ("fall",)))
    for pair in lesson.examples(store):
        store.calibrate(pair.id, Answer.FIRST, "it goes further")


def filled_store(folder: Path, pairs: int = 12) -> ComparisonStore:
    store = new_store(folder)
    add_pairs(store, pairs, np.random.default_rng(0))
    return store


def app_of(store: ComparisonStore, *, token: str | None = TOKEN, names: tuple[str, ...] = (), **desk: Any) -> Any:
    shares = {"repeat_share": 0.0, "overlap_share": 0.0} | desk
    return make_app(Desk(store, **shares), NoClips(), token=token, port=8700, names=names)  # type: ignore[arg-type]
