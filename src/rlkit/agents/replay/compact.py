"""`CompactReplay`: the frames' ring as a replay buffer of Stable-Baselines3, with priorities and sequences."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch as th
from gymnasium import spaces
from numpy.typing import NDArray
from stable_baselines3.common.buffers import BaseBuffer

from rlkit.agents.replay.ring import GOES_ON, TERMINATED, TRUNCATED, FrameRing, Rows
from rlkit.agents.replay.tree import SumTree

TRIES = 1_000  # draws before a uniform choice is given up
RELABELLED = 1_024  # steps at once
LEAST_PRIORITY = 1e-6  # so that a transition without error is drawn again some day


class Batch(NamedTuple):
    """Transitions, the first six as Stable-Baselines3 has them.

    Attributes:
        observations: Shape ``(m, *obs_shape)``.
        actions: Shape ``(m, 1)`` int64.
        next_observations: After up to n steps, shape ``(m, *obs_shape)``: an ended episode's last.
        dones: 1 where the episode terminated (a truncated one goes on in the value), shape ``(m, 1)``.
        rewards: Discounted sums of up to n rewards, shape ``(m, 1)``.
        discounts: Of the next value, shape ``(m, 1)``.
        weights: Of the importance correction, at most 1, shape ``(m, 1)``.
        next_masks: Legal actions of the next observations, shape ``(m, actions)``; None without masks.
        rows: Environments, shape ``(m,)``, NumPy.
        at: Slots, shape ``(m,)``, NumPy.
    """

    observations: th.Tensor
    actions: th.Tensor
    next_observations: th.Tensor
    dones: th.Tensor
    rewards: th.Tensor
    discounts: th.Tensor
    weights: th.Tensor
    next_masks: th.Tensor | None
    rows: Rows
    at: Rows


class Sequences(NamedTuple):
    """Stretches of episodes, cut at an episode's end; what follows the cut repeats the last observation.

    Attributes:
        observations: Shape ``(m, T + 1, *obs_shape)``; where asked, the newest frame of each alone.
        actions: Shape ``(m, T)`` int64.
        rewards: Shape ``(m, T)``; 0 past the cut.
        goes_on: 0 where a step terminated the episode, else 1, shape ``(m, T)`` float32.
        steps: 1 before the cut, 0 past it, shape ``(m, T)`` float32.
    """

    observations: th.Tensor
    actions: th.Tensor
    rewards: th.Tensor
    goes_on: th.Tensor
    steps: th.Tensor


class CompactReplay(BaseBuffer):
    """Replay that keeps each frame once.

    For a million observations of four 84x84 frames it takes 7.1 GB, where Stable-Baselines3's takes 56.4. The frame
    that ends an episode is kept like any other, so that terminal and truncated transitions lead where they led.

    Args:
        buffer_size: Frames that are kept, over all environments.
        observation_space: A Box (or Discrete), channels of pictures first.
        action_space: Discrete.
        device: Of the tensors that are returned.
        n_envs: Environments that are stepped together.
        optimize_memory_usage: Stable-Baselines3's option of that name, which this class replaces.
        stack: Frames in an observation, along its first axis.
        n_steps: Rewards that are summed before the value.
        gamma: Discount.
        alpha: Exponent of the priorities (Schaul et al. 2016); 0: all transitions are drawn alike.
        masked: Whether action masks are kept.
        lookback: Observations before a step's own that :meth:`sample_history` needs.
        seed: Of what is drawn.
    """

    def __init__(
        self,
        buffer_size: int,
        observation_space: spaces.Space[Any],
        action_space: spaces.Space[Any],
        device: th.device | str = "auto",
        n_envs: int = 1,
        optimize_memory_usage: bool = False,
        *,
        stack: int = 1,
        n_steps: int = 1,
        gamma: float = 0.99,
        alpha: float = 0.0,
        masked: bool = False,
        lookback: int = 0,
        seed: int = 0,
    ) -> None:
        if isinstance(observation_space, spaces.Dict) or not isinstance(action_space, spaces.Discrete):
            raise ValueError(
                "the compact replay is for Box observations and Discrete actions, "
                f"got {observation_space} and {action_space}"
            )
        if optimize_memory_usage:
            raise ValueError("the compact replay keeps each frame once anyway: leave optimize_memory_usage out")
        super().__init__(max(buffer_size // n_envs, 1), observation_space, action_space, device, n_envs)
        self.ring = FrameRing(
            self.buffer_size,
            n_envs,
            tuple(self.obs_shape),
            observation_space.dtype,
            stack=stack,
            n_actions=int(action_space.n),
            masked=masked,
            lookback=lookback,
        )
        self.stack, self.n_steps, self.gamma, self.alpha = stack, n_steps, gamma, alpha
        leaves = n_envs * self.buffer_size
        self._priorities = SumTree(leaves) if alpha > 0 else None
        self._rewarding = SumTree(leaves) if lookback else None  # weight 1 for every usable step with a reward
        self._largest = 1.0
        self._rng = np.random.default_rng(seed)
        self._staged: tuple[NDArray[np.bool_] | None, NDArray[np.bool_] | None] = (None, None)

    def size(self) -> int:
        """Frames that are kept, in the fullest ring."""
        return int(min(self.ring.written.max(), self.buffer_size))

    def stage_masks(self, masks: NDArray[np.bool_], next_masks: NDArray[np.bool_]) -> None:
        """Legal actions that go with the next :meth:`add`, before and after the step, shape ``(n_envs, actions)``."""
        self._staged = masks, next_masks

    def add(
        self,
        obs: NDArray[Any],
        next_obs: NDArray[Any],
        action: NDArray[Any],
        reward: NDArray[Any],
        done: NDArray[Any],
        infos: list[dict[str, Any]],
    ) -> None:
        """Keep a step of every environment; arguments as Stable-Baselines3's."""
        shape = (self.n_envs, *self.ring.obs_shape)
        ends = np.where(done, TERMINATED, GOES_ON).astype(np.uint8)
        for row in np.flatnonzero(done):
            if infos[row].get("TimeLimit.truncated", False):
                ends[row] = TRUNCATED
        masks, next_masks = self._staged
        if next_masks is not None:
            next_masks = next_masks | (ends != GOES_ON)[:, None]  # those are of the next episode: its last has none
        before = self.ring.written.copy()
        at = self.ring.add(
            np.reshape(obs, shape), np.reshape(next_obs, shape), np.reshape(action, -1), reward, ends, masks, next_masks
        )
        self._staged = (None, None)
        if self._priorities is not None or self._rewarding is not None:
            self._weigh(before, at)

    def _weigh(self, before: Rows, at: Rows) -> None:
        """New weights in the trees: of these steps, and none for steps that are gone or lost a frame they need."""
        ring, rows = self.ring, np.arange(self.n_envs)
        count = int((ring.written - before).max())
        new = np.maximum(ring.written[:, None] - 1 - np.arange(count), before[:, None])
        seam = ring.oldest[:, None] + np.arange(ring.history)
        changed = np.concatenate([new, seam], axis=1)
        envs, slots = np.repeat(rows, changed.shape[1]), changed.ravel()
        lost = ~ring.usable(envs, slots)
        gone, here = self._leaves(envs[lost], slots[lost]), self._leaves(rows, at)
        if self._priorities is not None:
            self._priorities.set(gone, np.zeros(len(gone)))
            self._priorities.set(here, np.full(len(here), self._largest**self.alpha))
        if self._rewarding is not None:
            self._rewarding.set(gone, np.zeros(len(gone)))
            self._rewarding.set(here, (ring.rewards[rows, at % self.buffer_size] != 0).astype(np.float64))

    def _leaves(self, rows: Rows, at: Rows) -> Rows:
        return rows * self.buffer_size + at % self.buffer_size

    def _places(self, leaves: Rows) -> tuple[Rows, Rows]:
        """Environments and slots of leaves."""
        rows, places = np.divmod(leaves, self.buffer_size)
        head = self.ring.written[rows] - 1
        return rows, head - (head - places) % self.buffer_size

    def _draw(self, count: int, rewarding: bool | None = None) -> tuple[Rows, Rows]:
        """Steps, all alike; ``rewarding``: of those without (False) or with (True) a reward, if there are any."""
        if rewarding and self._rewarding is not None and self._rewarding.total > 0:
            return self._places(self._rewarding.find(self._rng.random(count) * self._rewarding.total))
        ring, oldest = self.ring, self.ring.oldest
        rows, at = np.empty(count, dtype=np.int64), np.empty(count, dtype=np.int64)
        open_places = np.arange(count)
        for attempt in range(TRIES):
            rows[open_places] = self._rng.integers(self.n_envs, size=len(open_places))
            chosen = rows[open_places]
            at[open_places] = self._rng.integers(
                oldest[chosen], np.maximum(ring.written[chosen] - 1, oldest[chosen] + 1)
            )
            usable = ring.usable(chosen, at[open_places])
            if rewarding is False and attempt < TRIES // 2:
                usable &= ring.rewards[chosen, at[open_places] % self.buffer_size] == 0
            open_places = open_places[~usable]
            if not len(open_places):
                return rows, at
        raise ValueError("the replay holds no complete step yet: raise learning_starts")

    def sample(self, batch_size: int, env: Any = None, beta: float = 1.0) -> Batch:
        """Transitions of up to n steps.

        Args:
            batch_size: How many.
            env: Stable-Baselines3's ``VecNormalize``, which frames kept once cannot go with.
            beta: Of the importance correction; 1 corrects in full.

        Raises:
            ValueError: With ``VecNormalize``, or if there is nothing to draw.
        """
        if env is not None:
            raise ValueError("the compact replay does not go with VecNormalize: use the standard replay")
        if self._priorities is None:
            rows, at = self._draw(batch_size)
            return self.transitions(rows, at)
        tree = self._priorities
        if tree.total <= 0:
            raise ValueError("the replay holds no complete step yet: raise learning_starts")
        sums = (np.arange(batch_size) + self._rng.random(batch_size)) * (tree.total / batch_size)
        leaves = tree.find(np.minimum(sums, np.nextafter(tree.total, 0.0)))
        chances = tree.get(leaves) / tree.total
        weights = (chances.min() / chances) ** beta
        return self.transitions(*self._places(leaves), weights)

    def transitions(self, rows: Rows, at: Rows, weights: NDArray[np.float64] | None = None) -> Batch:
        """Transitions from these environments and slots."""
        ring, slots, count = self.ring, self.buffer_size, len(at)
        lengths = ring.lengths(rows, at, self.n_steps)
        steps = np.arange(self.n_steps)
        rewards = ring.rewards[rows[:, None], (at[:, None] + steps) % slots]
        factors = self.gamma ** steps.astype(np.float32) * (steps < lengths[:, None])
        last, after = (at + lengths - 1) % slots, (at + lengths) % slots
        return Batch(
            self._tensor(ring.stacks(rows, at)),
            self._tensor(ring.actions[rows, at % slots].astype(np.int64)[:, None]),
            self._tensor(ring.stacks(rows, at + lengths)),
            self._tensor((ring.ends[rows, last] == TERMINATED).astype(np.float32)[:, None]),
            self._tensor((rewards * factors).sum(1, dtype=np.float32)[:, None]),
            self._tensor((self.gamma ** lengths.astype(np.float32)).astype(np.float32)[:, None]),
            self._tensor((np.ones(count) if weights is None else weights).astype(np.float32)[:, None]),
            None if ring.masks is None else self._tensor(ring.masks[rows, after]),
            rows,
            at,
        )

    def sequences(self, rows: Rows, at: Rows, length: int, *, stacked: bool = True) -> Sequences:
        """Stretches of ``length`` steps from these environments and slots; not ``stacked``: of newest frames alone."""
        ring, slots, steps = self.ring, self.buffer_size, np.arange(length)
        lengths = ring.lengths(rows, at, length)
        taken = at[:, None] + np.minimum(np.arange(length + 1), lengths[:, None])
        envs = np.repeat(rows, length + 1)
        places = taken[:, :-1] % slots
        inside = steps < lengths[:, None]
        terminated = (ring.ends[rows[:, None], places] == TERMINATED) & inside
        if stacked:
            observations = ring.stacks(envs, taken.ravel())
        else:
            observations = ring.frames[envs, taken.ravel() % slots]
        return Sequences(
            self._tensor(observations.reshape(len(at), length + 1, *observations.shape[1:])),
            self._tensor(ring.actions[rows[:, None], places].astype(np.int64)),
            self._tensor((ring.rewards[rows[:, None], places] * inside).astype(np.float32)),
            self._tensor((~terminated).astype(np.float32)),
            self._tensor(inside.astype(np.float32)),
        )

    def sample_sequences(self, count: int, length: int) -> Sequences:
        """Stretches that begin at steps drawn alike; see :meth:`sequences`."""
        return self.sequences(*self._draw(count), length)

    def sample_history(self, count: int, length: int, rewarding_share: float) -> tuple[th.Tensor, th.Tensor]:
        """Steps, of which a share has a reward, with the observations that led there.

        Args:
            count: How many.
            length: Observations up to and with the step's own; before the episode's first, that is repeated.
            rewarding_share: Of steps with a reward, as far as there are any.

        Returns:
            Observations ``(count, length, *obs_shape)`` and rewards ``(count,)``.
        """
        with_reward = round(count * rewarding_share)
        drawn = [self._draw(with_reward, True), self._draw(count - with_reward, False)]
        rows, at = (np.concatenate(parts) for parts in zip(*drawn, strict=True))
        ages = self.ring.ages[rows, at % self.buffer_size].astype(np.int64)
        taken = at[:, None] - np.minimum(np.arange(length - 1, -1, -1), ages[:, None])
        observations = self.ring.stacks(np.repeat(rows, length), taken.ravel())
        rewards = self.ring.rewards[rows, at % self.buffer_size]
        return self._tensor(observations.reshape(count, length, *self.ring.obs_shape)), self._tensor(rewards)

    def reprioritise(self, batch: Batch, errors: NDArray[np.float64]) -> None:
        """Give transitions that were drawn the priority of their errors, shape ``(m,)``."""
        if self._priorities is not None:
            priorities = np.abs(errors).astype(np.float64) + LEAST_PRIORITY
            self._largest = max(self._largest, float(priorities.max()))
            usable = self.ring.usable(batch.rows, batch.at)
            self._priorities.set(self._leaves(batch.rows, batch.at), np.where(usable, priorities**self.alpha, 0.0))

    def relabel(
        self, rewards: Callable[[NDArray[Any], NDArray[np.int64], NDArray[np.bool_], NDArray[Any]], NDArray[Any]]
    ) -> int:
        """Replace the rewards of all steps whose observations are still there.

        Args:
            rewards: Of observations ``(m, *obs_shape)``, actions ``(m,)``, whether the episode terminated ``(m,)``, and
                the observations that followed ``(m, *obs_shape)``.

        Returns:
            How many steps.
        """
        ring, count = self.ring, 0
        for row in range(self.n_envs):
            kept = np.arange(ring.oldest[row], ring.written[row])
            kept = kept[ring.usable(np.full(len(kept), row), kept)]
            for at in np.array_split(kept, max(1, -(-len(kept) // RELABELLED))):
                rows, places = np.full(len(at), row), at % self.buffer_size
                if len(at):
                    actions, terminated = ring.actions[rows, places].astype(np.int64), ring.ends[rows, places]
                    seen = ring.stacks(rows, at), ring.stacks(rows, at + 1)
                    ring.rewards[rows, places] = rewards(seen[0], actions, terminated == TERMINATED, seen[1])
            if self._rewarding is not None:
                weights = (ring.rewards[row, kept % self.buffer_size] != 0).astype(np.float64)
                self._rewarding.set(self._leaves(np.full(len(kept), row), kept), weights)
            count += len(kept)
        return count

    def _tensor(self, array: NDArray[Any]) -> th.Tensor:
        return th.from_numpy(np.ascontiguousarray(array)).to(self.device)

    def _get_samples(self, batch_inds: NDArray[Any], env: Any = None) -> Any:
        raise NotImplementedError("slots are counted for each environment: use transitions(rows, at)")

    def get_state(self) -> dict[str, Any]:
        """All that decides what is drawn next: arrays and plain values, free to keep."""
        trees = {"priorities": self._priorities, "rewarding": self._rewarding}
        return {
            "ring": self.ring.get_state(),
            "trees": {name: tree.leaves.copy() for name, tree in trees.items() if tree is not None},
            "largest": self._largest,
            "random": dict(self._rng.bit_generator.state),
        }

    def set_state(self, state: dict[str, Any]) -> None:
        """Take back what :meth:`get_state` gave, of a replay made with the same arguments."""
        self.ring.set_state(state["ring"])
        for name, tree in (("priorities", self._priorities), ("rewarding", self._rewarding)):
            if tree is not None:
                tree.restore(state["trees"][name])
        self._largest = float(state["largest"])
        self._rng.bit_generator.state = state["random"]
