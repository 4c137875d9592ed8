"""Presses keys on a run's page, in Chromium, as somebody would who goes by a score.

From the folder of the tests: ``python -m rewards.page.teach <run folder> <module:function> <answers>``.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np

from rewards.page.server import Server
from rewards.page.tab import LEFT, RIGHT, UP, Tab, open_chromium
from rlkit.rewards.desk import Desk
from rlkit.rewards.segments import stack
from rlkit.rewards.store import STORE, ComparisonStore
from rlkit.rewards.teachers import Score, load_score

WHO = "Script"


def key_for(store: ComparisonStore, name: str, lease: str, score: Score) -> str:
    """What somebody of this name presses who sees the pair of this lease and goes by the score."""
    shown = Desk(store).lent(name, lease)
    batch = stack([store.segment(shown.pair.first), store.segment(shown.pair.second)])
    inside = np.arange(batch.rewards.shape[1]) < batch.lengths[:, None]
    first, second = np.where(inside, score(batch), 0.0).sum(1)
    if first == second:
        return str(UP)
    return str(LEFT if (first > second) != shown.swapped else RIGHT)


def learn(tab: Tab, goal: str) -> None:
    """Go through the lesson."""
    tab.write_goal(WHO, goal)
    for number in range(1, 6):
        tab.explain(number, "It is nearer to the goal.")
    tab.begin()


def answer(tab: Tab, score: Score, most: int) -> int:
    """Answer at most so many pairs, until the training is over; says how many."""
    for answered in range(most):
        tab.until(lambda: tab.asks or tab.over)
        if tab.over:
            return answered
        tab.answer(key_for(tab.store, tab.name, tab.held()[0], score))
    return most


def main(run: Path, score: str, answers: int) -> None:
    """Serve the page of a run that goes on elsewhere, and answer."""
    server = Server(run, "port=0")
    driver = open_chromium()
    store = ComparisonStore(run / "preferences" / STORE)
    try:
        driver.get(server.link)
        begun = time.monotonic()
        tab = Tab(driver, store)
        learn(tab, f"What {score} says.")
        answered = answer(tab, load_score(score), answers)
        driver.save_screenshot(str(run / "page.png"))
        print(f"{answered} answers in {time.monotonic() - begun:.0f} s")
    finally:
        driver.quit()
        store.close()
        server.stop()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
