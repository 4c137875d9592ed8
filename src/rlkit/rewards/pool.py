"""`EpisodePool`: the steps of late, as they were lived; segments are copied out of it."""

from __future__ import annotations

from collections import deque
from typing import Any, NamedTuple

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from rlkit.rewards.segments import Clip, Segment, SegmentBatch, Tree, map_tree
from rlkit.rewards.simulators import Simulators, Snapshot


class Spans(NamedTuple):
    """Where segments lie in a pool; good until the next step is added.

    Attributes:
        rows: Environments, shape ``(n,)``.
        starts: First steps, counted from the pool's beginning, shape ``(n,)``.
        lengths: Steps, shape ``(n,)``.
    """

    rows: NDArray[np.int64]
    starts: NDArray[np.int64]
    lengths: NDArray[np.int64]


class EpisodePool:
    """A ring of steps for each of some environments that are stepped together.

    Args:
        observation_space: Of one environment.
        action_space: Of one environment.
        rows: The first so many environments are recorded.
        steps: Kept, of each.
        every: Steps between two snapshots of a simulator; there is one at each episode's beginning as well.
        simulators: Takes them; None: segments have no clips.
        hold: Steps without reward that an episode which has terminated is kept standing still for, so that segments are
            as long as others, and show what comes after such an end.
    """

    def __init__(
        self,
        observation_space: spaces.Space[Any],
        action_space: spaces.Space[Any],
        rows: int,
        *,
        steps: int,
        every: int = 50,
        simulators: Simulators | None = None,
        hold: int = 0,
    ) -> None:
        if rows < 1 or steps < 2 or every < 1:
            raise ValueError(f"rows and every must be at least 1 and steps 2, got {rows}, {every} and {steps}")
        self.rows, self.steps, self.every, self.hold = rows, steps, every, hold
        self._simulators = simulators if simulators is not None and simulators.kind != "none" else None
        self._observations = zeros_of(observation_space, (rows, steps))
        self._actions = zeros_of(action_space, (rows, steps))
        self._rewards = np.zeros((rows, steps), np.float32)
        self._episodes = np.zeros((rows, steps), np.int64)
        self._ended, self._over = (np.zeros((rows, steps), np.bool_) for _ in range(2))
        self._episode, self._age = np.zeros(rows, np.int64), np.zeros(rows, np.int64)  # that is being lived, its steps
        self._begun = np.zeros((rows, steps), np.int64)  # each step's place in its episode
        self._snapshots: list[deque[tuple[int, Snapshot]]] = [deque() for _ in range(rows)]
        self.written = np.zeros(rows, np.int64)
        self._step = 0

    @property
    def oldest(self) -> NDArray[np.int64]:
        """The oldest step that is kept, of each environment."""
        return np.maximum(self.written - self.steps, 0)

    @property
    def steps_kept(self) -> int:
        """Of all recorded environments together."""
        return int((self.written - self.oldest).sum())

    def begin(self) -> None:
        """The environments were reset: new episodes begin."""
        self._episode += self._age > 0
        self._age[:] = 0
        self._snap(range(self.rows))

    def add(
        self,
        observations: Tree,
        actions: NDArray[Any],
        rewards: NDArray[Any],
        dones: NDArray[np.bool_],
        step: int,
        *,
        terminated: NDArray[np.bool_] | None = None,
        last: Tree | None = None,
    ) -> None:
        """Keep a step of the recorded environments, after it was made.

        Args:
            observations: What was acted on, arrays of shape ``(n_envs, ...)``.
            actions: What was done, shape ``(n_envs, *action_shape)``.
            rewards: The task's own, shape ``(n_envs,)``.
            dones: Whether the step ended an episode, shape ``(n_envs,)``; the next one has begun.
            step: Environment steps of the whole run, this one included.
            terminated: Whether the end was one after which nothing comes, shape ``(n_envs,)``; None: none was.
            last: What was seen at the end, arrays of shape ``(n_envs, ...)``; only needed where one terminated.
        """
        rows = np.arange(self.rows)
        done = np.asarray(dones[: self.rows], np.bool_).copy()
        stands = np.zeros_like(done) if terminated is None or not self.hold else terminated[: self.rows] & done
        ends = done & ~stands
        self._write(rows, observations, actions, rewards, ends)
        for still in range(self.hold if stands.any() else 0):
            held = np.flatnonzero(stands)
            ended = np.full(len(held), still == self.hold - 1)
            self._write(held, last, actions, np.zeros(len(dones)), ended, over=still > 0)
        self._step = step
        self._episode += done
        self._age[done] = 0
        due = np.flatnonzero(self._age % self.every == 0)
        if len(due):
            self._snap(due.tolist())

    def _write(
        self,
        rows: NDArray[np.int64],
        observations: Tree,
        actions: NDArray[Any],
        rewards: NDArray[Any],
        ended: NDArray[np.bool_],
        *,
        over: bool = False,
    ) -> None:
        """A step of some rows; arrays are of all environments, ``ended`` of these rows.

        ``over``: it stands still, and has been seen.
        """
        slots = self.written[rows] % self.steps

        def keep(ring: NDArray[Any], values: Any) -> None:
            ring[rows, slots] = values[: self.rows][rows]

        map_tree(keep, self._observations, observations)
        keep(self._actions, actions)
        keep(self._rewards, rewards)
        self._ended[rows, slots], self._over[rows, slots] = ended, over
        self._episodes[rows, slots], self._begun[rows, slots] = self._episode[rows], self._age[rows]
        self.written[rows] += 1
        self._age[rows] += 1

    def _snap(self, rows: Any) -> None:
        if self._simulators is None:
            return
        for row, snapshot in zip(rows, self._simulators.take(list(rows)), strict=True):
            taken, now = self._snapshots[row], int(self.written[row])
            if taken and taken[-1][0] == now:
                taken.pop()
            taken.append((now, snapshot))
            while taken[0][0] < now - self.steps:
                taken.popleft()

    def draw(self, n: int, length: int, rng: np.random.Generator, *, newest: int = 0, least: int = 1) -> Spans:
        """Segments at random, with replacement, each possible one as likely as any other.

        An episode that ended before ``length`` steps is one segment, the whole of it.

        Args:
            n: How many.
            length: Steps of each, at most.
            rng: Draws.
            newest: Only from so many newest episodes; 0: from all.
            least: From a few episodes more, if these have fewer segments than that.

        Raises:
            ValueError: If nothing that is kept is long enough.
        """
        rows, first, lengths, possible = self._stretches(length)
        if newest:
            order = np.argsort(-(first + lengths), kind="stable")
            enough = int(np.searchsorted(np.cumsum(possible[order]), least)) + 1
            chosen = order[: max(newest, enough)]
            rows, first, lengths, possible = rows[chosen], first[chosen], lengths[chosen], possible[chosen]
        ends = np.cumsum(possible)
        if not len(ends):
            raise ValueError(f"no episode of the {self.steps_kept} steps kept has ended or has {length} steps")
        number = rng.integers(ends[-1], size=n)
        stretch = np.searchsorted(ends, number, side="right")
        starts = first[stretch] + number - (ends - possible)[stretch]
        return Spans(rows[stretch], starts, np.minimum(length, lengths[stretch]))

    def _stretches(self, length: int) -> tuple[NDArray[np.int64], ...]:
        """What is kept of each episode that has a segment: row, first step, steps, number of segments in it."""
        count = self.written - self.oldest
        place = np.arange(int(count.max()))
        there = place < count[:, None]
        slots = (self.oldest[:, None] + place) % self.steps
        everyone = np.arange(self.rows)[:, None]
        episodes = self._episodes[everyone, slots]
        fresh = there.copy()
        fresh[:, 1:] &= episodes[:, 1:] != episodes[:, :-1]
        rows, places = np.nonzero(fresh)
        following = np.where(np.append(rows[1:], -1) == rows, np.append(places[1:], 0), count[rows])
        lengths = following - places
        last = self._ended[rows, slots[rows, following - 1]]
        whole = self._begun[rows, slots[rows, places]] == 0
        for stretch in np.flatnonzero(~whole) if self._simulators is not None else ():  # of each row one at most
            row = rows[stretch]
            seen = self._snapshots[row][0][0] - self.oldest[row] - places[stretch]
            skipped = min(max(seen, 0), lengths[stretch])
            places[stretch], lengths[stretch] = places[stretch] + skipped, lengths[stretch] - skipped
        possible = np.where(lengths >= length, lengths - length + 1, (last & whole).astype(np.int64))
        some = possible > 0
        return rows[some], (self.oldest[rows] + places)[some], lengths[some], possible[some]

    def batch(self, spans: Spans) -> SegmentBatch:
        """Segments side by side, copied, padded with zeros to the longest."""
        within = np.arange(spans.lengths.max())
        slots = (spans.starts[:, None] + within) % self.steps
        past = within >= spans.lengths[:, None]
        padded = bool(past.any())

        def gather(ring: NDArray[Any]) -> NDArray[Any]:
            taken = ring[spans.rows[:, None], slots]
            if padded:
                taken[past] = 0
            return taken

        observations = map_tree(gather, self._observations)
        still = gather(self._over).sum(1)
        return SegmentBatch(observations, gather(self._actions), gather(self._rewards), spans.lengths, still)

    def cut(self, spans: Spans, index: int) -> Segment:
        """One segment, with what renders it if its simulator's state is still there."""
        row, start, length = (int(part[index]) for part in spans)
        slots = np.arange(start, start + length) % self.steps
        return Segment(
            map_tree(lambda ring: ring[row, slots], self._observations),
            self._actions[row, slots],
            self._rewards[row, slots],
            row=row,
            episode=int(self._episodes[row, slots[0]]),
            start=int(self._begun[row, slots[0]]),
            step=self._step,
            ended=bool(self._ended[row, slots[-1]]),
            still=int(self._over[row, slots].sum()),
            clip=self._clip(row, start, length),
        )

    def _clip(self, row: int, start: int, length: int) -> Clip | None:
        begun = start - int(self._begun[row, start % self.steps])
        for at, snapshot in reversed(self._snapshots[row]):
            if at < max(begun, int(self.oldest[row])):
                break
            if at <= start:
                return Clip(snapshot, self._actions[row, np.arange(at, start + length) % self.steps], start - at)
        return None

    def get_state(self) -> dict[str, Any]:
        """All that is kept: views of the rings, not copies."""
        used = min(int(self.written.max()), self.steps)
        return {
            "rings": [map_tree(lambda ring: ring[:, :used], ring) for ring in self._rings()],
            "episode": self._episode.copy(),
            "age": self._age.copy(),
            "snapshots": [list(taken) for taken in self._snapshots],
            "written": self.written.copy(),
            "step": self._step,
        }

    def set_state(self, state: dict[str, Any]) -> None:
        """Go back to what :meth:`get_state` gave."""
        used = min(int(state["written"].max()), self.steps)

        def put(ring: NDArray[Any], kept: NDArray[Any]) -> None:
            ring[:, :used] = kept

        for ring, kept in zip(self._rings(), state["rings"], strict=True):
            map_tree(put, ring, kept)
        self._episode[:], self._age[:] = state["episode"], state["age"]
        self._snapshots = [deque(tuple(pair) for pair in taken) for taken in state["snapshots"]]
        self.written[:], self._step = state["written"], state["step"]

    def _rings(self) -> tuple[Tree, ...]:
        steps = self._observations, self._actions, self._rewards
        return *steps, self._episodes, self._ended, self._over, self._begun


def zeros_of(space: spaces.Space[Any], shape: tuple[int, ...]) -> Tree:
    """Room for so many elements of a space.

    Raises:
        ValueError: If the space has no arrays.
    """
    if isinstance(space, spaces.Dict):
        return {key: zeros_of(part, shape) for key, part in space.spaces.items()}
    if space.shape is None or space.dtype is None:
        raise ValueError(f"elements of {type(space).__name__} are not arrays")
    return np.zeros((*shape, *space.shape), space.dtype)
