"""What an auxiliary task is: a head on the agent's trunk, targets from what was replayed, and a loss."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar, NamedTuple

import torch as th
from torch import nn

from rlkit.agents.replay import Sequences


class View(NamedTuple):
    """What heads see of observations.

    Attributes:
        maps: Of the trunk's convolutions, shape ``(n, channels, height, width)``.
        features: Of the layer on top, shape ``(n, features)``.
    """

    maps: th.Tensor
    features: th.Tensor


class Sizes(NamedTuple):
    """What a head must fit.

    Attributes:
        map_shape: Of the trunk's convolution maps.
        features: Of the layer on top.
        frame_shape: Of one frame: channels, height, width.
        actions: How many there are.
        brightest: The value of a pixel that counts as 1.
    """

    map_shape: tuple[int, int, int]
    features: int
    frame_shape: tuple[int, int, int]
    actions: int
    brightest: float


class AuxiliaryTask(nn.Module, ABC):
    """A further loss on an agent's network. Its parameters are its head's.

    Attributes:
        name: In TensorBoard's tags.
        weight: Of its loss.
    """

    name: ClassVar[str]

    def __init__(self, weight: float) -> None:
        super().__init__()
        self.weight = weight
        self._figures: dict[str, float] = {}

    def figures(self) -> dict[str, float]:
        """Of the last loss, for TensorBoard under ``auxiliary/<name>/``."""
        return self._figures

    def get_notes(self) -> dict[str, Any]:
        """What :meth:`figures` are made of: plain values and tensors."""
        return {"figures": dict(self._figures)}

    def set_notes(self, notes: dict[str, Any]) -> None:
        """Take back what :meth:`get_notes` gave."""
        self._figures = dict(notes["figures"])


class ControlTask(AuxiliaryTask):
    """A task with pseudo-rewards and values of its own, learned by n-step Q-learning.

    Args:
        weight: Of its loss.
        discount: Of its pseudo-rewards.
        shuffled: Whether pseudo-rewards are dealt out anew among the steps of a batch: a placebo, with all the cost and
            none of the meaning.
    """

    def __init__(self, weight: float, discount: float, shuffled: bool) -> None:
        super().__init__(weight)
        self.discount, self.shuffled = discount, shuffled

    @abstractmethod
    def loss(self, online: View, bootstrap: View, twin: ControlTask, sequences: Sequences) -> th.Tensor:
        """The loss.

        Args:
            online: Of the first ``k`` observations of every sequence, ``m * k`` rows, sequence by sequence.
            bootstrap: Of their last observations, ``m`` rows, by the target network.
            twin: The same task's head for the target network.
            sequences: What was replayed, ``m`` sequences.
        """

    def discounts(self, sequences: Sequences) -> th.Tensor:
        """Of every step, shape ``(m, T)``: 0 where the episode terminates; past the cut 1, for rewards of 0."""
        return self.discount * sequences.goes_on * sequences.steps + (1.0 - sequences.steps)

    def dealt(self, rewards: th.Tensor) -> th.Tensor:
        """Pseudo-rewards ``(m, T, ...)``; of the placebo, those of other steps."""
        if not self.shuffled:
            return rewards
        order = th.randperm(rewards.shape[0] * rewards.shape[1], device=rewards.device)
        return rewards.flatten(0, 1)[order].reshape(rewards.shape)


def mean_over_steps(losses: th.Tensor, steps: th.Tensor) -> th.Tensor:
    """The reduction of every control task: summed over its tasks, averaged over the steps that there are.

    Args:
        losses: Shape ``(m, k, ...)``: of every cell or feature.
        steps: 1 or 0, shape ``(m, k)``.
    """
    return (losses.flatten(2).sum(2) * steps).sum() / steps.sum().clamp(min=1.0)
