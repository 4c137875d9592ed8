"""Returns as shares of what a reference comes to, random actions being 0: the body of a page about learned rewards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rlkit.statistics import iqm, probability_of_improvement
from rlkit.studies.outcomes import Outcome
from rlkit.studies.page import Arms, Panels, cell, learning_curves, steps_taken, table
from rlkit.studies.stages import Stage
from rlkit.training.report import EVALUATION, Curve

TRUE, MODERN = "true_reward", "modern"
ORACLE = "oracle"
RATES = (0.0, 0.1, 0.2, 0.3, 0.4)  # of answers that are turned round
SHARE = "share of the reference's return"
WAITING = "Returns are not held against anything yet: the reference's runs are to come."


@dataclass(frozen=True, kw_only=True)
class LearnedStage(Stage):
    """Where rewards are learned.

    Attributes:
        kind: Of its table: ``labels`` (by number of comparisons), ``teachers`` (and their error rates), ``switches``,
            ``taste`` (what policies are worth by other scores than the task's).
        reference: Stage and arm whose interquartile mean is 1.
    """

    kind: str
    reference: tuple[str, str]


class Scale(NamedTuple):
    """What returns are measured by.

    Attributes:
        chance: Mean return of random actions.
        reference: Interquartile mean of the reference's returns.
        by_chance: What random actions get by the stage's other scores.
    """

    chance: float
    reference: float
    by_chance: Mapping[str, float]

    def shares(self, runs: Sequence[Outcome]) -> NDArray[np.float64]:
        """Of each run: 0 is what random actions get, 1 what the reference gets."""
        returns = np.array([run.late for run in runs])
        return (returns - self.chance) / (self.reference - self.chance)


def scale_of(chance: Outcome, reference: Sequence[Outcome]) -> Scale:
    """The scale that random actions and runs of a reference make."""
    return Scale(chance.judged, float(iqm(np.array([run.late for run in reference]))), chance.scores)


def labels_arm(labels: int) -> str:
    """Name of the arm with so many comparisons."""
    return f"labels_{labels}"


def peer_arm(labels: int) -> str:
    """Name of the peer's arm with so many comparisons."""
    return f"imitation_{labels}"


def teacher_arm(teacher: str, rate: float, filtered: bool) -> str:
    """Name of the arm of a teacher who turns round this share of answers."""
    return f"{teacher}_{rate:g}" + ("" if filtered else "_unfiltered")


def body(scales: Mapping[str, Scale], name: str, stage: LearnedStage, arms: Arms) -> list[str]:
    """A stage's table.

    Args:
        scales: Of the stages whose reference is there.
        name: Of the stage.
        stage: Itself.
        arms: With something to tell.
    """
    scale = scales.get(name)
    if scale is None:
        return [f"{steps_taken(arms)} environment steps. {WAITING}", ""]
    said = (
        f"{steps_taken(arms)} environment steps. Random actions: {scale.chance:.1f}; "
        f"`{stage.reference[1]}`: {scale.reference:.1f}."
    )
    tables = {"labels": _by_labels, "teachers": _by_teacher, "switches": _by_switch, "taste": _by_taste}
    return [said, "", *tables[stage.kind](scale, arms)]


def panels(scales: Mapping[str, Scale], name: str, stage: LearnedStage, arms: Arms) -> Panels:
    """A stage's curves; arguments as for :func:`body`."""
    scale = scales.get(name)
    if stage.kind == "labels":
        by_labels = {} if scale is None else {SHARE: _labels_curves(scale, arms)}
        return {**by_labels, EVALUATION: learning_curves(arms)}
    if stage.kind == "teachers" and scale is not None:
        return {
            f"{SHARE}, {said} the noise filter": _teacher_curves(scale, arms, filtered)
            for said, filtered in (("with", True), ("without", False))
        }
    return {}


def _by_labels(scale: Scale, arms: Arms) -> list[str]:
    headings = ["arm", "seeds", SHARE, "return", "rank correlation", "CPU min"]
    return table(headings, [_line(scale, arm, runs) for arm, runs in arms.items()])


def _by_switch(scale: Scale, arms: Arms) -> list[str]:
    headings = ["arm", "seeds", SHARE, "return", "rank correlation", "CPU min", f"chance to beat `{MODERN}`"]
    modern = arms.get(MODERN)
    rows = []
    for arm, runs in arms.items():
        held = ""
        if modern is not None and arm != MODERN:
            chance, low, high = probability_of_improvement(scale.shares(runs), scale.shares(modern))
            held = f"{chance:.2f} [{low:.2f}, {high:.2f}]"
        rows.append([*_line(scale, arm, runs), held])
    return table(headings, rows)


def _by_taste(scale: Scale, arms: Arms) -> list[str]:
    """Rows: random actions, then arms; a column for each of the stage's scores."""
    names = {path: f"`{path.rpartition(':')[2]}`" for path in scale.by_chance}
    headings = ["arm", "seeds", *names.values(), "the task's return", "rank correlation", "CPU min"]
    rows = [["random actions", "", *(f"{scale.by_chance[path]:.2f}" for path in names), f"{scale.chance:.2f}", "", ""]]
    for arm, runs in arms.items():
        told, seeds, _, *rest = _line(scale, arm, runs)
        rows.append([told, seeds, *(cell(np.array([run.scores[path] for run in runs])) for path in names), *rest])
    return table(headings, rows)


def _line(scale: Scale, arm: str, runs: Sequence[Outcome]) -> list[str]:
    """An arm's cells."""
    likenesses = np.array([run.likeness for run in runs if run.likeness is not None])
    return [
        f"`{arm}`",
        str(len(runs)),
        cell(scale.shares(runs)),
        cell(np.array([run.late for run in runs])),
        f"{float(iqm(likenesses)):.2f}" if len(likenesses) else "",
        f"{np.mean([run.cpu_s[-1] for run in runs]) / 60:.1f}",
    ]


def _by_teacher(scale: Scale, arms: Arms) -> list[str]:
    """Rows: teachers, with and without the filter; columns: error rates."""
    rows = []
    for teacher in _teachers(arms):
        for said, filtered in (("on", True), ("off", False)):
            found = [arms.get(teacher_arm(teacher, rate, filtered)) for rate in RATES]
            if any(found):
                cells = ["" if runs is None else cell(scale.shares(runs)) for runs in found]
                seeds = sorted({len(runs) for runs in found if runs})
                rows.append([f"`{teacher}`", said, " or ".join(map(str, seeds)), *cells])
    return table(["teacher", "filter", "seeds", *(f"{rate:.0%} wrong" for rate in RATES)], rows)


def _teachers(arms: Arms) -> list[str]:
    return list(dict.fromkeys(arm.split("_")[0] for arm in arms))


def _teacher_curves(scale: Scale, arms: Arms, filtered: bool) -> list[Curve]:
    """Of each teacher whose error rates are all there."""
    curves = []
    for teacher in _teachers(arms):
        found = [arms.get(teacher_arm(teacher, rate, filtered)) for rate in RATES]
        if all(found):
            curves.append(_curve(scale, teacher, "share of answers turned round", dict(zip(RATES, found, strict=True))))
    return curves


def _labels_curves(scale: Scale, arms: Arms) -> list[Curve]:
    """Ours and the peer's over the number of comparisons, where there are at least two."""
    curves = []
    for label, start in (("learned reward", labels_arm(0)[:-1]), ("imitation", peer_arm(0)[:-1])):
        found = {float(arm.removeprefix(start)): runs for arm, runs in arms.items() if arm.startswith(start)}
        if len(found) > 1:
            curves.append(_curve(scale, label, "comparisons", found))
    return curves


def _curve(scale: Scale, label: str, along: str, found: Mapping[float, Sequence[Outcome] | None]) -> Curve:
    """Shares over what arms differ in; of as many seeds as all of them have."""
    shares = [scale.shares(runs or ()) for runs in found.values()]
    seeds = min(map(len, shares))
    return Curve(label, np.array(list(found)), np.stack([part[:seeds] for part in shares], axis=1), along)
