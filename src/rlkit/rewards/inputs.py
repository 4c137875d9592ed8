"""What the reward model sees of a step: numbers and pictures, whatever the spaces are."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray
from stable_baselines3.common.preprocessing import is_image_space

from rlkit.agents.spaces import channels_first
from rlkit.errors import UsageError
from rlkit.rewards.segments import Tree

COARSE = 8  # places of a picture that its summary looks at, along each edge


class Features(NamedTuple):
    """Inputs of the network.

    Attributes:
        numbers: Shape ``(..., width)`` float32; the last of them is 1 where an episode is over and stands still.
        pictures: Each of shape ``(..., channels, height, width)`` uint8.
    """

    numbers: NDArray[np.float32]
    pictures: tuple[NDArray[np.uint8], ...]


class Inputs:
    """Reads observations and actions.

    Boxes are flattened, discrete ones become one-hot; pictures (as Stable-Baselines3 knows them) stay pictures, their
    channels first. Steps that stand still after an episode's end look all the same, whatever it was: zeros, black
    pictures, and a number that says so (as the absorbing state of Kostrikov et al. 2019, arXiv:1809.02925, 4.2).

    Args:
        observation_space: Of one environment.
        action_space: Of one environment.

    Attributes:
        width: Of the numbers.
        measured: Which of them are on a scale of their own, and not part of a one-hot, shape ``(width,)``.
        pictures: Shapes, channels first.

    Raises:
        UsageError: If a space is of a kind that cannot be read.
    """

    def __init__(self, observation_space: spaces.Space[Any], action_space: spaces.Space[Any]) -> None:
        self.observation_space, self.action_space = observation_space, action_space
        seen = _leaves(observation_space)
        self._pictures = [(path, space) for path, space in seen if is_image_space(space)]
        self._numbers = [(path, space) for path, space in seen if not is_image_space(space)]
        self.pictures = [tuple(channels_first(space).shape or ()) for _, space in self._pictures]
        measured = [
            flag for space in (*(space for _, space in self._numbers), action_space) for flag in _columns(space)
        ]
        self.measured = np.array([*measured, False], np.bool_)
        self.width = len(self.measured)

    def read(self, observations: Tree, actions: NDArray[Any], over: NDArray[np.bool_] | None = None) -> Features:
        """Inputs of steps.

        Args:
            observations: Arrays of shape ``(*lead, ...)``; pictures may have their channels first or last.
            actions: Shape ``(*lead, *action_shape)``, as the environment takes them.
            over: Which steps stand still after an episode's end, shape ``lead``; None: none does.
        """
        lead = actions.shape[: actions.ndim - len(self.action_space.shape or ())]
        numbers = [_flat(_at(observations, path), space, lead) for path, space in self._numbers]
        numbers.append(_flat(actions, self.action_space, lead))
        numbers.append(np.zeros((*lead, 1), np.float32))
        pictures = [_first(_at(observations, path), space) for path, space in self._pictures]
        read = np.concatenate(numbers, -1)
        if over is not None and over.any():
            read[over] = 0.0
            read[over, -1] = 1.0
            pictures = [np.where(over[..., None, None, None], np.uint8(0), part) for part in pictures]
        return Features(read, tuple(pictures))

    def summary(self, features: Features, lengths: NDArray[np.int64]) -> NDArray[np.float32]:
        """What segments are like: mean and standard deviation of their numbers, mean of their coarse pictures.

        Args:
            features: Of segments, shape ``(n, length, ...)``.
            lengths: Steps of each, shape ``(n,)``.

        Returns:
            Shape ``(n, summary_width)``.
        """
        steps = features.numbers.shape[1]
        there = (np.arange(steps) < lengths[:, None]).astype(np.float32) / lengths[:, None]
        mean = np.einsum("nl,nlw->nw", there, features.numbers)
        apart = features.numbers - mean[:, None]
        parts = [mean, np.sqrt(np.einsum("nl,nlw->nw", there, apart * apart))]
        for pictures, (_, height, width) in zip(features.pictures, self.pictures, strict=True):
            coarse = pictures[..., :: -(-height // COARSE), :: -(-width // COARSE)]
            parts.append(np.einsum("nl,nl...->n...", there, coarse).reshape(len(lengths), -1))
        return np.concatenate(parts, 1).astype(np.float32)

    @property
    def summary_width(self) -> int:
        """Numbers in a summary."""
        pictures = tuple(np.zeros((1, 1, *shape), np.uint8) for shape in self.pictures)
        one = Features(np.zeros((1, 1, self.width), np.float32), pictures)
        return self.summary(one, np.ones(1, np.int64)).shape[1]


def _leaves(space: spaces.Space[Any], path: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], spaces.Space[Any]]]:
    if isinstance(space, spaces.Dict):
        return [leaf for key, part in space.spaces.items() for leaf in _leaves(part, (*path, key))]
    return [(path, space)]


def _at(tree: Tree, path: tuple[str, ...]) -> NDArray[Any]:
    for key in path:
        tree = tree[key]
    return np.asarray(tree)


def _columns(space: spaces.Space[Any]) -> list[bool]:
    """For each number that a space becomes, whether it is measured (or else part of a one-hot)."""
    if isinstance(space, spaces.Box):
        return [True] * int(np.prod(space.shape))
    if isinstance(space, spaces.Discrete):
        return [False] * int(space.n)
    if isinstance(space, spaces.MultiDiscrete):
        return [False] * int(space.nvec.sum())
    if isinstance(space, spaces.MultiBinary):
        return [False] * int(np.prod(space.shape))
    raise UsageError(f"a reward cannot be learned from {type(space).__name__} spaces: Box, Discrete, Dict, ... can")


def _flat(values: NDArray[Any], space: spaces.Space[Any], lead: tuple[int, ...]) -> NDArray[np.float32]:
    """Elements of a space as numbers, shape ``(*lead, width)``."""
    if isinstance(space, spaces.Discrete):
        return _one_hot(values.reshape(lead) - space.start, int(space.n))
    if isinstance(space, spaces.MultiDiscrete):
        digits = values.reshape(*lead, -1) - space.start.ravel()
        sizes = space.nvec.ravel().tolist()
        return np.concatenate([_one_hot(digits[..., column], size) for column, size in enumerate(sizes)], -1)
    return values.reshape(*lead, -1).astype(np.float32, copy=False)


def _one_hot(digits: NDArray[Any], size: int) -> NDArray[np.float32]:
    return (np.asarray(digits)[..., None] == np.arange(size)).astype(np.float32)


def _first(pictures: NDArray[Any], space: spaces.Space[Any]) -> NDArray[Any]:
    """Pictures with their channels first; a replay of Stable-Baselines3's has them so already."""
    if pictures.shape[-3:] == channels_first(space).shape:
        return pictures
    return np.moveaxis(pictures, -1, -3)
