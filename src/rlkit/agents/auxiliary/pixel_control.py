"""Pixel control's pseudo-rewards and loss (Jaderberg et al. 2016, arXiv:1611.05397, section 3.1).

:func:`pixel_control_rewards` and :func:`pixel_control_loss` have the arguments, the meaning and the errors of
DeepMind's ``rlax`` 0.1.9; tests hold them against it. Training composes the same parts: :func:`cell_changes` and
:func:`n_step_targets`.
"""

from __future__ import annotations

from typing import Any

import torch as th
from torch.nn import functional


def cell_changes(frames: th.Tensor, cell_size: int) -> th.Tensor:
    """Mean absolute change of each cell's pixels between frames that follow each other.

    Args:
        frames: Shape ``(..., T + 1, channels, height, width)``, floating point; height and width are multiples of
            ``cell_size`` (see :func:`crop_to_cells`).
        cell_size: Pixels along a cell's edge.

    Returns:
        Shape ``(..., T, height / cell_size, width / cell_size)``: averaged over the cell's pixels and the channels.

    Raises:
        ValueError: If the frames are whole numbers (unsigned bytes would wrap) or cells do not fill them.
    """
    height, width = frames.shape[-2:]
    if not frames.is_floating_point():
        raise ValueError(f"pixels must be floating point in [0, 1], got {frames.dtype}: divide uint8 by 255")
    if cell_size < 1 or height % cell_size or width % cell_size:
        raise ValueError(
            f"cells of {cell_size}x{cell_size} pixels do not fill frames of {height}x{width}: crop them to multiples"
        )
    change = (frames[..., 1:, :, :, :] - frames[..., :-1, :, :, :]).abs_().mean(-3)
    cells = functional.avg_pool2d(change.flatten(0, -3)[:, None], cell_size)
    return cells.reshape(*change.shape[:-2], height // cell_size, width // cell_size)


def crop_to_cells(frames: th.Tensor, cell_size: int, grid: tuple[int, int] | None = None) -> th.Tensor:
    """The centre of frames ``(..., height, width)``, as a view: 84x84 with cells of 4 and a 20x20 grid become 80x80.

    Args:
        frames: Pictures, channels first.
        cell_size: Pixels along a cell's edge.
        grid: Cells down and across; None: as many as fit.

    Raises:
        ValueError: If the grid does not fit.
    """
    height, width = frames.shape[-2:]
    rows, columns = grid or (height // cell_size, width // cell_size)
    top, left = height - rows * cell_size, width - columns * cell_size
    if min(rows, columns) < 1 or min(top, left) < 0:
        raise ValueError(f"{rows}x{columns} cells of {cell_size}x{cell_size} pixels are not in {height}x{width} frames")
    top, left = top // 2, left // 2
    return frames[..., top : top + rows * cell_size, left : left + columns * cell_size]


def n_step_targets(rewards: th.Tensor, discounts: th.Tensor, bootstrap: th.Tensor) -> th.Tensor:
    """Discounted sums of rewards to the sequence's end and the value there: Peng's Q(lambda) with lambda = 1.

    Args:
        rewards: Shape ``(T, ...)``.
        discounts: Shape ``(T, ...)``, broadcast against the rewards: 0 where the episode terminates. Past the end of a
            sequence that is shorter than T, rewards of 0 and discounts of 1 hand the bootstrap through.
        bootstrap: Shape ``(...)``: the value of the last observation.

    Returns:
        ``G_t = r_t + g_t G_{t+1}``, ``G_T = bootstrap``, without gradients, shape ``(T, ...)``.
    """
    targets = th.empty_like(rewards)
    value = bootstrap
    with th.no_grad():
        for step in range(len(rewards) - 1, -1, -1):
            value = rewards[step] + discounts[step] * value
            targets[step] = value
    return targets


def pixel_control_rewards(observations: Any, cell_size: int) -> th.Tensor:
    """Pseudo-rewards of pixel control: the mean absolute change of each cell.

    Args:
        observations: Shape ``(T + 1, height, width, channels)``, floating point in [0, 1], cropped so that height and
            width are multiples of ``cell_size``.
        cell_size: Pixels along a cell's edge.

    Returns:
        Shape ``(T, height / cell_size, width / cell_size)``.

    Raises:
        ValueError: If the shape is another, pixels are whole numbers, or cells do not fill the frames.

    Example:
        >>> frames = th.zeros(2, 4, 4, 3)
        >>> frames[1, :2, :2] = 0.5
        >>> pixel_control_rewards(frames, cell_size=2)
        tensor([[[0.5000, 0.0000],
                 [0.0000, 0.0000]]])
    """
    frames = th.as_tensor(observations)
    if frames.ndim != 4:
        raise ValueError(f"observations must have shape (T + 1, height, width, channels), got {tuple(frames.shape)}")
    return cell_changes(frames.permute(0, 3, 1, 2), cell_size)


def pixel_control_loss(observations: Any, actions: Any, action_values: Any, discount: Any, cell_size: int) -> th.Tensor:
    """Loss of the n-step Q-learning of every cell, not reduced.

    Args:
        observations: Shape ``(T + 1, height, width, channels)``, as for :func:`pixel_control_rewards`.
        actions: Shape ``(T,)``, whole numbers.
        action_values: Shape ``(T + 1, h, w, actions)``; the last row bootstraps.
        discount: A number, or shape ``(T,)``: 0 where the episode terminates.
        cell_size: Pixels along a cell's edge.

    Returns:
        ``0.5 (G_t - Q(o_t, a_t))^2``, shape ``(T, h, w)``; gradients flow through ``Q(o_t, a_t)`` alone.

    Raises:
        ValueError: If shapes or types do not fit.
    """
    values, chosen, rewards = (
        th.as_tensor(action_values),
        th.as_tensor(actions),
        pixel_control_rewards(observations, cell_size),
    )
    if chosen.ndim != 1 or chosen.is_floating_point():
        raise ValueError(f"actions must be whole numbers of shape (T,), got {chosen.dtype} {tuple(chosen.shape)}")
    if values.ndim != 4 or values.shape[1:3] != rewards.shape[1:]:
        raise ValueError(
            f"Pixel Control values are not compatible with the pseudo-rewards: {tuple(values.shape)} against "
            f"(T + 1, {rewards.shape[1]}, {rewards.shape[2]}, actions)"
        )
    if not len(chosen) == len(rewards) == len(values) - 1:
        raise ValueError(
            f"{len(chosen)} actions need one more observation and one more row of values, got {len(rewards) + 1} "
            f"and {len(values)}"
        )
    factors = th.as_tensor(discount, dtype=rewards.dtype, device=rewards.device)
    if factors.ndim > 1 or (factors.ndim == 1 and factors.shape != chosen.shape):
        raise ValueError(
            f"discount_factor must be a scalar or a tensor of rank 1 with T entries, got shape {tuple(factors.shape)}"
        )
    targets = n_step_targets(rewards, factors.expand(len(chosen))[:, None, None], values[-1].amax(-1).detach())
    index = chosen.long()[:, None, None, None].expand(-1, *rewards.shape[1:], 1)
    return 0.5 * (targets - values[:-1].gather(-1, index).squeeze(-1)).square()
