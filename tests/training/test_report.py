"""Reports of one run and comparisons of several."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from rlkit.errors import UsageError
from rlkit.statistics import interval, iqm
from rlkit.training.config import compose_run
from rlkit.training.folder import RunFolder
from rlkit.training.report import Curve, compare, draw_comparison, draw_curves, find_runs, write_report

STEPS = (0, 100, 200, 300)


def made_run(path: Path, *overrides: str, returns: tuple[float, ...] = (), score: float | None = None) -> RunFolder:
    """A run folder with made-up figures, a row each hundred steps."""
    config = compose_run(["env=gym", "agent=ppo", "steps=300", f"run_dir={path}", *overrides])
    folder = RunFolder.create(config)
    lines = ["step,rollout/ep_rew_mean,eval/mean_reward"]
    lines += [f"{step},{value},{2 * value if step == 300 else ''}" for step, value in zip(STEPS, returns, strict=False)]
    if returns:
        folder.progress.write_text("\n".join(lines) + "\n")
    if score is not None:
        folder.evaluation.write_text(json.dumps({"score": score}))
    return folder


@pytest.fixture
def several(tmp_path: Path) -> Path:
    """Five seeds of one configuration and two of another."""
    for seed, last in enumerate((1.0, 2.0, 3.0, 4.0, 100.0)):
        made_run(tmp_path / "runs" / f"a{seed}", f"seed={seed}", returns=(0, 0, 0, last), score=10 * last)
    for seed, last in enumerate((7.0, 9.0)):
        made_run(tmp_path / "runs" / f"b{seed}", f"seed={seed}", "agent.gamma=0.5", returns=(0, 0, 0, last), score=None)
    return tmp_path


def test_seeds_are_averaged_and_settings_told_apart(several: Path) -> None:
    """By the interquartile mean, so that one lucky seed does not decide: 3, not 22."""
    table = compare([several / "runs"], several / "out")
    rows = {line.split("|")[1].strip(): line for line in table.splitlines() if line.startswith("| ppo")}
    assert set(rows) == {"ppo on CartPole-v1, agent.gamma=0.99", "ppo on CartPole-v1, agent.gamma=0.5"}
    first = rows["ppo on CartPole-v1, agent.gamma=0.99"]
    assert "| 5 | 3.000 [" in first and "30.000 [" in first and " 6.000 [" in first
    second = [cell.strip() for cell in rows["ppo on CartPole-v1, agent.gamma=0.5"].split("|")]
    assert second[2:4] == ["2", "8.000 [7.000, 9.000]"] and second[-2] == ""  # not judged
    assert (several / "out" / "comparison.md").read_text() == table


def test_comparison_as_data_and_picture(several: Path) -> None:
    compare([several / "runs"], several / "out")
    data = json.loads((several / "out" / "comparison.json").read_text())
    found = data["ppo on CartPole-v1, agent.gamma=0.99"]
    values = np.array([1.0, 2.0, 3.0, 4.0, 100.0])
    assert found["seeds"] == 5 and len(found["runs"]) == 5
    assert found["rollout/ep_rew_mean"] == {
        "iqm": float(iqm(values)),
        "interval": list(interval(values, iqm)),
        "values": values.tolist(),
    }
    assert found["judged"]["iqm"] == 30.0
    with Image.open(several / "out" / "comparison.png") as picture:
        pixels = np.asarray(picture.convert("RGB"))
    for colour in ((0, 114, 178), (213, 94, 0)):
        assert (pixels == colour).all(-1).sum() > 50


def test_runs_are_found_below_and_counted_once(several: Path) -> None:
    runs = several / "runs"
    assert len(find_runs([runs])) == 7
    assert len(find_runs([runs, runs / "a0", f"{runs}/../runs/a0"])) == 7
    assert [folder.path.name for folder in find_runs([runs / "b1"])] == ["b1"]


@pytest.mark.parametrize("path", ["", "nowhere"])
def test_no_run_is_told(path: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no run folder at or below .*a run folder has a config.yaml"):
        compare([tmp_path / path], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_runs_of_other_lengths_are_compared_as_far_as_all_go(tmp_path: Path) -> None:
    made_run(tmp_path / "runs" / "long", returns=(0, 10, 20, 30))
    made_run(tmp_path / "runs" / "short", "seed=1", returns=(0, 10, 20))
    compare([tmp_path / "runs"], tmp_path / "out")
    (found,) = json.loads((tmp_path / "out" / "comparison.json").read_text()).values()
    assert found["rollout/ep_rew_mean"]["values"] == [20.0, 20.0]


def test_a_run_that_has_just_begun_is_no_obstacle(tmp_path: Path) -> None:
    made_run(tmp_path / "runs" / "begun")
    table = compare([tmp_path / "runs"], tmp_path / "out")
    assert "| ppo on CartPole-v1 | 1 |  |" in table


def test_a_judgement_without_a_score_is_told(tmp_path: Path) -> None:
    folder = made_run(tmp_path / "runs" / "a", returns=(1,))
    folder.evaluation.write_text("{}")
    with pytest.raises(UsageError, match="evaluation.json has no score: judge the run anew"):
        compare([tmp_path / "runs"], tmp_path / "out")


def test_real_runs_can_be_compared(negotiation_run: Path, cartpole_run: Path, tmp_path: Path) -> None:
    table = compare([negotiation_run, cartpole_run], tmp_path)
    assert "ppo on negotiation" in table and "dqn on CartPole-v1" in table


def test_report_of_one_run(tmp_path: Path) -> None:
    folder = made_run(tmp_path / "run", "seed=4", returns=(1, 2, 3, 4.25))
    write_report(folder, "| a | table |\n")
    text = folder.report.read_text()
    assert text.startswith("# ppo on CartPole-v1, seed 4\n")
    assert "300 of 300 steps" in text and "- `rollout/ep_rew_mean`: 4.25" in text
    assert "- `eval/mean_reward`: 8.5" in text and text.endswith("## Judgement\n\n| a | table |\n")


def test_curves_of_a_run_without_figures_are_none(tmp_path: Path) -> None:
    folder = made_run(tmp_path / "run")
    folder.progress.write_text("step\n0\n")
    draw_curves(folder)
    write_report(folder, "")
    assert not folder.curves.exists() and "## Judgement" not in folder.report.read_text()


def test_what_was_nothing_all_along_is_named_and_not_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = made_run(tmp_path / "run")
    folder.progress.write_text("step,hall/a,hall/b,hall/c\n1,0,0,\n2,0,0.5,0\n")
    drawn: list[Figure] = []
    monkeypatch.setattr("rlkit.training.report._save", lambda figure, path: drawn.append(figure))
    draw_curves(folder)
    assert [axes.get_title() for axes in drawn[0].axes] == ["hall/b"]
    assert drawn[0].get_supxlabel() == "0 all along: hall/a, hall/c"


def test_no_two_curves_look_alike(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[Figure] = []
    monkeypatch.setattr("rlkit.training.report._save", lambda figure, path: drawn.append(figure))
    curves = [Curve(str(n), np.arange(3.0), np.full((2, 3), float(n))) for n in range(13)]
    draw_comparison({"return": curves}, tmp_path / "picture.png")
    lines = drawn[0].axes[0].get_lines()
    assert len({(line.get_color(), line.get_linestyle()) for line in lines}) == 13


def test_drawing_again_replaces_the_picture(cartpole_run: Path, tmp_path: Path) -> None:
    shutil.copytree(cartpole_run, tmp_path / "run")
    folder = RunFolder(tmp_path / "run")
    folder.curves.write_bytes(b"old")
    draw_curves(folder)
    with Image.open(folder.curves) as picture:
        picture.verify()
    assert not list(folder.path.glob("*.unfinished"))
