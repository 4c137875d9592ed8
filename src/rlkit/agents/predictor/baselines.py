"""What the ensemble is held against, on the same features: linear regression and gradient boosting of scikit-learn."""

from __future__ import annotations

import importlib.util
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rlkit.agents.predictor.measures import measure_pue
from rlkit.agents.predictor.samples import Samples

PACKAGE = "sklearn"
BOOSTING = {"max_iter": 500, "learning_rate": 0.1, "max_leaf_nodes": 63, "early_stopping": False}


def baseline_rows(train: Samples, tests: dict[str, Samples]) -> dict[str, dict[str, Any]]:
    """Errors of the plant's last measured PUE, and of both baselines where scikit-learn is installed.

    Args:
        train: What they learn from.
        tests: Hold-outs by name.

    Returns:
        By model, then by hold-out: :func:`~rlkit.agents.predictor.measures.measure_pue`.
    """
    rows = {"last measured PUE": {name: measure_pue(test.targets[:, 0], test.naive) for name, test in tests.items()}}
    if importlib.util.find_spec(PACKAGE) is None:
        return rows
    from sklearn.ensemble import HistGradientBoostingRegressor
    from sklearn.linear_model import LinearRegression

    models: dict[str, Any] = {
        "linear regression": LinearRegression(),
        "gradient boosting": HistGradientBoostingRegressor(random_state=0, **BOOSTING),
    }
    for label, model in models.items():
        model.fit(train.inputs.astype(np.float64), train.targets[:, 0])
        rows[label] = {name: measure_pue(test.targets[:, 0], _said(model, test)) for name, test in tests.items()}
    return rows


def _said(model: Any, test: Samples) -> NDArray[np.float32]:
    return np.asarray(model.predict(test.inputs.astype(np.float64)), dtype=np.float32)
