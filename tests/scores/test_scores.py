"""What scripted teachers see: of games that are really played, and of made-up set points."""

from __future__ import annotations

import numpy as np
import pytest

from rlkit.envs.negotiation.rules import AGREE, OFFERS
from rlkit.envs.negotiation.vector import NegotiationVectorEnv
from rlkit.errors import UsageError
from rlkit.rewards.segments import SegmentBatch
from rlkit.scores.calm import MOVE, calm, moves
from rlkit.scores.fairness import fair_deals


def of(observations: np.ndarray) -> SegmentBatch:
    n, length = observations.shape[:2]
    lengths = np.full(n, length)
    return SegmentBatch(observations, np.zeros((n, length), np.int64), np.zeros((n, length)), lengths, 0 * lengths)


@pytest.mark.parametrize("max_turns", [4, 10])
def test_deals_are_fair_as_things_are_split(max_turns: int) -> None:
    """Against one who takes the first offer, what is kept and what the pool has tell the split."""
    n = 64
    envs = NegotiationVectorEnv(n, opponent="soft", seat=0, max_turns=max_turns, autoreset_mode="disabled")
    observations, infos = envs.reset(seed=0)
    rng = np.random.default_rng(0)
    actions = np.array([rng.choice(np.flatnonzero(mask[:AGREE])) for mask in infos["action_mask"]])
    assert not fair_deals(of(observations[:, None])).any()  # nothing is agreed upon yet
    after, _, over, _, infos = envs.step(actions)
    found = fair_deals(of(after[:, None]))[:, 0]
    agreed = over & infos["agreement"].astype(bool)
    assert agreed.sum() > 5 and not found[~agreed].any()
    for row in np.flatnonzero(agreed):
        pool = after[row, 2 + max_turns : 2 + max_turns + 24].reshape(3, 8).sum(1).astype(int) - 1
        share = OFFERS[actions[row]].sum() / pool.sum()
        assert found[row] == pytest.approx(1.0 - abs(2.0 * share - 1.0))


def test_a_deal_counts_once_however_long_it_shows() -> None:
    """A pool of two things, one offered to either side, agreed upon in the second step of four."""
    seen = np.zeros((1, 4, 2 + 10 + 24 + 33 + 24), np.float32)
    pool, offer = seen[..., 12:36].reshape(1, 4, 3, 8), seen[..., -24:].reshape(1, 4, 3, 8)
    assert np.shares_memory(pool, seen) and np.shares_memory(offer, seen)
    pool[..., 0], offer[..., 0] = 1.0, 1.0
    pool[..., 0, :3], offer[..., 0, :2] = 1.0, 1.0
    seen[:, 1:, 0] = 1.0
    assert fair_deals(of(seen)).tolist() == [[0.0, 1.0, 0.0, 0.0]]


def test_what_is_no_negotiation_is_told() -> None:
    with pytest.raises(UsageError, match="env=negotiation"):
        fair_deals(of(np.zeros((2, 3, 20))))


def test_moves_cost_and_padding_does_not() -> None:
    actions = np.array([[[0.0, 0.0], [1.0, 0.0], [1.0, 0.0], [0.0, 0.0]]])
    batch = SegmentBatch(np.zeros((1, 4, 2)), actions, np.full((1, 4), -1.0), np.array([3]), np.array([0]))
    np.testing.assert_allclose(moves(batch), [[0.0, 0.25, 0.0, 0.0]])
    np.testing.assert_allclose(calm(batch) - calm(batch._replace(actions=np.zeros_like(actions))), -MOVE * moves(batch))
