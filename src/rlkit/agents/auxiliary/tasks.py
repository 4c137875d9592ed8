"""Pixel control, feature control and reward prediction as tasks (Jaderberg et al. 2016, arXiv:1611.05397)."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch as th
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

from rlkit.agents.auxiliary.pixel_control import cell_changes, crop_to_cells, n_step_targets
from rlkit.agents.auxiliary.tally import Tally
from rlkit.agents.auxiliary.task import AuxiliaryTask, ControlTask, Sizes, View, mean_over_steps
from rlkit.agents.replay import Sequences

HEAD_CHANNELS = 32  # of the map that a head on features begins with
PREDICTOR_WIDTH = 128


class PixelControl(ControlTask):
    """Values of changing each cell of the picture.

    The head is a deconvolution with a dueling pair of streams, on the trunk's map or on a map made from its features
    (UNREAL's). Its rewards are the newest frame's alone, cropped to its centre. The loss is summed over cells and
    averaged over steps.

    Args:
        sizes: What the head must fit.
        cell_size: Pixels along a cell's edge.
        head: ``map`` or ``features``.
        weight: Of its loss.
        discount: Of its pseudo-rewards.
        shuffled: A placebo.

    Raises:
        ValueError: If cells are larger than the picture, or the head has no such place.
    """

    name = "pixel_control"

    def __init__(
        self, sizes: Sizes, *, cell_size: int, head: str, weight: float, discount: float, shuffled: bool = False
    ) -> None:
        super().__init__(weight, discount, shuffled)
        self.channels, height, width = sizes.frame_shape
        if not 1 <= cell_size <= min(height, width):
            raise ValueError(f"cells of {cell_size}x{cell_size} pixels are not in frames of {height}x{width}")
        if head not in ("map", "features"):
            raise ValueError(f"the head of pixel control is on the trunk's map or features, got {head!r}")
        self.cell_size, self.head, self.brightest = cell_size, head, sizes.brightest
        self.grid = _even(height // cell_size), _even(width // cell_size)
        rows, columns = self.grid
        shape = sizes.map_shape
        self.lift: nn.Module = nn.Identity()
        if head == "features":
            shape = (HEAD_CHANNELS, max(1, rows // 2 - 1), max(1, columns // 2 - 1))
            layer = nn.Linear(sizes.features, int(np.prod(shape)))
            self.lift = nn.Sequential(layer, nn.ReLU(), nn.Unflatten(1, shape))
        pooled = min(shape[1], rows), min(shape[2], columns)
        self.pool: nn.Module = nn.Identity() if pooled == shape[1:] else nn.AdaptiveAvgPool2d(pooled)
        strides = rows // pooled[0], columns // pooled[1]  # 2 and a kernel of 4 for UNREAL's 9x9 map and 20x20 cells
        kernels = rows - (pooled[0] - 1) * strides[0], columns - (pooled[1] - 1) * strides[1]
        self.streams = _deconvolution(shape[0], sizes.actions + 1, kernels, strides)
        self.tally = Tally(sizes.actions, self.grid)
        self._last: tuple[th.Tensor, th.Tensor] | None = None

    def values(self, view: View) -> th.Tensor:
        """Of every action and cell, shape ``(n, actions, *grid)``."""
        streams = self.streams(self.pool(self.lift(view.maps if self.head == "map" else view.features)))
        advantages = streams[:, 1:]
        return streams[:, :1] + advantages - advantages.mean(1, keepdim=True)

    def rewards(self, sequences: Sequences) -> th.Tensor:
        """Pseudo-rewards of the newest frames, shape ``(m, T, *grid)``."""
        frames = sequences.observations[:, :, -self.channels :].float() / self.brightest  # bytes would wrap
        return self.dealt(cell_changes(crop_to_cells(frames, self.cell_size, self.grid), self.cell_size))

    def loss(self, online: View, bootstrap: View, twin: ControlTask, sequences: Sequences) -> th.Tensor:
        """See the base."""
        assert isinstance(twin, PixelControl)
        with th.no_grad():
            rewards, discounts = self.rewards(sequences), self.discounts(sequences)[..., None, None]
            best = twin.values(bootstrap).amax(1)
            targets = n_step_targets(rewards.transpose(0, 1), discounts.transpose(0, 1), best).transpose(0, 1)
        m = len(rewards)
        values = self.values(online).unflatten(0, (m, -1))
        k = values.shape[1]
        index = sequences.actions[:, :k, None, None, None].expand(-1, -1, 1, *self.grid)
        chosen = values.gather(2, index).squeeze(2)
        taken, aims, steps = chosen.detach(), targets[:, :k], sequences.steps[:, :k]
        seen = (taken, aims, rewards[:, :k], sequences.actions[:, :k], steps)
        self.tally.add(*(part.flatten(0, 1) for part in seen))
        self._last = taken.flatten(0, 1), aims.flatten(0, 1)
        return mean_over_steps(0.5 * (aims - chosen).square(), steps)

    def figures(self) -> dict[str, float]:
        """Means of the last batch, and what lately was explained of the targets' variance in the cells that vary."""
        if self._last is None:
            return {}
        values, targets = self._last
        explained = self.tally.explained()
        told = explained[~explained.isnan()]
        shares = told if len(told) else th.zeros(1)
        return {
            "explained_variance": shares.mean().item(),
            "explained_variance_median": shares.median().item(),
            "cells_explained": (shares > 0.5).float().mean().item(),
            "mean_target": targets.mean().item(),
            "mean_value": values.mean().item(),
        }

    def get_notes(self) -> dict[str, Any]:
        """See the base."""
        return {"last": self._last, "tally": {name: sums.clone() for name, sums in self.tally.named_buffers()}}

    def set_notes(self, notes: dict[str, Any]) -> None:
        """See the base."""
        self._last = notes["last"]
        for name, sums in self.tally.named_buffers():
            sums.copy_(notes["tally"][name])

    def pictures(self) -> dict[str, NDArray[np.uint8]]:
        """Heat maps, see :meth:`~rlkit.agents.auxiliary.tally.Tally.pictures`; none before the first update."""
        return {} if self._last is None else self.tally.pictures()


def _deconvolution(inputs: int, outputs: int, kernels: tuple[int, int], strides: tuple[int, int]) -> nn.Module:
    """A transposed convolution; one without strides is a convolution of the padded map, which is faster on a CPU."""
    if strides == (1, 1):
        return nn.Conv2d(inputs, outputs, kernels, padding=(kernels[0] - 1, kernels[1] - 1))
    return nn.ConvTranspose2d(inputs, outputs, kernels, strides)


def _even(cells: int) -> int:
    """UNREAL's 84x84 pixels have 20x20 cells of 4 and not 21x21: what a kernel of 4 and a stride of 2 come to."""
    return cells - cells % 2 if cells > 4 else cells


class FeatureControl(ControlTask):
    """Values of changing what the trunk sees: the mean activation of each channel of the target network's map.

    The target network's, because a network that is rewarded for changes of its own features can grow them without end.

    Args:
        sizes: What the head must fit.
        weight: Of its loss.
        discount: Of its pseudo-rewards.
        shuffled: A placebo.
    """

    name = "feature_control"

    def __init__(self, sizes: Sizes, *, weight: float, discount: float, shuffled: bool = False) -> None:
        super().__init__(weight, discount, shuffled)
        self.channels, self.actions = sizes.map_shape[0], sizes.actions
        self.streams = nn.Linear(sizes.features, self.channels * (sizes.actions + 1))
        self.changes: th.Tensor | None = None

    def values(self, view: View) -> th.Tensor:
        """Of every action and channel, shape ``(n, actions, channels)``."""
        streams = self.streams(view.features).unflatten(1, (self.actions + 1, self.channels))
        advantages = streams[:, 1:]
        return streams[:, :1] + advantages - advantages.mean(1, keepdim=True)

    def observe(self, maps: th.Tensor) -> None:
        """The target network's maps of the next loss's observations, shape ``(m, T + 1, channels, height, width)``."""
        means = maps.mean((3, 4))
        self.changes = (means[:, 1:] - means[:, :-1]).abs()

    def loss(self, online: View, bootstrap: View, twin: ControlTask, sequences: Sequences) -> th.Tensor:
        """See the base; :meth:`observe` comes first."""
        assert isinstance(twin, FeatureControl) and self.changes is not None
        with th.no_grad():
            rewards, discounts = self.dealt(self.changes), self.discounts(sequences)[..., None]
            best = twin.values(bootstrap).amax(1)
            targets = n_step_targets(rewards.transpose(0, 1), discounts.transpose(0, 1), best).transpose(0, 1)
        values = self.values(online).unflatten(0, (len(rewards), -1))
        k = values.shape[1]
        index = sequences.actions[:, :k, None, None].expand(-1, -1, 1, self.channels)
        chosen = values.gather(2, index).squeeze(2)
        self._figures = {"mean_target": targets.mean().item(), "mean_value": chosen.mean().item()}
        return mean_over_steps(0.5 * (targets[:, :k] - chosen).square(), sequences.steps[:, :k])


class RewardPrediction(AuxiliaryTask):
    """Whether the next reward is none, positive or negative, from the maps of a few observations.

    Args:
        sizes: What the head must fit.
        observations: How many it sees.
        weight: Of its loss.
    """

    name = "reward_prediction"

    def __init__(self, sizes: Sizes, *, observations: int, weight: float) -> None:
        super().__init__(weight)
        inputs = int(np.prod(sizes.map_shape)) * observations
        self.classes = nn.Sequential(nn.Linear(inputs, PREDICTOR_WIDTH), nn.ReLU(), nn.Linear(PREDICTOR_WIDTH, 3))

    def loss(self, maps: th.Tensor, rewards: th.Tensor) -> th.Tensor:
        """Cross entropy.

        Args:
            maps: Shape ``(m, observations, channels, height, width)``.
            rewards: Of the step from the last of them, shape ``(m,)``.
        """
        logits = self.classes(maps.flatten(1))
        found = rewards.sign().long() % 3  # none 0, positive 1, negative 2
        self._figures = {"accuracy": (logits.argmax(1) == found).float().mean().item()}
        return functional.cross_entropy(logits, found)
