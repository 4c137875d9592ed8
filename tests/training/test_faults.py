"""What goes wrong outside the program ends with exit code 2, one line that says what to do, and an unharmed run."""

from __future__ import annotations

import ctypes
import functools
import hashlib
import json
import shutil
import signal
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from commands import Command, Finished, run, without_curves
from rlkit.training import checkpoint
from rlkit.training.logs import read_progress
from runs import CARTPOLE, NEGOTIATION, QUIET, assert_same_run


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of CartPole without an interruption."""
    folder = tmp_path_factory.mktemp("whole")
    assert run("train", *CARTPOLE, *QUIET, "run_dir=run", folder=folder).code == 0
    return folder / "run"


def complaint(finished: Finished) -> str:
    """The one line on stderr, after what was said while all went well."""
    assert finished.code == 2, finished.err
    assert "Traceback" not in finished.err
    *before, last = finished.err.splitlines()
    assert last.startswith("error: ") and not any(line.startswith("error: ") for line in before)
    return last


def contents(folder: Path) -> dict[str, str]:
    """Every file with its hash."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def limit_file_size(n_bytes: int) -> None:
    """As on a full disk, files cannot grow any more: EFBIG instead of ENOSPC."""
    import resource

    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, n_bytes))


@pytest.mark.parametrize("kilobytes", [4, 12, 20, 24, 32])
def test_disk_full_of_a_run_that_learns(kilobytes: int, whole: Path, tmp_path: Path) -> None:
    """At any moment: in figures or checkpoint, early or late. With room again it goes on to the same end."""
    fault = functools.partial(limit_file_size, 1024 * kilobytes)
    full = run("train", *CARTPOLE, *QUIET, "run_dir=run", folder=tmp_path, fault=fault)
    said = complaint(full)
    assert "File too large" in said and "resume=run" in said and "make room" in said
    for path in checkpoint.checkpoints(tmp_path / "run" / "checkpoints"):
        checkpoint.load(path)
    assert not list((tmp_path / "run").rglob("*.unfinished*"))
    assert run("train", "resume=run", folder=tmp_path, fault=without_curves).code == 0
    assert_same_run(tmp_path / "run", whole)


def test_disk_full_while_tensors_are_written(tmp_path: Path) -> None:
    """Weights and pictures of another size: the first checkpoint's tensors are what does not fit."""
    fault = functools.partial(limit_file_size, 48 * 1024)
    settings = [*NEGOTIATION, *QUIET, "eval_every=0", "agent.net_arch=[64]"]
    full = run("train", *settings, "run_dir=run", folder=tmp_path, fault=fault)
    assert "cannot write a checkpoint" in complaint(full)
    assert checkpoint.checkpoints(tmp_path / "run" / "checkpoints") == []
    assert run("train", "resume=run", folder=tmp_path).code == 0


def without_privileges() -> None:
    """Give up all of Linux's capabilities, so that permissions hold for root too."""
    header, nothing = struct.pack("Ii", 0x20080522, 0), bytes(24)
    assert ctypes.CDLL(None).capset(header, nothing) == 0


needs_capabilities = pytest.mark.skipif(
    not hasattr(ctypes.CDLL(None), "capset"), reason="permissions can be tested as root on Linux alone"
)


@needs_capabilities
def test_no_permission_to_make_the_run_folder(tmp_path: Path) -> None:
    (tmp_path / "locked").mkdir(mode=0o555)
    finished = run("train", *CARTPOLE, "run_dir=locked/run", folder=tmp_path, fault=without_privileges)
    assert complaint(finished) == (
        "error: cannot make the run folder locked/run: Permission denied. Choose a place with run_dir="
    )


@needs_capabilities
@pytest.mark.parametrize("place", [".", "checkpoints", "policy"])
def test_no_permission_to_go_on(place: str, whole: Path, tmp_path: Path) -> None:
    shutil.copytree(whole, tmp_path / "run")
    before = contents(tmp_path / "run" / "checkpoints")
    (tmp_path / "run" / place).chmod(0o555)
    finished = run("train", "resume=run", "steps=1200", folder=tmp_path, fault=without_privileges)
    said = complaint(finished)
    assert "Permission denied" in said and "resume=run" in said and "give write permission" in said
    assert before.items() <= contents(tmp_path / "run" / "checkpoints").items() or place == "policy"
    (tmp_path / "run" / place).chmod(0o755)
    assert run("train", "resume=run", "steps=1200", folder=tmp_path).code == 0


@needs_capabilities
def test_no_permission_to_read(whole: Path, tmp_path: Path) -> None:
    shutil.copytree(whole, tmp_path / "run")
    (tmp_path / "run" / "config.yaml").chmod(0)
    for command, argument in (("train", "resume=run"), ("evaluate", "run=run"), ("report", "run")):
        finished = run(command, argument, folder=tmp_path, fault=without_privileges)
        assert "cannot read config.yaml (Permission denied)" in complaint(finished)


@needs_capabilities
def test_no_permission_to_save_a_judgement_or_a_comparison(whole: Path, tmp_path: Path) -> None:
    shutil.copytree(whole, tmp_path / "run")
    (tmp_path / "run").chmod(0o555)
    (tmp_path / "locked").mkdir(mode=0o555)
    finished = run("evaluate", "run=run", "episodes=1", "save=true", folder=tmp_path, fault=without_privileges)
    assert "cannot write run/evaluation.json: Permission denied" in complaint(finished)
    finished = run("report", "run", "output=locked/out", folder=tmp_path, fault=without_privileges)
    assert "cannot write to locked/out: Permission denied" in complaint(finished)


def test_two_processes_cannot_train_in_one_folder(whole: Path, tmp_path: Path) -> None:
    """The second is turned away, and the first does not notice."""
    first = Command("train", *CARTPOLE, *QUIET, "run_dir=run", folder=tmp_path)
    table = tmp_path / "run" / "progress.csv"
    first.wait_until(lambda: table.exists() and len(read_progress(table)) > 1)
    first.send(signal.SIGSTOP)
    try:
        before = contents(tmp_path / "run")
        second = run("train", "resume=run", folder=tmp_path)
        assert "another process is training in run: wait for it, or stop it" in complaint(second)
        assert contents(tmp_path / "run") == before
    finally:
        first.send(signal.SIGCONT)
    assert first.wait().code == 0
    assert_same_run(tmp_path / "run", whole)


def test_a_stopped_process_leaves_no_lock(whole: Path, tmp_path: Path) -> None:
    shutil.copytree(whole, tmp_path / "run")
    assert run("train", "resume=run", folder=tmp_path).code == 0
    assert run("train", "resume=run", folder=tmp_path).code == 0


def newer_config(folder: Path) -> None:
    config = yaml.safe_load((folder / "config.yaml").read_text())
    (folder / "config.yaml").write_text(yaml.safe_dump({**config, "format": 2}))


def newer_manifest(folder: Path) -> None:
    manifest = checkpoint.checkpoints(folder / "checkpoints")[-1] / checkpoint.MANIFEST
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "format": 2}))


def newer_policy(folder: Path) -> None:
    description = folder / "policy" / "policy.json"
    description.write_text(json.dumps({**json.loads(description.read_text()), "format": 2}))


NEWER: list[tuple[Callable[[Path], None], str, str]] = [
    (newer_config, "train", "resume=run"),
    (newer_config, "evaluate", "run=run"),
    (newer_config, "play", "run=run"),
    (newer_config, "report", "run"),
    (newer_manifest, "train", "resume=run"),
    (newer_policy, "evaluate", "run=run"),
]


@pytest.mark.parametrize(("change", "command", "argument"), NEWER)
def test_newer_formats_are_told(
    change: Callable[[Path], None], command: str, argument: str, whole: Path, tmp_path: Path
) -> None:
    shutil.copytree(whole, tmp_path / "run")
    change(tmp_path / "run")
    before = contents(tmp_path / "run")
    said = complaint(run(command, argument, folder=tmp_path))
    assert "has format 2, this rlkit reads up to 1: install" in said
    assert contents(tmp_path / "run") == before


MISTAKEN: dict[str, tuple[str, list[str], str]] = {
    "no run": ("train", ["resume=nowhere"], "nowhere is not a run folder: cannot read config.yaml"),
    "not a run": ("evaluate", ["run=."], ". is not a run folder: cannot read config.yaml"),
    "other env": ("train", ["resume=run", "env=negotiation"], "run is a run of env=gym, not env=negotiation"),
    "other agent": ("train", ["resume=run", "agent=ppo"], "run is a run of agent=dqn, not agent=ppo"),
    "other setting": ("train", ["resume=run", "agent.gamma=0.5"], "agent.gamma=0.5 cannot be changed in a run"),
    "other id": ("train", ["resume=run", "env.id=Acrobot-v1"], "env.id=Acrobot-v1 cannot be changed in a run"),
    "other folder": ("train", ["resume=run", "run_dir=other"], "resume=run goes on in that folder: leave run_dir="),
    "mistyped": ("train", ["resume=run", "stepps=5"], "unknown key 'stepps': did you mean 'steps'?"),
    "taken": ("train", [*CARTPOLE, "run_dir=run"], "run has a run already: go on with resume=run"),
    "not empty": ("train", [*CARTPOLE, "run_dir=full"], "run_dir=full is not empty: choose another"),
    "below a file": ("train", [*CARTPOLE, "run_dir=full/file/run"], "run folder full/file/run: Not a directory"),
    "a file": ("train", [*CARTPOLE, "run_dir=full/file"], "cannot make the run folder full/file: File exists"),
    "too long": ("train", [*CARTPOLE, f"run_dir={'x' * 300}"], "File name too long"),
    "not bargaining": ("play", ["run=run"], "run is a run of CartPole-v1: only agents of env=negotiation bargain"),
    "not its setting": ("evaluate", ["run=run", "opponents=[linear]"], "not judged by opponents=: there are: episodes"),
    "no runs below": ("report", ["full"], "no run folder at or below full"),
}


@pytest.mark.parametrize("mistake", list(MISTAKEN))
def test_wrong_folders_are_told_and_left_alone(mistake: str, whole: Path, tmp_path: Path) -> None:
    shutil.copytree(whole, tmp_path / "run")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").write_text("mine")
    command, arguments, expected = MISTAKEN[mistake]
    before = contents(tmp_path)
    assert expected in complaint(run(command, *arguments, folder=tmp_path))
    after = {name: content for name, content in contents(tmp_path).items() if not name.startswith((".out", ".err"))}
    assert after == before


@pytest.mark.parametrize("agent", ["ppo", "dqn"])
def test_training_that_diverges_is_told(agent: str, tmp_path: Path) -> None:
    """PyTorch refuses ppo's logits by itself, dqn would go on with values that are no numbers; neither is saved."""
    settings = [*CARTPOLE, *QUIET, "run_dir=run"]
    if agent == "ppo":
        settings = [*NEGOTIATION, *QUIET, "env=gym", "env.id=CartPole-v1", "run_dir=run"]
        settings.remove("env=negotiation")
    finished = run("train", *settings, folder=tmp_path, fault=explode_late)
    said = complaint(finished)
    assert "training diverged: after " in said and "lower agent.learning_rate or reward.scale" in said
    kept = checkpoint.checkpoints(tmp_path / "run" / "checkpoints")
    assert kept
    for path in kept:
        assert all(tensor.isfinite().all() for tensor in checkpoint.load(path)["modules"]["policy"].values())


def explode_late() -> None:
    """The learning rate becomes absurd after some time."""
    from stable_baselines3.common.base_class import BaseAlgorithm

    update = BaseAlgorithm._update_learning_rate

    def exploding(self: BaseAlgorithm, optimizers: object) -> None:
        if self.num_timesteps > 500:
            self.lr_schedule = lambda left: 1e38
        update(self, optimizers)  # type: ignore[arg-type]

    BaseAlgorithm._update_learning_rate = exploding  # type: ignore[method-assign]
