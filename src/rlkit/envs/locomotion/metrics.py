"""What is said of an episode: how far, what was cleared, and how it ended.

An obstacle is cleared when every foot is past its end and the body is still up half a second later, or over the finish
line: who falls across a hurdle has not cleared it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rlkit.envs.locomotion.courses import KINDS

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

_COUNTS = tuple(f"{kind}_cleared" for kind in KINDS)

VERDICT = np.dtype(
    [
        ("distance_m", np.float64),  # the farthest that the root came along the track
        ("speed_ms", np.float64),  # that, over the time of the episode
        ("course_share", np.float64),  # of the way to the finish line
        ("cleared", np.int64),  # obstacles of all kinds
        *((name, np.int64) for name in _COUNTS),
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


def judge(
    progress: NDArray[np.void], counts: NDArray[np.int64], courses: Any, levels: NDArray[np.int64], step_s: float
) -> NDArray[np.void]:
    """Verdicts of all rows.

    Args:
        progress: Records of :data:`PROGRESS`.
        counts: Obstacles cleared by kind, shape ``(n, kinds)``.
        courses: ``courses.Courses``.
        levels: Shape ``(n,)``.
        step_s: Length of a step.
    """
    verdicts = np.zeros(len(progress), dtype=VERDICT)
    distance = progress["farthest_m"]
    verdicts["distance_m"] = distance
    verdicts["speed_ms"] = distance / np.maximum(progress["steps"] * step_s, step_s)
    verdicts["course_share"] = np.minimum(distance / courses.length_m, 1.0)
    verdicts["cleared"] = progress["cleared"]
    for kind, name in enumerate(_COUNTS):
        verdicts[name] = counts[:, kind]
    verdicts["obstacles"] = courses.num_obstacles
    for name in ("tallest_hurdle_m", "widest_gap_m", "cause"):
        verdicts[name] = progress[name]
    verdicts["terrain"] = courses.terrain
    verdicts["difficulty"] = courses.difficulty
    verdicts["level"] = levels
    verdicts["fell"] = progress["cause"] != NONE
    verdicts["is_success"] = progress["finished"] > 0
    return verdicts
