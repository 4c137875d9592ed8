"""The two-sided game for PettingZoo."""

from __future__ import annotations

import json
import subprocess
import sys
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rlkit.envs.negotiation.rules import AGREE, OFFERS, offer_index
from rlkit.envs.negotiation.scenarios import Scenario, ScenarioError, universe

pytest.importorskip("pettingzoo", reason="pettingzoo is not installed")

from pettingzoo.test import api_test, seed_test  # noqa: E402

from rlkit.envs.negotiation import aec_env  # noqa: E402

INSTANCE = ((1, 2, 3), (8, 1, 0), (4, 0, 2))
BOOK_AND_HATS = offer_index(1, 2, 0)
TOO_MANY = offer_index(2, 0, 0)

# PettingZoo's test knows dictionaries of observation and action mask only from its own environments.
ABOUT_DICTIONARIES = ("Observation is not a NumPy array", "Observation space for each agent probably should be")


@pytest.mark.parametrize("parameters", [{}, {"max_turns": 3, "discount": 0.9, "prob_end": 0.1}])
def test_pettingzoos_api_test_passes_without_other_warnings(parameters: dict) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        api_test(aec_env(**parameters), num_cycles=300)
    messages = [str(warning.message) for warning in caught]
    assert [message for message in messages if not message.startswith(ABOUT_DICTIONARIES)] == []


def test_pettingzoos_seed_test_passes() -> None:
    seed_test(lambda: aec_env(prob_end=0.2), num_cycles=200)


def test_a_deal_pays_both_sides() -> None:
    env = aec_env(discount=0.5)
    env.reset(seed=0, options={"scenario": INSTANCE})
    env.step(offer_index(1, 2, 2))
    assert env.agent_selection == "player_1" and env.rewards == {"player_0": 0, "player_1": 0}
    env.step(offer_index(0, 0, 3))
    assert not any(env.terminations.values())
    env.step(AGREE)
    assert env.rewards == {"player_0": 5.0, "player_1": 3.0}  # (10, 6) after two offers
    assert all(env.terminations.values()) and not any(env.truncations.values())
    ended = {"outcome": "deal", "agreement": True, "illegal": False}
    assert env.infos == {"player_0": ended, "player_1": ended}
    returns = {}
    for agent in env.agent_iter():
        _, returns[agent], *_ = env.last()
        env.step(None)
    assert returns == {"player_0": 5.0, "player_1": 3.0} and env.agents == []


def test_last_offer_cannot_be_accepted() -> None:
    env = aec_env(max_turns=2)
    env.reset(options={"scenario": INSTANCE})
    env.step(BOOK_AND_HATS)
    env.step(BOOK_AND_HATS)
    assert all(env.terminations.values()) and env.infos["player_0"]["outcome"] == "out of turns"
    assert env.rewards == {"player_0": 0.0, "player_1": 0.0}


@pytest.mark.parametrize("action", [TOO_MANY, AGREE])
def test_an_illegal_action_ends_the_game_and_is_told_of_the_one_who_took_it(action: int) -> None:
    env = aec_env()
    env.reset(options={"scenario": INSTANCE})
    assert env.observe("player_0")["action_mask"][action] == 0
    env.step(action)
    assert all(env.terminations.values())
    assert [env.infos[agent]["illegal"] for agent in env.possible_agents] == [True, False]
    assert env.rewards == {"player_0": 0.0, "player_1": 0.0}


def test_the_other_side_sees_its_own_values_and_has_no_legal_action() -> None:
    env = aec_env()
    env.reset(options={"scenario": INSTANCE})
    mine, theirs = env.observe("player_0"), env.observe("player_1")
    assert mine["action_mask"].sum() == 24 and theirs["action_mask"].sum() == 0
    differs = np.flatnonzero(mine["observation"] != theirs["observation"])
    assert len(differs) and differs.min() >= 36 and differs.max() < 69  # only the values' bits
    mine["observation"][:] = -1
    assert env.observe("player_0")["observation"].min() == 0


def test_games_are_drawn_from_the_seed_and_differ() -> None:
    def play(seed: int) -> list[bytes]:
        env = aec_env()
        env.reset(seed=seed)
        first = env.observe("player_0")["observation"].tobytes()
        env.reset()
        return [first, env.observe("player_0")["observation"].tobytes()]

    assert play(1) == play(1)
    assert len({*play(1), *play(2), *play(3)}) > 3


def test_random_ends_come_as_often_as_they_should() -> None:
    env = aec_env(prob_end=0.25)
    env.reset(seed=5)
    ended = 0
    for _ in range(600):
        env.reset()
        legal = np.flatnonzero(env.observe("player_0")["action_mask"])
        env.step(legal[0])
        assert not any(env.terminations.values())  # chance moves from the second offer on
        env.step(legal[0])
        ended += env.terminations["player_0"] and env.infos["player_0"]["outcome"] == "broken off"
    assert 110 <= ended <= 190  # 150 +- 4 standard deviations


def test_a_state_brings_the_game_back() -> None:
    env, twin = aec_env(prob_end=0.3), aec_env(prob_end=0.3)
    env.reset(seed=9)
    env.step(int(np.flatnonzero(env.observe("player_0")["action_mask"])[5]))
    twin.set_state(env.get_state())
    for _ in range(30):
        assert env.agents == twin.agents and env.infos == twin.infos and env.rewards == twin.rewards
        if not env.agents:
            env.reset()
            twin.reset()
        for agent in env.agents:
            for name, array in env.observe(agent).items():
                np.testing.assert_array_equal(array, twin.observe(agent)[name])
        dead = env.terminations[env.agent_selection]
        legal = np.flatnonzero(env.observe(env.agent_selection)["action_mask"])
        for one in (env, twin):
            one.step(None if dead else int(legal[0]))


def test_state_is_plain_data() -> None:
    env = aec_env()
    env.reset(seed=1)
    state = env.get_state()
    plain = {name: value for name, value in state.items() if not isinstance(value, np.ndarray)}
    assert json.loads(json.dumps(plain)) == plain
    state["offers"][:] = 7
    assert env.get_state()["offers"].sum() == 0


@pytest.mark.parametrize("scenario", [Scenario(INSTANCE[0], INSTANCE[1:]), [list(part) for part in INSTANCE]])
def test_an_instance_may_be_given_in_several_forms(scenario: object) -> None:
    env, plain = aec_env(), aec_env()
    env.reset(options={"scenario": scenario})
    plain.reset(options={"scenario": INSTANCE})
    seen, expected = env.observe("player_1"), plain.observe("player_1")
    np.testing.assert_array_equal(seen["observation"], expected["observation"])


@pytest.mark.parametrize(
    ("scenario", "message"),
    [
        (((1, 2, 3), (9, 1, 0), (4, 0, 2)), "worth 10"),
        (((1, 2), (8, 1), (4, 0)), "3 whole numbers"),
        (((0, 2, 5), (0, 0, 2), (0, 5, 0)), "at least once"),
        (((1, 2, 3), (8, 1, 0)), "scenario is"),
        ("nonsense", "scenario is|3 whole numbers"),
        (5.5, "scenario is"),
    ],
)
def test_impossible_instances_are_refused(scenario: object, message: str) -> None:
    env = aec_env()
    with pytest.raises(ValueError, match=message):
        env.reset(options={"scenario": scenario})


def test_a_broken_instance_leaves_the_game_as_it_was() -> None:
    env = aec_env()
    env.reset(seed=1, options={"scenario": INSTANCE})
    env.step(BOOK_AND_HATS)
    before = env.get_state()
    with pytest.raises(ScenarioError):
        env.reset(seed=2, options={"scenario": ((1, 2, 3), (9, 1, 0), (4, 0, 2))})
    after = env.get_state()
    np.testing.assert_array_equal(before.pop("offers"), after.pop("offers"))
    np.testing.assert_array_equal(before.pop("streams"), after.pop("streams"))
    assert before == after


def test_a_mistyped_option_is_refused() -> None:
    with pytest.raises(ValueError, match="did you mean 'scenario'"):
        aec_env().reset(options={"scenarios": INSTANCE})


@pytest.mark.parametrize("action", [-1, 121, 3.0, "3", None, [3], np.array([3]), True, np.nan])
def test_nonsense_actions_are_refused(action: object) -> None:
    env = aec_env()
    env.reset(options={"scenario": INSTANCE})
    with pytest.raises(ValueError, match="whole number from 0 to 120"):
        env.step(action)
    env.step(BOOK_AND_HATS)  # and the game goes on


@pytest.mark.parametrize(
    "bad",
    [
        {"max_turns": 1},
        {"max_turns": 2.5},
        {"discount": 0.0},
        {"discount": 1.1},
        {"prob_end": 1.0},
        {"prob_end": -0.1},
        {"render_mode": "human"},
    ],
)
def test_bad_parameters_are_refused(bad: dict) -> None:
    with pytest.raises(ValueError, match=next(iter(bad))):
        aec_env(**bad)


def test_stepping_without_a_game_says_to_reset() -> None:
    with pytest.raises(RuntimeError, match="reset"):
        aec_env().step(0)


def test_unknown_agents_are_refused() -> None:
    env = aec_env()
    env.reset()
    with pytest.raises(ValueError, match="player_0"):
        env.observe("alice")


def test_games_can_be_rendered() -> None:
    env = aec_env(render_mode="ansi")
    env.reset(options={"scenario": INSTANCE})
    env.step(BOOK_AND_HATS)
    assert "player_0: 1 book, 2 hats (10) | player_1: 3 balls (6)" in env.render()
    pytest.importorskip("PIL", reason="Pillow is not installed")
    env = aec_env(render_mode="rgb_array")
    env.reset()
    assert env.render().shape == (400, 640, 3)
    assert aec_env().render() is None


def test_without_pettingzoo_the_error_says_what_to_install() -> None:
    code = (
        "import sys; sys.modules['pettingzoo'] = None\n"
        "import rlkit.envs.negotiation as n\n"
        "try: n.aec_env()\n"
        "except ImportError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "pip install 'pettingzoo" in done.stdout


def play(scenario: Scenario, moves: list[float], agree_after: int) -> tuple[list[int], dict[str, float]]:
    """A game in which each number picks one of the legal offers; agreement after so many."""
    env = aec_env(max_turns=6)
    env.reset(options={"scenario": scenario})
    made: list[int] = []
    for move in moves[:agree_after]:
        legal = np.flatnonzero(env.observe(env.agent_selection)["action_mask"][:AGREE])
        made.append(int(legal[int(move * len(legal))]))
        env.step(made[-1])
    env.step(AGREE)
    return made, dict(env.rewards)


scenarios = st.integers(0, len(universe()) - 1).map(lambda index: universe()[index])
choices = st.lists(st.floats(0, 1, exclude_max=True), min_size=5, max_size=5)


@settings(max_examples=60, deadline=None)
@given(scenarios, choices, st.integers(1, 5))
def test_items_are_conserved(scenario: Scenario, moves: list[float], agree_after: int) -> None:
    """What one side gets and what the other gets is the pool, each at its own values."""
    made, rewards = play(scenario, moves, agree_after)
    proposer = (len(made) - 1) % 2
    kept = OFFERS[made[-1]].astype(int)
    rest = np.array(scenario.pool) - kept
    assert (rest >= 0).all()
    values = np.array(scenario.values)
    shares = (kept, rest) if proposer == 0 else (rest, kept)
    assert rewards["player_0"] == shares[0] @ values[0]
    assert rewards["player_1"] == shares[1] @ values[1]


@settings(max_examples=60, deadline=None)
@given(scenarios, choices, st.integers(1, 5))
def test_swapping_the_values_changes_only_the_values(scenario: Scenario, moves: list[float], agree_after: int) -> None:
    """The same moves with swapped values: each side gets what the other's values made of its items."""
    made, rewards = play(scenario, moves, agree_after)
    again, swapped = play(scenario.mirrored(), moves, agree_after)
    assert made == again  # what is legal does not depend on the values
    equal_values = scenario.values[0] == scenario.values[1]
    if equal_values:
        assert rewards == swapped
    kept = OFFERS[made[-1]].astype(int)
    first = kept if len(made) % 2 else np.array(scenario.pool) - kept
    assert swapped["player_0"] == first @ np.array(scenario.values[1])


@settings(max_examples=40, deadline=None)
@given(scenarios, st.integers(0, AGREE), st.booleans())
def test_the_mask_is_what_is_legal(scenario: Scenario, action: int, after_an_offer: bool) -> None:
    env = aec_env()
    env.reset(options={"scenario": scenario})
    if after_an_offer:
        env.step(0)
    agent = env.agent_selection
    allowed = env.observe(agent)["action_mask"][action]
    env.step(action)
    if allowed:
        assert not any(info.get("illegal") for info in env.infos.values())
    else:
        assert env.infos[agent]["illegal"]
    fits = action == AGREE and after_an_offer
    if action != AGREE:
        fits = bool((OFFERS[action] <= scenario.pool).all())
    assert bool(allowed) == fits
