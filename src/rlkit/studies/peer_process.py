"""A run of `imitation` with SAC, its evaluations printed as JSON; for a Python that has `imitation`, and not rlkit.

The agent has the settings of ours and the rewards of its whole replay are computed anew (`ReplayBufferRewardWrapper`);
the reward model, its epochs and the choice of fragments are those of the package's own example. Steps that are taken
to cut fragments from count like all others.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

import gymnasium as gym
import numpy as np
import torch as th
from stable_baselines3 import SAC
from stable_baselines3.common.buffers import ReplayBuffer
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv, VecEnvWrapper

EPOCHS = 10
TOLD = "told: "  # before each line of ours: the package prints, too


class Ended(Exception):
    """All steps are taken."""


class Counted(VecEnvWrapper):
    """Environments that count their steps, have the agent evaluated as it goes, and end the run.

    Args:
        venv: Themselves.
        task: As for :func:`main`.
    """

    def __init__(self, venv: VecEnv, task: dict[str, Any]) -> None:
        super().__init__(venv)
        self.evaluate: Callable[[], float]  # to be set before the first step
        self._task = task
        self._steps, self._evaluated, self._apart_s = 0, 0, time.process_time()

    def reset(self) -> Any:
        """Begin anew; no step."""
        return self.venv.reset()

    def step_wait(self) -> Any:
        """Step, and do what is due.

        Raises:
            Ended: If these were the last steps.
        """
        stepped = self.venv.step_wait()
        self._steps += self.num_envs
        due = self._steps // self._task["eval_every"]
        if due > self._evaluated:
            self._evaluated, began = due, time.process_time()
            told = [self._steps, began - self._apart_s, self.evaluate()]
            print(TOLD + json.dumps(told), flush=True)
            self._apart_s += time.process_time() - began
        if self._steps >= self._task["steps"]:
            raise Ended
        return stepped


def mean_return(agent: SAC, env: gym.Env[Any, Any], seed: int, episodes: int) -> float:
    """Of the greedy policy, on this and the following seeds."""
    total = 0.0
    for number in range(episodes):
        obs, _ = env.reset(seed=seed + number)
        over = False
        while not over:
            obs, reward, terminated, truncated, _ = env.step(agent.predict(obs, deterministic=True)[0])
            total += float(reward)
            over = terminated or truncated
    return total / episodes


def learner(venv: VecEnv, task: dict[str, Any]) -> tuple[SAC, Any]:
    """The agent, and what teaches it: `imitation`'s ``PreferenceComparisons``; arguments as for :class:`Counted`."""
    from imitation.algorithms import preference_comparisons as pc
    from imitation.policies.replay_buffer_wrapper import ReplayBufferRewardWrapper
    from imitation.rewards.reward_nets import BasicRewardNet, NormalizedRewardNet
    from imitation.util.logger import configure
    from imitation.util.networks import RunningNorm

    rng = np.random.default_rng(task["seed"])
    net = BasicRewardNet(venv.observation_space, venv.action_space, normalize_input_layer=RunningNorm)
    reward = NormalizedRewardNet(net, normalize_output_layer=RunningNorm)
    relabel = partial(reward.predict_processed, update_stats=False)
    agent = SAC(
        "MlpPolicy",
        venv,
        seed=task["seed"],
        replay_buffer_class=ReplayBufferRewardWrapper,
        replay_buffer_kwargs={"replay_buffer_class": ReplayBuffer, "reward_fn": relabel},
        **task["sac"],
    )
    fit = pc.BasicRewardTrainer(pc.PreferenceModel(net), pc.CrossEntropyRewardLoss(), rng=rng, epochs=EPOCHS)
    teaches = pc.PreferenceComparisons(
        pc.AgentTrainer(agent, reward, venv, rng=rng),
        reward,
        num_iterations=task["rounds"],
        fragmenter=pc.RandomFragmenter(rng=rng, warning_threshold=0),
        preference_gatherer=pc.SyntheticGatherer(temperature=0, rng=rng),
        reward_trainer=fit,
        fragment_length=task["segment"],
        transition_oversampling=task["sampled"] / (2 * task["labels"] * task["segment"]),
        initial_comparison_frac=task["first"],
        initial_epoch_multiplier=4.0,
        custom_logger=configure(format_strs=()),
    )
    return agent, teaches


def main(task: dict[str, Any]) -> None:
    """Print a line for each evaluation: steps, CPU seconds of learning, mean return; then the judgement at the end.

    Args:
        task: What :func:`rlkit.studies.peer.task_of` gives.
    """
    th.set_num_threads(1)
    th.manual_seed(task["seed"])
    make = partial(gym.make, task["env_id"], **task["env_kwargs"])
    venv, judged = Counted(DummyVecEnv([make] * task["n_envs"]), task), make()
    venv.seed(task["seed"])
    agent, teaches = learner(venv, task)
    evaluate = partial(mean_return, agent, judged, task["eval_seed"])
    venv.evaluate = partial(evaluate, task["eval_episodes"])
    with suppress(Ended):
        teaches.train(task["steps"], task["labels"])
    print(TOLD + json.dumps(evaluate(task["final_episodes"])), flush=True)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
