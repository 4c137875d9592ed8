"""Observations normalised inside the network, and rewards beside it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch as th
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from stable_baselines3.common.vec_env import VecNormalize

import rlkit
import toys
from rlkit.agents.normalization import LIMIT, Normalizer, RewardNormalizer
from rlkit.agents.ppo import LeanPPO
from rlkit.agents.vecenv import VecEnvAdapter
from rlkit.errors import UsageError
from rlkit.training import checkpoint
from rlkit.training.config import compose_run
from rlkit.training.run import train
from runs import assert_same, newest

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


def side_by_side(make: Any = toys.Toy, n: int = 4, reward_scale: float = 1.0) -> VecEnvAdapter:
    return VecEnvAdapter(SyncVectorEnv([make] * n, autoreset_mode=AutoresetMode.SAME_STEP), reward_scale)


def normalised(gamma: float = 0.9, **options: Any) -> VecEnvAdapter:
    envs = side_by_side(**options)
    envs.reward_normalizer = RewardNormalizer(envs.num_envs, gamma)
    return envs


def test_rewards_are_scaled_as_vec_normalize_scales_them() -> None:
    """Over ends of episodes, and over a reset in the middle of some."""
    ours = normalised()
    theirs = VecNormalize(side_by_side(), norm_obs=False, gamma=0.9, clip_reward=LIMIT)
    for envs in (ours, theirs):
        envs.seed(1)
        envs.reset()
    rng, scales = np.random.default_rng(0), []
    for step in range(60):
        actions = rng.integers(4, size=4)
        _, rewards, _, infos = ours.step(actions)
        _, expected, _, their_infos = theirs.step(actions)
        np.testing.assert_allclose(rewards, expected, rtol=1e-5)
        assert [info.get("episode") for info in infos] == [info.get("episode") for info in their_infos]
        assert ours.reward_normalizer is not None
        scales.append(ours.reward_normalizer.scale)
        if step == 29:
            for envs in (ours, theirs):
                envs.reset()
    assert len(set(scales)) == 60


def test_returns_are_reported_in_the_environments_unit() -> None:
    plain, scaled = side_by_side(), normalised(reward_scale=100.0)
    for envs in (plain, scaled):
        envs.seed(1)
        envs.reset()
        for _ in range(toys.EPISODE):
            _, rewards, dones, infos = envs.step(np.arange(4) % 4)
        envs.last = rewards, [info["episode"] for info in infos]  # type: ignore[attr-defined]
    assert plain.last[1] == scaled.last[1]  # type: ignore[attr-defined]
    assert abs(scaled.last[0]).max() < 5.0  # type: ignore[attr-defined]


def test_rewards_far_out_are_clipped() -> None:
    normalizer = RewardNormalizer(2, 0.0)
    for _ in range(1_000):
        normalizer(np.array([1.0, -1.0]), np.zeros(2, np.bool_))
    scaled = normalizer(np.array([1e5, -0.5]), np.zeros(2, np.bool_))
    assert scaled[0] == LIMIT and -LIMIT < scaled[1] < 0.0


def cartpole() -> gymnasium.Env[Any, Any]:
    """Poles fall, or time runs out first: both ends happen."""
    return gymnasium.make("CartPole-v1", max_episode_steps=15)


@pytest.mark.parametrize("normalize", [False, True])
def test_time_that_runs_out_is_no_end_of_the_world(normalize: bool) -> None:
    """The value of what was seen last takes the place of what was cut off, in the unit that values have."""
    envs = normalised(make=cartpole) if normalize else side_by_side(cartpole)
    model = LeanPPO("MlpPolicy", envs, n_steps=64, batch_size=64, gamma=0.9, gae_lambda=0.8, device="cpu", seed=0)
    seen, step = [], envs.step

    def noted(actions: Any) -> Any:
        result = step(actions)
        seen.append((result[1].copy(), result[2], result[3]))
        return result

    envs.step = noted  # type: ignore[method-assign]
    _, callback = model._setup_learn(1)
    model.collect_rollouts(envs, callback, model.rollout_buffer, 64)
    buffer, ends = model.rollout_buffer, {True: 0, False: 0}
    expected = np.stack([rewards for rewards, _, _ in seen])
    for time, (_, dones, infos) in enumerate(seen):
        for row in np.flatnonzero(dones):
            ends[infos[row]["TimeLimit.truncated"]] += 1
            if infos[row]["TimeLimit.truncated"]:
                final = th.as_tensor(infos[row]["terminal_observation"])[None]
                expected[time, row] += 0.9 * model.policy.predict_values(final).item()
            if time < 63:
                alone = buffer.rewards[time, row] - buffer.values[time, row]  # nothing of the next episode
                assert buffer.advantages[time, row] == pytest.approx(alone, abs=1e-6)
    np.testing.assert_allclose(buffer.rewards, expected, rtol=1e-5)
    assert min(ends.values()) > 3


REWARDS = f"{SMALL} {QUIET} agent.normalize_rewards=true".replace("n_envs=2", "n_envs=3")


def test_the_scale_of_rewards_goes_on_bit_for_bit_and_is_saved_with_the_policy(tmp_path: Path) -> None:
    """Stopped in the middle of episodes."""
    whole = train(compose_run(f"{REWARDS} steps=384 run_dir={tmp_path / 'whole'}".split()))
    train(compose_run(f"{REWARDS} steps=192 run_dir={tmp_path / 'half'}".split()))
    config = compose_run(f"{REWARDS} steps=384".split())
    config.resume = str(tmp_path / "half")
    resumed = train(config)
    states = [checkpoint.load(newest(folder.path)) for folder in (whole, resumed)]
    assert_same(*states)
    moments = states[0]["envs"]["reward_normalizer"]
    assert np.all(moments["returns"] != 0.0) and moments["count"] == pytest.approx(384)
    scale = rlkit.load_policy(whole.path).description["reward_scale"]
    assert scale == pytest.approx(moments["variance"] ** -0.5)
    assert 0.0 < scale < 0.2  # a pendulum's rewards are large


def test_scaling_twice_is_refused() -> None:
    with pytest.raises(UsageError, match=r"normalize_rewards makes reward.scale=0.1 pointless"):
        compose_run(f"{REWARDS} reward.scale=0.1".split())
