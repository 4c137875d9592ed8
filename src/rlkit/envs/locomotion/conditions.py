"""Conditions that differ from those of the model: domain randomisation, and what the paper probes policies with.

Every condition is a number, or a range from which each episode draws. Heess et al. (2017, section 4.3) probe with
friction, rumble strips, a heavier body and inclines; rumble strips are a course (:func:`probe`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rlkit.envs.jit import lean_kernel
from rlkit.envs.locomotion.bodies import from_fields
from rlkit.envs.streams import uniform
from rlkit.errors import UsageError, nearest

Range = float | tuple[float, float]

_BOUNDS = {
    "friction": (0.01, 10.0),
    "mass": (0.1, 10.0),
    "gear": (0.0, 10.0),
    "gravity": (0.0, 10.0),
    "incline_deg": (-60.0, 60.0),
    "push_ms": (0.0, 20.0),
}
NAMES = tuple(_BOUNDS)
FRICTION, MASS, GEAR, GRAVITY, INCLINE, PUSH = range(len(NAMES))


@dataclass(frozen=True, kw_only=True)
class Conditions:
    """What is not as in the model; a pair is a range.

    Attributes:
        friction: Of everything, times the model's.
        mass: Of the root body, times the model's; its inertia with it.
        gear: Strength of the actuators, times the model's.
        gravity: Times the model's.
        incline_deg: Slope of the whole course; above 0 it goes uphill.
        push_ms: Change of the root's velocity by a push, in a random direction along the ground.
        push_every_s: Time between two pushes; a number.
    """

    friction: Range = 1.0
    mass: Range = 1.0
    gear: Range = 1.0
    gravity: Range = 1.0
    incline_deg: Range = 0.0
    push_ms: Range = 0.0
    push_every_s: float = 5.0

    def __post_init__(self) -> None:
        for name, (least, most) in _BOUNDS.items():
            low, high = self.range_of(name)
            if not least <= low <= high <= most:
                raise UsageError(
                    f"{name} of conditions is a number or a range [low, high] from {least:g} to {most:g}, "
                    f"got {getattr(self, name)!r}"
                )
        every = self.push_every_s
        if isinstance(every, bool) or not isinstance(every, int | float) or not 0.0 < every < math.inf:
            raise UsageError(f"push_every_s of conditions is a number of seconds > 0, got {every!r}")

    @classmethod
    def parse(cls, values: Mapping[str, Any] | Conditions | None) -> Conditions:
        """From a mapping; None for the model's own.

        Raises:
            UsageError: If a condition is unknown (the nearest is named) or not possible.
        """
        if isinstance(values, Conditions):
            return values
        if values is not None and not isinstance(values, Mapping):
            raise UsageError(f"conditions is None or a mapping such as {{'friction': [0.5, 1.5]}}, got {values!r}")
        found: Conditions = from_fields(cls, values or {}, "conditions")
        return found

    def range_of(self, name: str) -> tuple[float, float]:
        """Lower and upper end of one condition.

        Raises:
            UsageError: If it is neither a number nor two of them.
        """
        value = getattr(self, name)
        ends = tuple(value) if isinstance(value, tuple | list) else (value, value)
        if len(ends) != 2 or any(isinstance(end, bool) or not isinstance(end, int | float) for end in ends):
            raise UsageError(f"{name} of conditions is a number or a range [low, high], got {value!r}")
        return float(ends[0]), float(ends[1])

    def ranges(self) -> NDArray[np.float64]:
        """All of them, shape ``(conditions, 2)``, in the order of :data:`NAMES`."""
        return np.array([self.range_of(name) for name in NAMES])

    @property
    def changed(self) -> frozenset[int]:
        """Numbers of those that are not the model's."""
        usual = {field.name: field.default for field in fields(self)}
        return frozenset(k for k, name in enumerate(NAMES) if self.range_of(name) != (usual[name], usual[name]))


@lean_kernel
def draw_rows(rows, ranges, streams, drawn):  # type: ignore[no-untyped-def]
    """Draw conditions for new episodes.

    Args:
        rows: Which, shape ``(n,)`` bool.
        ranges: Shape ``(conditions, 2)``.
        streams: The rows' random streams.
        drawn: Shape ``(n, conditions)``, changed in place.
    """
    for i in range(len(rows)):
        if rows[i]:
            for k in range(len(ranges)):
                drawn[i, k] = ranges[k, 0] + (ranges[k, 1] - ranges[k, 0]) * uniform(streams, i)


@lean_kernel
def push_rows(rows, every_steps, drawn, anatomy, streams, progress, velocities):  # type: ignore[no-untyped-def]
    """Push bodies for which it is time.

    Args:
        rows: Which, shape ``(n,)`` bool.
        every_steps: Steps between two pushes.
        drawn: Conditions, shape ``(n, conditions)``.
        anatomy: ``model.Anatomy``.
        streams: The rows' random streams.
        progress: Records of ``metrics.PROGRESS``.
        velocities: Shape ``(n, dofs)``, changed in place.
    """
    for i in range(len(rows)):
        if rows[i] and progress[i].steps > 0 and progress[i].steps % every_steps == 0:
            angle = 2.0 * math.pi * uniform(streams, i)
            dofs = anatomy.root_qvel
            if anatomy.planar:
                velocities[i, dofs[0]] += drawn[i, PUSH] * (1.0 if angle < math.pi else -1.0)
            else:
                velocities[i, dofs[0]] += drawn[i, PUSH] * math.cos(angle)
                velocities[i, dofs[1]] += drawn[i, PUSH] * math.sin(angle)


PROBES = {
    "friction": "times the model's friction",
    "rumble": "height of the strips, in metres",
    "mass": "times the root's mass",
    "incline": "degrees, uphill",
    "push": "metres a second, every two seconds",
}
RUMBLE_STRIPS = 24
RUMBLE_SPACING_M = 0.6
PUSH_EVERY_S = 2.0


def probe(name: str, strength: float, *, half_width_m: float = 2.0) -> dict[str, Any]:
    """Arguments of an environment that probes how a policy takes what it was not trained on.

    Args:
        name: One of :data:`PROBES`, which also tells in what the strength is.
        strength: How much.
        half_width_m: Half the width of the track with rumble strips.

    Returns:
        Arguments for ``gymnasium.make``, next to ``body``.

    Raises:
        UsageError: If there is no such probe.

    Example:
        >>> probe("friction", 0.25)
        {'terrain': 'flat', 'conditions': {'friction': 0.25}}
    """
    if name not in PROBES:
        raise UsageError(f"there is no probe {name!r}: {nearest(str(name), PROBES)}")
    if name == "rumble":
        from rlkit.envs.locomotion.fixed import fixed_course

        return {
            "course": fixed_course(
                "hurdles", [strength] * RUMBLE_STRIPS, spacing_m=RUMBLE_SPACING_M, half_width_m=half_width_m
            )
        }
    conditions: dict[str, Any] = {{"incline": "incline_deg", "push": "push_ms"}.get(name, name): strength}
    if name == "push":
        conditions["push_every_s"] = PUSH_EVERY_S
    Conditions.parse(conditions)
    return {"terrain": "flat", "conditions": conditions}
