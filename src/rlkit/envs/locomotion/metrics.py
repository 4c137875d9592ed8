"""What is said of an episode: how far, what was cleared, and how it ended.

An obstacle is cleared when every foot is past its end and the body is still up half a second later, or over the finish
line: who falls across a hurdle has not cleared it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from rlkit.envs.jit import lean_kernel
from rlkit.envs.locomotion.courses import FLIGHT, GAP, HURDLE, KINDS, PLATFORM, RELIEF, WALL

HOLD_S = 0.5  # so long a body must stay up behind an obstacle

CAUSES = ("none", "fall", "pit", "off_track", "diverged")  # why an episode terminated; info["cause"] counts in them
NONE, FALL, PIT, OFF_TRACK, DIVERGED = range(len(CAUSES))

# Of the episode so far.
PROGRESS = np.dtype(
    [
        ("x_m", np.float64),  # of the root
        ("farthest_m", np.float64),
        ("tallest_hurdle_m", np.float64),  # of those cleared
        ("widest_gap_m", np.float64),
        ("steps", np.int64),
        ("passed", np.int64),  # obstacles that all feet are past
        ("cleared", np.int64),  # of these, that the body has survived
        ("cause", np.int64),
        ("finished", np.int64),
    ],
    align=True,
)

VERDICT = np.dtype(
    [
        ("distance_m", np.float64),  # the farthest that the root came along the track
        ("speed_ms", np.float64),  # that, over the time of the episode
        ("course_share", np.float64),  # of the way to the finish line
        ("cleared", np.int64),  # obstacles of all kinds
        *((f"{kind}_cleared", np.int64) for kind in KINDS),
        ("obstacles", np.int64),  # that the course has
        ("tallest_hurdle_m", np.float64),  # of those cleared; 0 for none
        ("widest_gap_m", np.float64),
        ("terrain", np.int64),  # index in courses.TERRAINS
        ("difficulty", np.float64),
        ("level", np.int64),  # of the adaptive curriculum
        ("cause", np.int64),  # index in CAUSES
        ("fell", np.bool_),  # in whatever way
        ("is_success", np.bool_),  # over the finish line
    ],
    align=True,
)

METRICS: dict[str, Any] = {
    "prefix": "locomotion",
    "values": {
        "distance_m": "distance_m",
        "speed_ms": "speed_ms",
        "course_share": "course_share",
        "obstacles_cleared": "cleared",
        **{f"{kind}_cleared": f"{kind}_cleared" for kind in KINDS},
        "tallest_hurdle_m": "tallest_hurdle_m",
        "widest_gap_m": "widest_gap_m",
        "difficulty": "difficulty",
        "level": "level",
        "fell": "fell",
        "finished": "is_success",
    },
}


@lean_kernel
def judge_rows(rows, progress, counts, courses, levels, step_s, verdicts):  # type: ignore[no-untyped-def]
    """Say what there is to say of episodes.

    Args:
        rows: Which, shape ``(n,)`` bool.
        progress: Records of :data:`PROGRESS`.
        counts: Obstacles cleared by kind, shape ``(n, kinds)``.
        courses: ``courses.Courses``.
        levels: Shape ``(n,)``.
        step_s: Length of a step.
        verdicts: Records of :data:`VERDICT`, of which those of ``rows`` are written.
    """
    for i in range(len(rows)):
        if not rows[i]:
            continue
        p, v = progress[i], verdicts[i]
        v.distance_m = p.farthest_m
        v.speed_ms = p.farthest_m / max(p.steps * step_s, step_s)
        v.course_share = min(p.farthest_m / courses.length_m[i], 1.0)
        v.cleared = p.cleared
        v.hurdle_cleared, v.gap_cleared, v.platform_cleared = counts[i, HURDLE], counts[i, GAP], counts[i, PLATFORM]
        v.wall_cleared, v.stairs_cleared, v.rough_cleared = counts[i, WALL], counts[i, FLIGHT], counts[i, RELIEF]
        v.obstacles = courses.num_obstacles[i]
        v.tallest_hurdle_m, v.widest_gap_m = p.tallest_hurdle_m, p.widest_gap_m
        v.terrain, v.difficulty, v.level = courses.terrain[i], courses.difficulty[i], levels[i]
        v.cause, v.fell, v.is_success = p.cause, p.cause != NONE, p.finished > 0
