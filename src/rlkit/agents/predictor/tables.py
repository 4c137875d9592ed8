"""Judgements of predictors as Markdown: of one run, or of several seeds with intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce
from typing import Any

import numpy as np

from rlkit.statistics import interval, iqm

Judgement = dict[str, Any]


def to_markdown(judgements: Sequence[Judgement], hard_pue: float) -> str:
    """All tables of one judgement, or of several that differ in the seed.

    Args:
        judgements: At least one, of the same hold-outs. Of several, figures are the interquartile mean over seeds and,
            in brackets, its 95 % bootstrap interval.
        hard_pue: Above which Gao had few data.
    """
    tables = [_pue(judgements, hard_pue), _calibration(judgements), _ahead(judgements), _sensitivities(judgements)]
    if all(judgement["control"] for judgement in judgements):
        tables.append(_control(judgements))
    return "\n".join(tables)


def _cells(judgements: Sequence[Judgement], path: Sequence[str], columns: Mapping[str, str]) -> list[str]:
    """Figures at ``path`` of the judgements: a cell for each column, in its format; "none" where there is none."""
    tables = [reduce(dict.__getitem__, path, judgement) for judgement in judgements]
    return [
        _over_seeds([table[key] for table in tables], form) if all(key in table for table in tables) else "none"
        for key, form in columns.items()
    ]


def _over_seeds(figures: Sequence[float], form: str) -> str:
    values = np.array(figures, dtype=np.float64)
    if (values == values[0]).all():
        return format(float(values[0]), form)
    low, high = interval(values, iqm)
    return f"{float(iqm(values)):{form}} [{low:{form}}, {high:{form}}]"


def _row(name: str, *cells: str) -> str:
    return f"| {' | '.join((name, *cells))} |"


def _pue(judgements: Sequence[Judgement], hard_pue: float) -> str:
    first = judgements[0]
    samples = ", ".join(f"{name}: {count:,}" for name, count in first["samples"].items())
    lines = [
        f"PUE of the coming five minutes, by Gao's 19 features. Samples: {samples}.",
        "",
        f"| model | hold-out | MAE | sd of error | RMSE | MAE above PUE {hard_pue} | MAE below |",
        "|---|---|---|---|---|---|---|",
    ]
    columns = dict.fromkeys(("mae", "sd", "rmse", "mae_hard", "mae_easy"), ".4f")
    for model, holdouts in first["pue"].items():
        for holdout in holdouts:
            lines.append(_row(model, holdout, *_cells(judgements, ("pue", model, holdout), columns)))
    return "\n".join([*lines, ""])


def _calibration(judgements: Sequence[Judgement]) -> str:
    lines = [
        "How often the truth is inside the ensemble's intervals (spread of its members and noise; last: spread alone).",
        "",
        "| hold-out | 50 % | 80 % | 95 % | half-width of 95 % | spread | 95 %, spread alone |",
        "|---|---|---|---|---|---|---|",
    ]
    columns = {
        "coverage_50": ".1%",
        "coverage_80": ".1%",
        "coverage_95": ".1%",
        "sharpness": ".4f",
        "spread": ".4f",
        "coverage_95_spread_alone": ".1%",
    }
    for holdout in judgements[0]["pue"]["ensemble"]:
        lines.append(_row(holdout, *_cells(judgements, ("pue", "ensemble", holdout), columns)))
    return "\n".join([*lines, ""])


def _ahead(judgements: Sequence[Judgement]) -> str:
    lines = [
        "The coming hour with setpoints held: mean PUE and power, extreme inlets, aisle pressure at its end.",
        "",
        "| output | hold-out | MAE | RMSE | inside 95 % |",
        "|---|---|---|---|---|",
    ]
    columns = {"mae": ".4g", "rmse": ".4g", "coverage_95": ".1%"}
    for holdout, outputs in judgements[0]["ahead"].items():
        for output in outputs:
            lines.append(_row(output, holdout, *_cells(judgements, ("ahead", holdout, output), columns)))
    return "\n".join([*lines, ""])


def _sensitivities(judgements: Sequence[Judgement]) -> str:
    lines = [
        "Gao's sensitivities, read off the network: change of PUE from the least to the largest value.",
        "",
        "| PUE ... | change | holds |",
        "|---|---|---|",
    ]
    for claim in judgements[0]["sensitivities"]:
        holds = [bool(judgement["sensitivities"][claim]["holds"]) for judgement in judgements]
        if len(holds) == 1:
            verdict = "yes" if holds[0] else "no"
        else:
            verdict = f"in {sum(holds)} of {len(holds)} seeds"
        changes = [_change(judgement["sensitivities"][claim]) for judgement in judgements]
        lines.append(_row(claim, _over_seeds(changes, "+.4f"), verdict))
    return "\n".join([*lines, ""])


def _change(row: dict[str, Any]) -> float:
    return float(row["change"] if "change" in row else row["pue"][-1] - row["pue"][0])


def _control(judgements: Sequence[Judgement]) -> str:
    columns = {
        "energy_kwh": ",.0f",
        "saving": ".2%",
        "cooling_saving": ".1%",
        "operating_cost": ",.2f",
        "PUE": ".4f",
        "violation_minutes": ".1f",
        "rate_minutes": ".1f",
        "humidity_minutes": ".1f",
        "fallback_share": ".1%",
        "ms_per_decision": ".2f",
    }
    lines = [
        "DeepMind's use: search over the hour ahead; episodes of two days in held-out weeks, means.",
        "",
        "| controller | energy kWh | saving | cooling energy saved | cost | PUE | inlet violations, min "
        "| too fast, min | humidity, min | fallback | ms a decision |",
        "|---" * (len(columns) + 1) + "|",
    ]
    for name in judgements[0]["control"]:
        lines.append(_row(name, *_cells(judgements, ("control", name), columns)))
    return "\n".join([*lines, ""])
