"""What a run asks of something that learns and is no algorithm of Stable-Baselines3's."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from pathlib import Path
from typing import Any

from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import Logger

from rlkit.agents.vecenv import VecEnvAdapter


class Learner(ABC):
    """Learns in iterations of a few steps, between which a run logs, judges and saves.

    A step is whatever the learner counts (an update, for one that fits data). All that decides how it goes on is in
    :meth:`get_state`; it draws from no global generator.

    Args:
        env: The run's environments.

    Attributes:
        env: The same.
        num_timesteps: Steps made.
        ep_info_buffer: Of the progress bar; empty, since there is no return.
    """

    iteration_steps = 1
    logger: Logger

    def __init__(self, env: VecEnvAdapter) -> None:
        self.env = env
        self.num_timesteps = 0
        self.ep_info_buffer: deque[Any] = deque()

    @abstractmethod
    def prepare(self, end: int) -> None:
        """Be told that steps up to ``end`` follow."""

    @abstractmethod
    def iterate(self, steps: int) -> None:
        """Make so many steps, and record figures in :attr:`logger`."""

    @abstractmethod
    def evaluate(self) -> None:
        """Record how good it is, in :attr:`logger`."""

    @abstractmethod
    def export(self, folder: Path, env_id: str) -> None:
        """Write what was learned, as files that cannot run code."""

    @abstractmethod
    def get_state(self) -> dict[str, Any]:
        """All that decides how it goes on: a tree for ``training.checkpoint``."""

    @abstractmethod
    def set_state(self, state: dict[str, Any]) -> None:
        """Go back to what :meth:`get_state` gave."""

    def set_logger(self, logger: Logger) -> None:
        """Record figures here."""
        self.logger = logger

    def get_env(self) -> VecEnvAdapter:
        """The run's environments."""
        return self.env

    def dump_logs(self) -> None:
        """Write what has been recorded."""
        self.logger.dump(self.num_timesteps)

    def learn(self, total_timesteps: int, callback: BaseCallback, **_: Any) -> Learner:
        """Make so many steps more, telling the callback as Stable-Baselines3's algorithms do."""
        end = self.num_timesteps + total_timesteps
        self.prepare(end)
        callback.init_callback(self)  # type: ignore[arg-type]
        callback.on_training_start({}, {})
        while self.num_timesteps < end:
            callback.on_rollout_start()
            steps = min(self.iteration_steps, end - self.num_timesteps)
            self.iterate(steps)
            self.num_timesteps += steps
            callback.on_step()
        callback.on_training_end()
        return self
