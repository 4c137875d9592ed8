"""The base of every environment: a batch of N, and the single environment as a batch of one.

A task subclasses :class:`BatchEnv` with four hooks (reset rows, step rows, what to say of finished ones, its state)
and :class:`SingleEnv` with nothing but names. Autoreset, time limits, seeds, checks of actions and saved states are
here, once.
"""

from __future__ import annotations

import copy as copying
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from rlkit.envs.actions import check_actions, first_outside
from rlkit.envs.streams import Streams, new_streams

State = dict[str, Any]


def parse_autoreset_mode(mode: str | AutoresetMode) -> AutoresetMode:
    """An autoreset mode from its name, so that keyword arguments stay JSON.

    Raises:
        ValueError: If there is no such mode.

    Example:
        >>> parse_autoreset_mode("same_step")
        <AutoresetMode.SAME_STEP: 'SameStep'>
    """
    if isinstance(mode, AutoresetMode):
        return mode
    try:
        return AutoresetMode[str(mode).upper()]
    except KeyError:
        allowed = ", ".join(repr(m.name.lower()) for m in AutoresetMode)
        raise ValueError(f"autoreset_mode must be one of {allowed}, got {mode!r}") from None


class BatchEnv(VectorEnv[NDArray[Any], NDArray[Any], NDArray[Any]], ABC):
    """N independent environments stepped as one.

    Environment ``i`` depends on the seed, on ``i`` and on its own actions alone, never on the size of the batch.

    Args:
        num_envs: N.
        observation_space: Of one environment.
        action_space: Of one environment (Discrete or Box).
        autoreset_mode: ``"next_step"`` (Gymnasium's default: the step after an end ignores the action and returns the
            new episode's first observation), ``"same_step"`` (the end's step returns it; the true last observation is
            ``info["final_obs"]``, the rest ``info["final_info"]``; Stable-Baselines3's way) or ``"disabled"`` (the user
            resets with ``options={"reset_mask": mask}``).
        max_episode_steps: Episodes are truncated after so many steps; None for no limit.
        copy: Return fresh arrays. False returns the internal buffers, which the next step overwrites.
        render_mode: None or one of ``metadata["render_modes"]``.
    """

    metadata: dict[str, Any] = {"render_modes": ["rgb_array"], "render_fps": 1}

    def __init__(
        self,
        num_envs: int,
        observation_space: spaces.Space[Any],
        action_space: spaces.Space[Any],
        *,
        autoreset_mode: str | AutoresetMode = AutoresetMode.NEXT_STEP,
        max_episode_steps: int | None = None,
        copy: bool = True,
        render_mode: str | None = None,
    ) -> None:
        _check_count("num_envs", num_envs)
        if max_episode_steps is not None:
            _check_count("max_episode_steps", max_episode_steps)
        if render_mode is not None and render_mode not in self.metadata["render_modes"]:
            raise ValueError(f"render_mode must be None or one of {self.metadata['render_modes']}, got {render_mode!r}")
        self.num_envs = int(num_envs)
        self.single_observation_space = observation_space
        self.single_action_space = action_space
        self.observation_space = batch_space(observation_space, self.num_envs)
        self.action_space = batch_space(action_space, self.num_envs)
        self.autoreset_mode = parse_autoreset_mode(autoreset_mode)
        self.metadata = {**type(self).metadata, "autoreset_mode": self.autoreset_mode}
        self.max_episode_steps = max_episode_steps
        self.copy = copy
        self.render_mode = render_mode
        n = self.num_envs
        self._streams: Streams = np.zeros((n, 4), dtype=np.uint64)
        self._seeded = False
        self._all_rows = np.ones(n, dtype=np.bool_)
        self._elapsed = np.zeros(n, dtype=np.int64)
        self._ended = np.ones(n, dtype=np.bool_)  # to be reset before they can be stepped
        self._observations = np.zeros((n, *(observation_space.shape or ())), dtype=observation_space.dtype)
        self._final_observations = np.zeros_like(self._observations)
        self._rewards = np.zeros(n, dtype=np.float64)
        self._terminations = np.zeros(n, dtype=np.bool_)
        self._truncations = np.zeros(n, dtype=np.bool_)

    @abstractmethod
    def _reset_rows(self, rows: NDArray[np.bool_], options: dict[str, Any]) -> None:
        """Begin new episodes in these rows: write ``_observations``."""

    @abstractmethod
    def _step_rows(self, rows: NDArray[np.bool_], actions: NDArray[Any]) -> None:
        """Step these rows: write ``_observations``, ``_rewards`` and ``_terminations``.

        ``_truncations``, all False before, are written where the task ends an episode that did not end badly.
        """

    @abstractmethod
    def _verdicts(self, rows: NDArray[np.bool_]) -> NDArray[np.void]:
        """What is said of episodes that have just ended: N records (those outside ``rows`` do not count)."""

    @abstractmethod
    def _task_state(self) -> State:
        """What :meth:`get_state` adds to the streams and counters: arrays and plain values."""

    @abstractmethod
    def _set_task_state(self, state: State) -> None:
        """Take back what :meth:`_task_state` gave, and derive ``_observations`` anew."""

    def _step_info(self) -> dict[str, Any]:
        """What is said at every step, of the state in which the learner now is."""
        return {}

    def _single_info(self) -> dict[str, Any]:
        """The same for a batch of one, without the leading axis; nothing in it may be a buffer of the batch."""
        return {key: value[0].copy() for key, value in self._step_info().items()}

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[Any], dict[str, Any]]:
        """Begin new episodes.

        Args:
            seed: Seeds the random streams: an int for the whole batch, or one int for each row (row ``i`` is then
                what a single environment with that seed is). None goes on with the present streams.
            options: ``reset_mask`` (bool, ``(n,)``) begins new episodes in these rows alone; the rest is the task's.

        Returns:
            Observations ``(n, ...)`` and infos.
        """
        options = dict(options or {})
        rows = self._reset_mask(options.pop("reset_mask", None))
        if seed is not None or not self._seeded:
            streams = new_streams(seed, self.num_envs)
            seeded_rows = rows if self._seeded else self._all_rows
            self._streams[seeded_rows] = streams[seeded_rows]
            self._seeded = True
        self._begin(rows, options)
        return self._returned(self._observations), self._step_info()

    def _reset_mask(self, mask: Any) -> NDArray[np.bool_]:
        if mask is None:
            return self._all_rows
        if not isinstance(mask, np.ndarray) or mask.dtype != np.bool_ or mask.shape != (self.num_envs,):
            raise ValueError(
                f"options['reset_mask'] must be a bool array of shape ({self.num_envs},), got "
                f"{mask.dtype if isinstance(mask, np.ndarray) else type(mask).__name__} "
                f"{getattr(mask, 'shape', '')}".rstrip()
            )
        return mask

    def _begin(self, rows: NDArray[np.bool_], options: dict[str, Any]) -> None:
        self._reset_rows(rows, options)
        np.putmask(self._elapsed, rows, 0)
        np.putmask(self._ended, rows, False)

    def step(
        self, actions: NDArray[Any]
    ) -> tuple[NDArray[Any], NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_], dict[str, Any]]:
        """Step every environment.

        Args:
            actions: Shape of :attr:`action_space`.

        Returns:
            Observations ``(n, ...)``, rewards ``(n,)`` float64, terminations and truncations ``(n,)`` bool, infos.

        Raises:
            ValueError: If actions have the wrong shape or type, are out of range or not finite; or if an episode has
                ended (or none has begun) and nothing resets it.
        """
        actions = self._checked(actions)
        if self.autoreset_mode is AutoresetMode.NEXT_STEP and self._seeded:
            infos = self._step_next(actions)
        else:
            infos = self._step_now(actions)
        return (
            self._returned(self._observations),
            self._returned(self._rewards),
            self._returned(self._terminations),
            self._returned(self._truncations),
            infos,
        )

    def _step_now(self, actions: NDArray[Any]) -> dict[str, Any]:
        if self._ended.any():
            raise ValueError(_not_begun(self._ended, self._seeded))
        self._advance(self._all_rows, actions)
        ended = self._ended
        if not ended.any():
            return self._step_info()
        if self.autoreset_mode is AutoresetMode.DISABLED:
            return {**self._step_info(), **_masked(self._verdicts(ended), ended)}
        rows = ended.copy()
        final_obs = np.zeros_like(self._observations) if self.copy else self._final_observations
        final_obs[rows] = self._observations[rows]
        final_info = _masked(self._verdicts(rows), rows)
        self._begin(rows, {})
        return {
            **self._step_info(),
            "final_obs": final_obs,
            "_final_obs": rows,
            "final_info": final_info,
            "_final_info": rows,
        }

    def _step_next(self, actions: NDArray[Any]) -> dict[str, Any]:
        if not self._ended.any():
            self._advance(self._all_rows, actions)
        else:
            fresh = self._ended.copy()
            self._advance(~fresh, actions)
            self._begin(fresh, {})
            self._rewards[fresh] = 0.0
            self._terminations[fresh] = False
            self._truncations[fresh] = False
        if not self._ended.any():
            return self._step_info()
        return {**self._step_info(), **_masked(self._verdicts(self._ended), self._ended)}

    def _advance(self, rows: NDArray[np.bool_], actions: NDArray[Any]) -> None:
        self._truncations[:] = False
        self._step_rows(rows, actions)
        self._elapsed += rows
        if self.max_episode_steps is not None:
            self._truncations |= self._elapsed >= self.max_episode_steps
            self._truncations &= ~self._terminations
        np.logical_or(self._terminations, self._truncations, out=self._ended)

    def _advance_one(self, actions: NDArray[Any]) -> tuple[bool, bool]:
        """What :meth:`_advance` does, for a batch of one: plain numbers take a fraction of what ufuncs take.

        Returns:
            Whether the episode has terminated, and whether it was truncated.
        """
        self._truncations[0] = False
        self._step_rows(self._all_rows, actions)
        self._elapsed[0] = elapsed = self._elapsed.item(0) + 1
        terminated = self._terminations.item(0)
        late = self.max_episode_steps is not None and elapsed >= self.max_episode_steps
        truncated = (late or self._truncations.item(0)) and not terminated
        if terminated or truncated:
            self._truncations[0] = truncated
            self._ended[0] = True
        return terminated, truncated

    def _checked(self, actions: Any) -> NDArray[Any]:
        """Actions as an array that the kernel may trust."""
        array = np.asarray(actions)
        if array.shape != self.action_space.shape:
            raise ValueError(
                f"actions must have shape {self.action_space.shape} (one for each environment), got {array.shape}"
            )
        return check_actions(array, self.single_action_space)

    def _returned(self, array: NDArray[Any]) -> NDArray[Any]:
        return array.copy() if self.copy else array

    def get_state(self) -> State:
        """All that decides what happens next, random streams included: arrays and JSON values, free to keep."""
        return {
            "streams": self._streams.copy(),
            "elapsed": self._elapsed.copy(),
            "ended": self._ended.copy(),
            "task": copying.deepcopy(self._task_state()),
        }

    def set_state(self, state: State) -> None:
        """Go back to a state that :meth:`get_state` gave, of an environment made with the same arguments.

        Raises:
            ValueError: If the state has another number of environments.
        """
        if len(state["streams"]) != self.num_envs:
            raise ValueError(f"the state is of {len(state['streams'])} environments, this batch has {self.num_envs}")
        self._set_task_state(state["task"])  # first, as it may refuse
        self._streams[:] = state["streams"]
        self._elapsed[:] = state["elapsed"]
        self._ended[:] = state["ended"]
        self._seeded = True

    def observe(self) -> tuple[NDArray[Any], dict[str, Any]]:
        """The present observations and infos once more, as after a reset; for use after a state was set."""
        return self._returned(self._observations), self._step_info()


class SingleEnv(gymnasium.Env[NDArray[Any], Any]):
    """One environment: a :class:`BatchEnv` of one behind Gymnasium's ``Env``, returning fresh arrays.

    Args:
        batch: A batch of one with autoreset disabled and ``copy=False``.
    """

    def __init__(self, batch: BatchEnv) -> None:
        self._batch = batch
        self.observation_space = batch.single_observation_space
        self.action_space = batch.single_action_space
        self.render_mode = batch.render_mode
        self._action = np.zeros(batch.action_space.shape or (1,), dtype=batch.action_space.dtype)
        self._action_shape = self.action_space.shape
        self._num_actions = int(self.action_space.n) if isinstance(self.action_space, spaces.Discrete) else 0
        self._row = self._action.reshape(1, -1)
        self._bounds: tuple[NDArray[Any], NDArray[Any]] | None = None
        if isinstance(self.action_space, spaces.Box):
            self._bounds = self.action_space.low.ravel(), self.action_space.high.ravel()

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[Any], dict[str, Any]]:
        """Begin a new episode; see the class's manual for the options."""
        super().reset(seed=seed)
        self._batch.reset(seed=seed, options={key: [value] for key, value in options.items()} if options else None)
        return self.observe()

    def step(self, action: Any) -> tuple[NDArray[Any], float, bool, bool, dict[str, Any]]:
        """Take one action.

        Raises:
            ValueError: If the action is out of range or of the wrong shape or type, or if the episode has ended.
        """
        batch = self._batch
        if type(action) is int and 0 <= action < self._num_actions:  # the common case, without arrays
            self._action[0] = action
        else:
            self._take(action)
        if batch._ended.item(0):
            raise ValueError(_not_begun(batch._ended, batch._seeded))
        terminated, truncated = batch._advance_one(self._action)
        observation, info = self.observe()
        if terminated or truncated:
            verdict = batch._verdicts(batch._all_rows)
            info.update(zip(verdict.dtype.names or (), verdict[0].item(), strict=True))
        return observation, batch._rewards.item(0), terminated, truncated, info

    def _take(self, action: Any) -> None:
        """Check an action and keep it where the batch reads it."""
        array = np.asarray(action)
        if array.shape != self._action_shape:
            raise ValueError(f"an action must have shape {self._action_shape}, got {array.shape}: {action!r}")
        if self._bounds is not None and array.dtype == self._action.dtype:
            self._action[0] = array
            if first_outside(self._row, *self._bounds) < 0:
                return
        self._action[0] = check_actions(array[None], self.action_space)[0]

    def render(self) -> Any:
        """The picture of the present state, or None without a render mode."""
        frames = self._batch.render()
        return None if frames is None else frames[0]

    def get_state(self) -> State:
        """As :meth:`BatchEnv.get_state`."""
        return self._batch.get_state()

    def set_state(self, state: State) -> None:
        """As :meth:`BatchEnv.set_state`."""
        self._batch.set_state(state)

    def observe(self) -> tuple[NDArray[Any], dict[str, Any]]:
        """As :meth:`BatchEnv.observe`."""
        batch = self._batch
        return batch._observations[0].copy(), batch._single_info()

    def close(self) -> None:
        """Release what the batch holds."""
        self._batch.close()


def _masked(verdicts: NDArray[np.void], rows: NDArray[np.bool_]) -> dict[str, Any]:
    """Gymnasium's infos of some rows: an array for each field, with the mask of those it speaks of."""
    infos: dict[str, Any] = {}
    mask = rows.copy()
    for name in verdicts.dtype.names or ():
        infos[name] = verdicts[name]
        infos[f"_{name}"] = mask
    return infos


def _check_count(name: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
        raise ValueError(f"{name} must be a whole number >= 1, got {value!r}")


def _not_begun(ended: NDArray[np.bool_], seeded: bool) -> str:
    if not seeded:
        return "call reset() before step()"
    rows = np.flatnonzero(ended)
    return (
        f"the episodes of environments {rows[:8].tolist()}{' ...' if len(rows) > 8 else ''} have ended: "
        "reset them (a vector environment: options={'reset_mask': mask}) before the next step"
    )
