"""`QuerySelector`: which pairs of segments are worth an answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rlkit.errors import UsageError, nearest
from rlkit.rewards.labels import LabelSet
from rlkit.rewards.model import RewardModel
from rlkit.rewards.pool import EpisodePool, Spans
from rlkit.rewards.segments import Segment
from rlkit.rewards.settings import QueryConfig, check_range

UNIFORM = "uniform"
COMPARED = 1_000  # newest labels that new queries should be unlike
SHORTLIST = 0.5  # of the candidates, by score, that k-center chooses from (B-Pref's hybrid sampling)


class Query(NamedTuple):
    """A pair to be asked.

    Attributes:
        first: A segment.
        second: Another.
        uniform: Whether the pair was drawn uniformly from all that is kept.
        score: Higher is more worth asking; of uniform pairs, one of the others' at random, so that they are asked
            neither first nor last.
        swapped: Whether the second is to be shown on the left; at random.
    """

    first: Segment
    second: Segment
    uniform: bool
    score: float
    swapped: bool


def disagreement(first_better: NDArray[np.float64]) -> NDArray[np.float64]:
    """How far the members' probabilities are apart (Christiano et al. 2017), shape ``(n,)`` from ``(members, n)``."""
    return first_better.std(0)


def entropy(first_better: NDArray[np.float64]) -> NDArray[np.float64]:
    """The members' mean uncertainty, in nats, shape ``(n,)`` from ``(members, n)``."""
    return _entropy(first_better).mean(0)


def bald(first_better: NDArray[np.float64]) -> NDArray[np.float64]:
    """What an answer would tell of which member is right, in nats (Houlsby et al. 2011), shape ``(n,)``."""
    return _entropy(first_better.mean(0)) - entropy(first_better)


METHODS: dict[str, Callable[[NDArray[np.float64]], NDArray[np.float64]]] = {
    "disagreement": disagreement,
    "entropy": entropy,
    "bald": bald,
}


class QuerySelector:
    """Draws candidates, ranks them, and keeps some to chance.

    Args:
        config: Settings.
        segment: Steps of a segment, at most.
        seed: Of its own random stream.

    Raises:
        UsageError: If a setting is not possible.
    """

    def __init__(self, config: QueryConfig, *, segment: int, seed: int) -> None:
        if config.method not in (*METHODS, UNIFORM):
            hint = nearest(config.method, (*METHODS, UNIFORM))
            raise UsageError(f"unknown reward.queries.method {config.method!r}: {hint}")
        check_range("queries.candidates", config.candidates, 1, None)
        check_range("queries.newest", config.newest, 0, None)
        check_range("queries.uniform_share", config.uniform_share, 0.0, 1.0)
        self.config, self.segment = config, segment
        self._rng = np.random.default_rng(seed)

    def select(
        self, n: int, pool: EpisodePool, model: RewardModel | None = None, labels: LabelSet | None = None
    ) -> list[Query]:
        """Choose pairs.

        Args:
            n: How many.
            pool: Where segments come from.
            model: Ranks candidates; while it was never fitted, all pairs are uniform.
            labels: What is known already.

        Raises:
            ValueError: If the pool has no segment yet.
        """
        config, rng = self.config, self._rng
        share = 1.0 if config.method == UNIFORM or model is None or model.fits == 0 else config.uniform_share
        by_chance = int(share * n + rng.random())  # so that small rounds have the share as well, on average
        by_chance = min(by_chance, n)
        queries: list[Query] = []
        if model is not None and by_chance < n:
            wanted = n - by_chance
            first, second = self._pairs(wanted * config.candidates, pool, config.newest, 2 * wanted)
            worth = METHODS[config.method](model.probabilities(pool.batch(first), pool.batch(second)))
            chosen = np.argsort(-worth, kind="stable")
            if config.diverse:
                chosen = chosen[: max(wanted, int(len(chosen) * SHORTLIST))]
                chosen = chosen[self._apart(wanted, pool, _rows(first, chosen), _rows(second, chosen), model, labels)]
            queries = self._cut(
                pool, _rows(first, chosen[:wanted]), _rows(second, chosen[:wanted]), False, worth[chosen]
            )
        scores = np.array([query.score for query in queries] or [0.0])
        if by_chance:
            first, second = self._pairs(by_chance, pool, 0, 1)
            queries += self._cut(pool, first, second, True, rng.choice(scores, by_chance))
        return queries

    def _pairs(self, n: int, pool: EpisodePool, newest: int, least: int) -> tuple[Spans, Spans]:
        spans = pool.draw(2 * n, self.segment, self._rng, newest=newest, least=least)
        return _rows(spans, slice(0, n)), _rows(spans, slice(n, None))

    def _cut(
        self, pool: EpisodePool, first: Spans, second: Spans, uniform: bool, scores: NDArray[np.float64]
    ) -> list[Query]:
        swapped = self._rng.random(len(first.rows)) < 0.5
        return [
            Query(pool.cut(first, i), pool.cut(second, i), uniform, float(scores[i]), bool(swapped[i]))
            for i in range(len(swapped))
        ]

    def _apart(
        self,
        n: int,
        pool: EpisodePool,
        first: Spans,
        second: Spans,
        model: RewardModel,
        labels: LabelSet | None,
    ) -> NDArray[np.int64]:
        """Pairs, one by one the farthest from all chosen before it and from what is labelled (k-center)."""
        parts = []
        for spans in (first, second):
            batch = pool.batch(spans)
            features = model.inputs.read(batch.observations, batch.actions, batch.over)
            parts.append(model.inputs.summary(features, batch.lengths))
        candidates = both(*parts)
        known = np.zeros((0, candidates.shape[1]), np.float32)
        if labels is not None and len(labels):
            summaries = labels.summaries[labels.rows()[-COMPARED:]]
            known = both(summaries[:, 0], summaries[:, 1])
        scale = np.concatenate([candidates, known]).std(0)
        scale = np.where(scale > 0.0, 1.0 / np.where(scale > 0.0, scale, 1.0), 0.0)
        return farthest_first(candidates * scale, known * scale, n)

    def get_state(self) -> dict[str, Any]:
        """All that decides what it chooses from here on."""
        return {"random": self._rng.bit_generator.state}

    def set_state(self, state: dict[str, Any]) -> None:
        """Go back to what :meth:`get_state` gave."""
        self._rng.bit_generator.state = state["random"]


def both(first: NDArray[np.float32], second: NDArray[np.float32]) -> NDArray[np.float32]:
    """Pairs as points, the same whichever segment is first, shape ``(n, 2 k)`` from two of ``(n, k)``."""
    return np.concatenate([first + second, np.abs(first - second)], 1)


def farthest_first(points: NDArray[np.float32], known: NDArray[np.float32], n: int) -> NDArray[np.int64]:
    """Greedy k-center: rows of ``points``, one by one the farthest from those before it and from what is known.

    Args:
        points: Shape ``(m, k)``, the one to begin with first.
        known: Shape ``(j, k)``.
        n: How many, at most m.
    """
    squares = np.square(points).sum(1)

    def distances(others: NDArray[np.float32]) -> NDArray[np.float32]:
        return squares + np.square(others).sum(1)[:, None] - 2.0 * others @ points.T

    apart = distances(known).min(0) if len(known) else np.full(len(points), np.inf, np.float32)
    chosen: list[int] = []
    for _ in range(min(n, len(points))):
        best = int(apart.argmax())
        chosen.append(best)
        apart = np.minimum(apart, distances(points[best : best + 1])[0])
        apart[chosen] = -np.inf
    return np.array(chosen, np.int64)


def _rows(spans: Spans, rows: Any) -> Spans:
    return Spans(*(part[rows] for part in spans))


def _entropy(p: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of a yes with probability p, in nats."""
    p = np.clip(p, 1e-12, 1.0 - 1e-12)
    return -(p * np.log(p) + (1.0 - p) * np.log1p(-p))
