"""Teachers err as often as they are told to, and whatever the unit of rewards is."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rlkit.errors import UsageError
from rlkit.rewards.answers import Answer
from rlkit.rewards.segments import SegmentBatch
from rlkit.rewards.settings import NEUTRAL, TEACHERS, TeacherConfig
from rlkit.rewards.teachers import ScriptedTeacher
from runs import assert_same

N, LENGTH = 2_000, 10


def make_batch(rewards: Any) -> SegmentBatch:
    rewards = np.asarray(rewards, np.float64)
    lengths = np.full(len(rewards), rewards.shape[1], np.int64)
    return SegmentBatch(rewards[..., None], rewards[..., None], rewards, lengths, np.zeros_like(lengths))


def make_pairs(n: int = N, seed: int = 0) -> tuple[SegmentBatch, SegmentBatch]:
    """Segments whose returns are normal."""
    rng = np.random.default_rng(seed)
    return tuple(make_batch(rng.normal(rng.normal(0, 1, (n, 1)), 0.5, (n, LENGTH))) for _ in range(2))  # type: ignore


def ask(config: TeacherConfig, pairs: tuple[SegmentBatch, SegmentBatch], swapped: Any = None, seed: int = 1) -> Any:
    swapped = np.zeros(len(pairs[0].lengths), np.bool_) if swapped is None else swapped
    return np.array(ScriptedTeacher(config, seed=seed).answer(*pairs, swapped))


def truth(pairs: tuple[SegmentBatch, SegmentBatch]) -> Any:
    return np.where(pairs[0].rewards.sum(1) > pairs[1].rewards.sum(1), Answer.FIRST, Answer.SECOND)


def test_the_oracle_is_never_wrong_and_ties_are_ties() -> None:
    pairs = make_pairs()
    assert (ask(TeacherConfig(), pairs) == truth(pairs)).all()
    same = make_batch(np.ones((5, LENGTH)))
    for name in TEACHERS:
        decided = {Answer.FIRST, Answer.SECOND} if name == "leaning" else set()
        assert set(ask(TeacherConfig(name=name), (same, same))) <= {Answer.TIE} | decided


@pytest.mark.parametrize("share", [0.0, 0.1, 0.2, 0.4])
def test_mistakes_are_as_many_as_asked(share: float) -> None:
    pairs = make_pairs()
    wrong = (ask(TeacherConfig(name="mistake", mistake=share), pairs) != truth(pairs)).mean()
    assert abs(wrong - share) <= 3 * np.sqrt(share * (1 - share) / N)


def test_rationality_has_an_effect_and_ends_in_the_oracle() -> None:
    pairs = make_pairs()
    wrong = [(ask(TeacherConfig(name="stochastic", beta=beta), pairs) != truth(pairs)).mean() for beta in (1, 4, 16)]
    assert 0.2 < wrong[0] < 0.35 and 0.07 < wrong[1] < 0.13 and wrong[2] < 0.04
    assert (ask(TeacherConfig(name="stochastic", beta=1e9), pairs) == ask(TeacherConfig(), pairs)).all()


def test_choices_follow_the_bradley_terry_probability() -> None:
    rng = np.random.default_rng(0)
    gaps = rng.choice([0.5, 1.0, 2.0], 30_000)
    first, second = make_batch(gaps[:, None]), make_batch(np.zeros((30_000, 1)))
    teacher = ScriptedTeacher(TeacherConfig(name="stochastic", beta=1.0), seed=0)
    teacher.answer(first, second, np.zeros(30_000, np.bool_))
    spread = np.std(teacher.get_state()["returns"])
    answers = np.array(teacher.answer(first, second, np.zeros(30_000, np.bool_)))
    for gap in (0.5, 1.0, 2.0):
        assert (answers[gaps == gap] == Answer.FIRST).mean() == pytest.approx(1 / (1 + np.exp(-gap / spread)), abs=0.02)


def test_the_myopic_weigh_late_steps_more() -> None:
    early, late = np.zeros((1, LENGTH)), np.zeros((1, LENGTH))
    early[0, 0], late[0, -1] = 1.5, 1.0
    pairs = make_batch(early), make_batch(late)
    assert ask(TeacherConfig(), pairs) == [Answer.FIRST]
    assert ask(TeacherConfig(name="myopic"), pairs) == [Answer.SECOND]


@given(
    name=st.sampled_from(sorted(TEACHERS)),
    shift=st.floats(-1e3, 1e3),
    scale=st.floats(1e-3, 1e3),
    seed=st.integers(0, 9),
)
@settings(max_examples=60, deadline=None)
def test_no_answer_depends_on_the_unit_or_zero_of_rewards(name: str, shift: float, scale: float, seed: int) -> None:
    pairs = make_pairs(200, seed)
    moved = tuple(make_batch(scale * batch.rewards + shift) for batch in pairs)
    plain, other = (ask(TeacherConfig(name=name), some) for some in (pairs, moved))
    assert (plain == other).mean() > 0.98  # rounding decides a few that lie on a threshold


def test_skips_and_ties_fire_with_negative_returns_session_after_session() -> None:
    """B-Pref's thresholds never fire where returns are negative, and shrink to a tenth after the first session."""
    settings_ = TeacherConfig(name="oracle", skip=0.3, equal=0.2)
    teacher = ScriptedTeacher(settings_, seed=0)
    for session in range(4):
        pairs = tuple(make_batch(batch.rewards - 100.0) for batch in make_pairs(seed=session))
        answers = np.array(teacher.answer(*pairs, np.zeros(N, np.bool_)))
        assert (answers == Answer.CANT_TELL).mean() == pytest.approx(0.09, abs=0.025)
        assert (answers == Answer.TIE).mean() == pytest.approx(0.095, abs=0.025)


def test_skipped_are_pairs_of_which_both_are_poor() -> None:
    pairs = make_pairs()
    answers = ask(TeacherConfig(name="skip"), pairs)
    best = np.maximum(*(batch.rewards.sum(1) for batch in pairs))
    assert best[answers == Answer.CANT_TELL].max() < best[answers != Answer.CANT_TELL].min()


def test_ties_override_mistakes() -> None:
    pairs = make_pairs()
    plain = ask(TeacherConfig(name="equal"), pairs)
    mistaken = ask(TeacherConfig(name="equal", mistake=0.5), pairs)
    assert ((plain == Answer.TIE) == (mistaken == Answer.TIE)).all() and (plain != mistaken).any()


def test_the_leaning_choose_a_side_wherever_it_is() -> None:
    pairs, swapped = make_pairs(), np.arange(N) % 2 == 0
    answers = ask(TeacherConfig(name="leaning", lapse=1.0, lean=0.8), pairs, swapped)
    left = [Answer(answer).side(bool(flag)) == "left" for answer, flag in zip(answers, swapped, strict=True)]
    assert np.mean(left) == pytest.approx(0.8, abs=0.03)


def test_the_tired_err_more_and_more() -> None:
    pairs = make_pairs()
    wrong = ask(TeacherConfig(name="tired", fatigue=1_000), pairs) != truth(pairs)
    assert wrong[:500].mean() < 0.07 and 0.13 < wrong[-500:].mean() < 0.25


def test_a_teacher_sees_what_it_is_given_to_see() -> None:
    pairs = make_pairs()
    teacher = ScriptedTeacher(TeacherConfig(), seed=0, score=lambda batch: -batch.rewards)
    assert (np.array(teacher.answer(*pairs, np.zeros(N, np.bool_))) != truth(pairs)).all()


def test_padding_is_not_judged() -> None:
    rewards = np.ones((2, LENGTH))
    first = make_batch(rewards)._replace(lengths=np.array([4, 10]))
    second = make_batch(rewards)._replace(lengths=np.array([5, 9]))
    for name in ("oracle", "myopic"):
        assert ask(TeacherConfig(name=name), (first, second)).tolist() == [Answer.SECOND, Answer.FIRST]


@pytest.mark.parametrize("name", sorted(TEACHERS))
def test_a_teacher_goes_on_where_it_was_left(name: str) -> None:
    whole, first, second = (ScriptedTeacher(TeacherConfig(name=name), seed=4) for _ in range(3))
    one, two = make_pairs(50, 0), make_pairs(50, 1)
    swapped = np.zeros(50, np.bool_)
    whole.answer(*one, swapped), first.answer(*one, swapped)
    second.set_state(first.get_state())
    assert second.answer(*two, swapped) == whole.answer(*two, swapped)
    assert_same(second.get_state(), whole.get_state())


@pytest.mark.parametrize(
    ("settings_", "complaint"),
    [
        ({"name": "oracel"}, "did you mean 'oracle'"),
        ({"mistake": 1.5}, "reward.teacher.mistake must be from 0.0 to 1.0, got 1.5"),
        ({"beta": -1.0}, "reward.teacher.beta must be at least 0.0"),
    ],
)
def test_impossible_teachers_are_refused(settings_: dict[str, Any], complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        ScriptedTeacher(TeacherConfig(**settings_), seed=0)


def test_presets_set_what_there_is() -> None:
    for preset in TEACHERS.values():
        assert preset.keys() <= NEUTRAL.keys()
