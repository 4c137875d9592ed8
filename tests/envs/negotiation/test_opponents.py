"""Each bot's rule, seen in what it does."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rlkit.envs.negotiation.opponents import OPPONENTS, acceptance_floor
from rlkit.envs.negotiation.rules import AGREE, OFFERS
from rlkit.envs.negotiation.scenarios import universe
from rlkit.envs.negotiation.vector import NegotiationVectorEnv

SCENARIO = ((2, 2, 1), (2, 3, 0), (1, 1, 6))  # the bot moves first below: (2, 3, 0) are its values
STUBBORN = 0  # keep nothing: offers the bot everything; see `greedy`


def play(bot: str, learner: Any, scenario: Any = SCENARIO, max_turns: int = 10) -> tuple[list[int], dict[str, Any]]:
    """One game with the bot in seat 0; returns its offers and the final info."""
    env = gymnasium.make("rlkit/Negotiation-v0", opponent=bot, seat=1, max_turns=max_turns).unwrapped
    _, info = env.reset(seed=0, options={"scenario": scenario})
    over = False
    while not over:
        action = learner(env, info) if callable(learner) else learner
        _, _, over, _, info = env.step(int(action))
    batch = env._batch
    return batch.offers[0, : batch.num_offers[0] : 2].tolist(), info


def greedy(env: Any, info: Any) -> int:
    """Keep everything."""
    return int(np.flatnonzero(info["action_mask"][:120])[OFFERS[info["action_mask"][:120]].sum(1).argmax()])


def worth(offer: int, values: tuple[int, ...] = SCENARIO[1]) -> int:
    return int(OFFERS[offer] @ np.array(values))


def test_hardliner_never_yields() -> None:
    asks, info = play("hardliner", greedy)
    assert {worth(ask) for ask in asks} == {10}
    assert not info["agreement"]


def test_soft_asks_for_half_and_takes_two() -> None:
    asks, _ = play("soft", greedy)
    assert all(5 <= worth(ask) <= 6 for ask in asks)
    for kept, accepted in (((2, 2, 1), False), ((1, 2, 1), True)):  # leaves 0, leaves one book: 2 points
        offer = int(np.flatnonzero((OFFERS == kept).all(1))[0])
        _, info = play("soft", lambda env, info, offer=offer: offer)
        assert bool(info["agreement"]) is accepted


def test_time_dependent_bots_yield_in_their_order() -> None:
    """At half time boulware holds out for most and conceder for least; all end at three."""
    asks = {bot: [worth(a) for a in play(bot, greedy)[0]] for bot in ("boulware", "linear", "conceder")}
    for bot, levels in asks.items():
        assert levels == sorted(levels, reverse=True), bot
    middle = 2
    assert asks["boulware"][middle] > asks["linear"][middle] > asks["conceder"][middle]
    assert [acceptance_floor(bot, 9, 10) for bot in asks] == [3, 3, 3]


def test_tit_for_tat_gives_what_it_gets() -> None:
    offers = [int(np.flatnonzero((OFFERS == kept).all(1))[0]) for kept in ((2, 2, 1), (1, 2, 1), (2, 1, 1), (2, 2, 1))]
    turn = iter(offers)
    asks, _ = play("tit_for_tat", lambda env, info: next(turn, offers[0]))
    assert [worth(a) for a in asks][:5] == [10, 10, 8, 7, 10]  # offered 0, 2, 3, 0 before


def test_tit_for_tat_accepts_half() -> None:
    half = int(np.flatnonzero((OFFERS == (1, 1, 1)).all(1))[0])  # leaves a book and a hat: five points
    _, info = play("tit_for_tat", half)
    assert info["agreement"] and info["partner_utility"] == 5


def test_rule_bot_starts_with_all_it_values_and_gives_up_what_it_wants_least() -> None:
    asks, _ = play("rule", greedy)
    assert OFFERS[asks[0]].tolist() == [2, 2, 0]
    assert OFFERS[asks[1]].tolist() == [1, 2, 0]  # a book (2) before a hat (3)
    assert min(worth(a) for a in asks) >= 4


def test_rule_bot_takes_eight_at_once_and_four_only_later() -> None:
    eight = int(np.flatnonzero((OFFERS == (1, 0, 1)).all(1))[0])
    _, info = play("rule", eight)
    assert info["agreement"] and info["partner_utility"] == 8 and info["turns"] == 2
    four = int(np.flatnonzero((OFFERS == (0, 2, 1)).all(1))[0])  # leaves both books: four points
    _, info = play("rule", four)
    assert info["agreement"] and info["partner_utility"] == 4 and info["turns"] > 2
    two = int(np.flatnonzero((OFFERS == (1, 2, 1)).all(1))[0])
    assert not play("rule", two)[1]["agreement"]


def test_bayesian_learns_from_offers_what_the_other_wants() -> None:
    """A partner who insists on the ball is believed to want it, and is left with it sooner than one who wants hats."""
    scenario = ((2, 2, 1), (1, 2, 4), (2, 1, 4))
    balls, hats = [], []
    for wanted in ((0, 0, 1), (0, 2, 0)):
        refused = int(np.flatnonzero((OFFERS == wanted).all(1))[0])
        kept = [OFFERS[ask] for ask in play("bayesian", lambda env, info, offer=refused: offer, scenario)[0]]
        balls.append(np.mean([ask[2] for ask in kept[1:]]))
        hats.append(np.mean([ask[1] for ask in kept[1:]]))
    assert balls[0] <= balls[1] and hats[0] >= hats[1]
    assert balls[0] < balls[1] or hats[0] > hats[1]


def test_bayesian_outbargains_a_bot_that_does_not_learn() -> None:
    """Knowing more is worth more: against linear it beats playing linear."""
    means = {bot: mean_utility(bot, "linear") for bot in ("bayesian", "linear")}
    assert means["bayesian"] > means["linear"] + 0.2


def mean_utility(player: str, opponent: str, n: int = 2_000) -> float:
    envs = NegotiationVectorEnv(n, opponent=opponent, autoreset_mode="disabled", max_turns=10)
    envs.reset(seed=0)
    utility = np.full(n, np.nan)
    while np.isnan(utility).any():
        _, rewards, terminated, _, _ = envs.step(envs.suggest(player))
        utility[terminated & np.isnan(utility)] = rewards[terminated & np.isnan(utility)]
        if terminated.any() and np.isnan(utility).any():
            envs.reset(options={"reset_mask": terminated})
    return float(utility.mean())


def test_bluffer_feigns_interest_and_trades_it_away() -> None:
    """It first keeps every worthless item, gives them up turn by turn, and yields in worth more slowly than linear."""
    scenario = ((3, 2, 2), (2, 0, 2), (2, 1, 1))  # hats are worthless to it
    asks = [OFFERS[a] for a in play("bluffer", greedy, scenario)[0]]
    hats = [int(ask[1]) for ask in asks]
    assert hats[0] == 2 and hats == sorted(hats, reverse=True) and hats[-1] == 0
    linear = [OFFERS[a] for a in play("linear", greedy, scenario)[0]]
    assert all(int(ask[1]) == 0 for ask in linear)
    values = np.array(scenario[1])
    assert sum(ask @ values for ask in asks) > sum(ask @ values for ask in linear)


def test_random_plays_every_legal_action_evenly() -> None:
    envs = NegotiationVectorEnv(6_000, opponent="random", seat=0)
    options = {"scenarios": np.zeros(6_000, dtype=int)}
    _, infos = envs.reset(seed=0, options=options)
    actions = envs.suggest("random")
    legal = np.flatnonzero(infos["action_mask"][0])
    counts = np.bincount(actions, minlength=121)
    assert set(np.flatnonzero(counts)) == set(legal)
    expected = 6_000 / len(legal)
    assert abs(counts[legal] - expected).max() < 5 * np.sqrt(expected)


def test_suggesting_is_pure_but_for_random() -> None:
    envs = NegotiationVectorEnv(64, opponent="linear")
    envs.reset(seed=0)
    for bot in OPPONENTS[1:]:
        before = envs.get_state()
        np.testing.assert_array_equal(envs.suggest(bot), envs.suggest(bot))
        for key in ("streams", "elapsed"):
            np.testing.assert_array_equal(before[key], envs.get_state()[key])
    with pytest.raises(ValueError, match="did you mean 'boulware'"):
        envs.suggest("boulwar")


@settings(max_examples=60, deadline=None)
@given(
    bot=st.sampled_from(OPPONENTS),
    scenario=st.integers(0, len(universe()) - 1),
    seed=st.integers(0, 2**32),
    max_turns=st.integers(2, 15),
)
def test_bots_play_legally_and_never_settle_below_their_floor(
    bot: str, scenario: int, seed: int, max_turns: int
) -> None:
    n = 24
    envs = NegotiationVectorEnv(n, opponent=bot, max_turns=max_turns, autoreset_mode="disabled")
    envs.reset(seed=seed, options={"scenarios": np.full(n, scenario)})
    done = np.zeros(n, dtype=bool)
    while not done.all():
        assert envs.action_masks()[np.arange(n), envs.suggest(bot)][~done].all()
        _, _, terminated, _, infos = envs.step(envs.suggest("random"))
        done |= terminated
        if terminated.any():
            assert not infos["illegal"][terminated].any()
            for row in np.flatnonzero(terminated & infos["agreement"]):
                offers = int(infos["turns"][row])
                bot_proposed = (offers - 1) % 2 != infos["seat"][row]
                when = offers - 1 if bot_proposed else offers
                assert infos["partner_utility"][row] >= acceptance_floor(bot, when, max_turns)
            envs.reset(options={"reset_mask": terminated, "scenarios": np.full(n, scenario)})


def test_agree_is_only_said_to_an_offer() -> None:
    envs = NegotiationVectorEnv(500, seat=0)
    envs.reset(seed=0)
    for bot in OPPONENTS:
        assert (envs.suggest(bot) != AGREE).all()
