"""Errors, coverage and sensitivities where the right answer is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch as th

from rlkit.agents.predictor.features import GAO_NAMES
from rlkit.agents.predictor.measures import measure, measure_pue
from rlkit.agents.predictor.model import Head
from rlkit.agents.predictor.pictures import draw_calibration, draw_predictions
from rlkit.agents.predictor.sensitivity import both_setpoints_up, sensitivities


def test_errors_by_hand() -> None:
    truth, mean = np.array([1.10, 1.20, 1.30], np.float32), np.array([1.11, 1.17, 1.30], np.float32)
    found = measure_pue(truth, mean, np.full(3, 0.01, np.float32))
    assert found["mae"] == pytest.approx(0.04 / 3, rel=1e-4)
    assert found["rmse"] == pytest.approx(np.sqrt((0.01**2 + 0.03**2) / 3), rel=1e-4)
    assert found["bias"] == pytest.approx(-0.02 / 3, rel=1e-3)
    assert found["share_hard"] == pytest.approx(2 / 3)
    assert found["mae_hard"] == pytest.approx(0.015, rel=1e-4)
    assert found["mae_easy"] == pytest.approx(0.01, rel=1e-3)
    assert (found["coverage_50"], found["coverage_95"]) == (pytest.approx(1 / 3), pytest.approx(2 / 3))
    assert "mae_easy" not in measure_pue(truth[1:], mean[1:])
    assert "coverage_95" not in measure(truth, mean)


def test_normal_errors_are_covered_as_promised() -> None:
    rng = np.random.default_rng(0)
    sigma = rng.uniform(0.001, 0.01, 50_000).astype(np.float32)
    truth = np.full(50_000, 1.2, np.float32)
    found = measure(truth, (truth + sigma * rng.standard_normal(50_000)).astype(np.float32), sigma)
    for level in (50, 80, 95):
        assert found[f"coverage_{level}"] == pytest.approx(level / 100, abs=0.01)


class _Known(Head):
    """PUE falls with load and flattens, rises with the wet bulb, and by 0.01 K of chilled-water setpoint."""

    def members(self, inputs: np.ndarray, chunk: int = 4096) -> np.ndarray:
        column = {name: inputs[:, i] for i, name in enumerate(GAO_NAMES)}
        pue = 1.0 + 100.0 / column["it_power_kw"] + 0.002 * column["outdoor_wet_bulb_c"]
        pue = pue - 0.01 * column["chilled_water_setpoint_c"]
        return np.stack([pue, pue])[:, :, None].astype(np.float32)


def test_sensitivities_are_told_as_they_are() -> None:
    rng = np.random.default_rng(1)
    inputs = rng.uniform(1.0, 2.0, (500, 19)).astype(np.float32)
    inputs[:, GAO_NAMES.index("outdoor_wet_bulb_c")] = rng.uniform(5.0, 20.0, 500)
    inputs[:, GAO_NAMES.index("outdoor_dry_bulb_c")] = 25.0
    inputs[:, GAO_NAMES.index("it_power_kw")] = rng.uniform(200.0, 1000.0, 500)
    inputs[:, GAO_NAMES.index("economizer_mode")] = 2.0
    inputs[:, GAO_NAMES.index("chillers_on")] = 1.0
    found = sensitivities(_Known(2, 19, 1, [4], "tanh", th.Generator().manual_seed(0)), inputs, inputs)
    assert found["falls with IT load, then flattens"]["holds"]
    assert found["rises with the wet bulb"]["holds"]
    assert not found["falls with the tower's leaving-water setpoint"]["holds"]
    assert "rises with chillers running" not in found  # never varies: nothing can be said
    change = both_setpoints_up(_Known(2, 19, 1, [4], "tanh"), inputs, 2)
    assert change == pytest.approx(-0.01 * 3 / 1.8, rel=1e-3)
    assert both_setpoints_up(_Known(2, 19, 1, [4], "tanh"), inputs, 0) is None


def test_pictures_are_pictures_and_differ_with_the_data() -> None:
    rng = np.random.default_rng(2)
    truth = rng.uniform(1.1, 1.4, 300).astype(np.float32)
    near, sigma = truth + 0.001, np.full(300, 0.01, np.float32)
    for one, other in (
        (draw_predictions(truth, near), draw_predictions(truth, truth[::-1])),
        (draw_calibration({"PUE": (truth, near, sigma)}), draw_calibration({"PUE": (truth, truth[::-1], sigma)})),
    ):
        assert one.shape == (550, 550, 3) and one.dtype == np.uint8
        assert (one != other).any()
