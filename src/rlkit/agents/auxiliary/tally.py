"""`Tally`: how well the values of pixel control fit, for each action and each cell."""

from __future__ import annotations

import numpy as np
import torch as th
from numpy.typing import NDArray
from torch import nn

KEEP = 0.99  # of the sums from one update to the next: figures are of about the last hundred
LEAST_SHARE = 1e-5  # that variance has of a cell's squared targets; below, there is nothing to explain but rounding
ZOOM = 8  # pixels of a cell in a picture


class Tally(nn.Module):
    """Fading sums over updates; buffers, so that a run that goes on has them as well.

    A value is of all changes to come. The change that it predicts for its own step is what it has beyond the value of
    what followed, so that the difference of predicted and realised change is the value's error.

    Args:
        actions: How many there are.
        grid: Cells down and across.
    """

    def __init__(self, actions: int, grid: tuple[int, int]) -> None:
        super().__init__()
        self.moments: th.Tensor  # weight; of targets: sum, squares; of errors: sum, squares
        self.changes: th.Tensor  # of each action: weight; sum of predicted, of realised changes
        self.register_buffer("moments", th.zeros(5, *grid), persistent=False)
        self.register_buffer("changes", th.zeros(3, actions, *grid), persistent=False)

    def add(
        self, values: th.Tensor, targets: th.Tensor, realised: th.Tensor, actions: th.Tensor, steps: th.Tensor
    ) -> None:
        """The steps of an update.

        Args:
            values: Of the actions taken, shape ``(m, *grid)``.
            targets: Of these, the same shape.
            realised: Change of each cell in the step, the same shape.
            actions: Shape ``(m,)`` int64.
            steps: 1, or 0 for what is no step, shape ``(m,)``.
        """
        there = steps > 0
        values, targets, realised, actions = values[there], targets[there], realised[there], actions[there]
        errors = targets - values
        self.moments.mul_(KEEP)
        self.moments[0] += len(values)
        for place, part in ((1, targets), (3, errors)):
            self.moments[place] += part.sum(0)
            self.moments[place + 1] += part.square().sum(0)
        self.changes.mul_(KEEP)
        self.changes[0].index_add_(0, actions, th.ones_like(values))
        self.changes[1].index_add_(0, actions, realised - errors)
        self.changes[2].index_add_(0, actions, realised)

    def explained(self) -> th.Tensor:
        """Share of the targets' variance that values explain, shape ``grid``; NaN where targets hardly vary."""
        weight = self.moments[0].clamp(min=1e-12)
        means, squares = self.moments[[1, 3]] / weight, self.moments[[2, 4]] / weight
        variance, unexplained = squares - means.square()
        return th.where(variance > LEAST_SHARE * squares[0], 1.0 - unexplained / variance, th.nan)

    def by_action(self) -> tuple[th.Tensor, th.Tensor]:
        """Mean predicted and realised changes, shape ``(actions, *grid)``; NaN for an action that was never taken."""
        weight = self.changes[0]
        predicted, realised = th.where(weight > 0, self.changes[1:] / weight.clamp(min=1e-12), th.nan)
        return predicted, realised

    def pictures(self) -> dict[str, NDArray[np.uint8]]:
        """Heat maps ``(height, width, 3)``, by name.

        ``change``: a row for each action, predicted changes on the left, realised ones on the right, all on the scale
        from nothing to the largest realised change. ``explained_variance``: a cell is black where nothing is explained
        and white where all is. What there is nothing to say of is dark blue.
        """
        predicted, realised = self.by_action()
        largest = float(realised.nan_to_num(0.0).max())
        pairs = th.cat([predicted, realised.new_full((*realised.shape[:2], 1), th.nan), realised], 2)
        rows = nn.functional.pad(pairs, (0, 0, 0, 1), value=th.nan).flatten(0, 1)[:-1]
        return {"change": _heat(rows / max(largest, 1e-12)), "explained_variance": _heat(self.explained())}


def _heat(shares: th.Tensor) -> NDArray[np.uint8]:
    """Shares from 0 to 1 as grey cells; NaN dark blue."""
    numbers = shares.cpu().numpy()
    missing = np.isnan(numbers)
    grey = (np.nan_to_num(numbers).clip(0.0, 1.0) * 255).astype(np.uint8)
    colours = np.repeat(grey[..., None], 3, 2)
    colours[missing] = (0, 0, 64)
    return colours.repeat(ZOOM, 0).repeat(ZOOM, 1)
