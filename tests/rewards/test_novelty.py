"""What is novel, and that it is rewarded."""

from __future__ import annotations

import numpy as np
import pytest
from gymnasium import spaces

from rlkit.rewards.novelty import KEEP, Novelty, flat

PLANE = spaces.Box(-np.inf, np.inf, (2,), np.float32)


def crowd(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, 2)).astype(np.float32)


def test_the_first_observations_are_not_rewarded() -> None:
    assert Novelty(PLANE, 5, 0)(crowd(4)).tolist() == [0.0] * 4


def test_what_is_far_from_all_that_was_seen_is_rewarded_most() -> None:
    novelty = Novelty(PLANE, 5, 0)
    for batch in np.split(crowd(800), 100):
        novelty(batch)
    rewards = novelty(np.array([[0.0, 0.0], [2.5, 0.0], [9.0, 9.0]], dtype=np.float32))
    assert rewards[0] < 0 < rewards[1] < rewards[2]


def test_distance_is_to_the_kth_nearest_and_every_number_counts_alike() -> None:
    """Rewards keep to the order of distances, whatever the unit of a number."""
    seen, new = crowd(300), crowd(40, 1)
    spread = seen.std(0)
    distances = np.sqrt((((new[:, None] - seen) / spread) ** 2).sum(2))
    expected = np.sort(distances, axis=1)[:, 2]
    for unit in (1.0, 1_000.0):
        novelty = Novelty(PLANE, 3, 0)
        scale = np.array([unit, 1.0], dtype=np.float32)
        novelty(seen * scale)
        np.testing.assert_array_equal(np.argsort(novelty(new * scale)), np.argsort(expected))


def test_rewards_have_mean_0_and_variance_1() -> None:
    novelty = Novelty(PLANE, 5, 0)
    rewards = np.concatenate([novelty(batch) for batch in np.split(crowd(6_000), 1_000)])[3_000:]
    assert abs(rewards.mean()) < 0.4 and 0.5 < rewards.std() < 1.5


def test_all_that_was_seen_is_kept_with_the_same_chance() -> None:
    novelty = Novelty(spaces.Box(0, 1e9, (1,), np.float32), 5, 0)
    for start in range(0, 5 * KEEP, 100):
        novelty(np.arange(start, start + 100, dtype=np.float32)[:, None])
    kept = np.sort(novelty.get_state()["kept"][:, 0])
    assert len(np.unique(kept)) == KEEP
    shares, _ = np.histogram(kept, 5, (0, 5 * KEEP))
    assert (abs(shares / KEEP - 0.2) < 0.03).all()


@pytest.mark.parametrize(
    "space",
    [
        spaces.Discrete(5, start=2),
        spaces.Box(0, 255, (3, 20, 20), np.uint8),
        spaces.Dict(a=spaces.Box(-1, 1, (3,), np.float32), b=spaces.Discrete(3)),
        spaces.MultiBinary(4),
    ],
)
def test_any_observation_and_goes_on_as_saved(space: spaces.Space) -> None:  # type: ignore[type-arg]
    space.seed(0)

    def batch(n: int) -> object:
        samples = [space.sample() for _ in range(n)]
        if isinstance(space, spaces.Dict):
            return {key: np.stack([sample[key] for sample in samples]) for key in space.spaces}
        return np.stack(samples)

    one, other = Novelty(space, 3, 0), Novelty(space, 3, 0)
    one(batch(50))
    other.set_state(one.get_state())
    new = batch(7)
    np.testing.assert_array_equal(one(new), other(new))
    assert flat(space, new).shape == (7, spaces.utils.flatdim(space))


def test_a_single_number_is_a_one_among_zeros() -> None:
    assert flat(spaces.Discrete(3, start=1), np.array([1, 3])).tolist() == [[1, 0, 0], [0, 0, 1]]
