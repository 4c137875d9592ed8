"""The alarm goes off where the learned reward rises and what is meant does not, and nowhere else."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from rewards.people import ACTIONS, OBSERVATIONS
from rlkit.rewards.answers import Answer
from rlkit.rewards.config import PreferencesConfig
from rlkit.rewards.loop import Round
from rlkit.rewards.monitor import ROUNDS, Monitor, above, likeness, returns
from rlkit.rewards.pool import EpisodePool
from rlkit.rewards.segments import Segment, SegmentBatch

LENGTH = 10


class Model:
    """Loves the first number of an observation."""

    fits = 1
    inputs = SimpleNamespace(observation_space=OBSERVATIONS)

    def predict(self, observations: Any, actions: Any, over: Any) -> Any:
        return observations[:, 0]

    def spread(self, observations: Any, actions: Any, over: Any) -> Any:
        return np.abs(observations[:, 1])


def live(pool: EpisodePool, rng: np.random.Generator, loved: float, true: float, alike: float) -> None:
    """Steps of which the model and the truth think so much on average, and so much alike of each."""
    for _ in range(200):
        seen = rng.normal(size=(2, 4)).astype(np.float32)
        seen[:, 0] += loved
        dones = np.full(2, pool.written[0] % 40 == 39)
        rewards = true + alike * (seen[:, 0] - loved) + np.sqrt(1.0 - alike**2) * rng.normal(size=2)
        pool.add(seen, np.zeros((2, 2)), rewards, dones, 0)


def watched(
    path: list[tuple[float, float]], truth: str | None = None, alike: float = 0.0
) -> tuple[Monitor, list[Round]]:
    """A run in whose rounds the agent pleases the model and the truth so much."""
    rng = np.random.default_rng(0)
    pool = EpisodePool(OBSERVATIONS, ACTIONS, 2, steps=10_000)
    monitor = Monitor(PreferencesConfig(segment=LENGTH, truth=truth), None, seed=0)
    rounds = []
    for number, (loved, true) in enumerate(path):
        live(pool, rng, loved, true, alike)
        rounds.append(Round(number))
        loop: Any = SimpleNamespace(model=Model(), pool=pool, step=400 * (number + 1))
        monitor.look(loop, rounds[-1])
    return monitor, rounds


RISING = [(0.25 * number, 0.25 * number) for number in range(12)]
LOOPHOLE = [(0.25 * number, -0.1 * number) for number in range(12)]
STILL = [(0.0, 0.0)] * 12
WORSE = [(-0.2 * number, -0.2 * number) for number in range(12)]
SPOILT = [*RISING[:6], *((1.5 + 0.5 * number, 1.25 - 0.4 * number) for number in range(8))]


@pytest.mark.parametrize(
    ("path", "alarm"), [(RISING, False), (LOOPHOLE, True), (STILL, False), (WORSE, False), (SPOILT, True)]
)
def test_alarm(path: list[tuple[float, float]], alarm: bool) -> None:
    monitor, rounds = watched(path)
    assert bool(monitor.alarms) is alarm
    assert any(outcome.figures["alarm"] for outcome in rounds) is alarm
    assert sum(bool(outcome.messages) for outcome in rounds) == alarm  # told once
    if alarm:
        assert (
            len(rounds) >= ROUNDS and "what is meant does not rise" in next(o for o in rounds if o.messages).messages[0]
        )


@pytest.mark.parametrize(("alike", "alarm"), [(0.5, False), (0.0, False), (-0.5, True)])
def test_a_model_that_ranks_the_wrong_way_round_raises_the_alarm(alike: float, alarm: bool) -> None:
    """Even while all returns rise."""
    monitor, rounds = watched(RISING, alike=alike)
    assert bool(monitor.alarms) is alarm
    if alarm:
        assert "the wrong way round" in next(outcome for outcome in rounds if outcome.messages).messages[0]


def test_it_takes_some_rounds() -> None:
    monitor, _ = watched(LOOPHOLE)
    assert monitor.alarms[0] >= 400 * ROUNDS


def test_without_a_truth_there_are_no_figures_of_it() -> None:
    monitor, rounds = watched(LOOPHOLE, truth="none")
    assert not monitor.alarms
    assert not [name for name in rounds[-1].figures if name.startswith(("true", "correlation"))]
    assert rounds[-1].figures["learned_above_first"] > 1.0


@pytest.mark.parametrize(
    ("late", "expected", "alarm"), [(0.9, 0.9, False), (0.4, 0.9, True), (0.6, 0.9, True), (0.6, 0.6, False)]
)
def test_without_a_truth_fresh_answers_tell(late: float, expected: float, alarm: bool) -> None:
    """If the model thought that it would foretell them; not if it knows that the questions have become harder."""
    monitor, _ = watched(LOOPHOLE, truth="none")
    rng = np.random.default_rng(1)
    for share, believed in [(0.9, 0.9)] * 6 + [(late, expected)] * ROUNDS:
        monitor._foretold.append([20.0, float(rng.binomial(20, share)), 20.0 * believed])
    outcome = Round(0)
    monitor._sound(1, outcome)
    assert bool(outcome.figures["alarm"]) is alarm


def test_answers_are_foretold_before_they_are_learned() -> None:
    rng = np.random.default_rng(0)
    monitor = Monitor(PreferencesConfig(segment=LENGTH), None, seed=0)
    segments = {0: one(rng, 1.0), 1: one(rng, -1.0)}
    pairs = {0: SimpleNamespace(first=0, second=1), 1: SimpleNamespace(first=1, second=0)}
    store = SimpleNamespace(pair=pairs.__getitem__, segment=segments.__getitem__)

    class Sure(Model):
        def probabilities(self, first: SegmentBatch, second: SegmentBatch) -> Any:
            return (returns(first.observations[..., 0], first) > returns(second.observations[..., 0], second))[
                None
            ] * 1.0

    loop: Any = SimpleNamespace(model=Sure(), store=store)
    answers = [(0, Answer.FIRST), (1, Answer.FIRST), (0, Answer.TIE)]
    monitor.hear(loop, [SimpleNamespace(pair=pair, answer=answer) for pair, answer in answers])  # type: ignore[misc]
    assert monitor._foretold == [[2.0, 1.0, 2.0]]


def one(rng: np.random.Generator, middle: float) -> Any:
    seen = rng.normal(middle, 0.1, (LENGTH, 4)).astype(np.float32)
    return Segment(seen, np.zeros((LENGTH, 2), np.float32), np.zeros(LENGTH, np.float32))


def batch(rng: np.random.Generator, n: int) -> SegmentBatch:
    lengths = rng.integers(1, LENGTH + 1, n)
    seen, rewards = rng.normal(size=(n, LENGTH, 4)), rng.normal(size=(n, LENGTH))
    return SegmentBatch(seen, np.zeros((n, LENGTH, 2)), rewards, lengths, np.zeros_like(lengths))


def test_what_pads_segments_does_not_count() -> None:
    rng = np.random.default_rng(0)
    some = batch(rng, 50)
    dirty = some.rewards.copy()
    dirty[np.arange(LENGTH) >= some.lengths[:, None]] = 1e6
    np.testing.assert_allclose(returns(dirty, some), returns(some.rewards, some))
    found = likeness(dirty, 2.0 * some.rewards + 0.0, some.lengths)
    assert found["correlation_step"] == pytest.approx(1.0) and found["rank_correlation_segment"] == pytest.approx(1.0)


def test_constant_rewards_have_no_correlation() -> None:
    some = batch(np.random.default_rng(1), 20)
    some = some._replace(lengths=np.full(20, LENGTH))
    assert likeness(np.zeros_like(some.rewards), some.rewards, some.lengths) == {}


def test_above_is_in_deviations() -> None:
    rng = np.random.default_rng(0)
    one_batch, other = batch(rng, 4_000), batch(rng, 4_000)
    one_batch = one_batch._replace(lengths=np.full(4_000, LENGTH))
    other = other._replace(lengths=np.full(4_000, LENGTH))
    for unit in (1.0, 1_000.0):
        found = above(unit * (one_batch.rewards + 0.1), one_batch, unit * other.rewards, other)
        assert found == pytest.approx(1.0 / np.sqrt(10.0 + 0.25), abs=0.05)


def test_goes_on_as_saved() -> None:
    monitor, _ = watched(LOOPHOLE)
    other = Monitor(PreferencesConfig(segment=LENGTH), None, seed=9)
    other.set_state(monitor.get_state())
    assert other.alarms == monitor.alarms and other.history == monitor.history
    assert other._rng.random() == monitor._rng.random()
