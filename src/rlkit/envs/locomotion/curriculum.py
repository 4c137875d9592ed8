"""The adaptive curriculum: every environment has a level, which follows how far its body comes.

The rule of Rudin et al. (2021, arXiv:2109.11978, section 3.2): a level up after more than half of the course, a level
down after less than a share of it; who has solved the last level is sent back to any level, so that easy courses are
not forgotten.
"""

from __future__ import annotations

from rlkit.envs.jit import lean_kernel
from rlkit.envs.streams import below

CURRICULA = ("none", "along", "adaptive")
LEVELS = 10
UP_SHARE = 0.5
DOWN_SHARE = 0.2


@lean_kernel
def promote_rows(rows, progress, courses, streams, levels):  # type: ignore[no-untyped-def]
    """Change levels after episodes that ended.

    Args:
        rows: Which, shape ``(n,)`` bool.
        progress: Records of ``metrics.PROGRESS``, of the episodes that ended.
        courses: Their courses.
        streams: The rows' random streams.
        levels: Shape ``(n,)``, changed in place.
    """
    for i in range(len(rows)):
        if not rows[i]:
            continue
        share = progress[i].farthest_m / courses.length_m[i]
        if share > UP_SHARE:
            levels[i] = levels[i] + 1 if levels[i] < LEVELS - 1 else below(streams, i, LEVELS)
        elif share < DOWN_SHARE:
            levels[i] = max(levels[i] - 1, 0)
