"""Scores of whole episodes: of every step once, up to each episode's end."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from rlkit import cli
from rlkit.errors import UsageError
from rlkit.rewards.segments import SegmentBatch
from rlkit.training.config import compose_run
from rlkit.training.evaluation import SEED_OFFSET, evaluation_envs, play_episodes
from rlkit.training.scoring import score_policy


class Right:
    """Pushes to the right."""

    def predict(self, obs: Any, mask: Any = None) -> Any:
        return np.ones(len(obs), np.int64)


def number(segments: SegmentBatch) -> NDArray[Any]:
    return np.broadcast_to(np.arange(segments.rewards.shape[1]), segments.rewards.shape)


def flat(segments: SegmentBatch) -> NDArray[Any]:
    return np.asarray(segments.rewards.sum(1))


def test_every_step_counts_once_with_the_end_and_none_after_it() -> None:
    config, policy = compose_run(["env=gym"]), Right()
    played = play_episodes(policy, evaluation_envs(config.env, 7), 7, SEED_OFFSET)
    assert len(set(played.lengths.tolist())) > 1
    found = score_policy(policy, config, number, 7)
    sums = played.lengths * (played.lengths + 1) / 2  # poles that fell: one step more shows it
    assert found["mean"] == pytest.approx(sums.mean())
    assert (found["least"], found["most"], found["episodes"]) == (sums.min(), sums.max(), 7)
    assert found["interval"][0] <= found["mean"] <= found["interval"][1]


def test_where_an_episode_terminated_is_shown() -> None:
    seen: list[SegmentBatch] = []

    def keep(segments: SegmentBatch) -> NDArray[Any]:
        seen.append(segments)
        return number(segments)

    score_policy(Right(), compose_run(["env=gym"]), keep, 7)
    batch, rows = seen[0], np.arange(7)
    last, before = (batch.observations[rows, batch.lengths - back] for back in (1, 2))
    fallen = 12 / 180 * np.pi
    assert (np.abs(last[:, 2]) > fallen).all() and (np.abs(before[:, 2]) <= fallen).all()
    assert not batch.rewards[rows, batch.lengths - 1].any() and batch.rewards[rows, batch.lengths - 2].all()
    assert not batch.actions[rows, batch.lengths - 1].any() and batch.actions[rows, batch.lengths - 2].all()


def test_a_limit_of_time_shows_no_step_more() -> None:
    found = score_policy(Right(), compose_run(["env=gym", "env.kwargs={max_episode_steps:5}"]), number, 3)
    assert found["mean"] == found["most"] == 0 + 1 + 2 + 3 + 4


@pytest.mark.parametrize("score", [flat, lambda segments: 0.0])
def test_a_score_without_a_number_for_each_step_is_told(score: Any) -> None:
    with pytest.raises(UsageError, match=r"\(n, length\); got"):
        score_policy(Right(), compose_run(["env=gym"]), score, 2)


@pytest.mark.parametrize("episodes", [0, 1.5, True])
def test_impossible_numbers_of_episodes_are_told(episodes: Any) -> None:
    with pytest.raises(UsageError, match="episodes must be a whole number >= 1, got"):
        score_policy(Right(), compose_run(["env=gym"]), number, episodes)


def test_the_command_tells_and_saves_it(cartpole_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(cartpole_run, tmp_path / "run")
    arguments = [f"run={tmp_path / 'run'}", "episodes=4", "save=true"]
    assert cli.evaluate_main([*arguments, "score=toys:paid"]) == 0
    saved = json.loads((tmp_path / "run" / "evaluation.json").read_text())
    scored = saved["scored"]
    assert scored["mean"] == saved["score"] == saved["mean_length"], "CartPole pays 1 a step"
    assert f"toys:paid: {scored['mean']:.2f} [" in capsys.readouterr().out
    assert cli.evaluate_main([*arguments, "score=toys:pait"]) == 2
    assert "cannot be loaded" in capsys.readouterr().err


def test_episodes_are_a_scores_where_the_table_has_none(
    monkeypatch: pytest.MonkeyPatch, cartpole_run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = SimpleNamespace(
        SETTINGS=("rivals",), evaluate=lambda policy, arguments: {"score": 1.0}, markdown=lambda judgement: "a table"
    )
    monkeypatch.setattr("rlkit.training.evaluation.task_evaluation", lambda config: table)
    arguments = [f"run={cartpole_run}", "episodes=3"]
    assert cli.evaluate_main([*arguments, "score=toys:paid"]) == 0
    assert "(3 episodes)" in capsys.readouterr().out
    assert cli.evaluate_main(arguments) == 2
    assert "are not judged by episodes=" in capsys.readouterr().err
