"""Bargaining in the terminal, with a person who types what people type."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rlkit.envs.negotiation.play import HELP, play
from rlkit.errors import UsageError


@pytest.fixture
def one_instance(tmp_path: Path) -> str:
    """Books worth 2, hats 3 and the ball nothing to who moves first; 1, 1 and 6 to the other."""
    path = tmp_path / "one.txt"
    path.write_text("2,2,1 2,3,0 1,1,6\n")
    return str(path)


def session(*lines: str, **settings: Any) -> tuple[list[str], list[str]]:
    """What was told, and the prompts; the person ends with end of file after the last line."""
    told: list[str] = []
    prompts: list[str] = []
    left = iter(lines)

    def ask(prompt: str) -> str:
        prompts.append(prompt)
        try:
            return next(left)
        except StopIteration:
            raise EOFError from None

    assert play(**{"opponent": "soft", "ask": ask, "tell": told.append, **settings}) == 0
    return told, prompts


def test_a_deal(one_instance: str) -> None:
    told, prompts = session("2 2 0", seat=0, games=1, scenarios=one_instance)
    assert told[0] == f"You bargain with soft. {HELP}"
    assert told[1] == "\nGame 1. On the table: 2 books, 2 hats, 1 ball. Worth to you: a book 2, a hat 3, a ball 0."
    assert told[2:] == [
        "Deal: 10 points to you, 6 to them.",
        "Worth to them: a book 1, a hat 1, a ball 6.",
        "After 1 game: you 10, they 6.",
    ]
    assert prompts == ["[offer 1 of 10] you keep> "]


@pytest.mark.parametrize("typed", ["agree", "a", "YES", "  Agree "])
def test_taking_their_offer(typed: str, one_instance: str) -> None:
    told, prompts = session(typed, seat=1, games=1, scenarios=one_instance)
    assert "They keep 1 book, 1 hat; you get 1 book, 1 hat, 1 ball: 8 points to you." in told
    assert "Deal: 8 points to you, 5 to them." in told
    assert prompts == ["[offer 2 of 10] you keep> "]


@pytest.mark.parametrize("typed", ["2 2 0", "2,2,0", "220", "2, 2, 0", " 2  2 0 "])
def test_offers_as_people_write_them(typed: str, one_instance: str) -> None:
    told, _ = session(typed, seat=0, games=1, scenarios=one_instance)
    assert "Deal: 10 points to you, 6 to them." in told


@pytest.mark.parametrize("typed", ["3 0 0", "0 0 2", "9 9 9", "900"])
def test_more_than_there_is(typed: str, one_instance: str) -> None:
    """Is told, and asked again."""
    told, prompts = session(typed, "2 2 0", seat=0, games=1, scenarios=one_instance)
    assert told.count("There is not so much on the table.") == 1
    assert len(prompts) == 2 and "Deal: 10 points to you, 6 to them." in told


@pytest.mark.parametrize("typed", ["", "hello", "2 2", "1 2 3 4", "-1 0 0", "2 2 x", "1.5 0 0", "12", "walk"])
def test_what_is_no_move_gets_help(typed: str, one_instance: str) -> None:
    told, _ = session(typed, "2 2 0", seat=0, games=1, scenarios=one_instance)
    assert told.count(HELP) == 1 and "Deal: 10 points to you, 6 to them." in told


def test_agreeing_to_nothing(one_instance: str) -> None:
    told, _ = session("agree", "2 2 0", seat=0, games=1, scenarios=one_instance)
    assert "There is no offer to agree to yet." in told


@pytest.mark.parametrize("lines", [("quit",), ("Q",), ("exit",), ()])
def test_leaving(lines: tuple[str, ...], one_instance: str) -> None:
    """By a word or by end of file, in the middle of a game that then does not count."""
    told, _ = session(*lines, seat=0, scenarios=one_instance)
    assert not any(line.startswith(("After", "Deal")) for line in told)


def test_games_go_on_until_the_person_leaves(one_instance: str) -> None:
    told, _ = session("2 2 0", "2 2 0", "2 2 0", seat=0, scenarios=one_instance)
    assert [line for line in told if line.startswith("After")] == [
        "After 1 game: you 10, they 6.",
        "After 2 games: you 20, they 12.",
        "After 3 games: you 30, they 18.",
    ]
    assert told[-1].startswith("\nGame 4.")


def test_no_deal(one_instance: str) -> None:
    told, prompts = session(*["2 2 1"] * 5, seat=0, games=1, opponent="hardliner", scenarios=one_instance)
    assert "No deal: nobody gets anything." in told and told[-1] == "After 1 game: you 0, they 0."
    assert len(prompts) == 5 and prompts[-1].startswith("[offer 9 of 10]")


def test_rules_of_the_run_hold(one_instance: str) -> None:
    """Fewer turns, points that melt, and a way out."""
    rules = {"max_turns": 4, "discount": 0.5, "walk_away": True}
    told, prompts = session("2 2 1", "1 1 1", seat=0, games=1, scenarios=one_instance, rules=rules)
    assert prompts[1] == "[offer 3 of 4] you keep> "
    assert "Deal: 1.25 points to you, 0.5 to them." in told  # (2 + 3) and (1 + 1), a quarter of each
    told, _ = session("walk", seat=0, games=1, scenarios=one_instance, rules=rules)
    assert "'walk' leaves without a deal." in told[0] and "No deal: nobody gets anything." in told


def test_a_seed_repeats_the_instances() -> None:
    def games(seed: int) -> list[str]:
        told, _ = session("0 0 0", "0 0 0", "0 0 0", seed=seed, seat=0)
        return [line for line in told if line.startswith("\nGame")]

    assert games(5) == games(5) != games(6)
    assert len(set(games(5))) == 4


def test_several_opponents_are_named() -> None:
    told, _ = session(opponent=["soft", "linear"])
    assert told[0].startswith("You bargain with soft or linear. ")


class Taker:
    """Anything with `act` can sit across the table."""

    def act(self, turns: Any) -> Any:
        return turns.action_masks[:, 120] * 120


def test_an_object_as_opponent(one_instance: str) -> None:
    told, _ = session("2 2 1", seat=0, games=1, opponent=Taker(), scenarios=one_instance)
    assert told[0].startswith("You bargain with Taker.") and "Deal: 10 points to you, 0 to them." in told


MISTAKES: dict[str, tuple[dict[str, Any], str]] = {
    "opponent": ({"opponent": "lineal"}, "unknown opponent 'lineal', did you mean 'linear'"),
    "path": ({"opponent": "runs/nothing"}, "unknown opponent 'runs/nothing'.*the path of a saved run"),
    "no opponent": ({"opponent": None}, "an opponent is a name, a path, or an object"),
    "seat": ({"seat": 3}, "seat must be"),
    "instances": ({"scenarios": "nowhere.txt"}, "cannot read scenarios from 'nowhere.txt'"),
    "seed": ({"seed": -1}, "Seed must be greater or equal to zero, actual value: -1"),
    "text as seed": ({"seed": "x"}, "Seed must be a python integer"),
    "games": ({"games": -1}, "games must be a whole number, 0 for no end; got -1"),
    "text as games": ({"games": "many"}, "games must be a whole number"),
    "rules": ({"rules": {"max_turns": 0}}, "max_turns must be"),
}


@pytest.mark.parametrize("mistake", list(MISTAKES))
def test_impossible_settings_are_told(mistake: str) -> None:
    settings, message = MISTAKES[mistake]

    def asked(prompt: str) -> str:
        pytest.fail("a game began")

    with pytest.raises(UsageError, match=message):
        play(**{"opponent": "soft", "ask": asked, "tell": lambda line: None, **settings})
