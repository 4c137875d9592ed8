"""What an obstacle course is made of: its arguments, checked."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rlkit.envs.locomotion import conditions
from rlkit.envs.locomotion.bodies import FALLS, Body, BodySpec, RewardWeights, Servo, from_fields, parse_body
from rlkit.envs.locomotion.conditions import Conditions
from rlkit.envs.locomotion.course import Course, as_course
from rlkit.envs.locomotion.courses import MIXTURE, ROUGH, parse_terrain
from rlkit.envs.locomotion.curriculum import CURRICULA
from rlkit.envs.locomotion.limits import CourseLimits
from rlkit.envs.locomotion.simulation import parse_threads
from rlkit.errors import UsageError, nearest


@dataclass(frozen=True, kw_only=True)
class Task:
    """The arguments of the environment; :class:`~rlkit.envs.locomotion.env.ObstacleCourseEnv` explains them."""

    body: Body = "walker"
    terrain: str = "hurdles"
    difficulty: float = 1.0
    curriculum: str = "along"
    course_seed: int | None = None
    episode_s: float = 20.0
    limits: Mapping[str, Any] | None = None
    reward: Mapping[str, Any] | None = None
    falls: Mapping[str, Any] | None = None
    servo: Mapping[str, Any] | None = None
    conditions: Mapping[str, Any] | Conditions | None = None
    course: Any = None
    threads: int | None = None

    def __post_init__(self) -> None:
        if not _is_number(self.difficulty) or not 0.0 <= self.difficulty <= 1.0:
            raise UsageError(f"difficulty is a number from 0 to 1, got {self.difficulty!r}")
        if self.curriculum not in CURRICULA:
            raise UsageError(f"unknown curriculum {self.curriculum!r}: {nearest(str(self.curriculum), CURRICULA)}")
        seed = self.course_seed
        if seed is not None and (isinstance(seed, bool) or not isinstance(seed, int) or seed < 0):
            raise UsageError(f"course_seed is None or a whole number >= 0, got {seed!r}")
        if not _is_number(self.episode_s) or not 0.1 <= self.episode_s <= 3600.0:
            raise UsageError(f"episode_s is a number of seconds from 0.1 to 3600, got {self.episode_s!r}")
        for name in ("limits", "reward", "falls", "servo"):
            value = getattr(self, name)
            if value is not None and not isinstance(value, Mapping):
                raise UsageError(f"{name} is None or a mapping of what is to be changed, got {value!r}")
        if self.course is not None and seed is not None:
            raise UsageError("course fixes the course and course_seed fixes it too: give one of them")

    @classmethod
    def parse(cls, arguments: Mapping[str, Any], others: Sequence[str] = ()) -> Task:
        """From keyword arguments.

        Args:
            arguments: By name.
            others: Names that an error lists too.

        Raises:
            UsageError: If one is unknown (the nearest is named) or wrong.
        """
        known = [field.name for field in dataclasses.fields(cls)]
        for key in arguments:
            if key not in known:
                raise UsageError(f"there is no argument {key!r}: {nearest(key, [*known, *others])}")
        return cls(**arguments)


@dataclass(frozen=True)
class Setup:
    """A task with all that follows from it.

    Attributes:
        task: Its arguments.
        body: The body, with the limits and weights of the task.
        terrain: Number in ``courses.TERRAINS``.
        course: What every episode runs; None where courses are drawn.
        may_be_rough: Whether the model needs height fields.
        conditions: What is not as in the model.
        threads: That step the simulations.
        episode_steps: Steps of an episode at most.
    """

    task: Task
    body: BodySpec
    terrain: int
    course: Course | None
    may_be_rough: bool
    conditions: Conditions
    threads: int
    episode_steps: int


def set_up(task: Task) -> Setup:
    """Work out what a task implies.

    Raises:
        UsageError: If its parts do not go together.
    """
    body = parse_body(task.body)
    changes: dict[str, Any] = {}
    if task.limits:
        changes["limits"] = from_fields(CourseLimits, task.limits, "limits", base=body.limits)
    if task.reward:
        changes["reward"] = from_fields(RewardWeights, task.reward, "reward", base=body.reward)
    for name in task.falls or {}:
        if name not in FALLS:
            raise UsageError(f"falls has no {name!r}: {nearest(str(name), FALLS)}")
    changes.update(task.falls or {})
    if task.servo is not None:
        changes["servo"] = from_fields(Servo, task.servo, "servo")
    body = dataclasses.replace(body, **changes)
    given = Conditions.parse(task.conditions)
    if body.servo and conditions.GEAR in given.changed:
        raise UsageError("gear of conditions is the strength of motors, and a body with a servo has none: leave it out")
    terrain = parse_terrain(task.terrain, body.limits)
    course = None if task.course is None else as_course(task.course).checked(body.limits)
    return Setup(
        task,
        body,
        terrain,
        course,
        terrain in (ROUGH, MIXTURE) or (course is not None and course.field is not None),
        given,
        parse_threads(task.threads),
        max(1, round(task.episode_s / body.step_s)),
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
