"""One course as data that people read and write: obstacles in order along the track, to and from JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from rlkit.envs.locomotion.courses import KINDS, MAX_BOXES, MAX_OBSTACLES, TERRAINS, Courses
from rlkit.envs.locomotion.geometry import build_boxes
from rlkit.envs.locomotion.limits import START_CLEAR_M, CourseLimits
from rlkit.envs.locomotion.obstacle import Obstacle, typed_values
from rlkit.envs.locomotion.rough import LEVELS, VARIANTS
from rlkit.errors import UsageError, nearest

FORMAT = 1
_NUMBER_OF_FIELDS = 2 * LEVELS * VARIANTS


@dataclass(frozen=True, kw_only=True)
class Course:
    """A course, checked: obstacles lie one behind the other and can be built.

    Attributes:
        obstacles: In order along the track.
        length_m: Where the finish line is.
        half_width_m: Half the track's width.
        terrain: What to call it, a name of ``TERRAINS`` (but not "mixture").
        difficulty: What to record of it, from 0 to 1; nothing follows from it.
        field: Number of the height field in the body's bank, for rough ground only.
    """

    obstacles: tuple[Obstacle, ...] = ()
    length_m: float = 50.0
    half_width_m: float = 2.0
    terrain: str = "mixed"
    difficulty: float = 0.0
    field: int | None = None

    def __post_init__(self) -> None:
        for fault in self._faults():
            raise UsageError(f"this course cannot be used: {fault}")

    def _faults(self) -> Iterator[str]:
        if self.terrain not in TERRAINS or self.terrain == "mixture":
            yield f"there is no terrain {self.terrain!r}: {nearest(self.terrain, set(TERRAINS) - {'mixture'})}"
        for name in ("length_m", "half_width_m"):
            if not 0 < getattr(self, name) < math.inf:
                yield f"{name} is a finite number > 0, got {getattr(self, name)!r}"
        if not 0 <= self.difficulty <= 1:
            yield f"difficulty is from 0 to 1, got {self.difficulty!r}"
        behind_m, name_behind = START_CLEAR_M, "the free ground at the start"
        for j, obstacle in enumerate(self.obstacles):
            name = f"obstacles[{j}] ({obstacle.kind})"
            for fault in obstacle.faults(self.half_width_m):
                yield f"{name}: {fault}"
            if obstacle.start_m < behind_m:
                yield f"{name} starts at {obstacle.start_m} m and overlaps {name_behind}, which ends at {behind_m} m"
            behind_m, name_behind = obstacle.end_m, name
        if behind_m > self.length_m:
            yield f"{name_behind} ends at {behind_m} m, behind the finish line: length_m {self.length_m} is too short"
        yield from self._excesses()

    def _excesses(self) -> Iterator[str]:
        kinds = [obstacle.kind for obstacle in self.obstacles]
        boxes = sum(obstacle.boxes for obstacle in self.obstacles) + ("gap" in kinds)
        if len(kinds) > MAX_OBSTACLES:
            yield f"it has {len(kinds)} obstacles, at most {MAX_OBSTACLES} are possible"
        if boxes > MAX_BOXES:
            yield (
                f"it takes {boxes} boxes, at most {MAX_BOXES} are possible: a wall takes 2, stairs 1 a step, "
                "others 1, and gaps 1 more in all"
            )
        if self.field is not None and not 0 <= self.field < _NUMBER_OF_FIELDS:
            yield f"field is from 0 to {_NUMBER_OF_FIELDS - 1} or null, got {self.field!r}"
        if self.field is not None and set(kinds) - {"rough"}:
            yield "a height field covers the whole track: leave field out, or have obstacles of kind 'rough' only"
        if self.field is None and "rough" in kinds:
            yield "rough ground needs a height field: give its number as field"

    def checked(self, limits: CourseLimits) -> Course:
        """The course, if a body of these limits can pass every obstacle.

        Raises:
            UsageError: Naming the first that it cannot pass.
        """
        for j, obstacle in enumerate(self.obstacles):
            if reason := obstacle.impassable(limits, self.half_width_m):
                raise UsageError(
                    f"this course cannot be passed: obstacles[{j}] ({obstacle.kind}): {reason}. "
                    "Change it, or give the body other limits"
                )
        return self

    def to_json(self) -> str:
        """JSON with one obstacle a line."""
        head = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "obstacles"}
        lines = [f'  "{key}": {json.dumps(value)}' for key, value in {"format": FORMAT, **head}.items()]
        obstacles = ",\n".join(f"    {json.dumps(obstacle.mapping())}" for obstacle in self.obstacles)
        lines.append(f'  "obstacles": [\n{obstacles}\n  ]' if obstacles else '  "obstacles": []')
        return "{\n" + ",\n".join(lines) + "\n}\n"

    @classmethod
    def from_json(cls, text: str) -> Course:
        """A course from what :meth:`to_json` wrote, or a person.

        Raises:
            UsageError: If it is not JSON, has another format number, unknown keys, or cannot be built.
        """
        try:
            mapping = json.loads(text)
        except json.JSONDecodeError as error:
            raise UsageError(f"this course is not JSON: {error}") from None
        return cls.from_mapping(mapping)

    @classmethod
    def from_mapping(cls, mapping: Any) -> Course:
        """A course from plain values, as JSON has them.

        Raises:
            UsageError: As :meth:`from_json`.
        """
        if not isinstance(mapping, Mapping):
            raise UsageError(f"a course: expected keys and values, got {mapping!r}")
        values = dict(mapping)
        version = values.pop("format", None)
        if version != FORMAT or isinstance(version, bool):
            raise UsageError(
                f"a course: this version reads format {FORMAT}, got {version!r}: say "
                f'"format": {FORMAT}, or use the version of rlkit that wrote it'
            )
        listed = values.pop("obstacles", [])
        if not isinstance(listed, list | tuple):
            raise UsageError(f"a course: obstacles is a list, got {listed!r}")
        allowed = tuple(field.name for field in fields(cls))
        head = typed_values(cls, values, allowed, "a course")
        obstacles = tuple(Obstacle.from_mapping(one, f"obstacles[{j}]") for j, one in enumerate(listed))
        return cls(obstacles=obstacles, **head)


def as_course(value: Any) -> Course:
    """What a user may give as a course: a :class:`Course`, its mapping, or the path of a JSON file.

    Raises:
        UsageError: If it is none of these, or cannot be used.
    """
    if isinstance(value, Course):
        return value
    if not isinstance(value, str | Path):
        return Course.from_mapping(value)
    path = Path(value).expanduser()
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not a text file"
        raise UsageError(
            f"cannot read a course from {str(path)!r}: {reason}. A course is a Course, its mapping, "
            "or the path of a JSON file"
        ) from error
    try:
        return Course.from_json(text)
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from None


def put_course(courses: Courses, row: int, course: Course) -> None:
    """Write a course into a row of the arrays, boxes included."""
    width = course.half_width_m
    for j, obstacle in enumerate(course.obstacles):
        courses.obstacles[row, j] = (
            KINDS.index(obstacle.kind),
            obstacle.steps,
            obstacle.start_m,
            obstacle.end_m,
            obstacle.height_m,
            obstacle.underside_m,
            obstacle.tread_m,
            max(obstacle.y_min_m, -width),
            min(obstacle.y_max_m, width),
        )
    courses.num_obstacles[row] = len(course.obstacles)
    courses.field[row] = -1 if course.field is None else course.field
    courses.length_m[row] = course.length_m
    courses.half_width_m[row] = width
    courses.terrain[row] = TERRAINS.index(course.terrain)
    courses.difficulty[row] = course.difficulty
    build_boxes(courses, row)


def get_course(courses: Courses, row: int) -> Course:
    """The course in a row of the arrays."""
    width = float(courses.half_width_m[row])
    obstacles = []
    for record in courses.obstacles[row, : courses.num_obstacles[row]]:
        values = {name: record[name].item() for name in record.dtype.names}
        values["kind"] = KINDS[values["kind"]]
        values["y_min_m"] = -math.inf if values["y_min_m"] <= -width else values["y_min_m"]
        values["y_max_m"] = math.inf if values["y_max_m"] >= width else values["y_max_m"]
        obstacles.append(Obstacle(**values))
    field = int(courses.field[row])
    return Course(
        obstacles=tuple(obstacles),
        length_m=float(courses.length_m[row]),
        half_width_m=width,
        terrain=TERRAINS[courses.terrain[row]],
        difficulty=float(courses.difficulty[row]),
        field=None if field < 0 else field,
    )
