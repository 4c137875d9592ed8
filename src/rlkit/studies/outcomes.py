"""What came of a study's trials, kept in one file beside its page: who has that need not do them again."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rlkit.errors import UsageError
from rlkit.files import write_atomically
from rlkit.studies.trials import Trial
from rlkit.training.audit_report import AUDIT
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
        likeness: Rank correlation of learned and true returns of segments, the policy's and random ones together; None
            where no reward was learned.
        scores: What an episode of the policy is worth by other scores than the task's, by their path.
    """

    judged: float
    steps: NDArray[np.float64]
    cpu_s: NDArray[np.float64]
    returns: NDArray[np.float64]
    likeness: float | None = None
    scores: Mapping[str, float] = field(default_factory=dict)

    def at(self, cpu_s: float) -> float:
        """Mean return after so much CPU time, between evaluations on the straight line."""
        return float(np.interp(cpu_s, self.cpu_s, self.returns))

    def until(self, solved: float) -> float:
        """CPU seconds until an evaluation was at least this; infinite if none was."""
        reached = self.returns >= solved
        return float(self.cpu_s[reached.argmax()]) if reached.any() else np.inf

    @property
    def late(self) -> float:
        """Mean of the evaluations in the last quarter of the run."""
        return float(self.returns[-max(1, len(self.returns) // 4) :].mean())

    def track(self, by_cpu_time: bool) -> NDArray[np.float64]:
        """Where the evaluations were, and their mean returns, shape ``(2, k)``."""
        return np.stack([self.cpu_s if by_cpu_time else self.steps, self.returns])

    @classmethod
    def untrained(cls, judged: float, scores: Mapping[str, float] | None = None) -> Outcome:
        """What came of somebody who did not learn."""
        return cls(judged, np.zeros(1), np.zeros(1), np.array([judged]), scores=scores or {})

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        tracks = {"steps": self.steps.astype(np.int64), "cpu_s": self.cpu_s.round(2), "returns": self.returns.round(4)}
        plain: dict[str, Any] = {"judged": self.judged, **{name: track.tolist() for name, track in tracks.items()}}
        if self.likeness is not None:
            plain["likeness"] = round(self.likeness, 4)
        if self.scores:
            plain["scores"] = {path: round(worth, 4) for path, worth in self.scores.items()}
        return plain

    @classmethod
    def of_plain(cls, plain: dict[str, Any]) -> Outcome:
        """From what :meth:`plain` gave."""
        steps, cpu_s, returns = (np.array(plain[name], dtype=np.float64) for name in ("steps", "cpu_s", "returns"))
        likeness = plain.get("likeness")
        scores = {str(path): float(worth) for path, worth in plain.get("scores", {}).items()}
        return cls(float(plain["judged"]), steps, cpu_s, returns, None if likeness is None else float(likeness), scores)


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
    return Outcome(judged, steps, cpu_s, returns, _likeness(folder))


def _likeness(folder: RunFolder) -> float | None:
    """What the audit of a learned reward found; None if there was none, or nothing was learned."""
    audit = folder.preferences / AUDIT
    found = json.loads(audit.read_text(encoding="utf-8")).get("both", {}) if audit.exists() else {}
    return found.get("rank_correlation_segment")


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
            record = records.get(trial.key, {"settings": trial.settings, "scores": trial.scores})
            if tuple(record["settings"]) != trial.settings or set(record.get("scores", ())) != set(trial.scores):
                raise UsageError(
                    f"{self.path} has {trial.name} with other settings: choose another output=, or move it away"
                )
        return {trial: Outcome.of_plain(records[trial.key]) for trial in trials if trial.key in records}

    def read(self, trials: Sequence[Trial]) -> dict[Trial, Outcome]:
        """Those of trials that are done, in their order.

        Raises:
            UsageError: As :meth:`kept`, or if a run has no evaluations.
        """
        here = {trial: self._outcome(trial) for trial in trials if trial.is_done(self.study)}
        found = self.kept(trials) | here
        return {trial: found[trial] for trial in trials if trial in found}

    def _outcome(self, trial: Trial) -> Outcome:
        """Of a run that is done."""
        outcome = read_outcome(trial.folder(self.study))
        if not trial.scores:
            return outcome
        return replace(outcome, scores=json.loads(trial.scored(self.study).read_text(encoding="utf-8")))

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
