"""Runs of agent=pue_predictor: folder, resume, export, judgement."""

from __future__ import annotations

import functools
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml

import rlkit
from commands import kill_at, run
from rlkit.agents.predictor.learner import PuePredictor
from rlkit.agents.predictor.model import Predictor, load_predictor, save_predictor
from rlkit.errors import UsageError
from rlkit.training.report import compare
from runs import assert_same_run, images, progress, scalars

from .conftest import PREDICTOR

QUIET = ("evaluate=false", "progress=false")


def test_a_run_leaves_all_that_is_promised(predictor_run: Path) -> None:
    for name in ("config.yaml", "progress.csv", "curves.png", "evaluation.json", "report.md", "policy", "checkpoints"):
        assert (predictor_run / name).exists(), name
    figures = scalars(predictor_run)
    assert {"train/loss", "eval/mae", "eval/coverage_95", "eval/ahead_inlet_max_c_mae"} <= figures.keys()
    assert {"eval/calibration", "eval/predicted"} <= images(predictor_run).keys()
    assert [row["step"] for row in progress(predictor_run) if row.get("eval/mae")] == ["30", "60"]
    losses = [value for _, value in figures["train/loss"]]
    assert losses[-1] < 0.5 * losses[0]


def test_the_judgement_has_every_table(predictor_run: Path) -> None:
    judgement = json.loads((predictor_run / "evaluation.json").read_text())
    models = {"ensemble", "one network", "last measured PUE", "linear regression", "gradient boosting"}
    assert set(judgement["pue"]) == models
    for holdouts in judgement["pue"].values():
        assert set(holdouts) == {"same site, later", "hot_humid"}
    assert judgement["score"] == -judgement["pue"]["ensemble"]["same site, later"]["mae"]
    assert {"default setpoints", "search, least power", "search, least PUE"} <= set(judgement["control"])
    report = (predictor_run / "report.md").read_text()
    for heading in ("Gao's sensitivities", "coming hour", "inside the ensemble's intervals", "DeepMind's use"):
        assert heading in report


def test_seeds_are_reported_together(predictor_run: Path, tmp_path: Path) -> None:
    for seed, shift in enumerate((0.0, 0.002)):
        folder = tmp_path / f"s{seed}"
        shutil.copytree(predictor_run, folder)
        config = yaml.safe_load((folder / "config.yaml").read_text())
        (folder / "config.yaml").write_text(yaml.safe_dump({**config, "seed": seed}))
        judgement = json.loads((folder / "evaluation.json").read_text())
        judgement["pue"]["ensemble"]["hot_humid"]["mae"] = 0.010 + shift
        (folder / "evaluation.json").write_text(json.dumps(judgement))
    table = compare([tmp_path], tmp_path / "out")
    assert ": 2 seeds" in table and "| ensemble | hot_humid | 0.0110 [0.0100, 0.0120] |" in table
    assert "of 2 seeds |" in table and "search, least power" in table


def test_a_run_that_was_killed_goes_on_bit_for_bit(tmp_path: Path) -> None:
    whole = run("train", *PREDICTOR, *QUIET, "run_dir=whole", folder=tmp_path)
    assert whole.code == 0, whole.err
    killed = run(
        "train",
        *PREDICTOR,
        *QUIET,
        "run_dir=resumed",
        folder=tmp_path,
        fault=functools.partial(kill_at, "rlkit.training.checkpoint:save", 2),
    )
    assert killed.code != 0
    resumed = run("train", "resume=resumed", *QUIET, folder=tmp_path)
    assert resumed.code == 0, resumed.err
    assert_same_run(tmp_path / "whole", tmp_path / "resumed")


def test_what_is_exported_says_the_same_and_holds_no_pickle(predictor_run: Path, tmp_path: Path) -> None:
    predictor = load_predictor(predictor_run)
    assert sorted(path.name for path in (predictor_run / "policy").iterdir()) == ["policy.json", "weights.safetensors"]
    for path in predictor_run.rglob("*"):
        if path.is_file() and "tfevents" not in path.name:
            assert not path.read_bytes().startswith((b"\x80\x02", b"\x80\x04", b"\x80\x05")), path
            assert path.suffix not in (".pkl", ".pt", ".pth", ".zip"), path
    save_predictor(tmp_path / "copy", predictor)
    copy = load_predictor(tmp_path / "copy")
    rng = np.random.default_rng(0)
    observed = rng.uniform(0.0, 30.0, (20, len(predictor.reader.observation_names)))
    setpoints = rng.uniform(5.0, 20.0, (20, len(predictor.reader.action_names)))
    for one, other in (
        (predictor.next_pue(observed, setpoints), copy.next_pue(observed, setpoints)),
        (predictor.hour_ahead(observed, setpoints), copy.hour_ahead(observed, setpoints)),
    ):
        for name in ("mean", "spread", "sigma"):
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    assert isinstance(predictor, Predictor)


def test_damage_and_confusion_are_told(predictor_run: Path, negotiation_run: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="load_predictor"):
        rlkit.load_policy(predictor_run)
    with pytest.raises(UsageError, match="agent=ppo"):
        load_predictor(negotiation_run)
    save_predictor(tmp_path, load_predictor(predictor_run))
    weights = bytearray((tmp_path / "weights.safetensors").read_bytes())
    weights[-1] ^= 1
    (tmp_path / "weights.safetensors").write_bytes(weights)
    with pytest.raises(UsageError, match="damaged"):
        load_predictor(tmp_path)


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ("agent.members=1", "members"),
        ("agent.train_share=1.0", "train_share"),
        ("agent.weather=[marine]", "same years"),
        ("agent.activation=sigmoidal", "sigmoid"),
        ("env.kwargs.control=actuator", "supervisory"),
        ("env.kwargs.sensors=minimal", "missing"),
        ("device=meta", "device"),
    ],
)
def test_settings_that_cannot_be_are_told_before_anything_is_made(setting: str, told: str, tmp_path: Path) -> None:
    finished = run("train", *PREDICTOR, *QUIET, setting, "run_dir=refused", folder=tmp_path)
    assert finished.code == 2
    assert told in finished.err
    assert not (tmp_path / "refused").exists()


def test_other_environments_are_refused(tmp_path: Path) -> None:
    finished = run("train", "env=gym", "env.id=Pendulum-v1", "agent=pue_predictor", "run_dir=refused", folder=tmp_path)
    assert finished.code == 2
    assert "env=cooling" in finished.err


def test_a_history_that_changed_is_not_gone_on_with(tmp_path: Path) -> None:
    stopped = run("train", *PREDICTOR, *QUIET, "run_dir=old", folder=tmp_path)
    assert stopped.code == 0
    changed = run("train", "resume=old", "steps=80", *QUIET, folder=tmp_path, fault=_change_the_plant)
    assert changed.code == 2
    assert "history is another" in changed.err


def _change_the_plant() -> None:
    original = PuePredictor._fit_to

    def fit(self: PuePredictor, history: object) -> None:
        history.outcome[0] += 1.0  # type: ignore[attr-defined]
        original(self, history)  # type: ignore[arg-type]

    PuePredictor._fit_to = fit  # type: ignore[method-assign,assignment]
