"""Judgements of bargainers: games by hand, bounds that nobody exceeds, tables."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rlkit.envs.negotiation.env import NegotiationEnv
from rlkit.envs.negotiation.evaluation import (
    AGENT,
    SETTINGS,
    clairvoyant_bound,
    evaluate,
    markdown,
    play_games,
    ranking,
)
from rlkit.envs.negotiation.opponents import OPPONENTS
from rlkit.envs.negotiation.partners import Turns
from rlkit.envs.negotiation.rules import NUM_OFFERS
from rlkit.envs.negotiation.scenarios import Scenario, load_scenarios, scenario_index, universe
from rlkit.errors import UsageError

DETERMINISTIC = [name for name in OPPONENTS if name != "random"]
TWO = np.array(
    [
        scenario_index(Scenario((2, 2, 1), ((2, 3, 0), (1, 1, 6)))),
        scenario_index(Scenario((1, 2, 3), ((8, 1, 0), (4, 0, 2)))),
    ],
    dtype=np.int32,
)
SOME = np.random.default_rng(0).choice(len(universe()), 40, replace=False).astype(np.int32)


def test_two_soft_bargainers_by_hand() -> None:
    """The first to move asks for the cheapest five points and gets them.

    First instance: a book and a hat (5) leave 1 + 1 + 6. Second: the book (8) leaves 3 balls (6). In both, the mover
    could have had more without harm to the other.
    """
    games = play_games("soft", ["soft"], TWO, {})
    np.testing.assert_array_equal(games.utility, [[[5, 8], [8, 6]]])
    np.testing.assert_array_equal(games.partner_utility, [[[8, 6], [5, 8]]])
    summary = games.summary([0])
    assert (summary["utility"], summary["partner_utility"]) == (6.75, 6.75)
    assert (summary["agreement"], summary["pareto_share"], summary["turns"]) == (1.0, 0.0, 1.0)


def test_hardliner_against_soft_by_hand() -> None:
    """First, it asks for all it values and gets 10 (leaving 6 each time).

    Second, it is offered 8 and asks for everything, which soft refuses to the end; and is offered 6 and asks for the
    book and the balls, leaving 2.
    """
    games = play_games("hardliner", ["soft"], TWO, {})
    np.testing.assert_array_equal(games.utility, [[[10, 10], [0, 10]]])
    np.testing.assert_array_equal(games.partner_utility, [[[6, 6], [0, 2]]])
    np.testing.assert_array_equal(games.turns, [[[1, 1], [10, 2]]])
    summary = games.summary([0])
    assert (summary["utility"], summary["partner_utility"], summary["agreement"]) == (7.5, 3.5, 0.75)
    assert (summary["pareto_share"], summary["turns"]) == (1.0, 3.5)


def test_nothing_can_be_said_of_deals_that_there_are_not() -> None:
    summary = play_games("hardliner", ["hardliner"], TWO[:1], {}).summary([0])
    assert summary["utility"] == summary["agreement"] == 0.0 and summary["interval"] == [0.0, 0.0]
    assert summary["pareto_share"] is None


@pytest.mark.parametrize("player", ["linear", "tit_for_tat", "bayesian"])
def test_many_games_at_once_are_games_one_by_one(player: str) -> None:
    names = ["boulware", "rule", "bluffer"]
    rules = {"max_turns": 7, "discount": 0.9}
    games = play_games(player, names, SOME[:5], rules)
    for entry, name in enumerate(names):
        for seat in (0, 1):
            env = NegotiationEnv(opponent=name, seat=seat, **rules)
            for column, index in enumerate(SOME[:5]):
                env.reset(options={"scenario": int(index)})
                over, info = False, {}
                while not over:
                    _, _, over, _, info = env.step(env.suggest(player))
                place = entry, seat, column
                assert games.utility[place] == pytest.approx(info["utility"])
                assert games.partner_utility[place] == pytest.approx(info["partner_utility"])
                assert (games.agreement[place], games.turns[place]) == (info["agreement"], info["turns"])


class Greedy:
    """Always keeps everything, and notes what it was shown."""

    def __init__(self) -> None:
        self.turns: list[Turns] = []

    def act(self, turns: Turns) -> np.ndarray:
        self.turns.append(turns)
        return NUM_OFFERS - 1 - turns.action_masks[:, NUM_OFFERS - 1 :: -1].argmax(1)


def test_a_player_is_asked_about_games_that_count_alone() -> None:
    """Two offers in each of eight games; the batch begins new ones, which are nobody's business."""
    greedy = Greedy()
    games = play_games(greedy, ["soft", "hardliner"], TWO, {"max_turns": 4})
    assert (games.turns == 4).all() and not games.agreement.any()
    rows = np.concatenate([turns.rows for turns in greedy.turns])
    assert np.bincount(rows).tolist() == [2] * 8
    for turns in greedy.turns:
        assert len(turns.observations) == len(turns.action_masks) == len(turns.uniforms) == len(turns.rows)


@pytest.mark.parametrize("rules", [{}, {"max_turns": 2}, {"max_turns": 3, "discount": 0.8}, {"discount": 0.9}])
def test_no_bot_exceeds_the_clairvoyant_bound(rules: dict[str, Any]) -> None:
    """In no single game, in either seat: all deterministic bots against each other."""
    bound = clairvoyant_bound(DETERMINISTIC, SOME, **rules)
    assert bound.shape == (len(DETERMINISTIC), 2, len(SOME))
    assert bound.max() <= 10 and bound.mean() > 3
    for player in OPPONENTS:
        utility = play_games(player, DETERMINISTIC, SOME, rules).utility
        assert (utility <= bound + 1e-9).all(), player


def test_the_bound_is_reached_by_who_knows_when_to_ask() -> None:
    """Against soft, first to move: all that leaves it two points, at once."""
    bound = clairvoyant_bound(["soft"], TWO)
    assert bound[0, 0].tolist() == [10.0, 10.0]
    assert clairvoyant_bound(["hardliner"], TWO)[0].tolist() == [[0.0, 2.0], [6.0, 6.0]]
    # hardliner: first instance, its 10 are everything it can have (all items, or books and hats); the rest is 0 or 6


def test_the_bound_against_random_is_the_best_replys_value() -> None:
    """Two turns by hand: one offer, taken with chance 1 / (splits + 1); or the mean of the bot's only offer."""
    indices = load_scenarios("all")[::50]
    bound = clairvoyant_bound(["random"], indices, max_turns=2)[0]
    splits = np.array([np.prod(np.array(universe()[index].pool) + 1) for index in indices])
    np.testing.assert_allclose(bound[0], 10 / (splits + 1))
    np.testing.assert_allclose(bound[1], 5.0)


def test_no_bot_exceeds_the_bound_against_random_on_average() -> None:
    indices = load_scenarios("test")[::3]
    bound = clairvoyant_bound(["random"], indices)[0].mean(1)
    for player in OPPONENTS:
        utility = play_games(player, ["random"], indices, {}).utility[0]
        error = utility.std(1) / np.sqrt(len(indices))
        assert (utility.mean(1) < bound + 4 * error).all(), player


def test_mirrored_instances_are_resampled_together() -> None:
    """The same contexts with the seats swapped are one sample: twice the games make the interval no narrower."""
    indices = load_scenarios("all")[::90]
    mirrored = np.array([scenario_index(universe()[i].mirrored()) for i in indices], dtype=np.int32)
    once, twice = (play_games("linear", ["rule"], i, {}) for i in (indices, np.concatenate([indices, mirrored])))
    assert once.groups.tolist() == twice.groups[: len(indices)].tolist() == twice.groups[len(indices) :].tolist()
    low, high = once.summary([0])["interval"]
    assert twice.summary([0])["interval"] == pytest.approx([low, high], abs=0.15)
    assert low < once.summary([0])["utility"] < high


@pytest.fixture(scope="module")
def judgement(instances: Path) -> dict[str, Any]:
    arguments = {"opponent": ["linear", "soft", "rule"], "scenarios": str(instances), "max_turns": 8, "seat": "random"}
    return evaluate(Greedy(), arguments)


def test_judgement_has_the_agent_and_every_bot(judgement: dict[str, Any]) -> None:
    assert list(judgement["players"]) == [AGENT, *OPPONENTS]
    assert judgement["pool"] == ["soft", "linear", "rule"]
    assert judgement["held_out"] == [name for name in OPPONENTS if name not in judgement["pool"]]
    assert judgement["instances"] == 4
    assert json.loads(json.dumps(judgement)) == judgement
    for found in judgement["players"].values():
        each = [found["opponents"][name]["utility"] for name in judgement["pool"]]
        assert found["pool"]["utility"] == pytest.approx(np.mean(each))
        for entry in found["opponents"].values():
            assert entry["utility"] == pytest.approx(np.mean(entry["by_seat"]))
        low, high = found["pool"]["interval"]
        assert low <= found["pool"]["utility"] <= high
        assert found["pool"]["utility"] <= judgement["bound"]["pool"] + 1e-9


def test_judgement_as_tables(judgement: dict[str, Any]) -> None:
    text = markdown(judgement)
    assert "4 instances" in text and "played from both seats against soft, linear, rule" in text
    order = ranking(judgement)
    utilities = [judgement["players"][name]["pool"]["utility"] for name in order]
    assert utilities == sorted(utilities, reverse=True)
    first = [line.split("|")[1].strip().strip("*") for line in text.splitlines() if line.startswith("|")]
    assert first[2 : 2 + len(order)] == order  # after the header
    rows = {line.split("|")[1].strip(): line for line in text.splitlines()[: 4 + len(order)] if line.startswith("|")}
    found = judgement["players"]["rule"]["pool"]
    assert f"{found['utility']:.3f}" in rows["rule"] and f"{found['interval'][0]:.3f} to" in rows["rule"]
    assert "**agent**" in rows
    assert text.count("clairvoyant bound") == 2
    widths = {len(line) for line in text.splitlines() if line.startswith("|") and "hardliner" in line}
    assert len(widths) <= 2  # columns are aligned in each of the two tables


def test_settings_of_a_judgement(instances: Path) -> None:
    """As from the command line: other opponents, instances, no bots; one name is a list of one."""
    assert set(SETTINGS) == {"opponents", "scenarios", "bots"}
    arguments = {"opponent": "linear", "scenarios": "test", "max_turns": 4, "walk_away": True}
    for opponents in ("bluffer", ["bluffer"]):
        found = evaluate(Greedy(), arguments, opponents=opponents, scenarios=str(instances), bots=False)
        assert list(found["players"]) == [AGENT]
        assert (found["opponents"], found["pool"], found["held_out"]) == (["bluffer"], ["bluffer"], [])
        assert found["scenarios"] == str(instances)
        assert "held out" not in markdown(found)


def test_partners_of_the_training_are_not_needed(instances: Path, tmp_path: Path) -> None:
    """A saved run it was trained against may be gone by now."""
    arguments = {"opponent": {str(tmp_path / "gone"): 1.0, "soft": 1.0}, "scenarios": str(instances)}
    assert evaluate(Greedy(), arguments, bots=False)["pool"] == ["soft"]


def test_a_stranger_to_every_bot_is_judged_on_all(instances: Path, tmp_path: Path) -> None:
    arguments = {"opponent": str(tmp_path / "gone"), "scenarios": str(instances)}
    found = evaluate(Greedy(), arguments, bots=False)
    assert found["pool"] == list(OPPONENTS) and found["held_out"] == []


MISTAKES: dict[str, tuple[dict[str, Any], str]] = {
    "opponent": (
        {"opponents": ["lineal"]},
        r"unknown opponent 'lineal': did you mean 'linear'\? \(there are: bay",
    ),
    "number": ({"opponents": [3]}, "unknown opponent '3'"),
    "file": ({"scenarios": "nowhere.txt"}, "cannot read scenarios from 'nowhere.txt': No such file"),
    "bots": ({"bots": "perhaps"}, "bots must be true or false, got 'perhaps'"),
}


@pytest.mark.parametrize("mistake", list(MISTAKES))
def test_impossible_settings_are_told(mistake: str, instances: Path) -> None:
    settings, message = MISTAKES[mistake]
    with pytest.raises(UsageError, match=message):
        evaluate(Greedy(), {"scenarios": str(instances)}, **settings)


def test_lines_of_a_file_that_break_a_rule_are_told(tmp_path: Path) -> None:
    path = tmp_path / "bad.txt"
    path.write_text("1,2,3 8,1,0 4,0,2\n1,2,3 8,1,0 4,0,3\n")
    with pytest.raises(UsageError, match=r"bad.txt, line 2: the pool must be worth 10 to each player, got 13"):
        evaluate(Greedy(), {}, scenarios=str(path))


def test_real_contexts_can_be_judged_on(human_contexts: Path) -> None:
    found = evaluate(Greedy(), {"scenarios": str(human_contexts)}, opponents=["soft"], bots=False)
    assert found["instances"] > 1_000 and 0 <= found["players"][AGENT]["pool"]["utility"] <= 10
