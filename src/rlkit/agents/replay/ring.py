"""Episodes of several environments as rings of frames, each frame kept once.

Every environment has a ring of its own. A slot holds a frame and, if a step was taken from it, the action, the reward
and how the step ended; the frame after a step is always in the next slot, so that an episode of L steps takes L + 1.
The last slot written, the head, waits for its step. Stacks are put together when they are asked for.

Slots are counted from the ring's beginning (``at``) and never renamed: slot ``at`` lies at ``at % slots``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.int64]

NO_STEP, GOES_ON, TERMINATED, TRUNCATED = range(4)  # how a slot's step ended
CAP = 255  # ages are bytes: more than any stack needs


class FrameRing:
    """See the module.

    Args:
        slots: Of each environment.
        n_envs: How many environments.
        obs_shape: Of an observation: ``stack`` frames along its first axis, the newest last.
        dtype: Of observations.
        stack: Frames in an observation; 1: it is one.
        n_actions: For the width of action masks and the type of actions.
        masked: Whether masks are kept.
        lookback: Observations before a step's own that must be there as well.
    """

    def __init__(
        self,
        slots: int,
        n_envs: int,
        obs_shape: tuple[int, ...],
        dtype: Any,
        *,
        stack: int = 1,
        n_actions: int,
        masked: bool = False,
        lookback: int = 0,
    ) -> None:
        if stack < 1 or obs_shape[0] % stack:
            raise ValueError(
                f"observations of shape {obs_shape} are not stacks of {stack} frames along their first axis"
            )
        least = 2 * (stack + lookback)
        if slots < least:
            raise ValueError(f"the replay has {slots} slots for each environment, it needs at least {least}")
        self.slots, self.n_envs, self.stack = slots, n_envs, stack
        self.history = stack - 1 + lookback
        self.obs_shape = obs_shape
        self._channels = obs_shape[0] // stack
        self.frames = np.zeros((n_envs, slots, self._channels, *obs_shape[1:]), dtype=dtype)
        self.actions = np.zeros((n_envs, slots), dtype=np.min_scalar_type(max(n_actions - 1, 1)))
        self.rewards = np.zeros((n_envs, slots), dtype=np.float32)
        self.ends = np.zeros((n_envs, slots), dtype=np.uint8)
        self.ages = np.zeros((n_envs, slots), dtype=np.uint8)  # frames of this episode before this one, up to CAP
        self.blank = np.zeros(
            (n_envs, slots), dtype=np.bool_
        )  # frames before the episode's first are black, not its own
        self.masks = np.ones((n_envs, slots, n_actions), dtype=np.bool_) if masked else None
        self.written = np.zeros(n_envs, dtype=np.int64)
        self._waiting = np.zeros(n_envs, dtype=np.bool_)  # whether there is a head
        self._expected = np.zeros((n_envs, *obs_shape), dtype=dtype)  # what is observed at the head

    @property
    def arrays(self) -> dict[str, NDArray[Any]]:
        """What the slots hold, shapes ``(n_envs, slots, ...)``."""
        names = ("frames", "actions", "rewards", "ends", "ages", "blank", "masks")
        return {name: getattr(self, name) for name in names if getattr(self, name) is not None}

    @property
    def oldest(self) -> Rows:
        """The oldest slot that is still there, of each environment."""
        return np.maximum(self.written - self.slots, 0)

    def add(
        self,
        obs: NDArray[Any],
        next_obs: NDArray[Any],
        actions: NDArray[Any],
        rewards: NDArray[Any],
        ends: NDArray[np.uint8],
        masks: NDArray[np.bool_] | None = None,
        next_masks: NDArray[np.bool_] | None = None,
    ) -> Rows:
        """Keep a step of every environment.

        Args:
            obs: Shape ``(n_envs, *obs_shape)``.
            next_obs: What the step led to: at an episode's end its last observation, not the next one's first.
            actions: Shape ``(n_envs,)``.
            rewards: Shape ``(n_envs,)``.
            ends: ``GOES_ON``, ``TERMINATED`` or ``TRUNCATED``, shape ``(n_envs,)``.
            masks: Legal actions of ``obs``, shape ``(n_envs, actions)``.
            next_masks: Of ``next_obs``.

        Returns:
            The slots of these steps, shape ``(n_envs,)``.
        """
        self._begin(obs, masks)
        at = self.written - 1
        rows, places = np.arange(self.n_envs), at % self.slots
        self.actions[rows, places], self.rewards[rows, places], self.ends[rows, places] = actions, rewards, ends
        ages, blank = self.ages[rows, places], self.blank[rows, places]
        self._write(rows, next_obs[:, -self._channels :], np.minimum(ages, CAP - 1) + 1, blank, next_masks)
        self._waiting[:] = ends == GOES_ON
        self._expected[:] = next_obs
        return at

    def _begin(self, obs: NDArray[Any], masks: NDArray[np.bool_] | None) -> None:
        """New episodes where there is no head, or where the environment shows something else: it was reset."""
        for row in range(self.n_envs):
            if self._waiting[row]:
                if np.array_equal(obs[row], self._expected[row], equal_nan=obs.dtype.kind == "f"):
                    continue
                self.ends[row, (self.written[row] - 2) % self.slots] = TRUNCATED
            frames = obs[row].reshape(self.stack, self._channels, *self.obs_shape[1:])
            before = frames[:-1]
            blank = not before.any()
            if not blank and not (before == frames[-1]).all():  # it has frames of its own: they are kept as well
                for age, frame in enumerate(before):
                    self._write(np.array([row]), frame[None], np.array([age], np.uint8), np.zeros(1, np.bool_), None)
                age = len(before)
            else:
                age = 0
            mask = None if masks is None else masks[row, None]
            self._write(np.array([row]), frames[-1:], np.array([age], np.uint8), np.array([blank]), mask)

    def _write(
        self,
        rows: Rows,
        frames: NDArray[Any],
        ages: NDArray[np.uint8],
        blank: NDArray[np.bool_],
        masks: NDArray[np.bool_] | None,
    ) -> None:
        places = self.written[rows] % self.slots
        self.frames[rows, places] = frames
        self.ages[rows, places], self.blank[rows, places], self.ends[rows, places] = ages, blank, NO_STEP
        if self.masks is not None:
            self.masks[rows, places] = True if masks is None else masks
        self.written[rows] += 1

    def usable(self, rows: Rows, at: Rows) -> NDArray[np.bool_]:
        """Whether a step was taken there and all frames of its observation are still there."""
        places = at % self.slots
        needed = np.minimum(self.ages[rows, places], self.history)
        oldest = np.maximum(self.written[rows] - self.slots, 0)
        there = (at >= oldest) & (at < self.written[rows])
        return there & (at - needed >= oldest) & (self.ends[rows, places] != NO_STEP)

    def lengths(self, rows: Rows, at: Rows, most: int) -> Rows:
        """Steps from each slot to the episode's end or the head, at most ``most``."""
        steps = at[:, None] + np.arange(most)
        ended = self.ends[rows[:, None], steps % self.slots] >= TERMINATED
        ended |= steps >= self.written[rows, None] - 2
        return np.where(ended.any(1), ended.argmax(1) + 1, most)

    def stacks(self, rows: Rows, at: Rows) -> NDArray[Any]:
        """Observations, as the environments showed them.

        Args:
            rows: Environments, shape ``(m,)``.
            at: Slots, shape ``(m,)``.

        Returns:
            Fresh array, shape ``(m, *obs_shape)``.
        """
        if self.stack == 1:
            return self.frames[rows, at % self.slots]
        offsets = np.arange(1 - self.stack, 1)
        first = -np.minimum(self.ages[rows, at % self.slots].astype(np.int64), self.stack - 1)
        taken = np.maximum(offsets, first[:, None])
        found = self.frames[rows[:, None], (at[:, None] + taken) % self.slots]
        black = (offsets < first[:, None]) & self.blank[rows, at % self.slots, None]
        if black.any():
            found[black] = 0
        return found.reshape(len(at), *self.obs_shape)

    def get_state(self) -> dict[str, Any]:
        """What was written, free to keep."""
        used = int(min(self.written.max(), self.slots))
        return {
            "arrays": {name: array[:, :used].copy() for name, array in self.arrays.items()},
            "written": self.written.copy(),
            "waiting": self._waiting.copy(),
            "expected": self._expected.copy(),
        }

    def set_state(self, state: dict[str, Any]) -> None:
        """Take back what :meth:`get_state` gave."""
        for name, array in self.arrays.items():
            array[:, : state["arrays"][name].shape[1]] = state["arrays"][name]
        self.written[:], self._waiting[:] = state["written"], state["waiting"]
        self._expected[:] = state["expected"]
