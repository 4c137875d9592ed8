"""Arms held against a rival, at equal steps and at equal CPU time: the body of a page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rlkit.statistics import interval, iqm, probability_of_improvement
from rlkit.studies.outcomes import Outcome
from rlkit.studies.page import Arms, Panels, cell, learning_curves, steps_taken, table
from rlkit.studies.stages import Stage
from rlkit.training.logs import CPU
from rlkit.training.report import EVALUATION

COLUMNS = ("arm", "seeds", "judged", "mean of the evaluations", "at equal CPU time")
LEAST_SEEDS = 3  # for a verdict: the interval of one or two tells nothing
LEGEND = """\
Interquartile mean over seeds, 95 % bootstrap interval in brackets. *Judged*: mean return of 100 episodes at the end.
*Mean of the evaluations*: of all along the run, so that it tells how fast was learned; the chance to be better is of
this figure. *At equal CPU time*: the evaluation when the cheapest run of the stage was at its end. *CPU min*: of
learning, evaluations apart (and Doom's engine, which is another process and does the same for every arm).
"""


@dataclass(frozen=True, kw_only=True)
class RivalStage(Stage):
    """Where arms are held against one of them.

    Attributes:
        rival: That one.
        solved: A mean return that counts as solved; None: there is none.
    """

    rival: str
    solved: float | None = None


def body(name: str, stage: RivalStage, arms: Arms) -> list[str]:
    """A stage's table, and what it says."""
    cpu_s = min(outcome.cpu_s[-1] for outcomes in arms.values() for outcome in outcomes)
    headings = [*COLUMNS, f"chance to beat `{stage.rival}`", "CPU min"]
    headings += [] if stage.solved is None else [f"CPU min to {stage.solved:g}"]
    rows = [_row(arm, outcomes, arms.get(stage.rival), cpu_s, stage.solved) for arm, outcomes in arms.items()]
    lengths = f"{steps_taken(arms)} environment steps; equal CPU time: {cpu_s / 60:.1f} minutes."
    return [lengths, "", *table(headings, rows), *_verdicts(stage, arms)]


def panels(name: str, stage: RivalStage, arms: Arms) -> Panels:
    """A stage's curves."""
    return {EVALUATION: learning_curves(arms), f"{EVALUATION}, by CPU time": learning_curves(arms, CPU)}


def _row(
    arm: str, outcomes: Sequence[Outcome], rivals: Sequence[Outcome] | None, cpu_s: float, solved: float | None
) -> list[str]:
    """A line of the table."""
    areas = _areas(outcomes)
    cells = [
        f"`{arm}`",
        str(len(outcomes)),
        cell(np.array([outcome.judged for outcome in outcomes])),
        cell(areas),
        cell(np.array([outcome.at(cpu_s) for outcome in outcomes])),
    ]
    if rivals is None or rivals is outcomes:
        cells.append("")
    else:
        chance, low, high = probability_of_improvement(areas, _areas(rivals))
        cells.append(f"{chance:.2f} [{low:.2f}, {high:.2f}]")
    cells.append(f"{np.mean([outcome.cpu_s[-1] for outcome in outcomes]) / 60:.1f}")
    if solved is not None:
        times = np.array([outcome.until(solved) for outcome in outcomes]) / 60
        reached = times[np.isfinite(times)]
        cells.append(f"{reached.mean():.1f} ({len(reached)} of {len(times)})" if len(reached) else "never")
    return cells


def _verdicts(stage: RivalStage, found: Arms) -> list[str]:
    """Whether intervals of the evaluations' mean are apart from the rival's, arm by arm; nothing of too few seeds."""
    if stage.rival not in found or min(map(len, found.values())) < LEAST_SEEDS:
        return []
    low, high = interval(_areas(found[stage.rival]), iqm)
    said: dict[str, list[str]] = {"above": [], "below": [], "not apart from": []}
    for arm, outcomes in found.items():
        if arm != stage.rival:
            least, most = interval(_areas(outcomes), iqm)
            said["above" if least > high else "below" if most < low else "not apart from"].append(f"`{arm}`")
    sentences = [f"{where} it: {', '.join(arms)}" for where, arms in said.items() if arms]
    return (
        [f"Intervals of the evaluations' mean beside `{stage.rival}`'s: {'; '.join(sentences)}.", ""]
        if sentences
        else []
    )


def _areas(outcomes: Sequence[Outcome]) -> NDArray[np.float64]:
    """Mean over the evaluations of each run."""
    return np.array([outcome.returns.mean() for outcome in outcomes])
