"""The exact references, against searches written as plainly as possible."""

from __future__ import annotations

import itertools
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rlkit.envs.negotiation.rules import NUM_OFFERS, OFFERS, offer_index
from rlkit.envs.negotiation.scenarios import Scenario, ScenarioError, universe
from rlkit.envs.negotiation.solutions import (
    complement,
    solution_table,
    solve,
    subgame_perfect,
    subgame_perfect_values,
)

scenarios = st.integers(0, 5792).map(lambda index: universe()[index])


def all_splits(scenario: Scenario) -> dict[int, tuple[int, int]]:
    """Every split and its utilities, without the package's tables."""
    found = {}
    for kept in itertools.product(*(range(count + 1) for count in scenario.pool)):
        rest = [count - mine for count, mine in zip(scenario.pool, kept, strict=True)]
        first = sum(n * value for n, value in zip(kept, scenario.values[0], strict=True))
        second = sum(n * value for n, value in zip(rest, scenario.values[1], strict=True))
        found[offer_index(*kept)] = (first, second)
    return dict(sorted(found.items()))


def dominated(point: tuple[int, int], others: set[tuple[int, int]]) -> bool:
    return any(a >= point[0] and b >= point[1] and (a, b) != point for a, b in others)


@settings(max_examples=150, deadline=None)
@given(scenarios)
def test_solutions_match_a_brute_force_search(scenario: Scenario) -> None:
    found, splits = solve(scenario), all_splits(scenario)
    assert {point.split: point.utilities for point in found.points} == splits
    reachable = set(splits.values())
    efficient = sorted((p for p in reachable if not dominated(p, reachable)), reverse=True)
    assert [point.utilities for point in found.pareto] == efficient
    assert all(found.pareto[i].split == min(s for s in splits if splits[s] == p) for i, p in enumerate(efficient))

    def first_best(score):
        return max(splits, key=lambda split: (score(splits[split]), -split))

    assert found.nash.split == first_best(lambda u: u[0] * u[1])
    assert found.utilitarian.split == first_best(sum)
    assert found.egalitarian.split == first_best(lambda u: (min(u), sum(u)))
    ideal = [max(u[player] for u in splits.values()) for player in (0, 1)]
    by_share = first_best(lambda u: (min(u[0] / ideal[0], u[1] / ideal[1]), sum(u)))
    assert found.kalai_smorodinsky.split == by_share


def test_every_solution_is_pareto_efficient_and_both_players_gain() -> None:
    table = solution_table()
    rows = np.arange(len(universe()))
    for name in ("nash", "kalai_smorodinsky", "egalitarian", "utilitarian"):
        assert table.pareto[rows, getattr(table, name)].all(), name
    assert (table.nash_product > 0).all()
    assert (table.utilities.max(axis=1) == 10).all()


def test_mirrored_instances_have_mirrored_solutions() -> None:
    for scenario in universe()[::97]:
        here, there = solve(scenario), solve(scenario.mirrored())
        assert {p.utilities for p in here.pareto} == {p.utilities[::-1] for p in there.pareto}
        assert here.nash.nash_product == there.nash.nash_product
        assert sorted(here.egalitarian.utilities) == sorted(there.egalitarian.utilities)


def test_table_agrees_with_the_rules_of_the_game() -> None:
    table = solution_table()
    pools = np.array([scenario.pool for scenario in universe()])
    np.testing.assert_array_equal(table.legal, (OFFERS[None] <= pools[:, None]).all(axis=-1))
    assert (table.pareto <= table.legal).all()
    assert (table.utilities[~table.legal] == 0).all() and (table.complement[~table.legal] == -1).all()
    row, split = np.nonzero(table.legal)
    back = table.complement[row, split]
    np.testing.assert_array_equal(OFFERS[split] + OFFERS[back], pools[row])
    with pytest.raises(ValueError, match="read-only"):
        table.pareto[0, 0] = True


def test_complement_says_what_is_wrong() -> None:
    assert complement((1, 2, 3), offer_index(0, 1, 2)) == offer_index(1, 1, 1)
    with pytest.raises(ValueError, match=r"keeps \(2, 0, 0\).*\(1, 2, 3\)"):
        complement((1, 2, 3), offer_index(2, 0, 0))
    for number in (-1, NUM_OFFERS):
        with pytest.raises(ValueError, match="0 to 119"):
            complement((1, 2, 3), number)


def test_solving_an_impossible_instance_names_the_rule() -> None:
    with pytest.raises(ScenarioError, match="worth 10"):
        solve(Scenario((1, 2, 3), ((9, 1, 0), (4, 0, 2))))


def plain_backward_induction(
    scenario: Scenario, max_turns: int, discount: float, prob_end: float
) -> tuple[float, float]:
    """The game tree walked node by node: slow and obvious."""
    splits = list(all_splits(scenario).values())

    @cache
    def before_offer(made: int) -> tuple[float, float]:
        mover, replier = made % 2, 1 - made % 2
        outcomes = [after_offer(made + 1, u) for u in splits]
        best = max(outcome[mover] for outcome in outcomes)
        ties = [outcome for outcome in outcomes if outcome[mover] > best - 1e-9]
        return max(ties, key=lambda outcome: outcome[replier])

    @cache
    def after_offer(made: int, offered: tuple[int, int]) -> tuple[float, float]:
        if made >= max_turns:
            return 0.0, 0.0
        replier = made % 2
        agreed = (offered[0] * discount ** (made - 1), offered[1] * discount ** (made - 1))
        refused = before_offer(made)
        reply = agreed if agreed[replier] >= refused[replier] - 1e-9 else refused
        lives = 1.0 if made == 1 else 1.0 - prob_end
        return lives * reply[0], lives * reply[1]

    return before_offer(0)


@settings(max_examples=60, deadline=None)
@given(
    scenarios,
    st.integers(1, 8),
    st.sampled_from([1.0, 0.9, 0.5, 0.0]),
    st.sampled_from([0.0, 0.1, 1.0]),
)
def test_subgame_perfect_values_match_the_tree(
    scenario: Scenario, max_turns: int, discount: float, prob_end: float
) -> None:
    values = subgame_perfect(scenario, max_turns=max_turns, discount=discount, prob_end=prob_end)
    assert values == pytest.approx(plain_backward_induction(scenario, max_turns, discount, prob_end))


def test_a_single_offer_can_never_be_accepted() -> None:
    assert (subgame_perfect_values([0, 1, 2], max_turns=1) == 0).all()


@pytest.mark.parametrize("bad", [{"max_turns": 0}, {"discount": 1.5}, {"discount": -0.1}, {"prob_end": 2.0}])
def test_subgame_perfect_values_refuse_bad_parameters(bad: dict) -> None:
    with pytest.raises(ValueError, match="max_turns"):
        subgame_perfect_values([0], **bad)
