"""`LabelSet`: answers and what they are about, as the reward model learns from them."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rlkit.rewards.annotators import Quality, judge_annotators
from rlkit.rewards.answers import FITTED, Answer, Label
from rlkit.rewards.inputs import Features
from rlkit.rewards.model import RewardModel
from rlkit.rewards.segments import SegmentBatch, stack
from rlkit.rewards.store import ComparisonStore

TARGET = {Answer.FIRST: 1.0, Answer.SECOND: 0.0, Answer.TIE: 0.5}  # probability that the first is better


class LabelSet:
    """The newest answers that can be fitted, in a room that does not grow: numbers in memory, pictures on the disk.

    It is what the store makes of it, whenever it is asked: the same store and the same ``upto`` give the same set, bit
    for bit, in one go or in many. Each member's share of a label (how often bootstrapping drew it) depends on the
    model's seed and the label alone.

    Args:
        store: Of the comparisons.
        model: Whose inputs, settings and members it is for.
        seed: Of the bootstrap.

    Attributes:
        upto: Id of the newest row of the store that it knows of.
        qualities: Of everybody who has answered.
    """

    def __init__(self, store: ComparisonStore, model: RewardModel, *, seed: int) -> None:
        self._store, self._config, self._inputs, self._seed = store, model.config, model.inputs, seed
        keep, length = self._config.keep, store.header.segment
        self.length = length
        self.numbers = np.empty((keep, 2, length, self._inputs.width), np.float32)  # taken from memory as it fills
        self.pictures = [self._on_disk((keep, 2, length, *shape)) for shape in self._inputs.pictures]
        self.lengths = np.zeros((keep, 2), np.int64)
        self.summaries = np.zeros((keep, 2, self._inputs.summary_width), np.float32)
        self.ids = np.zeros(keep, np.int64)
        self.targets = np.zeros(keep)
        self.counts = np.zeros((self._config.members, keep), np.int64)
        self.uniform = np.zeros(keep, np.bool_)
        self.lapses, self.to_first = np.zeros(keep), np.zeros(keep)
        self._standing = np.zeros(keep, np.bool_)
        self._about: list[Label | None] = [None] * keep
        self._taken = 0
        self.upto = 0
        self.qualities: dict[str, Quality] = {}

    def __len__(self) -> int:
        return int(self._standing.sum())

    def update(self, upto: int) -> int:
        """Take in what the store has up to a row.

        Args:
            upto: Id of an answer or of an undoing.

        Returns:
            How many labels there are now.

        Raises:
            ValueError: If it was told of later rows already.
        """
        if upto < self.upto:
            raise ValueError(f"the labels are known up to row {self.upto}, they cannot go back to {upto}")
        new = [label for label in self._store.labels(self.upto, upto, undone=True) if label.answer in FITTED]
        self._taken += max(len(new) - self._config.keep, 0)  # as if they had been taken, and had made room since
        for label in new[-self._config.keep :]:
            self._take(label)
        self._standing &= ~np.isin(self.ids, self._store.undone(upto))
        self.upto = upto
        self.qualities = judge_annotators(self._store.labels(upto=upto), self._config.noise)
        for slot in self.rows():
            label = self._about[slot]
            assert label is not None
            quality = self.qualities[label.annotator]
            self.lapses[slot] = max(quality.lapse, self._config.noise)
            self.to_first[slot] = 1.0 - quality.lean if label.swapped else quality.lean
        return len(self)

    def rows(self) -> NDArray[np.int64]:
        """Slots that hold a label, the oldest label first."""
        slots = np.flatnonzero(self._standing)
        return slots[np.argsort(self.ids[slots])]

    def _take(self, label: Label) -> None:
        """Learn a label by heart, in the place of the oldest."""
        slot = self._taken % self._config.keep
        self._taken += 1
        pair = self._store.pair(label.pair)
        both = stack([self._store.segment(pair.first), self._store.segment(pair.second)])
        features, steps = self._inputs.read(both.observations, both.actions, both.over), int(both.lengths.max())
        self.numbers[slot] = 0.0
        self.numbers[slot, :, :steps] = features.numbers
        for kept, seen in zip(self.pictures, features.pictures, strict=True):
            kept[slot, :, :steps] = seen
        self.summaries[slot] = self._inputs.summary(features, both.lengths)
        self.lengths[slot] = both.lengths
        self.ids[slot], self.targets[slot], self.uniform[slot] = label.id, TARGET[label.answer], pair.uniform
        self.counts[:, slot] = self._drawn(label.id)
        self._standing[slot], self._about[slot] = True, label

    def _drawn(self, label: int) -> NDArray[np.int64]:
        """How often each member drew a label: of as many draws with replacement as there are labels, in the limit.

        A share of 1/e is drawn 0 times, and validates the member (Oza and Russell 2001, "Online bagging").
        """
        drawn = np.random.default_rng([self._seed, label]).poisson(1.0, self._config.members)
        if not self._config.bootstrap:
            drawn[:] = min(drawn[0], 1)
        return drawn

    def features(self, slots: Sequence[int] | NDArray[np.int64]) -> Features:
        """Inputs of labels' segments, shape ``(n, 2, length, ...)``."""
        return Features(self.numbers[slots], tuple(np.asarray(part[slots]) for part in self.pictures))

    def steps(self, most: int, recent: SegmentBatch | None) -> Features:
        """Inputs of steps, of labels and of segments of late, evenly chosen so that there are not too many.

        Args:
            most: About how many of each.
            recent: Segments; None: there are none.
        """
        slots = self.rows()
        slots = slots[:: max(1, 2 * len(slots) * self.length // most)]
        there = np.arange(self.length) < self.lengths[slots][..., None]
        parts = [Features(*_chosen(self.features(slots), there))]
        if recent is not None:
            chosen = np.arange(0, len(recent.lengths), max(1, recent.rewards.size // most))
            there = np.arange(recent.rewards.shape[1]) < recent.lengths[chosen][:, None]
            parts_of = recent.observations, recent.actions, recent.over
            seen = self._inputs.read(*(_taken(part, chosen) for part in parts_of))
            parts.append(Features(*_chosen(seen, there)))
        pictures = zip(*(part.pictures for part in parts), strict=True)
        return Features(np.concatenate([part.numbers for part in parts]), tuple(map(np.concatenate, pictures)))

    def _on_disk(self, shape: tuple[int, ...]) -> NDArray[np.uint8]:
        """Zeros in a file that has no name, so that it goes when the process does."""
        with tempfile.TemporaryFile(dir=self._store.path.parent) as file:
            return np.memmap(file, np.uint8, "w+", shape=shape)


def _chosen(features: Features, there: NDArray[np.bool_]) -> tuple[NDArray[Any], tuple[NDArray[Any], ...]]:
    return features.numbers[there], tuple(part[there] for part in features.pictures)


def _taken(tree: Any, rows: NDArray[np.int64]) -> Any:
    return {key: _taken(part, rows) for key, part in tree.items()} if isinstance(tree, dict) else tree[rows]
