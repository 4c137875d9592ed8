"""Ends that tell nothing: an episode that terminates stands still for a while and is then cut, as if time had run out.

When an episode ends may give away what is wanted: a constant reward is enough to learn to balance a pole whose fall
ends the episode. Here the agent meets a terminal state as one in which nothing changes and the task's reward is 0; a
few steps of it are shown, so that its value can be learned, and the cut after them bootstraps that value. So it is
worth what the learned reward says it is worth for ever, and the task says nothing.
"""

from __future__ import annotations

import math
from typing import Any

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from numpy.typing import NDArray

from rlkit.agents.vecenv import HELD
from rlkit.envs.batch import BatchEnv
from rlkit.errors import UsageError


class AbsorbingEnv(gymnasium.Wrapper[Any, Any, Any, Any]):
    """One environment that never terminates.

    Args:
        env: With a time limit of its own, if it has one.
        hold: Steps that it stands still after its end; inf: as many as are left of the time limit.

    Raises:
        UsageError: If there is no time limit where one is needed.
    """

    def __init__(self, env: gymnasium.Env[Any, Any], hold: float) -> None:
        super().__init__(env)
        limit = None if env.spec is None else env.spec.max_episode_steps
        if math.isinf(hold) and limit is None:
            raise UsageError("reward.ends=fixed needs an environment with a time limit, this one has none")
        self._hold, self._limit = hold, limit if math.isinf(hold) else None
        self._elapsed = self._held = 0
        self._end: tuple[Any, dict[str, Any]] | None = None

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Begin an episode."""
        self._elapsed, self._held, self._end = 0, 0, None
        return self.env.reset(seed=seed, options=options)

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """Go on, or stand still."""
        self._elapsed += 1
        if self._end is None:
            observation, reward, terminated, truncated, info = self.env.step(action)
            if not terminated:
                return observation, reward, False, truncated, {**info, HELD: 0} if truncated else info
            self._end = observation, info
        else:
            reward = 0.0
            self._held += 1
        observation, info = self._end
        over = self._held >= self._hold if self._limit is None else self._elapsed >= self._limit
        return observation, reward, False, over, {**info, HELD: self._held} if over else {}


class _MaskedAbsorbingEnv(AbsorbingEnv):
    """The same with action masks: while it stands still, anything may be done."""

    def action_masks(self) -> NDArray[np.bool_]:
        """Legal actions, shape ``(actions,)``."""
        masks: NDArray[np.bool_] = self.env.get_wrapper_attr("action_masks")()
        return masks if self._end is None else np.ones_like(masks)


def absorbing_env(env: gymnasium.Env[Any, Any], hold: float) -> AbsorbingEnv:
    """See :class:`AbsorbingEnv`."""
    return (_MaskedAbsorbingEnv if env.has_wrapper_attr("action_masks") else AbsorbingEnv)(env, hold)


class AbsorbingBatch(VectorEnv[Any, Any, Any]):
    """A batch of environments that never terminate, resetting in the same step; see the module.

    Args:
        envs: With autoreset disabled.
        hold: Steps that an environment stands still after its end; inf: as many as are left of the time limit.

    Attributes:
        inner: The batch.

    Raises:
        UsageError: If there is no time limit where one is needed.
    """

    def __init__(self, envs: BatchEnv, hold: float) -> None:
        if math.isinf(hold) and envs.max_episode_steps is None:
            raise UsageError("reward.ends=fixed needs an environment with a time limit, this one has none")
        self.inner = envs
        self.num_envs = envs.num_envs
        self.single_observation_space, self.single_action_space = (
            envs.single_observation_space,
            envs.single_action_space,
        )
        self.observation_space, self.action_space = envs.observation_space, envs.action_space
        self.metadata = {**envs.metadata, "autoreset_mode": AutoresetMode.SAME_STEP}
        self.render_mode = envs.render_mode
        self._hold, self._limit = hold, envs.max_episode_steps if math.isinf(hold) else None
        self._elapsed = np.zeros(self.num_envs, dtype=np.int64)
        self._held = np.zeros(self.num_envs, dtype=np.int64)
        self._ended = np.zeros(self.num_envs, dtype=np.bool_)
        self._verdicts: dict[str, NDArray[Any]] = {}

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name == "inner":
            raise AttributeError(name)
        return getattr(self.inner, name)

    def reset(self, *, seed: Any = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """New episodes everywhere."""
        for array in (self._elapsed, self._held, self._ended):
            array[:] = 0
        return self.inner.reset(seed=seed, options=options)

    def step(self, actions: Any) -> tuple[Any, Any, NDArray[np.bool_], NDArray[np.bool_], dict[str, Any]]:
        """Step those that have not ended; the others stand still."""
        live = ~self._ended
        observations, rewards, terminated, truncated, info = self.inner.step_rows(live, actions)
        self._elapsed += 1
        self._held += self._ended
        self._ended |= terminated
        self._keep_verdicts(info, terminated | truncated)
        done = self._held >= self._hold if self._limit is None else self._elapsed >= self._limit
        over = truncated | (self._ended & done)
        never = np.zeros(self.num_envs, dtype=np.bool_)
        if not over.any():
            return observations, rewards, never, over, info
        final = {key: array.copy() for key, array in self._verdicts.items()} | {HELD: self._held.copy()}
        masks = {f"_{key}": over.copy() for key in final}
        final_observations = np.zeros_like(observations)
        final_observations[over] = observations[over]
        for array in (self._elapsed, self._held, self._ended):
            array[over] = 0
        observations, info = self.inner.reset(options={"reset_mask": over})
        ends = {"final_obs": final_observations, "_final_obs": over, "final_info": final | masks, "_final_info": over}
        return observations, rewards, never, over, {**info, **ends}

    def _keep_verdicts(self, info: dict[str, Any], ended: NDArray[np.bool_]) -> None:
        """Remember what is said of episodes that have just ended, until the end is shown."""
        if not ended.any():
            return
        for key, array in info.items():
            if f"_{key}" in info:
                self._verdicts.setdefault(key, np.zeros_like(array))[ended] = array[ended]

    def get_state(self) -> dict[str, Any]:
        """The batch's state, and who stands still since when."""
        arrays = {"elapsed": self._elapsed, "held": self._held, "ended": self._ended}
        copies = {key: array.copy() for key, array in arrays.items()}
        return {"inner": self.inner.get_state(), **copies, "verdicts": {k: v.copy() for k, v in self._verdicts.items()}}

    def set_state(self, state: dict[str, Any]) -> None:
        """Go back to what :meth:`get_state` gave."""
        self.inner.set_state(state["inner"])
        for name in ("elapsed", "held", "ended"):
            getattr(self, f"_{name}")[:] = state[name]
        self._verdicts = {key: array.copy() for key, array in state["verdicts"].items()}

    def render(self) -> Any:
        """Pictures of all."""
        return self.inner.render()

    def close_extras(self, **kwargs: Any) -> None:
        """Close the batch."""
        self.inner.close()


class _MaskedAbsorbingBatch(AbsorbingBatch):
    """The same with action masks: while one stands still, anything may be done."""

    def action_masks(self) -> NDArray[np.bool_]:
        """Legal actions, shape ``(n, actions)``."""
        masks: NDArray[np.bool_] = self.inner.action_masks()  # type: ignore[attr-defined]
        masks[self._ended] = True
        return masks


def absorbing_batch(envs: BatchEnv, hold: float) -> AbsorbingBatch:
    """See :class:`AbsorbingBatch`."""
    return (_MaskedAbsorbingBatch if hasattr(envs, "action_masks") else AbsorbingBatch)(envs, hold)
