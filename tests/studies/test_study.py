"""A study: trials that are done once and go on where they were stopped, and the page with what came of them."""

from __future__ import annotations

import json
import re
import shutil
import signal
from dataclasses import replace
from pathlib import Path

import pytest

from commands import Command, run, without_curves
from rlkit import cli
from rlkit.errors import UsageError
from rlkit.files import locked
from rlkit.studies import pixel_control
from rlkit.studies.pixel_control import STAGES, gather, trials
from rlkit.studies.trials import Trial, run_trials
from rlkit.training.config import compose_run
from rlkit.training.folder import RunFolder
from rlkit.training.logs import read_progress

BRIEF = ("pixel_control", "stages=[sprite]", "arms=[dqn,pixel_control]", "seeds=1", "steps=400", "output=page.md")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two tiny trials without an interruption."""
    folder = tmp_path_factory.mktemp("whole")
    done = run("study", *BRIEF, "folder=study", folder=folder, fault=judged_quickly)
    assert done.code == 0, done.err
    assert "Trial 1 of 2: sprite, dqn, seed 0" in done.err and "Written to page.md" in done.err
    return folder


def judged_quickly() -> None:
    from rlkit.training import evaluation

    without_curves()
    evaluation.FINAL_EPISODES = 3
    pixel_control.CHECKPOINT_EVERY = 1
    few = ("env=sprite", "eval_episodes=2")
    pixel_control.STAGES["sprite"] = replace(STAGES["sprite"], settings=few, eval_every=7_500)  # of 30,000


def like_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same study in this process."""
    for name in ("CHECKPOINT_EVERY", "STAGES"):
        monkeypatch.setattr(pixel_control, name, getattr(pixel_control, name))
    monkeypatch.setattr(pixel_control, "STAGES", dict(STAGES))
    monkeypatch.setattr("rlkit.training.evaluation.FINAL_EPISODES", 3)
    monkeypatch.setattr("rlkit.training.run.draw_curves", lambda folder: None)
    judged_quickly()


def weights(folder: Path) -> list[bytes]:
    return [path.read_bytes() for path in sorted(folder.glob("study/sprite/*/s0/policy/weights.safetensors"))]


def test_trials_are_runs_and_the_page_tells_of_them(finished: Path) -> None:
    assert len(weights(finished)) == 2
    assert not list(finished.glob("study/sprite/*/s0/checkpoints"))
    page = (finished / "page.md").read_text()
    assert "| `dqn` | 1 |" in page and "| `pixel_control` | 1 |" in page
    assert f"Not complete: 2 of {len(trials(list(STAGES), None, None, None))} runs" in page
    assert "400 environment steps" in page
    assert (finished / "page-sprite.png").stat().st_size > 5_000 and "![curves](page-sprite.png)" in page


def test_what_is_done_is_not_done_again(finished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(finished)
    like_the_first(monkeypatch)
    monkeypatch.setattr("rlkit.studies.trials.train", lambda config: pytest.fail("trained again"))
    assert cli.study_main([*BRIEF, "folder=study"]) == 0


def test_outcomes_that_are_kept_are_not_made_again(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The page and the file beside it are enough, on a machine that has no runs."""
    monkeypatch.chdir(tmp_path)
    like_the_first(monkeypatch)
    shutil.copy(finished / "page.json", tmp_path)
    monkeypatch.setattr("rlkit.studies.trials.train", lambda config: pytest.fail("trained again"))
    assert cli.study_main([*BRIEF, "folder=study"]) == 0
    assert (tmp_path / "page.md").read_text() == (finished / "page.md").read_text()
    assert (tmp_path / "page.json").read_text() == (finished / "page.json").read_text()
    assert cli.study_main([*BRIEF[:4], "steps=500", "folder=study", "output=page.md"]) == 2
    assert "page.json has sprite, dqn, seed 0 with other settings" in capsys.readouterr().err
    (tmp_path / "page.json").write_text('{"sprite/dqn/s0": {"judged": 1}}')
    assert cli.study_main([*BRIEF, "folder=study"]) == 2
    assert "page.json is not the outcomes of a study" in capsys.readouterr().err


def test_other_settings_need_another_folder(
    finished: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(finished)
    like_the_first(monkeypatch)
    assert cli.study_main([*BRIEF[:4], "steps=500", "folder=study"]) == 2
    said = capsys.readouterr().err
    assert "study/sprite/dqn/s0 was made with other settings" in said and "steps" in said and "folder=" in said


def test_runs_from_before_a_default_was_changed_do_not_get_on_the_page(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Not even those of arms that are not asked for: the page tells of all that is there."""
    monkeypatch.chdir(tmp_path)
    like_the_first(monkeypatch)
    shutil.copytree(finished / "study", "study")
    config = Path("study/sprite/pixel_control/s0/config.yaml")
    config.write_text(re.sub("gamma: .*", "gamma: 0.5", config.read_text()))
    assert cli.study_main([*BRIEF[:2], "arms=[dqn]", *BRIEF[3:], "folder=study"]) == 2
    assert "study/sprite/pixel_control/s0 was made with other settings (agent)" in capsys.readouterr().err
    assert not Path("page.md").exists()


def test_killed_it_goes_on_and_comes_to_the_same(finished: Path, tmp_path: Path) -> None:
    """In the midst of the second trial: that goes on from its checkpoint, the first stays."""
    table = tmp_path / "study" / "sprite" / "pixel_control" / "s0" / "progress.csv"
    command = Command("study", *BRIEF, "folder=study", folder=tmp_path, fault=judged_quickly)
    command.wait_until(lambda: table.exists() and any(row["step"] >= 200 for row in read_progress(table)))
    command.send(signal.SIGKILL)
    assert command.wait().code == -signal.SIGKILL
    first = tmp_path / "study" / "sprite" / "dqn" / "s0" / "evaluation.json"
    before = first.stat().st_mtime_ns
    assert "Not complete: 1 of " in (tmp_path / "page.md").read_text()
    again = run("study", *BRIEF, "folder=study", folder=tmp_path, fault=judged_quickly)
    assert again.code == 0 and "Trial 2 of 2: sprite, pixel_control, seed 0, going on" in again.err
    assert first.stat().st_mtime_ns == before
    assert weights(tmp_path) == weights(finished)


def test_asked_to_stop_it_stops_the_trial_with_a_checkpoint(tmp_path: Path) -> None:
    table = tmp_path / "study" / "sprite" / "dqn" / "s0" / "progress.csv"
    command = Command("study", *BRIEF, "folder=study", folder=tmp_path)
    command.wait_until(lambda: table.exists() and len(read_progress(table)) > 2)
    command.send(signal.SIGTERM)
    stopped = command.wait()
    assert stopped.code == 143 and stopped.err.splitlines()[-1] == "Stopped. The same command goes on."
    assert list((table.parent / "checkpoints").iterdir())


def test_processes_share_the_trials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What another process is at is left to it; what was killed as it began is no obstacle."""
    found = trials(["sprite"], ["dqn", "shuffled"], 1, 300)
    done: list[str] = []
    monkeypatch.setattr("rlkit.studies.trials.train", lambda config: done.append(config.run_dir))
    monkeypatch.setattr("rlkit.studies.trials.shutil.rmtree", lambda path: None)
    (tmp_path / "locks").mkdir()
    (tmp_path / "locks" / "sprite-dqn-s0").touch()
    begun = tmp_path / "sprite" / "shuffled" / "s0" / ".config.yaml.unfinished"
    begun.parent.mkdir(parents=True)
    begun.touch()
    with locked(tmp_path / "locks" / "sprite-dqn-s0") as ours:
        assert ours
        elsewhere = run_trials(found, tmp_path, lambda said: None, lambda: None)
    assert [trial.arm for trial in elsewhere] == ["dqn"] and done == [str(begun.parent)] and not begun.exists()


def test_every_arm_can_be_made_and_first_seeds_come_first() -> None:
    everything = trials(list(STAGES), None, None, None)
    assert [trial.seed for trial in everything] == sorted(trial.seed for trial in everything)
    assert len({(trial.stage, trial.arm, trial.seed) for trial in everything}) == len(everything) > 100
    configs = {(t.stage, t.arm): compose_run(t.settings) for t in everything if t.seed == 0}
    for (stage, _), config in configs.items():
        assert config.agent.name == "dqn" and config.steps == STAGES[stage].steps and config.threads == 1
        assert STAGES[stage].rival in STAGES[stage].arms
    for stage in ("sprite", "doom_basic", "minatar"):
        more, plain = (configs[stage, arm].agent for arm in ("more_updates", "dqn"))
        ratio = more.gradient_steps / more.train_freq / (plain.gradient_steps / plain.train_freq)
        assert 1.3 < ratio < 1.7


REFUSED = {
    "study": (["pixel_contro"], "unknown study 'pixel_contro': did you mean 'pixel_control'"),
    "stage": (["pixel_control", "stages=[sprit]"], "unknown stage 'sprit': did you mean 'sprite'"),
    "arm": (["pixel_control", "stages=sprite", "arms=[noisy]"], "unknown arm 'noisy'"),
    "seeds": (["pixel_control", "seeds=0"], "seeds must be a whole number >= 1, got 0"),
    "key": (["pixel_control", "fold=x"], "unknown key 'fold': did you mean 'folder'"),
}


@pytest.mark.parametrize("mistake", list(REFUSED))
def test_mistakes_are_told(
    mistake: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    arguments, message = REFUSED[mistake]
    assert cli.study_main(arguments) == 2
    assert message in capsys.readouterr().err and list(tmp_path.iterdir()) == []


# The page, of made-up runs


def made(trial: Trial, study: Path, returns: list[float], minutes: float, judged: float) -> None:
    """A run folder with evaluations at equal distances."""
    folder = trial.folder(study)
    RunFolder.create(compose_run(["env=gym", f"run_dir={folder.path}"]))
    lines = ["step,time/cpu_s,eval/mean_reward"]
    for number, value in enumerate(returns, 1):
        lines.append(f"{100 * number},{60 * minutes * number / len(returns)},{value}")
    folder.progress.write_text("\n".join(lines) + "\n")
    folder.evaluation.write_text(json.dumps({"score": judged}))


def test_the_page_has_the_numbers(tmp_path: Path) -> None:
    found = trials(["doom_basic"], None, 3, None)
    tracks = {  # mean returns of four evaluations, CPU minutes of the whole, judgement
        "dqn": ([0.0, 0.0, 0.0, 0.0], 4.0, 1.0),
        "more_updates": ([0.0, 20.0, 40.0, 60.0], 8.0, 60.0),
        "pixel_control": ([40.0, 90.0, 95.0, 95.0], 5.0, 96.0),
    }
    for trial in found:
        returns, minutes, judged = tracks[trial.arm]
        made(trial, tmp_path, [value + trial.seed for value in returns], minutes, judged + trial.seed)
    page = gather(found, tmp_path, tmp_path / "docs" / "page.md")
    rows = {line.split("|")[1].strip(" `"): line.split("|")[2:-1] for line in page.splitlines() if "| `" in line[:4]}
    cells = {arm: [cell.strip() for cell in row] for arm, row in rows.items()}
    assert cells["dqn"] == [
        "3", "2.00 [1.00, 3.00]", "1.00 [0.00, 2.00]", "1.00 [0.00, 2.00]", "0.00 [0.00, 0.00]", "4.0", "never"
    ]  # fmt: skip
    assert cells["more_updates"][3] == "21.00 [20.00, 22.00]"  # after four of eight minutes
    assert cells["more_updates"][4] == "" and cells["pixel_control"][4] == "1.00 [1.00, 1.00]"
    assert cells["pixel_control"][-1] == "2.5 (3 of 3)"
    assert "above it: `pixel_control`; below it: `dqn`." in page
    assert "above it" not in gather(found[:6], tmp_path, tmp_path / "two_seeds.md")
    assert "equal CPU time: 4.0 minutes" in page and "400 environment steps" in page
    assert (tmp_path / "docs" / "page.md").read_text() == page and (tmp_path / "docs" / "page-doom_basic.png").exists()


def test_a_page_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="Choose a place with output="):
        gather([], tmp_path, tmp_path / "file" / "page.md")


def test_the_preface_is_of_this_study() -> None:
    assert all(f"`{arm}`" in pixel_control.PREFACE for arm in ("more_updates", "shuffled", "both", "sb3", "tuned"))
