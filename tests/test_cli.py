"""The console commands, as people and scripts type them."""

from __future__ import annotations

import importlib
import inspect
import io
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from conftest import ROOT
from rlkit import cli
from rlkit.envs.negotiation.opponents import OPPONENTS
from rlkit.training.config import compose_run
from runs import CARTPOLE, QUIET

COMMANDS: dict[str, Callable[[Sequence[str]], int]] = {
    "train": cli.train_main,
    "evaluate": cli.evaluate_main,
    "play": cli.play_main,
    "report": cli.report_main,
    "study": cli.study_main,
    "export": cli.export_main,
    "benchmark": cli.benchmark_main,
    "label": cli.label_main,
}
every_command = pytest.mark.parametrize("name", list(COMMANDS))


@every_command
@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_help_is_short_and_useful(name: str, flag: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert COMMANDS[name]([flag]) == 0
    text = capsys.readouterr().out
    lines = text.strip().splitlines()
    assert f"python scripts/{name}.py" in lines[0]
    assert len(lines) <= (64 if name == "train" else 16)
    assert max(map(len, lines)) <= 120


@pytest.mark.parametrize("overrides", [[], ["env=gym", "agent=dqn"], ["agent=a2c", "env=gym", "env.id=Pendulum-v1"]])
def test_help_of_train_lists_the_keys_of_what_was_chosen(
    overrides: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """With the values that they have; each line can be typed as it stands."""
    assert cli.train_main([*overrides, "--help"]) == 0
    text = capsys.readouterr().out
    listed = re.findall(r"^  ([a-z_.]+=\S*)$", text.partition("Keys of this run")[2], re.MULTILINE)
    config = compose_run(overrides)
    assert f"env.id={config.env.id}" in listed and f"seed={config.seed}" in listed
    assert f"agent.learning_rate={config.agent.learning_rate}" in listed
    assert (
        compose_run([*overrides, *(line for line in listed if not line.endswith("=null"))]) == config or not overrides
    )
    assert "resume=" in text and "Ctrl-C" in text and "tensorboard" in text


def test_help_of_a_mistake_is_the_mistake(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.train_main(["agent=pp0", "--help"]) == 2
    assert "did you mean 'ppo'" in capsys.readouterr().err


def test_help_lists_benchmarks_that_are_there(capsys: pytest.CaptureFixture[str]) -> None:
    """Each a module whose ``main`` takes the one key."""
    assert cli.benchmark_main([]) == 0
    listed = capsys.readouterr().out.split("benchmark.py ")[1].split()[0].split("|")
    assert {"negotiation", "cooling", "locomotion"} <= set(listed)
    for name in listed:
        main = importlib.import_module(f"rlkit.benchmarks.{name}").main
        assert list(inspect.signature(main).parameters) == ["repeats"]


def test_every_console_command_is_installed() -> None:
    from importlib.metadata import entry_points

    installed = {point.name: point.value for point in entry_points(group="console_scripts") if "rlkit" in point.name}
    assert installed == {f"rlkit-{name}": f"rlkit.cli:{name}_main" for name in COMMANDS}
    assert {path.stem for path in (ROOT / "scripts").glob("*.py")} == set(COMMANDS)


def script(name: str, *arguments: str, folder: Path, text: str = "") -> subprocess.CompletedProcess[str]:
    """A file of scripts/, in an interpreter of its own."""
    command = [sys.executable, str(ROOT / "scripts" / f"{name}.py"), *arguments]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, cwd=folder, input=text, capture_output=True, text=True, env=environment, timeout=300)


@every_command
def test_scripts_are_files_that_run(name: str, tmp_path: Path) -> None:
    done = script(name, "--help", folder=tmp_path)
    assert (done.returncode, done.stderr) == (0, "") and f"scripts/{name}.py" in done.stdout


def test_from_training_to_playing(tmp_path: Path, instances: Path) -> None:
    """The whole way as a newcomer goes it, with interpreters of their own; figures and tables apart."""
    settings = ["env=negotiation", "steps=1024", "n_envs=16", "agent.batch_size=64", "agent.net_arch=[8]", "seed=1"]
    settings += ["eval_every=512", "eval_episodes=4", f"env.eval_kwargs.scenarios={instances}"]
    done = script("train", *settings, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "| **agent**" in done.stdout and "steps/s" in done.stderr
    (run,) = (tmp_path / "runs" / "negotiation-ppo").iterdir()
    assert re.fullmatch(r"\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d-s1", run.name)
    assert f"Done: {run.relative_to(tmp_path)} has curves.png, report.md and policy/" in done.stderr
    played = script("play", f"run={run}", "games=1", "seat=0", "seed=3", folder=tmp_path, text="0 0 0\n")
    assert played.returncode == 0 and "You bargain with" in played.stdout, played.stderr


def test_evaluate_on_any_opponents(negotiation_run: Path, instances: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (negotiation_run / "evaluation.json").read_text()
    arguments = [f"run={negotiation_run}", "opponents=[boulware,bluffer]", f"scenarios={instances}"]
    assert cli.evaluate_main(arguments) == 0
    table = capsys.readouterr().out
    assert "played from both seats against boulware" in table and "Held out of training" in table
    assert all(f"| {name} " in table for name in OPPONENTS)
    assert cli.evaluate_main([*arguments, "bots=false"]) == 0
    table = capsys.readouterr().out
    assert "| **agent** " in table and "| linear " not in table
    assert cli.evaluate_main([f"run={negotiation_run}", "opponents=linear", "bots=false"]) == 0
    assert (negotiation_run / "evaluation.json").read_text() == before


def test_evaluate_prints_the_table_of_the_run_again(negotiation_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.evaluate_main([f"run={negotiation_run}"]) == 0
    assert capsys.readouterr().out.strip() == (negotiation_run.parents[1] / "printed.txt").read_text().strip()


def test_evaluate_saves_when_asked(cartpole_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(cartpole_run, tmp_path / "run")
    assert cli.evaluate_main([f"run={tmp_path / 'run'}", "episodes=3", "save=true"]) == 0
    assert json.loads((tmp_path / "run" / "evaluation.json").read_text())["episodes"] == 3


def test_report_compares(
    negotiation_run: Path, cartpole_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.report_main([str(negotiation_run), str(cartpole_run), f"output={tmp_path / 'out'}"]) == 0
    printed = capsys.readouterr()
    assert "ppo on negotiation" in printed.out and "Written to" in printed.err
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "comparison.md",
        "comparison.json",
        "comparison.png",
    }


def test_play_with_the_agent_of_a_run(
    negotiation_run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("9 9 9\nagree\n" + "0 0 0\n" * 12))
    assert cli.play_main([f"run={negotiation_run}", "games=2", "seat=0", "seed=0"]) == 0
    said = capsys.readouterr().out
    assert f"You bargain with {negotiation_run}. Type what you want to keep" in said
    assert "There is not so much on the table." in said and "There is no offer to agree to yet." in said
    assert "Game 2." in said


def test_play_by_the_rules_of_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An agent of another number of turns sees other observations."""
    monkeypatch.chdir(tmp_path)
    settings = ["env.max_turns=4", "env.walk_away=true", "steps=256", "n_envs=8", "agent.batch_size=32", "eval_every=0"]
    assert cli.train_main([*settings, *QUIET, "agent.net_arch=[8]", "run_dir=run", "threads=1"]) == 0
    capsys.readouterr()
    monkeypatch.setattr("sys.stdin", io.StringIO("walk\n"))
    assert cli.play_main(["run=run", "games=1", "seat=0"]) == 0
    said = capsys.readouterr().out
    assert "[offer 1 of 4] you keep> " in said and "No deal" in said


class Interrupted(io.StringIO):
    """Somebody presses Ctrl-C."""

    def readline(self, size: int | None = -1, /) -> str:
        raise KeyboardInterrupt


def test_play_ends_with_end_of_file_and_ctrl_c(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    assert cli.play_main(["opponent=linear"]) == 0
    monkeypatch.setattr("sys.stdin", Interrupted())
    assert cli.play_main(["opponent=linear"]) == 130
    assert capsys.readouterr().err == "stopped\n"


MISTAKES: dict[str, tuple[str, list[str], str]] = {
    "key": ("train", ["stepps=5"], "unknown key 'stepps': did you mean 'steps'?"),
    "value": ("train", ["steps=many"], "steps='many' is not possible"),
    "env": (
        "train",
        ["env=negotation"],
        "unknown env 'negotation': did you mean 'negotiation'? (there are: arcade, cooling,",
    ),
    "agent": ("train", ["agent=pppo"], "unknown agent 'pppo': did you mean 'ppo'?"),
    "flag": ("train", ["--steps", "5"], "expected key=value, got '--steps'; --help lists the keys"),
    "word": ("train", ["negotiation"], "expected key=value, got 'negotiation'"),
    "pairing": (
        "train",
        ["agent=sac"],
        "agent=sac chooses Box actions, this environment's are Discrete(121);",
    ),
    "device": ("train", ["device=tpu"], "PyTorch cannot compute on device=tpu here"),
    "schedule": ("train", ["agent.learning_rate_schedule=step"], "must be constant or linear, got 'step'"),
    "contradiction": ("train", ["n_envs=1", "agent.batch_size=4096"], "agent.batch_size=4096 is more than a rollout"),
    "evaluate nothing": ("evaluate", [], "run=<run folder> is missing; --help tells more"),
    "evaluate's key": ("evaluate", ["runs=x"], "unknown key 'runs': did you mean 'run'?"),
    "evaluate's opponent": ("evaluate", ["run=RUN", "opponents=[lineal]"], "unknown opponent 'lineal': did you mean"),
    "evaluate's file": ("evaluate", ["run=RUN", "scenarios=no.txt"], "cannot read scenarios from 'no.txt'"),
    "evaluate's flag": ("evaluate", ["run=RUN", "bots=perhaps"], "bots must be true or false, got 'perhaps'"),
    "evaluate's save": ("evaluate", ["run=RUN", "save=7"], "save must be true or false, got 7"),
    "evaluate's setting": ("evaluate", ["run=RUN", "episodes=3"], "are not judged by episodes=: there are: bots"),
    "play nothing": ("play", [], "give either run=<run folder> or opponent=<scripted bot>"),
    "play both": ("play", ["run=RUN", "opponent=linear"], "give either run=<run folder> or opponent="),
    "play's bot": ("play", ["opponent=lineal"], "unknown opponent 'lineal', did you mean 'linear'?"),
    "play's run": ("play", ["run=nowhere"], "nowhere is not a run folder"),
    "play's key": ("play", ["opponent=linear", "seatt=0"], "unknown key 'seatt': did you mean 'seat'?"),
    "play's seat": ("play", ["opponent=linear", "seat=2"], "seat must be"),
    "play's games": ("play", ["opponent=linear", "games=x"], "games must be a whole number"),
    "report nothing": ("report", ["output=x"], "no run folder is given; --help tells more"),
    "report nowhere": ("report", ["nowhere"], "no run folder at or below nowhere"),
    "benchmark": ("benchmark", ["negotation"], "unknown benchmark 'negotation': did you mean 'negotiation'?"),
    "benchmark's key": ("benchmark", ["negotiation", "repeat=3"], "unknown key 'repeat': did you mean 'repeats'?"),
}


@pytest.mark.parametrize("mistake", list(MISTAKES))
def test_mistakes_are_one_line_and_exit_code_2(
    mistake: str,
    negotiation_run: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    name, arguments, message = MISTAKES[mistake]
    arguments = [argument.replace("RUN", str(negotiation_run)) for argument in arguments]
    assert COMMANDS[name](arguments) == 2
    printed = capsys.readouterr()
    assert printed.out == "" and printed.err.startswith("error: ") and printed.err.count("\n") == 1
    assert message in printed.err
    assert list(tmp_path.iterdir()) == []


def test_a_mistake_in_an_interpreter_of_its_own(tmp_path: Path) -> None:
    done = script("train", "env=gym", "agent=ppp", folder=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: unknown agent 'ppp': did you mean 'ppo'?") and done.stderr.count("\n") == 1


def test_bugs_are_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only a user's mistakes become messages."""

    def broken(*arguments: object) -> None:
        raise ValueError("a bug")

    monkeypatch.setattr("rlkit.training.config.compose_run", broken)
    with pytest.raises(ValueError, match="a bug"):
        cli.train_main(["env=gym"])


def test_steps_in_scientific_notation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    settings = [setting for setting in CARTPOLE if not setting.startswith("steps")]
    assert cli.train_main([*settings, *QUIET, "steps=2e2", "eval_every=0", "run_dir=run", "threads=1"]) == 0
    assert "200 of 200 steps" in (tmp_path / "run" / "report.md").read_text()


def test_a_taken_name_gets_a_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two runs that begin in the same second."""
    from datetime import datetime

    from rlkit.training import folder

    class Clock:
        @staticmethod
        def now() -> datetime:
            return datetime(2026, 1, 2, 3, 4, 5)

    monkeypatch.setattr(folder, "datetime", Clock)
    monkeypatch.chdir(tmp_path)
    config = compose_run(["env=gym", "env.id=toys:Toy-v0", "agent=dqn", "seed=9"])
    made = [folder.RunFolder.create(config).path for _ in range(3)]
    names = [f"2026-01-02_03-04-05-s9{suffix}" for suffix in ("", "-2", "-3")]
    assert made == [Path("runs") / "Toy-v0-dqn" / name for name in names]
