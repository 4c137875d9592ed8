"""Small environments with spaces that ours do not have; ``toys:<name>-v0`` for ``env.id=``."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from rlkit.rewards.segments import SegmentBatch

EPISODE = 8


class Toy(gymnasium.Env[Any, Any]):
    """Episodes of eight steps, random observations, a reward that depends on both."""

    observation_space: spaces.Space[Any] = spaces.Box(-1.0, 1.0, (3,), np.float32)
    action_space: spaces.Space[Any] = spaces.Discrete(4)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self._step = 0
        return self._observe(), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        if not self.action_space.contains(action):
            raise ValueError(f"not an action: {action!r}")
        self._step += 1
        reward = float(np.sum(action)) + float(self.np_random.random())
        over = self._step == EPISODE
        return self._observe(), reward, over, False, {"is_success": self._step > 4} if over else {}

    def _observe(self) -> Any:
        return self._drawn(self.observation_space)

    def _drawn(self, space: spaces.Space[Any]) -> Any:
        if isinstance(space, spaces.Dict):
            return {key: self._drawn(part) for key, part in space.spaces.items()}
        assert isinstance(space, spaces.Box)
        if space.dtype == np.uint8:
            return self.np_random.integers(0, 256, space.shape, dtype=np.uint8)
        return self.np_random.uniform(-1, 1, space.shape).astype(space.dtype)


class Pictures(Toy):
    """Colour pictures, channels last."""

    observation_space = spaces.Box(0, 255, (36, 40, 3), np.uint8)


class Mixed(Toy):
    """A picture beside numbers."""

    observation_space = spaces.Dict(
        camera=spaces.Box(0, 255, (36, 40, 3), np.uint8), joints=spaces.Box(-1.0, 1.0, (5,), np.float32)
    )


class Dials(Toy):
    """Several discrete actions at once."""

    action_space = spaces.MultiDiscrete([3, 2, 4])


class Switches(Toy):
    """Several binary actions at once."""

    action_space = spaces.MultiBinary(3)


class FromOne(Toy):
    """Actions 1 to 3."""

    action_space = spaces.Discrete(3, start=1)


class Masked(Toy):
    """Half of the actions are illegal at each step, and taking one raises."""

    action_space = spaces.Discrete(6)

    def action_masks(self) -> np.ndarray:
        return self._mask

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        if not self._mask[action]:
            raise ValueError(f"illegal action {action}")
        return super().step(action)

    def _observe(self) -> Any:
        self._mask = self.np_random.permutation(6) < 3
        return super()._observe()


class Naming(Toy):
    """The observation names an action; taking it pays 1."""

    observation_space = spaces.Box(0.0, 1.0, (4,), np.float32)

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        named = int(self._last.argmax())
        observation, _, over, _, info = super().step(action)
        return observation, float(action == named), over, False, info

    def _observe(self) -> Any:
        self._last = np.eye(4, dtype=np.float32)[self.np_random.integers(4)]
        return self._last


class Reaching(Toy):
    """Two groups of observations: a hand's place and, twice as wide, a target's; being near it at once pays."""

    observation_space = spaces.Box(-np.inf, np.inf, (6,), np.float32)
    action_space = spaces.Box(-1.0, 1.0, (2,), np.float32)
    observation_groups = {"proprioception": (0, 2), "terrain": (2, 6)}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        distance = float(np.square(self._seen[:2] + action - self._seen[2:4]).sum())
        self._step += 1
        return self._observe(), -distance, False, self._step == EPISODE, {}

    def _observe(self) -> Any:
        self._seen = self.np_random.uniform(-0.5, 0.5, 6).astype(np.float32)
        return self._seen


class Blind(Toy):
    """Takes a render mode and has none."""

    metadata = {"render_modes": ["ansi"]}

    def __init__(self, render_mode: str | None = None) -> None:
        self.render_mode = render_mode


TOYS = (Toy, Pictures, Mixed, Dials, Switches, FromOne, Masked, Naming, Reaching, Blind)
for _toy in TOYS:
    gymnasium.register(f"{_toy.__name__}-v0", entry_point=_toy)
gymnasium.register("NoLibrary-v0", entry_point="some_simulator.envs:Env")


def paid(segments: SegmentBatch) -> NDArray[Any]:
    """A score: the task's rewards."""
    return segments.rewards
