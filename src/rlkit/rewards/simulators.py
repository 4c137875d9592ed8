"""States of simulators: taken while an agent trains, gone back to when somebody wants to see what happened.

Three kinds are known: rlkit's own batches (``get_state`` of all, a row of it), Gymnasium's MuJoCo environments (the
physics' state), and any other in a :class:`~rlkit.envs.replayable.Replayable` (how the episode began, and its actions).
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import Any, cast

import gymnasium
import numpy as np
from gymnasium.vector import VectorEnv

from rlkit.envs.replayable import Replayable
from rlkit.rewards.segments import Clip
from rlkit.trees import map_arrays

Snapshot = dict[str, Any]


class Simulators:
    """Takes the states of environments that are stepped together.

    Args:
        envs: A batch of rlkit's, or a ``SyncVectorEnv`` of environments in `Replayable`; what shapes episodes around
            them (a fixed horizon, rewards) is left out, since the same environment must be made again to see a clip.

    Attributes:
        kind: ``batch``, ``mujoco``, ``replay``; ``none``: nothing here can be seen again.
    """

    def __init__(self, envs: VectorEnv[Any, Any, Any]) -> None:
        self._envs: Any = envs
        self.kind = _kind(envs)

    def take(self, rows: Sequence[int]) -> list[Snapshot]:
        """The states of some environments before their next step, one a row; free to keep."""
        if self.kind == "batch":
            state = self._envs.get_state()
            return [{"kind": self.kind, "state": _row(state, row, self._envs.num_envs)} for row in rows]
        if self.kind == "mujoco":
            return [{"kind": self.kind, "state": _physics(self._envs.envs[row])} for row in rows]
        if self.kind == "replay":
            return [{"kind": self.kind, "state": self._envs.envs[row].get_state()} for row in rows]
        return [{"kind": self.kind} for _ in rows]


def restore(env: gymnasium.Env[Any, Any], snapshot: Snapshot) -> None:
    """Bring an environment to a state that :meth:`Simulators.take` took.

    Args:
        env: Made with the same id and arguments, wrappers of ``gymnasium.make`` included; its next step goes on.
        snapshot: The state.

    Raises:
        ValueError: If it does not fit, or nothing can be seen again.
    """
    kind, inner = snapshot["kind"], cast(Any, env.unwrapped)
    env.reset(seed=0)  # wrappers want to have seen one
    if kind == "batch":
        inner.set_state(snapshot["state"])
    elif kind == "mujoco":
        _set_physics(env, snapshot["state"])
    elif kind == "replay":
        Replayable(env).set_state(snapshot["state"])
    else:
        raise ValueError(f"{env} cannot be brought back to where a segment was lived: it has no state that is known")


def replay(env: gymnasium.Env[Any, Any], clip: Clip) -> Iterator[int]:
    """Live a clip again: yields 0, 1, ... length, each time with the environment as it was there, to be rendered.

    A clip that goes on past the environment's own end (under a fixed horizon) stays there.
    """
    restore(env, clip.snapshot)
    over = False
    for number, action in enumerate(clip.actions):
        if number >= clip.skip:
            yield number - clip.skip
        if not over:
            _, _, terminated, truncated, _ = env.step(action if np.ndim(action) else action.item())
            over = terminated or truncated
    yield len(clip.actions) - clip.skip


def _kind(envs: Any) -> str:
    parts = getattr(envs, "envs", ())
    if not parts:
        return "batch" if hasattr(envs, "get_state") else "none"
    if all(_is_mujoco(env) for env in parts):
        return "mujoco"
    return "replay" if all(isinstance(env, Replayable) for env in parts) else "none"


def _is_mujoco(env: gymnasium.Env[Any, Any]) -> bool:
    module = sys.modules.get("gymnasium.envs.mujoco")  # an environment of that kind has been made, or there is none
    return module is not None and isinstance(env.unwrapped, module.MujocoEnv)


def _physics(env: gymnasium.Env[Any, Any]) -> Any:
    """All of MuJoCo that decides the next step, shape ``(k,)`` float64."""
    import mujoco

    inner = cast(Any, env.unwrapped)
    state = np.empty(mujoco.mj_stateSize(inner.model, mujoco.mjtState.mjSTATE_INTEGRATION))
    mujoco.mj_getState(inner.model, inner.data, state, mujoco.mjtState.mjSTATE_INTEGRATION)
    return state


def _set_physics(env: gymnasium.Env[Any, Any], state: Any) -> None:
    import mujoco

    inner = cast(Any, env.unwrapped)
    size = mujoco.mj_stateSize(inner.model, mujoco.mjtState.mjSTATE_INTEGRATION)
    if state.shape != (size,):
        raise ValueError(f"the state is of another model: {env} has {size} numbers, got {state.shape}")
    mujoco.mj_setState(inner.model, inner.data, state, mujoco.mjtState.mjSTATE_INTEGRATION)
    mujoco.mj_forward(inner.model, inner.data)  # places what is drawn, and warms the solver up from there,
    mujoco.mj_setState(inner.model, inner.data, state, mujoco.mjtState.mjSTATE_INTEGRATION)  # as it was not


def _row(state: Any, row: int, n: int) -> Any:
    """One environment of a batch's state: rlkit's batches keep a row for each in all their arrays."""

    def cut(array: Any) -> Any:
        return array[row : row + 1].copy() if array.ndim and len(array) == n else array.copy()

    return map_arrays(cut, state)
