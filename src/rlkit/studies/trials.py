"""Trials of a study: each a run folder, done once, going on where it was stopped, by as many processes as one likes."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Container, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from rlkit.agents.policy import load_policy
from rlkit.errors import UsageError
from rlkit.files import locked, write_atomically
from rlkit.rewards.teachers import load_score
from rlkit.studies.peer import NO_PEER, has_peer, train_peer
from rlkit.training.config import RESUME_KEYS, RunConfig, compose_run, to_plain
from rlkit.training.folder import RunFolder
from rlkit.training.run import train
from rlkit.training.scoring import score_policy

CAN_DIFFER = {*RESUME_KEYS, "run_dir"} - {"steps"}  # between a trial and the run that is there


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One run of a study.

    Attributes:
        stage: What is played.
        arm: What is compared.
        seed: Of the run.
        settings: Of its command line.
        peer: Whether a peer does it.
        scores: What its policy is judged by besides the task, each ``module:function`` as ``reward.score`` names one.
    """

    stage: str
    arm: str
    seed: int
    settings: tuple[str, ...]
    peer: bool = False
    scores: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """For people."""
        return f"{self.stage}, {self.arm}, seed {self.seed}"

    @property
    def key(self) -> str:
        """For files."""
        return f"{self.stage}/{self.arm}/s{self.seed}"

    def folder(self, study: Path) -> RunFolder:
        """Where its run is."""
        return RunFolder(study / self.key)

    def is_done(self, study: Path) -> bool:
        """Whether its run is trained and judged."""
        return self.folder(study).evaluation.exists() and (not self.scores or self.scored(study).exists())

    def scored(self, study: Path) -> Path:
        """Where what its policy's episodes are worth by each of the scores is written."""
        return self.folder(study).path / "scores.json"

    def judge(self, study: Path) -> None:
        """Write that, of as many episodes as an evaluation has."""
        folder = self.folder(study)
        config, policy = folder.read_config(), load_policy(folder.path)
        assert config.eval_episodes is not None
        found = {path: score_policy(policy, config, load_score(path), config.eval_episodes) for path in self.scores}
        write_atomically(self.scored(study), json.dumps({path: result["mean"] for path, result in found.items()}))


def run_trials(
    trials: Sequence[Trial],
    study: Path,
    say: Callable[[str], None],
    after_each: Callable[[], None],
    known: Container[Trial] = (),
) -> list[Trial]:
    """Do what is not done yet.

    Several processes share a study's trials: each takes those that no other is at. One that was killed leaves a trial
    that the next goes on with.

    Args:
        trials: In the order in which they are done.
        study: The study's folder.
        say: Is told what is begun.
        after_each: Is called after each trial that was done here.
        known: Trials whose outcomes are known, and that are left out.

    Returns:
        Trials that other processes are at.

    Raises:
        UsageError: If one cannot be done, or was made with other settings.
        Stopped: If it was asked to.
    """
    locks = study / "locks"
    try:
        locks.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"cannot write to {study}: {error.strerror or error}. Choose a place with folder=") from error
    configs = {
        trial: _config(trial, study) for trial in trials if trial not in known
    }  # what does not fit is told before hours have passed
    if not has_peer():
        left_out = [trial for trial in configs if trial.peer and not trial.is_done(study)]
        configs = {trial: config for trial, config in configs.items() if trial not in left_out}
        if left_out:
            say(f"Trials of a peer that are left out: {len(left_out)}. {NO_PEER}")
    elsewhere = []
    for trial, config in configs.items():
        lock = locks / f"{trial.stage}-{trial.arm}-s{trial.seed}"
        lock.touch()
        with locked(lock) as ours:
            if not ours:
                elsewhere.append(trial)
            elif not trial.is_done(study):
                going_on = trial.folder(study).config.exists()
                say(f"Trial {trials.index(trial) + 1} of {len(trials)}: {trial.name}{', going on' if going_on else ''}")
                if trial.peer:
                    shutil.rmtree(trial.folder(study).path, ignore_errors=True)  # of one that was killed as it wrote
                    train_peer(config)
                elif not trial.folder(study).evaluation.exists():
                    train(replace(config, resume=str(trial.folder(study).path)) if going_on else config)
                    shutil.rmtree(trial.folder(study).checkpoints)  # they hold the replay, and are not needed any more
                if trial.scores:
                    trial.judge(study)
                after_each()
    return elsewhere


def check_done(trials: Iterable[Trial], study: Path) -> None:
    """Refuse runs that are done and were made with other settings, defaults included.

    Raises:
        UsageError: If there is one.
    """
    for trial in trials:
        if trial.is_done(study):
            _config(trial, study)


@cache
def _composed(settings: tuple[str, ...]) -> RunConfig:
    """What an arm's trials have in common."""
    return compose_run([*settings, "keep_checkpoints=1", "progress=false"])


def _config(trial: Trial, study: Path) -> RunConfig:
    """The configuration of a trial.

    Raises:
        UsageError: If its run was made with another.
    """
    folder = trial.folder(study)
    asked = replace(_composed(trial.settings), seed=trial.seed, run_dir=str(folder.path))
    if not folder.config.exists():
        for leftover in folder.path.glob(".*.unfinished"):  # of a process that was killed as it began
            leftover.unlink()
        return asked
    made, wanted = (
        {key: value for key, value in to_plain(config).items() if key not in CAN_DIFFER}
        for config in (folder.read_config(), asked)
    )
    differing = sorted(key for key in wanted if made[key] != wanted[key])
    if differing:
        raise UsageError(
            f"{folder.path} was made with other settings ({', '.join(differing)}): choose another folder=, "
            "or move that run away"
        )
    return asked
