"""`fit`: the reward model learns from the answers there are."""

from __future__ import annotations

import math
import time
from dataclasses import asdict, dataclass

import numpy as np
import torch as th
from numpy.typing import NDArray

from rlkit.rewards.belief import Belief, believe, believe_all
from rlkit.rewards.labels import LabelSet
from rlkit.rewards.model import RewardModel
from rlkit.rewards.passes import Comparisons, learn, scores
from rlkit.rewards.segments import SegmentBatch

SCALE_STEPS = 20_000  # about so many steps tell what is usual


@dataclass(frozen=True)
class FitReport:
    """What a fit did. A figure about nothing is NaN.

    Attributes:
        labels: It learned from.
        epochs: It took.
        train_loss: Mean over members, on labels that each has drawn.
        held_out_loss: The same, on those it has not.
        train_accuracy: Share of decided answers that the members which learned from them predict.
        held_out_accuracy: The same, by members that have not.
        fresh_accuracy: Before the fit, on answers that are new and about pairs drawn uniformly, or on all new ones if
            no such pair is among them.
        l2: Mean coefficient of the squared weights after it.
        wrong: Share of wrong answers, as far as it is known.
        left_out: Answers that were not believed.
        turned: Answers that were turned round.
        seconds: It took.
    """

    labels: int = 0
    epochs: int = 0
    train_loss: float = math.nan
    held_out_loss: float = math.nan
    train_accuracy: float = math.nan
    held_out_accuracy: float = math.nan
    fresh_accuracy: float = math.nan
    l2: float = math.nan
    wrong: float = math.nan
    left_out: int = 0
    turned: int = 0
    seconds: float = 0.0

    def figures(self) -> dict[str, float]:
        """What there is to log."""
        return {name: float(value) for name, value in asdict(self).items() if not math.isnan(value)}


def fit(model: RewardModel, labels: LabelSet, recent: SegmentBatch | None = None) -> FitReport:
    """Learn from all labels, going on from what was learned before.

    Args:
        model: Changed.
        labels: To learn from. Without any, nothing is changed.
        recent: Segments of late, so that what is usual is that of the present policy as well.

    Returns:
        What came of it.
    """
    begin = time.perf_counter()
    slots = labels.rows()
    if not len(slots):
        return FitReport()
    fresh = _fresh_accuracy(model, labels, slots)
    model.set_scale(labels.steps(SCALE_STEPS, recent).numbers)
    answers, drawn = labels.targets[slots], labels.counts[:, slots]
    belief = believe_all(answers)
    if model.config.filter and model.fits:
        belief = believe(held_out_logits(scores(model, labels, slots), drawn), answers, model.config.noise / 2.0)
    task = _comparisons(model, labels, slots, belief)
    epochs = learn(model, labels, task)
    logits = scores(model, labels, slots)
    losses = task.losses(th.from_numpy(logits), slice(None)).numpy()
    model.set_reward_scale(model.rewards(labels.steps(SCALE_STEPS, recent)))
    model.fits += 1
    model.fitted_upto = int(labels.ids[slots[-1]])
    return FitReport(
        labels=len(slots),
        epochs=epochs,
        train_loss=_mean(losses, task.drawn),
        held_out_loss=_mean(losses, task.held_out),
        train_accuracy=accuracy(_averaged(logits, drawn > 0), answers),
        held_out_accuracy=accuracy(held_out_logits(logits, drawn), answers),
        fresh_accuracy=fresh,
        l2=float(model.l2.mean()),
        wrong=belief.wrong,
        left_out=int((belief.weights == 0.0).sum()),
        turned=int((belief.targets != answers).sum()),
        seconds=time.perf_counter() - begin,
    )


def held_out_logits(logits: NDArray[np.floating], drawn: NDArray[np.int64]) -> NDArray[np.float64]:
    """What members say of labels that they have not learned from.

    Args:
        logits: Of every member, shape ``(members, n)``.
        drawn: How often each has learned from each label, shape ``(members, n)``.

    Returns:
        Mean logits, NaN where all have learned from a label, shape ``(n,)``.
    """
    return _averaged(logits, drawn == 0)


def accuracy(logits: NDArray[np.float64], answers: NDArray[np.float64]) -> float:
    """Share of decided answers that are predicted; NaN where there is none with a prediction."""
    judged = np.isfinite(logits) & (answers != 0.5)
    return float(((logits > 0) == (answers > 0.5))[judged].mean()) if judged.any() else math.nan


def _comparisons(model: RewardModel, labels: LabelSet, slots: NDArray[np.int64], belief: Belief) -> Comparisons:
    believed = (belief.weights > 0.0).astype(np.int64)
    smoothing = model.config.smoothing
    targets = (1.0 - smoothing) * belief.targets + smoothing / 2.0
    lapses = np.maximum(labels.lapses[slots], 2.0 * belief.wrong)
    tensors = (th.from_numpy(part.astype(np.float32)) for part in (targets, lapses, labels.to_first[slots]))
    drawn = labels.counts[:, slots]
    return Comparisons(slots, labels.lengths[slots], drawn * believed, (drawn == 0) * believed.astype(float), *tensors)


def _fresh_accuracy(model: RewardModel, labels: LabelSet, slots: NDArray[np.int64]) -> float:
    new = slots[labels.ids[slots] > model.fitted_upto]
    if labels.uniform[new].any():
        new = new[labels.uniform[new]]
    if not model.fits or not len(new):
        return math.nan
    return accuracy(scores(model, labels, new).mean(0, dtype=np.float64), labels.targets[new])


def _averaged(logits: NDArray[np.floating], of: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Means over some members of each label; NaN where there are none."""
    n = of.sum(0)
    return np.where(n > 0, np.where(of, logits, 0.0).sum(0, dtype=np.float64) / np.maximum(n, 1), np.nan)


def _mean(losses: NDArray[np.floating], weights: NDArray[np.floating] | NDArray[np.int64]) -> float:
    """Mean over members of their weighted means; members without any weight do not count."""
    totals = weights.sum(1)
    some = totals > 0
    return float(((losses * weights).sum(1)[some] / totals[some]).mean()) if some.any() else math.nan
