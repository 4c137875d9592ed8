"""Judgements of a policy by its returns: each environment plays its share, on seeds of their own."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from rlkit.agents.policy import load_policy
from rlkit.agents.vecenv import VecEnvAdapter
from rlkit.errors import UsageError
from rlkit.training.config import compose_run
from rlkit.training.evaluation import evaluate_run, evaluation_envs, judge, pictures, play_episodes, to_markdown
from rlkit.training.folder import RunFolder


class Constant:
    """A policy that always does the same, in the first legal way."""

    def __init__(self, action: int = 0) -> None:
        self.action = action

    def predict(self, obs: Any, mask: Any = None) -> Any:
        if mask is not None:
            return np.asarray(mask).argmax(-1)
        return np.full(len(obs), self.action)


class Countdown(gymnasium.Env[Any, Any]):
    """Episodes of as many steps as its number; each step pays that number."""

    observation_space = spaces.Box(0.0, 9.0, (1,), np.float32)
    action_space = spaces.Discrete(2)

    def __init__(self, number: int) -> None:
        self.number = number

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        self.left = self.number
        return np.array([self.left], np.float32), {}

    def step(self, action: Any) -> Any:
        self.left -= 1
        over = self.left == 0
        return np.array([self.left], np.float32), float(self.number), over, False, {"is_success": self.number > 1}


def countdowns(*numbers: int) -> VecEnvAdapter:
    makes = [lambda number=number: Countdown(number) for number in numbers]
    return VecEnvAdapter(SyncVectorEnv(makes, autoreset_mode=AutoresetMode.SAME_STEP))


def test_short_episodes_do_not_count_more() -> None:
    """Two episodes of each, although the first environment could play eight in that time."""
    episodes = play_episodes(Constant(), countdowns(1, 4, 8), 6, seed=0)
    assert sorted(episodes.lengths.tolist()) == [1, 1, 4, 4, 8, 8]
    assert sorted(episodes.returns.tolist()) == [1, 1, 16, 16, 64, 64]
    assert episodes.successes is not None and episodes.successes.mean() == pytest.approx(2 / 3)


def test_as_many_episodes_as_were_asked_for() -> None:
    for count in (1, 2, 4, 5, 7):
        assert len(play_episodes(Constant(), countdowns(2, 3, 2), count, seed=0).returns) == count


def test_no_successes_where_the_environment_does_not_say() -> None:
    envs = evaluation_envs(compose_run(["env=gym"]).env, 3)
    assert play_episodes(Constant(), envs, 3, seed=0).successes is None


def test_masks_hold_and_seeds_decide(negotiation_run: Path) -> None:
    config = compose_run(["env.opponent=[random,linear]", "env.illegal=error"]).env
    policy = load_policy(negotiation_run)
    one, two, other = (play_episodes(policy, evaluation_envs(config, 40), 40, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one.returns, two.returns)
    assert not np.array_equal(one.returns, other.returns)


def test_figures_count_each_environments_share() -> None:
    """As the returns do: the batch's own figures and the mean over episodes agree."""
    config = compose_run(["env.opponent=[random,soft]"]).env
    envs = evaluation_envs(config, 64)
    episodes = play_episodes(Constant(), envs, 64, seed=3)
    assert envs.pop_metrics()["utility"] == pytest.approx(episodes.returns.mean())


def test_judgement_of_another_environment_is_its_returns(cartpole_run: Path) -> None:
    folder = RunFolder(cartpole_run)
    judgement, text = evaluate_run(folder, {"episodes": 20})
    assert set(judgement) == {"env_id", "episodes", "score", "interval", "mean_length"}
    low, high = judgement["interval"]
    assert judgement["episodes"] == 20 and low <= judgement["score"] <= high
    assert judgement["score"] == judgement["mean_length"]  # CartPole pays 1 a step
    assert f"| dqn | {judgement['score']:.2f} [{low:.2f}, {high:.2f}] |" in text
    assert evaluate_run(folder, {"episodes": 20})[0] == judgement


def test_the_final_judgement_is_a_hundred_episodes(cartpole_run: Path) -> None:
    judgement = json.loads((cartpole_run / "evaluation.json").read_text())
    assert judgement == evaluate_run(RunFolder(cartpole_run))[0]
    assert judgement["episodes"] == 100


def test_success_is_shown_where_there_is_any() -> None:
    config = compose_run(["env=gym", "env.id=toys:Toy-v0"])
    judgement = judge(Constant(1), config, {"episodes": 5})  # type: ignore[arg-type]
    assert judgement["success_rate"] == 1.0
    assert "| success |" in to_markdown(judgement, config) and "100.0%" in to_markdown(judgement, config)


@pytest.mark.parametrize("episodes", [0, -1, 1.5, "many", True, None])
def test_impossible_numbers_of_episodes_are_told(episodes: Any) -> None:
    with pytest.raises(UsageError, match="episodes must be a whole number >= 1, got"):
        judge(Constant(), compose_run(["env=gym"]), {"episodes": episodes})  # type: ignore[arg-type]


@pytest.mark.parametrize(("env", "setting"), [("gym", "opponents"), ("negotiation", "episodes")])
def test_settings_of_another_task_are_told(env: str, setting: str) -> None:
    with pytest.raises(UsageError, match=f"are not judged by {setting}=: "):
        judge(Constant(), compose_run([f"env={env}"]), {setting: 3})  # type: ignore[arg-type]


def test_a_policy_of_another_environment_is_told(negotiation_run: Path, cartpole_run: Path, tmp_path: Path) -> None:
    shutil.copytree(cartpole_run, tmp_path / "run")
    shutil.rmtree(tmp_path / "run" / "policy")
    shutil.copytree(negotiation_run / "policy", tmp_path / "run" / "policy")
    with pytest.raises(UsageError, match=r"of shape .*4\); this policy was trained on rlkit/Negotiation-v0"):
        evaluate_run(RunFolder(tmp_path / "run"))


def test_picture_of_a_games_end(negotiation_run: Path) -> None:
    policy, config = load_policy(negotiation_run), compose_run([]).env
    (frame,) = pictures(policy, config, seed=0).values()
    assert frame.dtype == np.uint8 and frame.shape[2] == 3 and min(frame.shape[:2]) > 200
    np.testing.assert_array_equal(frame, pictures(policy, config, seed=0)["last_frame"])


def test_no_picture_is_no_reason_to_stop(recwarn: pytest.WarningsRecorder) -> None:
    """The toy has no such render mode, which is not worth a word either."""
    policy: Any = Constant()
    assert pictures(policy, compose_run(["env=gym", "env.id=toys:Toy-v0"]).env, seed=0) == {}
    assert [str(warning.message) for warning in recwarn] == []
