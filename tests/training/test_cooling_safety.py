"""Training and judging behind the safety layers: an option of the run, figures of what they did, the same resume."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from commands import Command, run, without_curves
from rlkit.envs.cooling.evaluation import markdown
from rlkit.envs.cooling.safety.adversaries import hottest_values
from rlkit.envs.cooling.vector import CoolingVectorEnv
from rlkit.errors import UsageError
from rlkit.training.config import compose_run
from rlkit.training.environments import make_envs
from rlkit.training.evaluation import judge
from rlkit.training.logs import read_progress
from runs import QUIET, assert_same_run, images, scalars

RUN = (
    "env=cooling",
    "agent=ppo",
    "env.plant=two_zone",
    "env.safety=standard",
    "env.episode_days=0.2",
    "seed=3",
    "steps=1152",
    "n_envs=4",
    "agent.n_steps=24",
    "agent.batch_size=48",
    "agent.n_epochs=1",
    "agent.net_arch=[8]",
    "log_every=96",
    "eval_every=384",
    "eval_episodes=2",
    "checkpoint_every=192",
)


class Hottest:
    """A policy that wants to overheat two_zone."""

    def __init__(self) -> None:
        envs = CoolingVectorEnv(1)
        self.action = envs.encode_actions(hottest_values(envs))

    def predict(self, observations: NDArray[Any], mask: Any = None) -> NDArray[np.float32]:
        return np.tile(self.action, (len(observations), 1))


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("safe")
    finished = run("train", *RUN, *QUIET, "run_dir=run", folder=folder, fault=without_curves)
    assert finished.code == 0, finished.err
    return folder / "run"


def test_tensorboard_tells_how_often_layers_act_and_shows_the_episode(trained: Path) -> None:
    figures = scalars(trained)
    assert 0.0 < figures["cooling/safety_interventions"][-1][1] <= 1.0  # an untrained agent jumps
    assert figures["cooling/safety_rate_limit"][-1][1] > 0.0
    assert {"cooling/safety_verification", "cooling/safety_failover", "eval/cooling_safety_interventions"} <= set(
        figures
    )
    assert max(value for _, value in figures["cooling/thermal_trip"]) == 0.0
    assert {"eval/last_frame", "eval/episode"} == set(images(trained))


def test_a_run_behind_layers_goes_on_bit_for_bit(trained: Path, tmp_path: Path) -> None:
    command = Command("train", *RUN, *QUIET, "run_dir=run", folder=tmp_path)
    table = tmp_path / "run" / "progress.csv"
    command.wait_until(lambda: table.exists() and any(row["step"] >= 384 for row in read_progress(table)))
    command.send(signal.SIGKILL)
    assert command.wait().code == -signal.SIGKILL
    rest = run("train", "resume=run", folder=tmp_path, fault=without_curves)
    assert rest.code == 0, rest.err
    assert_same_run(tmp_path / "run", trained)


def test_a_run_is_judged_with_its_layers_or_without(trained: Path) -> None:
    said = {}
    for setting in ("standard", "none"):
        settings = (f"safety={setting}", "episodes=2", "bounds=false", "controllers=[guideline36]", "save=true")
        assert run("evaluate", "run=run", *settings, folder=trained.parent).code == 0
        said[setting] = json.loads((trained / "evaluation.json").read_text())["safety"]
    assert said["none"] is None and 0.0 <= said["standard"]["interventions"] <= 1.0


def test_what_would_trip_a_hall_is_harmless_behind_layers() -> None:
    few: dict[str, Any] = {"episodes": 3, "bounds": False, "controllers": ["guideline36"]}
    policy: Any = Hottest()
    config = compose_run(["env=cooling", "env.eval_kwargs.safety=standard"])
    safe, bare = judge(policy, config, few), judge(policy, config, {**few, "safety": "none"})
    assert safe["players"]["agent"]["thermal_trip"] == 0.0 and bare["players"]["agent"]["thermal_trip"] == 1.0
    assert safe["safety"]["interventions"] > 0.9
    assert safe["players"]["guideline36"] == bare["players"]["guideline36"]  # the controllers act without layers
    assert "which changed its action in" in markdown(safe) and "safety layers" not in markdown(bare)


def test_a_random_agent_on_the_training_batch_makes_no_trip() -> None:
    """Two days of 32 halls, without faults that would cost a hall whoever steers."""
    envs = make_envs(compose_run(["env=cooling", "env.safety=standard"]).env, 32)
    envs.seed(0)
    envs.reset()
    rng = np.random.default_rng(0)
    for _ in range(2 * 288):
        envs.step(rng.choice([-1.0, 1.0], envs.envs.action_space.shape).astype(np.float32))
    figures = envs.pop_metrics()
    assert figures["thermal_trip"] == 0.0 and figures["safety_interventions"] > 0.9


@pytest.mark.parametrize("setting", ["env.safety=standrd", "env.safety={rate:{}}"])
def test_a_mistyped_option_is_told(setting: str) -> None:
    with pytest.raises(UsageError, match="did you mean '(standard|rates)'"):
        make_envs(compose_run(["env=cooling", setting]).env, 1)


def test_the_predictor_does_not_act_and_takes_no_layers(tmp_path: Path) -> None:
    refused = run("train", "env=cooling", "agent=pue_predictor", "env.safety=standard", *QUIET, folder=tmp_path)
    assert refused.code == 2 and "leave env.safety out" in refused.err
