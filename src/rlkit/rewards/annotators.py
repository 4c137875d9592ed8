"""How far each person can be relied on, from pairs they answered twice; and how far people agree.

The model: with probability ``lapse`` an answer does not look at the segments but takes the left one with probability
``lean``. Of two answers about one pair, its sides swapped in between, let both be left with probability ``l``, both
right with ``r``. Then ``l - r = lapse (2 lean - 1)`` is the bias to a side, and with ``d = l + r`` the lapse is
``1 - sqrt(1 - 2 d + (l - r)^2)``. The share of wrong answers is half of it. Nothing needs to know the right answers.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rlkit.rewards.answers import DECIDED, Label

PRIOR_REPEATS = 10.0  # what is taken to be known of a person before the first repeat, in repeats
Z = 1.96  # of a 95 % interval


@dataclass(frozen=True)
class Quality:
    """What a person's answers say of themselves.

    Attributes:
        annotator: Who.
        answers: Given.
        repeats: Pairs answered twice, the sides swapped, and decided both times.
        error: Share of wrong answers, as the repeats have it; NaN without any.
        error_interval: Of 95 %.
        side_bias: How much more often the left is chosen than the right for its side alone; NaN without repeats.
        lapse: Share of answers that do not look at the segments, a prior and the repeats together.
        lean: Share of these that are left.
        median_ms: Time of an answer; None if it was never taken.
    """

    annotator: str
    answers: int
    repeats: int
    error: float
    error_interval: tuple[float, float]
    side_bias: float
    lapse: float
    lean: float
    median_ms: float | None


@dataclass(frozen=True)
class Agreement:
    """How far people agree.

    Attributes:
        pairs: That two people or more have answered.
        share: Of two answers about one pair, that are the same; NaN without such pairs.
        alpha: Krippendorff's, nominal: 1 where all agree, 0 where no more than by chance; NaN where that says nothing.
    """

    pairs: int
    share: float
    alpha: float


def judge_annotators(labels: Sequence[Label], prior: float = 0.1) -> dict[str, Quality]:
    """Everybody's quality.

    Args:
        labels: Answers that count, oldest first.
        prior: Lapse of somebody of whom nothing is known.
    """
    by_person: dict[str, list[Label]] = defaultdict(list)
    for label in labels:
        by_person[label.annotator].append(label)
    return {name: _judge(name, own, prior) for name, own in by_person.items()}


def _judge(name: str, labels: Sequence[Label], prior: float) -> Quality:
    both_left, both_right, repeats = _repeats(labels)
    prior_d = prior * (2.0 - prior) / 2.0  # what a lapse without a lean gives
    known = repeats + PRIOR_REPEATS
    bias = (both_left - both_right) / known
    lapse = _lapse((both_left + both_right + PRIOR_REPEATS * prior_d) / known, bias)
    times = sorted(label.ms for label in labels if label.ms is not None)
    error, interval, side_bias = math.nan, (math.nan, math.nan), math.nan
    if repeats:
        side_bias = (both_left - both_right) / repeats
        share = (both_left + both_right) / repeats
        error = _lapse(share, side_bias) / 2.0
        low, high = _wilson(share, repeats)
        interval = _lapse(low, side_bias) / 2.0, _lapse(high, side_bias) / 2.0
    lean = 0.5 if lapse <= 0.0 else min(max(0.5 + bias / (2.0 * lapse), 0.0), 1.0)
    median = float(times[len(times) // 2]) if times else None
    return Quality(name, len(labels), repeats, error, interval, side_bias, lapse, lean, median)


def _repeats(labels: Iterable[Label]) -> tuple[int, int, int]:
    """Repeats of a person in which the left was chosen twice, the right was, and all of them."""
    first: dict[int, Label] = {}
    sides: Counter[tuple[str | None, str | None]] = Counter()
    for label in labels:
        if label.answer not in DECIDED:
            continue
        before = first.setdefault(label.pair, label)
        if before is not label and before.swapped is not label.swapped:
            sides[before.answer.side(before.swapped), label.answer.side(label.swapped)] += 1
            del first[label.pair]
    return sides["left", "left"], sides["right", "right"], sides.total()


def _lapse(inconsistent: float, bias: float) -> float:
    return 1.0 - math.sqrt(min(max(1.0 - 2.0 * inconsistent + bias * bias, 0.0), 1.0))


def _wilson(share: float, n: int) -> tuple[float, float]:
    """Interval of a share (Wilson 1927)."""
    middle = (share + Z * Z / (2 * n)) / (1 + Z * Z / n)
    half = Z / (1 + Z * Z / n) * math.sqrt(share * (1 - share) / n + Z * Z / (4 * n * n))
    return max(middle - half, 0.0), min(middle + half, 1.0)


def agreement(labels: Sequence[Label]) -> Agreement:
    """How far people agree on pairs that several of them answered; of each person the first answer counts."""
    said: dict[int, dict[str, str]] = defaultdict(dict)
    for label in labels:
        said[label.pair].setdefault(label.annotator, label.answer.value)
    shared = [Counter(answers.values()) for answers in said.values() if len(answers) > 1]
    if not shared:
        return Agreement(0, math.nan, math.nan)
    together, totals, observed = 0, Counter[str](), 0.0
    same = pairs_of_answers = 0.0
    for counts in shared:
        n = counts.total()
        alike = sum(count * (count - 1) for count in counts.values())
        same, pairs_of_answers = same + alike, pairs_of_answers + n * (n - 1)
        observed += (n * (n - 1) - alike) / (n - 1)
        together, totals = together + n, totals + counts
    expected = (together**2 - sum(count**2 for count in totals.values())) / (together - 1)
    alpha = 1.0 - observed / expected if expected else math.nan
    return Agreement(len(shared), same / pairs_of_answers, alpha)
