"""What the compact replay gives back is what was seen, whatever happened in between."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch as th
from gymnasium import spaces

from agents.replay.recorder import ACTIONS, Recorder
from rlkit.agents.replay import CompactReplay
from rlkit.agents.replay.ring import CAP
from runs import assert_same

GAMMA = 0.9
CASES: dict[str, dict[str, Any]] = {
    "pictures": {},
    "repeated first frames": {"padding": "repeated"},
    "first stacks of their own": {"padding": "own"},
    "colour": {"frame": (3, 2, 2), "stack": 2},
    "vectors": {"frame": (4,), "stack": 1, "dtype": "float32"},
    "single": {"n_envs": 1, "slots": 17},
    "short": {"end": 0.6},
    "long": {"end": 0.005, "slots": 30},
    "priorities": {"alpha": 0.6, "lookback": 2},
}
every_case = pytest.mark.parametrize("case", list(CASES))
every_n = pytest.mark.parametrize("n_steps", [1, 3])


def recorded(steps: int, **settings: Any) -> Recorder:
    recorder = Recorder(gamma=GAMMA, **settings)
    for _ in range(steps):
        recorder.step()
    return recorder


def assert_transitions_are_true(recorder: Recorder) -> None:
    rows, at = recorder.usable()
    batch = recorder.replay.transitions(rows, at)
    for i, (row, slot) in enumerate(zip(rows, at, strict=True)):
        steps = recorder.after(row, slot)[: recorder.replay.n_steps]
        th.testing.assert_close(batch.observations[i], th.as_tensor(steps[0].obs), rtol=0, atol=0)
        th.testing.assert_close(batch.next_observations[i], th.as_tensor(steps[-1].next_obs), rtol=0, atol=0)
        assert batch.actions[i].item() == steps[0].action
        assert batch.dones[i].item() == steps[-1].terminated
        expected = sum(GAMMA**k * step.reward for k, step in enumerate(steps))
        assert batch.rewards[i].item() == pytest.approx(expected, abs=1e-5)
        assert batch.discounts[i].item() == pytest.approx(GAMMA ** len(steps))
        assert batch.next_masks is not None
        np.testing.assert_array_equal(batch.next_masks[i], steps[-1].next_mask)


@every_case
@every_n
def test_transitions_are_what_was_seen(case: str, n_steps: int) -> None:
    """Also while the ring is filling, and after it was filled several times."""
    recorder = Recorder(n_steps=n_steps, gamma=GAMMA, **CASES[case])
    for number in range(150):
        recorder.step()
        if number in (0, 1, 7, 60, 149):
            assert_transitions_are_true(recorder)


@every_case
def test_most_of_what_was_seen_can_be_drawn(case: str) -> None:
    """All but final frames, the head, and the few steps at the seam whose older frames are gone."""
    recorder = recorded(150, **CASES[case])
    ring = recorder.replay.ring
    rows, at = recorder.usable()
    for row in range(ring.n_envs):
        steps = [slot for slot in recorder.places[row] if slot >= ring.oldest[row]]
        missing = sorted(set(steps) - set(at[rows == row].tolist()))
        assert len(missing) <= ring.history
        assert all(slot < ring.oldest[row] + ring.history for slot in missing)


@pytest.mark.parametrize("padding", ["black", "repeated", "own"])
def test_environments_that_were_reset_behind_its_back(padding: str) -> None:
    """`learn()` called again begins new episodes: the old ones count as truncated, where they really stood."""
    recorder = Recorder(n_steps=3, gamma=GAMMA, padding=padding, end=0.05)
    for number in range(90):
        recorder.step()
        if number % 20 == 13:
            recorder.interrupt()
    assert_transitions_are_true(recorder)


def test_no_frame_of_another_episode_is_ever_seen() -> None:
    """The autoreset's frame is not where a terminal transition leads: that would be a phantom change of pixels."""
    recorder = recorded(60, stack=1, end=0.3)
    rows, at = recorder.usable()
    ends = np.array([recorder.after(row, slot)[0].terminated for row, slot in zip(rows, at, strict=True)])
    assert ends.sum() > 5
    sequences = recorder.replay.sequences(rows[ends], at[ends], 4)
    for i, (row, slot) in enumerate(zip(rows[ends], at[ends], strict=True)):
        last = th.as_tensor(recorder.after(row, slot)[0].next_obs)
        for step in range(1, 5):
            th.testing.assert_close(sequences.observations[i, step], last)


@every_case
def test_sequences_are_cut_at_ends(case: str) -> None:
    """At both kinds of end and at the head; nothing changes past the cut; a terminated step does not go on."""
    length = 6
    recorder = recorded(150, **CASES[case])
    rows, at = recorder.usable()
    found = recorder.replay.sequences(rows, at, length)
    for i, (row, slot) in enumerate(zip(rows, at, strict=True)):
        steps = recorder.after(row, slot)[:length]
        seen = [steps[0].obs, *(step.next_obs for step in steps)]
        seen += [seen[-1]] * (length + 1 - len(seen))
        np.testing.assert_array_equal(found.observations[i], np.stack(seen))
        rest = length - len(steps)
        assert found.steps[i].tolist() == [1.0] * len(steps) + [0.0] * rest
        assert found.actions[i, : len(steps)].tolist() == [step.action for step in steps]
        np.testing.assert_allclose(found.rewards[i], [*(step.reward for step in steps), *[0.0] * rest], rtol=1e-6)
        assert found.goes_on[i].tolist() == [float(not step.terminated) for step in steps] + [1.0] * rest


def test_sequences_do_not_cross_the_seam() -> None:
    recorder = recorded(200, end=0.0, n_envs=1, slots=20)
    rows, at = recorder.usable()
    assert at.min() > int(recorder.replay.ring.oldest[0])
    assert recorder.replay.ring.lengths(rows, at, 50).max() == at.max() - at.min() + 1
    for _ in range(50):
        drawn = recorder.replay.sample_sequences(8, 10)
        assert drawn.steps[:, 0].all()


def test_every_step_is_drawn_alike() -> None:
    recorder = recorded(120)
    rows, at = recorder.usable()
    replay = recorder.replay
    counts = np.zeros((replay.n_envs, replay.buffer_size))
    for _ in range(400):
        batch = replay.sample(100)
        np.add.at(counts, (batch.rows, batch.at % replay.buffer_size), 1)
    drawn = counts[rows, at % replay.buffer_size]
    assert drawn.sum() == 40_000 and drawn.min() > 0
    by_env = counts.sum(1) / np.bincount(rows)
    assert drawn.std() < 4 * np.sqrt(drawn.mean())
    assert by_env.max() / by_env.min() < 1.4


def test_priorities_decide_what_is_drawn_and_how_it_weighs() -> None:
    recorder = recorded(30, alpha=1.0, n_envs=2, slots=40)
    replay = recorder.replay
    rows, at = recorder.usable()
    errors = np.linspace(0.5, 5.0, len(at))
    replay.reprioritise(replay.transitions(rows, at), -errors)
    counts: dict[tuple[int, int], int] = {}
    for _ in range(300):
        batch = replay.sample(64, beta=1.0)
        for pair in zip(batch.rows.tolist(), batch.at.tolist(), strict=True):
            counts[pair] = counts.get(pair, 0) + 1
    drawn = np.array([counts.get(pair, 0) for pair in zip(rows.tolist(), at.tolist(), strict=True)])
    np.testing.assert_allclose(drawn / drawn.sum(), errors / errors.sum(), atol=0.004)
    chances = dict(zip(zip(rows.tolist(), at.tolist(), strict=True), errors, strict=True))
    of_batch = np.array([chances[pair] for pair in zip(batch.rows.tolist(), batch.at.tolist(), strict=True)])
    np.testing.assert_allclose(batch.weights[:, 0], of_batch.min() / of_batch, rtol=1e-4)
    assert (replay.sample(64, beta=0.0).weights == 1.0).all()


@pytest.mark.parametrize("end", [0.0, 0.2])
def test_only_what_can_be_drawn_has_a_priority(end: float) -> None:
    """New steps the largest so far; lost ones none: after each step, at every age of the ring."""
    recorder = Recorder(alpha=0.7, lookback=2, end=end, rewarding=0.4)
    replay = recorder.replay
    for number in range(130):
        recorder.step()
        rows, at = recorder.usable()
        usable = np.zeros(replay.n_envs * replay.buffer_size, np.bool_)
        usable[replay._leaves(rows, at)] = True
        assert replay._priorities is not None and replay._rewarding is not None
        np.testing.assert_array_equal(replay._priorities.leaves > 0, usable)
        paid = usable & (replay.ring.rewards.ravel() != 0)
        np.testing.assert_array_equal(replay._rewarding.leaves, paid.astype(float))
        if number == 50:
            replay.reprioritise(replay.sample(20), np.full(20, 7.0))
            recorder.step()
            newest = replay._leaves(np.arange(3), replay.ring.written - 2)
            np.testing.assert_allclose(replay._priorities.get(newest), (7.0 + 1e-6) ** 0.7)


def test_history_is_what_led_there_and_half_is_rewarded() -> None:
    recorder = recorded(150, lookback=2, rewarding=0.1, slots=60)
    replay = recorder.replay
    known = {}
    for row, slot in zip(*recorder.usable(), strict=True):
        steps = recorder.before(row, slot)
        seen = [step.obs for step in steps][-3:]
        known[steps[-1].obs.tobytes()] = (np.stack([seen[0]] * (3 - len(seen)) + seen), steps[-1].reward)
    observations, rewards = replay.sample_history(40, 3, 0.5)
    assert (rewards != 0).sum() == 20
    for seen, reward in zip(observations.numpy(), rewards.tolist(), strict=True):
        expected, paid = known[seen[-1].tobytes()]
        np.testing.assert_array_equal(seen, expected)
        assert reward == pytest.approx(paid)


def test_no_reward_yet_is_no_error() -> None:
    replay = recorded(20, lookback=2, rewarding=0.0).replay
    assert (replay.sample_history(10, 3, 0.5)[1] == 0).all()


@every_case
def test_a_restored_replay_goes_on_bit_for_bit(case: str) -> None:
    """Its own generator too, and NumPy's global one is not touched."""
    recorder = recorded(130, **CASES[case])
    twin = Recorder(gamma=GAMMA, seed=9, **CASES[case])
    twin.replay.set_state(recorder.replay.get_state())
    np.random.seed(3)
    before = np.random.get_state(legacy=False)
    for _ in range(3):
        one, other = recorder.replay.sample(9), twin.replay.sample(9)
        assert_same(tuple(one), tuple(other))
        recorder.replay.reprioritise(one, np.arange(9.0))
        twin.replay.reprioritise(other, np.arange(9.0))
    assert_same(before, np.random.get_state(legacy=False))
    n = len(recorder.envs)
    for replay in (recorder.replay, twin.replay):  # both go on in the midst of their episodes
        replay.stage_masks(recorder.masks, recorder.masks)
        replay.add(recorder.obs, recorder.obs, np.zeros(n), np.ones(n), np.zeros(n, np.bool_), [{}] * n)
    assert_same(recorder.replay.get_state(), twin.replay.get_state())


def test_long_episodes_outlive_the_count_of_ages() -> None:
    recorder = recorded(CAP + 150, end=0.0, slots=400, n_envs=1, n_steps=2)
    assert_transitions_are_true(recorder)


def test_a_million_frames_take_seven_gigabytes() -> None:
    """What is reserved, not what is touched."""
    replay = CompactReplay(
        1_000_000, spaces.Box(0, 255, (4, 84, 84), np.uint8), spaces.Discrete(18), "cpu", 8,
        stack=4, n_steps=3, alpha=0.5, lookback=2,
    )  # fmt: skip
    trees = sum(tree._nodes.nbytes for tree in (replay._priorities, replay._rewarding) if tree is not None)
    taken = sum(array.nbytes for array in replay.ring.arrays.values()) + trees
    assert replay.n_envs * replay.buffer_size == 1_000_000
    assert taken <= 7.1e9


def test_what_cannot_be_is_told() -> None:
    pixels, actions = spaces.Box(0, 255, (4, 8, 8), np.uint8), spaces.Discrete(ACTIONS)
    with pytest.raises(ValueError, match="for Box observations and Discrete actions"):
        CompactReplay(100, spaces.Dict(a=pixels), actions)
    with pytest.raises(ValueError, match="not stacks of 3 frames"):
        CompactReplay(100, pixels, actions, stack=3)
    with pytest.raises(ValueError, match="has 4 slots for each environment, it needs at least 8"):
        CompactReplay(16, pixels, actions, n_envs=4, stack=4)
    with pytest.raises(ValueError, match="keeps each frame once anyway"):
        CompactReplay(100, pixels, actions, optimize_memory_usage=True)
    for alpha in (0.0, 0.5):
        with pytest.raises(ValueError, match="no complete step yet"):
            CompactReplay(100, pixels, actions, stack=4, alpha=alpha).sample(1)
    with pytest.raises(ValueError, match="VecNormalize"):
        recorded(10).replay.sample(1, env=object())
