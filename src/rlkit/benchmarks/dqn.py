"""Cost of a DQN update and of the replay beside Stable-Baselines3's, in one run, on one thread.

The replays are filled with made-up frames, so that no environment is needed. Runs alternate; CPU milliseconds are the
lower quartile, ratios the median of the ratios of neighbouring runs.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median, quantiles
from typing import Any

import gymnasium
import numpy as np
import stable_baselines3
import torch as th
from gymnasium import spaces
from stable_baselines3.common.buffers import ReplayBuffer
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.vec_env import DummyVecEnv

from rlkit.agents.dqn import DQN
from rlkit.agents.dqn.networks import Trunk
from rlkit.agents.replay import CompactReplay
from rlkit.benchmarks.table import print_table

ENVS, STEPS, BATCH, ACTIONS = 4, 150, 32, 6
NETWORKS = {  # trunk: frames of an observation, edge
    "nature": (4, 84),
    "nips": (4, 84),
    "small": (4, 42),
    "grid": (4, 10),
}
TARGETS = {"off": "<= 1.00x", "pixel control": "<= 1.35x"}


def space(stack: int, edge: int) -> spaces.Box:
    """Of stacked pictures."""
    return spaces.Box(0, 255, (stack, edge, edge), np.uint8)


def fill(replay: Any, stack: int, edge: int) -> None:
    """Made-up episodes of fifty steps."""
    rng = np.random.default_rng(0)
    frames = np.zeros((ENVS, stack + STEPS, edge, edge), np.uint8)
    frames[:, stack - 1 :] = rng.integers(1, 256, (ENVS, STEPS + 1, edge, edge), dtype=np.uint8)
    for step in range(STEPS):
        seen, ahead = frames[:, step : step + stack].copy(), frames[:, step + 1 : step + stack + 1].copy()
        if step % 50 == 0:
            seen[:, :-1] = 0
        dones = np.full(ENVS, step % 50 == 49)
        actions = rng.integers(ACTIONS, size=(ENVS, 1))
        replay.add(seen, ahead, actions, rng.normal(size=ENVS), dones, [{}] * ENVS)


def learner(kind: type[stable_baselines3.DQN], trunk: str, **settings: Any) -> Callable[[], None]:
    """An update of a learner whose replay is full."""
    stack, edge = NETWORKS[trunk]

    class _Spaces(gymnasium.Env[Any, Any]):
        observation_space, action_space = space(stack, edge), spaces.Discrete(ACTIONS)

    network = {"features_extractor_class": Trunk, "features_extractor_kwargs": {"trunk": trunk}, "net_arch": []}
    arguments: dict[str, Any] = {"buffer_size": ENVS * (STEPS + 8), "batch_size": BATCH, "seed": 0, "device": "cpu"}
    model = kind("CnnPolicy", DummyVecEnv([_Spaces] * ENVS), policy_kwargs=network, **arguments, **settings)
    model.set_logger(Logger(None, []))
    fill(model.replay_buffer, stack, edge)
    return lambda: model.train(1, BATCH)


def alternated(runs: dict[str, Callable[[], Any]], repeats: int) -> dict[str, list[float]]:
    """CPU milliseconds of every run, taken in turns; the first turn is a warm-up."""
    found: dict[str, list[float]] = {name: [] for name in runs}
    for repeat in range(repeats + 2):
        for name, run in runs.items():
            start = time.process_time()
            run()
            if repeat >= 2:
                found[name].append(1e3 * (time.process_time() - start))
    return found


def rows_of(title: str, found: dict[str, list[float]], targets: dict[str, str]) -> list[list[str]]:
    """A line for each run, the first the one that the others are held against."""
    theirs = next(iter(found.values()))
    rows = []
    for name, taken in found.items():
        ratio = median(ours / other for ours, other in zip(taken, theirs, strict=True))
        rows.append([f"{title}: {name}", f"{quantiles(taken, n=4)[0]:.2f}", f"{ratio:.2f}x", targets.get(name, "")])
    return rows


def updates(repeats: int) -> list[list[str]]:
    """Rows of the table of updates."""
    rows = []
    for trunk, (stack, edge) in NETWORKS.items():
        cell = 1 if edge < 20 else 4
        tasks = {"tasks": ["pixel_control"], "pixel_cell": cell}
        compact = {"replay": "compact", "frame_stack": stack}
        runs = {
            "Stable-Baselines3": learner(stable_baselines3.DQN, trunk),
            "off": learner(DQN, trunk),
            "compact replay": learner(DQN, trunk, **compact),
            "pixel control": learner(DQN, trunk, **compact, auxiliary=tasks),
            "pixel control, head on features": learner(
                DQN, trunk, **compact, auxiliary={**tasks, "pixel_head": "features"}
            ),
            "pixel control, own sequences of 20": learner(DQN, trunk, **compact, auxiliary={**tasks, "shared": False}),
        }
        rows += rows_of(f"{trunk} {stack}x{edge}x{edge}", alternated(runs, repeats), TARGETS)
    return rows


def replays(repeats: int) -> list[list[str]]:
    """Rows of the table of replays: a batch of 32 stacks of four 84x84 frames."""
    seen, actions, size = space(4, 84), spaces.Discrete(ACTIONS), ENVS * (STEPS + 8)
    made: dict[str, Any] = {
        "Stable-Baselines3": ReplayBuffer(size, seen, actions, "cpu", ENVS),
        "compact": CompactReplay(size, seen, actions, "cpu", ENVS, stack=4),
        "compact, priorities, 3 steps": CompactReplay(size, seen, actions, "cpu", ENVS, stack=4, alpha=0.6, n_steps=3),
    }
    for replay in made.values():
        fill(replay, 4, 84)
    draws = {name: _draws(replay) for name, replay in made.items()}
    rows = rows_of("100 batches", alternated(draws, repeats), {"compact": "<= 1.00x"})
    for row, replay in zip(rows, made.values(), strict=True):
        row.append(f"{_bytes_a_frame(replay):,.0f}")
    return rows


def _draws(replay: Any) -> Callable[[], None]:
    def draw() -> None:
        for _ in range(100):
            replay.sample(BATCH)

    return draw


def _bytes_a_frame(replay: Any) -> float:
    if isinstance(replay, CompactReplay):
        held = sum(array.nbytes for array in replay.ring.arrays.values())
    else:
        held = sum(value.nbytes for value in vars(replay).values() if isinstance(value, np.ndarray))
    return held / (replay.buffer_size * replay.n_envs)


def main(repeats: int = 15) -> None:
    """Print the cost of an update for each network, and the replays' cost and size."""
    before = th.get_num_threads()
    th.set_num_threads(1)
    header = ["one thread, batch 32", "CPU ms", "ratio", "target"]
    print_table("A DQN update", header, updates(repeats))
    print_table("The replay", [*header, "bytes a frame"], replays(repeats))
    th.set_num_threads(before)
