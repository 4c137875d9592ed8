"""Pairs are lent to one person at a time, and every answer is taken once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rewards.people import add_pairs, new_store
from rlkit.rewards.answers import Answer
from rlkit.rewards.desk import REPEAT_GAP, Conflict, Desk, UnknownLease
from rlkit.rewards.store import ComparisonStore


class Clock:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(tmp_path: Path) -> ComparisonStore:
    return new_store(tmp_path)


def make_desk(store: ComparisonStore, clock: Clock, **shares: float) -> Desk:
    return Desk(store, seed=0, clock=clock, **({"repeat_share": 0.0, "overlap_share": 0.0} | shares))


def test_newest_round_and_best_score_come_first_and_to_one_person(store: ComparisonStore, clock: Clock) -> None:
    rng = np.random.default_rng(0)
    old = add_pairs(store, 1, rng, round=0, score=9.0)
    low = add_pairs(store, 1, rng, round=1, score=0.1)
    high = add_pairs(store, 1, rng, round=1, score=0.2)
    desk = make_desk(store, clock)
    assert [shown.pair.id for shown in desk.next("ann", 2)] == high + low
    assert [shown.pair.id for shown in Desk(ComparisonStore(store.path), clock=clock).next("bob", 2)] == old
    assert store.progress("ann", clock()).leased == 3


def test_a_lease_runs_out_and_its_late_answer_is_taken_all_the_same(store: ComparisonStore, clock: Clock) -> None:
    (pair,) = add_pairs(store, 1, np.random.default_rng(0))
    desk = make_desk(store, clock)
    (hers,) = desk.next("ann")
    assert not desk.next("bob")
    clock.now += 100.0
    assert desk.renew("ann", hers.lease) and desk.held("ann")[0].lease == hers.lease
    clock.now += 121.0
    (his,) = desk.next("bob")
    assert his.pair.id == pair and not desk.renew("ann", hers.lease) and not desk.held("ann")
    desk.answer("b", "bob", his.lease, Answer.FIRST)
    desk.answer("a", "ann", hers.lease, Answer.SECOND)
    assert [(label.annotator, label.answer) for label in store.labels()] == [("bob", "first"), ("ann", "second")]
    assert not desk.next("ann") and not desk.next("bob")


def test_one_answer_a_lease_however_often_it_is_sent(store: ComparisonStore, clock: Clock) -> None:
    add_pairs(store, 1, np.random.default_rng(0))
    desk = make_desk(store, clock)
    (shown,) = desk.next("ann")
    first = desk.answer("c", "ann", shown.lease, Answer.TIE, 900)
    assert desk.answer("c", "ann", shown.lease, Answer.TIE, 950) == first
    with pytest.raises(Conflict):
        desk.answer("other", "ann", shown.lease, Answer.TIE)
    with pytest.raises(Conflict):
        desk.answer("c", "ann", shown.lease, Answer.FIRST)
    with pytest.raises(UnknownLease):
        desk.answer("d", "bob", shown.lease, Answer.FIRST)
    assert [(label.id, label.ms) for label in store.labels()] == [(first, 900)]


def test_undo_lends_the_pair_again_as_it_was_shown(store: ComparisonStore, clock: Clock) -> None:
    add_pairs(store, 3, np.random.default_rng(0))
    desk = make_desk(store, clock)
    assert desk.undo("u0", "ann") is None
    shown = desk.next("ann", 2)
    for one in shown:
        desk.answer(f"c{one.lease}", "ann", one.lease, Answer.FIRST)
    again = desk.undo("u1", "ann")
    assert again is not None and (again.pair, again.swapped) == (shown[1].pair, shown[1].swapped)
    assert desk.undo("u1", "ann") == again
    assert len(store.labels()) == 1
    desk.answer("better", "ann", again.lease, Answer.SECOND)
    assert [label.answer for label in store.labels()] == [Answer.FIRST, Answer.SECOND]
    with pytest.raises(Conflict):
        desk.undo("better", "ann")


def test_skipped_pairs_are_for_others(store: ComparisonStore, clock: Clock) -> None:
    add_pairs(store, 1, np.random.default_rng(0))
    desk = make_desk(store, clock)
    (shown,) = desk.next("ann")
    desk.answer("s", "ann", shown.lease, Answer.SKIP)
    assert not desk.next("ann") and not store.labels()
    assert desk.next("bob")[0].pair == shown.pair


def test_released_pairs_are_lent_at_once(store: ComparisonStore, clock: Clock) -> None:
    add_pairs(store, 1, np.random.default_rng(0))
    desk = make_desk(store, clock)
    (shown,) = desk.next("ann")
    desk.release("ann", shown.lease)
    assert desk.next("bob")[0].pair == shown.pair


def test_repeats_swap_the_sides_of_ones_own_older_pairs(store: ComparisonStore, clock: Clock) -> None:
    add_pairs(store, 2 * REPEAT_GAP, np.random.default_rng(0))
    desk, eager = make_desk(store, clock), make_desk(store, clock, repeat_share=1.0)
    sides = {}
    for number in range(REPEAT_GAP):
        (shown,) = eager.next("ann")
        assert not shown.repeat  # none is old enough
        sides[shown.pair.id] = shown.swapped
        desk.answer(f"c{number}", "ann", shown.lease, Answer.FIRST)
    (shown,) = desk.next("ann")
    desk.answer("last", "ann", shown.lease, Answer.FIRST)
    repeats = eager.next("ann", 2)
    assert repeats[0].repeat and repeats[0].swapped is not sides[repeats[0].pair.id]
    assert not repeats[1].repeat  # the only old one is being looked at
    desk.answer("again", "ann", repeats[0].lease, Answer.FIRST)
    assert [label.repeat for label in store.labels()][-1]


def test_an_overlap_is_a_pair_that_another_person_answered(store: ComparisonStore, clock: Clock) -> None:
    add_pairs(store, 3, np.random.default_rng(0))
    desk = make_desk(store, clock, overlap_share=1.0)
    (hers,) = desk.next("ann")
    desk.answer("a", "ann", hers.lease, Answer.FIRST)
    (his,) = desk.next("bob")
    assert his.pair == hers.pair
    desk.answer("b", "bob", his.lease, Answer.FIRST)
    assert desk.next("cid")[0].pair != hers.pair  # two are enough


def test_who_waits_for_new_pairs_is_not_lent_old_ones(store: ComparisonStore, clock: Clock) -> None:
    add_pairs(store, 20, np.random.default_rng(0))
    desk = make_desk(store, clock, repeat_share=1.0, overlap_share=1.0)
    answered = 0
    while lent := desk.next("ann"):
        desk.answer(f"{answered}", "ann", lent[0].lease, Answer.FIRST)
        answered += 1
        assert answered < 100
    assert store.labels() and not desk.next("ann") and not desk.next("bob", 3)
