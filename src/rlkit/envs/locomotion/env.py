"""The obstacle course behind Gymnasium's API: the single environment, whose docstring is the manual."""

from __future__ import annotations

from typing import Any

from gymnasium.vector import AutoresetMode

from rlkit.envs.batch import SingleEnv
from rlkit.envs.locomotion.vector import ObstacleCourseVectorEnv


class ObstacleCourseEnv(SingleEnv):
    """Run an obstacle course in MuJoCo."""

    metadata: dict[str, Any] = ObstacleCourseVectorEnv.metadata
    _batch: ObstacleCourseVectorEnv

    def __init__(self, *, max_episode_steps: int | None = None, render_mode: str | None = None, **task: Any) -> None:
        batch = ObstacleCourseVectorEnv(
            1,
            autoreset_mode=AutoresetMode.DISABLED,
            max_episode_steps=max_episode_steps,
            copy=False,
            render_mode=render_mode,
            **task,
        )
        super().__init__(batch)
        self.metadata = {key: value for key, value in batch.metadata.items() if key != "autoreset_mode"}

    @property
    def observation_groups(self) -> dict[str, tuple[int, int]]:
        """As of the batch."""
        return self._batch.observation_groups
