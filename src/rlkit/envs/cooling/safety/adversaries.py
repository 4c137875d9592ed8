"""Policies that try to overheat a hall: what a safety layer is tested against."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rlkit.envs.cooling.safety.rules import coldest_values
from rlkit.envs.cooling.vector import CoolingVectorEnv

Actions = NDArray[np.float32]


def hottest_values(envs: CoolingVectorEnv) -> NDArray[np.float64]:
    """Warm set points and all machines off or as slow as they go, in engineering units, ``(a,)``."""
    low, high = envs.setup.action_bounds()
    return np.where(coldest_values(envs) == low, high, low)


class Worst:
    """Always the least cooling that can be asked for.

    Args:
        envs: The halls, with or without layers.
        seed: Not used: it has no chances.
    """

    def __init__(self, envs: Any, seed: int = 0) -> None:
        base: CoolingVectorEnv = envs.unwrapped
        self._actions = base.encode_actions(np.tile(hottest_values(base), (base.num_envs, 1)))

    def __call__(self) -> Actions:
        """Actions ``(n, a)``."""
        return self._actions


class BangBang:
    """Every control jumps between its ends, at random times of its own.

    Args:
        envs: The halls, with or without layers.
        seed: Of its chances.
        change: Probability that a control jumps in a step.
    """

    def __init__(self, envs: Any, seed: int = 0, change: float = 0.2) -> None:
        self._base: CoolingVectorEnv = envs.unwrapped
        self._random, self._change = np.random.default_rng(seed), change
        self._high = self._random.random(self._base.action_space.shape) < 0.5

    def __call__(self) -> Actions:
        """Actions ``(n, a)``."""
        self._high ^= self._random.random(self._high.shape) < self._change
        low, high = self._base.setup.action_bounds()
        return self._base.encode_actions(np.where(self._high, high, low))


class Search:
    """Tries actions on the true plant, through the layers, and takes what heats its hottest rack most.

    It knows everything: the state is saved, each candidate is held for some steps, and the state is set back. That
    includes faults, load and the noise to come. Candidates are the least cooling, what was taken last, random corners
    of the action space and random actions. To be used with ``autoreset_mode="disabled"``.

    Args:
        envs: The halls, with or without layers.
        seed: Of its chances.
        candidates: How many actions it tries.
        steps: For how long it holds each.
    """

    def __init__(self, envs: Any, seed: int = 0, candidates: int = 6, steps: int = 2) -> None:
        self._envs = envs
        self._base: CoolingVectorEnv = envs.unwrapped
        self._random, self._candidates, self._steps = np.random.default_rng(seed), candidates, steps
        self._last = Worst(envs)()

    def __call__(self) -> Actions:
        """Actions ``(n, a)``."""
        state = self._envs.get_state()
        chosen, hottest = self._last, np.full(self._base.num_envs, -np.inf)
        for actions in self._tried():
            reached = self._reached(actions)
            better = reached > hottest
            chosen = np.where(better[:, None], actions, chosen)
            hottest = np.maximum(hottest, reached)
            self._envs.set_state(state)
        self._last = chosen.astype(np.float32)
        return self._last

    def _tried(self) -> list[Actions]:
        shape = self._base.action_space.shape
        low, high = self._base.setup.action_bounds()
        tried = [Worst(self._envs)(), self._last]
        while len(tried) < self._candidates:
            share = self._random.random(shape)
            corners = len(tried) % 2 == 0
            tried.append(self._base.encode_actions(low + (np.round(share) if corners else share) * (high - low)))
        return tried

    def _reached(self, actions: Actions) -> NDArray[np.float64]:
        """Hottest true inlet at the end of the steps; that of the last step before an episode ends."""
        reached = np.full(self._base.num_envs, -np.inf)
        for _ in range(self._steps):
            _, _, terminated, truncated, _ = self._envs.step(actions)
            reached = np.maximum(reached, self._base.reading("inlet_max_c"))
            if (terminated | truncated).any():
                break
        return reached


ADVERSARIES = {"worst": Worst, "bang_bang": BangBang, "search": Search}
