"""One obstacle as data: what there is to say of each kind, and what can be wrong with it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, dataclass, fields
from typing import Any, get_type_hints

from rlkit.envs.locomotion.courses import KINDS
from rlkit.envs.locomotion.limits import CourseLimits
from rlkit.errors import UsageError, nearest

# What a kind has beside kind, start_m and end_m; the ends across the track may be left out where it spans it.
KEYS = {
    "hurdle": ("height_m", "y_min_m", "y_max_m"),
    "gap": (),
    "platform": ("height_m", "underside_m", "y_min_m", "y_max_m"),
    "wall": ("height_m", "y_min_m", "y_max_m"),
    "stairs": ("height_m", "steps", "tread_m", "y_min_m", "y_max_m"),
    "rough": ("height_m",),
}
_LARGEST = 1e9  # neither infinite nor a whole number that no float holds
_TOLERANCE_M = 1e-9  # what a size may exceed a limit by


@dataclass(frozen=True, kw_only=True)
class Obstacle:
    """One obstacle.

    Attributes:
        kind: ``"hurdle"``, ``"gap"``, ``"platform"``, ``"wall"``, ``"stairs"`` or ``"rough"``.
        start_m: Where it begins along the track.
        end_m: Where it ends.
        height_m: Upper side above the ground; of stairs, the rise of one step; of rough ground, the highest point.
        underside_m: Lower side of a platform, which hovers.
        steps: Steps of a flight of stairs; it goes up and down again.
        tread_m: Length of such a step.
        y_min_m: Where it begins across the track; of a wall, where the opening begins. Infinite: at the track's edge.
        y_max_m: Where it, or the opening, ends.
    """

    kind: str
    start_m: float
    end_m: float
    height_m: float = 0.0
    underside_m: float = 0.0
    steps: int = 0
    tread_m: float = 0.0
    y_min_m: float = -math.inf
    y_max_m: float = math.inf

    @property
    def boxes(self) -> int:
        """How many boxes it is made of at most."""
        return {"wall": 2, "stairs": self.steps, "rough": 0}.get(self.kind, 1)

    def faults(self, half_width_m: float) -> Iterator[str]:
        """What is wrong with it, on a track of this width."""
        if self.kind not in KINDS:
            yield f"there is no such kind: {nearest(self.kind, KINDS)}"
            return
        if not all(math.isfinite(v) for v in (self.start_m, self.end_m, self.height_m, self.underside_m, self.tread_m)):
            yield "its measures must be finite numbers"
            return
        if self.start_m >= self.end_m:
            yield f"it must end behind its start, got start_m {self.start_m} and end_m {self.end_m}"
        if math.isnan(self.y_min_m) or math.isnan(self.y_max_m) or self.y_min_m >= self.y_max_m:
            yield f"y_min_m must be below y_max_m, got {self.y_min_m} and {self.y_max_m}"
        if self.kind == "wall" and (max(self.y_min_m, -half_width_m) >= min(self.y_max_m, half_width_m)):
            yield f"its opening must be on the track, from {-half_width_m} to {half_width_m} across"
        if self.kind != "gap" and self.height_m <= 0:
            yield f"height_m must be > 0, got {self.height_m}"
        if self.kind == "platform" and not 0 <= self.underside_m < self.height_m:
            yield f"underside_m must be >= 0 and below height_m {self.height_m}, got {self.underside_m}"
        if self.kind == "stairs":
            if self.steps < 1 or self.tread_m <= 0:
                yield f"steps must be >= 1 and tread_m > 0, got {self.steps} and {self.tread_m}"
            elif 2 * (self.steps - 1) * self.tread_m >= self.end_m - self.start_m:
                yield (
                    f"{self.steps} steps of {self.tread_m} m up and down leave no top between start_m {self.start_m} "
                    f"and end_m {self.end_m}: lengthen it or take fewer steps"
                )

    def impassable(self, limits: CourseLimits, half_width_m: float) -> str:
        """Why a body of these limits cannot pass it; empty if it can."""
        opening_m = min(self.y_max_m, half_width_m) - max(self.y_min_m, -half_width_m)
        too_large = {
            "hurdle": ("height_m", self.height_m, limits.hurdle_height_m[1]),
            "gap": ("length", self.end_m - self.start_m, limits.gap_length_m[1]),
            "stairs": ("height_m (rise)", self.height_m, limits.step_rise_m[1]),
            "rough": ("height_m", self.height_m, limits.relief_m[1]),
        }
        if self.kind in too_large:
            what, size, limit = too_large[self.kind]
            return f"{what} {size:.6g} m: this body passes at most {limit} m" if size > limit + _TOLERANCE_M else ""
        if self.kind == "wall":
            if limits.planar:
                return "this body moves in the plane y = 0 and cannot walk around walls"
            narrowest = limits.opening_m[1]
            too_narrow = opening_m < narrowest - _TOLERANCE_M
            return f"opening {opening_m:.6g} m: this body needs {narrowest} m" if too_narrow else ""
        top, clearance = limits.platform_top_m[1], limits.clearance_m[1]
        if self.height_m <= top + _TOLERANCE_M or self.underside_m >= clearance - _TOLERANCE_M:
            return ""
        return (
            f"underside_m {self.underside_m:.6g} and height_m {self.height_m:.6g}: this body jumps onto "
            f"at most {top} m and crouches under at least {clearance} m"
        )

    def mapping(self) -> dict[str, Any]:
        """What there is to say of its kind."""
        values = {key: getattr(self, key) for key in ("kind", "start_m", "end_m", *KEYS[self.kind])}
        return {key: value for key, value in values.items() if isinstance(value, str) or math.isfinite(value)}

    @classmethod
    def from_mapping(cls, mapping: Any, where: str) -> Obstacle:
        """An obstacle from plain values.

        Args:
            mapping: Keys and values as :meth:`mapping` gives them.
            where: What to call it in errors.

        Raises:
            UsageError: For an unknown kind, a key that its kind has not, or a value of the wrong type.
        """
        kind = mapping.get("kind") if isinstance(mapping, Mapping) else None
        if isinstance(kind, str) and kind not in KEYS:
            raise UsageError(f"{where}: there is no kind {kind!r}: {nearest(kind, KEYS)}")
        allowed = ("kind", "start_m", "end_m", *KEYS.get(str(kind), ()))
        return cls(**typed_values(cls, mapping, allowed, where))


def typed_values(cls: type, mapping: Any, allowed: tuple[str, ...], where: str) -> dict[str, Any]:
    """Values for the fields of a dataclass, checked one by one.

    Args:
        cls: A dataclass of numbers and text.
        mapping: Plain keys and values.
        allowed: The fields that may be given; those without a default must be.
        where: What to call the place in errors.

    Raises:
        UsageError: For an unknown or missing key (with the nearest), or a value of the wrong type.
    """
    if not isinstance(mapping, Mapping):
        raise UsageError(f"{where}: expected keys and values, got {mapping!r}")
    for key in mapping:
        if key not in allowed:
            raise UsageError(f"{where}: there is no key {key!r}: {nearest(str(key), allowed)}")
    required = [field.name for field in fields(cls) if field.default is MISSING]
    if missing := [name for name in required if name not in mapping]:
        raise UsageError(f"{where}: missing {', '.join(missing)}")
    hints = get_type_hints(cls)
    return {key: _typed(hints[key], value, f"{where}: {key}") for key, value in mapping.items()}


def _typed(hint: Any, value: Any, where: str) -> Any:
    """A value as a field's type wants it."""
    if hint is str:
        if not isinstance(value, str):
            raise UsageError(f"{where} is text, got {value!r}")
        return value
    if hint == int | None and value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= _LARGEST:
        raise UsageError(f"{where} is a finite number, got {value!r}")
    if hint is float:
        return float(value)
    if value != int(value):
        raise UsageError(f"{where} is a whole number, got {value!r}")
    return int(value)
