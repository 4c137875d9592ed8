"""Gao's sensitivities (2014, figures 3 and 4), read off the trained network: how PUE moves with one input alone.

The curve is a mean over samples of the hold-out in which one feature is set to a value and the others stay (partial
dependence); only the four of the outdoor air move together. Where other features move
together in a plant that is extrapolation, as it was in the paper, so the values stay between the 5th and the 95th
percentile of the training data.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rlkit.agents.predictor.features import GAO_NAMES, outdoor_air
from rlkit.agents.predictor.model import Head

POINTS = 15
FAHRENHEIT_3_K = 3.0 / 1.8
FLAT = 0.5  # the second half of a curve that flattens falls by less than this share of the first's
TOWER_ONLY = 2  # economizer mode: free cooling


def sensitivities(head: Head, train: NDArray[np.float32], samples: NDArray[np.float32]) -> dict[str, dict[str, Any]]:
    """Curves and what Gao found, checked.

    Args:
        head: The ensemble of the coming step.
        train: Its training inputs, shape ``(m, 19)``: ranges.
        samples: Inputs that the curves are averaged over, shape ``(n, 19)``.

    Returns:
        By claim: ``values`` and ``pue`` of the curve (or ``change``), and whether the claim ``holds``.
    """
    found: dict[str, dict[str, Any]] = {}
    for claim, feature, test in (
        ("falls with IT load, then flattens", "it_power_kw", _falls_then_flattens),
        ("rises with chillers running", "chillers_on", _rises),
        ("rises with the wet bulb", "outdoor_wet_bulb_c", _rises),
        ("rises with the speed of the tower fans", "tower_fan_speed", _rises),
        ("falls with the tower's leaving-water setpoint", "condenser_water_setpoint_c", _falls),
        ("rises faster than in proportion with the pumps' flow", "chilled_water_flow_kg_s", _convex),
    ):
        values, pue = curve(head, train, samples, feature)
        if len(values) > 1:
            found[claim] = {"feature": feature, "values": values.tolist(), "pue": pue.tolist(), "holds": test(pue)}
    for name, mode in (("in free cooling", TOWER_ONLY), ("with chillers on", 0)):
        change = both_setpoints_up(head, samples, mode)
        if change is not None:
            claim = f"+3 F of both water setpoints {name}: about {'-0.005' if mode == TOWER_ONLY else '0'}"
            holds = change < 0.0 if mode == TOWER_ONLY else abs(change) < 0.005
            found[claim] = {"feature": "both water setpoints", "change": change, "holds": bool(holds)}
    return found


def curve(
    head: Head, train: NDArray[np.float32], samples: NDArray[np.float32], feature: str
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Values of a feature and the mean PUE at each; a single value where the feature does not vary."""
    column = GAO_NAMES.index(feature)
    low, high = np.quantile(train[:, column], [0.05, 0.95])
    counted = np.unique(train[:, column])
    values = counted if len(counted) < POINTS else np.linspace(low, high, POINTS)
    values = values[(values >= low) & (values <= high)]
    pue = []
    for value in values:
        moved = samples.copy()
        moved[:, column] = value
        if feature == "outdoor_wet_bulb_c":
            _follow_wet_bulb(moved, value - samples[:, column])
        pue.append(float(head.predict(moved).mean[:, 0].mean()))
    return values.astype(np.float64), np.array(pue)


def _follow_wet_bulb(moved: NDArray[np.float32], change: NDArray[np.float32]) -> None:
    """Dry bulb, enthalpy and humidity of air whose wet bulb has changed by so much, and whose dry bulb has with it."""
    dry, wet, enthalpy, humidity = (
        GAO_NAMES.index(f"outdoor_{name}") for name in ("dry_bulb_c", "wet_bulb_c", "enthalpy_kj_kg", "humidity")
    )
    moved[:, dry] += change
    air = outdoor_air(moved[:, dry].astype(np.float64), moved[:, wet].astype(np.float64))
    moved[:, enthalpy], moved[:, humidity] = air


def both_setpoints_up(head: Head, samples: NDArray[np.float32], mode: int) -> float | None:
    """Change of PUE when both water setpoints rise by 3 F in one mode of the economizer; None if it is never there.

    The water has followed: it is as far from its setpoint as before, so that no transient is read.
    """
    rows = samples[np.rint(samples[:, GAO_NAMES.index("economizer_mode")]) == mode]
    if len(rows) < 100:
        return None
    moved = rows.copy()
    for name in ("condenser_water_setpoint_c", "chilled_water_setpoint_c"):
        moved[:, GAO_NAMES.index(name)] += FAHRENHEIT_3_K
    return float((head.predict(moved).mean[:, 0] - head.predict(rows).mean[:, 0]).mean())


def _rises(pue: NDArray[np.float64]) -> bool:
    return bool(pue[-1] > pue[0])


def _falls(pue: NDArray[np.float64]) -> bool:
    return bool(pue[-1] < pue[0])


def _falls_then_flattens(pue: NDArray[np.float64]) -> bool:
    middle = len(pue) // 2
    first, second = pue[0] - pue[middle], pue[middle] - pue[-1]
    return bool(first > 0.0 and second < FLAT * first)


def _convex(pue: NDArray[np.float64]) -> bool:
    middle = len(pue) // 2
    return bool(pue[-1] > pue[0] and pue[-1] - pue[middle] > pue[middle] - pue[0])
