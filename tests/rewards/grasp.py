"""A hand that should grasp, a camera that cannot tell a grasp from a hand in front of it, and one that can."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from rlkit.rewards.segments import SegmentBatch

SPEED, WIDTH = 0.2, 0.3
STEPS = 25


class Grasp(gymnasium.Env[Any, Any]):
    """A hand at (x, z), an object at (0, 0), a camera at z = 1; rewarded for being at the object."""

    observation_space = spaces.Box(-1.0, 1.0, (2,), np.float32)
    action_space = spaces.Box(-1.0, 1.0, (2,), np.float32)

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self._hand = self.np_random.uniform(-1.0, 1.0, 2)
        return self._hand.astype(np.float32), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        reward = float(grasped(self._hand))
        self._hand = np.clip(self._hand + SPEED * np.asarray(action, dtype=np.float64), -1.0, 1.0)
        return self._hand.astype(np.float32), reward, False, False, {}


gymnasium.register("Grasp-v0", entry_point=Grasp, max_episode_steps=STEPS)


def near(distance: NDArray[Any]) -> NDArray[Any]:
    return np.exp(-((distance / WIDTH) ** 2))


def grasped(hand: NDArray[Any]) -> NDArray[Any]:
    """What is meant: the hand is where the object is."""
    return near(hand[..., 0]) * near(hand[..., 1])


def one_camera(batch: SegmentBatch) -> NDArray[Any]:
    """The hand covers the object: all the more the nearer to the camera it is."""
    x, z = np.moveaxis(batch.observations, -1, 0)
    return near(x) / (1.5 - z)


def two_cameras(batch: SegmentBatch) -> NDArray[Any]:
    """One that looks from the side sees how deep the hand is."""
    x, z = np.moveaxis(batch.observations, -1, 0)
    return near(x) * near(z)
