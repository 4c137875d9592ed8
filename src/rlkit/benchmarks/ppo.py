"""Speed of masked PPO's learner beside sb3-contrib's, in one run.

The update is measured on made-up rollouts of the negotiation game's size (256 games, 93 numbers observed, 121 actions
of which 20 to 36 are legal, two towers of 128x128, minibatches of 2,048, 4 epochs), so that it needs no environment.
Beside the two implementations stands the floor: the matrix products of one minibatch, forwards and backwards, and
nothing else. Runs alternate; medians are printed. Then whole training runs are compared: collecting and updating.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median
from typing import Any, cast

import gymnasium
import numpy as np
import torch as th
from sb3_contrib import MaskablePPO
from stable_baselines3 import PPO
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.vec_env import DummyVecEnv

import rlkit  # noqa: F401  (registers the environments)
from rlkit.agents import build_agent
from rlkit.agents.ppo import LeanMaskablePPO
from rlkit.agents.vecenv import VecEnvAdapter
from rlkit.benchmarks.table import print_table
from rlkit.training.config import compose_run
from rlkit.training.environments import make_envs

GAMES, STEPS, OBSERVED, ACTIONS = 256, 64, 93, 121
LEGAL = (20, 37)
WIDTH, MINIBATCH, EPOCHS = 128, 2048, 4
MINIBATCHES = GAMES * STEPS // MINIBATCH * EPOCHS
TARGET = 1.5
SETTINGS: dict[str, Any] = {
    "batch_size": MINIBATCH,
    "n_epochs": EPOCHS,
    "ent_coef": 0.01,
    "policy_kwargs": {"net_arch": [WIDTH, WIDTH]},
    "device": "cpu",
    "seed": 0,
}


class _Spaces(gymnasium.Env[np.ndarray, np.int64]):
    """Spaces of the negotiation game and nothing behind them: the rollouts are made up."""

    observation_space = gymnasium.spaces.Box(0.0, 1.0, (OBSERVED,), np.float32)
    action_space = gymnasium.spaces.Discrete(ACTIONS)


def build_learner(kind: type[MaskablePPO]) -> MaskablePPO:
    """A learner whose rollout buffer is full of made-up games."""
    learner = kind("MlpPolicy", DummyVecEnv([_Spaces] * GAMES), n_steps=STEPS, **SETTINGS)
    learner.set_logger(Logger(None, []))
    rng, buffer = np.random.default_rng(0), learner.rollout_buffer
    for _ in range(STEPS):
        observations = rng.random((GAMES, OBSERVED), dtype=np.float32)
        ranks = rng.random((GAMES, ACTIONS)).argsort(1).argsort(1)
        masks = ranks < rng.integers(*LEGAL, (GAMES, 1))
        with th.no_grad():
            actions, values, log_probs = learner.policy(th.from_numpy(observations), action_masks=masks)
        rewards, starts = rng.random(GAMES), rng.random(GAMES) < 0.2
        buffer.add(observations, actions.numpy(), rewards, starts, values, log_probs, action_masks=masks)
    buffer.compute_returns_and_advantage(th.zeros(GAMES, 1), np.zeros(GAMES))
    return learner


def build_products() -> Callable[[], None]:
    """The matrix products of one pass over a made-up rollout, into buffers."""
    towers = ((OBSERVED, WIDTH, WIDTH, ACTIONS), (OBSERVED, WIDTH, WIDTH, 1))
    layers = [
        (th.rand(MINIBATCH, n_in), th.rand(n_out, n_in), th.rand(n_out), th.rand(MINIBATCH, n_out), depth > 0)
        for widths in towers
        for depth, (n_in, n_out) in enumerate(zip(widths[:-1], widths[1:], strict=True))
    ]
    outputs = [(th.empty_like(y), th.empty_like(w), th.empty_like(x)) for x, w, _, y, _ in layers]

    def multiply() -> None:
        for _ in range(MINIBATCHES):
            for (inputs, weight, bias, _, _), (output, _, _) in zip(layers, outputs, strict=True):
                th.addmm(bias, inputs, weight.t(), out=output)
            for (inputs, weight, _, delta, inner), (_, gradient, below) in zip(layers, outputs, strict=True):
                th.mm(delta.t(), inputs, out=gradient)
                if inner:
                    th.mm(delta, weight, out=below)

    return multiply


def compare_updates(repeats: int) -> list[list[str]]:
    """Rows of the update's table, with the number of threads that is set now."""
    runs = {
        "sb3-contrib MaskablePPO": build_learner(MaskablePPO).train,
        "rlkit LeanMaskablePPO": build_learner(LeanMaskablePPO).train,
        "matrix products alone": build_products(),
    }
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in runs}
    for repeat in range(repeats + 1):
        for name, run in runs.items():
            wall, cpu = time.perf_counter(), time.process_time()
            run()
            if repeat:
                seconds[name].append((time.perf_counter() - wall, time.process_time() - cpu))
    theirs = [cpu for _, cpu in seconds["sb3-contrib MaskablePPO"]]
    rows = []
    for name, pairs in seconds.items():
        wall, cpu = (median(column) / MINIBATCHES for column in zip(*pairs, strict=True))
        ratio = median(their / our for their, (_, our) in zip(theirs, pairs, strict=True))
        target = f">= {TARGET}x" if name.startswith("rlkit") else ""
        rows.append([name, f"{1e3 * wall:.1f}", f"{1e3 * cpu:.1f}", f"{1 / cpu:.1f}", f"{ratio:.2f}x", target])
    return rows


def dummy_games(games: int) -> DummyVecEnv:
    """Single environments one after another, as SB3's users have them."""
    return DummyVecEnv([lambda: gymnasium.make("rlkit/Negotiation-v0", opponent="boulware")] * games)


def batch_of_games(games: int) -> VecEnvAdapter:
    """The same game as one batch."""
    options: dict[str, Any] = {"opponent": "boulware", "autoreset_mode": "same_step"}
    return VecEnvAdapter(gymnasium.make_vec("rlkit/Negotiation-v0", num_envs=games, **options))


def steps_per_second(learner: BaseAlgorithm, steps: int) -> tuple[float, float]:
    """Environment steps per second and per CPU second of collecting and updating, after one rollout's warm-up."""
    learner.learn(1)
    done, wall, cpu = learner.num_timesteps, time.perf_counter(), time.process_time()
    learner.learn(steps, reset_num_timesteps=False)
    done = learner.num_timesteps - done
    return done / (time.perf_counter() - wall), done / (time.process_time() - cpu)


def compare_runs(steps: int = 30_000) -> list[list[str]]:
    """Rows of the table of whole runs, with the number of threads that is set now."""
    large = {"n_steps": 128, **SETTINGS}
    runs: dict[str, Callable[[], BaseAlgorithm]] = {
        "SB3 PPO's defaults, DummyVecEnv of 8": lambda: PPO("MlpPolicy", dummy_games(8), device="cpu"),
        "MaskablePPO's defaults, DummyVecEnv of 8": lambda: MaskablePPO("MlpPolicy", dummy_games(8), device="cpu"),
        "lean, the same defaults, DummyVecEnv of 8": lambda: LeanMaskablePPO("MlpPolicy", dummy_games(8), device="cpu"),
        "MaskablePPO, a batch of 256 games": lambda: MaskablePPO("MlpPolicy", batch_of_games(GAMES), **large),
        "lean, a batch of 256 games": lambda: LeanMaskablePPO("MlpPolicy", batch_of_games(GAMES), **large),
    }
    rows, first = [], 0.0
    for name, build in runs.items():
        wall, cpu = steps_per_second(build(), steps)
        first = first or cpu
        rows.append([name, f"{wall:,.0f}", f"{cpu:,.0f}", f"{cpu / first:.1f}x"])
    return rows


def environment_share(steps: int = 100_000) -> float:
    """Share of the main job's time (``env=negotiation`` as configured) that environments and adapter take."""
    config = compose_run(["env=negotiation"])
    envs = make_envs(config.env, config.num_envs(), reward=config.reward)
    learner = cast(BaseAlgorithm, build_agent(config.agent, envs, seed=0, device="cpu", masked=True))
    learner.set_logger(Logger(None, []))
    learner.learn(1)
    inside, step, masks = [0.0], envs.step, envs.env_method

    def timed(call: Callable[..., Any]) -> Callable[..., Any]:
        def measured(*args: Any, **kwargs: Any) -> Any:
            start = time.perf_counter()
            result = call(*args, **kwargs)
            inside[0] += time.perf_counter() - start
            return result

        return measured

    envs.step, envs.env_method = timed(step), timed(masks)  # type: ignore[method-assign]
    start = time.perf_counter()
    learner.learn(steps, reset_num_timesteps=False)
    share = inside[0] / (time.perf_counter() - start)
    envs.close()
    return share


def main(repeats: int = 7) -> None:
    """Print the update's speed with one and two threads, that of whole runs with one, and the environments' share."""
    before = th.get_num_threads()
    header = ["", "ms a minibatch", "CPU ms", "per CPU second", "ratio", "target"]
    for threads in (1, 2):
        th.set_num_threads(threads)
        print_table(f"Masked PPO's update, threads: {threads}", header, compare_updates(repeats))
    th.set_num_threads(1)
    header = ["", "steps/s", "per CPU second", "ratio"]
    print_table("Collecting and updating, one thread", header, compare_runs())
    th.set_num_threads(before)
    share = median(environment_share() for _ in range(3))
    print_table(
        "The main job, as configured", ["", "share", "target"], [["environments and adapter", f"{share:.1%}", "<= 5 %"]]
    )
