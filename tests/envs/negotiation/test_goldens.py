"""Figures of the game that were measured independently of this package, as golden tests."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rlkit.envs.negotiation.scenarios import Scenario, load_scenarios, scenario_index, universe
from rlkit.envs.negotiation.solutions import solution_table, subgame_perfect_values

SELFPLAY = Path(__file__).parents[3].parent / "shared/data/deal_or_no_deal/selfplay.txt"


def openspiel_instances() -> np.ndarray:
    """The 1,000 instances compiled into OpenSpiel, through its chance outcomes."""
    pyspiel = pytest.importorskip("pyspiel", reason="open-spiel is not installed")
    start = pyspiel.load_game("bargaining").new_initial_state()
    indices = []
    for outcome, _ in start.chance_outcomes():
        drawn = start.child(outcome).instance()
        first, second = drawn.values
        indices.append(scenario_index(Scenario(tuple(drawn.pool), (tuple(first), tuple(second)))))
    return np.array(indices)


def selfplay_instances() -> np.ndarray:
    """The contexts collected from people; they are not part of this repository."""
    if not SELFPLAY.exists():
        pytest.skip("selfplay.txt is not beside the checkout (../shared/data/deal_or_no_deal/selfplay.txt)")
    return load_scenarios(SELFPLAY)


SETS = {"openspiel": openspiel_instances, "selfplay": selfplay_instances}


@pytest.fixture(params=SETS)
def named_set(request: pytest.FixtureRequest) -> tuple[str, np.ndarray]:
    return request.param, SETS[request.param]()


# n, splits mean and max, Pareto points mean and max, max joint, Nash product, joint at Nash, max-min,
# percent of (instance, player) with a worthless item, percent of instances with one Nash utility point
REFERENCES = {
    "openspiel": (1000, 21.7, 36, 4.35, 11, 15.122, 56.12, 15.059, 6.604, 58.3, 88.3),
    "selfplay": (4086, 20.0, 32, 4.37, 11, 15.008, 55.29, 14.946, 6.542, 57.7, 90.6),
}


def utility_points(indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How many distinct utility points are Pareto efficient, and how many have the largest Nash product."""
    table = solution_table()
    efficient, best = [], []
    for row in indices:
        points = np.unique(table.utilities[row][table.pareto[row]], axis=0)
        efficient.append(len(points))
        best.append(int((points.prod(axis=1) == table.nash_product[row]).sum()))
    return np.array(efficient), np.array(best)


def test_references_of_the_published_sets(named_set: tuple[str, np.ndarray]) -> None:
    name, rows = named_set
    table = solution_table()
    n, splits, most_splits, pareto, most_pareto, joint, product, joint_nash, max_min, worthless, unique = REFERENCES[
        name
    ]
    legal, utilities = table.legal[rows], table.utilities[rows].astype(int)
    efficient, best = utility_points(rows)
    at_nash = utilities[np.arange(len(rows)), table.nash[rows]]
    values = np.array([universe()[row].values for row in rows])
    assert len(rows) == n
    assert (round(legal.sum(axis=1).mean(), 1), legal.sum(axis=1).max()) == (splits, most_splits)
    assert (round(efficient.mean(), 2), efficient.max()) == (pareto, most_pareto)
    assert round(utilities.sum(axis=2).max(axis=1).mean(), 3) == joint
    assert round(table.nash_product[rows].mean(), 2) == product
    assert round(at_nash.sum(axis=1).mean(), 3) == joint_nash
    assert round(utilities.min(axis=2).max(axis=1).mean(), 3) == max_min
    assert round(100 * (values == 0).any(axis=2).mean(), 1) == worthless
    assert round(100 * (best == 1).mean(), 1) == unique


@pytest.mark.parametrize(
    ("name", "max_turns", "discount", "expected"),
    [
        ("openspiel", 10, 1.0, (10.000, 2.915)),
        ("openspiel", 11, 1.0, (2.680, 10.000)),
        ("openspiel", 10, 0.9, (9.543, 4.207)),
        ("selfplay", 10, 1.0, (10.000, 2.143)),
        ("selfplay", 11, 1.0, (2.570, 10.000)),
        ("selfplay", 10, 0.9, (9.508, 3.737)),
    ],
)
def test_subgame_perfect_values_of_the_first_400(
    name: str, max_turns: int, discount: float, expected: tuple[float, float]
) -> None:
    rows = SETS[name]()[:400]
    values = subgame_perfect_values(rows, max_turns=max_turns, discount=discount)
    # Half a thousandth for the rounding of the golden, and exact halves may round either way.
    assert values.mean(axis=0) == pytest.approx(expected, abs=5.1e-4)


def test_the_universe_is_counted() -> None:
    scenarios = universe()
    assert len(set(scenarios)) == len(scenarios) == 5793
    assert len({scenario.pool for scenario in scenarios}) == 31
    assert len({(s.pool, values) for s in scenarios for values in s.values}) == 492
    assert len({(s.pool, min(s.values), max(s.values)) for s in scenarios}) == 2961
    assert max(max(scenario.pool) for scenario in scenarios) == 5


def test_published_sets_share_instances() -> None:
    shared = set(openspiel_instances().tolist()) & set(selfplay_instances().tolist())
    assert len(shared) == 689


def test_a_uniform_split_is_worth_exactly_half_to_everyone() -> None:
    table = solution_table()
    totals = table.utilities.sum(axis=1, dtype=np.int64)
    assert (totals == 5 * table.legal.sum(axis=1)[:, None]).all()
