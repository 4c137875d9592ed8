"""Obstacle courses as a batch behind Gymnasium's vector API; ``env.ObstacleCourseEnv`` is the manual."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray

from rlkit.envs.batch import BatchEnv, State
from rlkit.envs.locomotion import episode
from rlkit.envs.locomotion.courses import KINDS, MAX_OBSTACLES, Courses, courses_state, new_courses, restore_courses
from rlkit.envs.locomotion.curriculum import LEVELS, promote_rows
from rlkit.envs.locomotion.generation import generate_rows
from rlkit.envs.locomotion.metrics import DIVERGED, HOLD_S, METRICS, PROGRESS, judge
from rlkit.envs.locomotion.model import build_model
from rlkit.envs.locomotion.observation import layout_of, new_origin, sense_rows
from rlkit.envs.locomotion.rewards import rules_of
from rlkit.envs.locomotion.scan import scan_rows
from rlkit.envs.locomotion.simulation import Simulation
from rlkit.envs.locomotion.task import Setup, Task, set_up
from rlkit.envs.streams import new_streams, next_bits


class ObstacleCourseVectorEnv(BatchEnv):
    """N bodies at once; :class:`~rlkit.envs.locomotion.env.ObstacleCourseEnv` explains arguments and spaces.

    Args:
        num_envs: N.
        autoreset_mode: See :class:`~rlkit.envs.batch.BatchEnv`.
        max_episode_steps: Ends episodes after so many steps instead of after ``episode_s``.
        copy: See :class:`~rlkit.envs.batch.BatchEnv`.
        render_mode: None.
        task: Attributes of :class:`~rlkit.envs.locomotion.task.Task`.
    """

    metadata: dict[str, Any] = {"render_modes": [], "render_fps": 62, "metrics": METRICS}

    def __init__(
        self,
        num_envs: int,
        *,
        autoreset_mode: str | AutoresetMode = AutoresetMode.NEXT_STEP,
        max_episode_steps: int | None = None,
        copy: bool = True,
        render_mode: str | None = None,
        **task: Any,
    ) -> None:
        self.setup: Setup = set_up(Task.parse(task))
        body = self.setup.body
        self._courses: Courses = new_courses(num_envs, body.limits)
        self._model = build_model(body, self._courses.bank if self.setup.may_be_rough else None)
        self._layout = layout_of(body, self._model)
        super().__init__(
            num_envs,
            spaces.Box(self._layout.low, self._layout.high, dtype=np.float32),
            spaces.Box(-1.0, 1.0, (len(self._model.actuator_names),), np.float32),
            autoreset_mode=autoreset_mode,
            max_episode_steps=max_episode_steps or self.setup.episode_steps,
            copy=copy,
            render_mode=render_mode,
        )
        self.metadata["render_fps"] = round(1.0 / body.step_s)
        self.metadata["observation_groups"] = self.observation_groups
        n = self.num_envs
        self._rules = rules_of(body, body.reward, HOLD_S)
        self._limits = body.limits.for_kernels()
        self._points = body.points.array()
        self._origin = new_origin(n)
        self._progress = np.zeros(n, dtype=PROGRESS)
        self._counts = np.zeros((n, len(KINDS)), dtype=np.int64)
        self._passed_at = np.zeros((n, MAX_OBSTACLES), dtype=np.int64)
        self._levels = np.zeros(n, dtype=np.int64)
        self._episodes = np.zeros(n, dtype=np.int64)
        self._keys = np.zeros(n, dtype=np.uint64)
        self._unkeyed = np.ones(n, dtype=np.bool_)
        self._terrains = np.full(n, self.setup.terrain, dtype=np.int32)
        self._simulation = Simulation(self._model, n, self.setup.threads)

    @property
    def observation_groups(self) -> dict[str, tuple[int, int]]:
        """Where in an observation the body is sensed, and where the terrain is seen: first, and one after the last."""
        first, end = self._layout.first_point, len(self._layout.names)
        return {"proprioception": (0, first), "terrain": (first, end)}

    @property
    def observation_names(self) -> tuple[str, ...]:
        """Of every observation."""
        return self._layout.names

    @property
    def action_names(self) -> tuple[str, ...]:
        """Of every action: the actuator, or the joint that it drives."""
        return self._model.actuator_names

    @property
    def levels(self) -> NDArray[np.int64]:
        """Levels of the adaptive curriculum, shape ``(n,)``, from 0 to 9."""
        return self._levels.copy()

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Begin new episodes; see the manual for the options."""
        if seed is not None:
            rows = self._reset_mask((options or {}).get("reset_mask"))
            self._unkeyed |= rows
        return super().reset(seed=seed, options=options)

    def _reset_rows(self, rows: NDArray[np.bool_], options: dict[str, Any]) -> None:
        self._draw_courses(rows)
        simulation, anatomy = self._simulation, self._model.anatomy
        simulation.place(rows, self._courses)
        simulation.reset(rows)
        episode.begin_rows(
            rows,
            simulation.readout,
            anatomy,
            self.setup.body.start_noise,
            self._streams,
            self._progress,
            self._counts,
        )
        simulation.settle(rows)
        episode.locate_rows(rows, simulation.readout, anatomy, self._progress)
        self._observe(rows)

    def _draw_courses(self, rows: NDArray[np.bool_]) -> None:
        """New courses for these rows: of the next level where the curriculum is adaptive."""
        task = self.setup.task
        fresh = rows & self._unkeyed
        if task.curriculum == "adaptive":
            promote_rows(rows & self._ended & ~fresh, self._progress, self._courses, self._streams, self._levels)
        if fresh.any():
            self._levels[fresh] = 0
            self._episodes[fresh] = 0
            for row in np.flatnonzero(fresh):
                self._keys[row] = next_bits(self._streams, int(row))
            self._unkeyed[fresh] = False
        if task.course_seed is not None:
            self._keys[rows] = new_streams(task.course_seed, 1)[0, 0]
            self._episodes[rows] = 0
        adaptive = task.curriculum == "adaptive"
        difficulties = task.difficulty * (self._levels / (LEVELS - 1) if adaptive else np.ones(self.num_envs))
        generate_rows(
            rows,
            self._keys,
            self._episodes,
            self._terrains,
            difficulties,
            task.curriculum == "along",
            self._limits,
            self._courses,
        )
        self._episodes += rows

    def _step_rows(self, rows: NDArray[np.bool_], actions: NDArray[np.float32]) -> None:
        simulation, model = self._simulation, self._model
        episode.control_rows(rows, actions, model.control_middle, model.control_half, simulation.readout.control)
        simulation.step(rows, self.setup.body.substeps)
        episode.advance_rows(
            rows,
            actions,
            simulation.readout,
            model.anatomy,
            self._courses,
            self._rules,
            self._progress,
            self._passed_at,
            self._counts,
            self._rewards,
            self._terminations,
            self._truncations,
        )
        broken = rows & (self._progress["cause"] == DIVERGED)
        if broken.any():
            self._observations[broken] = 0.0
            rows = rows & ~broken
        self._observe(rows)

    def _observe(self, rows: NDArray[np.bool_]) -> None:
        layout, origin = self._layout, self._origin
        sense_rows(
            rows,
            self._simulation.readout,
            self._model.anatomy,
            self._courses,
            layout.low,
            layout.high,
            origin,
            self._observations,
        )
        scan_rows(
            rows, self._courses, origin.x, origin.y, origin.z, self._points, self._observations, layout.first_point
        )

    def _step_info(self) -> dict[str, Any]:
        return {"distance_m": self._progress["farthest_m"].copy(), "cleared": self._progress["cleared"].copy()}

    def _verdicts(self, rows: NDArray[np.bool_]) -> NDArray[np.void]:
        return judge(self._progress, self._counts, self._courses, self._levels, self.setup.body.step_s)

    def _task_state(self) -> State:
        return {
            "simulation": self._simulation.get_state(),
            "courses": courses_state(self._courses),
            **self._arrays(),
        }

    def _set_task_state(self, state: State) -> None:
        for name, array in self._arrays().items():
            if name not in state or state[name].shape != array.shape:
                raise ValueError(
                    f"the state is of another body or task: this one's {name} have shape {array.shape}, "
                    f"got {state[name].shape if name in state else 'none'}"
                )
        restore_courses(self._courses, state["courses"])
        self._simulation.place(self._all_rows, self._courses)
        self._simulation.set_state(state["simulation"])
        for name, array in self._arrays().items():
            array[...] = state[name]

    def _arrays(self) -> dict[str, NDArray[Any]]:
        """What decides how episodes go on besides courses and simulations, by name; a row for each environment."""
        return {
            "progress": self._progress.view(np.uint8).reshape(self.num_envs, -1),
            "counts": self._counts,
            "passed_at": self._passed_at,
            "levels": self._levels,
            "episodes": self._episodes,
            "keys": self._keys,
            "unkeyed": self._unkeyed,
            "observations": self._observations,
        }
