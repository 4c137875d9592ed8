"""Curves and Markdown: of one run, and of several compared."""

from __future__ import annotations

import importlib
import io
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from rlkit.agents import LEARNERS
from rlkit.errors import UsageError, nearest
from rlkit.files import write_atomically
from rlkit.statistics import interval, iqm
from rlkit.training.audit_report import section
from rlkit.training.evaluation import task_evaluation
from rlkit.training.folder import RunFolder
from rlkit.training.logs import STEP, read_progress

RETURN = "rollout/ep_rew_mean"
EVALUATION = "eval/mean_reward"
FIGURES = (RETURN, EVALUATION)  # what runs are compared by
ERROR = "eval/mae"  # of what predicts instead of acting
PREFERENCES = tuple(
    f"preferences/{name}" for name in ("labels", "held_out_accuracy", "correlation_segment", "learned_above_first")
)
ALWAYS = (RETURN, EVALUATION, ERROR, "rollout/ep_len_mean", *PREFERENCES)
NOT_DRAWN = ("time/", "eval/", "rollout/", "train/", "preferences/")
POINTS = 200  # of a curve over several seeds
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#f0e442", "#000000")  # Okabe and Ito
STROKES = ("-", "--", ":")  # lines of the same colour are told apart by them


def draw_curves(folder: RunFolder) -> None:
    """Write ``curves.png``: return, evaluation and the task's own figures over the steps."""
    rows = read_progress(folder.progress)
    columns = {key for row in rows for key in row if key != STEP}
    own = sorted(key for key in columns if not key.startswith(NOT_DRAWN))
    zero = [key for key in own if not any(row.get(key) for row in rows)]  # an obstacle that the terrain does not have
    own = [key for key in own if key not in zero]
    shown = [key for key in ALWAYS if key in columns] + own + [key for key in ("train/loss",) if key in columns]
    if not shown:
        return
    width = 3 if len(shown) > 4 else 2
    height = -(-len(shown) // width)
    figure = Figure(figsize=(4.2 * width, 2.9 * height), layout="constrained")
    for place, key in enumerate(shown, 1):
        axes = figure.add_subplot(height, width, place)
        points = [(row[STEP], row[key]) for row in rows if key in row]
        axes.plot(*zip(*points, strict=True), color=COLOURS[0], marker="." if len(points) < 30 else None)
        _label(axes, key)
    figure.suptitle(f"{folder.path.parent.name}/{folder.path.name}")
    if zero:
        figure.supxlabel(f"0 all along: {', '.join(zero)}", fontsize="small", wrap=True)
    _save(figure, folder.curves)


def write_report(folder: RunFolder, tables: str) -> None:
    """Write ``report.md``: what was trained, how it went, how good it became."""
    config = folder.read_config()
    rows = read_progress(folder.progress)
    last = rows[-1] if rows else {}
    latest = {key: row[key] for row in rows for key in (RETURN, EVALUATION, ERROR) if key in row}
    lines = [
        f"# {config.agent.name} on {config.env.id}, seed {config.seed}",
        "",
        f"{int(last.get(STEP, 0)):,} of {config.steps:,} steps. All that was set is in `config.yaml`.",
        "",
        *(f"- `{key}`: {value:.4g}" for key, value in latest.items()),
        "",
        "![learning curves](curves.png)",
        "",
        *(["## Judgement", "", tables] if tables else []),
        *([audited] if (audited := section(folder)) else []),
    ]
    write_atomically(folder.report, "\n".join(lines))


@dataclass(frozen=True)
class Curve:
    """A figure of several seeds at the same steps, or at the same moments.

    Attributes:
        label: Of the group of runs.
        steps: Shape ``(points,)``.
        returns: Shape ``(seeds, points)``.
        along: What the steps are.
    """

    label: str
    steps: NDArray[np.float64]
    returns: NDArray[np.float64]
    along: str = "environment steps"

    def band(self) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Interquartile mean and its 95 % bootstrap interval at each step."""
        ends = np.array([interval(column, iqm) for column in self.returns.T])
        return iqm(self.returns, 0), ends[:, 0], ends[:, 1]


def compare(paths: Sequence[str | Path], output: Path, figures: Sequence[str] = FIGURES) -> str:
    """Compare runs: curves with intervals over seeds, and a table; written to a folder.

    Args:
        paths: Run folders, or folders that have them below.
        output: Gets ``comparison.png``, ``comparison.md`` and ``comparison.json``.
        figures: Columns of ``progress.csv``.

    Returns:
        The table.

    Raises:
        UsageError: If there is no run, or no run has one of the figures.
    """
    groups = dict(sorted(_grouped(paths).items()))
    curves = {
        key: {
            label: curve for label, folders in groups.items() if (curve := read_curve(label, folders, key)) is not None
        }
        for key in figures
    }
    _check_figures(figures, curves, groups)
    rows, data = [], {}
    for label, folders in groups.items():
        entry: dict[str, Any] = {"runs": [str(folder.path) for folder in folders], "seeds": len(folders)}
        for key, found in curves.items():
            if label in found:
                entry[key] = _summary(found[label].returns[:, -1])
        scores = [float(judged["score"]) for folder in folders if (judged := _judgement(folder)) is not None]
        if scores:
            entry["judged"] = _summary(np.array(scores))
        data[label] = entry
        cells = [_cell(entry.get(key)) for key in (*figures, "judged")]
        rows.append(f"| {label} | {len(folders)} | {' | '.join(cells)} |")
    table = "\n".join(
        [
            "At the end of training: interquartile mean over seeds, 95 % bootstrap interval in brackets. "
            "Judged: the score of the final evaluation.",
            "",
            f"| runs | seeds | {' | '.join(f'`{key}`' for key in figures)} | judged |",
            "|---|---|" + "---|" * (len(figures) + 1),
            *rows,
            "",
        ]
    )
    table = "\n".join([table, *_judgements(groups)])
    try:
        output.mkdir(parents=True, exist_ok=True)
        write_atomically(output / "comparison.md", table)
        write_atomically(output / "comparison.json", json.dumps(data, indent=1) + "\n")
        panels = {key: list(found.values()) for key, found in curves.items() if found}
        draw_comparison(panels, output / "comparison.png")
    except OSError as error:
        raise UsageError(f"cannot write to {output}: {error.strerror or error}") from error
    return table


def find_runs(paths: Sequence[str | Path]) -> list[RunFolder]:
    """Run folders among paths and below them.

    Raises:
        UsageError: If there is none.
    """
    found: dict[Path, RunFolder] = {}
    for given in paths:
        path = Path(given).expanduser()
        configs = [path / "config.yaml"] if (path / "config.yaml").exists() else sorted(path.glob("**/config.yaml"))
        if not configs:
            raise UsageError(f"no run folder at or below {path} (a run folder has a config.yaml)")
        for config in configs:
            found[config.parent.resolve()] = RunFolder(config.parent)
    return list(found.values())


def _grouped(paths: Sequence[str | Path]) -> dict[str, list[RunFolder]]:
    """Runs that differ in nothing but the seed, under what tells them from the other groups."""
    groups: dict[str, list[RunFolder]] = defaultdict(list)
    settings: dict[str, dict[str, Any]] = {}
    for folder in find_runs(paths):
        config = folder.read_config()
        flat = _flat({"env": vars(config.env), "agent": vars(config.agent), "reward": vars(config.reward)})
        flat |= {"steps": config.steps, "n_envs": config.num_envs()}
        key = json.dumps(flat, sort_keys=True, default=str)
        groups[key].append(folder)
        settings[key] = {"label": f"{config.agent.name} on {config.env_label}", **flat}
    labels = {key: found["label"] for key, found in settings.items()}
    for key in labels:
        rivals = [other for other in labels if other != key and settings[other]["label"] == settings[key]["label"]]
        names = sorted(settings[key].keys())
        differing = [n for n in names if any(settings[key][n] != settings[rival].get(n) for rival in rivals)]
        if differing:
            labels[key] += ", " + ", ".join(f"{name}={settings[key][name]}" for name in differing)
    return {labels[key]: folders for key, folders in groups.items()}


def _flat(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return flat


def _check_figures(
    figures: Sequence[str], curves: Mapping[str, Mapping[str, Curve]], groups: Mapping[str, Sequence[RunFolder]]
) -> None:
    """Refuse a figure that no run has; those compared by default may be missing, as in a run without evaluations."""
    for key in figures:
        if key not in FIGURES and not curves[key]:
            rows = [row for folders in groups.values() for row in read_progress(folders[0].progress)]
            raise UsageError(f"no run has the figure {key!r}: {nearest(key, {name for row in rows for name in row})}")


def read_curve(label: str, folders: Sequence[RunFolder], key: str, along: str = STEP) -> Curve | None:
    """A figure of a group's runs at common steps, up to where the shortest goes; None if a run has none of it.

    Args:
        label: Of the group.
        folders: Its runs.
        key: The figure's column of ``progress.csv``.
        along: The column that counts on.
    """
    tracks = []
    for folder in folders:
        rows = read_progress(folder.progress) if folder.progress.exists() else []  # killed before its first figures
        points = [(row[along], row[key]) for row in rows if key in row and along in row]
        if not points:
            return None
        tracks.append(np.array(points, dtype=np.float64).T)
    return curve_over_seeds(label, tracks, Curve.along if along == STEP else along)


def curve_over_seeds(label: str, tracks: Sequence[NDArray[np.float64]], along: str) -> Curve | None:
    """A figure of several runs at common places, up to where the shortest goes; None if they have none in common.

    Args:
        label: Of the group.
        tracks: Of each run its places and the figure there, shape ``(2, k)``.
        along: What the places count.
    """
    steps = np.unique(np.concatenate([track[0] for track in tracks]))
    steps = steps[(steps >= max(track[0, 0] for track in tracks)) & (steps <= min(track[0, -1] for track in tracks))]
    steps = steps[np.unique(np.linspace(0, len(steps) - 1, min(POINTS, len(steps))).astype(int))]
    returns = np.array([np.interp(steps, *track) for track in tracks])
    return Curve(label, steps, returns, along) if len(steps) else None


def _judgement(folder: RunFolder) -> dict[str, Any] | None:
    """A run's judgement, if it was judged."""
    if not folder.evaluation.exists():
        return None
    try:
        found: dict[str, Any] = json.loads(folder.evaluation.read_text(encoding="utf-8"))
        float(found["score"])
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(
            f"{folder.evaluation} has no score: judge the run anew with scripts/evaluate.py run={folder.path} save=true"
        ) from error
    return found


def _judgements(groups: Mapping[str, Sequence[RunFolder]]) -> list[str]:
    """Tables over seeds, where the module that judges knows how to write them."""
    sections = []
    for label, folders in groups.items():
        config = folders[0].read_config()
        learner = LEARNERS.get(config.agent.name)
        own: Any = importlib.import_module(learner.evaluation) if learner else task_evaluation(config.env)
        found = [judgement for folder in folders if (judgement := _judgement(folder)) is not None]
        if found and hasattr(own, "markdown_of_seeds"):
            sections += [f"## {label}: {len(found)} seeds", "", own.markdown_of_seeds(found)]
    return sections


def _summary(values: NDArray[np.float64]) -> dict[str, Any]:
    return {"iqm": float(iqm(values)), "interval": list(interval(values, iqm)), "values": values.tolist()}


def _cell(summary: dict[str, Any] | None) -> str:
    if summary is None:
        return ""
    low, high = summary["interval"]
    return f"{summary['iqm']:.3f} [{low:.3f}, {high:.3f}]"


def draw_comparison(curves: Mapping[str, Sequence[Curve]], path: Path) -> None:
    """Write a picture: a panel for each figure, a line with its band for each group of runs."""
    if not curves:
        return
    figure = Figure(figsize=(1 + 6 * len(curves), 4.5), layout="constrained")
    for place, (key, found) in enumerate(curves.items(), 1):
        axes = figure.add_subplot(1, len(curves), place)
        for number, curve in enumerate(found):
            middle, low, high = curve.band()
            again, chosen = divmod(number, len(COLOURS))
            colour, stroke = COLOURS[chosen], STROKES[again % len(STROKES)]
            seeds = len(curve.returns)
            label = f"{curve.label} ({seeds} seed{'' if seeds == 1 else 's'})"
            axes.plot(curve.steps, middle, color=colour, linestyle=stroke, label=label)
            axes.fill_between(curve.steps, low, high, color=colour, alpha=min(0.2, 1 / len(found)), linewidth=0)
        _label(axes, key, found[0].along)
        if len(found) > len(COLOURS):  # they would hide some of themselves
            axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize="small")
        else:
            axes.legend(loc="best", fontsize="small")
    _save(figure, path)


def _label(axes: Axes, key: str, along: str = Curve.along) -> None:
    axes.set_title(key, fontsize="medium")
    axes.set_xlabel(along)
    axes.grid(alpha=0.3)
    axes.ticklabel_format(axis="x", style="sci", scilimits=(-3, 4))


def _save(figure: Figure, path: Path) -> None:
    picture = io.BytesIO()
    figure.savefig(picture, dpi=110, format="png")
    write_atomically(path, picture.getvalue())
