"""The audit of a learned reward as a plot, and as a section of the report."""

from __future__ import annotations

import io
import json
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rlkit.files import write_atomically
from rlkit.rewards.audit import Behaviour
from rlkit.rewards.loop import PreferenceLoop
from rlkit.rewards.monitor import learned_rewards, returns
from rlkit.training.folder import RunFolder

AUDIT = "audit.json"
POLICY, OTHER, TRUE, ALARM = "#0072b2", "#999999", "#d55e00", "#cc79a7"  # Okabe and Ito, and grey
OVER_TIME = {
    "fresh_accuracy": "new answers foretold",
    "held_out_accuracy": "held-out answers foretold",
    "correlation_segment": "correlation of learned and true returns",
}
LIKENESS = {
    "rank_correlation_segment": "rank correlation of segments' returns",
    "correlation_segment": "correlation of segments' returns",
    "correlation_step": "correlation of steps' rewards",
    "distance_shaped": "distance of steps' rewards without shaping",
}
CLIPS = {"loved": "loved most", "hated": "hated most", "suspect": "loved more than the truth does"}


def draw(folder: RunFolder, loop: PreferenceLoop, found: dict[str, Any], acted: Behaviour, chance: Behaviour) -> None:
    """Write ``audit.png``: learned against true returns of segments, calibration, and how it went."""
    figure = Figure(figsize=(12.6, 7.0), layout="constrained")
    axes = figure.subplots(2, 3)
    _scatter(axes[0, 0], loop, found["held_against"] != "none", acted, chance)
    _calibration(axes[0, 1], found["calibration"])
    history = found["history"]
    for name, colour in (("learned_above_first", POLICY), ("true_above_first", TRUE)):
        _line(axes[0, 2], history, name, colour, label=name.split("_")[0])
    for step in found["alarms"]:
        axes[0, 2].axvline(step, color=ALARM, linewidth=0.8)
    axes[0, 2].set(title="return above the first round's, in deviations", xlabel="environment steps")
    axes[0, 2].legend(fontsize="small")
    for place, (name, title) in zip(axes[1], OVER_TIME.items(), strict=True):
        _line(place, history, name, POLICY)
        place.set(title=title, xlabel="environment steps")
    for place in axes.flat:
        place.grid(alpha=0.3)
    picture = io.BytesIO()
    figure.savefig(picture, dpi=110, format="png")
    write_atomically(folder.preferences / "audit.png", picture.getvalue())


def _scatter(axes: Axes, loop: PreferenceLoop, known: bool, acted: Behaviour, chance: Behaviour) -> None:
    for label, part, colour in (("random actions", chance, OTHER), ("policy", acted, POLICY)):
        loves, true = (
            returns(learned_rewards(loop.model, part.batch), part.batch),
            loop.monitor.true_rewards(part.batch),
        )
        if true is None:
            axes.hist(loves, bins=30, alpha=0.6, color=colour, label=label)
        else:
            axes.scatter(returns(true, part.batch), loves, s=8, alpha=0.5, color=colour, label=label)
    axes.set(title="segments", xlabel="true return" if known else "learned return")
    axes.set_ylabel("learned return" if known else "segments")
    axes.legend(fontsize="small")


def _calibration(axes: Axes, found: dict[str, Any]) -> None:
    for name, colour in (("all", OTHER), ("uniform", POLICY)):
        if bins := found.get(name, {}).get("bins"):
            said, seen, _ = zip(*bins, strict=True)
            axes.plot(said, seen, marker="o", color=colour, label=f"{name} pairs")
    axes.plot([0, 1], [0, 1], color="black", linewidth=0.5)
    axes.set(title="calibration", xlabel="probability that the first is better", ylabel="share chosen")
    axes.legend(fontsize="small")


def _line(axes: Axes, history: list[dict[str, float]], name: str, colour: str, label: str | None = None) -> None:
    points = [(row["step"], row[name]) for row in history if name in row]
    if points:
        axes.plot(*zip(*points, strict=True), color=colour, label=label, marker="." if len(points) < 30 else None)


def section(folder: RunFolder) -> str:
    """The report's section on the learned reward; empty if there was no audit."""
    path = folder.preferences / AUDIT
    return markdown(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else ""


def markdown(found: dict[str, Any]) -> str:
    """The section of the report.

    Args:
        found: What `rlkit.rewards.audit.audit` gave, and ``clips``: names of files; ``no_clips``: why there are none.
    """
    labels = found["labels"]
    lines = [
        "## Is the learned reward what was meant?",
        "",
        f"**{found['verdict']}** (held against: {found['held_against']}; {labels['answered']} of {labels['asked_for']} "
        f"labels answered, {labels['fitted']} fitted, {found['fits']} fits).",
        "",
    ]
    if "both" in found:
        lines += ["| | policy | random actions | both |", "|---|---|---|---|"]
        for key, title in LIKENESS.items():
            cells = [found[name].get(key) for name in ("policy", "random", "both")]
            lines.append(f"| {title} | " + " | ".join("" if cell is None else f"{cell:.3f}" for cell in cells) + " |")
        lines += [
            "",
            "In standard deviations of segments' returns, the policy is above random actions by "
            f"{found['learned_above_random']:.2f} in the learned reward, by {found['true_above_random']:.2f} in the "
            "true one.",
            "",
        ]
    if "uniform" in found.get("calibration", {}):
        part = found["calibration"]["uniform"]
        lines.append(
            f"- calibration error on uniformly drawn pairs: {part['ece']:.3f}, Brier score {part['brier']:.3f}"
        )
    if "fresh_accuracy" in found:
        lines.append(f"- new answers about the trained policy foretold: {found['fresh_accuracy']:.1%}")
    if found.get("distance_to_labelled") is not None:
        lines.append(
            f"- the policy's observations are {found['distance_to_labelled']:.2f} times as far from labelled ones as "
            "those are from one another"
        )
    if found["alarms"]:
        lines.append(f"- alarm at steps {', '.join(f'{step:,}' for step in found['alarms'][:5])}")
    if found["fits"]:
        lines += ["", "![audit](preferences/audit.png)", ""]
        lines += [f"![{name}](preferences/{name})" for name in found.get("clips", [])]
        if "no_clips" in found:
            lines.append(f"No clips: {found['no_clips']}")
        shown = ", ".join(f"`{name}` {title}" for name, title in CLIPS.items() if found.get(name))
        lines += ["", f"Segments in `preferences/audit.json`: {shown}.", ""]
    return "\n".join(lines)
