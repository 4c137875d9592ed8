"""The page of a study: for each stage what its arms came to, and curves."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rlkit.errors import UsageError
from rlkit.files import write_atomically
from rlkit.statistics import interval, iqm
from rlkit.studies.outcomes import Outcome, Outcomes
from rlkit.studies.stages import Stage
from rlkit.studies.trials import Trial
from rlkit.training.report import Curve, curve_over_seeds, draw_comparison

Arms = Mapping[str, Sequence[Outcome]]  # those of a stage with something to tell, in the stage's order
Panels = Mapping[str, Sequence[Curve]]


@dataclass(frozen=True, kw_only=True)
class Layout:
    """What a study's page has.

    Attributes:
        preface: Comes first: what was done, and what the figures are.
        body: Lines about a stage, given its name, itself and its arms: tables and what they say.
        panels: Its curves, for each panel's title; none: no picture.
    """

    preface: str
    body: Callable[[str, Any, Arms], list[str]]
    panels: Callable[[str, Any, Arms], Panels]


def write_page(layout: Layout, stages: Mapping[str, Stage], trials: Sequence[Trial], study: Path, output: Path) -> str:
    """Write what is there, and say what is missing.

    Args:
        layout: What it has.
        stages: By name, in the page's order.
        trials: All that the page is to have.
        study: The study's folder.
        output: The page, Markdown; the outcomes as JSON and pictures of the stages are put beside it.

    Returns:
        The page.

    Raises:
        UsageError: If it cannot be written.
    """
    sections = [layout.preface]
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        outcomes = Outcomes(study, output)
        done = outcomes.read(trials)
        if done:
            outcomes.write(done)
        if len(done) < len(trials):
            sections.append(f"**Not complete: {len(done)} of {len(trials)} runs are done.**\n")
        for name, stage in stages.items():
            arms: dict[str, list[Outcome]] = {arm: [] for arm in stage.arms}
            for trial, outcome in done.items():
                if trial.stage == name:
                    arms[trial.arm].append(outcome)
            found = {arm: runs for arm, runs in arms.items() if runs}
            if found:
                sections.append(_section(layout, name, stage, found, output.with_name(f"{output.stem}-{name}.png")))
        page = "\n".join(sections)
        write_atomically(output, page)
    except OSError as error:
        raise UsageError(f"cannot write {output}: {error.strerror or error}. Choose a place with output=") from error
    return page


def _section(layout: Layout, name: str, stage: Stage, arms: Arms, picture: Path) -> str:
    """A stage's heading, what is said of it, and curves."""
    lines = [f"## {stage.title}", "", *layout.body(name, stage, arms)]
    panels = {title: curves for title, curves in layout.panels(name, stage, arms).items() if curves}
    if panels:
        draw_comparison(panels, picture)
        lines += [f"![curves]({picture.name})", ""]
    return "\n".join(lines)


def steps_taken(arms: Arms) -> str:
    """Environment steps of the runs; from the least to the most, if they differ."""
    steps = {int(outcome.steps[-1]) for outcomes in arms.values() for outcome in outcomes}
    return " to ".join(f"{count:,}" for count in sorted({min(steps), max(steps)}))


def table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of a table, and an empty one."""
    lines = [f"| {' | '.join(headings)} |", "|---" * len(headings) + "|"]
    return [*lines, *(f"| {' | '.join(row)} |" for row in rows), ""]


def cell(values: NDArray[np.float64]) -> str:
    """Interquartile mean over seeds and its 95 % bootstrap interval."""
    low, high = interval(values, iqm)
    return f"{float(iqm(values)):.2f} [{low:.2f}, {high:.2f}]"


def learning_curves(arms: Arms, along: str = Curve.along) -> list[Curve]:
    """Each arm's evaluations, along environment steps or, with another word, CPU time."""
    curves = (
        curve_over_seeds(arm, [run.track(along != Curve.along) for run in runs], along) for arm, runs in arms.items()
    )
    return [curve for curve in curves if curve is not None]
