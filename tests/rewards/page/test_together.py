"""Trainer and page at the same time: somebody teaches by keys while the agent trains."""

from __future__ import annotations

import itertools
import json
import time
from pathlib import Path
from typing import Any

from commands import Command
from rewards.page.server import Server
from rewards.page.tab import DOWN, LEFT, RIGHT, UP, Tab, needs_chromium
from rlkit.rewards.answers import Answer
from rlkit.rewards.model import load_reward
from rlkit.rewards.store import STORE, ComparisonStore

pytestmark = needs_chromium
SETTINGS = (
    "env=gym",
    "agent=ppo",
    "reward=preferences",
    "reward.teacher.name=people",
    "reward.labels=12",
    "reward.pretraining_labels=0.5",
    "reward.rounds=3",
    "reward.asked_by=0.6",
    "reward.segment=8",
    "reward.explore_steps=128",
    "reward.model.net_arch=[16]",
    "reward.model.epochs=4",
    "agent.net_arch=[16]",
    "agent.n_steps=16",
    "agent.batch_size=32",
    "agent.n_epochs=2",
    "steps=2048",
    "n_envs=4",
    "seed=3",
    "threads=1",
    "eval_every=0",
    "progress=false",
    "run_dir=run",
)
KEYS = {LEFT: "left", RIGHT: "right", UP: Answer.TIE, DOWN: Answer.CANT_TELL}


def patient() -> None:
    """The trainer is so slow that whatever was asked is answered before the next fit, on any machine."""
    from rlkit.rewards.loop import PreferenceLoop

    learn = PreferenceLoop._learn

    def late(self: Any, *args: Any) -> None:
        end = time.monotonic() + 200.0
        while (progress := self.store.progress()).answered < progress.pairs and time.monotonic() < end:
            time.sleep(0.02)
        learn(self, *args)

    PreferenceLoop._learn = late  # type: ignore[method-assign]


def test_answers_by_key_teach_a_run_as_it_goes_on(driver: Any, tmp_path: Path) -> None:
    run = tmp_path / "run"
    command = Command("train", *SETTINGS, folder=tmp_path, fault=patient)
    command.wait_until((run / "preferences" / STORE).exists)
    server = Server(run, "port=0")
    store = ComparisonStore(run / "preferences" / STORE)
    driver.get(server.link)
    tab = Tab(driver, store)
    tab.write_goal("Ada", "Keep the pole upright.")
    for number in range(1, 6):
        tab.explain(number, "It stays up longer.")
    tab.begin()
    tab.until(lambda: "waits for its first answers: 6 pairs to go" in tab.text("effect"))
    tab.answer(LEFT)
    tab.ready()
    tab.press("u")
    tab.until(lambda: "Taken back" in tab.text("last"))
    keys, pressed = itertools.cycle([LEFT, RIGHT, RIGHT, UP, LEFT, DOWN]), []
    while store.progress().answered < 12:  # some pairs come twice
        key = next(keys)
        tab.answer(key)
        pressed.append(KEYS[key])
    assert command.wait().code == 0, command.err
    tab.until(lambda: tab.over)
    assert "12 of 12, 0 left" in tab.text("count")

    labels = store.labels()
    assert [label.answer.side(label.swapped) or label.answer for label in labels] == pressed
    assert {label.annotator for label in labels} == {"Ada"}
    assert {store.pair(label.pair).round for label in labels} >= {0, 1, 2}
    model = load_reward(run / "reward")
    usable = [label.id for label in labels if label.answer != Answer.CANT_TELL]
    assert model.fitted_upto == usable[-1] and model.fits >= 3
    audit = json.loads((run / "preferences" / "audit.json").read_text())
    fitted = len(pressed) - pressed.count(Answer.CANT_TELL)
    assert audit["labels"] == {"asked_for": 12, "answered": len(pressed), "fitted": fitted}
    assert "## Is the learned reward what was meant?" in (run / "report.md").read_text()
    store.close()
    assert server.stop() == 130
