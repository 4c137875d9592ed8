"""Nothing acknowledged is lost or doubled, whatever is said twice, at once, or in which process."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sqlite3
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from gymnasium import spaces

from rewards.people import OBSERVATIONS, add_pairs, header, make_segment, new_store
from rlkit.errors import UsageError
from rlkit.rewards.answers import Answer, Goal
from rlkit.rewards.schema import FORMAT
from rlkit.rewards.store import STORE, ComparisonStore
from rlkit.trees import to_bytes
from runs import assert_same


@pytest.fixture
def store(tmp_path: Path) -> ComparisonStore:
    return new_store(tmp_path)


def test_segments_come_back_with_what_renders_them(store: ComparisonStore) -> None:
    segment = replace(make_segment(np.random.default_rng(0), clip=True), still=4)
    number = store.add_segment(segment)
    assert_same(vars(store.segment(number, clip=True).clip), vars(segment.clip))
    bare = store.segment(number)
    assert bare.clip is None
    assert_same({**vars(bare), "clip": None}, {**vars(segment), "clip": None})
    assert store.add_segment(segment) == number
    with pytest.raises(KeyError):
        store.segment(number + 1)


def test_dictionaries_and_pictures_come_back(tmp_path: Path) -> None:
    space = spaces.Dict(camera=spaces.Box(0, 255, (4, 4, 3), np.uint8), joints=OBSERVATIONS)
    store = new_store(tmp_path, observation_space=space)
    seen = {"camera": np.full((5, 4, 4, 3), 7, np.uint8), "joints": np.ones((5, 4), np.float32)}
    plain = make_segment(np.random.default_rng(0), 5)
    number = store.add_segment(type(plain)(seen, plain.actions, plain.rewards))
    assert_same(store.segment(number).observations, seen)
    assert ComparisonStore(tmp_path / STORE).header.observation_space == space


def test_a_pair_is_proposed_once(store: ComparisonStore) -> None:
    rng = np.random.default_rng(0)
    one, two, three = (store.add_segment(make_segment(rng)) for _ in range(3))
    pair = store.add_pair("a", one, two, swapped=True, round=3, score=0.5)
    assert store.add_pair("a", one, two, swapped=True) == pair
    assert len(store.pairs()) == 1 and store.pairs(round=3) == [store.pair(pair)] and not store.pairs(round=2)
    with pytest.raises(ValueError, match="already"):
        store.add_pair("a", one, three, swapped=True)


def test_the_same_client_id_is_the_same_answer(store: ComparisonStore) -> None:
    (pair,) = add_pairs(store, 1, np.random.default_rng(0))
    first = store.record("c1", pair, Answer.FIRST, "ann")
    assert store.record("c1", pair, Answer.FIRST, "ann") == first == store.newest()
    with pytest.raises(ValueError, match="something else"):
        store.record("c1", pair, Answer.TIE, "ann")
    assert [label.answer for label in store.labels()] == [Answer.FIRST]


def test_an_undone_answer_counted_until_it_was_undone(store: ComparisonStore) -> None:
    one, two = add_pairs(store, 2, np.random.default_rng(0))
    first = store.record("c1", one, Answer.FIRST, "ann")
    second = store.record("c2", two, Answer.SECOND, "ann")
    undoing = store.undo("u1", first)
    assert store.undo("u1", first) == undoing
    with pytest.raises(KeyError):
        store.undo("u2", first)
    third = store.record("c3", one, Answer.TIE, "ann")
    assert [label.id for label in store.labels()] == [second, third]
    assert [label.id for label in store.labels(upto=undoing - 1)] == [first, second]
    assert [label.id for label in store.labels(after=second)] == [third]


def test_skips_are_no_labels_and_cant_tell_uses_up_budget(store: ComparisonStore) -> None:
    pairs = add_pairs(store, 6, np.random.default_rng(0))
    for number, answer in enumerate(Answer):
        store.record(f"c{number}", pairs[number], answer, "ann")
    store.record("again", pairs[0], Answer.FIRST, "bob")
    assert [label.answer for label in store.labels()] == [*(set_of := list(Answer)[:4]), Answer.FIRST]
    assert Answer.SKIP not in set_of
    progress = store.progress("bob")
    assert (progress.pairs, progress.answered, progress.usable, progress.open) == (6, 4, 3, 2)
    assert (progress.answers, progress.mine, progress.budget) == (5, 1, 100)


def test_a_second_answer_of_one_person_is_a_repeat(store: ComparisonStore) -> None:
    (pair,) = add_pairs(store, 1, np.random.default_rng(0))
    store.record("c1", pair, Answer.FIRST, "ann", swapped=False)
    store.record("c2", pair, Answer.FIRST, "ann", swapped=True)
    store.record("c3", pair, Answer.FIRST, "bob")
    assert [(label.annotator, label.repeat) for label in store.labels()] == [
        ("ann", False),
        ("ann", True),
        ("bob", False),
    ]


def test_answers_carry_the_goal_they_were_given_under(store: ComparisonStore) -> None:
    one, two = add_pairs(store, 2, np.random.default_rng(0))
    goals = [Goal("run"), Goal("run", ("upright",), ("fall",))]
    for number, (pair, goal) in enumerate(zip((one, two), goals, strict=True)):
        store.set_goal(goal)
        store.record(f"c{number}", pair, Answer.TIE, "ann")
    digests = [label.goal for label in store.labels()]
    assert digests == [goal.digest for goal in goals] and digests[0] != digests[1]
    assert [store.goal(digest) for digest in digests] == goals and store.goal() == goals[1]
    with pytest.raises(UsageError, match="goal is empty"):
        Goal("  ")


def test_decisions_are_made_once_and_notes_are_the_newest(store: ComparisonStore) -> None:
    assert store.once("fit-1", 7) == 7 and store.once("fit-1", 9) == 7
    assert store.noted("training") is None
    for step in (1, 2):
        store.note("training", {"step": step})
    other = ComparisonStore(store.path)
    assert other.noted("training") == {"step": 2} and other.once("fit-1", 0) == 7


def test_the_lesson_is_kept(store: ComparisonStore) -> None:
    (pair,) = add_pairs(store, 1, np.random.default_rng(0), kind="calibration")
    store.calibrate(pair, Answer.SECOND, "it falls")
    assert store.calibration() == [(pair, Answer.SECOND, "it falls")]
    assert store.progress().pairs == 0


def test_a_store_of_another_task_is_refused(store: ComparisonStore, tmp_path: Path) -> None:
    assert ComparisonStore.create(store.path, header(budget=300)).header.budget == 300
    with pytest.raises(UsageError, match="env_id"):
        ComparisonStore.create(store.path, header(env_id="Other-v0"))
    with pytest.raises(UsageError, match="no comparisons"):
        ComparisonStore(tmp_path / "nothing.sqlite")
    (tmp_path / "text.sqlite").write_text("no database at all" * 100)
    with pytest.raises(UsageError, match="not a store"):
        ComparisonStore(tmp_path / "text.sqlite")
    store.close()
    database = sqlite3.connect(store.path)
    database.execute("UPDATE header SET value = '99' WHERE key = 'format'")
    database.commit()
    with pytest.raises(UsageError, match="format 99"):
        ComparisonStore(store.path)


def test_a_store_that_knows_of_no_standing_still_is_read_as_lived(store: ComparisonStore) -> None:
    segment = make_segment(np.random.default_rng(0))
    data = to_bytes({name: value for name, value in vars(segment).items() if name not in ("clip", "still")})
    with store.transaction() as db:
        db.execute("UPDATE header SET value = '1' WHERE key = 'format'")
        number = store.insert("segments", digest="old", length=len(segment), step=0, data=data)
    assert ComparisonStore(store.path).segment(number).still == 0
    ComparisonStore.create(store.path, store.header)  # to be written to: an older rlkit could not read it from here on
    assert store.rows("SELECT value FROM header WHERE key = 'format'") == [(str(FORMAT),)]


def test_threads_and_connections_write_at_once(store: ComparisonStore) -> None:
    pairs = add_pairs(store, 20, np.random.default_rng(0))

    def answer(name: str, opened: ComparisonStore) -> None:
        for pair in pairs:
            opened.record(f"{name}-{pair}", pair, Answer.FIRST, name)

    stores = [store, store, ComparisonStore(store.path), ComparisonStore(store.path)]
    threads = [threading.Thread(target=answer, args=(f"p{i}", opened)) for i, opened in enumerate(stores)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    labels = store.labels()
    assert len(labels) == len({(label.annotator, label.pair) for label in labels}) == 80


def test_a_failed_transaction_leaves_nothing(store: ComparisonStore) -> None:
    pairs = add_pairs(store, 2, np.random.default_rng(0))
    with pytest.raises(RuntimeError), store.transaction():
        store.record("c1", pairs[0], Answer.FIRST, "ann")
        raise RuntimeError
    assert store.newest() == 0
    assert store.record("c1", pairs[0], Answer.FIRST, "ann") == 1


def _answer_until_killed(path: Path, pairs: list[int], acknowledged: Path) -> None:
    """Answers, and writes down what was acknowledged; begins where it left off by saying everything again."""
    store = ComparisonStore(path)
    with acknowledged.open("a") as file:
        for pair in pairs:
            label = store.record(f"client-{pair}", pair, Answer.FIRST, "ann")
            file.write(f"{label} {pair}\n")
            file.flush()


def test_killed_at_any_moment_no_answer_is_lost_or_doubled(store: ComparisonStore, tmp_path: Path) -> None:
    pairs = add_pairs(store, 120, np.random.default_rng(0))
    rng, acknowledged = np.random.default_rng(1), tmp_path / "acknowledged"
    context = multiprocessing.get_context("fork")
    for _ in range(8):
        process = context.Process(target=_answer_until_killed, args=(store.path, pairs, acknowledged))
        process.start()
        time.sleep(rng.uniform(0.005, 0.06))
        os.kill(process.pid or 0, signal.SIGKILL)
        process.join()
    _answer_until_killed(store.path, pairs, acknowledged)
    said = {tuple(map(int, line.split())) for line in acknowledged.read_text().splitlines() if line.count(" ") == 1}
    assert {(label.id, label.pair) for label in store.labels()} == said
    assert len(said) == len(pairs)
    assert store.rows("PRAGMA integrity_check") == [("ok",)]
    assert store.rows("PRAGMA synchronous") == [(2,)] and store.rows("PRAGMA journal_mode") == [("wal",)]


def test_a_store_is_whole_or_absent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page may be opening it; and whoever made it may have been killed."""
    path = tmp_path / STORE
    with monkeypatch.context() as patch:
        patch.setattr("rlkit.rewards.store.Database.insert", lambda *_, **__: os.listdir(path / "nowhere"))
        with pytest.raises(FileNotFoundError):
            ComparisonStore.create(path, header())
    assert not path.exists()
    store = ComparisonStore.create(path, header())
    assert store.header.budget == 100
    store.close()
    assert os.listdir(tmp_path) == [STORE]
