"""Segments are consecutive steps of one episode, copies, and can be seen again."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from hypothesis import given, settings
from hypothesis import strategies as st

from rewards.people import ACTIONS, OBSERVATIONS
from rlkit.envs.replayable import Replayable
from rlkit.rewards.pool import EpisodePool
from rlkit.rewards.segments import stack
from rlkit.rewards.simulators import Simulators, replay
from runs import assert_same


def live(pool: EpisodePool, ends: list[set[int]], steps: int, begin: int = 0) -> None:
    """Steps of environments whose episodes end after the given steps; observations tell the row and the step."""
    n = len(ends)
    for at in range(begin, steps):
        seen = np.stack([np.full(4, 1000.0 * row + at) for row in range(n)]).astype(np.float32)
        dones = np.array([at in ends[row] for row in range(n)])
        pool.add(seen, seen[:, :2], seen[:, 0], dones, step=n * (at + 1))


@given(st.data())
@settings(max_examples=40, deadline=None)
def test_segments_lie_within_episodes(data: st.DataObject) -> None:
    steps, length = data.draw(st.integers(5, 60)), data.draw(st.integers(1, 12))
    ends = [data.draw(st.sets(st.integers(0, steps - 1), max_size=12)) for _ in range(3)]
    pool = EpisodePool(OBSERVATIONS, ACTIONS, 3, steps=data.draw(st.integers(5, 40)))
    live(pool, ends, steps)
    rng = np.random.default_rng(0)
    try:
        spans = pool.draw(40, length, rng, newest=data.draw(st.integers(0, 3)))
    except ValueError:
        assert pool._stretches(length)[0].size == 0
        return
    cut = [pool.cut(spans, index) for index in range(40)]
    assert_same(pool.batch(spans)._asdict(), stack(cut)._asdict())
    for segment in cut:
        at = (segment.rewards - 1000.0 * segment.row).astype(int)
        assert (np.diff(at) == 1).all() and at[0] >= pool.oldest[segment.row]
        before = sorted(end for end in ends[segment.row] if end < at[0])
        assert segment.episode == len(before) and segment.start == at[0] - (before[-1] + 1 if before else 0)
        assert not ends[segment.row] & set(at[:-1].tolist())
        assert segment.ended == (at[-1] in ends[segment.row])
        assert len(segment) == length or (segment.ended and segment.start == 0)


def test_every_segment_is_as_likely() -> None:
    pool = EpisodePool(OBSERVATIONS, ACTIONS, 2, steps=50)
    live(pool, [{9, 12}, {19}], 30)  # stretches of 10, 3, 17 and of 20, 10 steps
    spans = pool.draw(52_000, 5, np.random.default_rng(0))
    _, counts = np.unique(np.stack(spans[:2]), axis=1, return_counts=True)
    assert len(counts) == 6 + 1 + 13 + 16 + 6
    assert abs(counts - 52_000 / 42).max() < 5 * np.sqrt(52_000 / 42)


def test_newest_episodes_alone_and_more_if_they_are_too_short() -> None:
    pool = EpisodePool(OBSERVATIONS, ACTIONS, 1, steps=100)
    live(pool, [{39, 69, 79}], 80)
    rng = np.random.default_rng(0)
    assert pool.draw(300, 5, rng, newest=1).starts.min() >= 70
    assert 40 <= pool.draw(300, 5, rng, newest=1, least=7).starts.min() < 70
    assert pool.draw(300, 5, rng, newest=2, least=40).starts.min() < 40
    assert set(pool.draw(1_000, 5, rng, newest=3).starts.tolist()) > {0, 75}


def test_nothing_to_draw_is_an_error_that_says_so() -> None:
    pool = EpisodePool(OBSERVATIONS, ACTIONS, 1, steps=20)
    with pytest.raises(ValueError, match="no episode"):
        pool.draw(1, 5, np.random.default_rng(0))
    live(pool, [set()], 4)
    with pytest.raises(ValueError, match="no episode"):
        pool.draw(1, 5, np.random.default_rng(0))


def test_segments_are_copies() -> None:
    pool = EpisodePool(spaces.Dict(a=OBSERVATIONS, b=spaces.Discrete(5)), ACTIONS, 1, steps=10)
    for at in range(10):
        seen = {"a": np.full((1, 4), at, np.float32), "b": np.array([at % 5])}
        pool.add(seen, np.zeros((1, 2)), np.zeros(1), np.array([False]), at)
    segment = pool.cut(pool.draw(1, 3, np.random.default_rng(0)), 0)
    before = {key: value.copy() for key, value in segment.observations.items()}
    assert before["b"].shape == (3,)
    for at in range(10):
        pool.add({"a": np.full((1, 4), 99.0), "b": np.array([0])}, np.zeros((1, 2)), np.zeros(1), np.array([False]), at)
    assert_same(segment.observations, before)
    assert all(part.base is None for part in (segment.actions, segment.rewards, segment.observations["a"]))


def make_pool(envs: Any) -> EpisodePool:
    spaces_ = envs.single_observation_space, envs.single_action_space
    return EpisodePool(*spaces_, 2, steps=60, every=8, simulators=Simulators(envs))


def make_envs() -> Any:
    return SyncVectorEnv(
        [lambda: Replayable(gymnasium.make("CartPole-v1"))] * 3, autoreset_mode=AutoresetMode.SAME_STEP
    )


def test_every_segments_clip_shows_what_was_observed() -> None:
    envs, rng = make_envs(), np.random.default_rng(0)
    pool, (seen, _) = make_pool(envs), envs.reset(seed=0)
    pool.begin()
    for at in range(150):
        seen = seen.copy()
        actions = rng.integers(2, size=3)
        following, rewards, terminated, truncated, _ = envs.step(actions)
        pool.add(seen, actions, rewards, terminated | truncated, at)
        seen = following
    env, spans = gymnasium.make("CartPole-v1"), pool.draw(60, 12, rng)
    for index in range(60):
        segment = pool.cut(spans, index)
        assert segment.clip is not None and segment.clip.skip < 8
        lived = [np.array(env.unwrapped.state, np.float32) for _ in replay(env, segment.clip)]
        np.testing.assert_array_equal(lived[:-1], segment.observations)


def test_a_pool_goes_on_where_it_was_left() -> None:
    ends = [{9, 30}, {14}]
    whole, first, second = (EpisodePool(OBSERVATIONS, ACTIONS, 2, steps=20) for _ in range(3))
    live(whole, ends, 40)
    live(first, ends, 25)
    second.set_state(first.get_state())
    live(second, ends, 40, begin=25)
    assert_same(second.get_state(), whole.get_state())
    drawn = [pool.draw(20, 6, np.random.default_rng(3)) for pool in (whole, second)]
    assert_same(whole.batch(drawn[0])._asdict(), second.batch(drawn[1])._asdict())


def standing_still(n: int, hold: int, steps: int) -> EpisodePool:
    """Episodes of 5 steps in the first row that terminate, of 7 in the others that are cut; -1 is seen at an end."""
    pool = EpisodePool(OBSERVATIONS, ACTIONS, n, steps=60, hold=hold)
    age = np.zeros(n)
    for at in range(steps):
        age += 1
        over = age == np.where(np.arange(n) == 0, 5, 7)
        seen, last = np.tile(age[:, None], 4).astype(np.float32), np.full((n, 4), -1.0, np.float32)
        pool.add(seen, seen[:, :2], age, over, at, terminated=over & (np.arange(n) == 0), last=last)
        age[over] = 0
    return pool


def test_what_has_terminated_stands_still() -> None:
    pool = standing_still(2, 3, 20)
    assert pool.written.tolist() == [20 + 4 * 3, 20] and pool.steps_kept == 52
    spans = pool.draw(200, 8, np.random.default_rng(0))
    for index in np.flatnonzero(spans.rows == 0):
        segment = pool.cut(spans, int(index))
        assert segment.observations[:, 0].tolist() == [1, 2, 3, 4, 5, -1, -1, -1]
        assert segment.rewards.tolist() == [1, 2, 3, 4, 5, 0, 0, 0] and segment.actions[-1, 0] == 5
        assert segment.ended and len(segment) == 8 and segment.still == 2
    cut = [pool.cut(spans, int(index)) for index in np.flatnonzero(spans.rows == 1)]
    assert {(len(segment), segment.still) for segment in cut} == {(7, 0)}
    assert_same(pool.batch(spans)._asdict(), stack([pool.cut(spans, index) for index in range(200)])._asdict())


def test_held_as_long_as_a_segment_all_segments_are_as_long() -> None:
    pool = standing_still(1, 8, 40)
    spans = pool.draw(300, 8, np.random.default_rng(0))
    assert (spans.lengths == 8).all()
    batch = pool.batch(spans)
    assert set(batch.still.tolist()) == {7, 6, 5, 4, 3, 2}
    ends = batch.observations[..., 0] == -1
    assert (batch.over <= ends).all()
    np.testing.assert_array_equal(batch.over[:, 1:], ends[:, :-1])  # the first step at an end shows it


@pytest.mark.parametrize("hold", [0, 3, 8])
def test_a_pool_of_rows_that_differ_goes_on_where_it_was_left(hold: int) -> None:
    whole, other = standing_still(3, hold, 33), EpisodePool(OBSERVATIONS, ACTIONS, 3, steps=60, hold=hold)
    other.set_state(whole.get_state())
    drawn = [pool.draw(20, 6, np.random.default_rng(3)) for pool in (whole, other)]
    assert_same(whole.batch(drawn[0])._asdict(), other.batch(drawn[1])._asdict())


def test_clips_of_what_stands_still_show_the_end() -> None:
    envs, rng = make_envs(), np.random.default_rng(0)
    spaces_ = envs.single_observation_space, envs.single_action_space
    pool = EpisodePool(*spaces_, 3, steps=200, every=8, simulators=Simulators(envs), hold=12)
    seen, _ = envs.reset(seed=0)
    pool.begin()
    for at in range(100):
        seen, actions = seen.copy(), rng.integers(2, size=3)
        following, rewards, terminated, truncated, info = envs.step(actions)
        last = None
        if terminated.any():
            last = np.stack([row if row is not None else np.zeros(4) for row in info["final_obs"]])
        pool.add(seen, actions, rewards, terminated | truncated, at, terminated=terminated, last=last)
        seen = following
    env, spans = gymnasium.make("CartPole-v1"), pool.draw(60, 12, rng)
    for index in range(60):
        segment = pool.cut(spans, index)
        assert segment.clip is not None
        lived = [np.array(env.unwrapped.state, np.float32) for _ in replay(env, segment.clip)]
        np.testing.assert_array_equal(lived[:-1], segment.observations)
