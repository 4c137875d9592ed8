"""Random episodes of several environments, told to a replay and kept whole as well."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from rlkit.agents.replay import CompactReplay

ACTIONS = 5


@dataclass(frozen=True)
class Step:
    """What one environment did and saw, whole."""

    obs: NDArray[Any]
    action: int
    reward: float
    next_obs: NDArray[Any]
    terminated: bool
    truncated: bool
    mask: NDArray[np.bool_]
    next_mask: NDArray[np.bool_]
    first: bool


class Env:
    """Random frames, stacked as SB3's VecFrameStack (``black``) or Gymnasium's wrapper (``repeated``) does."""

    def __init__(self, rng: np.random.Generator, stack: int, padding: str, frame: tuple[int, ...], dtype: str) -> None:
        self.rng, self.padding, self.shape, self.dtype = rng, padding, frame, dtype
        self.frames: deque[NDArray[Any]] = deque(maxlen=stack)

    def frame(self) -> NDArray[Any]:
        if self.dtype == "uint8":
            return self.rng.integers(1, 256, self.shape, dtype=np.uint8)
        return self.rng.normal(size=self.shape).astype(self.dtype)

    def reset(self) -> NDArray[Any]:
        first = self.frame()
        for _ in range(self.frames.maxlen or 1):
            own = {"black": np.zeros_like(first), "repeated": first}.get(self.padding)
            self.frames.append(self.frame() if own is None else own)
        self.frames.append(first)
        return np.concatenate(self.frames)

    def step(self) -> NDArray[Any]:
        self.frames.append(self.frame())
        return np.concatenate(self.frames)


class Recorder:
    """Steps environments, tells the replay and keeps everything."""

    def __init__(
        self,
        n_envs: int = 3,
        stack: int = 4,
        padding: str = "black",
        slots: int = 40,
        frame: tuple[int, ...] = (1, 3, 2),
        dtype: str = "uint8",
        end: float = 0.15,
        rewarding: float = 1.0,
        seed: int = 0,
        **settings: Any,
    ) -> None:
        self.rng = np.random.default_rng(seed)
        self.envs = [Env(self.rng, stack, padding, frame, dtype) for _ in range(n_envs)]
        shape = (frame[0] * stack, *frame[1:])
        low, high = (0, 255) if dtype == "uint8" else (-np.inf, np.inf)
        self.replay = CompactReplay(
            slots * n_envs,
            spaces.Box(low, high, shape, dtype),
            spaces.Discrete(ACTIONS),
            device="cpu",
            n_envs=n_envs,
            stack=stack,
            masked=True,
            **settings,
        )
        self.end, self.rewarding = end, rewarding
        self.obs = np.stack([env.reset() for env in self.envs])
        self.masks = self.mask()
        self.first = [True] * n_envs
        self.episodes: list[list[list[Step]]] = [[] for _ in range(n_envs)]
        self.places: list[dict[int, tuple[int, int]]] = [{} for _ in range(n_envs)]  # slot: episode, step

    def mask(self) -> NDArray[np.bool_]:
        return self.rng.random((len(self.envs), ACTIONS)) < 0.6

    def step(self) -> None:
        """One step of every environment."""
        n = len(self.envs)
        actions = self.rng.integers(ACTIONS, size=n)
        rewards = (self.rng.normal(size=n) * (self.rng.random(n) < self.rewarding)).astype(np.float32)
        next_obs, new = np.stack([env.step() for env in self.envs]), self.mask()
        dones, timed_out = self.rng.random(n) < self.end, self.rng.random(n) < 0.5
        infos = [
            {"TimeLimit.truncated": bool(late)} if done else {} for done, late in zip(dones, timed_out, strict=True)
        ]
        self.replay.stage_masks(self.masks, new)
        self.replay.add(self.obs, next_obs.copy(), actions[:, None], rewards, dones, infos)
        for row in range(n):
            if self.first[row]:
                self.episodes[row].append([])
            terminated, truncated = bool(dones[row] & ~timed_out[row]), bool(dones[row] & timed_out[row])
            next_mask = np.ones(ACTIONS, np.bool_) if dones[row] else new[row]
            step = Step(
                self.obs[row], int(actions[row]), float(rewards[row]), next_obs[row].copy(), terminated, truncated,
                self.masks[row], next_mask, self.first[row],
            )  # fmt: skip
            self.episodes[row][-1].append(step)
            at = int(self.replay.ring.written[row]) - 2
            self.places[row][at] = (len(self.episodes[row]) - 1, len(self.episodes[row][-1]) - 1)
            self.first[row] = bool(dones[row])
            if dones[row]:
                next_obs[row] = self.envs[row].reset()
        self.obs, self.masks = next_obs, new

    def interrupt(self) -> None:
        """The environments are reset in the middle of their episodes, and nobody tells the replay."""
        self.obs = np.stack([env.reset() for env in self.envs])
        self.first = [True] * len(self.envs)

    def usable(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Every step that the replay still has."""
        ring = self.replay.ring
        found = [
            (row, at)
            for row in range(len(self.envs))
            for at in range(int(ring.written[row]))
            if ring.usable(np.array([row]), np.array([at]))[0]
        ]
        rows, at = np.array(found, dtype=np.int64).reshape(-1, 2).T
        return rows, at

    def after(self, row: int, at: int) -> list[Step]:
        """The steps from there to the episode's end."""
        episode, step = self.places[row][at]
        return self.episodes[row][episode][step:]

    def before(self, row: int, at: int) -> list[Step]:
        """The steps of the episode up to and with that one."""
        episode, step = self.places[row][at]
        return self.episodes[row][episode][: step + 1]
