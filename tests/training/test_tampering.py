"""Nothing that is loaded runs code, whoever wrote it; what is damaged is told, and by one kind of exception."""

from __future__ import annotations

import io
import json
import os
import pickle
import random
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch as th
import yaml

from rlkit import cli, load_policy
from rlkit.agents import policy as policies
from rlkit.envs.replayable import Replayable
from rlkit.errors import UsageError
from rlkit.training import checkpoint
from rlkit.training.folder import RunFolder
from rlkit.training.logs import read_progress
from rlkit.training.report import compare
from runs import assert_same, newest


class Bomb:
    """Makes a file when it is unpickled."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> Any:
        return os.system, (f"touch {self.canary}",)


def pickled(canary: Path) -> bytes:
    return pickle.dumps({"policy": Bomb(canary)})


def torch_archive(canary: Path) -> bytes:
    content = io.BytesIO()
    th.save({"policy": Bomb(canary)}, content)
    return content.getvalue()


def object_arrays(canary: Path) -> bytes:
    content = io.BytesIO()
    np.savez(content, a0=np.array([Bomb(canary)], dtype=object), a1=np.zeros(3))
    return content.getvalue()


def object_array(canary: Path) -> bytes:
    content = io.BytesIO()
    np.save(content, np.array([Bomb(canary)], dtype=object))
    return content.getvalue()


def yaml_object(canary: Path) -> bytes:
    return f'!!python/object/apply:os.system ["touch {canary}"]\n'.encode()


def yaml_object_inside(canary: Path) -> bytes:
    return b"format: 1\nsteps: " + yaml_object(canary)


def sb3_archive(canary: Path) -> bytes:
    """As Stable-Baselines3's ``model.save``: a zip whose ``data`` has pickles in base64."""
    import base64

    content = io.BytesIO()
    data = {"policy_class": {":type:": "x", ":serialized:": base64.b64encode(pickled(canary)).decode()}}
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("data", json.dumps(data))
        archive.writestr("policy.pth", torch_archive(canary))
    return content.getvalue()


PAYLOADS = [pickled, torch_archive, object_arrays, object_array, yaml_object, yaml_object_inside, sb3_archive]
SLOTS = [
    "config.yaml",
    "progress.csv",
    "evaluation.json",
    "policy/policy.json",
    "policy/weights.safetensors",
    *(f"checkpoints/newest/{name}" for name in (checkpoint.STATE, checkpoint.ARRAYS, checkpoint.TENSORS)),
    f"checkpoints/newest/{checkpoint.MANIFEST}",
]


def slot(run: Path, name: str) -> Path:
    return newest(run) / name.rpartition("/")[2] if "newest" in name else run / name


def forge_sums(run: Path) -> None:
    """Make the sums fit again, as someone would who means harm."""
    manifest = newest(run) / checkpoint.MANIFEST
    names = (checkpoint.STATE, checkpoint.ARRAYS, checkpoint.TENSORS)
    sums = {name: checkpoint._sha256(newest(run) / name) for name in names}
    manifest.write_text(json.dumps({"format": checkpoint.FORMAT, "sha256": sums}))
    description = run / "policy" / "policy.json"
    try:
        said = json.loads(description.read_text())
        said["sha256"] = policies._sha256((run / "policy" / "weights.safetensors").read_bytes(), said)
        description.write_text(json.dumps(said))
    except (ValueError, TypeError, AttributeError, RecursionError):
        pass  # no description any more


READERS: dict[str, Callable[[Path], Any]] = {
    "policy": lambda run: load_policy(run),
    "checkpoint": lambda run: checkpoint.load_newest(run / "checkpoints", lambda message: None),
    "config": lambda run: RunFolder(run).read_config(),
    "progress": lambda run: read_progress(run / "progress.csv"),
    "report": lambda run: compare([run], run / "comparison"),
}


def read_all(run: Path, *names: str) -> dict[str, Any]:
    """What each reader finds, or its UsageError."""
    found: dict[str, Any] = {}
    for name in names or READERS:
        try:
            found[name] = READERS[name](run)
        except UsageError as error:
            assert str(error)
            found[name] = error
    return found


@pytest.mark.parametrize("payload", [pickled, torch_archive, object_arrays])
def test_the_canary_would_sing(payload: Callable[[Path], bytes], tmp_path: Path) -> None:
    """The payloads are live: what loads pickles runs them."""
    canary = tmp_path / "canary"
    content = payload(canary)
    if payload is pickled:
        pickle.loads(content)
    elif payload is torch_archive:
        th.load(io.BytesIO(content), weights_only=False)
    else:
        with np.load(io.BytesIO(content), allow_pickle=True) as stored:
            stored["a0"]
    assert canary.exists()


@pytest.mark.parametrize("forged", [False, True], ids=["sums as they were", "sums forged"])
@pytest.mark.parametrize("payload", PAYLOADS)
@pytest.mark.parametrize("name", SLOTS)
def test_no_slot_runs_code(
    name: str, payload: Callable[[Path], bytes], forged: bool, cartpole_run: Path, tmp_path: Path
) -> None:
    run, canary = tmp_path / "run", tmp_path / "canary"
    shutil.copytree(cartpole_run, run)
    slot(run, name).write_bytes(payload(canary))
    if forged:
        forge_sums(run)
        slot(run, name).write_bytes(payload(canary))  # the sums' own files too
    if "checkpoints" in name:  # nothing to fall back to
        for path in checkpoint.checkpoints(run / "checkpoints")[:-1]:
            shutil.rmtree(path)
    reader = {"config.yaml": "config", "progress.csv": "progress", "evaluation.json": "report"}.get(name)
    found = read_all(run, reader or ("policy" if name.startswith("policy") else "checkpoint"))
    assert all(isinstance(error, UsageError) for error in found.values())
    assert not canary.exists()


COMMANDS = {
    "resume": (cli.train_main, ["resume=run"], ["config.yaml", f"checkpoints/newest/{checkpoint.TENSORS}"]),
    "evaluate": (cli.evaluate_main, ["run=run"], ["config.yaml", "policy/weights.safetensors", "policy/policy.json"]),
    "report": (cli.report_main, ["run"], ["config.yaml", "progress.csv", "evaluation.json"]),
    "play": (cli.play_main, ["opponent=run"], ["policy/weights.safetensors", "policy/policy.json"]),
}


@pytest.mark.parametrize("command", list(COMMANDS))
def test_no_command_runs_code(
    command: str,
    cartpole_run: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    main, arguments, names = COMMANDS[command]
    for number, name in enumerate(names):
        for payload in (pickled, yaml_object):
            shutil.rmtree("run", ignore_errors=True)
            shutil.copytree(cartpole_run, "run")
            for path in checkpoint.checkpoints(tmp_path / "run" / "checkpoints")[:-1]:
                shutil.rmtree(path)
            slot(tmp_path / "run", name).write_bytes(payload(tmp_path / "canary"))
            assert main(arguments) == 2, (number, name)
            assert capsys.readouterr().err.splitlines()[-1].startswith("error: ")
            assert not (tmp_path / "canary").exists()


@pytest.mark.parametrize("payload", [sb3_archive, torch_archive, pickled])
def test_an_archive_is_no_policy(
    payload: Callable[[Path], bytes], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Stable-Baselines3's own zip is never opened."""
    archive, canary = tmp_path / "model.zip", tmp_path / "canary"
    archive.write_bytes(payload(canary))
    with pytest.raises(UsageError, match=r"no policy in .*model\.zip"):
        load_policy(archive)
    assert cli.play_main([f"opponent={archive}"]) == 2
    assert cli.evaluate_main([f"run={archive}"]) == 2
    assert cli.train_main([f"resume={archive}"]) == 2
    assert capsys.readouterr().err.count("error: ") == 3
    assert not canary.exists()


def test_a_generator_is_looked_up_and_never_called_by_name() -> None:
    """`numpy.random` has functions that do more than make bits, such as `test`."""
    import gymnasium

    env = Replayable(gymnasium.make("CartPole-v1"))
    env.reset()
    state = env.get_state()
    for name in ("test", "seed", "default_rng", "PCG65"):
        with pytest.raises(KeyError):
            env.set_state({**state, "generator": {**state["generator"], "bit_generator": name}})


DEEP = "[" * 100_000


@pytest.mark.parametrize("name", ["config.yaml", "policy/policy.json", f"checkpoints/newest/{checkpoint.STATE}"])
def test_depth_is_told(name: str, cartpole_run: Path, tmp_path: Path) -> None:
    """Parsers recurse, and Python has its limit."""
    shutil.copytree(cartpole_run, tmp_path / "run")
    slot(tmp_path / "run", name).write_text(DEEP if name != "config.yaml" else DEEP[:1500])
    forge_sums(tmp_path / "run")
    found = read_all(tmp_path / "run")
    assert sum(isinstance(each, UsageError) for each in found.values()) >= (
        name != f"checkpoints/newest/{checkpoint.STATE}"
    )


HOSTILE: dict[str, dict[str, Any]] = {
    "class path as agent": {"agent": "os:system"},
    "list as agent": {"agent": ["ppo"]},
    "no space": {"observation_space": {"kind": "Tuple"}},
    "negative space": {"action_space": {"kind": "Discrete", "n": -1, "start": 0}},
    "huge space": {"observation_space": {"kind": "Box", "low": 0, "high": 1, "shape": [10**15], "dtype": "float32"}},
    "object space": {"observation_space": {"kind": "Box", "low": 0, "high": 1, "shape": [4], "dtype": "object"}},
    "other width": {"net_arch": [17]},
    "negative width": {"net_arch": [-1]},
    "huge width": {"net_arch": [10**15]},
    "unknown activation": {"activation": "torch.nn.ELU"},
    "no agent": {"agent": None},
    "text as format": {"format": "1"},
}


@pytest.mark.parametrize("change", list(HOSTILE))
def test_hostile_descriptions_are_told(change: str, cartpole_run: Path, tmp_path: Path) -> None:
    """What ``policy.json`` names is looked up in tables, and what does not fit is an error, its sum forged or not."""
    shutil.copytree(cartpole_run, tmp_path / "run")
    description = tmp_path / "run" / "policy" / "policy.json"
    description.write_text(json.dumps({**json.loads(description.read_text()), **HOSTILE[change]}))
    with pytest.raises(UsageError):
        load_policy(tmp_path / "run")
    forge_sums(tmp_path / "run")
    with pytest.raises(UsageError):
        load_policy(tmp_path / "run")


def mutated(content: bytes, rng: random.Random) -> bytes:
    """A few bits flipped, a piece cut out, doubled, overwritten, or the end cut off."""
    data = bytearray(content)
    start = rng.randrange(len(data))
    length = rng.choice([1, 2, 8, 64])
    kind = rng.randrange(5)
    if kind == 0:
        for _ in range(rng.randint(1, 4)):
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    elif kind == 1:
        del data[start : start + length]
    elif kind == 2:
        data[start:start] = data[start : start + length]
    elif kind == 3:
        data[start : start + length] = rng.randbytes(length)
    else:
        del data[start:]
    return bytes(data)


@pytest.mark.parametrize("forged", [False, True], ids=["sums as they were", "sums forged"])
@pytest.mark.parametrize("name", [slot for slot in SLOTS if slot not in ("evaluation.json",)])
def test_mutations_are_told_or_change_nothing(name: str, forged: bool, cartpole_run: Path, tmp_path: Path) -> None:
    """16 mutations a file. With sums, what loads is what was saved; without, it may differ, but not surprise."""
    readers = ("policy", "checkpoint", "config", "progress")
    original = read_all(cartpole_run, *readers)
    observations = np.random.default_rng(0).normal(size=(20, 4)).astype(np.float32)
    rng = random.Random(name)
    shutil.copytree(cartpole_run, tmp_path / "run")
    run = tmp_path / "run"
    for path in checkpoint.checkpoints(run / "checkpoints")[:-1]:
        shutil.rmtree(path)
    place = slot(run, name)
    content = place.read_bytes()
    kept = {path: path.read_bytes() for path in (newest(run) / checkpoint.MANIFEST, run / "policy" / "policy.json")}
    for _ in range(16):
        place.write_bytes(mutated(content, rng))
        if forged:
            forge_sums(run)
        found = read_all(run, *readers)
        policy, saved = found["policy"], found["checkpoint"]
        if not forged and not isinstance(policy, UsageError):
            np.testing.assert_array_equal(policy.predict(observations), original["policy"].predict(observations))
            assert policy.description == original["policy"].description
        if not forged and not isinstance(saved, UsageError):
            assert_same(saved[1], original["checkpoint"][1])
        place.write_bytes(content)
        for path, text in kept.items():
            path.write_bytes(text)


def test_a_configuration_does_not_read_the_readers_environment(cartpole_run: Path, tmp_path: Path) -> None:
    """OmegaConf would follow ${oc.env:...}, and the next resume would write it down."""
    shutil.copytree(cartpole_run, tmp_path / "run")
    config = yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())
    config["env"]["kwargs"] = {"title": "${oc.env:HOME}"}
    (tmp_path / "run" / "config.yaml").write_text(yaml.safe_dump(config))
    with pytest.raises(UsageError, match=r"config\.yaml does not fit this rlkit: \$\{\.\.\.\} is not followed"):
        RunFolder(tmp_path / "run").read_config()
