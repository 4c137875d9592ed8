"""Pictures and texts of games."""

from __future__ import annotations

import builtins
from typing import Any

import numpy as np
import pytest

from rlkit.envs.negotiation.kernel import OUTCOMES
from rlkit.envs.negotiation.render import describe_game, render_game
from rlkit.envs.negotiation.rules import offer_index
from rlkit.envs.negotiation.scenarios import Scenario, universe

SCENARIO = Scenario((1, 2, 3), ((8, 1, 0), (4, 0, 2)))
ALL_BUT_A_BALL = offer_index(1, 2, 2)
BOOK_AND_HATS = offer_index(1, 2, 0)
BALLS = offer_index(0, 0, 3)


def draw(offers: list[int], outcome: str = "running", seat: int = 0, **more: Any) -> np.ndarray:
    pytest.importorskip("PIL", reason="Pillow is not installed")
    return render_game(SCENARIO, offers, seat, outcome, more.pop("opponent", "linear"), 10, **more)


def describe(offers: list[int], outcome: str = "running", seat: int = 0, **more: Any) -> str:
    return describe_game(SCENARIO, offers, seat, outcome, more.pop("opponent", "linear"), 10, **more)


def test_a_picture_is_a_fresh_array_of_pixels() -> None:
    first, second = draw([]), draw([])
    assert first.shape == (400, 640, 3) and first.dtype == np.uint8
    np.testing.assert_array_equal(first, second)
    first[:] = 0
    assert second.any() and second.flags.writeable


def test_what_happens_shows() -> None:
    """Each move, the result, the seat and the opponent's name change the picture."""
    pictures = [
        draw([]),
        draw([ALL_BUT_A_BALL]),
        draw([ALL_BUT_A_BALL, BALLS]),
        draw([ALL_BUT_A_BALL, BALLS], "deal"),
        draw([ALL_BUT_A_BALL, BALLS], "broken off"),
        draw([ALL_BUT_A_BALL, BALLS], "deal", seat=1),
        draw([ALL_BUT_A_BALL, BALLS], "deal", opponent="bayesian"),
        draw([ALL_BUT_A_BALL, BALLS], "deal", learner="player_0"),
        draw([ALL_BUT_A_BALL, BALLS], "deal", discount=0.9),
    ]
    assert len({picture.tobytes() for picture in pictures}) == len(pictures)


@pytest.mark.parametrize("outcome", OUTCOMES)
@pytest.mark.parametrize("seat", [0, 1])
def test_every_outcome_can_be_drawn_and_told(outcome: str, seat: int) -> None:
    draw([BOOK_AND_HATS], outcome, seat)
    assert describe([BOOK_AND_HATS], outcome, seat)


def test_long_games_and_long_names_stay_inside_the_picture() -> None:
    pytest.importorskip("PIL", reason="Pillow is not installed")
    for scenario in universe()[::1500]:
        offers = [offer_index(*scenario.pool), 0] * 15
        frame = render_game(scenario, offers, 1, "out of turns", "runs/x/" + "y" * 200, 30, learner="z" * 90)
        edges = np.concatenate([frame[:8].reshape(-1, 3), frame[:, :12].reshape(-1, 3), frame[:, -12:].reshape(-1, 3)])
        assert (edges == edges[0]).all()


def test_text_tells_offers_worths_and_result() -> None:
    text = describe([ALL_BUT_A_BALL, BALLS], "deal", opponent="boulware")
    assert "1 agent: 1 book, 2 hats, 2 balls (10) | boulware: 1 ball (2)" in text
    assert "2 boulware: 3 balls (6) | agent: 1 book, 2 hats (10)" in text
    assert "Deal after 2 offers: 10 : 6 points." in text
    assert "Pareto efficient. Nash product 60 of at most 60." in text
    assert "times 0.9" in describe([ALL_BUT_A_BALL, BALLS], "deal", discount=0.9)


def test_text_names_a_better_split_when_the_deal_wastes_points() -> None:
    text = describe([offer_index(1, 0, 3)], "deal")
    assert "8 : 0 points" in text and "Not efficient: 10 : 6 was better for both." in text
    text = describe([offer_index(1, 1, 0)], "deal")
    assert "Not efficient: 10 : 6 was better for agent." in text


def test_text_says_who_is_to_move_and_what_was_missed() -> None:
    assert "agent to move, turn 1 of 10." in describe([])
    assert "linear to move, turn 1 of 10." in describe([], seat=1)
    assert "nobody can accept it" in describe([ALL_BUT_A_BALL] * 9)
    text = describe([ALL_BUT_A_BALL] * 10, "out of turns")
    assert "No deal: all 10 offers made." in text and "10 : 6 was possible" in text
    assert "illegal action of linear" in describe([ALL_BUT_A_BALL], "illegal")


@pytest.mark.parametrize("outcome", ["running", "deal", "out of turns"])
def test_hidden_values_stay_hidden(outcome: str) -> None:
    """What a person who plays reads must be the same whatever the opponent's values are."""
    other = Scenario((1, 2, 3), ((8, 1, 0), (1, 0, 3)))
    offers = [ALL_BUT_A_BALL, BALLS]
    texts = {
        describe_game(scenario, offers, 0, outcome, "linear", 10, reveal=False).split(" points.")[0]
        for scenario in (SCENARIO, other)
    }
    if outcome == "deal":  # then the result tells them
        texts = {text.split("Deal")[0] for text in texts}
    assert len(texts) == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"outcome": "done"}, "outcome must be one of running"),
        ({"seat": 2}, "seat must be 0 or 1"),
        ({"offers": [119]}, "more than the pool"),
        ({"offers": [120]}, "0 to 119"),
        ({"offers": [], "outcome": "deal"}, "needs an offer"),
    ],
)
def test_impossible_games_are_refused(change: dict[str, Any], message: str) -> None:
    game = {"offers": [ALL_BUT_A_BALL], "seat": 0, "outcome": "running"} | change
    for show in (describe, draw):
        with pytest.raises(ValueError, match=message):
            show(**game)


def test_without_pillow_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    really_import = builtins.__import__

    def without_pillow(name: str, *arguments: Any, **more: Any) -> Any:
        if name.split(".")[0] == "PIL":
            raise ImportError(name)
        return really_import(name, *arguments, **more)

    monkeypatch.setattr(builtins, "__import__", without_pillow)
    with pytest.raises(ImportError, match=r"pip install 'pillow"):
        render_game(SCENARIO, [], 0, "running", "linear", 10)
    assert describe([])
