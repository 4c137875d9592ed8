"""`Pixels`: an environment seen as small grey pictures of itself."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.wrappers import TimeLimit
from numpy.typing import NDArray

State = dict[str, Any]


class Pixels(gymnasium.Wrapper[Any, Any, Any, Any], gymnasium.utils.RecordConstructorArgs):
    """Shows what ``render()`` draws in place of the observation.

    ``Box(0, 255, (stack, edge, edge), uint8)``: the last pictures in grey (the usual weights of red, green and blue),
    each pixel the mean of those it covers, the newest last; before an episode's first picture that is repeated, so that
    nothing seems to have moved. Actions, rewards, ends, infos and action masks are the environment's. What is drawn is
    what an onlooker sees, which may be more than the environment observes: the negotiation's picture has both sides'
    values.

    Args:
        env: Made with ``render_mode="rgb_array"``. For :meth:`get_state` it has a state itself, or is wrapped in
            `Replayable`.
        edge: Pixels along each side.
        stack: Pictures in an observation.

    Raises:
        ValueError: If the environment does not draw itself, or a size is below 1.

    Example:
        >>> env = Pixels(gymnasium.make("rlkit/Sprite-v0", render_mode="rgb_array"), edge=42, stack=2)
        >>> env.reset(seed=0)[0].shape
        (2, 42, 42)
    """

    def __init__(self, env: gymnasium.Env[Any, Any], *, edge: int = 84, stack: int = 4) -> None:
        gymnasium.utils.RecordConstructorArgs.__init__(self, edge=edge, stack=stack)
        gymnasium.Wrapper.__init__(self, env)
        modes = env.metadata.get("render_modes") or []
        if "rgb_array" not in modes or env.render_mode != "rgb_array":
            raise ValueError(
                f"pixels need an environment that draws itself: {env.spec.id if env.spec else env} has the render "
                f"modes {modes} and was made with {env.render_mode!r}, not with 'rgb_array'"
            )
        for name, size in (("edge", edge), ("stack", stack)):
            if isinstance(size, bool) or not isinstance(size, int) or size < 1:
                raise ValueError(f"{name} must be a whole number >= 1, got {size!r}")
        self.observation_space = spaces.Box(0, 255, (stack, edge, edge), np.uint8)
        self.metadata = {**env.metadata, "frame_stack": stack}
        self._frames = np.zeros((stack, edge, edge), dtype=np.uint8)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.uint8], dict[str, Any]]:
        """Begin an episode; the first picture fills the stack."""
        _, info = self.env.reset(seed=seed, options=options)
        self._frames[:] = self._look()
        return self._frames.copy(), info

    def step(self, action: Any) -> tuple[NDArray[np.uint8], float, bool, bool, dict[str, Any]]:
        """Take an action; the newest picture is of what came of it, at an episode's end too."""
        _, reward, terminated, truncated, info = self.env.step(action)
        self._frames[:-1] = self._frames[1:]
        self._frames[-1] = self._look()
        return self._frames.copy(), float(reward), terminated, truncated, info

    def _look(self) -> NDArray[np.uint8]:
        """What is to be seen now, shape ``(edge, edge)``."""
        from PIL import Image

        drawn: Any = self.env.render()
        if not isinstance(drawn, np.ndarray) or drawn.dtype != np.uint8 or drawn.ndim != 3:
            raise ValueError(
                f"pixels need pictures (height, width, 3) of uint8, {self.env} draws {type(drawn).__name__}"
            )
        height, width = self._frames.shape[1:]
        return np.asarray(Image.fromarray(drawn).convert("L").resize((width, height), Image.Resampling.BOX))

    def get_state(self) -> State:
        """The environment's state, and what is seen: arrays and plain values, free to keep."""
        return {
            "env": self.env.get_wrapper_attr("get_state")(),
            "frames": self._frames.copy(),
            "elapsed": [limit._elapsed_steps for limit in self._time_limits()],
        }

    def set_state(self, state: State) -> None:
        """Go back to a state that :meth:`get_state` gave.

        Raises:
            ValueError: If its pictures are of another size.
        """
        if state["frames"].shape != self._frames.shape:
            raise ValueError(f"the state is of pictures {state['frames'].shape}, these are {self._frames.shape}")
        self.env.reset()  # wrappers of Gymnasium's want to have seen one
        self.env.get_wrapper_attr("set_state")(state["env"])
        self._frames[:] = state["frames"]
        for limit, elapsed in zip(self._time_limits(), state["elapsed"], strict=True):
            limit._elapsed_steps = elapsed

    def _time_limits(self) -> list[TimeLimit]:
        """Gymnasium's time limits, which count steps outside of the environment."""
        found, env = [], self.env
        while isinstance(env, gymnasium.Wrapper):
            if isinstance(env, TimeLimit):
                found.append(env)
            env = env.env
        return found
