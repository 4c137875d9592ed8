"""Stages of a study, and the trials that they come to."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from rlkit.errors import UsageError, nearest
from rlkit.studies.trials import Trial

Settings = tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Stage:
    """Where arms are compared.

    Attributes:
        title: For the page.
        settings: Of every arm.
        arms: What each sets beside these.
        steps: Of a run.
        eval_every: Steps between two evaluations.
        seeds: How many.
        scores: What policies are judged by besides the task (:class:`~rlkit.studies.trials.Trial`).
        peers: Arms that a peer does (:mod:`rlkit.studies.peer`), as these settings would have ours do it.
    """

    title: str
    settings: Settings
    arms: dict[str, Settings]
    steps: int
    eval_every: int
    seeds: int
    scores: tuple[str, ...] = ()
    peers: frozenset[str] = frozenset()

    def lengths(self, steps: int | None) -> dict[str, int]:
        """What says how long a run is: the stage's steps or these; evaluations come as often in proportion."""
        taken = steps or self.steps
        every = max(1, self.eval_every * taken // self.steps)
        return {"steps": taken, "eval_every": every, "log_every": every}


AnyStage = TypeVar("AnyStage", bound=Stage)


def trials_of(
    stages: Mapping[str, AnyStage],
    names: Sequence[str],
    arms: Sequence[str] | None,
    seeds: int | None,
    settings: Callable[[AnyStage, Settings], Settings],
) -> list[Trial]:
    """A study's trials, first seeds first, so that what is there is balanced.

    Args:
        stages: Of the study, by name.
        names: Of those wanted.
        arms: Of these, and no others; None: all.
        seeds: At most so many; None: as many as each stage has.
        settings: The command line of a stage's arm, from what the arm sets.

    Raises:
        UsageError: If there is no such stage or arm.
    """
    for name in names:
        if name not in stages:
            raise UsageError(f"unknown stage {name!r}: {nearest(name, stages)}")
    known = {arm for name in names for arm in stages[name].arms}
    for arm in arms or ():
        if arm not in known:
            raise UsageError(f"unknown arm {arm!r}: {nearest(arm, known)}")
    found = [
        Trial(
            stage=name,
            arm=arm,
            seed=seed,
            settings=settings(stages[name], own),
            peer=arm in stages[name].peers,
            scores=stages[name].scores,
        )
        for name in names
        for arm, own in stages[name].arms.items()
        if arms is None or arm in arms
        for seed in range(min(stages[name].seeds, seeds or stages[name].seeds))
    ]
    return sorted(found, key=lambda trial: trial.seed)


def settings_of(values: Mapping[str, object]) -> Settings:
    """Arguments of a command line."""
    return tuple(f"{key}={value}" for key, value in values.items())
