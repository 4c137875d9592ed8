"""A game as a picture and as text.

Both show each offer with what it gives to either side, and in the end how good the deal was.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from rlkit.envs.negotiation.canvas import Canvas
from rlkit.envs.negotiation.kernel import OUTCOMES
from rlkit.envs.negotiation.rules import ITEM_NAMES, NUM_ITEMS, OFFERS, TOTAL_VALUE
from rlkit.envs.negotiation.scenarios import Scenario
from rlkit.envs.negotiation.solutions import Point, Solutions, complement, solve

WIDTH, HEIGHT = 640, 400
LEARNER_COLOR, OPPONENT_COLOR = "#2563b0", "#b8325f"
GROUND, CARD, LINE, FAINT, TEXT, GOOD = "#f4f3ef", "#ffffff", "#dddad2", "#8b8a86", "#2b2b2b", "#3c8a4e"
ROWS = 10  # offers that the picture has room for: the last ones
LONGEST_NAME = 18


@dataclass(frozen=True, kw_only=True)
class GameView:
    """A game seen from one side, and what can be said about it.

    Attributes:
        scenario: The instance.
        offers: Offer numbers so far, the first mover's first: what each proposer keeps.
        seat: Which player the learner is: 0 made the first offer.
        outcome: One of ``kernel.OUTCOMES``, such as "running" or "deal".
        opponent: The other side's name.
        learner: The learner's name.
        max_turns: Offers after which the game ends.
        discount: Factor on the points for every offer after the first.
    """

    scenario: Scenario
    offers: tuple[int, ...]
    seat: int
    outcome: str
    opponent: str
    learner: str
    max_turns: int
    discount: float

    def __post_init__(self) -> None:
        if self.outcome not in OUTCOMES:
            raise ValueError(f"outcome must be one of {', '.join(OUTCOMES)}, got {self.outcome!r}")
        if self.seat not in (0, 1):
            raise ValueError(f"seat must be 0 or 1, got {self.seat!r}")
        if self.outcome == "deal" and not self.offers:
            raise ValueError("a deal needs an offer, got no offers")

    @cached_property
    def solutions(self) -> Solutions:
        """The references of the instance."""
        return solve(self.scenario)

    @property
    def names(self) -> tuple[str, str]:
        """Learner and opponent, shortened."""
        return _shortened(self.learner), _shortened(self.opponent)

    @property
    def mover(self) -> int:
        """Who is to move: 0 the learner, 1 the opponent."""
        return int(len(self.offers) % 2 != self.seat)

    def proposer(self, turn: int) -> int:
        """Who made an offer: 0 the learner, 1 the opponent."""
        return int(turn % 2 != self.seat)

    def shares(self, turn: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Books, hats and balls that an offer gives to the learner and to the opponent."""
        offer = self.offers[turn]
        rest = tuple(OFFERS[complement(self.scenario.pool, offer)].tolist())
        kept = tuple(OFFERS[offer].tolist())
        return (kept, rest) if self.proposer(turn) == 0 else (rest, kept)

    def values(self, side: int) -> tuple[int, int, int]:
        """Points an item is worth to the learner (0) or the opponent (1)."""
        return self.scenario.values[self.seat ^ side]

    def worths(self, turn: int) -> tuple[int, int]:
        """Points that an offer is worth to the learner and to the opponent."""
        first, second = (
            sum(count * value for count, value in zip(share, self.values(side), strict=True))
            for side, share in enumerate(self.shares(turn))
        )
        return first, second

    def sided(self, point: Point) -> tuple[int, int]:
        """Utilities of a split for the learner and the opponent."""
        return point.utilities[self.seat], point.utilities[1 - self.seat]

    def verdict(self) -> tuple[str, str]:
        """How the game stands, in two short sentences."""
        names, nash = self.names, self.solutions.nash
        if self.outcome == "running":
            turn = len(self.offers) + 1
            advice = "The last offer: nobody can accept it." if turn == self.max_turns else ""
            return f"{names[self.mover]} to move, turn {turn} of {self.max_turns}.", advice
        possible = "{} : {} was possible (Nash point).".format(*self.sided(nash))
        if self.outcome != "deal":
            reason = {
                "out of turns": f"all {self.max_turns} offers made",
                "broken off": "broken off by chance",
                "illegal": f"illegal action of {names[self.mover]}",
                "walked away": f"{names[self.mover]} walked away",
            }[self.outcome]
            return f"No deal: {reason}.", possible
        worths, count = self.worths(-1 + len(self.offers)), len(self.offers)
        first = f"Deal after {count} offer{'s' * (count > 1)}: {worths[0]} : {worths[1]} points"
        factor = self.discount ** (count - 1)
        first += f", times {factor:.3g}." if factor != 1.0 else "."
        better = [p for p in map(self.sided, self.solutions.pareto) if _dominates(p, worths)]
        if better:
            best = max(better, key=sum)
            gainers = [name for name, now, then in zip(names, worths, best, strict=True) if then > now]
            whom = "both" if len(gainers) == 2 else gainers[0]
            return first, f"Not efficient: {best[0]} : {best[1]} was better for {whom}."
        product = worths[0] * worths[1]
        return first, f"Pareto efficient. Nash product {product} of at most {nash.nash_product}."


def describe_game(
    scenario: Scenario,
    offers: Sequence[int],
    seat: int,
    outcome: str,
    opponent: str,
    max_turns: int,
    *,
    discount: float = 1.0,
    learner: str = "agent",
    reveal: bool = True,
) -> str:
    """A game as text.

    Args:
        scenario: The instance.
        offers: Offer numbers so far.
        seat: Which player the learner is: 0 made the first offer.
        outcome: One of ``kernel.OUTCOMES``.
        opponent: The other side's name.
        max_turns: Offers after which the game ends.
        discount: Factor on the points for every offer after the first.
        learner: The learner's name.
        reveal: Whether to show what things are worth to the opponent; the points of a deal are always told.

    Returns:
        Several lines, without a newline at the end.

    Raises:
        ValueError: If the offers, the seat or the outcome cannot be.

    Example:
        >>> print(describe_game(Scenario((1, 2, 3), ((8, 1, 0), (4, 0, 2))), [16], 0, "deal", "linear", 10))
                          1 book    2 hats   3 balls
        agent                  8         1         0  points each
        linear                 4         0         2  points each
         1 agent: 1 book, 2 hats (10) | linear: 3 balls (6)
        Deal after 1 offer: 10 : 6 points.
        Pareto efficient. Nash product 60 of at most 60.
    """
    view = _view(scenario, offers, seat, outcome, opponent, max_turns, discount, learner)
    lines = [" " * 14 + "".join(f"{_count(n, name):>10}" for n, name in zip(scenario.pool, ITEM_NAMES, strict=True))]
    for side in range(1 + reveal):
        numbers = "".join(f"{value:10}" for value in view.values(side))
        lines.append(f"{view.names[side]:<14}{numbers}  points each")
    for turn in range(len(view.offers)):
        sides = []
        for side, (share, worth) in enumerate(zip(view.shares(turn), view.worths(turn), strict=True)):
            points = f" ({worth})" if side == 0 or reveal else ""
            sides.append(f"{view.names[side]}: {_listed(share)}{points}")
        who = view.proposer(turn)
        lines.append(f"{turn + 1:2} {' | '.join(sides[::-1] if who else sides)}")
    first, second = view.verdict()
    lines.append(first)
    if second and (reveal or outcome == "running"):
        lines.append(second)
    return "\n".join(lines)


def render_game(
    scenario: Scenario,
    offers: Sequence[int],
    seat: int,
    outcome: str,
    opponent: str,
    max_turns: int,
    *,
    discount: float = 1.0,
    learner: str = "agent",
) -> NDArray[np.uint8]:
    """A game as a picture: the items, all splits, the offers as they went, and how it ended.

    The plane at the lower left has a dot for each split (right: better for the learner; up: better for the
    opponent), a line through the Pareto set, a ring around the Nash point, and the offers in their makers'
    colours.

    Args:
        scenario: The instance.
        offers: Offer numbers so far.
        seat: Which player the learner is: 0 made the first offer.
        outcome: One of ``kernel.OUTCOMES``.
        opponent: The other side's name.
        max_turns: Offers after which the game ends.
        discount: Factor on the points for every offer after the first.
        learner: The learner's name.

    Returns:
        Pixels, shape ``(400, 640, 3)``.

    Raises:
        ImportError: If Pillow is not installed.
        ValueError: If the offers, the seat or the outcome cannot be.
    """
    view = _view(scenario, offers, seat, outcome, opponent, max_turns, discount, learner)
    canvas = Canvas(WIDTH, HEIGHT, GROUND)
    _draw_header(canvas, view)
    _draw_pool(canvas, view)
    _draw_plane(canvas, view)
    _draw_offers(canvas, view)
    _draw_verdict(canvas, view)
    return canvas.pixels()


def _view(
    scenario: Scenario,
    offers: Sequence[int],
    seat: int,
    outcome: str,
    opponent: str,
    max_turns: int,
    discount: float,
    learner: str,
) -> GameView:
    return GameView(
        scenario=scenario,
        offers=tuple(int(offer) for offer in offers),
        seat=int(seat),
        outcome=outcome,
        opponent=opponent,
        learner=learner,
        max_turns=max_turns,
        discount=discount,
    )


def _shortened(name: str) -> str:
    """The end of a long name, which in a path is the part that tells most."""
    return name if len(name) <= LONGEST_NAME else "..." + name[3 - LONGEST_NAME :]


def _count(number: int, name: str) -> str:
    return f"{number} {name}{'' if number == 1 else 's'}"


def _listed(share: tuple[int, ...]) -> str:
    return ", ".join(_count(n, name) for n, name in zip(share, ITEM_NAMES, strict=True) if n) or "nothing"


def _dominates(better: tuple[int, int], worse: tuple[int, int]) -> bool:
    return better[0] >= worse[0] and better[1] >= worse[1] and better != worse


def _draw_header(canvas: Canvas, view: GameView) -> None:
    x = 16.0
    for text, color in zip(
        (view.names[0], " and ", view.names[1]), (LEARNER_COLOR, FAINT, OPPONENT_COLOR), strict=True
    ):
        canvas.text(x, 24, text, 19, color)
        x += canvas.text_width(text, 19)
    if view.outcome == "running":
        label, color = f"{view.names[view.mover]} to move", (LEARNER_COLOR, OPPONENT_COLOR)[view.mover]
    else:
        label, color = ("deal", GOOD) if view.outcome == "deal" else ("no deal", FAINT)
    width = canvas.text_width(label, 13) + 22
    canvas.rectangle((WIDTH - 16 - width, 12, WIDTH - 16, 36), color, radius=12)
    canvas.text(WIDTH - 16 - width / 2, 24, label, 13, "white", "mm")


def _draw_pool(canvas: Canvas, view: GameView) -> None:
    canvas.rectangle((16, 46, 226, 166), CARD, radius=8, outline=LINE)
    canvas.text(28, 62, "the items", 12, FAINT)
    canvas.text(216, 62, "points each", 12, FAINT, "rm")
    for item in range(NUM_ITEMS):
        y = 90 + 29 * item
        for n in range(view.scenario.pool[item]):
            canvas.icon(28 + 22 * n, y - 11, item, 22)
        for x, side, color in ((172, 0, LEARNER_COLOR), (206, 1, OPPONENT_COLOR)):
            value = view.values(side)[item]
            canvas.text(x, y, str(value), 17, color if value else LINE, "mm")


def _draw_plane(canvas: Canvas, view: GameView) -> None:
    """All splits in the plane of both utilities."""
    canvas.rectangle((16, 176, 226, 350), CARD, radius=8, outline=LINE)
    canvas.text(28, 190, "all splits", 12, FAINT)
    canvas.dot(112, 190, 4, None, GOOD)
    canvas.text(120, 190, "Nash", 12, FAINT)
    canvas.line([(160, 190), (170, 190)], GOOD, 1.5)
    canvas.text(175, 190, "Pareto", 12, FAINT)
    left, bottom, unit_x, unit_y = 46, 330, 16.6, 12.2

    def place(point: tuple[int, int]) -> tuple[float, float]:
        return left + unit_x * point[0], bottom - unit_y * point[1]

    for level in (0, 5, TOTAL_VALUE):
        canvas.line([place((level, 0)), place((level, TOTAL_VALUE))], LINE)
        canvas.line([place((0, level)), place((TOTAL_VALUE, level))], LINE)
        x, y = place((level, level))
        canvas.text(x, bottom + 11, str(level), 10, LEARNER_COLOR, "mm")
        canvas.text(left - 12, y, str(level), 10, OPPONENT_COLOR, "mm")
    efficient = sorted(map(view.sided, view.solutions.pareto))
    canvas.line([place(point) for point in efficient], GOOD, 1.5)
    for point in {view.sided(split) for split in view.solutions.points}:
        canvas.dot(*place(point), 2.2, GOOD if point in efficient else "#b5b3ac")
    nash = place(view.sided(view.solutions.nash))
    for turn in range(len(view.offers)):
        color = (LEARNER_COLOR, OPPONENT_COLOR)[view.proposer(turn)]
        canvas.dot(*place(view.worths(turn)), 4, color)
    canvas.dot(*nash, 6.5, None, GOOD)
    if view.outcome == "deal":
        x, y = place(view.worths(len(view.offers) - 1))
        canvas.dot(x, y, 9.5, None, TEXT)


def _draw_offers(canvas: Canvas, view: GameView) -> None:
    canvas.rectangle((236, 46, 624, 350), CARD, radius=8, outline=LINE)
    center = 440
    canvas.text(center - 34, 62, f"{view.names[0]} gets", 12, LEARNER_COLOR, "rm")
    canvas.text(center + 34, 62, f"{view.names[1]} gets", 12, OPPONENT_COLOR, "lm")
    canvas.line([(248, 74), (612, 74)], LINE)
    waiting = view.outcome == "running"
    hidden = max(0, len(view.offers) + waiting - ROWS)
    if hidden:
        canvas.text(248, 62, f"+{hidden} before", 10, FAINT)
    for turn in range(hidden, len(view.offers)):
        _draw_offer(canvas, view, turn, 88 + 27 * (turn - hidden), center)
    if waiting:
        y = 88 + 27 * (len(view.offers) - hidden)
        color = (LEARNER_COLOR, OPPONENT_COLOR)[view.mover]
        canvas.dot(257, y, 9, None, color)
        canvas.text(257, y, str(len(view.offers) + 1), 11, color, "mm")
        canvas.text(center, y, ". . .", 14, color, "mm")
    for turn in range(len(view.offers) + waiting, min(view.max_turns, ROWS)):
        canvas.text(257, 88 + 27 * turn, str(turn + 1), 11, LINE, "mm")


def _draw_offer(canvas: Canvas, view: GameView, turn: int, y: float, center: float) -> None:
    """One row: the number in the proposer's colour, what both would get, and what that is worth to them."""
    last = turn == len(view.offers) - 1
    if last and view.outcome == "deal":
        canvas.rectangle((242, y - 13, 618, y + 13), "#e6f2e8", radius=6)
    color = (LEARNER_COLOR, OPPONENT_COLOR)[view.proposer(turn)]
    canvas.dot(257, y, 9, color)
    canvas.text(257, y, str(turn + 1), 11, "white", "mm")
    for side, (share, worth) in enumerate(zip(view.shares(turn), view.worths(turn), strict=True)):
        outward, hue = (-1, 1)[side], (LEARNER_COLOR, OPPONENT_COLOR)[side]
        canvas.text(center + outward * 15, y, str(worth), 16, hue if worth else FAINT, "mm")
        items = [item for item in range(NUM_ITEMS) for _ in range(share[item])]
        for n, item in enumerate(items):
            x = center + 34 + 18 * n if side else center - 34 - 18 * (len(items) - n)
            canvas.icon(x, y - 8.5, item, 17)


def _draw_verdict(canvas: Canvas, view: GameView) -> None:
    first, second = view.verdict()
    canvas.text(16, 375, first, 15, TEXT)
    canvas.text(624, 375, second, 13, FAINT, "rm")
