"""Which answers to believe: what members of the ensemble say of answers that they have not learned from.

After RIME (Cheng et al. 2024, arXiv:2402.17257), which leaves out answers that the fitted model finds unlikely and
turns round those that it finds next to impossible. There the model has learned from the answers it judges, and the
limits are set by hand. Here only members judge that have not seen an answer, and the limits follow from how often they
turn out to be wrong: the share of wrong answers, and the confidence that members deserve, are those that make what was
answered most likely.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

LEAST = 40  # decided answers below which none is doubted
TEMPERATURES = np.geomspace(1.0, 8.0, 7)
MOST_WRONG = 0.45  # above, answers would say nothing
LEAST_GAIN = (
    3.0  # nats by which members must foretell answers better than a coin, or they are in no place to doubt them
)
DOUBTED, TURNED = 0.5, 0.95  # probabilities of being wrong from which an answer is left out, and turned round


class Belief(NamedTuple):
    """What is thought of answers.

    Attributes:
        wrong: Share of decided answers that are wrong.
        temperature: What logits of members that have not seen an answer are divided by to be calibrated.
        weights: 0 for answers that are left out, else 1, shape ``(n,)``.
        targets: Answers as they are fitted, shape ``(n,)``.
    """

    wrong: float
    temperature: float
    weights: NDArray[np.float64]
    targets: NDArray[np.float64]


def believe_all(targets: NDArray[np.float64]) -> Belief:
    """Every answer as it is."""
    return Belief(0.0, 1.0, np.ones_like(targets), targets)


def believe(logits: NDArray[np.float64], targets: NDArray[np.float64], least: float) -> Belief:
    """Judge answers by what was predicted without them.

    Args:
        logits: Of the first being better; NaN where no member is unbiased, shape ``(n,)``.
        targets: Answers: 1, 0 or .5, shape ``(n,)``.
        least: Share of wrong answers that is assumed anyway.
    """
    judged = np.isfinite(logits) & (targets != 0.5)
    if judged.sum() < LEAST:
        return believe_all(targets)
    agreeing = np.where(targets > 0.5, logits, -logits)[judged]
    shares = np.linspace(least, MOST_WRONG, 19)[:, None, None]
    right = 1.0 / (1.0 + np.exp(-agreeing / TEMPERATURES[:, None]))
    likelihood = np.log((1.0 - shares) * right + shares * (1.0 - right)).sum(-1)
    share, row = np.unravel_index(int(likelihood.argmax()), likelihood.shape)
    wrong = float(shares[share, 0, 0])
    if wrong >= MOST_WRONG or likelihood[share, row] < judged.sum() * np.log(0.5) + LEAST_GAIN:
        return believe_all(targets)
    doubt = np.zeros(len(targets))
    doubt[judged] = wrong * (1.0 - right[row]) / ((1.0 - wrong) * right[row] + wrong * (1.0 - right[row]))
    turned = doubt >= TURNED
    weights = np.where((doubt >= DOUBTED) & ~turned, 0.0, 1.0)
    return Belief(wrong, float(TEMPERATURES[row]), weights, np.where(turned, 1.0 - targets, targets))
