"""Segments: stretches of episodes that are compared, each a copy of its own, so that none pins an episode in memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Tree = Any  # an array, or dictionaries of arrays


@dataclass(frozen=True)
class Clip:
    """What renders a segment.

    Attributes:
        snapshot: Of the simulator, at or before the segment's first step; `simulators.restore` takes it.
        actions: From the snapshot to the segment's end, shape ``(skip + length, *action_shape)``.
        skip: Steps between the snapshot and the segment's first observation.
    """

    snapshot: dict[str, Any]
    actions: NDArray[Any]
    skip: int


@dataclass(frozen=True, eq=False)
class Segment:
    """Consecutive steps of one episode.

    Attributes:
        observations: What was seen before each action: arrays of shape ``(length, ...)``.
        actions: Shape ``(length, *action_shape)``.
        rewards: The task's own, for synthetic teachers and the audit only, shape ``(length,)``.
        row: Of the environment in its batch.
        episode: Number of the episode in that environment.
        start: Of the first step, within the episode.
        step: Environment steps of the whole run when the segment was cut.
        ended: Whether the last step ended the episode.
        still: How many of its last steps stand still, after the episode has terminated and shown where.
        clip: What renders it; None if nothing can.
    """

    observations: Tree
    actions: NDArray[Any]
    rewards: NDArray[np.float32]
    row: int = 0
    episode: int = 0
    start: int = 0
    step: int = 0
    ended: bool = False
    still: int = 0
    clip: Clip | None = field(default=None, repr=False)

    def __len__(self) -> int:
        return len(self.actions)


class SegmentBatch(NamedTuple):
    """Segments side by side, padded with zeros to the longest.

    Attributes:
        observations: Arrays of shape ``(n, length, ...)``.
        actions: Shape ``(n, length, *action_shape)``.
        rewards: The task's own, shape ``(n, length)``.
        lengths: Of each, shape ``(n,)``.
        still: How many of its last steps stand still, after the episode has terminated and shown where, shape ``(n,)``.
    """

    observations: Tree
    actions: NDArray[Any]
    rewards: NDArray[np.float32]
    lengths: NDArray[np.int64]
    still: NDArray[np.int64]

    @property
    def over(self) -> NDArray[np.bool_]:
        """Which steps stand still, shape ``(n, length)``."""
        past = np.arange(self.rewards.shape[1]) - self.lengths[:, None]
        return (past < 0) & (past >= -self.still[:, None])


def stack(segments: Sequence[Segment]) -> SegmentBatch:
    """Segments side by side.

    Raises:
        ValueError: If there are none.
    """
    if not segments:
        raise ValueError("a batch needs at least one segment")
    lengths = np.array([len(segment) for segment in segments])
    longest = int(lengths.max())

    def side_by_side(*parts: NDArray[Any]) -> NDArray[Any]:
        if (lengths == longest).all():
            return np.stack(parts)
        padded = np.zeros((len(parts), longest, *parts[0].shape[1:]), dtype=parts[0].dtype)
        for row, part in zip(padded, parts, strict=True):
            row[: len(part)] = part
        return padded

    return SegmentBatch(
        map_tree(side_by_side, *(segment.observations for segment in segments)),
        side_by_side(*(segment.actions for segment in segments)),
        side_by_side(*(segment.rewards for segment in segments)),
        lengths,
        np.array([segment.still for segment in segments]),
    )


def map_tree(function: Callable[..., Any], *trees: Tree) -> Tree:
    """A tree of what a function makes of the arrays at the same place of each tree."""
    if isinstance(trees[0], dict):
        return {key: map_tree(function, *(tree[key] for tree in trees)) for key in trees[0]}
    return function(*trees)
