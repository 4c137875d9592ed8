"""Cost of PPO's learners for continuous actions beside Stable-Baselines3's, in one run.

The environment costs next to nothing: made-up observations of Walker2d's size with a height scan (17 + 16 numbers), 6
actions, 128 environments, one episode ending every other step. What is measured is CPU time an environment step of
collecting (policy, adapter, buffer) and of updating. Runs alternate; medians are printed.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median
from typing import Any

import numpy as np
import torch as th
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, VectorEnv
from stable_baselines3 import PPO
from stable_baselines3.common.logger import Logger

from rlkit.agents.normalization import Normalizer, RewardNormalizer
from rlkit.agents.ppo import DPPO, LeanPPO
from rlkit.agents.vecenv import VecEnvAdapter
from rlkit.benchmarks.table import print_table

ENVS, STEPS, OBSERVED, ACTIONS = 128, 64, (17, 16), 6
LARGE: dict[str, Any] = {"n_steps": STEPS, "batch_size": 2048, "n_epochs": 5}
TARGET = 120.0  # microseconds: what is left of a CPU second for learning at 4,000 steps, beside a walker's physics


class MadeUp(VectorEnv[Any, Any, Any]):
    """Observations and rewards out of a table, whatever is done."""

    metadata = {"autoreset_mode": AutoresetMode.SAME_STEP}
    observation_groups = {"proprioception": (0, OBSERVED[0]), "terrain": (OBSERVED[0], sum(OBSERVED))}

    def __init__(self) -> None:
        self.num_envs = ENVS
        self.single_observation_space = spaces.Box(-np.inf, np.inf, (sum(OBSERVED),), np.float32)
        self.single_action_space = spaces.Box(-1.0, 1.0, (ACTIONS,), np.float32)
        rng = np.random.default_rng(0)
        self._observations = rng.normal(size=(STEPS, ENVS, sum(OBSERVED))).astype(np.float32)
        self._rewards = rng.normal(size=(STEPS, ENVS))
        self._time = 0

    def reset(self, **_: Any) -> tuple[Any, dict[str, Any]]:
        """The table's first row."""
        return self._observations[0], {}

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        """The table's next row; ends are falls and the end of the time by turns."""
        self._time += 1
        row = self._time % STEPS
        ends = np.zeros((2, ENVS), dtype=np.bool_)
        info: dict[str, Any] = {}
        if self._time % 2 == 0:
            ends[self._time // 2 % 2, self._time % ENVS] = True
            info = {"final_obs": self._observations[row], "final_info": {}}
        return self._observations[row], self._rewards[row], ends[0], ends[1], info


def build(kind: type[PPO], widths: list[int], *, towers: bool = False, **settings: Any) -> PPO:
    """A learner on the made-up environment; ours with observations and rewards normalised."""
    envs = VecEnvAdapter(MadeUp())
    network: dict[str, Any] = {"net_arch": widths}
    if kind is not PPO:
        envs.reward_normalizer = RewardNormalizer(ENVS, 0.99)
        network["features_extractor_class"] = Normalizer
    if towers:
        network["observation_groups"] = MadeUp.observation_groups
    learner = kind("MlpPolicy", envs, policy_kwargs=network, device="cpu", seed=0, **settings)
    learner.set_logger(Logger(None, []))
    return learner


def measured(learner: PPO) -> Callable[[], tuple[float, float]]:
    """A function that collects and updates once: CPU microseconds a step of each."""
    _, callback = learner._setup_learn(1)
    steps = learner.n_steps * ENVS

    def run() -> tuple[float, float]:
        start = time.process_time()
        assert learner.env is not None
        learner.collect_rollouts(learner.env, callback, learner.rollout_buffer, learner.n_steps)
        collected = time.process_time()
        learner.train()
        return 1e6 * (collected - start) / steps, 1e6 * (time.process_time() - collected) / steps

    return run


def compare(widths: list[int], repeats: int) -> list[list[str]]:
    """Rows of the table for one network, with the number of threads that is set now."""
    learners = {
        "SB3 PPO, its minibatches of 64 and 10 epochs": build(PPO, widths, n_steps=STEPS),
        "SB3 PPO": build(PPO, widths, **LARGE),
        "LeanPPO": build(LeanPPO, widths, **LARGE),
        "LeanPPO, desired_kl": build(LeanPPO, widths, desired_kl=0.01, **LARGE),
        "LeanPPO, two towers of these widths": build(LeanPPO, widths, towers=True, **LARGE),
        "DPPO": build(DPPO, widths, **LARGE),
    }
    runs = {name: measured(learner) for name, learner in learners.items()}
    costs: dict[str, list[tuple[float, float]]] = {name: [] for name in runs}
    for repeat in range(repeats + 1):
        for name, run in runs.items():
            cost = run()
            if repeat:
                costs[name].append(cost)
    theirs = [sum(pair) for pair in costs["SB3 PPO"]]
    rows = []
    for name, pairs in costs.items():
        collecting, updating = (median(column) for column in zip(*pairs, strict=True))
        ratio = median(their / sum(our) for their, our in zip(theirs, pairs, strict=True))
        target = f"<= {TARGET:.0f}" if not name.startswith("SB3") else ""
        total = median(sum(pair) for pair in pairs)
        rows.append([name, f"{collecting:.1f}", f"{updating:.1f}", f"{total:.1f}", f"{ratio:.2f}x", target])
    return rows


def main(repeats: int = 7) -> None:
    """Print what a step costs with one thread and with two, for two sizes of network."""
    before = th.get_num_threads()
    header = ["CPU us an environment step", "collecting", "updating", "both", "ratio", "target"]
    for threads in (1, 2):
        th.set_num_threads(threads)
        for widths in ([64, 64], [128, 128]):
            print_table(f"Networks of {widths}, threads: {threads}", header, compare(widths, repeats))
    th.set_num_threads(before)
