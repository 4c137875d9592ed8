"""Observations normalised inside the network."""

from __future__ import annotations

from pathlib import Path

import gymnasium
import numpy as np
import pytest
import torch as th
from gymnasium import spaces

import rlkit
from rlkit.agents.normalization import LIMIT, Normalizer
from rlkit.errors import UsageError
from rlkit.training.config import compose_run
from rlkit.training.run import train

SMALL = "env=gym env.id=Pendulum-v1 agent=ppo n_envs=2 agent.n_steps=32 agent.net_arch=[8] threads=1 evaluate=false "
QUIET = "eval_every=0 checkpoint_every=0 progress=false agent.normalize_observations=true"


def test_moments_of_batches_are_those_of_all_rows() -> None:
    rng = np.random.default_rng(0)
    batches = [rng.normal(5.0, [1.0, 20.0, 0.1], (rows, 3)) for rows in (1, 7, 64)]
    normalizer = Normalizer(spaces.Box(-np.inf, np.inf, (3,), np.float32))
    for batch in batches[:2]:
        normalizer.gather(batch)
    normalizer.settle()
    normalizer.gather(batches[2])
    normalizer.settle()
    rows = np.concatenate(batches)
    assert normalizer.count.item() == len(rows)
    np.testing.assert_allclose(normalizer.mean.numpy(), rows.mean(0), rtol=1e-12)
    np.testing.assert_allclose(normalizer.variance.numpy(), rows.var(0), rtol=1e-9)
    scaled = normalizer(th.tensor(rows, dtype=th.float32)).numpy()
    np.testing.assert_allclose(scaled, (rows - rows.mean(0)) / rows.std(0), atol=1e-3)


def test_nothing_changes_between_gathering_and_settling() -> None:
    normalizer = Normalizer(spaces.Box(-1.0, 1.0, (2,), np.float32))
    seen = th.tensor([[0.5, -0.25]])
    before = normalizer(seen)
    normalizer.gather(np.full((9, 2), 7.0))
    assert th.equal(normalizer(seen), before)
    normalizer.settle()
    assert not th.equal(normalizer(seen), before)


def test_outliers_are_clipped_and_constants_stay_finite() -> None:
    normalizer = Normalizer(spaces.Box(-np.inf, np.inf, (2,), np.float32))
    normalizer.gather(np.array([[0.0, 3.0], [1.0, 3.0]]))
    normalizer.settle()
    assert normalizer(th.tensor([[1e9, 3.0]])).tolist() == [[LIMIT, 0.0]]


def test_the_scale_is_saved_with_the_policy_and_a_stopped_run_goes_on_bit_for_bit(tmp_path: Path) -> None:
    whole = train(compose_run(f"{SMALL} {QUIET} steps=256 run_dir={tmp_path / 'whole'}".split()))
    train(compose_run(f"{SMALL} {QUIET} steps=128 run_dir={tmp_path / 'half'}".split()))
    config = compose_run(f"{SMALL} {QUIET} steps=256".split())
    config.resume = str(tmp_path / "half")
    resumed = train(config)
    policies = [rlkit.load_policy(folder.path) for folder in (whole, resumed)]
    weights = [policy._network.state_dict() for policy in policies]
    assert weights[0]["features_extractor.count"] == 256 + 2  # and where it began
    assert all(th.equal(weights[0][name], weights[1][name]) for name in weights[0])
    observations = np.array([[1.0, 0.0, 8.0], [0.0, 1.0, -8.0]], dtype=np.float32)
    np.testing.assert_array_equal(policies[0].predict(observations), policies[1].predict(observations))


@pytest.mark.parametrize("spread", [0.1, 1.0])
def test_the_first_policy_has_the_spread_that_was_set(tmp_path: Path, spread: float) -> None:
    settings = (
        f"{SMALL} {QUIET} steps=64 agent.learning_rate=1e-9 agent.initial_std={spread} run_dir={tmp_path / 'run'}"
    )
    policy = rlkit.load_policy(train(compose_run(settings.split())).path)
    assert policy._network.state_dict()["log_std"].exp().item() == pytest.approx(spread, rel=1e-4)


def test_other_than_box_observations_are_refused(tmp_path: Path) -> None:
    assert isinstance(gymnasium.make("FrozenLake-v1").observation_space, spaces.Discrete)
    settings = f"{SMALL} {QUIET} steps=64 run_dir={tmp_path / 'run'}".replace("Pendulum-v1", "FrozenLake-v1")
    with pytest.raises(UsageError, match="normalize_observations is for Box observations"):
        train(compose_run(settings.split()))
