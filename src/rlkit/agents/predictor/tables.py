"""A predictor's judgement as Markdown."""

from __future__ import annotations

from typing import Any


def to_markdown(judgement: dict[str, Any], hard_pue: float) -> str:
    """All tables of a judgement."""
    parts = [_pue(judgement, hard_pue), _calibration(judgement), _ahead(judgement), _sensitivities(judgement)]
    if judgement["control"]:
        parts.append(_control(judgement))
    return "\n".join(parts)


def _pue(judgement: dict[str, Any], hard_pue: float) -> str:
    samples = ", ".join(f"{name}: {count:,}" for name, count in judgement["samples"].items())
    lines = [
        f"PUE of the coming five minutes, by Gao's 19 features. Samples: {samples}.",
        "",
        f"| model | hold-out | MAE | sd of error | RMSE | MAE above PUE {hard_pue} | MAE below |",
        "|---|---|---|---|---|---|---|",
    ]
    for model, holdouts in judgement["pue"].items():
        for holdout, row in holdouts.items():
            ends = " | ".join(f"{row[key]:.4f}" if key in row else "none" for key in ("mae_hard", "mae_easy"))
            lines.append(f"| {model} | {holdout} | {row['mae']:.4f} | {row['sd']:.4f} | {row['rmse']:.4f} | {ends} |")
    return "\n".join([*lines, ""])


def _calibration(judgement: dict[str, Any]) -> str:
    lines = [
        "How often the truth is inside the ensemble's intervals (spread of its members and noise; last: spread alone).",
        "",
        "| hold-out | 50 % | 80 % | 95 % | half-width of 95 % | spread | 95 %, spread alone |",
        "|---|---|---|---|---|---|---|",
    ]
    for holdout, row in judgement["pue"]["ensemble"].items():
        levels = " | ".join(f"{row[f'coverage_{level}']:.1%}" for level in (50, 80, 95))
        lines.append(
            f"| {holdout} | {levels} | {row['sharpness']:.4f} | {row['spread']:.4f} "
            f"| {row['coverage_95_spread_alone']:.1%} |"
        )
    return "\n".join([*lines, ""])


def _ahead(judgement: dict[str, Any]) -> str:
    lines = [
        "The coming hour with setpoints held: mean PUE and power, extreme inlets, aisle pressure at its end.",
        "",
        "| output | hold-out | MAE | RMSE | inside 95 % |",
        "|---|---|---|---|---|",
    ]
    for holdout, outputs in judgement["ahead"].items():
        for output, row in outputs.items():
            lines.append(f"| {output} | {holdout} | {row['mae']:.4g} | {row['rmse']:.4g} | {row['coverage_95']:.1%} |")
    return "\n".join([*lines, ""])


def _sensitivities(judgement: dict[str, Any]) -> str:
    lines = ["Gao's sensitivities, read off the network.", "", "| PUE ... | from, to | holds |", "|---|---|---|"]
    for claim, row in judgement["sensitivities"].items():
        if "change" in row:
            moved = f"{row['change']:+.4f}"
        else:
            moved = f"{row['pue'][0]:.4f} at {row['values'][0]:.3g}, {row['pue'][-1]:.4f} at {row['values'][-1]:.3g}"
        lines.append(f"| {claim} | {moved} | {'yes' if row['holds'] else 'no'} |")
    return "\n".join([*lines, ""])


def _control(judgement: dict[str, Any]) -> str:
    lines = [
        "DeepMind's use: search over the hour ahead; episodes of two days in held-out weeks, means.",
        "",
        "| controller | energy kWh | saving | cooling energy saved | cost | PUE | inlet violations, min "
        "| too fast, min | humidity, min | fallback | ms a decision |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name, row in judgement["control"].items():
        fallback = f"{row['fallback_share']:.1%}" if "fallback_share" in row else "none"
        lines.append(
            f"| {name} | {row['energy_kwh']:,.0f} | {row['saving']:.2%} | {row['cooling_saving']:.1%} "
            f"| {row['operating_cost']:,.2f} | {row['PUE']:.4f} | {row['violation_minutes']:.1f} "
            f"| {row['rate_minutes']:.1f} | {row['humidity_minutes']:.1f} | {fallback} | {row['ms_per_decision']:.2f} |"
        )
    return "\n".join([*lines, ""])
