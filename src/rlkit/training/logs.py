"""Where figures go while a run goes on: TensorBoard, ``progress.csv`` and the terminal."""

from __future__ import annotations

import csv
import io
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch as th
from stable_baselines3.common.logger import KVWriter, Logger, TensorBoardOutputFormat
from tensorboard.compat.proto.summary_pb2 import Summary
from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

from rlkit.errors import UsageError
from rlkit.files import write_atomically
from rlkit.training.clips import Clip
from rlkit.training.folder import RunFolder

STEP = "step"
CPU = "time/cpu_s"
LINES = 20  # in all, where there is no terminal to draw a bar on


def make_logger(folder: RunFolder, resumed_at: int | None) -> Logger:
    """A logger for Stable-Baselines3 that writes to a run folder.

    Args:
        folder: The run's.
        resumed_at: The step of the checkpoint that the run goes on from: later figures are dropped. None: a new run.
    """
    return Logger(
        str(folder.path), [TensorBoardWriter(folder.path, resumed_at), ProgressTable(folder.progress, resumed_at)]
    )


class TensorBoardWriter(TensorBoardOutputFormat):
    """SB3's TensorBoard output, which on resuming hides what was logged after the checkpoint, and takes clips."""

    def __init__(self, folder: Path, resumed_at: int | None) -> None:
        purge = None if resumed_at is None else resumed_at + 1
        self.writer = SummaryWriter(str(folder), purge_step=purge)
        self._is_closed = False

    def write(self, key_values: dict[str, Any], key_excluded: dict[str, tuple[str, ...]], step: int = 0) -> None:
        """Write figures, pictures and clips; TensorBoard shows a GIF in motion where it shows pictures."""
        clips = {key: value for key, value in key_values.items() if isinstance(value, Clip)}
        for key, clip in clips.items():
            height, width = clip.frames[0].shape[:2]
            image = Summary.Image(height=height, width=width, colorspace=3, encoded_image_string=clip.gif())
            writer: Any = self.writer.file_writer
            writer.add_summary(Summary(value=[Summary.Value(tag=key, image=image)]), step)
        rest = {key: value for key, value in key_values.items() if key not in clips}
        super().write(rest, {key: key_excluded[key] for key in rest}, step)


class ProgressTable(KVWriter):
    """Figures as rows of a CSV file: a row a step, a column a figure, the file whole at every moment."""

    def __init__(self, path: Path, resumed_at: int | None) -> None:
        self._path = path
        rows = _read_cells(path) if resumed_at is not None and path.exists() else []
        self._rows: list[dict[str, Any]] = [row for row in rows if int(row[STEP]) <= (resumed_at or 0)]
        self._columns: list[str] = list(dict.fromkeys(key for row in self._rows for key in row)) or [STEP]
        self._rewrite()

    def write(self, key_values: dict[str, Any], key_excluded: dict[str, tuple[str, ...]], step: int = 0) -> None:
        """Append a row."""
        row: dict[str, Any] = {STEP: step}
        for key, value in sorted(key_values.items()):
            if "csv" in (key_excluded.get(key) or ()):
                continue
            if isinstance(value, int | float | np.generic | th.Tensor):
                row[key] = value.item() if isinstance(value, np.generic | th.Tensor) else value
        self._rows.append(row)
        new = [key for key in row if key not in self._columns]
        if new:
            self._columns += new
            self._rewrite()
        else:
            with self._path.open("a", newline="", encoding="utf-8") as file:
                csv.DictWriter(file, self._columns, lineterminator="\n").writerow(row)

    def _rewrite(self) -> None:
        text = io.StringIO()
        table = csv.DictWriter(text, self._columns, lineterminator="\n")
        table.writeheader()
        table.writerows(self._rows)
        write_atomically(self._path, text.getvalue())

    def close(self) -> None:
        """Nothing is held open."""


def read_progress(path: Path) -> list[dict[str, float]]:
    """Rows of a ``progress.csv``, empty cells left out; a last line that was cut off is passed over.

    Raises:
        UsageError: If it is no such table.
    """
    return [{key: int(cell) if key == STEP else float(cell) for key, cell in row.items()} for row in _read_cells(path)]


def _read_cells(path: Path) -> list[dict[str, str]]:
    """The same as they are written, all of them numbers."""
    try:
        text = path.read_text(encoding="utf-8")
        whole = text[: text.rfind("\n") + 1]
        table = csv.DictReader(io.StringIO(whole))
        if whole and STEP not in (table.fieldnames or ()):
            raise ValueError(f"no column {STEP!r}")
        rows = [{key: cell for key, cell in row.items() if cell} for row in table]
        for row in rows:
            int(row[STEP])
            for cell in row.values():
                float(cell)
    except (ValueError, KeyError, TypeError, csv.Error) as error:
        raise UsageError(
            f"{path} is damaged ({error!r}): move it away; TensorBoard's event files hold the same figures"
        ) from error
    return rows


class CpuClock:
    """CPU seconds that learning took, over all parts of a run: what else the machine does counts less than on the wall.

    Args:
        earlier_s: Of the parts before.
    """

    def __init__(self, earlier_s: float) -> None:
        self._start = time.process_time() - earlier_s

    def seconds(self) -> float:
        """So far."""
        return time.process_time() - self._start

    @contextmanager
    def paused(self) -> Iterator[None]:
        """What is done within this does not count."""
        before = time.process_time()
        try:
            yield
        finally:
            self._start += time.process_time() - before


class ProgressBar:
    """Steps, return, steps per second and time left: a bar on a terminal, else a line now and then.

    Args:
        total: Steps of the run.
        done: Steps at the beginning.
        shown: Whether to show anything.
    """

    def __init__(self, total: int, done: int, shown: bool) -> None:
        self._total, self._done, self._start_step = total, done, done
        self._start = time.monotonic()
        self._shown = shown
        self._return: float | None = None
        self._terminal = sys.stderr.isatty()
        self._next_line = done + max(1, (total - done) // LINES)
        layout = "{percentage:3.0f}% |{bar}| {n_fmt}/{total_fmt} steps{postfix}, {rate_fmt}, {remaining} left"
        self._bar = tqdm(
            total=total,
            initial=done,
            disable=not (shown and self._terminal),
            unit=" steps",
            unit_scale=True,
            dynamic_ncols=True,
            bar_format=layout,
        )

    def update(self, step: int, mean_return: float | None) -> None:
        """Show how far the run is and what the latest episodes returned on average."""
        self._return = mean_return
        if mean_return is not None:
            self._bar.set_postfix_str(f"return {mean_return:.2f}", refresh=False)
        self._bar.update(min(step, self._total) - self._done)
        self._done = min(step, self._total)
        if self._shown and not self._terminal and step >= self._next_line:
            self._next_line += max(1, (self._total - self._start_step) // LINES)
            self._line()

    def _line(self) -> None:
        rate = (self._done - self._start_step) / max(time.monotonic() - self._start, 1e-9)
        left = (self._total - self._done) / max(rate, 1e-9)
        shown = "" if self._return is None else f", return {self._return:.2f}"
        steps = f"{self._done:,}/{self._total:,} steps"
        print(f"{steps}{shown}, {rate:,.0f} steps/s, {left:.0f} s left", file=sys.stderr, flush=True)

    def say(self, message: str) -> None:
        """Print a line without tearing the bar."""
        tqdm.write(message, file=sys.stderr)

    def close(self) -> None:
        """Leave the bar as it is."""
        self._bar.close()
