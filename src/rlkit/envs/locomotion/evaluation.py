"""How well someone runs: on drawn courses, on two test courses, by kind and size of obstacle, and when probed.

Test courses are the same for everyone with the same body: obstacles of one kind at even distances. Their sizes are
shares of what the body can just pass (:class:`~rlkit.envs.locomotion.limits.CourseLimits`). On ``easy`` they go up to a
third of it (the walker's hurdles: 0.05, 0.10 and 0.15 m by turns), on ``hard`` all have two thirds (0.3 m). Probes are
flat courses under conditions that differ from the model's, after Heess et al. (2017, section 4.3).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rlkit.envs.locomotion.conditions import probe
from rlkit.envs.locomotion.course import Course
from rlkit.envs.locomotion.fixed import fixed_course
from rlkit.envs.locomotion.limits import CourseLimits
from rlkit.envs.locomotion.metrics import VERDICT
from rlkit.envs.locomotion.vector import ObstacleCourseVectorEnv
from rlkit.errors import UsageError
from rlkit.statistics import interval

SETTINGS = ("episodes", "shares", "probes")  # of `evaluate`, for the command line
SEED = 1_000_003
SHARES = (0.2, 0.4, 0.6, 0.8, 1.0)
EASY, HARD = (1 / 9, 2 / 9, 1 / 3), (2 / 3,)
FIXED = ("hurdles", "gaps", "platforms", "stairs", "slalom")  # terrains that have test courses
COUNT = {"stairs": 6}  # obstacles of a test course, as many as its boxes suffice for
DEFAULT_COUNT = 12
DRAWN = "drawn"
PROBED = {
    "friction": (0.25, 0.5, 1.0, 2.0),
    "rumble": (0.02, 0.04),
    "mass": (0.5, 1.5, 2.0),
    "incline": (-5.0, 5.0, 10.0),
    "push": (0.5, 1.0),
}  # strengths; friction of 1 is the flat course as it is


@dataclass(frozen=True)
class _Stage:
    """A course on which the player is judged; None: each episode draws its own."""

    name: str
    terrain: str
    course: Course | None
    size_m: float | None = None
    share: float | None = None


def evaluate(
    player: Any,
    arguments: Mapping[str, Any],
    *,
    episodes: int = 32,
    shares: Sequence[float] = SHARES,
    probes: bool = False,
) -> dict[str, Any]:
    """Judge a player.

    Args:
        player: What is judged: a policy with ``predict(observations)``.
        arguments: Of the environment it was trained on.
        episodes: How many on each course.
        shares: Sizes of obstacles, as shares of what the body can just pass.
        probes: Whether it is probed too.

    Returns:
        JSON values: ``score``, the mean number of obstacles cleared on drawn courses (on flat ground, the distance in
        metres), with its ``interval``; ``courses``, a list with means over episodes; ``probes``, such a list.

    Raises:
        UsageError: If a setting is not possible.
    """
    if isinstance(episodes, bool) or not isinstance(episodes, int) or episodes < 1:
        raise UsageError(f"episodes must be a whole number >= 1, got {episodes!r}")
    given = {key: value for key, value in arguments.items() if key not in ("max_episode_steps", "render_mode")}
    one = ObstacleCourseVectorEnv(1, **given)
    limits, terrain, body = one.setup.body.limits, one.setup.task.terrain, one.setup.body.name
    one.close()
    stages = [_Stage(DRAWN, terrain, None), *_stages(terrain, limits, _checked_shares(shares))]
    played = run(player, given, [stage.course for stage in stages for _ in range(episodes)])
    rows = [
        {
            "name": stage.name,
            "terrain": stage.terrain,
            "size_m": stage.size_m,
            "share": stage.share,
            **summary(played[k * episodes : (k + 1) * episodes]),
        }
        for k, stage in enumerate(stages)
    ]
    probed = [
        {"name": name, "strength": strength, **summary(run(player, {**given, **changed}, [None] * episodes))}
        for name, strengths in (PROBED.items() if _checked_flag(probes) else ())
        for strength in strengths
        for changed in [probe(name, strength, half_width_m=limits.half_width_m)]
    ]
    counted = "distance_m" if terrain == "flat" else "cleared"
    drawn = played[:episodes][counted].astype(np.float64)
    return {
        "body": body,
        "terrain": terrain,
        "conditions": given.get("conditions"),
        "episodes": episodes,
        "score": float(drawn.mean()),
        "scored": counted,
        "interval": list(interval(drawn)),
        "courses": rows,
        "probes": probed,
    }


def _checked_flag(probes: Any) -> bool:
    if not isinstance(probes, bool):
        raise UsageError(f"probes must be true or false, got {probes!r}")
    return probes


def _checked_shares(shares: Any) -> list[float]:
    given = list(shares) if isinstance(shares, list | tuple) else [shares]
    if not given or not all(isinstance(s, float | int) and not isinstance(s, bool) and 0.0 < s <= 1.0 for s in given):
        raise UsageError(f"shares are numbers over 0 and up to 1, got {shares!r}")
    return [float(share) for share in given]


def _stages(terrain: str, limits: CourseLimits, shares: Sequence[float]) -> list[_Stage]:
    """Test courses of the terrain: of each of its kinds, if it has several."""
    kinds = [terrain] if terrain in FIXED else list(FIXED) if terrain in ("mixed", "mixture") else []
    found = []
    for kind in kinds:
        if kind == "slalom" and limits.planar:
            continue
        found.append(_Stage("easy", kind, course_of_shares(kind, limits, EASY), _size(kind, limits, EASY[-1])))
        found.append(_Stage("hard", kind, course_of_shares(kind, limits, HARD), _size(kind, limits, HARD[-1])))
        found += [
            _Stage("by size", kind, course_of_shares(kind, limits, [share]), _size(kind, limits, share), share)
            for share in shares
        ]
    return found


def _size(terrain: str, limits: CourseLimits, share: float) -> float:
    """The size of an obstacle that is this share as hard as the body can just pass."""
    if terrain == "slalom":
        wide, narrow = limits.opening_m
        return round(wide + (narrow - wide) * share, 9)
    hardest = {
        "hurdles": limits.hurdle_height_m,
        "gaps": limits.gap_length_m,
        "platforms": limits.platform_top_m,
        "stairs": limits.step_rise_m,
    }[terrain][1]
    return round(hardest * share, 9)


def course_of_shares(terrain: str, limits: CourseLimits, shares: Sequence[float]) -> Course:
    """A test course: obstacles of these shares by turns, so far apart as courses drawn for the body have them.

    Args:
        terrain: One of :data:`FIXED`.
        limits: The body's.
        shares: Of what it can just pass.

    Example:
        >>> from rlkit.envs.locomotion.limits import WALKER_LIMITS
        >>> [obstacle.height_m for obstacle in course_of_shares("hurdles", WALKER_LIMITS, EASY).obstacles[:4]]
        [0.05, 0.1, 0.15, 0.05]
    """
    count = COUNT.get(terrain, DEFAULT_COUNT)
    return fixed_course(
        terrain,
        [_size(terrain, limits, shares[k % len(shares)]) for k in range(count)],
        spacing_m=round(0.5 * (limits.spacing_m[0] + limits.spacing_m[1]), 9),
        run_up_m=limits.run_up_m,
        half_width_m=limits.half_width_m,
    )


def run(player: Any, arguments: Mapping[str, Any], courses: Sequence[Course | None]) -> NDArray[np.void]:
    """One episode on each course, None for one that is drawn.

    Args:
        player: A policy with ``predict(observations)``.
        arguments: Of the environment.
        courses: N of them.

    Returns:
        Verdicts (``metrics.VERDICT``), shape ``(n,)``.
    """
    n = len(courses)
    envs = ObstacleCourseVectorEnv(n, autoreset_mode="disabled", **arguments)
    observations, _ = envs.reset(seed=SEED, options={"course": list(courses)})
    verdicts, over = np.zeros(n, dtype=VERDICT), np.zeros(n, dtype=np.bool_)
    while not over.all():
        observations, _, terminations, truncations, infos = envs.step(player.predict(observations))
        ended = terminations | truncations
        fresh = ended & ~over
        for name in (VERDICT.names or ()) if fresh.any() else ():
            verdicts[name][fresh] = infos[name][fresh]
        over |= ended
        if ended.any() and not over.all():
            observations, _ = envs.reset(options={"reset_mask": ended})
    envs.close()
    return verdicts


def summary(verdicts: NDArray[np.void]) -> dict[str, Any]:
    """Means over episodes; ``passed`` is the share of cleared obstacles among those that were met."""
    met = verdicts["cleared"] + (verdicts["fell"] & (verdicts["cleared"] < verdicts["obstacles"]))
    cleared = verdicts["cleared"].astype(np.float64)
    return {
        "obstacles": float(verdicts["obstacles"].mean()),
        "cleared": float(cleared.mean()),
        "cleared_interval": list(interval(cleared)),
        "passed": float(verdicts["cleared"].sum() / met.sum()) if met.sum() else None,
        "distance_m": float(verdicts["distance_m"].mean()),
        "speed_ms": float(verdicts["speed_ms"].mean()),
        "finished": float(verdicts["is_success"].mean()),
        "fell": float(verdicts["fell"].mean()),
        "tallest_hurdle_m": float(verdicts["tallest_hurdle_m"].mean()),
        "widest_gap_m": float(verdicts["widest_gap_m"].mean()),
    }


def markdown(judgement: Mapping[str, Any]) -> str:
    """A judgement as tables to read."""
    return markdown_of_seeds([judgement])


def markdown_of_seeds(judgements: Sequence[Mapping[str, Any]]) -> str:
    """Judgements of several seeds as tables: means over them and, in brackets, 95 % bootstrap intervals.

    Args:
        judgements: At least one, on the same courses. The interval of a single one is over its episodes.
    """
    first = judgements[0]
    over = "seeds" if len(judgements) > 1 else "episodes"
    lines = [
        f"{first['body']} on {first['terrain']}: {first['episodes']} episodes on each course, means; 95 % intervals "
        f"over {over}. Passed: cleared obstacles, of those met.",
        "",
        "| course | size m | cleared | of | passed | distance m | speed m/s | over the finish line | fell |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for k, row in enumerate(first["courses"]):
        rows = [judgement["courses"][k] for judgement in judgements]
        size = "" if row["size_m"] is None else f"{'up to ' if row['name'] == 'easy' else ''}{row['size_m']:.2f}"
        cells = [_counted(rows), f"{row['obstacles']:.0f}", _mean(rows, "passed", ".0%"), *_run_cells(rows)]
        lines.append(f"| {row['name']}, {row['terrain']} | {size} | {' | '.join(cells)} |")
    if all(judgement.get("probes") for judgement in judgements):
        lines += ["", "| probe | strength | distance m | speed m/s | over the finish line | fell |", "|" + "---|" * 6]
        for k, row in enumerate(first["probes"]):
            rows = [judgement["probes"][k] for judgement in judgements]
            lines.append(f"| {row['name']} | {row['strength']:g} | {' | '.join(_run_cells(rows))} |")
    return "\n".join(lines) + "\n"


def _counted(rows: Sequence[Mapping[str, Any]]) -> str:
    if len(rows) > 1:
        return _mean(rows, "cleared", ".1f")
    low, high = rows[0]["cleared_interval"]
    return f"{rows[0]['cleared']:.1f} [{low:.1f}, {high:.1f}]"


def _run_cells(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    columns = {"distance_m": ".1f", "speed_ms": ".2f", "finished": ".0%", "fell": ".0%"}
    return [_mean(rows, key, form) for key, form in columns.items()]


def _mean(rows: Sequence[Mapping[str, Any]], key: str, form: str) -> str:
    """A figure over seeds; empty where one has none."""
    if any(row[key] is None for row in rows):
        return ""
    values = np.array([row[key] for row in rows], dtype=np.float64)
    if len(values) == 1:
        return format(float(values[0]), form)
    low, high = interval(values)
    return f"{values.mean():{form}} [{low:{form}}, {high:{form}}]"
