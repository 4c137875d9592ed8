"""Agents that are paid what a score says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from numpy.typing import NDArray

import toys
from rlkit.envs.replayable import Replayable
from rlkit.errors import UsageError
from rlkit.rewards.scored import ScoredEnvs
from rlkit.rewards.segments import SegmentBatch
from rlkit.training import checkpoint
from rlkit.training.config import compose_run
from rlkit.training.run import train
from runs import assert_same, newest

SMALL = (
    "env=gym env.id=toys:Dials-v0 agent=ppo agent.n_steps=10 agent.batch_size=20 agent.net_arch=[8] n_envs=2 seed=1 "
    "evaluate=false progress=false eval_every=0"
)


def growth(segments: SegmentBatch) -> NDArray[Any]:
    """A score: how much more is paid than in the step before; nothing where there was none."""
    return np.diff(segments.rewards, axis=1, prepend=segments.rewards[:, :1])


def environments(score: Any, scale: float = 1.0) -> ScoredEnvs:
    make = [lambda: Replayable(toys.Toy())] * 2
    envs = ScoredEnvs(SyncVectorEnv(make, autoreset_mode=AutoresetMode.SAME_STEP), score, scale)
    envs.seed(0)
    envs.reset()
    return envs


def test_each_step_is_seen_with_the_one_before_it_and_an_end_with_where_it_ended() -> None:
    told: list[SegmentBatch] = []

    def score(segments: SegmentBatch) -> NDArray[Any]:
        told.append(segments)
        return growth(segments)

    envs = environments(score, 0.5)
    before = np.zeros((2, 0))
    for step in range(3 * toys.EPISODE):
        seen = envs._seen.copy()
        told.clear()
        _, rewards, dones, infos = envs.step(np.array([step % 4, 1]))
        in_episode = step % toys.EPISODE
        assert told[0].lengths.tolist() == [2 if in_episode else 1] * 2
        np.testing.assert_array_equal(told[0].observations[:, 1 if in_episode else 0], seen)
        paid = told[0].rewards[:, 1]
        expected = paid - before if in_episode else np.zeros(2)
        if dones.all():
            _, end = told
            np.testing.assert_array_equal(end.observations[:, 1], [info["terminal_observation"] for info in infos])
            assert not end.actions[:, 1].any() and not end.rewards[:, 1].any()
            expected = expected - paid
        else:
            assert len(told) == 1
        np.testing.assert_allclose(rewards, 0.5 * expected, rtol=1e-6)
        before = paid
    assert dones.all()


def test_paid_what_the_task_pays_an_agent_is_the_tasks(tmp_path: Path) -> None:
    own = train(compose_run(f"{SMALL} steps=200 run_dir={tmp_path / 'own'}".split()))
    scored = train(
        compose_run(f"{SMALL} steps=200 run_dir={tmp_path / 's'} reward=score reward.score=toys:paid".split())
    )
    weights = [(folder.policy / "weights.safetensors").read_bytes() for folder in (own, scored)]
    assert weights[0] == weights[1]


def test_a_run_goes_on_bit_for_bit(tmp_path: Path) -> None:
    """Stopped in the middle of episodes of eight steps, where the step before matters."""
    settings = f"{SMALL} reward=score reward.score=rewards.test_scored:growth"
    whole = train(compose_run(f"{settings} steps=200 run_dir={tmp_path / 'whole'}".split()))
    train(compose_run(f"{settings} steps=100 run_dir={tmp_path / 'half'}".split()))
    config = compose_run(f"{settings} steps=200".split())
    config.resume = str(tmp_path / "half")
    states = [checkpoint.load(newest(folder.path)) for folder in (whole, train(config))]
    assert_same(*states)
    assert states[0]["envs"]["before"]["goes_on"].all()


def test_a_score_without_a_number_for_each_step_is_told() -> None:
    envs = environments(lambda segments: segments.rewards[:, 0])
    with pytest.raises(UsageError, match=r"shape \(2, 2\), \(n, length\); got \(2,\)"):
        envs.step(np.array([0, 1]))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ("env=gym", "reward=score needs reward.score=module:function"),
        ("env=cooling agent=pue_predictor reward.score=toys:paid", "chooses no actions that could be judged"),
    ],
)
def test_mistakes_are_told_before_there_is_a_run(settings: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        compose_run(["reward=score", *settings.split()])


def test_a_score_that_is_not_there_is_told_and_leaves_no_run(tmp_path: Path) -> None:
    config = compose_run(f"{SMALL} steps=200 run_dir={tmp_path / 'run'} reward=score reward.score=toys:pait".split())
    with pytest.raises(UsageError, match=r"reward\.score=toys:pait cannot be loaded"):
        train(config)
    assert not (tmp_path / "run").exists()
