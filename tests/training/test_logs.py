"""Where figures go: a table that is whole at every moment, and a bar for people."""

from __future__ import annotations

import io
import math
import time
from pathlib import Path

import numpy as np
import pytest
import torch as th
from stable_baselines3.common.logger import Figure, HParam, Image, Logger

from rlkit.errors import UsageError
from rlkit.training.clips import Clip
from rlkit.training.folder import RunFolder
from rlkit.training.logs import CpuClock, ProgressBar, ProgressTable, make_logger, read_progress
from runs import images


def table(path: Path, resumed_at: int | None = None) -> Logger:
    return Logger(None, [ProgressTable(path, resumed_at)])


def log(logger: Logger, step: int, **figures: object) -> None:
    for name, value in figures.items():
        logger.record(name.replace("__", "/"), value)
    logger.dump(step)


def test_a_row_a_step_and_a_column_a_figure(tmp_path: Path) -> None:
    """Columns that come later leave earlier rows empty; every kind of number is written."""
    path = tmp_path / "progress.csv"
    logger = table(path)
    log(logger, 10, train__loss=0.5, n=3)
    log(logger, 20, train__loss=np.float32(0.25), n=np.int64(4))
    log(logger, 30, eval__mean_reward=th.tensor(7.0), n=5)
    assert path.read_text() == "step,n,train/loss,eval/mean_reward\n10,3,0.5,\n20,4,0.25,\n30,5,,7.0\n"
    assert read_progress(path) == [
        {"step": 10, "n": 3.0, "train/loss": 0.5},
        {"step": 20, "n": 4.0, "train/loss": 0.25},
        {"step": 30, "n": 5.0, "eval/mean_reward": 7.0},
    ]


def test_only_numbers_are_written(tmp_path: Path) -> None:
    path = tmp_path / "progress.csv"
    logger = table(path)
    for value in (HParam({"a": 1}, {"m": 0.0}), Image(np.zeros((2, 2, 3)), "HWC"), Figure(None, True), "words"):
        logger.record("thing", value, exclude=("stdout",))
    logger.record("hidden", 1.0, exclude=("csv",))
    logger.record("nan", math.nan)
    logger.dump(1)
    assert path.read_text() == "step,nan\n1,nan\n"
    assert math.isnan(read_progress(path)[0]["nan"])


def test_clips_are_pictures_in_motion_and_no_figures(tmp_path: Path) -> None:
    logger = make_logger(RunFolder(tmp_path), resumed_at=None)
    clip = Clip([np.full((4, 6, 3), 80 * k, np.uint8) for k in range(3)], frame_s=0.1)
    logger.record("eval/clip", clip, exclude=("stdout", "csv"))
    logger.record("eval/mean_reward", 2.0)
    logger.dump(7)
    logger.close()
    ((step, content),) = images(tmp_path)["eval/clip"]
    assert (step, content) == (7, clip.gif())
    assert read_progress(tmp_path / "progress.csv") == [{"step": 7, "eval/mean_reward": 2.0}]


def test_going_on_forgets_later_rows_and_keeps_the_others_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "progress.csv"
    logger = table(path)
    for step in (10, 20, 30):
        log(logger, step, n=step, loss=0.1 * step, **({"late": 1} if step == 30 else {}))
    whole = path.read_text()
    again = table(path, resumed_at=20)
    assert path.read_text() == "step,loss,n\n10,1.0,10\n20,2.0,20\n"
    log(again, 30, n=30, loss=0.1 * 30, late=1)
    assert path.read_text() == whole


def test_a_new_run_and_one_from_its_beginning_start_empty(tmp_path: Path) -> None:
    path = tmp_path / "progress.csv"
    log(table(path), 0, n=1)
    table(path, resumed_at=-1)
    assert path.read_text() == "step\n"
    log(table(path), 0, n=1)
    table(path, resumed_at=0)
    assert path.read_text() == "step,n\n0,1\n"


@pytest.mark.parametrize("cut", ["30", "30,", "30,0.", "30,0.5,7"])
def test_a_line_that_was_cut_off_is_passed_over(cut: str, tmp_path: Path) -> None:
    """Even where what is left of it looks like a row."""
    path = tmp_path / "progress.csv"
    path.write_text("step,loss,n\n10,0.1,1\n20,0.2,2\n" + cut)
    assert [row["step"] for row in read_progress(path)] == [10, 20]


NO_TABLES = [b"\xff\xfe\x00", b"a,b\n1,2\n", b"step,x\nten,1\n", b"step,x\n1,?\n", b"step,x\n1,2,3\n", b"step,x\n,2\n"]


@pytest.mark.parametrize("content", NO_TABLES)
def test_what_is_no_table_is_told(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "progress.csv"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=r"progress.csv is damaged .*: move it away; TensorBoard's event files hold"):
        read_progress(path)
    with pytest.raises(UsageError, match="is damaged"):
        make_logger(RunFolder(tmp_path), resumed_at=10)
    assert path.read_bytes() == content


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_without_a_terminal_there_is_a_line_now_and_then(capsys: pytest.CaptureFixture[str]) -> None:
    bar = ProgressBar(1_000, 0, shown=True)
    for step in range(1, 1_001):
        bar.update(step, None if step < 100 else 1.5)
    bar.close()
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 20
    assert lines[0].startswith("50/1,000 steps, ") and "return" not in lines[0]
    assert lines[-1].startswith("1,000/1,000 steps, return 1.50, ") and lines[-1].endswith(" 0 s left")


def test_going_on_counts_from_where_it_was(capsys: pytest.CaptureFixture[str]) -> None:
    bar = ProgressBar(1_000, 900, shown=True)
    for step in range(908, 1_009, 8):  # the last iteration may go beyond the end
        bar.update(step, 2.0)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("908/1,000 steps") and lines[-1].startswith("1,000/1,000 steps")


def test_a_terminal_has_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    """With return, rate and time left; a message does not tear it."""
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    bar = ProgressBar(100, 0, shown=True)
    bar.update(50, 3.25)
    bar.say("Stopping after this iteration")
    bar.update(100, 4.5)
    bar.close()
    shown = terminal.getvalue()
    assert "Stopping after this iteration\n" in shown
    last = shown.split("\r")[-1]
    assert "100%" in last and "100/100 steps, return 4.50" in last and " left" in last and "steps/s" in last


def test_nothing_is_shown_when_it_is_not_wanted(capsys: pytest.CaptureFixture[str]) -> None:
    bar = ProgressBar(100, 0, shown=False)
    for step in range(1, 101):
        bar.update(step, 1.0)
    bar.close()
    assert capsys.readouterr().err == ""


def test_cpu_time_counts_on_and_leaves_out_what_is_paused() -> None:
    clock = CpuClock(earlier_s=100.0)
    start = time.process_time()
    while time.process_time() < start + 0.05:
        pass
    worked = clock.seconds()
    assert 100.05 <= worked < 101.0
    with clock.paused():
        start = time.process_time()
        while time.process_time() < start + 0.2:
            pass
    assert clock.seconds() < worked + 0.15
