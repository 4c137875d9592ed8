"""The benchmark of preference learning measures what it says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rlkit.benchmarks import preferences
from rlkit.benchmarks.preferences import MEMBER, PLAIN, chosen, fitted, make_comparisons, make_store, table
from rlkit.rewards.fit import fit
from rlkit.rewards.labels import LabelSet
from rlkit.rewards.model import RewardModel
from rlkit.rewards.settings import ModelConfig


def test_the_comparisons_are_fitted_and_can_be_learned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preferences, "COMPARISONS", 60)
    monkeypatch.setattr(preferences, "STEPS", 20)
    data = make_comparisons(np.random.default_rng(0))
    store = make_store(tmp_path, data)
    assert 0.3 < data["first"].mean() < 0.7
    model = RewardModel(preferences.SEEN, preferences.DONE, ModelConfig(**(PLAIN | MEMBER | {"epochs": 60})), seed=0)
    labels = LabelSet(store, model, seed=0)
    assert labels.update(store.newest()) == 60
    report = fit(model, labels)
    assert report.epochs == 60 and report.train_accuracy > 0.9
    assert fitted(store, **MEMBER)() > 0.0
    monkeypatch.setattr(preferences, "ASKED", 4)
    assert chosen(store)() > 0.0


def test_the_table_is_of_a_comparison_and_epoch() -> None:
    rows = table({"imitation": [2.0, 4.0, 4.0], "ours, its network": [0.2, 0.2, 0.4]})
    assert rows[0][1:3] == ["1.000", "1.000x"] and rows[1][1:3] == ["0.100", "0.100x"]
