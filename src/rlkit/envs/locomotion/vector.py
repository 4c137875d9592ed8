"""Obstacle courses as a batch behind Gymnasium's vector API; ``env.ObstacleCourseEnv`` is the manual."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray

from rlkit.envs.batch import BatchEnv, State
from rlkit.envs.locomotion import conditions, episode
from rlkit.envs.locomotion.course import Course
from rlkit.envs.locomotion.courses import KINDS, MAX_OBSTACLES
from rlkit.envs.locomotion.metrics import DIVERGED, HOLD_S, METRICS, PROGRESS, VERDICT, judge_rows
from rlkit.envs.locomotion.model import build_model
from rlkit.envs.locomotion.observation import layout_of, new_view
from rlkit.envs.locomotion.pose import new_pose, pose_rows
from rlkit.envs.locomotion.render import RENDER_MODES, Screen
from rlkit.envs.locomotion.rewards import rules_of
from rlkit.envs.locomotion.rough import new_bank
from rlkit.envs.locomotion.scan import terrain_height
from rlkit.envs.locomotion.simulation import Simulation
from rlkit.envs.locomotion.stage import RENDER_OPTIONS, RenderOptions, Shot
from rlkit.envs.locomotion.task import Setup, Task, set_up
from rlkit.envs.locomotion.tracks import Tracks


class ObstacleCourseVectorEnv(BatchEnv):
    """N bodies at once; :class:`~rlkit.envs.locomotion.env.ObstacleCourseEnv` explains arguments and spaces.

    In addition, ``reset(options=...)`` takes for ``course`` a list of N, with None where a course is to be drawn.

    Args:
        num_envs: N.
        autoreset_mode: See :class:`~rlkit.envs.batch.BatchEnv`.
        max_episode_steps: Ends episodes after so many steps instead of after ``episode_s``.
        copy: See :class:`~rlkit.envs.batch.BatchEnv`.
        render_mode: None, ``"rgb_array"`` or ``"depth_array"`` (a picture of each body), or ``"human"`` (a window that
            shows the first).
        arguments: Attributes of :class:`~rlkit.envs.locomotion.task.Task` and of
            :class:`~rlkit.envs.locomotion.stage.RenderOptions`.
    """

    metadata: dict[str, Any] = {"render_modes": list(RENDER_MODES), "render_fps": 62, "metrics": METRICS}

    def __init__(
        self,
        num_envs: int,
        *,
        autoreset_mode: str | AutoresetMode = AutoresetMode.NEXT_STEP,
        max_episode_steps: int | None = None,
        copy: bool = True,
        render_mode: str | None = None,
        **arguments: Any,
    ) -> None:
        own = {"max_episode_steps": max_episode_steps, "copy": copy, "render_mode": render_mode}
        self._arguments = own | arguments
        render_options = RenderOptions.take(arguments)
        self.setup: Setup = set_up(Task.parse(arguments, RENDER_OPTIONS))
        body = self.setup.body
        self._model = build_model(body, new_bank(body.limits) if self.setup.may_be_rough else None)
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
        self.metadata |= {"render_fps": round(1.0 / body.step_s), "observation_groups": self.observation_groups}
        n = self.num_envs
        self._tracks = Tracks(self.setup, n)
        self._rules = rules_of(body, body.reward, HOLD_S)
        self._points = body.points.array()
        self._pose, self._view = new_pose(n), new_view(self._layout, self._points, self._observations)
        self._record = episode.Record(
            progress=np.zeros(n, dtype=PROGRESS),
            passed_at=np.zeros((n, MAX_OBSTACLES), dtype=np.int64),
            counts=np.zeros((n, len(KINDS)), dtype=np.int64),
        )
        self._outcome = episode.Outcome(self._rewards, self._terminations, self._truncations)
        self._ranges = self.setup.conditions.ranges()
        self._conditions = np.tile(self._ranges[:, 0], (n, 1))
        self._draws_conditions = bool((self._ranges[:, 0] < self._ranges[:, 1]).any())
        self._push_steps = max(1, math.ceil(self.setup.conditions.push_every_s / body.step_s - 1e-9))
        self._simulation = Simulation(self._model, n, self.setup.threads, self.setup.conditions.changed)
        self._screen = Screen(self._simulation, self._tracks.courses, render_options, body.step_s)

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
    def observation_units(self) -> tuple[str, ...]:
        """Of every observation."""
        return self._layout.units

    @property
    def action_names(self) -> tuple[str, ...]:
        """Of every action: the actuator, or the joint that it drives."""
        return self._model.actuator_names

    @property
    def levels(self) -> NDArray[np.int64]:
        """Levels of the adaptive curriculum, shape ``(n,)``, from 0 to 9."""
        return self._tracks.levels.copy()

    def conditions(self) -> dict[str, NDArray[np.float64]]:
        """The conditions of the present episodes, shape ``(n,)`` each."""
        return {name: self._conditions[:, k].copy() for k, name in enumerate(conditions.NAMES)}

    def get_course(self, row: int = 0) -> Course:
        """The course that one body runs: ``Course.to_json`` writes it, ``reset(options=...)`` takes it."""
        return self._tracks.get(row)

    def terrain_height(self, x_m: float, y_m: float = 0.0, below_m: float = math.inf, row: int = 0) -> float:
        """Height of the terrain under a point of one course, as observation, reward and termination know it.

        Args:
            x_m: Along the track.
            y_m: To the left.
            below_m: Surfaces above it do not count.
            row: Whose course.
        """
        return float(terrain_height(self._tracks.courses, row, float(x_m), float(y_m), float(below_m)))

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Begin new episodes; see the manual for the options."""
        options = dict(options or {})
        mask = options.pop("reset_mask", None)
        rows = self._reset_mask(mask)
        given = {"given": self._tracks.given(options), "reset_mask": mask}
        if seed is not None:
            self._tracks.forget(rows)
        return super().reset(seed=seed, options=given)

    def _reset_rows(self, rows: NDArray[np.bool_], options: dict[str, Any]) -> None:
        simulation, anatomy, courses = self._simulation, self._model.anatomy, self._tracks.courses
        self._tracks.draw(rows, self._ended, self._record.progress, self._streams)
        self._tracks.put(rows, options.get("given", []))
        if self._draws_conditions:
            conditions.draw_rows(rows, self._ranges, self._streams, self._conditions)
        simulation.vary(rows, self._conditions)
        simulation.place(rows, courses)
        simulation.reset(rows)
        noise = self.setup.body.start_noise
        episode.begin_rows(rows, simulation.readout, anatomy, noise, self._streams, self._record)
        simulation.settle(rows)
        progress = self._record.progress
        episode.start_rows(rows, simulation.readout, self._pose, anatomy, courses, self._view, progress)
        self._show(rows)

    def _step_rows(self, rows: NDArray[np.bool_], actions: NDArray[np.float32]) -> None:
        simulation, model = self._simulation, self._model
        episode.control_rows(rows, actions, model.control_middle, model.control_half, simulation.readout.control)
        if conditions.PUSH in self.setup.conditions.changed:
            self._push(rows)
        simulation.step(rows, self.setup.body.substeps)
        episode.follow_rows(
            rows,
            actions,
            simulation.readout,
            self._pose,
            model.anatomy,
            self._tracks.courses,
            self._rules,
            self._record,
            self._outcome,
            self._view,
        )
        self._show(rows)

    def _push(self, rows: NDArray[np.bool_]) -> None:
        conditions.push_rows(
            rows,
            self._push_steps,
            self._conditions,
            self._model.anatomy,
            self._streams,
            self._record.progress,
            self._simulation.readout.qvel,
        )

    def _step_info(self) -> dict[str, Any]:
        progress = self._record.progress
        return {"distance_m": progress["farthest_m"].copy(), "cleared": progress["cleared"].copy()}

    def _verdicts(self, rows: NDArray[np.bool_]) -> NDArray[np.void]:
        tracks, verdicts = self._tracks, np.zeros(self.num_envs, dtype=VERDICT)
        progress, counts = self._record.progress, self._record.counts
        everyone = self._all_rows  # what verdicts share with the info of every step holds for those who go on, too
        judge_rows(everyone, progress, counts, tracks.courses, tracks.levels, self.setup.body.step_s, verdicts)
        return verdicts

    def _task_state(self) -> State:
        return {"simulation": self._simulation.get_state(), "tracks": self._tracks.get_state(), **self._arrays()}

    def _set_task_state(self, state: State) -> None:
        for name, array in self._arrays().items():
            if name not in state or state[name].shape != array.shape:
                raise ValueError(
                    f"the state is of another body or task: this one's {name} have shape {array.shape}, "
                    f"got {state[name].shape if name in state else 'none'}"
                )
        for name, array in self._arrays().items():
            array[...] = state[name]
        self._tracks.set_state(state["tracks"])
        self._simulation.vary(self._all_rows, self._conditions)
        self._simulation.place(self._all_rows, self._tracks.courses)
        self._simulation.set_state(state["simulation"])
        pose_rows(self._all_rows, self._simulation.readout, self._model.anatomy, self._pose)

    def _arrays(self) -> dict[str, NDArray[Any]]:
        """What decides how episodes go on besides courses and simulations, by name; a row for each environment.

        Observations are among it: forces and accelerations in them are of a physics step that is past.
        """
        return {
            "progress": self._record.progress.view(np.uint8).reshape(self.num_envs, -1),
            "counts": self._record.counts,
            "passed_at": self._record.passed_at,
            "conditions": self._conditions,
            "observations": self._observations,
        }

    def _show(self, rows: NDArray[np.bool_]) -> None:
        """In the window, if there is to be one; a body that diverged is nowhere."""
        if self.render_mode == "human" and rows[0] and self._record.progress[0]["cause"] != DIVERGED:
            self._screen.show(self._shot(0))

    def render(self) -> tuple[NDArray[Any], ...] | None:
        """A picture of each body: colours ``(height, width, 3)`` uint8 or depths in metres ``(height, width)`` float32.

        None without a render mode, and in a window, which every step brings up to date.

        Raises:
            UsageError: If nothing here can draw; the message says what to install.
        """
        if self.render_mode in (None, "human"):
            return None
        return tuple(self.render_row(row, self.render_mode) for row in range(self.num_envs))

    def render_row(self, row: int, mode: str = "rgb_array") -> NDArray[Any]:
        """A picture of one body of the batch, whatever the render mode of the batch.

        Args:
            row: Which.
            mode: ``"rgb_array"`` or ``"depth_array"``.
        """
        if mode not in RENDER_MODES[1:]:
            raise ValueError(f"a row is rendered as {' or '.join(map(repr, RENDER_MODES[1:]))}, got {mode!r}")
        if not self._seeded:
            raise ValueError("call reset() before render()")
        return self._screen.draw(self._shot(row), mode)

    def _shot(self, row: int) -> Shot:
        """What there is to see of a body."""
        root = self._pose.place[row].copy()
        eye = (
            root if self._model.anatomy.scan < 0 else self._simulation.readout.site_xpos[row, self._model.anatomy.scan]
        )
        heights = self._observations[row, self._layout.first_point :] + (root[2] - self._model.anatomy.stand_m)
        points = np.column_stack([eye[:2] + self._points, heights])
        return Shot(row, root, self.terrain_height(root[0], root[1], root[2], row), points)

    def close_extras(self, **kwargs: Any) -> None:
        """Give back what was used to draw."""
        self._screen.close()

    def __getstate__(self) -> State:
        """For pickle: MuJoCo's batch is made anew from the arguments and set to its state."""
        return {
            "num_envs": self.num_envs,
            "arguments": {**self._arguments, "autoreset_mode": self.autoreset_mode.name.lower()},
            "spec": self.spec,
            "state": self.get_state() if self._seeded else None,
        }

    def __setstate__(self, pickled: State) -> None:
        self.__init__(pickled["num_envs"], **pickled["arguments"])  # type: ignore[misc]
        self.spec = pickled["spec"]
        if pickled["state"] is not None:
            self.set_state(pickled["state"])
