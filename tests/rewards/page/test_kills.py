"""Server, trainer or both are killed while somebody answers: no acknowledged answer is lost or doubled."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import threading
import time
from pathlib import Path
from typing import Any

import httpx2

from commands import Command, without_curves
from rewards.page.browser import new_client
from rewards.page.server import blind, browser, link_of, port_of, post
from rlkit.rewards.model import load_reward
from rlkit.rewards.store import STORE, ComparisonStore

MOMENTS = int(os.environ.get("RLKIT_KILLS", "6"))
ITERATIONS = 4 * MOMENTS + 30
SETTINGS = (
    "env=gym",
    "agent=ppo",
    "reward=preferences",
    "reward.teacher.name=people",
    f"reward.labels={4 * MOMENTS + 8}",
    f"reward.rounds={2 * MOMENTS}",
    "reward.asked_by=0.9",
    "reward.segment=8",
    "reward.explore_steps=64",
    "reward.model.net_arch=[16]",
    "reward.model.epochs=2",
    "agent.net_arch=[16]",
    "agent.n_steps=16",
    "agent.batch_size=32",
    "agent.n_epochs=1",
    "n_envs=4",
    f"steps={64 * ITERATIONS}",
    "checkpoint_every=128",
    "log_every=512",
    "seed=3",
    "threads=1",
    "eval_every=0",
    "evaluate=false",
    "progress=false",
    "run_dir=run",
)
REST_S = 0.1  # of the trainer before each iteration, so that it lasts until all moments have come


def rested() -> None:
    """A trainer that people can keep up with."""
    from rlkit.rewards.loop import PreferenceLoop

    advance = PreferenceLoop.advance

    def late(self: Any, *args: Any) -> Any:
        time.sleep(REST_S)
        return advance(self, *args)

    PreferenceLoop.advance = late  # type: ignore[method-assign]
    without_curves()


class Person(threading.Thread):
    """Writes the goal, explains the examples, and answers, until it is over; what is not acknowledged it says again.

    Attributes:
        acknowledged: Answers that the server said were taken, in order.
        waiting: The answer that it has not said that of.
    """

    def __init__(self, link: str) -> None:
        super().__init__(daemon=True)
        self.link, self.over, self.failure = link, threading.Event(), ""
        self.acknowledged: list[dict[str, Any]] = []
        self.waiting: dict[str, Any] | None = None
        self._request = new_client()
        self._random = random.Random(1)

    def run(self) -> None:
        while not self.over.is_set():
            with contextlib.suppress(httpx2.TransportError), browser(self.link) as page:
                try:
                    self._learn(page)
                    while not self.over.is_set():
                        self._label(page)
                except httpx2.HTTPStatusError as error:
                    self.failure = error.response.text
                    return
            self.over.wait(0.02)

    def _learn(self, page: httpx2.Client) -> None:
        if post(page, "hello")["ready"]:
            return
        post(page, "goal", text="Keep the pole upright.", tie_breakers=[], must_nots=[])
        while not (examples := post(page, "lesson")["examples"]) and not self.over.wait(0.05):
            pass
        for example in examples:
            post(page, "explain", pair=example["pair"], choice="left", why="It stays up longer.")

    def _label(self, page: httpx2.Client) -> None:
        if self.waiting is None:
            pairs = post(page, "next", count=1, client=self._request)["pairs"]
            if not pairs:
                self.over.wait(0.05)
                return
            choice = self._random.choice(["left", "right", "tie", "cant_tell"])
            self.waiting = {"lease": pairs[0]["lease"], "choice": choice, "client": new_client()}
            self.waiting["pair"] = pairs[0]["pair"]
        post(page, "answer", **{key: self.waiting[key] for key in ("lease", "choice", "client")})
        self.acknowledged.append(self.waiting)
        self.waiting, self._request = None, new_client()
        self.over.wait(0.02)


def test_server_trainer_or_both_killed(tmp_path: Path) -> None:
    rng, run = random.Random(0), tmp_path / "run"
    trainer = Command("train", *SETTINGS, folder=tmp_path, fault=rested)
    trainer.wait_until((run / "preferences" / STORE).exists)
    began = time.monotonic()
    server = blind(run)
    link = link_of(lambda: server.err)
    start_s = time.monotonic() - began
    store = ComparisonStore(run / "preferences" / STORE)
    person = Person(link)
    person.start()
    killed = {"server": 0, "trainer": 0}
    for moment in range(MOMENTS):
        victims = [("server",), ("trainer",), ("server", "trainer")][moment % 3]
        time.sleep(0.1 + rng.uniform(0.0, 10.0) * start_s)  # in beginnings and after them, on slow machines too
        given = answers(store)
        for victim in victims:
            (server if victim == "server" else trainer).send(signal.SIGKILL)
        for victim in victims:
            killed[victim] += (server if victim == "server" else trainer).wait().code == -signal.SIGKILL
        assert answers(store)[: len(given)] == given
        if "server" in victims:
            server = blind(run, port_of(link))
            assert link_of(lambda server=server: server.err) == link  # type: ignore[misc]
        if "trainer" in victims:
            trainer = Command("train", "resume=run", folder=tmp_path, fault=rested)
    finished = trainer.wait()
    assert finished.code == 0, finished.err
    person.over.set()
    person.join(30)
    assert not person.failure
    server.send(signal.SIGKILL)
    assert sum(killed.values()) >= MOMENTS  # of the 4/3 that were meant, those that came before the run had ended

    said = person.acknowledged
    if person.waiting is not None and len(answers(store)) > len(said):  # committed, and killed before it said so
        said = [*said, person.waiting]
    assert len(said) > MOMENTS
    assert [(pair, client) for pair, client, _, _ in answers(store)] == [(one["pair"], one["client"]) for one in said]
    for (_, _, choice, _), one in zip(answers(store), said, strict=True):
        assert choice == one["choice"]
    assert load_reward(run / "reward").fitted_upto > 0
    store.close()


def answers(store: ComparisonStore) -> list[tuple[int, str, str, int]]:
    """All that stand, in order: pair, the client's id, what was chosen on the screen, id."""
    labels = store.labels()
    clients = dict(store.rows("SELECT id, client FROM answers"))  # after them: answers come while this reads
    return [
        (label.pair, clients[label.id], label.answer.side(label.swapped) or label.answer.value, label.id)
        for label in labels
    ]
