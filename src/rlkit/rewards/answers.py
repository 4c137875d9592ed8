"""What is asked, answered and told: plain values that the store, the trainer and the page exchange."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from enum import StrEnum

from rlkit.errors import UsageError


class Answer(StrEnum):
    """An answer about a pair, whichever side its segments were shown on.

    ``TIE``: both are as good. ``CANT_TELL``: they cannot be compared; counted, never fitted. ``SKIP``: no answer, the
    pair is for others.
    """

    FIRST = "first"
    SECOND = "second"
    TIE = "tie"
    CANT_TELL = "cant_tell"
    SKIP = "skip"

    @classmethod
    def of_side(cls, side: str, swapped: bool) -> Answer:
        """The answer of who chose ``"left"`` or ``"right"``.

        Args:
            side: What was chosen.
            swapped: Whether the second segment was on the left.
        """
        if side not in ("left", "right"):
            raise ValueError(f"a side is 'left' or 'right', got {side!r}")
        return cls.FIRST if (side == "left") is not swapped else cls.SECOND

    def side(self, swapped: bool) -> str | None:
        """``"left"`` or ``"right"``; None if neither was chosen."""
        if self not in (Answer.FIRST, Answer.SECOND):
            return None
        return "left" if (self is Answer.FIRST) is not swapped else "right"


DECIDED = (Answer.FIRST, Answer.SECOND)
FITTED = (*DECIDED, Answer.TIE)  # what the reward model learns from
COUNTED = (*FITTED, Answer.CANT_TELL)  # what uses up the budget


@dataclass(frozen=True)
class Goal:
    """What people are asked to judge by.

    Attributes:
        text: One or two sentences.
        tie_breakers: What decides between two that are equally near the goal, the first first.
        must_nots: What a good segment never does.
    """

    text: str
    tie_breakers: tuple[str, ...] = ()
    must_nots: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.text.strip():
            raise UsageError("the goal is empty: write in a sentence or two what a better segment does")

    @property
    def digest(self) -> str:
        """Names it: every answer is kept with that of the goal it was given under."""
        content = json.dumps([self.text, self.tie_breakers, self.must_nots])
        return hashlib.sha256(content.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Pair:
    """Two segments to compare.

    Attributes:
        id: In the store.
        key: Its proposer's name for it.
        first: Id of a segment.
        second: Id of a segment.
        swapped: Whether the second one is to be shown on the left.
        uniform: Whether it was drawn uniformly, so that accuracy on such pairs is unbiased.
        kind: ``"query"``, or ``"calibration"`` for those that are explained to people.
        round: Of queries.
        step: Environment steps of the run when it was proposed.
        score: Of the query selector.
    """

    id: int
    key: str
    first: int
    second: int
    swapped: bool
    uniform: bool
    kind: str
    round: int
    step: int
    score: float


@dataclass(frozen=True)
class Shown:
    """A pair that is lent to a person.

    Attributes:
        lease: Names the loan; the answer is given under it.
        pair: What is shown.
        swapped: Whether the second segment is on the left this time.
        repeat: Whether this person has answered the pair before.
        until: When others may be asked instead, seconds since the epoch.
    """

    lease: str
    pair: Pair
    swapped: bool
    repeat: bool
    until: float


@dataclass(frozen=True)
class Label:
    """An answer that counts.

    Attributes:
        id: Of its row; later answers have higher ones.
        pair: Id of the pair.
        annotator: Who gave it: a name that a person chose, or a teacher's.
        answer: The answer.
        swapped: Whether the second segment was on the left.
        repeat: Whether the person had answered the pair before.
        ms: How long it took.
        goal: Digest of the goal it was given under; empty if there was none.
        created: Seconds since the epoch.
    """

    id: int
    pair: int
    annotator: str
    answer: Answer
    swapped: bool
    repeat: bool
    ms: int | None
    goal: str
    created: float


@dataclass(frozen=True)
class Progress:
    """How far the labelling is.

    Attributes:
        pairs: Queries proposed so far.
        answered: Queries with an answer, "can't tell" included.
        usable: Queries with an answer that can be fitted.
        skipped: Queries that somebody has skipped and nobody has answered.
        open: Queries that nobody has answered and nobody is looking at.
        leased: Queries that somebody is looking at.
        answers: Answers that count, repeats included.
        mine: Queries that the person who asks has answered.
        budget: Queries that the run asks for in all; None: no end.
    """

    pairs: int
    answered: int
    usable: int
    skipped: int
    open: int
    leased: int
    answers: int
    mine: int
    budget: int | None
