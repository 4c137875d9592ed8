"""What is told of pixel control's values: per action, per cell, of late."""

from __future__ import annotations

import numpy as np
import pytest
import torch as th

from rlkit.agents.auxiliary.tally import ZOOM, Tally

ACTIONS, GRID = 3, (2, 4)


def drawn(m: int = 64, seed: int = 0) -> tuple[th.Tensor, th.Tensor, th.Tensor, th.Tensor]:
    """Targets, realised changes, actions and steps; the first cell never changes, the last action is not taken."""
    rng = th.Generator().manual_seed(seed)
    targets, realised = th.rand(m, *GRID, generator=rng), th.rand(m, *GRID, generator=rng)
    targets[:, 0, 0], realised[:, 0, 0] = 0.7, 0.0
    return targets, realised, th.arange(m) % (ACTIONS - 1), th.ones(m)


def test_values_that_are_right_explain_all() -> None:
    tally, (targets, realised, actions, steps) = Tally(ACTIONS, GRID), drawn()
    tally.add(targets, targets, realised, actions, steps)
    explained = tally.explained()
    assert explained[0, 0].isnan()
    np.testing.assert_allclose(explained.flatten()[1:], 1.0, rtol=1e-5)
    np.testing.assert_allclose(*tally.by_action(), rtol=1e-5, equal_nan=True)


@pytest.mark.parametrize("shift", [0.0, 5.0])
def test_values_that_do_not_vary_explain_nothing(shift: float) -> None:
    """Also if they are wrong throughout: it is of the variance."""
    tally, (targets, realised, actions, steps) = Tally(ACTIONS, GRID), drawn()
    tally.add(th.full_like(targets, shift), targets, realised, actions, steps)
    np.testing.assert_allclose(tally.explained().flatten()[1:], 0.0, atol=1e-4)


def test_the_share_is_that_of_the_whole_history() -> None:
    """As NumPy says of all updates together, which are so few that none has faded much."""
    tally, parts = Tally(ACTIONS, GRID), [drawn(seed=seed) for seed in range(3)]
    values = [part[0] + 0.2 * th.randn(part[0].shape, generator=th.Generator().manual_seed(9)) for part in parts]
    for value, (targets, realised, actions, steps) in zip(values, parts, strict=True):
        tally.add(value, targets, realised, actions, steps)
    targets, errors = th.cat([part[0] for part in parts]).numpy(), th.cat(values).numpy()
    errors = targets - errors
    expected = 1 - errors.var(0).ravel()[1:] / targets.var(0).ravel()[1:]
    np.testing.assert_allclose(tally.explained().flatten()[1:], expected, atol=0.01)


def test_what_an_action_was_thought_to_change_beside_what_it_did() -> None:
    """A value that is 0.1 too high predicted 0.1 too much; an action that was not taken has no say."""
    tally, (targets, realised, actions, steps) = Tally(ACTIONS, GRID), drawn()
    tally.add(targets + 0.1 * (actions == 1)[:, None, None], targets, realised, actions, steps)
    predicted, found = tally.by_action()
    for action in range(2):
        np.testing.assert_allclose(found[action], realised[actions == action].mean(0), rtol=1e-5)
        np.testing.assert_allclose(predicted[action], found[action] + 0.1 * action, rtol=1e-4)
    assert predicted[2].isnan().all() and found[2].isnan().all()


def test_what_is_past_the_cut_does_not_count() -> None:
    whole, cut = Tally(ACTIONS, GRID), Tally(ACTIONS, GRID)
    targets, realised, actions, steps = drawn()
    whole.add(targets[:40] * 0.5, targets[:40], realised[:40], actions[:40], steps[:40])
    steps[40:] = 0.0
    cut.add(targets * 0.5, targets, realised, actions, steps)
    for one, other in zip(whole.buffers(), cut.buffers(), strict=True):
        th.testing.assert_close(one, other)


def test_what_was_long_ago_fades() -> None:
    tally, (targets, realised, actions, steps) = Tally(ACTIONS, GRID), drawn()
    for update in range(800):
        tally.add(targets if update >= 100 else -targets, targets, realised, actions, steps)
        if update == 99:
            assert tally.explained()[1, 1] < -1
    assert tally.explained()[1, 1] > 0.95


def test_heat_maps() -> None:
    """A row an action: predicted left, realised right, on one scale; what was never seen is blue."""
    tally = Tally(ACTIONS, GRID)
    realised = th.zeros(2, *GRID)
    realised[0, 0, 1], realised[1, 1, 2] = 1.0, 0.5
    targets = realised + th.tensor([0.0, 0.3])[:, None, None]
    values = targets.clone()
    values[1, 1, 2] -= 0.25  # half of the change was not foreseen
    tally.add(values, targets, realised, th.tensor([0, 1]), th.ones(2))
    pictures = tally.pictures()
    change, width = pictures["change"][::ZOOM, ::ZOOM], GRID[1]
    assert change.shape == (ACTIONS * 3 - 1, 2 * width + 1, 3)
    assert change[0, 1].tolist() == change[0, width + 2].tolist() == [255] * 3
    assert (change[4, 2, 0], change[4, width + 3, 0]) == (63, 127)
    assert change[0, 0].tolist() == [0, 0, 0]
    blue = (change == (0, 0, 64)).all(-1)
    assert blue[:, width].all() and blue[2].all() and blue[6:].all() and blue.sum() == 2 * 9 + 6 + 2 * 8
    shares = pictures["explained_variance"][::ZOOM, ::ZOOM]
    assert shares.shape == (*GRID, 3) and shares[0, 0].tolist() == [255] * 3
