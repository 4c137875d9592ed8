"""What came of a study's trials, kept in one file beside its page: who has that need not do them again."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rlkit.errors import UsageError
from rlkit.files import write_atomically
from rlkit.studies.trials import Trial
from rlkit.training.folder import RunFolder
from rlkit.training.logs import CPU, STEP, read_progress
from rlkit.training.report import EVALUATION


@dataclass(frozen=True)
class Outcome:
    """What came of one run.

    Attributes:
        judged: Mean return at the end.
        steps: Of the evaluations, shape ``(k,)``.
        cpu_s: CPU seconds of learning until each.
        returns: Mean return of each.
    """

    judged: float
    steps: NDArray[np.float64]
    cpu_s: NDArray[np.float64]
    returns: NDArray[np.float64]

    def at(self, cpu_s: float) -> float:
        """Mean return after so much CPU time, between evaluations on the straight line."""
        return float(np.interp(cpu_s, self.cpu_s, self.returns))

    def until(self, solved: float) -> float:
        """CPU seconds until an evaluation was at least this; infinite if none was."""
        reached = self.returns >= solved
        return float(self.cpu_s[reached.argmax()]) if reached.any() else np.inf

    def track(self, by_cpu_time: bool) -> NDArray[np.float64]:
        """Where the evaluations were, and their mean returns, shape ``(2, k)``."""
        return np.stack([self.cpu_s if by_cpu_time else self.steps, self.returns])

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        tracks = {"steps": self.steps.astype(np.int64), "cpu_s": self.cpu_s.round(2), "returns": self.returns.round(4)}
        return {"judged": self.judged, **{name: track.tolist() for name, track in tracks.items()}}

    @classmethod
    def of_plain(cls, plain: dict[str, Any]) -> Outcome:
        """From what :meth:`plain` gave."""
        tracks = (np.array(plain[name], dtype=np.float64) for name in ("steps", "cpu_s", "returns"))
        return cls(float(plain["judged"]), *tracks)


def read_outcome(folder: RunFolder) -> Outcome:
    """What came of a run that was judged.

    Raises:
        UsageError: If it has no evaluations.
    """
    judged = float(json.loads(folder.evaluation.read_text(encoding="utf-8"))["score"])
    rows = [row for row in read_progress(folder.progress) if EVALUATION in row and CPU in row]
    if not rows:
        raise UsageError(f"{folder.path} has no evaluations: move it away, and start the study again")
    steps, cpu_s, returns = (np.array([row[key] for row in rows]) for key in (STEP, CPU, EVALUATION))
    return Outcome(judged, steps, cpu_s, returns)


class Outcomes:
    """Outcomes of trials: of runs that are here, and of those that the file tells of.

    Args:
        study: Folder of the runs.
        page: The study's page; the file is beside it.
    """

    def __init__(self, study: Path, page: Path) -> None:
        self.study, self.path = study, page.with_suffix(".json")

    def kept(self, trials: Sequence[Trial]) -> dict[Trial, Outcome]:
        """Those of trials that the file has.

        Raises:
            UsageError: If the file is broken, or has one that was made with other settings.
        """
        records = self._records()
        for trial in trials:
            if trial.key in records and tuple(records[trial.key]["settings"]) != trial.settings:
                raise UsageError(
                    f"{self.path} has {trial.name} with other settings: choose another output=, or move it away"
                )
        return {trial: Outcome.of_plain(records[trial.key]) for trial in trials if trial.key in records}

    def read(self, trials: Sequence[Trial]) -> dict[Trial, Outcome]:
        """Those of trials that are done, in their order.

        Raises:
            UsageError: As :meth:`kept`, or if a run has no evaluations.
        """
        here = {trial: read_outcome(trial.folder(self.study)) for trial in trials if trial.is_done(self.study)}
        found = self.kept(trials) | here
        return {trial: found[trial] for trial in trials if trial in found}

    def write(self, found: dict[Trial, Outcome]) -> None:
        """Put these into the file, beside what it has.

        Raises:
            OSError: If it cannot be written.
        """
        told = {trial.key: {"settings": trial.settings, **outcome.plain()} for trial, outcome in found.items()}
        lines = [f"{json.dumps(key)}: {json.dumps(record)}" for key, record in sorted((self._records() | told).items())]
        write_atomically(self.path, "{\n" + ",\n".join(lines) + "\n}\n")

    def _records(self) -> dict[str, Any]:
        """What the file has."""
        if not self.path.exists():
            return {}
        try:
            kept: dict[str, Any] = json.loads(self.path.read_text(encoding="utf-8"))
            for record in kept.values():
                Outcome.of_plain(record), record["settings"]
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise UsageError(f"{self.path} is not the outcomes of a study ({error!r}): move it away") from error
        return kept
