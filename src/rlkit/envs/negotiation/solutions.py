"""Exact references of an instance: what could be agreed, what would be fair, what selfish reason gives.

An instance has at most 36 splits, so everything here is found by looking at all of them. A *split* is the
number of the offer whose items player 0 (who moves first) keeps; player 1 gets the rest. No agreement is
worth (0, 0), the disagreement point of every solution. Utilities are points before any discount.

Where several splits are equally good, a solution is the one with the lowest offer number (for the egalitarian
and Kalai-Smorodinsky points, after preferring the higher joint utility, which keeps them Pareto efficient).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from rlkit.envs.negotiation.rules import DEFAULT_MAX_TURNS, NUM_OFFERS, OFFERS, TOTAL_VALUE, offer_index
from rlkit.envs.negotiation.scenarios import Scenario, scenario_index, universe

MAX_SPLITS = 36  # (3 + 1) * (2 + 1) * (2 + 1), the most any pool of the universe can be split


@dataclass(frozen=True)
class Point:
    """One way to divide the pool.

    Attributes:
        split: Number of the offer with the items player 0 keeps.
        utilities: Points for player 0 and player 1.
    """

    split: int
    utilities: tuple[int, int]

    @property
    def joint(self) -> int:
        """Sum of both utilities."""
        return sum(self.utilities)

    @property
    def nash_product(self) -> int:
        """Product of both utilities."""
        return self.utilities[0] * self.utilities[1]


@dataclass(frozen=True)
class Solutions:
    """The splits of one instance and those that theories of bargaining single out.

    Attributes:
        scenario: The instance.
        points: Every split, by offer number.
        pareto: The distinct undominated utility points, best for player 0 first; a point that several splits
            reach is shown by the one with the lowest offer number.
        nash: Largest product of utilities (Nash 1950).
        kalai_smorodinsky: Largest smaller share of what each could get at most (Kalai and Smorodinsky 1975;
            on a finite set: the best of the worse ratio to the ideal point). Both ideals are 10 points in
            every instance of this game, so it is the egalitarian point.
        egalitarian: Largest smaller utility (max-min).
        utilitarian: Largest sum of utilities.

    Example:
        >>> found = solve(Scenario((1, 2, 3), ((8, 1, 0), (4, 0, 2))))
        >>> found.nash.utilities, found.egalitarian.utilities, found.utilitarian.joint, len(found.points)
        ((10, 6), (10, 6), 16, 24)
        >>> [point.utilities for point in found.pareto]
        [(10, 6), (2, 10)]
    """

    scenario: Scenario
    points: tuple[Point, ...]
    pareto: tuple[Point, ...]
    nash: Point
    kalai_smorodinsky: Point
    egalitarian: Point
    utilitarian: Point


@dataclass(frozen=True)
class SolutionTable:
    """The same for many instances at once, as arrays (read-only).

    Attributes:
        legal: Which splits the pool allows, shape ``(n, 120)`` bool.
        utilities: Points of players 0 and 1, shape ``(n, 120, 2)`` int8; zero where the split is not legal.
        complement: Number of the offer with the other player's items, shape ``(n, 120)`` int16; -1 where not
            legal.
        pareto: Which splits are Pareto efficient, shape ``(n, 120)`` bool.
        nash_product: Largest product of utilities, shape ``(n,)`` int16.
        nash: Split of the Nash point, shape ``(n,)`` int16.
        kalai_smorodinsky: Split of the Kalai-Smorodinsky point, shape ``(n,)`` int16.
        egalitarian: Split of the max-min point, shape ``(n,)`` int16.
        utilitarian: Split of the largest sum, shape ``(n,)`` int16.
    """

    legal: NDArray[np.bool_]
    utilities: NDArray[np.int8]
    complement: NDArray[np.int16]
    pareto: NDArray[np.bool_]
    nash_product: NDArray[np.int16]
    nash: NDArray[np.int16]
    kalai_smorodinsky: NDArray[np.int16]
    egalitarian: NDArray[np.int16]
    utilitarian: NDArray[np.int16]


def complement(pool: Sequence[int], offer: int) -> int:
    """Number of the offer that keeps what another offer leaves.

    Raises:
        ValueError: If there is no such offer, or the pool does not hold the items it keeps.

    Example:
        >>> complement((1, 2, 3), offer_index(1, 2, 0)) == offer_index(0, 0, 3)
        True
    """
    if not 0 <= offer < NUM_OFFERS:
        raise ValueError(f"offers are numbered 0 to {NUM_OFFERS - 1}, got {offer}")
    rest = [int(count) - int(kept) for count, kept in zip(pool, OFFERS[offer], strict=True)]
    if min(rest) < 0:
        kept = tuple(int(n) for n in OFFERS[offer])
        raise ValueError(f"offer {offer} keeps {kept}, more than the pool {tuple(pool)} holds")
    return offer_index(*rest)


@cache
def solution_table() -> SolutionTable:
    """References of the whole universe, row ``i`` for ``universe()[i]``; computed once, in about 0.1 s."""
    pools = np.array([scenario.pool for scenario in universe()], dtype=np.int8)
    values = np.array([scenario.values for scenario in universe()], dtype=np.int8)
    legal, rest = _by_pool(pools)
    first = (values[:, 0] @ OFFERS.T).astype(np.int8)
    second = (TOTAL_VALUE - values[:, 1] @ OFFERS.T).astype(np.int8)
    utilities = np.where(legal[..., None], np.stack([first, second], axis=-1), 0).astype(np.int8)
    own, other = utilities[..., 0].astype(np.int16), utilities[..., 1].astype(np.int16)
    joint, product = own + other, own * other

    ideals = utilities.max(axis=1, keepdims=True)
    gains = utilities.astype(np.int16) * 100 // ideals  # percent: exact, because the ideals are 10
    table = SolutionTable(
        legal=legal,
        utilities=utilities,
        complement=rest,
        pareto=_pareto_mask(legal, utilities),
        nash_product=np.where(legal, product, -1).max(axis=1).astype(np.int16),
        nash=_first_best(legal, product),
        kalai_smorodinsky=_first_best(legal, gains.min(axis=-1) * 100 + joint),
        egalitarian=_first_best(legal, np.minimum(own, other) * 100 + joint),
        utilitarian=_first_best(legal, joint),
    )
    for array in vars(table).values():
        array.setflags(write=False)
    return table


def _by_pool(pools: NDArray[np.int8]) -> tuple[NDArray[np.bool_], NDArray[np.int16]]:
    """Legal splits and their complements, once a distinct pool and then spread over the instances."""
    distinct, rows = np.unique(pools, axis=0, return_inverse=True)
    legal: NDArray[np.bool_] = np.all(distinct[:, None, :] >= OFFERS, axis=-1)
    rest = np.full(legal.shape, -1, dtype=np.int16)
    for row, split in np.argwhere(legal):
        rest[row, split] = offer_index(*(int(n) for n in distinct[row] - OFFERS[split]))
    rows = rows.reshape(-1)  # NumPy 2.0 alone shapes it (n, 1)
    return legal[rows], rest[rows]


def _first_best(legal: NDArray[np.bool_], score: NDArray[np.int16]) -> NDArray[np.int16]:
    """The legal split of the highest score (the lowest number among equals), shape ``(n,)``."""
    return np.where(legal, score, -1).argmax(axis=1).astype(np.int16)


def _pareto_mask(legal: NDArray[np.bool_], utilities: NDArray[np.int8]) -> NDArray[np.bool_]:
    """Splits that no other split beats for one player without harming the other, shape ``(n, 120)``.

    Utilities are whole numbers from 0 to 10, so it is enough to know, for each of these levels of player 0,
    the most that player 1 can get at it, instead of comparing all pairs of splits.
    """
    own, other = utilities[..., 0], np.where(legal, utilities[..., 1], -1)
    best_above = np.full(len(legal), -1, dtype=np.int8)
    mask: NDArray[np.bool_] = np.zeros(legal.shape, dtype=np.bool_)
    for level in range(TOTAL_VALUE, -1, -1):
        at_level = legal & (own == level)
        best = np.where(at_level, other, -1).max(axis=1)
        mask |= at_level & (other == best[:, None]) & (best > best_above)[:, None]
        best_above = np.maximum(best_above, best)
    return mask


def solve(scenario: Scenario) -> Solutions:
    """All splits of an instance, its Pareto set and its bargaining solutions.

    Raises:
        ScenarioError: If the instance breaks a rule.
    """
    table, row = solution_table(), scenario_index(scenario)
    points: dict[int, Point] = {}
    for split in np.flatnonzero(table.legal[row]).tolist():
        own, other = table.utilities[row, split].tolist()
        points[split] = Point(split, (own, other))
    efficient: dict[tuple[int, int], Point] = {}
    for split in np.flatnonzero(table.pareto[row]).tolist():
        efficient.setdefault(points[split].utilities, points[split])
    return Solutions(
        scenario=scenario,
        points=tuple(points.values()),
        pareto=tuple(efficient[utilities] for utilities in sorted(efficient, reverse=True)),
        nash=points[int(table.nash[row])],
        kalai_smorodinsky=points[int(table.kalai_smorodinsky[row])],
        egalitarian=points[int(table.egalitarian[row])],
        utilitarian=points[int(table.utilitarian[row])],
    )


def subgame_perfect_values(
    indices: NDArray[np.integer] | Sequence[int],
    *,
    max_turns: int = DEFAULT_MAX_TURNS,
    discount: float = 1.0,
    prob_end: float = 0.0,
) -> NDArray[np.float64]:
    """What two perfectly informed, perfectly selfish players would get, by backward induction.

    The rules are the game's: an agreement after ``n`` offers is worth ``discount ** (n - 1)`` of its points;
    the game ends with nothing after ``max_turns`` offers (so the last can never be accepted), and with
    probability ``prob_end`` after every offer from the second on. A player who is indifferent accepts; a
    proposer who is indifferent makes the offer that is better for the other player.

    Args:
        indices: Instances, as indices into ``universe()``, shape ``(n,)``.
        max_turns: Offers after which the game ends.
        discount: Factor on the points for every offer after the first.
        prob_end: Chance that the game ends after an offer.

    Returns:
        Expected points of players 0 and 1 before the first move, shape ``(n, 2)``.

    Raises:
        ValueError: If a parameter is outside its range.
    """
    if max_turns < 1 or not 0.0 <= discount <= 1.0 or not 0.0 <= prob_end <= 1.0:
        raise ValueError(
            "max_turns must be at least 1, discount and prob_end between 0 and 1, "
            f"got max_turns={max_turns}, discount={discount}, prob_end={prob_end}"
        )
    rows = np.asarray(indices, dtype=np.intp)
    legal, utilities = solution_table().legal[rows], solution_table().utilities[rows].astype(np.float64)
    values = np.zeros((len(rows), 2))  # before the last offer, which nobody can accept
    for offers_made in range(max_turns - 2, -1, -1):
        mover, replier = offers_made % 2, 1 - offers_made % 2
        agreed = utilities * discount**offers_made
        accepted = agreed[..., replier] >= values[:, None, replier] - 1e-9
        reached = np.where(accepted[..., None], agreed, values[:, None, :])
        own = np.where(legal, reached[..., mover], -np.inf)
        equally_good = own >= own.max(axis=1, keepdims=True) - 1e-9
        choice = np.where(equally_good, reached[..., replier], -np.inf).argmax(axis=1)
        values = reached[np.arange(len(rows)), choice]
        if offers_made >= 1:  # that offer was at least the second: the game may have ended before the reply
            values = values * (1.0 - prob_end)
    return values


def subgame_perfect(
    scenario: Scenario, *, max_turns: int = DEFAULT_MAX_TURNS, discount: float = 1.0, prob_end: float = 0.0
) -> tuple[float, float]:
    """:func:`subgame_perfect_values` of one instance.

    Example:
        >>> subgame_perfect(Scenario((1, 2, 3), ((8, 1, 0), (4, 0, 2))))
        (10.0, 6.0)
    """
    values = subgame_perfect_values(
        [scenario_index(scenario)], max_turns=max_turns, discount=discount, prob_end=prob_end
    )
    return float(values[0, 0]), float(values[0, 1])
