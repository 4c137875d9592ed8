"""What is asked: what the members disagree on, unlike what is known, and some of it by chance."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from rewards.people import ACTIONS, LENGTH, OBSERVATIONS, fitted_model
from rlkit.rewards.model import RewardModel
from rlkit.rewards.pool import EpisodePool
from rlkit.rewards.queries import METHODS, QuerySelector, bald, both, disagreement, entropy, farthest_first
from rlkit.rewards.segments import stack
from rlkit.rewards.settings import ModelConfig, QueryConfig


def make_pool(episodes: int = 20, seed: int = 0) -> EpisodePool:
    """Episodes of 50 steps; later ones lie elsewhere."""
    rng = np.random.default_rng(seed)
    pool = EpisodePool(OBSERVATIONS, ACTIONS, 1, steps=50 * episodes)
    for at in range(50 * episodes):
        seen = rng.normal(at // 50, 1.0, (1, 4)).astype(np.float32)
        pool.add(seen, rng.uniform(-1, 1, (1, 2)).astype(np.float32), np.zeros(1), np.array([at % 50 == 49]), at)
    return pool


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> RewardModel:
    return fitted_model(tmp_path_factory.mktemp("store"))[0]


def select(model: RewardModel | None, n: int = 10, pool: EpisodePool | None = None, **settings: Any) -> Any:
    selector = QuerySelector(QueryConfig(**settings), segment=LENGTH, seed=0)
    return selector.select(n, pool or make_pool(), model)


def worth(model: RewardModel, queries: Any, method: str = "bald") -> Any:
    first, second = stack([query.first for query in queries]), stack([query.second for query in queries])
    return METHODS[method](model.probabilities(first, second))


@pytest.mark.parametrize("method", sorted(METHODS))
def test_the_highest_scores_are_chosen(model: RewardModel, method: str) -> None:
    chosen = select(model, method=method, newest=0, diverse=False, uniform_share=0.0)
    by_chance = select(model, 200, method="uniform")  # from the same: all that is kept
    assert [query.score for query in chosen] == pytest.approx(worth(model, chosen, method), abs=1e-6)
    assert min(query.score for query in chosen) > np.quantile(worth(model, by_chance, method), 0.75)


def test_scores_are_what_they_say() -> None:
    agreed, split, unsure = np.array([[0.9], [0.9]]), np.array([[0.1], [0.9]]), np.array([[0.5], [0.5]])
    assert disagreement(agreed) == 0.0 and disagreement(split) == pytest.approx(0.4)
    assert entropy(unsure) == pytest.approx(np.log(2)) and entropy(split) < entropy(unsure)
    assert bald(unsure) == pytest.approx(0.0) and bald(agreed) == pytest.approx(0.0)  # nothing to learn from noise
    assert bald(split) == pytest.approx(np.log(2) - entropy(split)[0])
    assert np.isfinite(bald(np.array([[0.0], [1.0]])))


def test_a_share_is_drawn_uniformly_from_all_that_is_kept(model: RewardModel) -> None:
    queries = select(model, 50, newest=2, uniform_share=0.2)
    uniform = [query.uniform for query in queries]
    assert sum(uniform) in (10, 11)
    assert min(segment.episode for query in queries if query.uniform for segment in query[:2]) < 10
    assert min(segment.episode for query in queries if not query.uniform for segment in query[:2]) >= 10
    scores = {query.score for query in queries if not query.uniform}
    assert all(query.score in scores for query in queries if query.uniform)


def test_small_rounds_have_the_share_on_average(model: RewardModel) -> None:
    selector, pool = QuerySelector(QueryConfig(uniform_share=0.25), segment=LENGTH, seed=0), make_pool()
    drawn = [query.uniform for _ in range(120) for query in selector.select(1, pool, model)]
    assert 15 <= sum(drawn) <= 46


def test_before_the_first_fit_all_are_uniform() -> None:
    fresh = RewardModel(OBSERVATIONS, ACTIONS, ModelConfig(), seed=0)
    for model in (None, fresh):
        assert all(query.uniform for query in select(model))


def test_sides_are_shown_at_random(model: RewardModel) -> None:
    swapped = [query.swapped for query in select(model, 200, uniform_share=0.5)]
    assert 70 < sum(swapped) < 130


def test_diverse_queries_are_farther_apart(model: RewardModel) -> None:
    def spread(diverse: bool) -> float:
        queries = select(model, 10, diverse=diverse, uniform_share=0.0, newest=0)
        means = [np.array([seg.observations.mean(0) for seg in query[:2]], np.float32) for query in queries]
        points = both(*np.swapaxes(np.array(means), 0, 1))
        apart = np.linalg.norm(points[:, None] - points, axis=-1)
        return float((apart + 1e9 * np.eye(10)).min(1).mean())

    assert spread(True) > 1.3 * spread(False)


def test_farthest_first_covers_and_stays_away_from_what_is_known() -> None:
    points = np.array([[0.0], [0.1], [10.0], [10.1], [5.0]], np.float32)
    assert farthest_first(points, np.zeros((0, 1), np.float32), 3).tolist() == [0, 3, 4]
    assert farthest_first(points, points[3:4], 2).tolist() == [0, 4]
    assert sorted(farthest_first(points, points[:1], 9).tolist()) == [0, 1, 2, 3, 4]
    one, two = np.ones((1, 2), np.float32), np.zeros((1, 2), np.float32)
    np.testing.assert_array_equal(both(one, two), both(two, one))
