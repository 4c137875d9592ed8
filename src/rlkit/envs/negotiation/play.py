"""Bargain in the terminal: you against a trained agent or a scripted bot."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import gymnasium
import numpy as np

from rlkit.envs.negotiation.env import NegotiationEnv
from rlkit.envs.negotiation.rules import AGREE, ITEM_NAMES, OFFERS, WALK_AWAY, item_list, offer_index
from rlkit.envs.negotiation.scenarios import universe
from rlkit.errors import UsageError

HELP = (
    "Type what you want to keep, as three numbers (books hats balls), such as 1 0 2; "
    "'agree' takes the last offer, 'quit' ends."
)


def play(
    opponent: Any,
    *,
    games: int = 0,
    seat: int | str = "random",
    scenarios: str = "all",
    seed: int | None = None,
    rules: Mapping[str, Any] | None = None,
    ask: Callable[[str], str] = input,
    tell: Callable[[str], None] = print,
) -> int:
    """Games between a person and an opponent.

    Args:
        opponent: As for :class:`NegotiationEnv`: a bot's name, a run folder.
        games: Stop after so many; 0: when the person quits.
        seat: The person's.
        scenarios: Instances.
        seed: Of the instances; None draws others each time.
        rules: Further arguments of :class:`NegotiationEnv`, such as ``max_turns``; a trained agent knows but its own.
        ask: Prints a prompt and returns a line.
        tell: Prints a line.

    Returns:
        0, an exit code.

    Raises:
        UsageError: If an argument is not possible.
    """
    if isinstance(games, bool) or not isinstance(games, int) or games < 0:
        raise UsageError(f"games must be a whole number, 0 for no end; got {games!r}")
    try:
        env = NegotiationEnv(opponent=opponent, seat=seat, scenarios=scenarios, **(rules or {}))
        env.reset(seed=seed)
    except (ValueError, TypeError, gymnasium.error.Error) as error:
        raise UsageError(str(error)) from error
    total, played = np.zeros(2), 0
    walk = " 'walk' leaves without a deal." if env.batch.rules.walk_away else ""
    tell(f"You bargain with {' or '.join(env.opponent_names)}. {HELP}{walk}")
    while games == 0 or played < games:
        result = _play_one(env, played + 1, ask, tell)
        if result is None:
            break
        total += result
        played += 1
        games_played = f"{played} game{'s' if played > 1 else ''}"
        tell(f"After {games_played}: you {total[0]:.4g}, they {total[1]:.4g}.")
    env.close()
    return 0


def _play_one(
    env: NegotiationEnv, number: int, ask: Callable[[str], str], tell: Callable[[str], None]
) -> tuple[float, float] | None:
    """One game: points of both; None if the person quits."""
    _, info = env.reset()
    batch = env.batch
    scenario, seat = universe()[batch.scenario_indices[0]], int(batch.seats[0])
    tell(f"\nGame {number}. On the table: {item_list(scenario.pool)}. Worth to you: {_worths(scenario.values[seat])}.")
    while True:
        made = int(batch.num_offers[0])
        if made:
            theirs = OFFERS[batch.offers[0, made - 1]]
            yours = np.array(scenario.pool) - theirs
            worth = yours @ scenario.values[seat]
            tell(f"They keep {item_list(theirs)}; you get {item_list(yours)}: {_points(worth)} to you.")
        prompt = f"[offer {made + 1} of {batch.rules.max_turns}] you keep> "
        action = _action(info["action_mask"], prompt, ask, tell)
        if action is None:
            return None
        _, _, over, _, info = env.step(action)
        if over:
            if info["agreement"]:
                tell(f"Deal: {_points(info['utility'])} to you, {info['partner_utility']:.4g} to them.")
            else:
                tell("No deal: nobody gets anything.")
            tell(f"Worth to them: {_worths(scenario.values[1 - seat])}.")
            return info["utility"], info["partner_utility"]


def _action(mask: Any, prompt: str, ask: Callable[[str], str], tell: Callable[[str], None]) -> int | None:
    """A legal action that the person typed; None to quit."""
    while True:
        try:
            line = ask(prompt).strip().lower()
        except EOFError:
            return None
        if line in ("quit", "q", "exit"):
            return None
        numbers = [int(number) for number in re.findall(r"\d+", line)]
        if line in ("agree", "a", "yes"):
            action = AGREE
        elif line == "walk" and len(mask) > WALK_AWAY:
            action = WALK_AWAY
        elif re.fullmatch(r"\d+[ ,]*\d+[ ,]*\d+", line) and len(numbers) in (1, 3):
            kept = numbers if len(numbers) == 3 else [int(digit) for digit in line]
            try:
                action = offer_index(kept[0], kept[1], kept[2])
            except (ValueError, IndexError, KeyError):
                action = -1
        else:
            tell(HELP)
            continue
        if action >= 0 and mask[action]:
            return action
        tell("There is no offer to agree to yet." if action == AGREE else "There is not so much on the table.")


def _points(number: float) -> str:
    return f"{number:.4g} point{'' if number == 1 else 's'}"


def _worths(values: Sequence[int]) -> str:
    """What each item is worth, in words."""
    return ", ".join(f"a {name} {value}" for name, value in zip(ITEM_NAMES, values, strict=True))
