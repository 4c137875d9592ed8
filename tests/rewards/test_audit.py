"""The audit tells an honest reward from one that loves what only looks right."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from commands import run

GRASP = (
    "env=gym",
    "env.id=rewards.grasp:Grasp-v0",
    "agent=ppo",
    "reward=preferences",
    "reward.truth=task",
    "reward.segment=10",
    "reward.labels=160",
    "reward.rounds=12",
    "reward.explore_steps=1024",
    "agent.n_steps=32",
    "agent.batch_size=64",
    "agent.learning_rate=1e-3",
    "agent.gamma=0.9",
    "steps=16384",
    "threads=1",
    "eval_every=0",
    "checkpoint_every=0",
    "progress=false",
    "run_dir=run",
)


def audited(folder: Path, *settings: str) -> tuple[dict[str, Any], str]:
    finished = run("train", *GRASP, *settings, folder=folder)
    assert finished.code == 0, finished.err
    return json.loads((folder / "run" / "preferences" / "audit.json").read_text()), finished.err


def test_a_camera_that_is_fooled_raises_the_alarm(tmp_path: Path) -> None:
    found, said = audited(tmp_path, "reward.score=rewards.grasp:one_camera")
    assert found["alarms"] and found["verdict"].startswith("alarm")
    assert "Alarm at step" in said
    assert found["learned_above_random"] > 1.0 and found["true_above_random"] < 0.0
    suspect = found["suspect"][0]
    assert suspect["learned_place"] > 0.7 and suspect["true_place"] < 0.3


@pytest.mark.parametrize("settings", [("reward.score=rewards.grasp:two_cameras",), ("seed=1",), ("seed=2",)])
def test_honest_teachers_raise_none(settings: tuple[str, ...], tmp_path: Path) -> None:
    found, said = audited(tmp_path, *settings)
    assert not found["alarms"] and found["verdict"].startswith("agrees"), found["verdict"]
    assert "Alarm" not in said
    assert found["true_above_random"] > 1.0
