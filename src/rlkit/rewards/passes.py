"""Passes of the ensemble over comparisons: all members and the comparisons of a minibatch in one product a layer."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch as th
from numpy.typing import NDArray
from torch.nn.functional import logsigmoid

from rlkit.rewards.inputs import Features
from rlkit.rewards.labels import LabelSet
from rlkit.rewards.model import PICTURES, ROWS, RewardModel

VALIDATE_EVERY = 5  # epochs
RATIO = 1.1, 1.5  # of validation loss to training loss, kept by moving l2 (Christiano et al. 2017, section 2.2.3)
L2_STEP, L2_LIMITS = 1.5, (1e-8, 1.0)
TRACE = 1e-12  # Adam's epsilon is 1e-8
TOGETHER = 8 * 2**20  # bytes
FEWEST = 4  # labels that a member has not seen, below which its validation loss says nothing


@dataclass(frozen=True)
class Comparisons:
    """What is fitted, the oldest label first.

    Attributes:
        slots: In the set of labels, shape ``(n,)``.
        lengths: Of both segments, shape ``(n, 2)``.
        drawn: How often each member learns from each, shape ``(members, n)``.
        held_out: 1 where a member never does, and the label is believed, shape ``(members, n)``.
        targets: Probability that the first is better, smoothing included, shape ``(n,)``.
        lapses: Share of answers that are random, shape ``(n,)``.
        to_first: Share of those that choose the first, shape ``(n,)``.
    """

    slots: NDArray[np.int64]
    lengths: NDArray[np.int64]
    drawn: NDArray[np.int64]
    held_out: NDArray[np.float64]
    targets: th.Tensor
    lapses: th.Tensor
    to_first: th.Tensor

    def losses(self, logits: th.Tensor, rows: th.Tensor | slice) -> th.Tensor:
        """Cross-entropies between answers and what is predicted of them: a person's answer, random ones included.

        ``P[first] = (1 - lapse) sigmoid(logit) + lapse to_first``, and likewise for the second.

        Args:
            logits: Of the first segment being better, shape ``(members, m)``.
            rows: Which comparisons they are of, shape ``(m,)`` or ``(members, m)``.

        Returns:
            Shape ``(members, m)``.
        """
        target, lapse, to_first = (part[rows] for part in (self.targets, self.lapses, self.to_first))
        looked = th.log1p(-lapse)
        first = th.logaddexp(looked + logsigmoid(logits), (lapse * to_first).log())
        second = th.logaddexp(looked + logsigmoid(-logits), (lapse * (1.0 - to_first)).log())
        return -(target * first + (1.0 - target) * second)


def scores(model: RewardModel, labels: LabelSet, slots: NDArray[np.int64]) -> NDArray[np.float32]:
    """Each member's logits of the first segment being better, on whole segments, shape ``(members, n)``."""
    found = np.empty((model.config.members, len(slots)), np.float32)
    length = labels.length
    size = max(1, (PICTURES if labels.pictures else ROWS) // (2 * length))
    model.network.eval()
    with th.no_grad():
        for start in range(0, len(slots), size):
            rows = slots[start : start + size]
            features = labels.features(rows)
            flat = Features(
                features.numbers.reshape(-1, features.numbers.shape[-1]),
                tuple(part.reshape(-1, *part.shape[3:]) for part in features.pictures),
            )
            there = _there(labels.lengths[rows].reshape(1, -1), length)
            sums = model.network.returns(*model.tensors(flat), length, there).unflatten(1, (-1, 2))
            found[:, start : start + size] = (sums[..., 0] - sums[..., 1]).cpu().numpy()
    return found


def learn(model: RewardModel, labels: LabelSet, task: Comparisons) -> int:
    """Go through the comparisons until they are learned or it has been often enough; returns how often."""
    config = model.config
    for epoch in range(config.epochs):
        accuracy = _epoch(model, labels, task)
        if config.adapt_l2 and (epoch + 1) % VALIDATE_EVERY == 0:
            adapt_l2(model, task, scores(model, labels, task.slots))
        if accuracy >= config.stop_accuracy < 1.0:
            return epoch + 1
    return config.epochs


def adapt_l2(model: RewardModel, task: Comparisons, logits: NDArray[np.float32]) -> None:
    """Move each member's coefficient to bring its validation loss within :data:`RATIO` of its training loss."""
    losses = task.losses(th.from_numpy(logits), slice(None)).numpy()
    for member in range(len(losses)):
        drawn, held_out = task.drawn[member], task.held_out[member]
        if held_out.sum() < FEWEST or not drawn.sum():
            continue
        ratio = np.average(losses[member], weights=held_out) / max(np.average(losses[member], weights=drawn), 1e-12)
        step = L2_STEP if ratio > RATIO[1] else 1.0 / L2_STEP if ratio < RATIO[0] else 1.0
        model.l2[member] = np.clip(model.l2[member] * step, *L2_LIMITS)


def _epoch(model: RewardModel, labels: LabelSet, task: Comparisons) -> float:
    """Every member learns from what it has drawn, once, in its own order; returns the share of it predicted right."""
    order = shuffled(task.drawn, model.rng)
    batches = math.ceil(order.shape[1] / model.config.batch_size)
    decided = right = 0.0
    l2 = th.from_numpy(model.l2).float().to(model.device)
    model.network.train()
    for batch in np.array_split(order, batches, 1) if batches else ():
        crops = _crops(model, labels, task, np.maximum(batch, 0))
        count = th.from_numpy((batch >= 0).sum(1)).clamp(min=1)  # a member that drew less than others is done earlier
        model.optimizer.zero_grad()
        for part in _parts(model, labels, batch.shape, crops.steps):
            there, numbers = th.from_numpy(batch[:, part] >= 0), th.from_numpy(np.maximum(batch[:, part], 0))
            logits = _logits(model, labels, crops.of(part)).cpu()
            logits.register_hook(_without_traces)
            losses = th.where(there, task.losses(logits, numbers), 0.0)
            loss = (losses.sum(1) / count).sum().to(model.device)
            if part.start == 0:
                loss = loss + (l2 * model.network.square_sums()).sum()
            loss.backward()
            with th.no_grad():
                chosen = there & ((task.targets[numbers] - 0.5).abs() > 1e-6)
                decided += float(chosen.sum())
                right += float((chosen & ((logits > 0) == (task.targets[numbers] > 0.5))).sum())
        model.optimizer.step()
    return right / decided if decided else 0.0


def _parts(model: RewardModel, labels: LabelSet, shape: tuple[int, ...], steps: int) -> list[slice]:
    """Columns of a minibatch that are gone through together.

    What a layer gives for them stays below :data:`TOGETHER`: where it is larger, the system hands out new memory each
    time, and a fit of 5 members takes almost twice as long. Pictures stay together: their norms are of the minibatch.
    """
    members, n = shape
    widest = max(model.config.net_arch, default=1)
    most = n if labels.pictures else max(1, TOGETHER // (4 * members * 2 * steps * widest))
    parts = -(-n // most)
    return [slice(n * part // parts, n * (part + 1) // parts) for part in range(parts)]


def shuffled(drawn: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
    """What each member draws in an order of its own, shape ``(members, most drawn)``; -1 where it has drawn no more."""
    members, n = drawn.shape
    totals = drawn.sum(1)
    order = np.full((members, int(totals.max())), -1)
    for member in range(members):  # of members, not of comparisons
        order[member, : totals[member]] = rng.permutation(np.repeat(np.arange(n), drawn[member]))
    return order


class _Crops(NamedTuple):
    """Crops of both segments of a minibatch of each member.

    Attributes:
        steps: Of each.
        first: Steps of all that the labels hold, shape ``(members, m, 2)``.
        lengths: Of the segments they are cut from, shape ``(members, m, 2)``.
    """

    steps: int
    first: NDArray[np.int64]
    lengths: NDArray[np.int64]

    def of(self, part: slice) -> _Crops:
        """Those of some comparisons."""
        return _Crops(self.steps, self.first[:, part], self.lengths[:, part])


def _crops(model: RewardModel, labels: LabelSet, task: Comparisons, rows: NDArray[np.int64]) -> _Crops:
    """Each segment cropped at a place of its own.

    Args:
        model: The ensemble.
        labels: With the features.
        task: What is fitted.
        rows: Of it, shape ``(members, m)``.
    """
    config, rng, length = model.config, model.rng, labels.length
    lengths = task.lengths[rows]  # (members, m, 2)
    steps = length if config.crop >= 1.0 else int(rng.integers(max(1, math.ceil(config.crop * length)), length + 1))
    first = (task.slots[rows][..., None] * 2 + np.arange(2)) * length
    if steps < length:
        spare = np.maximum(lengths - steps, 0)
        first = first + np.floor(rng.random(lengths.shape) * (spare + 1)).astype(np.int64)
    return _Crops(steps, first, lengths)


def _logits(model: RewardModel, labels: LabelSet, crops: _Crops) -> th.Tensor:
    """Logits of comparisons, shape ``(members, m)``; sums over crops are scaled up to whole segments."""
    steps, first, lengths = crops
    members = len(first)
    at = th.from_numpy((first[..., None] + np.arange(steps)).ravel())
    flat = th.from_numpy(labels.numbers).view(-1, labels.numbers.shape[-1])
    numbers = model.scaled(flat.index_select(0, at)).view(members, -1, flat.shape[-1]).to(model.device)
    pictures = []
    for part in labels.pictures:
        taken = th.from_numpy(part).view(-1, *part.shape[3:]).index_select(0, at)
        pictures.append(taken.view(members, -1, *part.shape[3:]).to(model.device))
    there = _there(np.minimum(lengths, steps).reshape(members, -1), steps)
    sums = model.network.returns(numbers, pictures, steps, None if there is None else there.to(model.device))
    sums = sums.view(*lengths.shape)
    if steps < labels.length:
        whole = th.from_numpy(lengths / np.maximum(np.minimum(lengths, steps), 1)).float()
        sums = sums * whole.to(model.device)
    return sums[..., 0] - sums[..., 1]


def _without_traces(gradient: th.Tensor) -> th.Tensor:
    """Gradients that are far below what Adam sees are none: as denormal numbers they would take tenfold time."""
    return th.where(gradient.abs() < TRACE, 0.0, gradient)


def _there(lengths: NDArray[np.int64], longest: int) -> th.Tensor | None:
    """1 for each step of segments, 0 for what pads them, shape ``(*lengths.shape, longest)``; None: nothing does."""
    if (lengths == longest).all():
        return None
    return th.from_numpy((np.arange(longest) < lengths[..., None]).astype(np.float32))
