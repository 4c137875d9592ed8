"""Any registered environment can be trained on; what cannot be made is told."""

from __future__ import annotations

import os
import platform
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gymnasium.vector import SyncVectorEnv

from rlkit import cli, load_policy
from rlkit.envs.batch import BatchEnv
from rlkit.envs.replayable import Replayable
from rlkit.errors import UsageError
from rlkit.rewards.config import RewardConfig
from rlkit.training import checkpoint
from rlkit.training.config import compose_run
from rlkit.training.environments import check_id, make_env, make_envs
from rlkit.training.logs import ProgressBar
from runs import QUIET, assert_same, newest, progress


def test_our_own_are_one_batch() -> None:
    config = compose_run(["env.max_turns=4"]).env
    envs = make_envs(config, 7, reward=RewardConfig(scale=0.5))
    assert isinstance(envs.envs.unwrapped, BatchEnv)
    assert (envs.num_envs, envs.reward_scale) == (7, 0.5)
    assert envs.observation_space.shape == (87,)


def test_others_stand_side_by_side_and_can_be_resumed() -> None:
    envs = make_envs(compose_run(["env=gym", "env.kwargs.max_episode_steps=3"]).env, 2)
    assert isinstance(envs.envs, SyncVectorEnv)
    assert all(isinstance(env, Replayable) for env in envs.envs.envs)
    envs.reset()
    dones = [envs.step(np.zeros(2, dtype=np.int64))[2].all() for _ in range(3)]
    assert dones == [False, False, True]


def test_judging_has_arguments_of_its_own() -> None:
    config = compose_run(["env.eval_kwargs={scenarios:test,opponent:soft}"]).env
    assert make_envs(config, 2).get_attr("opponent_names")[0][0] == "random"
    assert make_envs(config, 2, judging=True).get_attr("opponent_names")[0] == ("soft",)
    assert make_env(config).unwrapped.opponent_names == ("soft",)


@pytest.mark.skipif(platform.system() != "Linux", reason="elsewhere there is a window")
@pytest.mark.parametrize("display", [None, ":0"])
def test_gymnasiums_mujoco_needs_no_window(display: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "MUJOCO_GL"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    if display is not None:
        monkeypatch.setenv("DISPLAY", display)
    config = compose_run(["env=gym", "env.id=Reacher-v5"]).env
    make_env(config).close()
    assert "MUJOCO_GL" not in os.environ
    make_env(config, render_mode="rgb_array").close()
    assert os.environ.get("MUJOCO_GL") == (None if display else "egl")


@pytest.mark.parametrize("env", ["env=sprite", "env=gym", "env=gym env.id=rlkit/Sprite-v0"])
def test_pixels_are_side_by_side_and_can_be_resumed(env: str) -> None:
    config = compose_run([*env.split(), "pixels=true", "env.pixels_edge=20", "env.pixels_stack=3", "agent=dqn"])
    assert (config.env.pixels, config.num_envs(), config.agent.batch_size) == (True, 4, 32)
    envs, other = make_envs(config.env, 2), make_envs(config.env, 2)
    assert envs.observation_space.shape == (3, 20, 20) and (envs.metadata or {})["frame_stack"] == 3
    envs.seed(1)
    envs.reset()
    other.set_state(envs.get_state())
    np.testing.assert_array_equal(envs.step(np.array([1, 0]))[0], other.step(np.array([1, 0]))[0])


@pytest.mark.parametrize(("pixels", "fine", "smooth"), [(False, False, 0), (False, True, 4), (True, True, 0)])
def test_pictures_are_drawn_quickly_unless_they_should_be_fine(pixels: bool, fine: bool, smooth: int) -> None:
    """And pixels always are: a frame of MuJoCo's costs a third without its smooth edges."""
    config = compose_run(["env=gym", "env.id=Hopper-v5", f"pixels={pixels}", "agent=ppo"])
    env: Any = make_env(config.env, fine=fine)
    assert env.unwrapped.model.vis.quality.offsamples == smooth


def test_pixels_have_sizes_of_their_own_and_the_tasks_settings() -> None:
    plain, drawn = (compose_run(["env=negotiation", *more]) for more in ([], ["pixels=true"]))
    assert (plain.num_envs(), drawn.num_envs()) == (1024, 8)
    assert drawn.agent.gamma == plain.agent.gamma == 1.0
    assert compose_run(["env=negotiation", "pixels=true", "agent=a2c"]).env.pixels  # which has no sizes for pictures
    assert compose_run(["pixels=true", "n_envs=3", "agent.batch_size=8"]).num_envs() == 3


def test_agents_of_pixels_play_legally_and_are_judged_by_returns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The task's own judgement plays on its own observations, so it is not theirs."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("rlkit.training.evaluation.FINAL_EPISODES", 2)
    settings = ["env=negotiation", "pixels=true", "agent=dqn", "steps=24", "agent.learning_starts=12", "n_envs=2"]
    settings += ["agent.batch_size=4", "agent.buffer_size=100", "env.max_turns=4", "env.pixels_edge=36", "run_dir=run"]
    assert cli.train_main([*settings, "threads=1", "eval_every=16", "eval_episodes=1", "progress=false"]) == 0
    assert "Mean return over 2 episodes of rlkit/Negotiation-v0" in capsys.readouterr().out
    assert load_policy("run").observation_space.shape == (4, 36, 36)
    assert any(row.get("negotiation/illegal") == "0.0" for row in progress(tmp_path / "run"))
    assert cli.evaluate_main(["run=run", "opponents=[boulware]"]) == 2
    assert "not judged by opponents=" in capsys.readouterr().err
    assert cli.evaluate_main(["run=run", "episodes=1", "video=clip.gif", "video_seconds=2"]) == 0
    assert (tmp_path / "clip.gif").stat().st_size > 1000
    assert cli.play_main(["run=run"]) == 2
    assert "sees pixels" in capsys.readouterr().err


REFUSED: dict[str, tuple[list[str], str]] = {
    "id": (["env=gym", "env.id=CartPole-v11"], r"unknown env.id 'CartPole-v11': did you mean 'CartPole-v1'\?"),
    "no version": (["env=gym", "env.id=CartPole"], "unknown env.id 'CartPole': did you mean 'CartPole-v"),
    "namespace": (["env=gym", "env.id=rlkit/Negotation-v0"], "did you mean 'rlkit/Negotiation-v0'"),
    "module": (["env=gym", "env.id=no_such_module:Env-v0"], "cannot be made: .*no_such_module"),
    "id in a module": (["env=gym", "env.id=toys:Tyo-v0"], "env.id=toys:Tyo-v0 cannot be made"),
    "argument": (["env=gym", "env.kwargs.gravity=3"], "env.id=CartPole-v1 cannot be made: .*gravity"),
    "library": (["env=gym", "env.id=LunarLander-v3"], "env.id=LunarLander-v3 cannot be made: Box2D is not installed"),
    "no pictures": (["env=gym", "env.id=toys:Toy-v0", "pixels=true"], "env.id=toys:Toy-v0 cannot be made"),
    "no rgb_array": (["env=gym", "env.id=toys:Blind-v0", "pixels=true"], "an environment that draws itself: Blind-v0"),
    "no edge": (["pixels=true", "env.pixels_edge=4"], "env.pixels_edge must be at least 8, got 4"),
    "edge of nothing": (["env.pixels_edge=42"], "env.pixels_edge=42 is of no effect without pixels=true"),
    "learner": (["env=cooling", "agent=pue_predictor", "pixels=true"], "does not learn from pictures"),
    "opponent": (
        ["env.opponent=lineal"],
        "env.id=rlkit/Negotiation-v0 cannot be made: unknown opponent 'lineal'.*linear",
    ),
    "turns": (["env.max_turns=1"], "cannot be made: max_turns must be"),
    "seat": (["env.seat=2"], "cannot be made: seat must be"),
    "discount": (["env.discount=0"], "cannot be made: discount must be"),
    "illegal": (["env.illegal=perhaps"], "cannot be made: illegal must be"),
    "scenarios": (["env.scenarios=nowhere.txt"], "cannot read scenarios from 'nowhere.txt': No such file"),
    "weights": (["env.opponent={linear:-1}"], "the weight of opponent 'linear' must be a number >= 0"),
}


@pytest.mark.parametrize("mistake", list(REFUSED))
def test_what_cannot_be_made_is_told_before_there_is_a_folder(
    mistake: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    overrides, message = REFUSED[mistake]
    with pytest.raises(UsageError, match=message):
        make_envs(compose_run(overrides).env, 2)
    monkeypatch.chdir(tmp_path)
    assert cli.train_main(overrides) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_every_registered_id_is_known() -> None:
    import gymnasium

    for env_id in list(gymnasium.registry):
        check_id(env_id)
    check_id("some.module:Any-v0")


TOYS = {
    "pictures": ("toys:Pictures-v0", ["agent=dqn", "agent.learning_starts=30", "agent.buffer_size=80"]),
    "dictionary": ("toys:Mixed-v0", ["agent=ppo", "agent.n_steps=16", "n_envs=2"]),
    "masks": ("toys:Masked-v0", ["agent=ppo", "agent.n_steps=16", "n_envs=2"]),
    "several actions": ("toys:Dials-v0", ["agent=a2c", "n_envs=2"]),
    "numbered states": ("Taxi-v4", ["agent=qrdqn", "agent.learning_starts=30", "agent.buffer_size=80"]),
}


@pytest.mark.parametrize("kind", list(TOYS))
def test_other_spaces_are_trained_judged_stopped_and_resumed(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Through the whole command, bit for bit: pictures with channels last, dictionaries, masks, states as numbers."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("rlkit.training.run.draw_curves", lambda folder: None)
    env_id, settings = TOYS[kind]
    if env_id.startswith("Taxi"):
        import gymnasium

        env_id = max(name for name in gymnasium.registry if name.startswith("Taxi-v"))
    settings = [*settings, "env=gym", f"env.id={env_id}", "steps=160", "log_every=32", "eval_every=64", "threads=1"]
    settings += ["eval_episodes=2", "checkpoint_every=64", "agent.net_arch=[8]", *QUIET]
    settings += ["agent.batch_size=16"] if "agent=a2c" not in settings else []
    assert cli.train_main([*settings, "run_dir=whole"]) == 0
    update = ProgressBar.update

    def interrupted(self: ProgressBar, step: int, mean_return: float | None) -> None:
        update(self, step, mean_return)
        if step == 100:
            signal.raise_signal(signal.SIGINT)

    with monkeypatch.context() as patch:
        patch.setattr(ProgressBar, "update", interrupted)
        assert cli.train_main([*settings, "run_dir=run"]) == 130
    np.random.seed(99)
    assert cli.train_main(["resume=run"]) == 0
    assert_same(checkpoint.load(newest(tmp_path / "run")), checkpoint.load(newest(tmp_path / "whole")))
    assert progress(tmp_path / "run") == progress(tmp_path / "whole")
    assert cli.evaluate_main(["run=run", "episodes=3"]) == 0
    env: Any = make_env(compose_run(["env=gym", f"env.id={env_id}"]).env)
    observation, _ = env.reset(seed=0)
    assert env.action_space.contains(load_policy("run").predict(observation))
