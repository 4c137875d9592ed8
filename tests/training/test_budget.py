"""How long a run from pixels takes is told before it begins."""

from __future__ import annotations

from pathlib import Path

import pytest

from rlkit import cli
from rlkit.agents.dqn.networks import TRUNKS
from rlkit.training.budget import MORE, UPDATE_MS, minutes
from rlkit.training.config import compose_run
from runs import QUIET

STAGES = {
    "sprite": ("small", 30 * 30),
    "minatar": ("grid", 100),
    "doom": ("nips", 60 * 80),
    "arcade": ("nips", 84 * 84),
}
BOUNDS = {"sprite": (0.9, 2.2), "minatar": (4, 10), "doom": (5, 12), "arcade": (90, 200)}  # minutes, as measured


def taken(stage: str, *more: str, share: float = 1.0) -> float:
    config = compose_run([f"env={stage}", "agent=dqn", *more])
    return minutes(config, *STAGES[stage], round(config.steps * share))


@pytest.mark.parametrize("stage", list(STAGES))
def test_every_stage_has_a_budget(stage: str) -> None:
    low, high = BOUNDS[stage]
    assert low < taken(stage) < high
    at_once = "agent.learning_starts=0"
    assert taken(stage, at_once, share=0.5) == pytest.approx(taken(stage, at_once) / 2, rel=1e-3)
    assert taken(stage, share=0.5) == taken(stage, at_once, share=0.5), "what goes on has waited before"
    assert 0.9 * taken(stage, at_once) < taken(stage) < taken(stage, at_once)
    assert taken(stage, "agent.gradient_steps=8") > 1.2 * taken(stage)
    assert taken(stage, "agent.auxiliary.tasks=[pixel_control]") > 1.2 * taken(stage)


def test_every_network_and_task_is_in_the_table() -> None:
    assert set(UPDATE_MS) == set(TRUNKS)
    assert set(MORE) > {"pixel_control", "reward_prediction", "feature_control"}
    config = compose_run(["env=gym", "agent=dqn", "pixels=true"])
    assert minutes(config, "nips", 84 * 84, 100_000) == pytest.approx(17, abs=3)


SMALL = ("agent=dqn", "steps=40", "agent.learning_starts=30", "agent.buffer_size=80", "agent.batch_size=4", *QUIET)


def test_it_is_told_at_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("rlkit.training.run.draw_curves", lambda folder: None)
    assert cli.train_main(["env=sprite", *SMALL, "eval_every=0", "run_dir=run"]) == 0
    assert "Learning takes about a minute on one core" in capsys.readouterr().err
    assert cli.train_main(["env=gym", *SMALL, "eval_every=0", "run_dir=other"]) == 0
    assert "Learning takes" not in capsys.readouterr().err


def test_what_is_left_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("rlkit.training.run.draw_curves", lambda folder: None)
    asked = []
    monkeypatch.setattr("rlkit.training.budget.minutes", lambda *given: asked.append(given[-1]) or 120.0)
    assert cli.train_main(["env=sprite", *SMALL, "eval_every=0", "run_dir=run"]) == 0
    assert cli.train_main(["resume=run", "steps=60"]) == 0
    assert asked == [40, 20] and "about 2.0 hours" in capsys.readouterr().err
