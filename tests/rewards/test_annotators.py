"""People's errors and leanings are recovered from what they answered twice, without knowing what is right."""

from __future__ import annotations

import math

import numpy as np
import pytest

from rlkit.rewards.annotators import agreement, judge_annotators
from rlkit.rewards.answers import Answer, Label


def answer_twice(
    rng: np.random.Generator, n: int, *, mistake: float = 0.0, lapse: float = 0.0, lean: float = 0.5, name: str = "ann"
) -> list[Label]:
    """Pairs that a person answers, and answers again with the sides swapped."""
    labels: list[Label] = []
    for repeat in (False, True):
        for pair in range(n):
            swapped = bool(pair % 3 == 0) ^ repeat
            answer = Answer.SECOND if (pair % 2 == 0) ^ (rng.random() < mistake) else Answer.FIRST
            if rng.random() < lapse:
                answer = Answer.of_side("left" if rng.random() < lean else "right", swapped)
            labels.append(Label(len(labels) + 1, pair, name, answer, swapped, repeat, 1_000 + pair, "", 0.0))
    return labels


@pytest.mark.parametrize("mistake", [0.0, 0.1, 0.2, 0.3])
def test_error_rates_are_recovered(mistake: float) -> None:
    rng = np.random.default_rng(0)
    found = [judge_annotators(answer_twice(rng, 150, mistake=mistake))["ann"] for _ in range(60)]
    assert np.mean([quality.error for quality in found]) == pytest.approx(mistake, abs=0.03)
    covered = [quality.error_interval[0] - 1e-9 <= mistake <= quality.error_interval[1] for quality in found]
    assert np.mean(covered) >= 0.9
    large = judge_annotators(answer_twice(rng, 3_000, mistake=mistake))["ann"]
    assert large.error == pytest.approx(mistake, abs=0.03) and large.lapse == pytest.approx(2 * mistake, abs=0.06)


@pytest.mark.parametrize(("lapse", "lean"), [(0.2, 0.9), (0.3, 0.1), (0.2, 0.5)])
def test_a_bias_to_a_side_is_told_from_mistakes(lapse: float, lean: float) -> None:
    quality = judge_annotators(answer_twice(np.random.default_rng(0), 4_000, lapse=lapse, lean=lean))["ann"]
    assert quality.side_bias == pytest.approx(lapse * (2 * lean - 1), abs=0.03)
    assert quality.error == pytest.approx(lapse / 2, abs=0.03)
    assert quality.lean == pytest.approx(lean, abs=0.1)


def test_a_stranger_has_the_prior_and_few_repeats_change_little() -> None:
    labels = answer_twice(np.random.default_rng(0), 40)
    stranger = judge_annotators(labels[:40], prior=0.2)["ann"]
    assert (stranger.lapse, stranger.lean, stranger.repeats) == (pytest.approx(0.2), 0.5, 0)
    assert math.isnan(stranger.error) and math.isnan(stranger.side_bias)
    assert 0.1 < judge_annotators([*labels[:5], *labels[40:45]], prior=0.2)["ann"].lapse < 0.2
    assert judge_annotators(labels, prior=0.2)["ann"].lapse < 0.05
    assert judge_annotators(labels)["ann"].median_ms == 1_020.0


def test_repeats_on_the_same_side_or_undecided_say_nothing() -> None:
    one, *_ = answer_twice(np.random.default_rng(0), 1)
    same_side = Label(2, one.pair, "ann", one.answer, one.swapped, True, None, "", 0.0)
    undecided = Label(3, one.pair, "ann", Answer.TIE, not one.swapped, True, None, "", 0.0)
    assert judge_annotators([one, same_side, undecided])["ann"].repeats == 0


def test_people_are_judged_apart() -> None:
    rng = np.random.default_rng(0)
    labels = [*answer_twice(rng, 500, name="ann"), *answer_twice(rng, 500, mistake=0.4, name="bob")]
    found = judge_annotators(labels)
    assert found["ann"].error == 0.0 and found["bob"].error > 0.25


def test_agreement_is_krippendorffs() -> None:
    """Of two observers and two values, as in Krippendorff (2011), "Computing Krippendorff's alpha-reliability", A."""
    rows = ["0100000000", "1110010001"]  # 4 of 10 differ, 14 zeros, 6 ones: 1 - 19 * 4 / (14 * 6)
    labels = [
        Label(0, pair, person, Answer.FIRST if digit == "1" else Answer.SECOND, False, False, None, "", 0.0)
        for person, row in zip(("ann", "bob"), rows, strict=True)
        for pair, digit in enumerate(row)
    ]
    found = agreement(labels)
    assert found.pairs == 10 and found.share == pytest.approx(0.6) and found.alpha == pytest.approx(0.095, abs=1e-3)
    assert math.isnan(agreement(labels[:10]).alpha)
    assert agreement(answer_twice(np.random.default_rng(0), 50)).pairs == 0
    both = [*answer_twice(np.random.default_rng(0), 50), *answer_twice(np.random.default_rng(0), 50, name="bob")]
    assert agreement(both).alpha == 1.0
