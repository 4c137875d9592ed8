"""Training end to end: the tuned learner on its walker, and Stable-Baselines3's defaults on Gymnasium's."""

from __future__ import annotations

from typing import cast

import torch as th
from stable_baselines3 import PPO
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.logger import Logger

from rlkit.agents import build_agent
from rlkit.benchmarks.locomotion_peers import Speed, timed
from rlkit.training.config import compose_run
from rlkit.training.environments import make_envs


class Learning:
    """A learner that goes on learning, round by round.

    Args:
        learner: Which.
        rollouts: That a round collects and learns from.
    """

    def __init__(self, learner: BaseAlgorithm, rollouts: int) -> None:
        self._learner = learner
        learner.set_logger(Logger(None, []))
        learner.learn(1)  # a rollout to warm up
        self._steps = rollouts * learner.num_timesteps

    def speed(self) -> Speed:
        """Of a round, with one thread for PyTorch."""
        before = th.get_num_threads()
        th.set_num_threads(1)
        speed = timed(self._learn, self._steps)
        th.set_num_threads(before)
        return speed

    def _learn(self) -> None:
        self._learner.learn(self._steps, reset_num_timesteps=False)


def tuned(threads: int, rollouts: int = 4) -> Learning:
    """``agent=ppo env=locomotion`` as configured, without evaluations, checkpoints and logs.

    Args:
        threads: That step the bodies.
        rollouts: In a round.
    """
    config = compose_run(["env=locomotion", "agent=ppo", f"env.threads={threads}"])
    envs = make_envs(config.env, config.num_envs(), reward=config.reward)
    return Learning(cast(BaseAlgorithm, build_agent(config.agent, envs, seed=0, device="cpu", masked=False)), rollouts)


def defaults(task: str, rollouts: int = 1) -> Learning:
    """Stable-Baselines3's PPO with its default settings.

    Args:
        task: Gymnasium's id.
        rollouts: In a round.
    """
    return Learning(PPO("MlpPolicy", task, device="cpu", seed=0), rollouts)
