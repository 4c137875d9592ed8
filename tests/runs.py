"""Tiny runs, and whether two of them are the same."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import torch as th
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from rlkit.training import checkpoint

QUIET = ("evaluate=false", "progress=false")
NEGOTIATION = (
    "env=negotiation",
    "agent=ppo",
    "seed=3",
    "steps=2560",
    "n_envs=16",
    "agent.n_steps=8",
    "agent.batch_size=64",
    "agent.n_epochs=2",
    "agent.net_arch=[16]",
    "log_every=256",
    "eval_every=640",
    "eval_episodes=8",
    "checkpoint_every=384",
    "keep_checkpoints=2",
)
CARTPOLE = (
    "env=gym",
    "env.id=CartPole-v1",
    "agent=dqn",
    "seed=3",
    "steps=900",
    "agent.learning_starts=100",
    "agent.exploration_fraction=1.0",
    "agent.net_arch=[16]",
    "log_every=100",
    "eval_every=300",
    "eval_episodes=2",
    "checkpoint_every=150",
    "keep_checkpoints=2",
)


def newest(run: Path) -> Path:
    """The newest checkpoint of a run."""
    return checkpoint.checkpoints(run / "checkpoints")[-1]


def progress(run: Path) -> list[dict[str, str]]:
    """Rows of its ``progress.csv`` as they are written, without what tells of the clock."""
    with (run / "progress.csv").open(newline="") as file:
        return [{key: cell for key, cell in row.items() if not key.startswith("time/")} for row in csv.DictReader(file)]


def scalars(run: Path) -> dict[str, list[tuple[int, float]]]:
    """Steps and values of every figure that TensorBoard shows, without what tells of the clock."""
    events = _events(run)
    tags = [tag for tag in events.Tags()["scalars"] if not tag.startswith("time/")]
    return {tag: [(event.step, event.value) for event in events.Scalars(tag)] for tag in tags}


def images(run: Path) -> dict[str, list[tuple[int, bytes]]]:
    """Steps and files of every picture that TensorBoard shows."""
    events = _events(run)
    return {
        tag: [(event.step, event.encoded_image_string) for event in events.Images(tag)]
        for tag in events.Tags()["images"]
    }


def _events(run: Path) -> EventAccumulator:
    return EventAccumulator(str(run), size_guidance={"scalars": 0, "images": 0}).Reload()


def assert_same_run(run: Path, other: Path) -> None:
    """Bit for bit: weights, optimizer, replay, environments, generators, counters; the policy, figures and pictures."""
    assert newest(run).name == newest(other).name
    assert_same(checkpoint.load(newest(run)), checkpoint.load(newest(other)))
    for name in ("weights.safetensors", "policy.json"):
        assert (run / "policy" / name).read_bytes() == (other / "policy" / name).read_bytes()
    assert progress(run) == progress(other)
    assert len(scalars(run)) > 5
    assert scalars(run) == scalars(other)
    assert images(run) == images(other)


def assert_same(one: Any, other: Any, path: str = "") -> None:
    """Equality of trees of arrays, tensors and values; NaN equals itself."""
    assert type(one) is type(other), path
    if isinstance(one, dict):
        assert one.keys() == other.keys(), path
        for key in one:
            assert_same(one[key], other[key], f"{path}/{key}")
    elif isinstance(one, list | tuple):
        assert len(one) == len(other), path
        for number, (a, b) in enumerate(zip(one, other, strict=True)):
            assert_same(a, b, f"{path}/{number}")
    elif isinstance(one, th.Tensor):
        assert (one.dtype, one.shape) == (other.dtype, other.shape), path
        bits, others = (tensor.flatten().contiguous().view(th.uint8) for tensor in (one, other))
        assert th.equal(bits, others), path
    elif isinstance(one, np.ndarray):
        assert (one.dtype, one.shape) == (other.dtype, other.shape), path
        np.testing.assert_array_equal(one, other, err_msg=path)
    else:
        assert one == other or (one != one and other != other), path
