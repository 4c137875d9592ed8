"""Answers are doubted by those who can foretell them, and by nobody else."""

from __future__ import annotations

import numpy as np
import pytest

from rlkit.rewards.belief import LEAST, believe


def answered(n: int, wrong: float, sharpness: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What members say without having seen the answers, the answers, and which of these are wrong."""
    rng = np.random.default_rng(seed)
    strength = rng.normal(size=n) * 3.0
    truth = strength > 0
    flipped = rng.random(n) < wrong
    logits = sharpness * strength + rng.normal(size=n)
    return logits, np.where(truth ^ flipped, 1.0, 0.0), flipped


@pytest.mark.parametrize("wrong", [0.1, 0.2, 0.3])
def test_wrong_answers_are_found_by_members_that_know_better(wrong: float) -> None:
    logits, targets, flipped = answered(600, wrong, 2.0)
    belief = believe(logits, targets, 0.05)
    assert belief.wrong == pytest.approx(wrong, abs=0.05)
    doubted = (belief.weights == 0.0) | (belief.targets != targets)
    assert doubted[flipped].mean() > 0.5 > 0.1 > doubted[~flipped].mean()


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("sharpness", [0.0, -0.2], ids=["know nothing", "know it the wrong way round"])
def test_members_that_foretell_nothing_doubt_nothing(sharpness: float, seed: int) -> None:
    """Else honest answers are turned round until they fit a model that is wrong, which then never learns better."""
    logits, targets, _ = answered(200, 0.0, sharpness, seed)
    belief = believe(3.0 * logits, targets, 0.05)
    assert belief.wrong == 0.0 and (belief.weights == 1.0).all()
    np.testing.assert_array_equal(belief.targets, targets)


def test_few_answers_are_all_believed() -> None:
    logits, targets, _ = answered(LEAST - 1, 0.3, 2.0)
    assert (believe(logits, targets, 0.05).weights == 1.0).all()
