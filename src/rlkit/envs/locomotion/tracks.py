"""Which course every environment runs: given, or drawn from its key, its episode and its level."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rlkit.envs.locomotion.course import Course, as_course, get_course, put_course
from rlkit.envs.locomotion.courses import courses_state, new_courses, restore_courses
from rlkit.envs.locomotion.curriculum import LEVELS, promote_rows
from rlkit.envs.locomotion.generation import generate_rows
from rlkit.envs.locomotion.task import Setup
from rlkit.envs.streams import Streams, new_streams, next_bits
from rlkit.errors import UsageError, nearest

State = dict[str, Any]


class Tracks:
    """The courses of a batch.

    Args:
        setup: The task.
        n: How many.

    Attributes:
        courses: What is run now.
        levels: Of the adaptive curriculum, shape ``(n,)``.
    """

    def __init__(self, setup: Setup, n: int) -> None:
        self.setup = setup
        self.courses = new_courses(n, setup.body.limits)
        self.levels = np.zeros(n, dtype=np.int64)
        self._limits = setup.body.limits.for_kernels()
        self._terrains = np.full(n, setup.terrain, dtype=np.int32)
        self._difficulties = np.full(n, float(setup.task.difficulty))
        self._episodes = np.zeros(n, dtype=np.int64)
        self._keys = np.zeros(n, dtype=np.uint64)
        self._unkeyed = np.ones(n, dtype=np.bool_)
        seed = setup.task.course_seed
        self._fixed_key = None if seed is None else new_streams(seed, 1)[0, 0]

    def forget(self, rows: NDArray[np.bool_]) -> None:
        """These rows were seeded anew: they take new keys from their streams and begin at the lowest level."""
        self._unkeyed |= rows

    def given(self, options: dict[str, Any]) -> list[Course | None]:
        """Courses that reset options ask for, checked; empty if they ask for none.

        Raises:
            UsageError: If there are other options, or a course cannot be run here.
        """
        for key in options:
            if key != "course":
                raise UsageError(f"there is no reset option {key!r}: {nearest(str(key), ('course', 'reset_mask'))}")
        wanted = options.get("course")
        if wanted is None:
            return []
        n = len(self.levels)
        if isinstance(wanted, Course | Mapping | str | Path):
            return [self.checked(wanted)] * n
        if not isinstance(wanted, Sequence) or len(wanted) != n:
            raise UsageError(
                f"options['course'] is one course for all or a list of {n} (None: drawn), each a Course, its mapping "
                f"or the path of a JSON file; got {wanted!r}"
            )
        return [None if one is None else self.checked(one) for one in wanted]

    def checked(self, value: Any) -> Course:
        """A course that the body can pass and the model can show.

        Raises:
            UsageError: If it is not.
        """
        course = as_course(value).checked(self.setup.body.limits)
        if course.field is not None and not self.setup.may_be_rough:
            raise UsageError(
                "this course has a height field, and the environment was made without: make it with terrain='rough' "
                "or 'mixture', or with this course as its argument course"
            )
        return course

    def draw(
        self, rows: NDArray[np.bool_], ended: NDArray[np.bool_], progress: NDArray[np.void], streams: Streams
    ) -> None:
        """New courses for these rows.

        Args:
            rows: Which, shape ``(n,)``.
            ended: Whose episode is over: their levels follow it.
            progress: Records of ``metrics.PROGRESS``.
            streams: The rows' random streams.
        """
        task = self.setup.task
        fresh = rows & self._unkeyed
        if task.curriculum == "adaptive":
            promote_rows(rows & ended & ~fresh, progress, self.courses, streams, self.levels)
        if fresh.any():
            for row in np.flatnonzero(fresh).tolist():
                self._keys[row] = next_bits(streams, row)
            self.levels[fresh] = 0
            self._episodes[fresh] = 0
            self._unkeyed[fresh] = False
        if self.setup.course is not None:
            for row in np.flatnonzero(rows).tolist():
                put_course(self.courses, row, self.setup.course)
            return
        if task.curriculum == "adaptive":
            self._difficulties[:] = task.difficulty * self.levels / (LEVELS - 1)
        keys, episodes = self._keys, self._episodes
        if self._fixed_key is not None:
            keys, episodes = np.full_like(keys, self._fixed_key), np.zeros_like(episodes)
        generate_rows(
            rows,
            keys,
            episodes,
            self._terrains,
            self._difficulties,
            task.curriculum == "along",
            self._limits,
            self.courses,
        )
        self._episodes += rows

    def put(self, rows: NDArray[np.bool_], given: list[Course | None]) -> None:
        """Write the courses that were given into these rows."""
        for row in np.flatnonzero(rows).tolist() if given else ():
            course = given[row]
            if course is not None:
                put_course(self.courses, row, course)

    def get(self, row: int) -> Course:
        """The course of one row."""
        return get_course(self.courses, row)

    def get_state(self) -> State:
        """All that decides which courses there are and come."""
        return {
            "courses": courses_state(self.courses),
            **{name: array.copy() for name, array in self._arrays().items()},
        }

    def set_state(self, state: State) -> None:
        """Take back what :meth:`get_state` gave."""
        restore_courses(self.courses, state["courses"])
        for name, array in self._arrays().items():
            array[:] = state[name]

    def _arrays(self) -> dict[str, NDArray[Any]]:
        return {
            "levels": self.levels,
            "episodes": self._episodes,
            "keys": self._keys,
            "unkeyed": self._unkeyed,
        }
