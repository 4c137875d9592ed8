"""The peer of the study of learned rewards: what it is asked, and what is kept of what it says."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rlkit.errors import UsageError
from rlkit.studies.outcomes import read_outcome
from rlkit.studies.peer import PYTHON, task_of, train_peer
from rlkit.studies.preferences import LABELS, STAGES, trials
from rlkit.studies.shares import labels_arm, peer_arm
from rlkit.studies.trials import Trial, run_trials
from rlkit.training.config import compose_run
from rlkit.training.folder import RunFolder
from rlkit.training.run import Stopped

TELLS = """#!/bin/sh
printf %s "$3" > "$(dirname "$0")/task.json"
echo "Query schedule: [1, 2]"
echo "told: [400, 1.5, -900.0]"
echo "told: [800, 3.0, -300.5]"
echo "told: -250.25"
"""
FAILS = """#!/bin/sh
echo "told: [400, 1.5, -900.0]"
echo "ModuleNotFoundError: No module named 'imitation'" >&2
exit 1
"""


@pytest.fixture
def trial() -> Trial:
    """A short one."""
    return trials(["pendulum"], [peer_arm(100)], 1, 800)[0]


def speaks(folder: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this be the peer's Python."""
    python = folder / "python"
    python.write_text(script)
    python.chmod(0o755)
    monkeypatch.setenv(PYTHON, str(python))


def interrupted_once(true: Callable[[], bool]) -> threading.Thread:
    """A thread that presses Ctrl-C when this is true; after a minute at the latest."""

    def press() -> None:
        end = time.monotonic() + 60.0
        while not true() and time.monotonic() < end:
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=press)
    thread.start()
    return thread


def test_its_arms_are_ours_by_another_hand() -> None:
    for name, stage in STAGES.items():
        found = {arm for arm in stage.arms if arm.startswith("imitation")}
        assert found <= stage.peers if name != "walker" else not found
        for labels in LABELS[1:]:
            if peer_arm(labels) in found:
                assert stage.arms[peer_arm(labels)] == stage.arms[labels_arm(labels)]
    assert {t.arm for t in trials(list(STAGES), None, 1, None) if t.peer} == {peer_arm(n) for n in LABELS if n}
    assert len(trials(["pendulum"], [peer_arm(700)], None, None)) == 5


def test_it_is_asked_what_ours_does(trial: Trial) -> None:
    task = task_of(replace(compose_run(trial.settings), seed=3))
    assert (task["env_id"], task["seed"], task["steps"], task["labels"], task["segment"]) == (
        "Pendulum-v1", 3, 800, 100, 25,
    )  # fmt: skip
    assert task["sac"]["policy_kwargs"] == {"net_arch": [64, 64], "optimizer_kwargs": {"fused": True}}
    assert task["sac"]["gradient_steps"] == 2
    assert task["first"] * task["sampled"] == pytest.approx(200)  # steps before the first question, as ours


def test_what_it_says_is_an_outcome(trial: Trial, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    speaks(tmp_path, TELLS, monkeypatch)
    said: list[str] = []
    assert run_trials([trial], tmp_path / "study", said.append, lambda: said.append("done")) == []
    assert said == ["Trial 1 of 1: pendulum, imitation_100, seed 0", "done"]
    outcome = read_outcome(trial.folder(tmp_path / "study"))
    np.testing.assert_array_equal(
        [outcome.steps, outcome.cpu_s, outcome.returns], [[400, 800], [1.5, 3], [-900, -300.5]]
    )
    assert outcome.judged == -250.25 and outcome.likeness is None
    assert json.loads((tmp_path / "task.json").read_text())["labels"] == 100
    assert run_trials([trial], tmp_path / "study", said.append, lambda: pytest.fail("done again")) == []


def test_one_that_failed_leaves_nothing_that_counts(
    trial: Trial, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    speaks(tmp_path, FAILS, monkeypatch)
    with pytest.raises(UsageError, match=r"exit code 1.*No module named 'imitation'"):
        run_trials([trial], tmp_path / "study", lambda said: None, lambda: None)
    assert not trial.is_done(tmp_path / "study")
    RunFolder.create(replace(compose_run(trial.settings), run_dir=str(trial.folder(tmp_path / "study").path)))
    speaks(tmp_path, TELLS, monkeypatch)  # the folder is as one has it that was killed as it wrote
    run_trials([trial], tmp_path / "study", lambda said: None, lambda: None)
    assert trial.is_done(tmp_path / "study")


def test_one_that_tells_nothing_is_told(trial: Trial, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    speaks(tmp_path, "#!/bin/sh\nexit 0\n", monkeypatch)
    with pytest.raises(UsageError, match=r"told no return"):
        run_trials([trial], tmp_path / "study", lambda said: None, lambda: pytest.fail("done"))


def test_ctrl_c_stops_it_and_leaves_nothing(trial: Trial, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pid, before = tmp_path / "pid", signal.signal(signal.SIGINT, signal.default_int_handler)
    speaks(tmp_path, f"#!/bin/sh\necho $$ > {pid}.new; mv {pid}.new {pid}\nexec sleep 90\n", monkeypatch)
    thread = interrupted_once(pid.exists)
    try:
        with pytest.raises(Stopped, match="SIGINT"):
            run_trials([trial], tmp_path / "study", lambda said: None, lambda: pytest.fail("done"))
        thread.join()
    finally:
        signal.signal(signal.SIGINT, before)  # where tests run in the background, it was to be ignored
    assert not trial.folder(tmp_path / "study").path.exists()
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)


def test_without_its_python_it_is_left_out(trial: Trial, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(PYTHON, raising=False)
    said: list[str] = []
    assert run_trials([trial], tmp_path, said.append, lambda: pytest.fail("done")) == []
    assert len(said) == 1 and "left out: 1." in said[0] and PYTHON in said[0]
    with pytest.raises(UsageError, match=PYTHON):
        train_peer(compose_run(trial.settings))


@pytest.mark.skipif(PYTHON not in os.environ, reason=f"{PYTHON} is not set: imitation needs a Python of its own")
def test_it_learns(tmp_path: Path) -> None:
    settings = [
        *trials(["pendulum"], [peer_arm(50)], 1, 3_200)[0].settings,
        "reward.rounds=4",
        f"run_dir={tmp_path / 'run'}",
    ]
    config = compose_run(settings)
    train_peer(config)
    outcome = read_outcome(RunFolder(tmp_path / "run"))
    assert list(outcome.steps) == [-(-config.eval_every * n // 4) * 4 for n in range(1, 13)]  # four environments
    assert (outcome.cpu_s > 0).all() and (outcome.returns < -1.0).all() and len(set(outcome.returns)) > 3
