"""The game's dynamics over arrays of independent games.

A game is one row of a record array (:data:`GAME`), of the offers made so far and of the random streams; everything
else follows from these. The scalar functions (:func:`apply_move`, :func:`encode`) state the rules once; the batch
functions call them in a loop, and a single environment is a batch of one.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rlkit.envs.jit import kernel
from rlkit.envs.negotiation.opponents import decide
from rlkit.envs.negotiation.rules import AGREE, NUM_OFFERS, TOTAL_VALUE, WALK_AWAY
from rlkit.envs.streams import Streams, below, uniform

# How a game stands.
RUNNING, DEAL, OUT_OF_TURNS, BROKEN_OFF, ILLEGAL, WALKED_AWAY = range(6)
OUTCOMES = ("running", "deal", "out of turns", "broken off", "illegal", "walked away")

FIRST_EXTERNAL = 100  # opponents from here on are Python objects, asked between kernel calls

GAME = np.dtype(
    [
        ("scenario", np.int32),  # index in the universe
        ("seat", np.int32),  # the learner's: 0 moves first
        ("opponent", np.int32),  # number of the bot, or FIRST_EXTERNAL + j
        ("entry", np.int32),  # which entry of the mixture it is
        ("num_offers", np.int32),
        ("status", np.int32),
    ]
)


VERDICT = np.dtype(
    [
        ("utility", np.float64),  # the learner's return
        ("partner_utility", np.float64),
        ("nash_gap", np.float64),  # 1 - product of worths / the largest possible; 1 without a deal
        ("turns", np.int32),  # offers made
        ("opponent", np.int32),  # entry of the mixture
        ("seat", np.int32),
        ("outcome", np.int32),  # index in OUTCOMES
        ("agreement", np.bool_),
        ("pareto", np.bool_),  # there was a deal, and it was Pareto efficient
        ("illegal", np.bool_),
        ("is_success", np.bool_),  # there was a deal
    ],
    align=True,
)


class Rules(NamedTuple):
    """The game's parameters, as OpenSpiel names them."""

    max_turns: int
    discount: float
    prob_end: float
    walk_away: bool


class Draw(NamedTuple):
    """What a new game is drawn from."""

    scenarios: NDArray[np.int32]  # (m,) indices in the universe
    bots: NDArray[np.int32]  # (k,) kernel number of each entry of the opponent mixture
    cumulative: NDArray[np.float64]  # (k,) their cumulative weights, the last is 1
    seat: int  # the learner's: 0, 1, or 2 for either


@kernel
def apply_move(game, offers, i, t, action, max_turns):  # type: ignore[no-untyped-def]
    """One move of the player whose turn it is (the first mover when an even number of offers has been made).

    Args:
        game: A record of :data:`GAME`, changed in place.
        offers: Offers of all games, shape ``(n, max_turns)`` int16; row ``i`` is changed in place.
        i: The game's row.
        t: The tables.
        action: 0..119 an offer, 120 agree, 121 walk away.
        max_turns: The game ends without a deal when so many offers have been made.
    """
    if action == AGREE:
        game.status = DEAL if game.num_offers > 0 else ILLEGAL
    elif action == WALK_AWAY:
        game.status = WALKED_AWAY
    elif t.legal[t.pool[game.scenario], action] != 0:
        offers[i, game.num_offers] = action
        game.num_offers += 1
        if game.num_offers >= max_turns:
            game.status = OUT_OF_TURNS
    else:
        game.status = ILLEGAL


@kernel
def chance_follows(game) -> bool:  # type: ignore[no-untyped-def]
    """Whether ``prob_end`` is drawn now, after an offer (OpenSpiel: from the second offer on)."""
    return game.status == RUNNING and game.num_offers >= 2


@kernel
def split_worth(game, offers, i, t, player):  # type: ignore[no-untyped-def]
    """What the deal on the last offer is worth to a player, undiscounted."""
    offer = offers[i, game.num_offers - 1]
    worth = t.worth[t.types[game.scenario, player], offer]
    return worth if (game.num_offers - 1) % 2 == player else TOTAL_VALUE - worth


@kernel
def final_return(game, offers, i, t, player, discount):  # type: ignore[no-untyped-def]
    """A player's return: the deal's worth times ``discount ** (offers - 1)``, or 0 without a deal."""
    if game.status != DEAL:
        return 0.0
    factor = 1.0
    for _ in range(game.num_offers - 1):  # multiplied one by one, so that the last bit is OpenSpiel's
        factor *= discount
    return split_worth(game, offers, i, t, player) * factor


@kernel
def encode_private(game, t, player, max_turns, observations, masks, row):  # type: ignore[no-untyped-def]
    """The part of an observation that stays for a whole game: pool and own values; and the legal offers."""
    pool = t.pool[game.scenario]
    start = max_turns + 2
    for j in range(t.pool_code.shape[1]):
        observations[row, start + j] = t.pool_code[pool, j]
    start += t.pool_code.shape[1]
    kind = t.types[game.scenario, player]
    for j in range(t.values_code.shape[1]):
        observations[row, start + j] = t.values_code[kind, j]
    for action in range(NUM_OFFERS):
        masks[row, action] = t.legal[pool, action] != 0
    if masks.shape[1] > WALK_AWAY:
        masks[row, WALK_AWAY] = True


@kernel
def encode_public(game, offers, i, t, max_turns, observations, masks, row):  # type: ignore[no-untyped-def]
    """The part of an observation that moves change: agreement, number of offers, last offer; and agreeing."""
    observations[row, 0] = 1.0 if game.status == DEAL else 0.0
    for j in range(max_turns + 1):
        observations[row, 1 + j] = 0.0
    observations[row, 1 + game.num_offers] = 1.0
    start = max_turns + 2 + t.pool_code.shape[1] + t.values_code.shape[1]
    if game.num_offers > 0:
        last = offers[i, game.num_offers - 1]
        for j in range(t.offer_code.shape[1]):
            observations[row, start + j] = t.offer_code[last, j]
    else:
        for j in range(t.offer_code.shape[1]):
            observations[row, start + j] = 0.0
    masks[row, AGREE] = game.num_offers > 0


@kernel
def encode(game, offers, i, t, player, max_turns, observations, masks, row):  # type: ignore[no-untyped-def]
    """OpenSpiel's observation of a player, and the mask of legal actions.

    Args:
        game: A record of :data:`GAME`.
        offers: Offers of all games, shape ``(n, max_turns)`` int16.
        i: The game's row in these.
        t: The tables.
        player: 0 or 1, whose values are shown.
        max_turns: The game's limit.
        observations: Shape ``(m, 83 + max_turns)`` float32.
        masks: Shape ``(m, 121)`` or, with walking away, ``(m, 122)``.
        row: The row of both that is written.
    """
    encode_private(game, t, player, max_turns, observations, masks, row)
    encode_public(game, offers, i, t, max_turns, observations, masks, row)


@kernel
def _move(game, offers, i, t, rules, action, streams):  # type: ignore[no-untyped-def]
    """A move and the chance that follows it."""
    apply_move(game, offers, i, t, action, rules.max_turns)
    if rules.prob_end > 0.0 and action < AGREE and chance_follows(game):
        if uniform(streams, i) < rules.prob_end:
            game.status = BROKEN_OFF


@kernel
def _reply(game, offers, i, t, rules, streams):  # type: ignore[no-untyped-def]
    """The scripted opponent's move, where it is its turn."""
    if game.status != RUNNING or game.num_offers % 2 == game.seat or game.opponent >= FIRST_EXTERNAL:
        return
    scenario = game.scenario
    action = decide(
        game.opponent,
        t,
        t.pool[scenario],
        t.types[scenario, 1 - game.seat],
        offers,
        i,
        game.num_offers,
        rules.max_turns,
        streams,
    )
    _move(game, offers, i, t, rules, action, streams)


@kernel
def reset_games(rows, games, offers, streams, table, rules, draw, fixed, observations, masks):  # type: ignore[no-untyped-def]
    """New games in some rows, up to the learner's first turn.

    Args:
        rows: Which, shape ``(n,)`` bool.
        games: Records, shape ``(n,)``.
        offers: Shape ``(n, max_turns)`` int16.
        streams: Shape ``(n, 4)``.
        table: The tables, shape ``(1,)``.
        rules: The game's parameters.
        draw: What is drawn from.
        fixed: Scenario, seat and mixture entry asked for, shape ``(n, 3)`` int32, -1 for drawn; or shape ``(0, 3)``.
        observations: Written, shape ``(n, 83 + max_turns)``.
        masks: Written, shape ``(n, actions)``.
    """
    t = table[0]
    scenarios, bots, cumulative = draw.scenarios, draw.bots, draw.cumulative
    for i in range(rows.shape[0]):
        if not rows[i]:
            continue
        game = games[i]
        # Three draws whatever is fixed, so that fixing one thing does not change the others.
        scenario = scenarios[below(streams, i, scenarios.shape[0])]
        seat = below(streams, i, 2)
        point = uniform(streams, i)
        entry = 0
        while entry < cumulative.shape[0] - 1 and point >= cumulative[entry]:
            entry += 1
        if draw.seat < 2:
            seat = draw.seat
        if fixed.shape[0] > 0:
            scenario = fixed[i, 0] if fixed[i, 0] >= 0 else scenario
            seat = fixed[i, 1] if fixed[i, 1] >= 0 else seat
            entry = fixed[i, 2] if fixed[i, 2] >= 0 else entry
        game.scenario = scenario
        game.seat = seat
        game.entry = entry
        game.opponent = bots[entry]
        game.num_offers = 0
        game.status = RUNNING
        _reply(game, offers, i, t, rules, streams)
        encode(game, offers, i, t, seat, rules.max_turns, observations, masks, i)


@kernel
def step_games(rows, actions, games, offers, streams, table, rules, observations, masks, rewards, ended):  # type: ignore[no-untyped-def]
    """The learner's moves and the scripted replies.

    Args:
        rows: Which games move, shape ``(n,)`` bool.
        actions: The learner's, shape ``(n,)`` int64, in range.
        games: Records, shape ``(n,)``.
        offers: Shape ``(n, max_turns)`` int16.
        streams: Shape ``(n, 4)``.
        table: The tables, shape ``(1,)``.
        rules: The game's parameters.
        observations: Updated, shape ``(n, 83 + max_turns)``.
        masks: Updated, shape ``(n, actions)``.
        rewards: Written, shape ``(n,)`` float64.
        ended: Written, shape ``(n,)`` bool.
    """
    t = table[0]
    for i in range(rows.shape[0]):
        if not rows[i]:
            continue
        game = games[i]
        _move(game, offers, i, t, rules, actions[i], streams)
        _reply(game, offers, i, t, rules, streams)
        rewards[i] = final_return(game, offers, i, t, game.seat, rules.discount)
        ended[i] = game.status != RUNNING
        encode_public(game, offers, i, t, rules.max_turns, observations, masks, i)


@kernel
def external_moves(rows, actions, games, offers, streams, table, rules, observations, masks, rewards, ended):  # type: ignore[no-untyped-def]
    """Replies that Python objects have chosen, in the rows whose numbers are given; else as :func:`step_games`."""
    t = table[0]
    for j in range(rows.shape[0]):
        i = rows[j]
        game = games[i]
        _move(game, offers, i, t, rules, actions[j], streams)
        rewards[i] = final_return(game, offers, i, t, game.seat, rules.discount)
        ended[i] = game.status != RUNNING
        encode_public(game, offers, i, t, rules.max_turns, observations, masks, i)


@kernel
def encode_rows(rows, partner, games, offers, table, max_turns, observations, masks):  # type: ignore[no-untyped-def]
    """What the learner (``partner=0``) or its partner (1) sees in the rows whose numbers are given."""
    t = table[0]
    for j in range(rows.shape[0]):
        i = rows[j]
        player = games[i].seat ^ partner
        encode(games[i], offers, i, t, player, max_turns, observations, masks, j)


@kernel
def draw_uniforms(rows, streams, uniforms):  # type: ignore[no-untyped-def]
    """One float in [0, 1) from the stream of each row whose number is given."""
    for j in range(rows.shape[0]):
        uniforms[j] = uniform(streams, rows[j])


@kernel
def suggest_moves(bot, games, offers, streams, table, max_turns, actions):  # type: ignore[no-untyped-def]
    """What a scripted bot would do in the learner's place; AGREE where the game is over."""
    t = table[0]
    for i in range(games.shape[0]):
        game = games[i]
        actions[i] = AGREE
        if game.status == RUNNING:
            scenario = game.scenario
            actions[i] = decide(
                bot,
                t,
                t.pool[scenario],
                t.types[scenario, game.seat],
                offers,
                i,
                game.num_offers,
                max_turns,
                streams,
            )


@kernel
def returns(games, offers, table, discount, utilities):  # type: ignore[no-untyped-def]
    """Discounted returns of the learner and its partner, written to shape ``(n, 2)`` float64."""
    t = table[0]
    for i in range(games.shape[0]):
        for partner in range(2):
            utilities[i, partner] = final_return(games[i], offers, i, t, games[i].seat ^ partner, discount)


@kernel
def judge(rows, games, offers, table, rules, complement, pareto, nash_product, verdicts):  # type: ignore[no-untyped-def]
    """What is to be said of games that have ended.

    Args:
        rows: Which, shape ``(n,)`` bool.
        games: Records, shape ``(n,)``.
        offers: Shape ``(n, max_turns)`` int16.
        table: The tables, shape ``(1,)``.
        rules: The game's parameters.
        complement: ``SolutionTable.complement``.
        pareto: ``SolutionTable.pareto``.
        nash_product: ``SolutionTable.nash_product``.
        verdicts: Written in these rows, :data:`VERDICT` records, shape ``(n,)``.
    """
    t = table[0]
    for i in range(rows.shape[0]):
        if not rows[i]:
            continue
        game = games[i]
        verdict = verdicts[i]
        deal = game.status == DEAL
        verdict.utility = final_return(game, offers, i, t, game.seat, rules.discount)
        verdict.partner_utility = final_return(game, offers, i, t, 1 - game.seat, rules.discount)
        verdict.agreement = deal
        verdict.is_success = deal
        verdict.illegal = game.status == ILLEGAL
        verdict.turns = game.num_offers
        verdict.opponent = game.entry
        verdict.seat = game.seat
        verdict.outcome = game.status
        verdict.pareto = False
        verdict.nash_gap = 1.0
        if deal:
            last = game.num_offers - 1
            split = offers[i, last]
            if last % 2 == 1:
                split = complement[game.scenario, split]
            product = split_worth(game, offers, i, t, 0) * split_worth(game, offers, i, t, 1)
            verdict.pareto = pareto[game.scenario, split]
            verdict.nash_gap = 1.0 - product / nash_product[game.scenario]


def new_games(n: int, max_turns: int) -> tuple[NDArray[np.void], NDArray[np.int16], Streams]:
    """Arrays of ``n`` games: records, offers, and streams that are still to be seeded."""
    return (
        np.zeros(n, dtype=GAME),
        np.zeros((n, max_turns), dtype=np.int16),
        np.zeros((n, 4), dtype=np.uint64),
    )
