"""The script that presses keys as somebody who goes by a score."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from rewards.page.browser import Browser, app_of, filled_store, teach
from rlkit.rewards.answers import Answer
from rlkit.rewards.segments import SegmentBatch, stack
from rlkit.rewards.store import ComparisonStore


def number(segments: SegmentBatch) -> NDArray[Any]:
    return segments.rewards


def test_it_prefers_what_the_score_prefers_whichever_side_it_is_on(tmp_path: Path) -> None:
    from rewards.page.tab import LEFT, RIGHT
    from rewards.page.teach import WHO, key_for

    store = filled_store(tmp_path)
    teach(store)
    browser = Browser(app_of(store), WHO)
    sides = []
    for _ in range(12):
        (pair,) = browser.next()
        side = {LEFT: "left", RIGHT: "right"}[key_for(store, WHO, pair["lease"], number)]
        browser.answer(pair["lease"], side)
        sides.append(side)
    assert len(set(sides)) == 2
    for label in store.labels():
        assert label.answer == better(store, label.pair)


def better(store: ComparisonStore, number_of_pair: int) -> Answer:
    """The segment with the higher return."""
    pair = store.pair(number_of_pair)
    first, second = (stack([store.segment(one)]).rewards.sum() for one in (pair.first, pair.second))
    return Answer.FIRST if first > second else Answer.SECOND
