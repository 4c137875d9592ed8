"""A run that was killed goes on as if nothing had happened, bit for bit."""

from __future__ import annotations

import functools
import os
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch as th

from commands import Command, kill_at, run, without_curves
from rlkit import cli
from rlkit.agents import AGENTS
from rlkit.training import checkpoint
from rlkit.training.logs import ProgressBar, read_progress
from runs import CARTPOLE, NEGOTIATION, QUIET, assert_same, assert_same_run, newest, progress

RUNS = {"negotiation-ppo": NEGOTIATION, "cartpole-dqn": CARTPOLE}
every_run = pytest.mark.parametrize("kind", list(RUNS))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Each run without an interruption."""
    folder = tmp_path_factory.mktemp("whole")
    for kind, settings in RUNS.items():
        finished = run("train", *settings, *QUIET, f"run_dir={kind}", folder=folder, fault=without_curves)
        assert finished.code == 0, finished.err
    return {kind: folder / kind for kind in RUNS}


def resume(folder: Path, *settings: str) -> str:
    """Go on to the end; what was said."""
    finished = run("train", "resume=run", *settings, folder=folder, fault=without_curves)
    assert finished.code == 0, finished.err
    return finished.err


def reached(folder: Path, step: int) -> Callable[[], bool]:
    """Whether the figures of a step are in the table."""
    table = folder / "run" / "progress.csv"
    return lambda: table.exists() and any(row["step"] >= step for row in read_progress(table))


@every_run
@pytest.mark.parametrize("share", [0.0, 0.35, 0.65])
def test_killed_at_a_random_moment(kind: str, share: float, whole: dict[str, Path], tmp_path: Path) -> None:
    steps = int(progress(whole[kind])[-1]["step"])
    command = Command("train", *RUNS[kind], *QUIET, "run_dir=run", folder=tmp_path)
    command.wait_until(reached(tmp_path, int(share * steps)))
    time.sleep(random.uniform(0.0, 0.05))
    command.send(signal.SIGKILL)
    assert command.wait().code == -signal.SIGKILL
    resume(tmp_path)
    assert_same_run(tmp_path / "run", whole[kind])


def kill_before_description(time_written: int) -> None:
    """Be killed before ``policy.json`` takes its place for the n-th time, after the weights did."""
    replace, seen = Path.replace, [0]

    def counted(self: Path, target: Any) -> Any:
        seen[0] += Path(target).name == "policy.json"
        if seen[0] == time_written:
            os.kill(os.getpid(), signal.SIGKILL)
        return replace(self, target)

    Path.replace = counted  # type: ignore[method-assign]


# While the third checkpoint is written: each has three files with a sum and six things to sync, then comes the policy.
WRITING: dict[str, tuple[str, Callable[[], None]]] = {
    "no manifest yet": ("cartpole-dqn", functools.partial(kill_at, "rlkit.training.checkpoint:_sha256", 7)),
    "whole, not synced": ("cartpole-dqn", functools.partial(kill_at, "rlkit.training.checkpoint:_sync", 13)),
    "synced, not renamed": ("negotiation-ppo", functools.partial(kill_at, "rlkit.training.checkpoint:_sync", 17)),
    "renamed, not synced": ("cartpole-dqn", functools.partial(kill_at, "rlkit.training.checkpoint:_sync", 18)),
    "policy still old": ("cartpole-dqn", functools.partial(kill_at, "rlkit.agents.policy:write_together", 3)),
    "weights new, their description old": ("cartpole-dqn", functools.partial(kill_before_description, 3)),
}


@pytest.mark.parametrize("moment", list(WRITING))
def test_killed_while_a_checkpoint_is_written(moment: str, whole: dict[str, Path], tmp_path: Path) -> None:
    kind, fault = WRITING[moment]
    killed = run("train", *RUNS[kind], *QUIET, "run_dir=run", folder=tmp_path, fault=fault)
    assert killed.code == -signal.SIGKILL
    resume(tmp_path)
    assert_same_run(tmp_path / "run", whole[kind])
    assert names(tmp_path / "run" / "checkpoints") == names(whole[kind] / "checkpoints")


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_killed_twice(whole: dict[str, Path], tmp_path: Path) -> None:
    kind = "negotiation-ppo"
    command = Command("train", *RUNS[kind], *QUIET, "run_dir=run", folder=tmp_path)
    for step in (700, 1600):
        command.wait_until(reached(tmp_path, step))
        command.send(signal.SIGKILL)
        command.wait()
        command = Command("train", "resume=run", folder=tmp_path)
    assert command.wait().code == 0
    assert_same_run(tmp_path / "run", whole[kind])


@every_run
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_asked_to_stop(kind: str, number: signal.Signals, whole: dict[str, Path], tmp_path: Path) -> None:
    """A checkpoint of that moment, a message that says how to go on, and the exit code of the signal."""
    command = Command("train", *RUNS[kind], *QUIET, "run_dir=run", folder=tmp_path)
    command.wait_until(reached(tmp_path, 250))
    command.send(number)
    stopped = command.wait()
    assert stopped.code == 128 + number
    assert "Traceback" not in stopped.err
    assert stopped.err.splitlines()[-1] == "Stopped. Go on with: python scripts/train.py resume=run"
    steps = checkpoint.load(newest(tmp_path / "run"))["counters"]["num_timesteps"]
    assert steps >= int(progress(tmp_path / "run")[-1]["step"])
    resume(tmp_path)
    assert_same_run(tmp_path / "run", whole[kind])


def test_asked_to_stop_before_the_first_iteration(whole: dict[str, Path], tmp_path: Path) -> None:
    kind = "cartpole-dqn"
    stopped = run("train", *RUNS[kind], *QUIET, "run_dir=run", folder=tmp_path, fault=interrupt_at_once)
    assert stopped.code == 130
    assert newest(tmp_path / "run").name == "step-000000000000"
    resume(tmp_path)
    assert_same_run(tmp_path / "run", whole[kind])


def interrupt_at_once() -> None:
    from rlkit.training import run as runs

    start = runs.RunCallback._on_training_start

    def interrupted(self: Any) -> None:
        signal.raise_signal(signal.SIGINT)
        start(self)

    runs.RunCallback._on_training_start = interrupted  # type: ignore[method-assign]


def test_asked_twice_stops_at_once(tmp_path: Path) -> None:
    """The second Ctrl-C does not wait for the iteration, and the run still goes on from its newest checkpoint."""
    stopped = run("train", *CARTPOLE, *QUIET, "run_dir=run", folder=tmp_path, fault=interrupt_twice)
    assert stopped.code == 130
    assert "Traceback" not in stopped.err
    assert "resume=run" in stopped.err.splitlines()[-1]
    assert newest(tmp_path / "run").name == "step-000000000300"
    resume(tmp_path)


def interrupt_twice() -> None:
    update = ProgressBar.update

    def interrupted(self: ProgressBar, step: int, mean_return: float | None) -> None:
        update(self, step, mean_return)
        if step == 410:
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)

    ProgressBar.update = interrupted  # type: ignore[method-assign]


def interrupt_judging(number: signal.Signals) -> None:
    """Somebody stops the run when it has learned, and its agent is being judged."""
    from rlkit.training import run as runs

    def interrupted(folder: Any, settings: Any = None) -> Any:
        signal.raise_signal(number)

    runs.evaluate_run = interrupted  # type: ignore[assignment]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_asked_to_stop_while_the_agent_is_judged(number: signal.Signals, tmp_path: Path) -> None:
    fault = functools.partial(interrupt_judging, number)
    stopped = run("train", *CARTPOLE, "progress=false", "run_dir=run", folder=tmp_path, fault=fault)
    assert stopped.code == 128 + number
    assert stopped.err.splitlines()[-1] == "Stopped. Go on with: python scripts/train.py resume=run"
    assert not (tmp_path / "run" / "evaluation.json").exists()
    finished = run("train", "resume=run", folder=tmp_path)
    assert finished.code == 0 and "| dqn |" in finished.out
    assert (tmp_path / "run" / "evaluation.json").exists()


def truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-7])


def flipped(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(bytes(content))


DAMAGE: dict[str, tuple[str, Callable[[Path], None]]] = {
    "truncated tensors": (checkpoint.TENSORS, truncated),
    "flipped byte in the arrays": (checkpoint.ARRAYS, flipped),
    "flipped byte in the state": (checkpoint.STATE, flipped),
    "missing manifest": (checkpoint.MANIFEST, Path.unlink),
    "missing arrays": (checkpoint.ARRAYS, Path.unlink),
}


@pytest.mark.parametrize("damage", list(DAMAGE))
def test_damaged_newest_checkpoint_falls_back(damage: str, whole: dict[str, Path], tmp_path: Path) -> None:
    """To the one before, says so, and arrives at the same end, with only whole checkpoints left."""
    kind = "cartpole-dqn"
    copy(whole[kind], tmp_path / "run")
    name, harm = DAMAGE[damage]
    damaged = newest(tmp_path / "run")
    harm(damaged / name)
    said = resume(tmp_path)
    assert f"{damaged.relative_to(tmp_path)}" in said and "is damaged" in said and "Falling back" in said
    for path in checkpoint.checkpoints(tmp_path / "run" / "checkpoints"):
        checkpoint.load(path)
    assert_same_run(tmp_path / "run", whole[kind])


def test_no_whole_checkpoint_is_an_error(whole: dict[str, Path], tmp_path: Path) -> None:
    copy(whole["cartpole-dqn"], tmp_path / "run")
    for path in checkpoint.checkpoints(tmp_path / "run" / "checkpoints"):
        truncated(path / checkpoint.TENSORS)
    before = sorted((path.relative_to(tmp_path), path.stat().st_mtime_ns) for path in (tmp_path / "run").rglob("*"))
    finished = run("train", "resume=run", folder=tmp_path)
    assert finished.code == 2
    assert finished.err.startswith("error: no checkpoint in run/checkpoints is whole")
    assert "begin a new run" in finished.err and finished.err.count("\n") == 1
    after = sorted((path.relative_to(tmp_path), path.stat().st_mtime_ns) for path in (tmp_path / "run").rglob("*"))
    assert before == after


def copy(run_folder: Path, target: Path) -> None:
    """A run of its own; hard links would be damaged with the original."""
    for path in run_folder.rglob("*"):
        if path.is_file():
            place = target / path.relative_to(run_folder)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(path.read_bytes())


def test_more_steps_go_on_and_are_remembered(whole: dict[str, Path], tmp_path: Path) -> None:
    """`steps=<more>` on resuming holds for the next resume too."""
    copy(whole["cartpole-dqn"], tmp_path / "run")
    command = Command("train", "resume=run", "steps=1500", folder=tmp_path)
    command.wait_until(reached(tmp_path, 1100))
    command.send(signal.SIGTERM)
    assert command.wait().code == 143
    resume(tmp_path)
    assert newest(tmp_path / "run").name == "step-000000001500"


def test_resuming_a_finished_run_finishes_it_again(whole: dict[str, Path], tmp_path: Path) -> None:
    """Report, curves and the newest checkpoint's policy come back, and nothing is trained."""
    copy(whole["cartpole-dqn"], tmp_path / "run")
    lost = ["report.md", "curves.png", "policy/policy.json", "policy/weights.safetensors"]
    for name in lost:
        (tmp_path / "run" / name).unlink(missing_ok=True)
    finished = run("train", "resume=run", folder=tmp_path)
    assert finished.code == 0 and "900 steps already" in finished.err
    assert all((tmp_path / "run" / name).exists() for name in lost)
    assert_same_run(tmp_path / "run", whole["cartpole-dqn"])


SMALL = {
    "on": ("agent.n_steps=32", "n_envs=2"),
    "off": ("agent.learning_starts=41", "agent.buffer_size=200", "agent.batch_size=16"),
}


def go_on_bit_for_bit(settings: list[str], folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Trained at once, and stopped after 127 or 128 steps and gone on with: the same."""
    monkeypatch.chdir(folder)
    monkeypatch.setattr("rlkit.training.run.draw_curves", lambda folder: None)
    assert cli.train_main([*settings, "run_dir=whole"]) == 0
    update, asked = ProgressBar.update, []

    def interrupted(self: ProgressBar, step: int, mean_return: float | None) -> None:
        update(self, step, mean_return)
        if step in (127, 128) and not asked:
            asked.append(step)
            signal.raise_signal(signal.SIGTERM)

    with monkeypatch.context() as patch:
        patch.setattr(ProgressBar, "update", interrupted)
        assert cli.train_main([*settings, "run_dir=run"]) == 143
    np.random.seed(12345)
    th.manual_seed(12345)
    assert cli.train_main(["resume=run"]) == 0
    assert_same(checkpoint.load(newest(folder / "run")), checkpoint.load(newest(folder / "whole")))
    assert progress(folder / "run") == progress(folder / "whole")


BRIEF = ["env=gym", "steps=320", "log_every=64", "eval_every=128", "eval_episodes=1", "checkpoint_every=0", "threads=1"]


@pytest.mark.parametrize("agent", list(AGENTS))
def test_every_agent_goes_on_bit_for_bit(agent: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also just before figures are logged, of which some (td3's actor loss) wait for that since an earlier update."""
    spec = AGENTS[agent]
    env_id = "CartPole-v1" if "Discrete" in spec.actions else "Pendulum-v1"
    off_policy = hasattr(spec.config, "buffer_size")
    settings = [*SMALL["off" if off_policy else "on"], f"agent={agent}", f"env.id={env_id}", "agent.net_arch=[8]"]
    settings += ["agent.batch_size=32"] if hasattr(spec.config, "batch_size") and not off_policy else []
    go_on_bit_for_bit([*settings, *BRIEF, *QUIET], tmp_path, monkeypatch)


EVERYTHING = ["agent.towers=true", "agent.normalize_observations=true", "agent.normalize_rewards=true"]


KEPT_NEAR = ["agent=ppo", "agent.desired_kl=0.01", "agent.learning_rate_schedule=linear"]


@pytest.mark.parametrize("agent", [KEPT_NEAR, ["agent=dppo"]], ids=["ppo", "dppo"])
def test_towers_scales_and_divergences_go_on_bit_for_bit(
    agent: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The scales of observations and rewards, the adapted learning rate and the adapted weight are states too."""
    settings = [*agent, *SMALL["on"], *EVERYTHING, "env.id=toys:Reaching-v0", "agent.net_arch=[8]"]
    go_on_bit_for_bit([*settings, "agent.batch_size=32", *BRIEF, *QUIET], tmp_path, monkeypatch)
    rows = progress(tmp_path / "whole")
    adapted = "train/learning_rate" if agent == KEPT_NEAR else "train/kl_coef"
    assert len({row[adapted] for row in rows if row[adapted]}) > 1


SWITCHES = (
    "agent.double=true",
    "agent.dueling=true",
    "agent.noisy=true",
    "agent.prioritized=true",
    "agent.n_steps=3",
)
TASKS = "agent.auxiliary.tasks=[pixel_control,reward_prediction,feature_control]"
PIXELS: dict[str, tuple[str, ...]] = {
    "sprite": ("env.fields=5", "env.frame_stack=3", "env.max_steps=9", *SWITCHES, TASKS, "agent.auxiliary.every=3"),
    "minatar": ("env.game=freeway", TASKS, "agent.auxiliary.pixel_cell=1", "env.max_episode_steps=50"),
    "doom": ("env.frame_skip=10", "agent.train_freq=4", *SWITCHES, TASKS, "agent.auxiliary.shared=false"),
    "gym": ("pixels=true", "env.pixels_edge=42", "agent.train_freq=4", *SWITCHES, TASKS),  # CartPole as it is drawn
}


@pytest.mark.parametrize("env", list(PIXELS))
def test_auxiliary_tasks_and_the_compact_replay_go_on_bit_for_bit(
    env: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With every switch on: frames, priorities, heads and their figures come back."""
    if env in ("minatar", "doom"):
        pytest.importorskip({"minatar": "minatar", "doom": "vizdoom"}[env])
    small = ("agent.learning_starts=41", "agent.buffer_size=200", "agent.batch_size=8", "agent.auxiliary.steps=4")
    settings = [f"env={env}", "agent=dqn", *small, *PIXELS[env], "n_envs=2", *BRIEF[1:], *QUIET]
    go_on_bit_for_bit(settings, tmp_path, monkeypatch)
