"""Drawing courses: a pure function of (key, episode, terrain, difficulty)."""

from __future__ import annotations

import numpy as np

from rlkit.envs.jit import kernel, lean_kernel
from rlkit.envs.locomotion.courses import (
    FLAT,
    FLIGHT,
    GAP,
    GAPS,
    HURDLE,
    HURDLES,
    MAX_BOXES,
    MAX_OBSTACLES,
    MIXED,
    MIXTURE,
    PLATFORM,
    PLATFORM_THICKNESS_M,
    RELIEF,
    ROUGH,
    SLALOM,
    WALL,
    WALL_THICKNESS_M,
)
from rlkit.envs.locomotion.geometry import build_boxes, count_boxes
from rlkit.envs.locomotion.rough import VARIANTS, field_number
from rlkit.envs.streams import Streams, below, uniform

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)

_STRETCHES = 9  # into so many rough ground is divided, to count how much of it was crossed


@lean_kernel
def _scrambled(bits: np.uint64) -> np.uint64:
    """The output function of splitmix64 (Steele, Lea and Flood 2014)."""
    bits = (bits ^ (bits >> np.uint64(30))) * _MIX_1
    bits = (bits ^ (bits >> np.uint64(27))) * _MIX_2
    return bits ^ (bits >> np.uint64(31))


@lean_kernel
def course_stream(streams: Streams, i: int, key: np.uint64, episode: int) -> None:
    """Set stream ``i`` to the one from which the course of this key and episode is drawn."""
    state = _scrambled(_scrambled(key + _GOLDEN) + np.uint64(episode))
    for word in range(4):
        state += _GOLDEN
        streams[i, word] = _scrambled(state)


@lean_kernel
def _at(pair, share):  # type: ignore[no-untyped-def]
    """From the first number of a pair (share 0) to the second (share 1)."""
    return pair[0] + (pair[1] - pair[0]) * share


@lean_kernel
def _draw_terrain(streams, planar):  # type: ignore[no-untyped-def]
    """The terrain that ``mixture`` takes for an episode: any of one type."""
    terrain = HURDLES + below(streams, 0, ROUGH - HURDLES + (0 if planar else 1))
    return terrain + 1 if planar and terrain >= SLALOM else terrain


@lean_kernel
def _draw_kind(streams, terrain, planar):  # type: ignore[no-untyped-def]
    """The next obstacle's kind; one number of the stream is used, whatever the terrain."""
    kind = below(streams, 0, RELIEF - (1 if planar else 0))
    if terrain != MIXED:
        return terrain - HURDLES
    return kind + 1 if planar and kind >= WALL else kind


@lean_kernel
def _begin(o, kind, start, half_width):  # type: ignore[no-untyped-def]
    """A record of this kind that spans the track, without a size as yet."""
    o.kind, o.steps, o.start_m, o.end_m = kind, 0, start, start
    o.height_m, o.underside_m, o.tread_m = 0.0, 0.0, 0.0
    o.y_min_m, o.y_max_m = -half_width, half_width


@lean_kernel
def _draw_obstacle(streams, o, kind, level, start, limits):  # type: ignore[no-untyped-def]
    """Fill an obstacle record; three numbers of the stream are used, whatever the kind.

    Args:
        streams: The course's stream, in row 0.
        o: Record of :data:`OBSTACLE`.
        kind: Index in :data:`KINDS`.
        level: Difficulty of this obstacle, 0 to 1.
        start: Where it begins.
        limits: A :data:`Limits`.
    """
    first, second, third = uniform(streams, 0), uniform(streams, 0), uniform(streams, 0)
    half_width = limits.half_width_m
    _begin(o, kind, start, half_width)
    length = 0.0
    if kind == HURDLE:
        length = _at(limits.hurdle_thickness_m, first)
        o.height_m = _at(limits.hurdle_height_m, level)
        if second < limits.avoidable_share:
            edge = 0.5 * (third - 0.5) * half_width
            if second < 0.5 * limits.avoidable_share:
                o.y_min_m = edge
            else:
                o.y_max_m = edge
    elif kind == GAP:
        length = _at(limits.gap_length_m, level)
    elif kind == PLATFORM:
        length = _at(limits.platform_length_m, first)
        if second < 0.5:
            o.height_m = _at(limits.platform_top_m, level)
            o.underside_m = max(0.0, o.height_m - PLATFORM_THICKNESS_M)
        else:
            o.underside_m = _at(limits.clearance_m, level)
            o.height_m = o.underside_m + PLATFORM_THICKNESS_M
    elif kind == WALL:
        length = WALL_THICKNESS_M
        opening = _at(limits.opening_m, level)
        o.height_m = limits.wall_height_m
        o.y_min_m = -half_width + first * (2.0 * half_width - opening)
        o.y_max_m = o.y_min_m + opening
    elif kind == FLIGHT:
        o.steps = limits.steps[0] + int(first * (limits.steps[1] - limits.steps[0] + 1))
        o.tread_m = _at(limits.tread_m, second)
        o.height_m = _at(limits.step_rise_m, level)
        length = 2.0 * (o.steps - 1) * o.tread_m + _at(limits.landing_m, third)
    o.end_m = start + length


@lean_kernel
def _lay_obstacles(streams, i, courses, terrain, difficulty, along, limits):  # type: ignore[no-untyped-def]
    """Place obstacles from the run-up on, until the track, the boxes or the records are used up."""
    last = limits.length_m - limits.run_out_m
    cursor = limits.run_up_m + (limits.spacing_m[1] - limits.spacing_m[0]) * uniform(streams, 0)
    boxes = 1 if terrain == GAPS or terrain == MIXED else 0
    for j in range(MAX_OBSTACLES):
        share = uniform(streams, 0)
        spacing = _at(limits.spacing_m, uniform(streams, 0))
        kind = _draw_kind(streams, terrain, limits.planar)
        if along:
            share = min(1.0, (cursor - limits.run_up_m) / (last - limits.run_up_m))
        o = courses.obstacles[i, j]
        _draw_obstacle(streams, o, kind, share * difficulty, cursor, limits)
        boxes += count_boxes(kind, o.steps)
        if o.end_m > last or boxes > MAX_BOXES:
            break
        courses.num_obstacles[i] = j + 1
        courses.length_m[i] = o.end_m + limits.run_out_m
        cursor = o.end_m + spacing


@lean_kernel
def _lay_relief(streams, i, courses, difficulty, along, limits):  # type: ignore[no-untyped-def]
    """Choose a height field, and divide it into stretches that can be crossed one by one."""
    share = uniform(streams, 0)
    field = field_number(along, difficulty if along else share * difficulty, below(streams, 0, VARIANTS))
    courses.field[i] = field
    length = (limits.length_m - limits.run_out_m - limits.run_up_m) / _STRETCHES
    for j in range(_STRETCHES):
        o = courses.obstacles[i, j]
        _begin(o, RELIEF, limits.run_up_m + j * length, limits.half_width_m)
        o.end_m = limits.run_up_m + (j + 1) * length
        o.height_m = courses.bank.tops_m[field] * ((j + 1) / _STRETCHES if along else 1.0)
    courses.num_obstacles[i] = _STRETCHES


@kernel
def generate_rows(rows, keys, episodes, terrains, difficulties, along, limits, courses):  # type: ignore[no-untyped-def]
    """Draw new courses.

    A course depends on its key, episode, terrain and difficulty alone, and the place of the numbers in its stream does
    not depend on the difficulty: a harder course has the same obstacles, each at least as hard.

    Args:
        rows: Which courses, shape ``(n,)`` bool.
        keys: One an environment, shape ``(n,)`` uint64.
        episodes: Which course of that key, shape ``(n,)`` int64.
        terrains: Numbers of terrains, shape ``(n,)`` int32.
        difficulties: From 0 to 1, shape ``(n,)`` float64.
        along: Whether difficulty grows along the course from 0 to ``difficulties``, or each obstacle's is drawn
            between the two.
        limits: ``CourseLimits.for_kernels()``; the same that the courses were made for.
        courses: Changed in place.
    """
    streams = np.empty((1, 4), np.uint64)
    for i in range(len(rows)):
        if not rows[i]:
            continue
        course_stream(streams, 0, keys[i], episodes[i])
        drawn = _draw_terrain(streams, limits.planar)
        terrain = drawn if terrains[i] == MIXTURE else terrains[i]
        courses.terrain[i] = terrain
        courses.difficulty[i] = difficulties[i]
        courses.half_width_m[i] = limits.half_width_m
        courses.length_m[i] = limits.length_m
        courses.num_obstacles[i] = 0
        courses.field[i] = -1
        if terrain == ROUGH:
            _lay_relief(streams, i, courses, difficulties[i], along, limits)
        elif terrain != FLAT:
            _lay_obstacles(streams, i, courses, terrain, difficulties[i], along, limits)
        build_boxes(courses, i)
