"""The environment as its users see it."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rlkit.envs.negotiation.env import NegotiationEnv
from rlkit.envs.negotiation.kernel import OUTCOMES
from rlkit.envs.negotiation.opponents import OPPONENTS
from rlkit.envs.negotiation.partners import Turns
from rlkit.envs.negotiation.rules import AGREE, OFFERS, WALK_AWAY, offer_index
from rlkit.envs.negotiation.scenarios import Scenario, universe
from rlkit.envs.negotiation.vector import NegotiationVectorEnv

SCENARIO = ((1, 2, 3), (8, 1, 0), (4, 0, 2))


def test_observation_layout() -> None:
    env = NegotiationEnv(opponent="hardliner", seat=1)
    observation, info = env.reset(seed=0, options={"scenario": SCENARIO})
    assert observation[0] == 0 and observation[1:12].tolist() == [0, 1] + [0] * 9
    assert observation[12:20].tolist() == [1, 1, 0, 0, 0, 0, 0, 0]  # one book
    assert observation[20:28].tolist() == [1, 1, 1, 0, 0, 0, 0, 0]  # two hats
    assert observation[36:47].tolist() == [1] * 5 + [0] * 6  # a book is worth 4 to the second player
    assert observation[69:77].tolist() == [1, 1, 0, 0, 0, 0, 0, 0]  # the hardliner keeps the book
    assert info["action_mask"][AGREE]


def test_agreement_pays_both_and_discounts() -> None:
    env = NegotiationEnv(opponent="soft", seat=0, discount=0.5)
    env.reset(seed=0, options={"scenario": SCENARIO})
    env.step(offer_index(1, 2, 3))  # nothing for the other: refused
    _, reward, terminated, _, info = env.step(offer_index(1, 2, 0))
    assert terminated and info["agreement"] and info["turns"] == 3
    assert reward == info["utility"] == 10 * 0.25 and info["partner_utility"] == 6 * 0.25
    assert info["pareto"] and info["nash_gap"] == 0.0 and info["is_success"]
    assert OUTCOMES[info["outcome"]] == "deal"


def test_running_out_of_turns_pays_nothing() -> None:
    env = NegotiationEnv(opponent="hardliner", seat=0, max_turns=3)
    env.reset(seed=0, options={"scenario": SCENARIO})
    env.step(offer_index(1, 0, 0))
    _, reward, terminated, truncated, info = env.step(offer_index(1, 0, 0))
    assert terminated and not truncated and reward == 0 and not info["agreement"]
    assert info["nash_gap"] == 1.0 and OUTCOMES[info["outcome"]] == "out of turns"


def test_illegal_offers_end_or_raise() -> None:
    env = NegotiationEnv(seat=0)
    env.reset(seed=0, options={"scenario": SCENARIO})
    _, reward, terminated, _, info = env.step(offer_index(2, 0, 0))
    assert terminated and reward == 0 and info["illegal"] and info["partner_utility"] == 0
    strict = NegotiationEnv(seat=0, illegal="error")
    strict.reset(seed=0, options={"scenario": SCENARIO})
    with pytest.raises(ValueError, match=r"keeps 2 books,.*pool of 1 book, 2 hats, 3 balls.*Legal actions: \[0, 1"):
        strict.step(offer_index(2, 0, 0))
    with pytest.raises(ValueError, match="agreeing before any offer"):
        strict.step(AGREE)
    strict.step(offer_index(1, 0, 0))  # nothing was lost


def test_walking_away() -> None:
    env = NegotiationEnv(seat=0, walk_away=True)
    assert env.action_space.n == 122
    _, info = env.reset(seed=0)
    assert info["action_mask"][WALK_AWAY]
    _, reward, terminated, _, info = env.step(WALK_AWAY)
    assert terminated and reward == 0 and OUTCOMES[info["outcome"]] == "walked away" and not info["illegal"]
    plain = NegotiationEnv(seat=0)
    plain.reset(seed=0)
    with pytest.raises(ValueError, match="from 0 to 120"):
        plain.step(WALK_AWAY)


def test_random_end_has_its_probability() -> None:
    """Hardliners never agree: a game goes on after the n-th offer (n >= 2) with probability 0.8."""
    envs = NegotiationVectorEnv(8_000, opponent="hardliner", seat=0, prob_end=0.2, autoreset_mode="same_step")
    envs.reset(seed=0)
    broken = np.zeros(8_000, dtype=bool)
    _, _, terminated, _, infos = envs.step(envs.suggest("hardliner"))
    broken = terminated
    assert (infos["final_info"]["turns"][broken] == 2).all()
    assert abs(broken.mean() - 0.2) < 4 * np.sqrt(0.16 / 8_000)


@pytest.mark.parametrize("seat", [0, 1, "random"])
def test_seats(seat: Any) -> None:
    envs = NegotiationVectorEnv(400, seat=seat, opponent="linear")
    observations, _ = envs.reset(seed=0)
    second = envs.seats == 1
    np.testing.assert_array_equal(observations[:, 2] == 1, second)
    assert {0: 0.0, 1: 1.0}.get(seat, pytest.approx(0.5, abs=0.12)) == second.mean()


def test_mixture_has_its_weights_and_names() -> None:
    envs = NegotiationVectorEnv(4_000, opponent={"soft": 3, "hardliner": 1}, seat=0, autoreset_mode="same_step")
    envs.reset(seed=0)
    assert envs.opponent_names == ("soft", "hardliner")
    entries = envs.get_state()["task"]["games"][:, 3]
    assert abs((entries == 0).mean() - 0.75) < 0.03


class Recorder:
    """An opponent of the user's own: takes anything, and remembers what it was shown."""

    def __init__(self) -> None:
        self.seen: list[Turns] = []

    def act(self, turns: Turns) -> np.ndarray:
        self.seen.append(turns)
        return np.where(turns.action_masks[:, AGREE], AGREE, 0)


def test_python_opponents_are_asked_in_their_turn() -> None:
    recorder = Recorder()
    envs = NegotiationVectorEnv(8, opponent=recorder, autoreset_mode="disabled")
    envs.reset(seed=0)
    first = recorder.seen[0]
    assert set(first.rows) == set(np.flatnonzero(envs.seats == 1))
    assert not first.action_masks[:, AGREE].any() and first.observations.shape == (len(first.rows), 93)
    everything = envs.action_masks()[:, :120] @ np.eye(120, dtype=int)
    actions = np.array([np.flatnonzero(row)[OFFERS[np.flatnonzero(row)].sum(1).argmax()] for row in everything])
    _, rewards, terminated, _, infos = envs.step(actions)
    assert terminated.all() and (rewards == 10).all() and (infos["partner_utility"] == 0).all()
    assert ((first.uniforms >= 0) & (first.uniforms < 1)).all()


class Echo:
    """A scripted bot behind the Python protocol, to compare the two ways."""

    def __init__(self, envs: NegotiationVectorEnv) -> None:
        self.envs = envs

    def act(self, turns: Turns) -> np.ndarray:
        # Half of the pool is enough; else ask for everything.
        offers = [OFFERS[mask[:120].nonzero()[0]].sum(1).argmax() for mask in turns.action_masks]
        return np.array([mask[:120].nonzero()[0][best] for mask, best in zip(turns.action_masks, offers, strict=True)])


@pytest.mark.parametrize("bad", [np.zeros(1), np.array([500]), np.zeros((1, 1), int), None])
def test_python_opponents_that_misbehave(bad: Any) -> None:
    class Bad:
        def act(self, turns: Turns) -> Any:
            return bad

    with pytest.raises(ValueError, match="Bad.act must return"):
        NegotiationVectorEnv(1, opponent=Bad(), seat=1).reset(seed=0)


def test_illegal_python_opponent_ends_the_game() -> None:
    class Agrees:
        def act(self, turns: Turns) -> np.ndarray:
            return np.full(len(turns.rows), 119)

    envs = NegotiationVectorEnv(2, opponent=Agrees(), seat=0, autoreset_mode="disabled")
    envs.reset(seed=0, options={"scenarios": np.zeros(2, int)})
    _, rewards, terminated, _, infos = envs.step(np.zeros(2, int))
    assert terminated.all() and infos["illegal"].all() and not rewards.any()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"opponent": "boulwar"}, "did you mean 'boulware'"),
        ({"opponent": "nobody_at_all"}, "opponents are random, hardliner"),
        ({"opponent": {}}, "at least one weight"),
        ({"opponent": {"soft": -1}}, "weight of opponent 'soft'"),
        ({"opponent": {"soft": float("nan")}}, "weight of opponent 'soft'"),
        ({"opponent": 3}, "object with act"),
        ({"seat": 2}, "seat must be 0, 1 or 'random'"),
        ({"max_turns": 1}, "max_turns must be"),
        ({"max_turns": 10.0}, "max_turns must be"),
        ({"discount": 0}, "discount must be"),
        ({"prob_end": 1.0}, "prob_end must be"),
        ({"illegal": "maybe"}, "illegal must be"),
        ({"scenarios": "missing.txt"}, "cannot read scenarios"),
        ({"render_mode": "3d"}, "render_mode must be"),
    ],
)
def test_bad_arguments(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        NegotiationEnv(**arguments)


@pytest.mark.parametrize(
    "options",
    [
        {"scenario": ((1, 2, 3), (8, 1, 0))},
        {"scenario": ((1, 2, 3), (8, 1, 1), (4, 0, 2))},
        {"scenario": 5793},
        {"scenario": "first"},
        {"seat": 2},
        {"opponent": 1},
        {"sceanrio": 0},
    ],
)
def test_bad_reset_options(options: dict[str, Any]) -> None:
    with pytest.raises((ValueError, TypeError)):
        NegotiationEnv().reset(seed=0, options=options)


@settings(max_examples=40, deadline=None)
@given(
    scenario=st.integers(0, len(universe()) - 1),
    opponent=st.sampled_from(OPPONENTS),
    seed=st.integers(0, 2**32),
    discount=st.sampled_from([1.0, 0.9]),
)
def test_points_are_conserved_and_masks_tell_the_truth(
    scenario: int, opponent: str, seed: int, discount: float
) -> None:
    n = 16
    envs = NegotiationVectorEnv(n, opponent=opponent, discount=discount, autoreset_mode="disabled")
    envs.reset(seed=seed, options={"scenarios": np.full(n, scenario)})
    instance: Scenario = universe()[scenario]
    masks = envs.action_masks()
    np.testing.assert_array_equal(masks[0, :120], (OFFERS <= np.array(instance.pool)).all(1))
    for _ in range(6):
        _, rewards, terminated, _, infos = envs.step(envs.suggest("random"))
        for row in np.flatnonzero(terminated):
            if infos["agreement"][row]:
                last = envs.num_offers[row] - 1
                keeper = last % 2
                kept = OFFERS[envs.offers[row, last]]
                points = [0.0, 0.0]
                points[keeper] = kept @ np.array(instance.values[keeper])
                points[1 - keeper] = (np.array(instance.pool) - kept) @ np.array(instance.values[1 - keeper])
                seat = infos["seat"][row]
                scale = discount**last
                assert rewards[row] == pytest.approx(points[seat] * scale)
                assert infos["partner_utility"][row] == pytest.approx(points[1 - seat] * scale)
            else:
                assert rewards[row] == 0 == infos["partner_utility"][row]
        if terminated.any():
            envs.reset(options={"reset_mask": terminated, "scenarios": np.full(n, scenario)})


def test_mask_is_legality() -> None:
    """Every action of every kind of state: allowed by the mask if and only if the game does not end as illegal."""
    for offers_made in (0, 1):
        env = NegotiationVectorEnv(121, opponent="hardliner", seat=offers_made, autoreset_mode="disabled")
        env.reset(seed=0, options={"scenarios": np.full(121, 77)})
        mask = env.action_masks()[0]
        _, _, _, _, infos = env.step(np.arange(121))
        illegal = infos.get("illegal", np.zeros(121, bool))
        np.testing.assert_array_equal(~illegal, mask)


def test_swapping_players_swaps_returns() -> None:
    """The same scripted game with the players' values and seats exchanged gives the exchanged utilities."""
    n = 200
    scenarios = np.random.default_rng(0).integers(0, len(universe()), n)
    results = []
    for seat, player, opponent in ((0, "linear", "rule"), (1, "rule", "linear")):
        envs = NegotiationVectorEnv(n, opponent=opponent, seat=seat, autoreset_mode="disabled", max_turns=10)
        envs.reset(seed=0, options={"scenarios": scenarios})
        outcome = np.zeros((n, 2))
        done = np.zeros(n, bool)
        while not done.all():
            _, _, terminated, _, infos = envs.step(envs.suggest(player))
            new = terminated & ~done
            if new.any():
                outcome[new] = np.stack([infos["utility"], infos["partner_utility"]], 1)[new]
            done |= terminated
            if terminated.any():
                envs.reset(options={"reset_mask": terminated})
        results.append(outcome)
    np.testing.assert_array_equal(results[0], results[1][:, ::-1])


def test_environment_is_found_by_others() -> None:
    env = gymnasium.make("rlkit.envs:rlkit/Negotiation-v0")
    assert isinstance(env.unwrapped, NegotiationEnv)
    envs = gymnasium.make_vec("rlkit/Negotiation-v0", num_envs=3, vectorization_mode="sync")
    assert envs.reset(seed=0)[0].shape == (3, 93)
