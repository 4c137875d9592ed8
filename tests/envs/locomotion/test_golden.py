from __future__ import annotations

import numpy as np
import pytest

from .golden import CASES, FILE, trajectory


@pytest.mark.parametrize("case", CASES)
def test_trajectories_are_as_they_were(case: str) -> None:
    if not FILE.exists():
        pytest.skip(f"no {FILE.name}: for a new version of MuJoCo, python tests/envs/locomotion/golden.py writes it")
    with np.load(FILE, allow_pickle=False) as golden:
        np.testing.assert_allclose(trajectory(case), golden[case], atol=1e-4)
