"""What comes before the first pair: a goal, and examples that whoever wrote it explains to all others."""

from __future__ import annotations

from rlkit.rewards.answers import Pair
from rlkit.rewards.bulletin import TRAINING, WAITING
from rlkit.rewards.store import ComparisonStore

EXAMPLES = 5


def examples(store: ComparisonStore) -> list[Pair]:
    """The pairs that are explained, decided once; none before there are queries to take their segments from.

    Each is the first segment of one of the first queries beside the second of the next, so that no query is given away.
    There are fewer than five where the trainer waits for the answers to fewer queries: more would never come.
    """
    if found := store.pairs("calibration"):
        return found
    queries = store.pairs()[:EXAMPLES]
    waits = (store.noted(TRAINING) or {}).get("state") == WAITING
    if not queries or (len(queries) < min(EXAMPLES, store.header.budget or EXAMPLES) and not waits):
        return []
    with store.transaction():
        for number, here in enumerate(queries):
            other = queries[(number + 1) % len(queries)]
            second = other.second if other.second != here.first else here.second
            key = f"example-{number}"
            store.add_pair(key, here.first, second, swapped=bool(number % 2), kind="calibration")
    return store.pairs("calibration")


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
