"""The sprite task as a batch; ``env.SpriteEnv`` is the manual."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray

from rlkit.envs.batch import BatchEnv, State
from rlkit.envs.sprite import kernel

VERDICT = np.dtype([("is_success", np.bool_)])
ZOOM = 8  # of rendered pictures


class SpriteVectorEnv(BatchEnv):
    """N tasks at once; :class:`~rlkit.envs.sprite.env.SpriteEnv` explains arguments and spaces.

    ``max_episode_steps``, if given, stands in place of ``max_steps``, as in every batch.
    """

    metadata: dict[str, Any] = {"render_modes": ["rgb_array"], "render_fps": 10}

    def __init__(
        self,
        num_envs: int,
        *,
        fields: int = 10,
        distractors: int = 1,
        decoys: int = 15,
        frame_stack: int = 2,
        max_steps: int = 40,
        max_episode_steps: int | None = None,
        autoreset_mode: str | AutoresetMode = AutoresetMode.NEXT_STEP,
        copy: bool = True,
        render_mode: str | None = None,
    ) -> None:
        for name, value, least in (
            ("fields", fields, 2),
            ("distractors", distractors, 0),
            ("decoys", decoys, 0),
            ("frame_stack", frame_stack, 1),
        ):
            if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
                raise ValueError(f"{name} must be a whole number >= {least}, got {value!r}")
        edge = fields * kernel.PIXELS
        super().__init__(
            num_envs,
            spaces.Box(0, 255, (frame_stack, edge, edge), np.uint8),
            spaces.Discrete(len(kernel.MOVES)),
            autoreset_mode=autoreset_mode,
            max_episode_steps=max_episode_steps or max_steps,
            copy=copy,
            render_mode=render_mode,
        )
        self.metadata["frame_stack"] = frame_stack
        self._fields = fields
        self._places = np.zeros((num_envs, 2), dtype=np.int64)
        self._movers = np.zeros((num_envs, distractors, 2), dtype=np.int64)
        self._decoys = np.zeros((num_envs, decoys, 2), dtype=np.int64)

    def _things(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        return self._places, self._movers, self._decoys

    def _reset_rows(self, rows: NDArray[np.bool_], options: dict[str, Any]) -> None:
        if options:
            raise ValueError(f"unknown reset options {sorted(options)}: there are none")
        kernel.begin(rows, self._fields, self._streams, *self._things())
        kernel.show(rows, True, *self._things(), self._observations)

    def _step_rows(self, rows: NDArray[np.bool_], actions: NDArray[Any]) -> None:
        kernel.advance(
            rows,
            actions,
            self._fields,
            self._streams,
            self._places,
            self._movers,
            self._rewards,
            self._terminations,
        )
        kernel.show(rows, False, *self._things(), self._observations)

    def _verdicts(self, rows: NDArray[np.bool_]) -> NDArray[np.void]:
        verdicts = np.zeros(self.num_envs, dtype=VERDICT)
        verdicts["is_success"] = (self._places == kernel.RING_FIELD).all(1)
        return verdicts

    def _task_state(self) -> State:
        return {
            "places": self._places,
            "movers": self._movers,
            "decoys": self._decoys,
            "seen": self._observations,
        }

    def _set_task_state(self, state: State) -> None:
        own = self._task_state()
        for name, what in (("seen", "pictures"), ("movers", "distractors"), ("decoys", "decoys")):
            if name not in state or state[name].shape != own[name].shape:
                had = state[name].shape[1:] if name in state else None
                raise ValueError(f"the state has {what} {had}, this environment has {own[name].shape[1:]}")
        for name, array in own.items():
            array[:] = state[name]

    def render(self) -> tuple[Any, ...] | None:
        """Pictures of all tasks, uint8, each pixel eight times as large."""
        if self.render_mode is None:
            return None
        frames = self._observations[:, -1].repeat(ZOOM, 1).repeat(ZOOM, 2)
        return tuple(np.repeat(frames[..., None], 3, -1))
