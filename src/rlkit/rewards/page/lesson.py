"""What comes before the first pair: a goal, and examples that whoever wrote it explains to all others."""

from __future__ import annotations

from rlkit.rewards.answers import Pair
from rlkit.rewards.store import ComparisonStore

EXAMPLES = 5


def examples(store: ComparisonStore) -> list[Pair]:
    """The pairs that are explained; none as long as too few queries have been proposed to take their segments from.

    A trainer may have proposed pairs of kind ``"calibration"``; else each is the first segment of one of the first
    queries beside the second of the next, so that no query is given away.
    """
    found = store.pairs("calibration")[:EXAMPLES]
    wanted = min(EXAMPLES, store.header.budget or EXAMPLES)
    if len(found) >= wanted:
        return found
    queries = store.pairs()[:wanted]
    if len(queries) < wanted:
        return []
    with store.transaction():
        for number in range(len(found), wanted):
            here, other = queries[number], queries[(number + 1) % wanted]
            second = other.second if other.second != here.first else here.second
            key = f"example-{number}"
            store.add_pair(key, here.first, second, swapped=bool(number % 2), kind="calibration")
    return store.pairs("calibration")[:wanted]


def ready(store: ComparisonStore) -> str | None:
    """Why nobody may be asked yet; None: they may."""
    if store.goal() is None:
        return "the goal is not written yet"
    explained = {pair for pair, _, _ in store.calibration()}
    pairs = examples(store)
    if not pairs:
        return "the first clips are not there yet"
    if any(pair.id not in explained for pair in pairs):
        return "the examples are not explained yet"
    return None
