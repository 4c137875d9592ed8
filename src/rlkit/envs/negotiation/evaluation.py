"""How well someone bargains: against every scripted bot, in both seats, on a set of instances.

Everyone plays every instance once from each seat against each bot, with the same random numbers. Intervals are
bootstrapped over instances, which are what was sampled. Games of one instance are not independent of each other, nor
of those of its mirror image (the same contexts with the seats swapped): both are resampled together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rlkit.envs.negotiation.opponents import OPPONENTS, acceptance_floor
from rlkit.envs.negotiation.partners import Opponent, Turns
from rlkit.envs.negotiation.rules import NUM_OFFERS, TOTAL_VALUE
from rlkit.envs.negotiation.scenarios import ScenarioError, load_scenarios, scenario_index, universe
from rlkit.envs.negotiation.solutions import solution_table
from rlkit.envs.negotiation.vector import NegotiationVectorEnv
from rlkit.errors import UsageError, nearest
from rlkit.statistics import grouped_interval

AGENT = "agent"
HELD_OUT = ("tit_for_tat", "bluffer")
RULES = ("max_turns", "discount", "prob_end", "walk_away")
SETTINGS = ("opponents", "scenarios", "bots")  # of `evaluate`, for who judges from the command line
MEASURES = ("utility", "partner_utility", "agreement", "pareto", "turns")


@dataclass(frozen=True)
class Games:
    """Games of one player: arrays of shape ``(opponents, 2 seats, instances)``.

    Attributes:
        utility: Its return.
        partner_utility: The other's.
        agreement: There was a deal.
        pareto: There was a Pareto efficient deal.
        turns: Offers made.
        groups: Instances that are the same but for the seats have the same number, shape ``(instances,)``.
    """

    utility: NDArray[np.float64]
    partner_utility: NDArray[np.float64]
    agreement: NDArray[np.float64]
    pareto: NDArray[np.float64]
    turns: NDArray[np.float64]
    groups: NDArray[np.int64]

    def lead(self, other: Games, entries: Sequence[int]) -> dict[str, Any]:
        """How much more utility than another player's on the same games, over some of the opponents."""
        rows = list(entries)
        difference = (self.utility[rows] - other.utility[rows]).mean((0, 1))
        return {"utility": float(difference.mean()), "interval": list(grouped_interval(difference, self.groups))}

    def summary(self, entries: Sequence[int]) -> dict[str, Any]:
        """Means over some of the opponents, and the interval of the utility."""
        rows = list(entries)
        low, high = grouped_interval(self.utility[rows].mean((0, 1)), self.groups)
        agreements = float(self.agreement[rows].mean())
        return {
            "utility": float(self.utility[rows].mean()),
            "interval": [low, high],
            "partner_utility": float(self.partner_utility[rows].mean()),
            "agreement": agreements,
            "pareto_share": float(self.pareto[rows].mean()) / agreements if agreements else None,
            "turns": float(self.turns[rows].mean()),
        }


def play_games(
    player: str | Opponent,
    opponents: Sequence[str],
    indices: NDArray[np.int32],
    rules: Mapping[str, Any],
    seed: int = 0,
) -> Games:
    """Every instance from both seats against each opponent.

    Args:
        player: A scripted bot's name, or an object with ``act``.
        opponents: Scripted bots.
        indices: Instances, shape ``(m,)``.
        rules: ``max_turns``, ``discount``, ``prob_end``, ``walk_away``, as far as they differ from the defaults.
        seed: Of all that is random; the same for every player.
    """
    shape = (len(opponents), 2, len(indices))
    envs = NegotiationVectorEnv(
        int(np.prod(shape)), opponent=list(opponents), autoreset_mode="same_step", copy=False, **rules
    )
    entries, seats, instances = (grid.ravel() for grid in np.meshgrid(*map(np.arange, shape), indexing="ij"))
    observations, infos = envs.reset(
        seed=seed, options={"opponents": entries, "seats": seats, "scenarios": indices[instances]}
    )
    found = {name: np.zeros(envs.num_envs) for name in MEASURES}
    pending = np.ones(envs.num_envs, dtype=np.bool_)
    uniforms = np.random.default_rng(seed)
    while pending.any():
        if isinstance(player, str):
            actions = envs.suggest(player)
        else:
            rows = np.flatnonzero(pending)
            actions = np.full(envs.num_envs, NUM_OFFERS, dtype=np.int64)  # games after the first do not count
            actions[rows] = player.act(
                Turns(observations[rows], infos["action_mask"][rows], rows, uniforms.random(len(rows)))
            )
        observations, _, terminated, truncated, infos = envs.step(actions)
        ended = (terminated | truncated) & pending
        if ended.any():
            for name, values in found.items():
                values[ended] = infos["final_info"][name][ended]
            pending &= ~ended
    envs.close()
    groups = [min(index, scenario_index(universe()[index].mirrored())) for index in indices.tolist()]
    return Games(**{name: values.reshape(shape) for name, values in found.items()}, groups=np.array(groups))


def clairvoyant_bound(
    opponents: Sequence[str],
    indices: NDArray[np.int32],
    *,
    max_turns: int = 10,
    discount: float = 1.0,
    prob_end: float = 0.0,
    walk_away: bool = False,
) -> NDArray[np.float64]:
    """What nobody can exceed on average, who knew the bot, its values and all it will ever do.

    Every bot has a least worth below which it neither asks nor accepts at a given time (`acceptance_floor`); the bound
    is the best split that leaves it so much, at the best time. Against ``random`` it is the exact value of the best
    reply, which waits for a lucky acceptance.

    Returns:
        Points, shape ``(opponents, 2 seats, instances)``.
    """
    table = solution_table()
    legal = table.legal[indices]
    bound = np.zeros((len(opponents), 2, len(indices)))
    for entry, name in enumerate(opponents):
        for seat in (0, 1):
            own = table.utilities[indices, :, seat].astype(np.float64)
            others = table.utilities[indices, :, 1 - seat]
            if name == "random":
                bound[entry, seat] = _against_random(own, legal, seat, max_turns, discount, prob_end, walk_away)
                continue
            for made in range(1 - seat, max_turns, 2):  # when the bot moves
                floor = acceptance_floor(name, made, max_turns)
                best = np.where(legal & (others >= floor), own, 0.0).max(1)
                if made > 0:  # it accepts the last offer made
                    bound[entry, seat] = np.maximum(bound[entry, seat], best * discount ** (made - 1))
                if made + 1 < max_turns:  # it asks, and that is accepted
                    bound[entry, seat] = np.maximum(bound[entry, seat], best * discount**made)
    return bound


def _against_random(
    own: NDArray[np.float64],
    legal: NDArray[np.bool_],
    seat: int,
    max_turns: int,
    discount: float,
    prob_end: float,
    walk_away: bool,
) -> NDArray[np.float64]:
    """Value of the best reply to uniformly random legal actions, by backward induction; shape ``(instances,)``."""
    splits = legal.sum(1)
    moves = splits + 1 + (1 if walk_away else 0)  # an offer, agreeing, perhaps walking away
    value = np.zeros(len(own))  # of making an offer when so many have been made
    best = own.max(1)
    first = seat  # offers made at the learner's first move
    last = max_turns - 1 - (max_turns - 1 - seat) % 2
    for made in range(last, first - 1, -2):
        # The learner offers (its best split, since acceptance does not depend on it); the bot accepts, or asks.
        stays = 1.0 - prob_end if made + 1 >= 2 else 1.0
        if made + 1 >= max_turns:
            value = np.zeros(len(own))
            continue
        accepted = best * discount**made / moves
        if made + 2 < max_turns:
            onwards = (1.0 - prob_end) * np.maximum(own * discount ** (made + 1), value[:, None])
            asked = np.where(legal, onwards, 0.0).sum(1) / moves
        else:
            asked = np.zeros(len(own))
        value = stays * (accepted + asked)
    if seat == 0:
        return value
    # The bot opens: an ask of its choice, among offers only.
    return np.where(legal, np.maximum(own, value[:, None]), 0.0).sum(1) / (splits + (1 if walk_away else 0))


def evaluate(
    player: Opponent,
    arguments: Mapping[str, Any],
    *,
    opponents: str | Sequence[str] | None = None,
    scenarios: str | None = None,
    bots: bool = True,
) -> dict[str, Any]:
    """Judge a player beside every scripted bot.

    Args:
        player: What is judged.
        arguments: Of the environment it was trained on: rules, instances, and which opponents it knows.
        opponents: Scripted bots to meet, or one of them; None for all.
        scenarios: Instances, if others than the arguments' are wanted.
        bots: Whether the bots are judged beside it.

    Returns:
        JSON values: ``score``, the agent's mean utility over the pool; ``players``, each with ``pool`` (opponents known
        from training, or those asked for), ``held_out`` and ``opponents`` (utility of each, by seat); ``bound``, the
        same of the clairvoyant bound; ``lead``, the agent's over the best bot, game by game.

    Raises:
        UsageError: If a name is unknown, or a scenario file cannot be read.
    """
    if not isinstance(bots, bool):
        raise UsageError(f"bots must be true or false, got {bots!r}")
    rules = {key: arguments[key] for key in RULES if key in arguments}
    source = str(scenarios or arguments.get("scenarios", "test"))
    try:
        indices = load_scenarios(source)
    except ScenarioError as error:
        raise UsageError(str(error)) from error
    known = _entries(arguments.get("opponent", OPPONENTS))
    names = [str(name) for name in _entries(opponents)] if opponents else list(OPPONENTS)
    for name in names:
        if name not in OPPONENTS:
            raise UsageError(f"unknown opponent {name!r}: {nearest(name, OPPONENTS)}; judges are scripted bots alone")
    met = [entry for entry, name in enumerate(names) if name in known] or list(range(len(names)))
    strangers = [entry for entry in range(len(names)) if entry not in met]
    players: dict[str, str | Opponent] = {AGENT: player, **({name: name for name in OPPONENTS} if bots else {})}
    result: dict[str, Any] = {
        "scenarios": source,
        "instances": len(indices),
        "opponents": names,
        "pool": [names[entry] for entry in met],
        "held_out": [names[entry] for entry in strangers],
        "players": {},
    }
    played = {name: play_games(who, names, indices, rules) for name, who in players.items()}
    for name, games in played.items():
        result["players"][name] = {
            "pool": games.summary(met),
            "held_out": games.summary(strangers) if strangers else None,
            "opponents": {
                opponent: {**games.summary([entry]), "by_seat": games.utility[entry].mean(1).tolist()}
                for entry, opponent in enumerate(names)
            },
        }
    result["score"] = result["players"][AGENT]["pool"]["utility"]
    bound = clairvoyant_bound(names, indices, **rules)
    result["bound"] = {
        "pool": float(bound[met].mean()),
        "held_out": float(bound[strangers].mean()) if strangers else None,
        "opponents": {name: float(bound[entry].mean()) for entry, name in enumerate(names)},
    }
    if bots:
        best = next(name for name in ranking(result) if name != AGENT)
        result["lead"] = {"over": best, **played[AGENT].lead(played[best], met)}
    return result


def _entries(opponents: Any) -> list[Any]:
    """The entries of an ``opponent=`` argument; saved runs among them are not loaded."""
    if isinstance(opponents, Mapping | Sequence) and not isinstance(opponents, str):
        return list(opponents)
    return [opponents]


def ranking(judgement: Mapping[str, Any]) -> list[str]:
    """Players by their mean utility over the pool, best first."""
    return sorted(judgement["players"], key=lambda name: -judgement["players"][name]["pool"]["utility"])


def markdown(judgement: Mapping[str, Any]) -> str:
    """A judgement as tables to read."""
    players, names = judgement["players"], judgement["opponents"]
    bound, strangers = judgement["bound"], judgement["held_out"]
    order = ranking(judgement)
    lines = [
        f"{judgement['instances']:,} instances (`{judgement['scenarios']}`), each played from both seats against "
        f"{', '.join(judgement['pool'])}. Utility is of {TOTAL_VALUE}; 95 % intervals over instances.",
        "",
    ]
    header = ["player", "utility", "95 % interval", "partner's", "agreement", "Pareto", "turns"]
    lines += _rows([header + ["held out"] * bool(strangers)])
    for name in order:
        pool = players[name]["pool"]
        low, high = pool["interval"]
        pareto = "" if pool["pareto_share"] is None else f"{pool['pareto_share']:.1%}"
        cells = [_strong(name), f"{pool['utility']:.3f}", f"{low:.3f} to {high:.3f}", f"{pool['partner_utility']:.2f}"]
        cells += [f"{pool['agreement']:.1%}", pareto, f"{pool['turns']:.1f}"]
        lines += _rows([cells + ([f"{players[name]['held_out']['utility']:.3f}"] if strangers else [])], False)
    cells = ["clairvoyant bound", f"{bound['pool']:.3f}", "", "", "", "", ""]
    lines += _rows([cells + ([f"{bound['held_out']:.3f}"] if strangers else [])], False)
    if "lead" in judgement:
        lead, (low, high) = judgement["lead"], judgement["lead"]["interval"]
        lines += [
            "",
            f"The agent's lead over {lead['over']}, game by game: {lead['utility']:.3f} [{low:.3f}, {high:.3f}].",
        ]
    if strangers:
        lines += ["", f"Held out of training, and not in the pool: {', '.join(strangers)}."]
    lines += ["", "Utility against each opponent (moving first / second):", ""]
    lines += _rows([["player", *names]])
    for name in order:
        cells = [
            f"{found['utility']:.2f} ({found['by_seat'][0]:.1f}/{found['by_seat'][1]:.1f})"
            for found in (players[name]["opponents"][opponent] for opponent in names)
        ]
        lines += _rows([[_strong(name), *cells]], False)
    lines += _rows([["clairvoyant bound", *(f"{bound['opponents'][opponent]:.2f}" for opponent in names)]], False)
    return _aligned(lines) + "\n"


def _strong(name: str) -> str:
    return f"**{name}**" if name == AGENT else name


def _rows(rows: list[list[str]], header: bool = True) -> list[str]:
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return lines + ["|" + "---|" * len(rows[0])] if header else lines


def _aligned(lines: list[str]) -> str:
    """Tables with columns of even width, so that they read as well in a terminal."""
    out: list[str] = []
    block: list[list[str]] = []

    def flush() -> None:
        if block:
            widths = [max(len(row[column]) for row in block) for column in range(len(block[0]))]
            for row in block:
                if set(row[0]) == {"-"}:
                    out.append("|" + "|".join("-" * (width + 2) for width in widths) + "|")
                else:
                    out.append("| " + " | ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)) + " |")
            block.clear()

    for line in lines:
        if line.startswith("|"):
            block.append([cell.strip() for cell in line.strip("|").split("|")])
        else:
            flush()
            out.append(line)
    flush()
    return "\n".join(out)
