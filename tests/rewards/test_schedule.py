"""Labels are asked in the number and at the times that were asked for."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rlkit.rewards.schedule import LabelSchedule

PAPER = {"labels": 700, "first": 175, "start": 1_000, "end": 1_000_000}


@settings(deadline=None)
@given(
    labels=st.integers(0, 3_000),
    share=st.floats(0, 1),
    start=st.integers(0, 5_000),
    length=st.integers(1, 100_000),
    anneal=st.integers(0, 200_000),
    stairs=st.integers(0, 20_000),
    rounds=st.integers(1, 60),
)
def test_rounds_add_up_to_the_labels_asked_for(
    labels: int, share: float, start: int, length: int, anneal: int, stairs: int, rounds: int
) -> None:
    first = round(share * labels)
    plan = LabelSchedule(
        labels=labels, first=first, start=start, end=start + length, anneal=anneal, stairs=stairs, rounds=rounds
    )
    due = [plan.due(plan.round_step(number)) for number in range(rounds + 1)]
    assert due[0] == first or length == 0
    assert due[-1] == labels
    assert (np.diff(due) >= 0).all()
    assert plan.due(start - 1) == 0
    assert plan.due(10 * (start + length)) == labels  # and no more, however long it goes on


@pytest.mark.parametrize(("anneal", "stairs"), [(2_000_000, 0), (5_000_000, 5_000_000), (50_000, 100_000)])
def test_rate_falls_as_in_the_paper(anneal: int, stairs: int) -> None:
    plan = LabelSchedule(**(PAPER | {"labels": 1_000_175}), anneal=anneal, stairs=stairs)
    for one, two in ((10_000, 500_000), (200_000, 900_000)):
        rates = [plan.due(step + 5_000) - plan.due(step) for step in (one, two)]
        steps = [step // stairs * stairs if stairs else step + 2_500 for step in (one, two)]
        assert rates[0] / rates[1] == pytest.approx((steps[1] + anneal) / (steps[0] + anneal), rel=0.02)


def test_without_annealing_the_rate_is_one() -> None:
    plan = LabelSchedule(**PAPER)
    assert plan.due(500_500) == 175 + round(525 / 2)


def test_rounds_are_spread_evenly_and_go_on() -> None:
    plan = LabelSchedule(labels=10, first=1, start=100, end=1_100, rounds=4)
    assert [plan.round_step(number) for number in range(6)] == [100, 350, 600, 850, 1_100, 1_350]
