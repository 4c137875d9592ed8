"""What people are told of the training: how it stands, and when their answers reach the agent."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rewards.people import new_store
from rlkit.rewards import bulletin
from rlkit.rewards.bulletin import ENDED, LEARNING, STOPPED, TRAINING, WAITING, Bulletin
from rlkit.rewards.store import ComparisonStore


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [50.0]
    monkeypatch.setattr(bulletin.time, "monotonic", lambda: now[0])
    return now


@pytest.fixture
def store(tmp_path: Path) -> ComparisonStore:
    return new_store(tmp_path)


def noted(store: ComparisonStore) -> dict[str, Any]:
    found: dict[str, Any] = store.noted(TRAINING)
    return found


def test_the_time_to_the_next_fit_goes_by_the_pace_of_late(store: ComparisonStore, clock: list[float]) -> None:
    board = Bulletin(store, steps=10_000)
    board.note(LEARNING, 0, 500)
    assert noted(store)["next_fit_s"] is None
    for step in range(10, 201, 10):  # slowly at first
        clock[0] += 10.0
        board.note(LEARNING, step, 500)
    assert noted(store)["next_fit_s"] == pytest.approx(300.0)
    for step in range(300, 1_600, 100):
        clock[0] += 10.0
        board.note(LEARNING, step, 2_000)
    assert noted(store)["next_fit_s"] == pytest.approx(50.0)
    assert noted(store)["every_s"] == 10.0


def test_waiting_for_people_is_no_training(store: ComparisonStore, clock: list[float]) -> None:
    board = Bulletin(store, steps=10_000)
    board.note(LEARNING, 0, 100)
    clock[0] += 10.0
    board.note(WAITING, 100, 100, missing=3)
    assert noted(store)["missing"] == 3 and noted(store)["next_fit_s"] is None
    clock[0] += 1_000.0
    board.note(LEARNING, 100, 300)
    clock[0] += 10.0
    board.note(LEARNING, 200, 300)
    assert noted(store)["next_fit_s"] == pytest.approx(10.0)


def test_the_last_fit_and_the_end_are_told(store: ComparisonStore, clock: list[float]) -> None:
    board = Bulletin(store, steps=1_000)
    board.note(LEARNING, 900, 1_000)
    assert not noted(store)["last_fit"]
    board.note(LEARNING, 950, 1_100)
    assert noted(store)["last_fit"] and noted(store)["state"] == LEARNING
    board.note(STOPPED, 950, 1_100)
    assert noted(store)["state"] == STOPPED
    board.note(STOPPED, 1_000, 1_100)
    assert noted(store)["state"] == ENDED


def test_speaks_at_once_and_then_every_few_seconds(store: ComparisonStore, clock: list[float]) -> None:
    board = Bulletin(store, steps=1_000)
    assert board.due
    board.note(LEARNING, 0, 100)
    assert not board.due
    clock[0] += 2 * bulletin.EVERY_S
    assert board.due
