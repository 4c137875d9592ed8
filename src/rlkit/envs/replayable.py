"""Any Gymnasium environment with a state that can be saved: by living the episode again."""

from __future__ import annotations

import hashlib
import warnings
from typing import Any

import gymnasium
import numpy as np

State = dict[str, Any]

BIT_GENERATORS = {
    kind.__name__: kind
    for kind in (np.random.PCG64, np.random.PCG64DXSM, np.random.MT19937, np.random.Philox, np.random.SFC64)
}


class Replayable(gymnasium.Wrapper[Any, Any, Any, Any], gymnasium.utils.RecordConstructorArgs):
    """Remembers how the episode began and what was done since, and repeats it on :meth:`set_state`.

    Works for every environment whose chances all come from its ``np_random`` and whose ``reset`` leaves nothing
    of the episode before (Gymnasium's classic control, MuJoCo, toy text and Box2D). Whether the environment came back
    is checked on the last observation; one that did not is reported, and goes on from where it came to.

    Args:
        env: The environment, wrappers and all.
    """

    def __init__(self, env: gymnasium.Env[Any, Any]) -> None:
        gymnasium.utils.RecordConstructorArgs.__init__(self)
        gymnasium.Wrapper.__init__(self, env)
        self._seed: int | None = None
        self._generator: dict[str, Any] | None = None
        self._actions: list[Any] = []
        self._observation: Any = None

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Begin an episode and remember how."""
        self._seed = seed
        self._generator = None if seed is not None else dict(self.env.unwrapped.np_random.bit_generator.state)
        self._actions = []
        self._observation, info = self.env.reset(seed=seed, options=options)
        return self._observation, info

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """Take an action and remember it."""
        self._actions.append(np.array(action))
        result = self.env.step(action)
        self._observation = result[0]
        return result

    def get_state(self) -> State:
        """How the episode began, the actions since, and a digest of the last observation."""
        return {
            "seed": self._seed,
            "generator": self._generator,
            "actions": np.array(self._actions),
            "digest": _digest(self._observation),
        }

    def set_state(self, state: State) -> None:
        """Live the episode again.

        Warns:
            RuntimeWarning: If the environment shows something else than it did: the run goes on, but not exactly.
        """
        if state["generator"] is not None:
            bits = BIT_GENERATORS[state["generator"]["bit_generator"]]()
            bits.state = state["generator"]
            self.env.unwrapped.np_random = np.random.Generator(bits)
        self.reset(seed=state["seed"])
        for action in state["actions"]:
            self.step(action if action.ndim else action.item())
        if _digest(self._observation) != state["digest"]:
            warnings.warn(
                f"{self.env} did not come back to its saved state when its episode was repeated: it keeps state that "
                "reset() does not set, or takes chances from elsewhere. The run goes on, but not bit for bit.",
                RuntimeWarning,
                stacklevel=2,
            )


def _digest(observation: Any) -> str:
    """A hash of an observation, nested ones included."""
    digest = hashlib.sha256()

    def add(part: Any) -> None:
        if isinstance(part, dict):
            for key in sorted(part):
                digest.update(str(key).encode())
                add(part[key])
        elif isinstance(part, tuple | list):
            for entry in part:
                add(entry)
        else:
            digest.update(np.ascontiguousarray(part).tobytes())

    add(observation)
    return digest.hexdigest()
