"""Settings of the parts: the teacher, the choice of queries, the reward model."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from rlkit.errors import UsageError, nearest

PEOPLE = "people"


@dataclass(kw_only=True)
class TeacherConfig:
    """Who answers: people, or a script after B-Pref (Lee et al. 2021, arXiv:2111.03026).

    Settings that are None have the named teacher's value (see :data:`TEACHERS`). Thresholds are relative to the
    segments' returns, so that adding a number to all rewards, or multiplying them, changes no answer.

    Attributes:
        name: ``people`` or a name in :data:`TEACHERS`.
        beta: Rationality: the better segment of two that are a standard deviation of segments' returns apart is
            chosen with probability 1 / (1 + exp(-beta)). 0 in a teacher without it: always the better.
        gamma: Below 1, steps count less the longer before the segment's end they are.
        mistake: Share of decided answers that are turned round.
        skip: A pair is not judged if both segments are among this share of the worst.
        equal: Segments less than this many standard deviations apart are a tie.
        lapse: Share of answers that look at the side alone.
        lean: Share of these that choose the left.
        fatigue: Answers after which the share of mistakes has risen by .1; 0: never.
    """

    name: str = "oracle"
    beta: float | None = None
    gamma: float | None = None
    mistake: float | None = None
    skip: float | None = None
    equal: float | None = None
    lapse: float | None = None
    lean: float | None = None
    fatigue: int | None = None

    def filled(self) -> dict[str, Any]:
        """Every setting, the named teacher's where it is None.

        Raises:
            UsageError: If there is no such teacher, or a value is not possible.
        """
        if self.name not in TEACHERS:
            raise UsageError(f"unknown reward.teacher.name {self.name!r}: {nearest(self.name, [*TEACHERS, PEOPLE])}")
        settings = {**NEUTRAL, **TEACHERS[self.name]}
        settings.update({key: value for key in NEUTRAL if (value := getattr(self, key)) is not None})
        check_range("teacher.beta", settings["beta"], 0.0, None)
        check_range("teacher.equal", settings["equal"], 0.0, None)
        check_range("teacher.fatigue", settings["fatigue"], 0, None)
        for key in ("gamma", "mistake", "skip", "lapse", "lean"):
            check_range(f"teacher.{key}", settings[key], 0.0, 1.0)
        return settings


NEUTRAL: dict[str, Any] = {
    "beta": 0.0,
    "gamma": 1.0,
    "mistake": 0.0,
    "skip": 0.0,
    "equal": 0.0,
    "lapse": 0.0,
    "lean": 0.5,
    "fatigue": 0,
}
TEACHERS: dict[str, dict[str, Any]] = {
    "oracle": {},
    "stochastic": {"beta": 4.0},  # one answer in ten is wrong where returns are normal
    "myopic": {"gamma": 0.9},
    "mistake": {"mistake": 0.1},
    "skip": {"skip": 0.3},
    "equal": {"equal": 0.2},
    "mixed": {"beta": 4.0, "gamma": 0.95, "mistake": 0.1, "skip": 0.3, "equal": 0.2},
    "leaning": {"lapse": 0.2, "lean": 0.8},
    "tired": {"fatigue": 200},
}


@dataclass(kw_only=True)
class QueryConfig:
    """Which pairs are asked.

    Attributes:
        method: What ranks candidates: ``uniform`` (none), ``disagreement`` (standard deviation of the members'
            probabilities; Christiano et al. 2017), ``entropy`` (B-Pref), ``bald`` (mutual information).
        candidates: How many times more pairs are drawn than asked.
        newest: Segments come from so many newest episodes (QPA; Hu et al. 2024); 0: from all that
            are kept.
        diverse: Choose from the better half of the candidates those far from one another and from what is labelled
            (k-center).
        uniform_share: Share of pairs that are drawn uniformly from all that are kept, whatever the method.
    """

    method: str = "bald"
    candidates: int = 10
    newest: int = 10
    diverse: bool = True
    uniform_share: float = 0.2


@dataclass(kw_only=True)
class ModelConfig:
    """The reward model and its fit.

    Attributes:
        members: Networks of the ensemble. An answer is judged by those that bootstrapping did not show it; of 5 there
            are 1.8 on average, and for one answer in ten none, of 3 there are 1.1, and none for one answer in four.
        net_arch: Widths of each one's hidden layers.
        activation: ``leaky_relu`` (slope .01), ``relu``, ``tanh`` or ``silu``.
        learning_rate: Of Adam.
        batch_size: Comparisons of a minibatch.
        epochs: At most, of a fit.
        stop_accuracy: A fit ends early at this share of comparisons predicted right; 1: only at the last epoch.
        noise: Share of answers taken to be random; half of it is the least probability of any answer.
        smoothing: Share of the label that is spread over both answers.
        crop: Least share of a segment that a fit sees of it at a time (SURF; Park et al. 2022); 1: always all.
        filter: Leave out answers that the members which did not see them find hard to believe, and turn round those
            they find unbelievable (RIME; Cheng et al. 2024).
        bootstrap: Each member learns from comparisons drawn with replacement, and is validated on the rest.
        l2: Coefficient of the weights' squares, at first.
        adapt_l2: Move it to keep the validation loss 1.1 to 1.5 times the training loss.
        reward_std: Standard deviation that each member's reward is scaled to.
        dropout: Of convolutions, while fitting.
        keep: Newest comparisons that are learned from.
    """

    members: int = 5
    net_arch: list[int] = field(default_factory=lambda: [64, 64])
    activation: str = "leaky_relu"
    learning_rate: float = 1e-3
    batch_size: int = 64
    epochs: int = 50
    stop_accuracy: float = 1.0
    noise: float = 0.1
    smoothing: float = 0.05
    crop: float = 0.8
    filter: bool = True
    bootstrap: bool = True
    l2: float = 0.02
    adapt_l2: bool = False
    reward_std: float = 1.0
    dropout: float = 0.5
    keep: int = 5_000


def paper_queries() -> QueryConfig:
    """As Christiano et al. (2017) choose."""
    return QueryConfig(method="disagreement", candidates=10, newest=0, diverse=False, uniform_share=0.0)


def paper_model() -> ModelConfig:
    """As Christiano et al. (2017) fit."""
    return ModelConfig(members=3, smoothing=0.0, crop=1.0, filter=False, l2=1e-5, adapt_l2=True, keep=3_000)


def check_range(key: str, value: float, low: float, high: float | None) -> None:
    """Refuse a number that is out of range.

    Args:
        key: Of the setting, without ``reward.``.
        value: Its value.
        low: Least allowed.
        high: Most allowed; None: no limit.

    Raises:
        UsageError: If it is.
    """
    if not low <= value or (high is not None and value > high):
        allowed = f"at least {low}" if high is None else f"from {low} to {high}"
        raise UsageError(f"reward.{key} must be {allowed}, got {value}")
