"""The run folder: what lies where; nothing else knows its paths."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import yaml

from rlkit.errors import UsageError
from rlkit.files import locked, write_atomically
from rlkit.training.config import RunConfig, from_plain, to_plain

RUNS = Path("runs")


class RunFolder:
    """The folder of a run.

    Args:
        path: Of the folder.

    Attributes:
        path: The same; TensorBoard's event files lie directly in it.
        config: ``config.yaml``: all that was set.
        progress: ``progress.csv``: the figures of TensorBoard as a table.
        checkpoints: ``checkpoints/``: what ``resume=`` goes on from.
        policy: ``policy/``: what :func:`rlkit.load_policy` loads.
        evaluation: ``evaluation.json``: the final judgement.
        report: ``report.md``: the same to read.
        curves: ``curves.png``: learning curves.
        preferences: ``preferences/``: comparisons that the reward was learned from, and the audit of it.
        reward: ``reward/``: the learned reward.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path).expanduser()
        self.config = self.path / "config.yaml"
        self.progress = self.path / "progress.csv"
        self.checkpoints = self.path / "checkpoints"
        self.policy = self.path / "policy"
        self.evaluation = self.path / "evaluation.json"
        self.report = self.path / "report.md"
        self.curves = self.path / "curves.png"
        self.preferences = self.path / "preferences"
        self.reward = self.path / "reward"

    @classmethod
    def create(cls, config: RunConfig) -> RunFolder:
        """A new folder with its configuration.

        Raises:
            UsageError: If it has a run already, or cannot be written.
        """
        folder = cls(config.run_dir or _new_path(config))
        try:
            if folder.config.exists():
                raise UsageError(
                    f"{folder.path} has a run already: go on with resume={folder.path}, or choose another run_dir"
                )
            folder.path.mkdir(parents=True, exist_ok=True)
            if any(folder.path.iterdir()):
                raise UsageError(f"run_dir={folder.path} is not empty: choose another, or leave run_dir out")
            folder.write_config(config)
        except OSError as error:
            raise UsageError(
                f"cannot make the run folder {folder.path}: {error.strerror or error}. Choose a place with run_dir="
            ) from error
        return folder

    def write_config(self, config: RunConfig) -> None:
        """Record what is set for the run.

        Raises:
            OSError: If it cannot be written.
        """
        write_atomically(self.config, yaml.safe_dump(to_plain(config), sort_keys=False))

    def read_config(self) -> RunConfig:
        """What was set for the run.

        Raises:
            UsageError: If this is no run folder, or of a newer format.
        """
        try:
            data = yaml.safe_load(self.config.read_text(encoding="utf-8"))
        except OSError as error:
            raise UsageError(
                f"{self.path} is not a run folder: cannot read {self.config.name} ({error.strerror}). Give the folder "
                "that training named, such as runs/negotiation-ppo/<date>-s0"
            ) from error
        except Exception as error:  # whatever the parser makes of bytes that somebody changed
            raise UsageError(f"{self.config} is damaged: {_first_line(error)}") from error
        return from_plain(data if isinstance(data, dict) else {}, str(self.config))

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """While one process trains in the folder, no other may.

        Raises:
            UsageError: If another does.
        """
        with locked(self.path) as ours:
            if not ours:
                raise UsageError(f"another process is training in {self.path}: wait for it, or stop it, before resume=")
            yield


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def _new_path(config: RunConfig) -> Path:
    """``runs/<env>-<agent>/<date>-s<seed>``, with a number behind it if that is taken."""
    date = datetime.now().strftime("%Y-%m-%d_%H-%M-%S")
    base = RUNS / f"{config.env_label}-{config.agent.name}" / f"{date}-s{config.seed}"
    path, number = base, 1
    while path.exists():
        number += 1
        path = base.with_name(f"{base.name}-{number}")
    return path
