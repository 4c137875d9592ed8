"""Pixel control is DeepMind's: by hand, by a golden made with rlax, by rlax itself where it is installed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch as th

from agents.auxiliary.make_golden import CASES, GOLDEN, draw
from rlkit.agents.auxiliary import pixel_control
from rlkit.agents.auxiliary.pixel_control import (
    cell_changes,
    crop_to_cells,
    n_step_targets,
    pixel_control_loss,
    pixel_control_rewards,
)


def golden_error() -> float:
    """The largest difference between our numbers and rlax's."""
    worst = 0.0
    with np.load(GOLDEN) as stored:
        for name in CASES:
            case = {key: stored[f"{name}/{key}"] for key in ("frames", "actions", "values", "discount", "cell")}
            frames, cell = th.from_numpy(case["frames"]).float() / 255, int(case["cell"])
            rewards = pixel_control_rewards(frames, cell).numpy()
            loss = pixel_control_loss(frames, case["actions"], case["values"], case["discount"], cell).numpy()
            worst = max(worst, float(np.abs(rewards - stored[f"{name}/rewards"]).max()))
            worst = max(worst, float(np.abs(loss - stored[f"{name}/loss"]).max()))
    return worst


def test_the_golden_of_rlax() -> None:
    assert golden_error() < 1e-5


def no_terminals(rewards: th.Tensor, discounts: th.Tensor, bootstrap: th.Tensor) -> th.Tensor:
    return n_step_targets(rewards, th.full_like(discounts, 0.9), bootstrap)


def mean_over_cells(rewards: th.Tensor, discounts: th.Tensor, bootstrap: th.Tensor) -> th.Tensor:
    targets = n_step_targets(rewards, discounts, bootstrap)
    return targets.mean((1, 2), keepdim=True).expand_as(targets)


def summed_changes(frames: th.Tensor, cell_size: int) -> th.Tensor:
    return cell_changes(frames, cell_size) * cell_size**2


def turned_changes(frames: th.Tensor, cell_size: int) -> th.Tensor:
    return cell_changes(frames.flip(-1), cell_size)


def wrong_time(frames: th.Tensor, cell_size: int) -> th.Tensor:
    return cell_changes(frames, cell_size).flip(0)


MUTATIONS: list[tuple[str, Callable[..., th.Tensor]]] = [
    ("n_step_targets", no_terminals),
    ("n_step_targets", mean_over_cells),
    ("cell_changes", summed_changes),
    ("cell_changes", turned_changes),
    ("cell_changes", wrong_time),
]


@pytest.mark.parametrize(("name", "mutant"), MUTATIONS, ids=[mutant.__name__ for _, mutant in MUTATIONS])
def test_the_golden_notices_mistakes(name: str, mutant: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pixel_control, name, mutant)
    assert golden_error() > 1e-2


@pytest.mark.parametrize("seed", range(20))
def test_rlax_itself_agrees(seed: int) -> None:
    rlax = pytest.importorskip("rlax")
    rng = np.random.default_rng(seed)
    cell = int(rng.integers(1, 5))
    height, width = (int(n) * cell for n in rng.integers(1, 8, 2))
    steps, channels, actions = (int(n) for n in rng.integers(1, 8, 3))
    drawn = draw(rng, (steps, height, width, channels, cell, actions, True))
    frames = drawn["frames"].astype(np.float32) / 255
    expected = rlax.pixel_control_loss(frames, drawn["actions"], drawn["values"], drawn["discount"], cell)
    found = pixel_control_loss(frames, drawn["actions"], drawn["values"], drawn["discount"], cell)
    np.testing.assert_allclose(pixel_control_rewards(frames, cell), rlax.pixel_control_rewards(frames, cell), atol=1e-5)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_even_steps_pay_the_step() -> None:
    """Every pixel grows by 0.05 a frame: so does every cell's reward, whatever the frame looks like."""
    ramp = np.arange(0, 1, 0.25)
    first = (ramp[:, None] * ramp)[..., None] + [0.0, 0.1, 0.2]
    frames = np.stack([first, first + 0.05, first + 0.1])
    np.testing.assert_allclose(pixel_control_rewards(frames, 2), np.full((2, 2, 2), 0.05), rtol=1e-6)


@pytest.mark.parametrize("terminal", [False, True])
def test_three_steps_by_hand(terminal: bool) -> None:
    """One cell, two actions: r = 1, 0.5, 0.25; Q(o_t, a_t) = 2, 3, 4; the last observation is worth 10."""
    frames = th.tensor([0.0, 1.0, 0.5, 0.75]).reshape(4, 1, 1, 1)
    values = th.tensor([[2.0, 99.0], [99.0, 3.0], [4.0, 99.0], [10.0, -10.0]]).reshape(4, 1, 1, 2)
    discount = th.tensor([0.0 if terminal else 0.9, 0.9, 0.9])
    third = 0.25 + 0.9 * 10
    second = 0.5 + 0.9 * third
    first = 1.0 + (0.0 if terminal else 0.9 * second)
    expected = [0.5 * (first - 2) ** 2, 0.5 * (second - 3) ** 2, 0.5 * (third - 4) ** 2]
    loss = pixel_control_loss(frames, th.tensor([0, 1, 0]), values, discount, 1)
    np.testing.assert_allclose(loss.flatten(), expected, rtol=1e-6)


def test_a_number_discounts_every_step() -> None:
    rng = np.random.default_rng(0)
    drawn = draw(rng, (4, 6, 6, 1, 2, 3, False))
    frames = drawn["frames"] / 255.0
    arguments = (frames, drawn["actions"], drawn["values"].astype(np.float64))
    th.testing.assert_close(pixel_control_loss(*arguments, 0.9, 2), pixel_control_loss(*arguments, np.full(4, 0.9), 2))


def test_gradients_reach_the_chosen_values_alone() -> None:
    """Not the bootstrap: targets are constants."""
    values = th.rand(3, 2, 2, 4, requires_grad=True)
    pixel_control_loss(th.rand(3, 4, 4, 1), th.tensor([1, 3]), values, 0.9, 2).sum().backward()
    assert values.grad is not None
    touched = values.grad.abs().sum((1, 2)) > 0
    assert touched.nonzero().tolist() == [[0, 1], [1, 3]]


def test_the_crop_is_the_centre() -> None:
    """84x84 pixels with cells of 4: UNREAL's grid is 20x20, so 2 pixels go on every side."""
    frames = th.arange(84 * 84).reshape(1, 84, 84).float()
    th.testing.assert_close(crop_to_cells(frames, 4, (20, 20)), frames[:, 2:-2, 2:-2])
    assert crop_to_cells(th.zeros(1, 42, 30), 4).shape == (1, 40, 28)
    with pytest.raises(ValueError, match="20x20 cells of 5x5 pixels are not in 84x84 frames"):
        crop_to_cells(frames, 5, (20, 20))


F, A, V = np.zeros((4, 4, 4, 3), np.float32), np.zeros(3, np.int64), np.zeros((4, 2, 2, 5), np.float32)
REFUSED: dict[str, tuple[tuple[Any, ...], str]] = {
    "bytes": ((F.astype(np.uint8), A, V, 0.9, 2), "floating point.*divide uint8 by 255"),
    "not filled": ((F, A, V, 0.9, 3), "cells of 3x3 pixels do not fill frames of 4x4"),
    "no channels": ((F[0], A, V, 0.9, 2), r"shape \(T \+ 1, height, width, channels\)"),
    "grid": ((F, A, V[:, :-1], 0.9, 2), "Pixel Control values are not compatible"),
    "rank of the discount": (
        (F, A, V, np.full((3, 1), 0.9), 2),
        "discount_factor must be a scalar or a tensor of rank 1",
    ),
    "length of the discount": ((F, A, V, np.full(2, 0.9), 2), "rank 1 with T entries"),
    "actions": ((F, A.astype(np.float32), V, 0.9, 2), "actions must be whole numbers"),
    "lengths": ((F, A[:-1], V, 0.9, 2), "2 actions need one more observation"),
}


@pytest.mark.parametrize("mistake", list(REFUSED))
def test_what_does_not_fit_is_told(mistake: str) -> None:
    arguments, message = REFUSED[mistake]
    with pytest.raises(ValueError, match=message):
        pixel_control_loss(*arguments)
