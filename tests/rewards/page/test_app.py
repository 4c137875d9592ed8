"""What the browser asks: the lesson, pairs, answers, undo; said twice without harm, and never lost."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rewards.page.browser import Browser, app_of, filled_store, new_client, teach
from rewards.people import add_pairs
from rlkit.rewards.answers import Answer
from rlkit.rewards.page import lesson
from rlkit.rewards.store import STORE, ComparisonStore


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ComparisonStore]:
    found = filled_store(tmp_path)
    yield found
    found.close()


@pytest.fixture
def taught(store: ComparisonStore) -> ComparisonStore:
    teach(store)
    return store


@pytest.fixture
def ada(taught: ComparisonStore) -> Browser:
    return Browser(app_of(taught))


class Clock:
    """Seconds since the epoch, as a test wants them."""

    def __init__(self) -> None:
        self.now = time.time()

    def __call__(self) -> float:
        return self.now


def test_nobody_is_asked_before_the_goal_is_written_and_the_examples_are_explained(store: ComparisonStore) -> None:
    ada = Browser(app_of(store))
    assert ada.say("hello")["goal"] is None
    assert "goal" in ada.say("next", 409, count=1)["error"]
    for empty in ("", "   \n"):
        told = ada.say("goal", 400, text=empty, tie_breakers=[], must_nots=["fall"])
        assert "empty" in told["error"]
    written = ada.say("goal", text=" Go far. ", tie_breakers=["smoothly", " "], must_nots=["fall"])["goal"]
    assert (written["text"], written["tie_breakers"], written["must_nots"]) == ("Go far.", ["smoothly"], ["fall"])
    assert "examples" in ada.say("next", 409, count=1)["error"]
    examples = ada.say("lesson")["examples"]
    assert len(examples) == lesson.EXAMPLES and all(example["choice"] is None for example in examples)
    for example, choice in zip(examples, ("left", "right", "tie", "cant_tell", "left"), strict=True):
        assert (
            ada.say("explain", 400, pair=example["pair"], choice=choice, why=" ")["error"] == "say in a few words why"
        )
        ada.say("explain", pair=example["pair"], choice=choice, why="it goes further")
    told = Browser(app_of(store), "Bob").say("lesson")["examples"]
    assert [example["choice"] for example in told] == ["left", "right", "tie", "cant_tell", "left"]
    assert {example["why"] for example in told} == {"it goes further"}
    answers = {pair: answer for pair, answer, _ in store.calibration()}
    for example, choice in zip(examples[:2], ("left", "right"), strict=True):
        pair = store.pair(example["pair"])
        chosen = pair.first if answers[pair.id] is Answer.FIRST else pair.second
        assert chosen == example[choice]
    assert ada.next()


def test_examples_are_no_queries_and_nobody_is_asked_about_them(taught: ComparisonStore, ada: Browser) -> None:
    examples = lesson.examples(taught)
    assert [pair.id for pair in examples] == [pair.id for pair in lesson.examples(taught)]  # made once
    queried = {frozenset((pair.first, pair.second)) for pair in taught.pairs()}
    assert not queried & {frozenset((pair.first, pair.second)) for pair in examples}
    asked = {pair["pair"] for pair in ada.next(8) + ada.next(8)}
    assert asked == {pair.id for pair in taught.pairs()}
    query = taught.pairs()[0]
    assert "not an example" in ada.say("explain", 400, pair=query.id, choice="left", why="because")["error"]


def test_the_lesson_waits_for_the_first_clips(tmp_path: Path) -> None:
    store = filled_store(tmp_path, pairs=lesson.EXAMPLES - 1)
    ada = Browser(app_of(store))
    ada.say("goal", text="Go far.", tie_breakers=[], must_nots=[])
    assert ada.say("lesson")["examples"] == []
    assert "not there yet" in ada.say("next", 409, count=1)["error"]


def test_the_lesson_has_what_the_trainer_waits_for(tmp_path: Path) -> None:
    """It waits for the answers to few queries, and asks no more before it has them."""
    store = filled_store(tmp_path, pairs=2)
    ada = Browser(app_of(store))
    ada.say("goal", text="Go far.", tie_breakers=[], must_nots=[])
    assert ada.say("lesson")["examples"] == []
    store.note("training", {"state": "waiting"})
    examples = ada.say("lesson")["examples"]
    assert len(examples) == 2
    for example in examples:
        ada.say("explain", pair=example["pair"], choice="left", why="because")
    store.note("training", {"state": "learning"})
    add_pairs(store, 20, np.random.default_rng(1))
    assert len(ada.say("lesson")["examples"]) == 2  # decided once: nobody is stopped later
    assert ada.next()


def test_the_lesson_is_remembered_by_name(taught: ComparisonStore, ada: Browser) -> None:
    assert not ada.say("hello")["seen"]
    ada.say("learned", agreed=4)
    assert ada.say("hello")["seen"]
    assert not Browser(app_of(taught), "Bob").say("hello")["seen"]


@pytest.mark.parametrize("choice", ["left", "right", "tie", "cant_tell"])
def test_an_answer_is_about_what_was_on_that_side(taught: ComparisonStore, ada: Browser, choice: str) -> None:
    for shown in ada.next(8) + ada.next(4):
        ada.answer(shown["lease"], choice)
        label = taught.labels()[-1]
        pair = taught.pair(shown["pair"])
        assert (label.pair, label.annotator, label.ms) == (pair.id, "Ada", 900)
        goal = taught.goal()
        assert goal is not None and label.goal == goal.digest
        if choice in ("left", "right"):
            assert shown[choice] == (pair.first if label.answer is Answer.FIRST else pair.second)
        else:
            assert label.answer is Answer(choice)
    assert {taught.pair(label.pair).swapped for label in taught.labels()} == {True, False}


def test_pairs_asked_for_twice_are_lent_once(taught: ComparisonStore, ada: Browser) -> None:
    client = new_client()
    lent = ada.say("next", count=3, client=client)["pairs"]
    assert len(lent) == 3 and ada.say("next", count=3, client=client)["pairs"] == lent  # the reply was lost
    other = ada.say("next", count=3, client=new_client())["pairs"]
    assert not {pair["pair"] for pair in lent} & {pair["pair"] for pair in other}


def test_an_answer_said_twice_is_one(taught: ComparisonStore, ada: Browser) -> None:
    (shown,) = ada.next()
    client = new_client()
    first = ada.answer(shown["lease"], "left", client)
    assert ada.answer(shown["lease"], "left", client) == first
    ada.answer(shown["lease"], "right", client, status=409)
    ada.answer(shown["lease"], "left", status=409)  # a second tab with the same pair
    assert len(taught.labels()) == 1


def test_many_at_the_same_time_are_one_too(taught: ComparisonStore) -> None:
    app, client = app_of(taught), new_client()
    with Browser(app) as ada:
        (shown,) = ada.next()
        told: list[Any] = []
        threads = [
            threading.Thread(target=lambda: told.append(ada.answer(shown["lease"], "tie", client))) for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(told) == 8 and len({answer["answer"] for answer in told}) == 1
    assert len(taught.labels()) == 1


def test_an_answer_is_on_the_disk_before_it_is_acknowledged(taught: ComparisonStore, ada: Browser) -> None:
    (shown,) = ada.next()
    ada.answer(shown["lease"], "right")
    other = ComparisonStore(taught.path)  # another process would see as much
    assert len(other.labels()) == 1
    other.close()


def test_undo_takes_back_the_newest_and_shows_it_again(taught: ComparisonStore, ada: Browser) -> None:
    one, two = ada.next(2)
    ada.answer(one["lease"], "left")
    ada.answer(two["lease"], "skip")
    client = new_client()
    again = ada.say("undo", client=client)["pair"]
    assert {key: again[key] for key in ("pair", "left", "right")} == {
        key: two[key] for key in ("pair", "left", "right")
    }
    assert ada.say("undo", client=client)["pair"] == again  # said twice
    ada.answer(again["lease"], "right")
    assert [label.pair for label in taught.labels()] == [one["pair"], two["pair"]]
    ada.say("undo", client=new_client())
    ada.say("undo", client=new_client())
    assert taught.labels() == []
    assert ada.say("undo", client=new_client())["pair"] is None


def test_people_do_not_get_each_others_pairs_nor_answers(taught: ComparisonStore, ada: Browser) -> None:
    bob = Browser(ada.app, "Bob")
    hers, his = ada.next(4), bob.next(4)
    assert not {pair["pair"] for pair in hers} & {pair["pair"] for pair in his}
    bob.answer(hers[0]["lease"], "left", status=404)
    assert bob.say("renew", leases=[hers[0]["lease"]])["lost"] == [hers[0]["lease"]]
    bob.say("release", leases=[hers[0]["lease"]])
    assert ada.say("held", leases=[pair["lease"] for pair in hers])["pairs"] == hers
    ada.answer(hers[0]["lease"], "left")
    assert bob.say("undo", client=new_client())["pair"] is None
    assert len(taught.labels()) == 1


def test_two_tabs_of_one_person_have_different_pairs(ada: Browser) -> None:
    other = Browser(ada.app)
    mine, others = ada.next(3), other.next(3)
    assert not {pair["pair"] for pair in mine} & {pair["pair"] for pair in others}
    assert ada.say("held", leases=[pair["lease"] for pair in mine])["pairs"] == mine  # this tab's alone


def test_a_pair_that_is_kept_too_long_goes_to_others_and_no_answer_is_lost(taught: ComparisonStore) -> None:
    clock = Clock()
    app = app_of(taught, lease_s=120.0, clock=clock)
    ada, bob = Browser(app), Browser(app, "Bob")
    hers = ada.next(8)
    rest = bob.next(8)
    assert len(rest) == 4
    clock.now += 100
    assert ada.say("renew", leases=[pair["lease"] for pair in hers])["lost"] == []
    clock.now += 100
    assert ada.say("held", leases=[pair["lease"] for pair in hers])["pairs"] == hers
    clock.now += 100  # her browser is closed
    given = bob.next(8)
    assert {pair["pair"] for pair in hers} <= {pair["pair"] for pair in given + bob.next(8)}
    lost = ada.say("renew", leases=[pair["lease"] for pair in hers])["lost"]
    assert lost == [pair["lease"] for pair in hers]
    ada.answer(hers[0]["lease"], "left")
    assert len(taught.labels()) == 1


def test_pairs_that_are_given_back_are_for_others_at_once(ada: Browser) -> None:
    bob = Browser(ada.app, "Bob")
    hers = ada.next(8) + ada.next(8)
    assert bob.next(8) == []
    ada.say("release", leases=[pair["lease"] for pair in hers[:8]])
    assert {pair["pair"] for pair in bob.next(8)} == {pair["pair"] for pair in hers[:8]}


def test_a_skipped_pair_is_for_others(taught: ComparisonStore, ada: Browser) -> None:
    bob = Browser(ada.app, "Bob")
    (shown,) = ada.next()
    ada.answer(shown["lease"], "skip", ms=None)
    assert taught.labels() == [] and taught.progress().skipped == 1
    assert shown["pair"] not in {pair["pair"] for pair in ada.next(8) + ada.next(8)}
    (his,) = bob.next(8)
    assert his["pair"] == shown["pair"]
    bob.answer(his["lease"], "left")
    assert taught.progress().skipped == 0


def test_a_repeat_comes_with_its_sides_swapped_and_looks_like_any_other(taught: ComparisonStore) -> None:
    ada = Browser(app_of(taught, repeat_share=1.0, seed=3))
    first: dict[int, dict[str, Any]] = {}
    for _ in range(20):
        (shown,) = ada.next()
        assert set(shown) == {"lease", "pair", "left", "right"}
        if shown["pair"] in first:
            before = first[shown["pair"]]
            assert (shown["left"], shown["right"]) == (before["right"], before["left"])
            break
        first[shown["pair"]] = shown
        ada.answer(shown["lease"], "left")
    else:
        pytest.fail("no repeat came")
    ada.answer(shown["lease"], "left")
    assert taught.labels()[-1].repeat


def test_progress_tells_what_is_left_and_when_answers_have_an_effect(taught: ComparisonStore, ada: Browser) -> None:
    told = ada.get("/api/progress?annotator=Ada").json()
    assert told["training"] is None
    assert told["progress"]["budget"] == 100 and told["progress"]["open"] == 12
    for shown in ada.next(3):
        ada.answer(shown["lease"], "cant_tell")
    note = {"state": "learning", "every_s": 5.0, "next_fit_s": 40.0, "starving": True, "time": time.time() - 10}
    taught.note("training", note)
    told = ada.get("/api/progress?annotator=Ada").json()
    assert told["progress"]["answered"] == told["progress"]["mine"] == 3
    assert told["training"]["effect_s"] == pytest.approx(30.0, abs=3.0)
    assert told["training"]["starving"] and told["training"]["state"] == "learning"
    assert told["progress"]["answers"] == 3
    assert ada.get("/api/progress?annotator=Bob").json()["progress"]["mine"] == 0
    taught.note("training", note | {"time": time.time() - 3_600})
    assert ada.get("/api/progress?annotator=Ada").json()["training"] is None  # it said nothing for an hour
    taught.note("training", note | {"time": time.time() - 200, "every_s": 100.0})
    assert ada.get("/api/progress?annotator=Ada").json()["training"]["effect_s"] == 0  # it speaks seldom
    taught.note("training", note | {"state": "ended", "time": time.time() - 3_600})
    assert ada.get("/api/progress?annotator=Ada").json()["training"]["state"] == "ended"


def test_a_changed_goal_is_told_and_kept_with_later_answers(taught: ComparisonStore, ada: Browser) -> None:
    before = ada.say("hello")["goal"]
    one, two = ada.next(2)
    ada.answer(one["lease"], "left")
    after = ada.say("goal", text="Jump high.", tie_breakers=[], must_nots=[])["goal"]
    ada.answer(two["lease"], "left")
    assert ada.get("/api/progress?annotator=Ada").json()["goal"] == after
    assert [label.goal for label in taught.labels()] == [before["digest"], after["digest"]]


def test_clips_come_by_number(ada: Browser) -> None:
    assert ada.get("/api/clip/7").content == b"clip 7"
    response = ada.get("/api/clip/101")
    assert response.status_code == 404 and "cannot be shown" in response.json()["error"]


def test_a_server_that_begins_anew_goes_on(taught: ComparisonStore, ada: Browser, tmp_path: Path) -> None:
    shown, other = ada.next(2)
    client = new_client()
    ada.answer(shown["lease"], "left", client)  # the acknowledgement is lost on its way
    run = ada.say("hello")["run"]
    again = ComparisonStore(tmp_path / STORE)
    ada = Browser(app_of(again))
    assert ada.say("hello")["run"] == run
    ada.answer(shown["lease"], "left", client)
    ada.answer(other["lease"], "right")
    assert len(again.labels()) == 2
    again.close()


@pytest.mark.parametrize(
    "fields",
    [
        {"choice": "first"},
        {"choice": None},
        {"choice": ["left"]},
        {"client": "short"},
        {"client": "../../../../etc/passwd"},
        {"ms": -1},
        {"ms": True},
        {"ms": 1.5},
        {"lease": 7},
        {"lease": "a" * 65},
        {"annotator": "a" * 41},
        {"annotator": "  "},
    ],
)
def test_fields_are_checked(taught: ComparisonStore, ada: Browser, fields: dict[str, Any]) -> None:
    (shown,) = ada.next()
    good = {"lease": shown["lease"], "choice": "left", "client": new_client(), "ms": 1}
    assert ada.say("answer", 400, **{**good, **fields})["error"]
    assert taught.labels() == []
    ada.say("answer", **good)


def test_more_pairs_than_anybody_needs_are_refused(ada: Browser) -> None:
    assert ada.say("next", 400, count=9)["error"]
    assert ada.next(0) == []


def test_a_busy_store_is_for_later(taught: ComparisonStore, ada: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> int:
        raise sqlite3.OperationalError("database is locked")

    (shown,) = ada.next()
    monkeypatch.setattr(taught, "record", fail)
    ada.answer(shown["lease"], "left", status=503)  # the browser says it again
