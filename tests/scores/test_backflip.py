"""The backflip's teacher: what it prefers, and what counts as a flip."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from rlkit.envs.locomotion.vector import ObstacleCourseVectorEnv
from rlkit.errors import UsageError
from rlkit.rewards.answers import Answer
from rlkit.rewards.segments import SegmentBatch
from rlkit.rewards.settings import TeacherConfig
from rlkit.rewards.teachers import ScriptedTeacher
from rlkit.scores import backflip

LENGTH, STEP_S = 90, 0.016
HOPPER = {"mjcf": "gymnasium:hopper.xml", "feet": ["foot_geom"], "planar": True}


def make(**columns: Any) -> SegmentBatch:
    """One segment: of a hopper that stands, but for what is given."""
    seen = np.zeros((1, LENGTH, backflip.COLUMNS + 1), np.float32)
    given = {"height": 1.25, "pitch": 0.0, "rate": 0.0, "touch": 1.0} | columns
    for name, column in zip(given, (backflip.HEIGHT, backflip.PITCH, backflip.PITCH_RATE, backflip.TOUCH), strict=True):
        seen[0, :, column] = given[name]
    actions, rewards = np.zeros((1, LENGTH, 3), np.float32), np.zeros((1, LENGTH))
    return SegmentBatch(seen, actions, rewards, np.array([LENGTH]), np.array([0]))


def turn(turns: float, **columns: Any) -> SegmentBatch:
    """Standing, so many turns backwards in the air, standing again."""
    pitch = -2.0 * math.pi * turns * np.clip((np.arange(LENGTH) - 10) / (LENGTH - 20), 0.0, 1.0)
    flies = (np.arange(LENGTH) > 10) & (np.arange(LENGTH) < LENGTH - 10)
    wrapped = (pitch + math.pi) % (2.0 * math.pi) - math.pi
    rate = np.gradient(pitch) / STEP_S
    return make(**{"pitch": wrapped, "rate": rate, "touch": np.where(flies, 0.0, 1.0)} | columns)


def rocking(backwards_in_the_air: bool = True) -> SegmentBatch:
    """Backwards in the air and forwards on the ground by turns, or the other way round, getting nowhere."""
    phase = 2.0 * math.pi * np.arange(LENGTH) / 30
    flies = (np.cos(phase) < 0.0) == backwards_in_the_air
    return make(pitch=0.6 * np.sin(phase), rate=3.0 * np.cos(phase), touch=np.where(flies, 0.0, 1.0))


def total(score: Any, segment: SegmentBatch) -> float:
    assert score(segment).shape == (1, LENGTH)
    return float(score(segment).sum())


def test_backflips_are_better_than_standing_and_that_than_lying() -> None:
    clips = [
        turn(2.0),
        turn(1.0),
        make(),  # stands
        make(pitch=1.6, height=0.2, touch=0.0),  # lies
        turn(-1.0),
    ]
    sums = [total(backflip.score, clip) for clip in clips]
    assert sums[:4] == sorted(sums[:4], reverse=True) and len(set(sums)) == len(sums)
    assert sums[4] < sums[2], "a forward flip is worse than standing"


CRASHED = turn(1.0, height=np.where(np.arange(LENGTH) > LENGTH - 12, 0.3, 1.25))
WORSE = [CRASHED, rocking(), rocking(False), turn(1.0, height=0.4), turn(1.0, touch=1.0), turn(0.5), make()]


@pytest.mark.parametrize("worse", WORSE)
def test_what_only_looks_like_a_backflip_is_not_preferred(worse: SegmentBatch) -> None:
    teacher = ScriptedTeacher(TeacherConfig(), seed=0, score=backflip.score)
    assert teacher.answer(turn(1.0), worse, np.zeros(1, np.bool_)) == [Answer.FIRST]
    assert total(backflip.landed, worse) == 0


@pytest.mark.parametrize("backwards_in_the_air", [True, False])
def test_rocking_is_worth_nothing(backwards_in_the_air: bool) -> None:
    assert total(backflip.score, rocking(backwards_in_the_air)) <= 0.0


def test_a_foot_that_comes_down_under_a_crooked_body_is_worse_than_one_under_an_upright_one() -> None:
    landing = np.arange(LENGTH) >= LENGTH - 10
    crooked = turn(1.0)
    crooked.observations[0, landing, backflip.PITCH] = 1.5
    assert total(backflip.score, crooked) < total(backflip.score, turn(1.0))


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
def test_flips_are_counted_where_they_land(turns: int) -> None:
    steps = backflip.landed(turn(turns))
    assert steps.sum() == turns
    assert turns == 0 or steps[0, LENGTH - 12 :].sum() == turns


@pytest.mark.parametrize("segment", [turn(-1.0), turn(1.0, height=0.3), turn(1.0, touch=1.0)])
def test_turns_forward_or_on_the_ground_are_no_flips(segment: SegmentBatch) -> None:
    assert total(backflip.landed, segment) == 0


def test_who_falls_between_two_flips_has_landed_one() -> None:
    fine, fallen = turn(1.0), turn(1.0, height=np.where(np.arange(LENGTH) == 40, 0.3, 1.25))
    joined = (np.concatenate([a, b], axis=1) for a, b in zip(fine[:3], fallen[:3], strict=True))
    assert backflip.landed(SegmentBatch(*joined, 2 * fine.lengths, fine.still)).sum() == 1


def test_the_columns_are_the_hoppers() -> None:
    envs = ObstacleCourseVectorEnv(1, body=HOPPER, terrain="flat", threads=1)
    columns = backflip.HEIGHT, backflip.PITCH, backflip.PITCH_RATE, backflip.TOUCH
    assert [envs.observation_names[k] for k in columns] == ["height", "pitch", "pitch_rate", "touch_foot_geom"]
    assert envs.observation_groups["proprioception"] == (0, backflip.COLUMNS)
    envs.close()


def test_another_task_is_refused() -> None:
    others: list[NDArray[Any]] = [np.zeros((1, LENGTH, 4)), np.zeros((1, LENGTH, 8, 8))]
    for seen in others:
        batch = SegmentBatch(seen, np.zeros((1, LENGTH, 1)), np.zeros((1, LENGTH)), np.array([LENGTH]), np.array([0]))
        with pytest.raises(UsageError, match="hopper"):
            backflip.score(batch)
