"""The scripted bargainers, compiled with the kernel.

Each is a pure function of what its player has seen (the pool, its own values, the offers so far) and of the game's
random stream; none knows the other's values. Time runs from 0 at the first offer to 1 at the last chance to accept:
``tau = offers made / (max_turns - 1)``. *Aspiration* is the worth a bot holds out for; all accept an offer that is
worth at least what they would ask for next, as ``AC_next`` (Baarslag et al. 2013). Discounting and random ends do not
change what they do.

| name | rule |
|---|---|
| ``random`` | a legal action, uniformly |
| ``hardliner`` | asks for all it values, every time, and takes nothing less |
| ``soft`` | asks for five points; accepts two |
| ``boulware`` | time-dependent aspiration from 10 to 3 that yields late: exponent 0.2 |
| ``linear`` | the same, yielding evenly: exponent 1 |
| ``conceder`` | the same, yielding early: exponent 5 |
| ``tit_for_tat`` | concedes as many points as the other's last offer gives it |
| ``rule`` | target 8, floor 4: yields what it wants least beside what it thinks the other wants |
| ``bayesian`` | weighs the other's possible values by its offers and plans the asks that promise most; floor 3 |
| ``bluffer`` | feigns interest in what is worthless to it, then trades it away; yields like boulware, to 4 |

The rule bot asks for all it values, then for one unit less each turn, the one with the least own value less the other's
(estimated from what the other's offers keep); it accepts the target and, from half time, the floor. The Bayesian one
accepts what is worth as much as its plan promises. The bluffer keeps all worthless items in its first ask, then half
as many each turn.

Sources: time-dependent and behaviour-dependent tactics after Faratin, Sierra and Jennings (1998), section 4; the
rule bot after the one He et al. (2018) ran against people on this game; feigned interest after Lewis et al.
(2017), section 7.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rlkit.envs.jit import kernel
from rlkit.envs.negotiation.rules import AGREE, NUM_ITEMS, TOTAL_VALUE
from rlkit.envs.negotiation.tables import Tables
from rlkit.envs.streams import Streams, below

OPPONENTS = (
    "random",
    "hardliner",
    "soft",
    "boulware",
    "linear",
    "conceder",
    "tit_for_tat",
    "rule",
    "bayesian",
    "bluffer",
)
RANDOM, HARDLINER, SOFT, BOULWARE, LINEAR, CONCEDER, TIT_FOR_TAT, RULE, BAYESIAN, BLUFFER = range(len(OPPONENTS))

TIME_FLOOR = 3.0  # boulware, linear, conceder: the least they settle for
SOFT_ASK = 5
SOFT_FLOOR = 2
RULE_TARGET = 8  # He et al. 2018, fb-negotiation: target
RULE_FLOOR = 4  # ... and bottom line
BAYES_FLOOR = 3
BLUFF_FLOOR = 4.0
BOULWARE_EXPONENT = 0.2
CONCEDER_EXPONENT = 5.0


@kernel
def aspiration(tau: float, floor: float, exponent: float) -> float:
    """Worth held out for at time ``tau``: from 10 down to ``floor`` (Faratin et al. 1998, equation 3)."""
    return floor + (TOTAL_VALUE - floor) * (1.0 - min(1.0, tau) ** (1.0 / exponent))


@kernel
def _level(worth: float) -> int:
    """The least whole number of points that reaches a worth."""
    return int(math.ceil(worth - 1e-9))


@kernel
def _decide_by_time(kind: int, tau: float) -> int:
    """The level that the bots hold out for whose aspiration depends on time alone."""
    if kind == HARDLINER:
        return TOTAL_VALUE
    if kind == BOULWARE:
        return _level(aspiration(tau, TIME_FLOOR, BOULWARE_EXPONENT))
    if kind == LINEAR:
        return _level(aspiration(tau, TIME_FLOOR, 1.0))
    if kind == CONCEDER:
        return _level(aspiration(tau, TIME_FLOOR, CONCEDER_EXPONENT))
    return _level(aspiration(tau, BLUFF_FLOOR, BOULWARE_EXPONENT))  # BLUFFER


@kernel
def _rule_ask(t: Tables, kind: int, pool: int, offers: NDArray[np.int16], i: int, num_offers: int) -> int:
    """What the rule bot asks for: one unit less each turn, of the item it wants least beside the other."""
    shares = np.zeros(NUM_ITEMS)
    received = 0
    for n in range((num_offers + 1) % 2, num_offers, 2):
        received += 1
        for item in range(NUM_ITEMS):
            shares[item] += t.offers[offers[i, n], item] / t.counts[pool, item]
    estimate_total = 0.0
    for item in range(NUM_ITEMS):
        estimate_total += shares[item] * t.counts[pool, item]
    keep = np.zeros(NUM_ITEMS, dtype=np.int64)
    for item in range(NUM_ITEMS):
        if t.values[kind, item] > 0:
            keep[item] = t.counts[pool, item]
    worth = TOTAL_VALUE
    for _ in range(num_offers // 2):
        best, best_weight = -1, 1e9
        for item in range(NUM_ITEMS):
            if keep[item] == 0 or worth - t.values[kind, item] < RULE_FLOOR:
                continue
            other = 0.0 if estimate_total == 0.0 else TOTAL_VALUE * shares[item] / estimate_total
            weight = t.values[kind, item] - other
            if weight < best_weight:
                best, best_weight = item, weight
        if best < 0:
            break
        keep[best] -= 1
        worth -= t.values[kind, best]
    return _offer_of(keep)


@kernel
def _offer_of(keep: NDArray[np.int64]) -> int:
    """Number of the offer that keeps these items (the order of ``rules.OFFERS``, in closed form)."""
    number = 0
    for balls in range(keep[2]):
        left = 7 - balls
        number += (left + 1) * (left + 2) // 2
    left = 7 - keep[2]
    for hats in range(keep[1]):
        number += left - hats + 1
    return number + keep[0]


@kernel
def _believed_worths(t: Tables, kind: int, pool: int, offers: NDArray[np.int16], i: int, num_offers: int) -> Any:
    """For each split that the bot could ask for: how likely it leaves the other how many points.

    Returns:
        Probabilities, shape ``(splits, 11)``: from the other's possible types, weighed by its offers so far.
    """
    count = t.num_partners[kind]
    belief = np.zeros(count)
    for n in range((num_offers + 1) % 2, num_offers, 2):
        for j in range(count):
            belief[j] += t.log_likelihood[t.partners[kind, j], offers[i, n]]
    top = belief.max()
    total = 0.0
    for j in range(count):
        belief[j] = math.exp(belief[j] - top)
        total += belief[j]
    worths = np.zeros((t.num_splits[pool], TOTAL_VALUE + 1))
    for s in range(t.num_splits[pool]):
        for j in range(count):
            left = TOTAL_VALUE - t.worth[t.partners[kind, j], t.splits[pool, s]]
            worths[s, left] += belief[j] / total
    return worths


@kernel
def _bayesian_ask(
    t: Tables, kind: int, pool: int, offers: NDArray[np.int16], i: int, num_offers: int, max_turns: int
) -> tuple[int, float]:
    """The offer that promises most, and its promise.

    Backward over the bot's remaining offers: an offer is worth its points times the believed chance that the other
    takes it, plus, if not, what the next one promises. The other is believed to yield evenly to three, give or take
    a point.
    """
    worths = _believed_worths(t, kind, pool, offers, i, num_offers)
    best, value = int(t.ask[kind, TOTAL_VALUE]), 0.0
    last = max_turns - 2 - (max_turns - num_offers) % 2
    accepts = np.empty(TOTAL_VALUE + 1)
    for n in range(last, num_offers - 1, -2):
        expected = aspiration((n + 1) / (max_turns - 1), TIME_FLOOR, 1.0)
        for worth in range(TOTAL_VALUE + 1):
            accepts[worth] = 1.0 / (1.0 + math.exp(expected - worth))
        later, value = value, -1.0
        for s in range(worths.shape[0]):
            own = t.worth[kind, t.splits[pool, s]]
            if own < BAYES_FLOOR:
                continue
            chance = 0.0
            for worth in range(TOTAL_VALUE + 1):
                chance += worths[s, worth] * accepts[worth]
            promise = later + chance * (own - later)
            if promise > value:
                best, value = int(t.splits[pool, s]), promise
    return best, value


@kernel
def _bluff_ask(t: Tables, kind: int, pool: int, num_offers: int, level: int) -> int:
    """The worth asked for, with all worthless items at first, then half as many each turn."""
    ask = t.ask[kind, level]
    given_up = num_offers // 2
    keep = np.empty(NUM_ITEMS, dtype=np.int64)
    for item in range(NUM_ITEMS):
        keep[item] = t.offers[ask, item]
        if t.values[kind, item] == 0:
            keep[item] = t.counts[pool, item] >> given_up
    return _offer_of(keep)


@kernel
def decide(
    bot: int,
    t: Tables,
    pool: int,
    kind: int,
    offers: NDArray[np.int16],
    i: int,
    num_offers: int,
    max_turns: int,
    streams: Streams,
) -> int:
    """The action of a scripted bot whose turn it is.

    Args:
        bot: Its number in :data:`OPPONENTS`.
        t: The tables.
        pool: Pool of the game.
        kind: The bot's type: the pool with its own values.
        offers: Offers so far of all games, shape ``(n, max_turns)``; the bot made every second one.
        i: The game's row.
        num_offers: How many there are.
        max_turns: The game's limit.
        streams: Random streams of all games (advanced by ``random`` alone).

    Returns:
        A legal action: an offer, or AGREE.
    """
    if bot == RANDOM:
        choice = below(streams, i, t.num_splits[pool] + (1 if num_offers > 0 else 0))
        return AGREE if choice == t.num_splits[pool] else int(t.splits[pool, choice])
    offered = -1
    if num_offers > 0:
        offered = TOTAL_VALUE - t.worth[kind, offers[i, num_offers - 1]]
    tau = num_offers / (max_turns - 1)
    if bot == SOFT:
        return AGREE if offered >= SOFT_FLOOR else int(t.ask[kind, SOFT_ASK])
    if bot == TIT_FOR_TAT:
        level = TOTAL_VALUE - max(0, offered)
        return AGREE if offered >= level else int(t.ask[kind, level])
    if bot == RULE:
        ask = _rule_ask(t, kind, pool, offers, i, num_offers)
        if offered >= (RULE_TARGET if tau < 0.5 else RULE_FLOOR) or offered >= t.worth[kind, ask]:
            return AGREE
        return ask
    if bot == BAYESIAN:
        if num_offers == max_turns - 1:  # an offer made now could not be accepted any more
            return AGREE if offered >= BAYES_FLOOR else int(t.ask[kind, TOTAL_VALUE])
        ask, promise = _bayesian_ask(t, kind, pool, offers, i, num_offers, max_turns)
        return AGREE if offered >= max(promise, float(BAYES_FLOOR)) else int(ask)
    level = _decide_by_time(bot, tau)
    if offered >= level:
        return AGREE
    if bot == BLUFFER:
        return _bluff_ask(t, kind, pool, num_offers, level)
    return int(t.ask[kind, level])


def acceptance_floor(name: str, num_offers: int, max_turns: int) -> int:
    """The least a bot could settle for, by accepting or by asking, when ``num_offers`` offers have been made.

    The bound holds whatever was offered before, so it limits what even a partner could get who knew everything.

    Args:
        name: A bot of :data:`OPPONENTS`.
        num_offers: Offers made before the bot's move.
        max_turns: The game's limit.

    Returns:
        Points, 0 to 10.

    Example:
        >>> [acceptance_floor("boulware", n, 10) for n in (1, 5, 9)]
        [10, 10, 3]
    """
    bot = OPPONENTS.index(name)
    if bot == RANDOM:
        return 0
    fixed = {SOFT: SOFT_FLOOR, TIT_FOR_TAT: TOTAL_VALUE // 2, RULE: RULE_FLOOR, BAYESIAN: BAYES_FLOOR}
    if bot in fixed:
        return fixed[bot]
    return int(_decide_by_time(bot, num_offers / (max_turns - 1)))
