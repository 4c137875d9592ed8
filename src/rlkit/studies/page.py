"""The page of a study: for each stage a table of its arms, what it says, and curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from rlkit.errors import UsageError
from rlkit.files import write_atomically
from rlkit.statistics import interval, iqm, probability_of_improvement
from rlkit.studies.outcomes import Outcome, Outcomes
from rlkit.studies.trials import Trial
from rlkit.training.logs import CPU
from rlkit.training.report import EVALUATION, Curve, curve_over_seeds, draw_comparison

COLUMNS = ("arm", "seeds", "judged", "mean of the evaluations", "at equal CPU time")
LEAST_SEEDS = 3  # for a verdict: the interval of one or two tells nothing
LEGEND = """\
Interquartile mean over seeds, 95 % bootstrap interval in brackets. *Judged*: mean return of 100 episodes at the end.
*Mean of the evaluations*: of all along the run, so that it tells how fast was learned; the chance to be better is of
this figure. *At equal CPU time*: the evaluation when the cheapest run of the stage was at its end. *CPU min*: of
learning, evaluations apart (and Doom's engine, which is another process and does the same for every arm).
"""


class StageLike(Protocol):
    """What a page needs to know of a stage."""

    @property
    def title(self) -> str:
        """Its heading."""

    @property
    def rival(self) -> str:
        """The arm that others are held against."""

    @property
    def solved(self) -> float | None:
        """A mean return that counts as solved."""


def write_page(
    preface: str, stages: Mapping[str, StageLike], trials: Sequence[Trial], study: Path, output: Path
) -> str:
    """Write what is there, and say what is missing.

    Args:
        preface: Comes first.
        stages: By name, in the page's order.
        trials: All that the page is to have.
        study: The study's folder.
        output: The page, Markdown; the outcomes as JSON and a picture for each stage are put beside it.

    Returns:
        The page.

    Raises:
        UsageError: If it cannot be written.
    """
    sections = [preface, LEGEND]
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        outcomes = Outcomes(study, output)
        done = outcomes.read(trials)
        if done:
            outcomes.write(done)
        if len(done) < len(trials):
            sections.append(f"**Not complete: {len(done)} of {len(trials)} runs are done.**\n")
        for name, stage in stages.items():
            arms: dict[str, list[Outcome]] = {}
            for trial, outcome in done.items():
                if trial.stage == name:
                    arms.setdefault(trial.arm, []).append(outcome)
            if arms:
                sections.append(_section(stage, arms, output.with_name(f"{output.stem}-{name}.png")))
        page = "\n".join(sections)
        write_atomically(output, page)
    except OSError as error:
        raise UsageError(f"cannot write {output}: {error.strerror or error}. Choose a place with output=") from error
    return page


def _section(stage: StageLike, found: Mapping[str, Sequence[Outcome]], picture: Path) -> str:
    """A stage's heading, table, verdicts and curves."""
    steps = {int(outcome.steps[-1]) for outcomes in found.values() for outcome in outcomes}
    cpu_s = min(outcome.cpu_s[-1] for outcomes in found.values() for outcome in outcomes)
    panels: dict[str, list[Curve]] = {}
    for title, along in ((EVALUATION, Curve.along), (f"{EVALUATION}, by CPU time", CPU)):
        curves = (
            curve_over_seeds(arm, [run.track(along == CPU) for run in runs], along) for arm, runs in found.items()
        )
        panels[title] = [curve for curve in curves if curve is not None]
    draw_comparison({title: curves for title, curves in panels.items() if curves}, picture)
    solved = stage.solved
    columns = [*COLUMNS, f"chance to beat `{stage.rival}`", "CPU min"]
    columns += [] if solved is None else [f"CPU min to {solved:g}"]
    lines = [
        f"## {stage.title}",
        "",
        f"{' to '.join(f'{count:,}' for count in sorted({min(steps), max(steps)}))} environment steps; equal CPU time: "
        f"{cpu_s / 60:.1f} minutes.",
        "",
        f"| {' | '.join(columns)} |",
        "|---" * len(columns) + "|",
    ]
    lines += [_row(arm, outcomes, found.get(stage.rival), cpu_s, solved) for arm, outcomes in found.items()]
    return "\n".join([*lines, "", *_verdicts(stage, found), f"![learning curves]({picture.name})", ""])


def _row(
    arm: str, outcomes: Sequence[Outcome], rivals: Sequence[Outcome] | None, cpu_s: float, solved: float | None
) -> str:
    """A line of the table."""
    areas = _areas(outcomes)
    cells = [
        f"`{arm}`",
        str(len(outcomes)),
        _cell(np.array([outcome.judged for outcome in outcomes])),
        _cell(areas),
        _cell(np.array([outcome.at(cpu_s) for outcome in outcomes])),
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
    return f"| {' | '.join(cells)} |"


def _verdicts(stage: StageLike, found: Mapping[str, Sequence[Outcome]]) -> list[str]:
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


def _cell(values: NDArray[np.float64]) -> str:
    low, high = interval(values, iqm)
    return f"{float(iqm(values)):.2f} [{low:.2f}, {high:.2f}]"
