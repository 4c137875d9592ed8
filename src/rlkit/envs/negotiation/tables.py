"""What the kernel looks up instead of computing: offers, worths and codes of every pool and valuation.

The 5,793 instances share 31 pools and 492 *types* (a pool with one player's values). A game is played on these small
numbers. Since the whole pool is worth ten to everyone, an offer that its proposer values at ``w`` by the
receiver's values leaves the receiver ``10 - w``: one table of worths serves both sides.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rlkit.envs.negotiation.rules import (
    AGREE,
    ITEM_BITS,
    NUM_OFFERS,
    OFFERS,
    TOTAL_VALUE,
    VALUE_BITS,
    WALK_AWAY,
    thermometer,
)
from rlkit.envs.negotiation.scenarios import universe

MAX_SPLITS = 36  # most ways to split a pool (counts 2, 2, 3)
MAX_PARTNERS = 26  # most valuations that a player may face
BAYES_SHARPNESS = 0.6  # how strongly the Bayesian bot believes that offers follow worth, per point


# One record of S scenarios, P pools and T types: a kernel takes it by reference and knows its shapes.
TABLES = np.dtype(
    [
        ("pool", np.int16, (5793,)),  # (S,) pool of a scenario
        ("types", np.int16, (5793, 2)),  # (S, 2) types of the first and the second mover
        ("counts", np.int8, (31, 3)),  # (P, 3) items in a pool
        ("legal", np.uint8, (31, 122)),  # (P, 122) legal actions with an offer on the table
        ("splits", np.int16, (31, MAX_SPLITS)),  # (P, 36) legal offers, padded with -1
        ("num_splits", np.int16, (31,)),  # (P,)
        ("values", np.int8, (492, 3)),  # (T, 3) points an item
        ("worth", np.int8, (492, NUM_OFFERS)),  # (T, 120) what keeping an offer is worth; -1 where illegal
        ("ask", np.int16, (492, 11)),  # (T, 11) offer nearest above a level, keeping the fewest items
        ("partners", np.int16, (492, MAX_PARTNERS)),  # (T, 26) types the other player may have, padded with -1
        ("num_partners", np.int16, (492,)),  # (T,)
        ("log_likelihood", np.float32, (492, NUM_OFFERS)),  # (T, 120) of an offer, were its proposer of this type
        ("offers", np.int8, (NUM_OFFERS, 3)),
        ("pool_code", np.float32, (31, 24)),
        ("values_code", np.float32, (492, 33)),
        ("offer_code", np.float32, (NUM_OFFERS, 24)),
    ],
    align=True,
)
Tables = Any  # in annotations: a record of TABLES


@cache
def tables() -> NDArray[np.void]:
    """The tables of the whole universe, built once a process: one record of :data:`TABLES`, shape ``(1,)``."""
    scenarios = universe()
    pools = list(dict.fromkeys(s.pool for s in scenarios))
    kinds = list(dict.fromkeys((s.pool, v) for s in scenarios for v in s.values))
    pool_id = {pool: i for i, pool in enumerate(pools)}
    type_id = {kind: i for i, kind in enumerate(kinds)}
    types = np.array([[type_id[s.pool, v] for v in s.values] for s in scenarios], dtype=np.int16)
    counts = np.array(pools, dtype=np.int8)
    values = np.array([v for _, v in kinds], dtype=np.int8)
    type_pool = np.array([pool_id[pool] for pool, _ in kinds])
    offer_legal: NDArray[np.bool_] = np.all(OFFERS[None] <= counts[:, None], axis=-1)
    worth = np.where(offer_legal[type_pool], values.astype(np.int64) @ OFFERS.T.astype(np.int64), -1).astype(np.int8)
    legal = np.zeros((len(pools), WALK_AWAY + 1), dtype=np.bool_)
    legal[:, :NUM_OFFERS] = offer_legal
    legal[:, AGREE] = True
    legal[:, WALK_AWAY] = True
    kept = np.broadcast_to(OFFERS.sum(1), worth.shape)
    partners = [sorted(set(types[types[:, 0] == t, 1].tolist())) for t in range(len(kinds))]
    columns = dict(
        pool=np.array([pool_id[s.pool] for s in scenarios], dtype=np.int16),
        types=types,
        counts=counts,
        legal=legal,
        splits=_padded([np.flatnonzero(row).tolist() for row in offer_legal]),
        num_splits=offer_legal.sum(1).astype(np.int16),
        values=values,
        worth=worth,
        ask=_nearest_above(worth, kept),
        partners=_padded(partners),
        num_partners=np.array([len(p) for p in partners], dtype=np.int16),
        log_likelihood=_log_likelihood(worth),
        offers=OFFERS,
        pool_code=thermometer(counts, ITEM_BITS),
        values_code=thermometer(values, VALUE_BITS),
        offer_code=thermometer(OFFERS, ITEM_BITS),
    )
    record = np.zeros(1, dtype=TABLES)
    for name, column in columns.items():
        if record[name].shape[1:] != column.shape:
            raise AssertionError(f"table {name} has shape {column.shape}, its record {record[name].shape[1:]}")
        record[name][0] = column
    record.setflags(write=False)
    return record


def _padded(rows: list[list[int]]) -> NDArray[np.int16]:
    padded = np.full((len(rows), max(len(row) for row in rows)), -1, dtype=np.int16)
    for target, row in zip(padded, rows, strict=True):
        target[: len(row)] = row
    return padded


def _nearest_above(worth: NDArray[np.int8], tie: NDArray[np.int64]) -> NDArray[np.int16]:
    """For each type and level: the legal offer of least worth >= level; ties to the least ``tie``, then number."""
    cost = worth.astype(np.int64) * 1000 + tie
    levels = np.arange(TOTAL_VALUE + 1)
    allowed = worth[:, None, :] >= levels[None, :, None]
    return np.where(allowed, cost[:, None, :], np.iinfo(np.int64).max).argmin(-1).astype(np.int16)


def _log_likelihood(worth: NDArray[np.int8]) -> NDArray[np.float32]:
    scores = np.where(worth >= 0, BAYES_SHARPNESS * worth.astype(np.float64), -np.inf)
    return (scores - np.log(np.exp(scores).sum(1, keepdims=True))).astype(np.float32)
