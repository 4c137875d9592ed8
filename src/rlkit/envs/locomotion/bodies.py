"""The bodies that run: which model they are, where their parts are, when they count as fallen, what they are paid."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from rlkit.envs.locomotion.limits import ANT_LIMITS, HUMANOID_LIMITS, WALKER_LIMITS, CourseLimits
from rlkit.envs.locomotion.scan import PLANAR_SCAN, SPATIAL_SCAN, ScanSpec
from rlkit.errors import UsageError, nearest

FALLS = ("min_height_m", "max_tilt_rad", "min_head_height_m", "min_head_to_feet_m")  # fields that end an episode
GYMNASIUM = "gymnasium:"  # before the name of a file that the installed gymnasium brings along


def _check_number(what: str, value: Any, least: float) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value < least:
        raise UsageError(f"{what} is a finite number of at least {least:g}, got {value!r}")


@dataclass(frozen=True, kw_only=True)
class RewardWeights:
    """What a step is paid; :class:`~rlkit.envs.locomotion.env.ObstacleCourseEnv` has the formula.

    Attributes:
        forward: Of the speed along the track, a m/s.
        speed_limit_ms: Faster is not paid better.
        alive: Of every step that does not end in a fall.
        upright: Of the cosine of the root's tilt.
        action: Of the sum of squared actions.
        centre: Of the squared distance from the centre line, a m^2.
        drift: Of the squared speed across the track, a (m/s)^2.
    """

    forward: float = 1.0
    speed_limit_ms: float = 3.0
    alive: float = 0.5
    upright: float = 0.0
    action: float = 0.05
    centre: float = 0.0
    drift: float = 0.0

    def __post_init__(self) -> None:
        for item in dataclasses.fields(self):
            _check_number(f"reward {item.name}", getattr(self, item.name), 0.0)


@dataclass(frozen=True, kw_only=True)
class Servo:
    """What pulls a joint to an angle: ``stiffness * (angle wanted - angle) - damping * speed``, a torque.

    Policies over angles learn faster, and gaits that are steadier, than policies over torques (Peng and van de Panne
    2017, arXiv:1611.01055).

    Attributes:
        stiffness_nm: N m a rad.
        damping_nms: N m a rad/s.
    """

    stiffness_nm: float
    damping_nms: float = 0.0

    def __post_init__(self) -> None:
        _check_number("stiffness_nm of a servo", self.stiffness_nm, 1e-9)
        _check_number("damping_nms of a servo", self.damping_nms, 0.0)


@dataclass(frozen=True, kw_only=True)
class BodySpec:
    """A body: any MJCF of which this names the parts. Lists and mappings are taken too, since JSON has no others.

    Attributes:
        mjcf: Path of the model, or ``"gymnasium:ant.xml"`` for a file of the installed gymnasium. Planes of its world
            are removed; the terrain takes their place.
        feet: Geoms that must be past an obstacle for it to be cleared, and that feel the ground.
        name: What it is called.
        root: The body that is followed: torso or pelvis.
        scan_origin: The body from which the terrain is scanned; None for the root.
        head: A geom, where the two limits on heads are to hold.
        planar: Whether it moves in the plane y = 0.
        timestep_s: Of the physics.
        substeps: Of the physics in a step of the environment.
        min_height_m: A root lower above the terrain than this has fallen.
        max_tilt_rad: A root tilted more than this from its upright pose has fallen.
        min_head_height_m: A head lower above the terrain than this has fallen.
        min_head_to_feet_m: A head lower above the lower foot than this has fallen.
        start_noise: Half the range of the uniform noise on positions and velocities at the start.
        torque_bodies: Bodies, of which the torque on the joint that carries them is sensed.
        servo: None: an action is what the file's motors are told. Else an action is the angle that the motor's joint is
            pulled to, from one end of its range to the other, with no more torque than the motor has.
        scan: Where it looks; None for the usual points of planar and other bodies.
        limits: What it can pass.
        reward: What it is paid.
    """

    mjcf: str
    feet: tuple[str, ...]
    name: str = "custom"
    root: str = "torso"
    scan_origin: str | None = None
    head: str | None = None
    planar: bool = False
    timestep_s: float = 0.005
    substeps: int = 4
    min_height_m: float = 0.0
    max_tilt_rad: float = math.pi
    min_head_height_m: float = 0.0
    min_head_to_feet_m: float = 0.0
    start_noise: float = 0.01
    torque_bodies: tuple[str, ...] = ()
    servo: Servo | None = None
    scan: ScanSpec | None = None
    limits: CourseLimits = field(default_factory=CourseLimits)
    reward: RewardWeights = field(default_factory=RewardWeights)

    def __post_init__(self) -> None:
        for name in ("mjcf", "name", "root"):
            if not isinstance(getattr(self, name), str):
                raise UsageError(f"{name} of a body is text, got {getattr(self, name)!r}")
        for name in ("feet", "torque_bodies"):
            value = getattr(self, name)
            if not isinstance(value, tuple | list) or not all(isinstance(part, str) for part in value):
                raise UsageError(f"{name} of a body is a list of names, got {value!r}")
            object.__setattr__(self, name, tuple(value))
        if not self.feet:
            raise UsageError("a body needs at least one foot: name the geoms that touch the ground in feet")
        for name in (*FALLS, "start_noise"):
            _check_number(f"{name} of a body", getattr(self, name), 0.0)
        _check_number("timestep_s of a body", self.timestep_s, 1e-5)
        if isinstance(self.substeps, bool) or not isinstance(self.substeps, int) or self.substeps < 1:
            raise UsageError(f"substeps of a body is a whole number >= 1, got {self.substeps!r}")
        if self.limits.planar != self.planar:
            object.__setattr__(self, "limits", dataclasses.replace(self.limits, planar=self.planar))

    @property
    def step_s(self) -> float:
        """Length of a step of the environment."""
        return self.timestep_s * self.substeps

    @property
    def points(self) -> ScanSpec:
        """Where it looks."""
        return self.scan or (PLANAR_SCAN if self.planar else SPATIAL_SCAN)

    def path(self) -> Path:
        """The model's file.

        Raises:
            UsageError: If there is none.
        """
        if not self.mjcf.startswith(GYMNASIUM):
            path = Path(self.mjcf).expanduser()
            if not path.is_file():
                raise UsageError(f"there is no file {self.mjcf!r}: mjcf of a body is the path of a MuJoCo model (XML)")
            return path
        found = find_spec("gymnasium")
        assert found is not None and found.origin is not None  # it is imported by now
        folder = Path(found.origin).parent / "envs" / "mujoco" / "assets"
        path = folder / self.mjcf.removeprefix(GYMNASIUM)
        if not path.is_file():
            there = [other.name for other in folder.glob("*.xml")]
            raise UsageError(f"the installed gymnasium has no model {path.name!r}: {nearest(path.name, there)}")
        return path


# Height and tilt of gymnasium's Walker2d-v5 are 0.8 to 2 m and 1 rad; lower here, since a crouch before a jump and a
# hurdle of 0.45 m under the torso are no falls.
WALKER = BodySpec(
    name="walker",
    mjcf=GYMNASIUM + "walker2d_v5.xml",
    feet=("foot_geom", "foot_left_geom"),
    planar=True,
    timestep_s=0.004,
    substeps=4,
    min_height_m=0.6,
    max_tilt_rad=1.0,
    start_noise=0.005,
    limits=WALKER_LIMITS,
    reward=RewardWeights(forward=1.0, speed_limit_ms=3.0, alive=0.5, action=0.05),
)

# The paper's quadruped has no termination but time; one that lies on its back does not get up, so that ends here.
QUADRUPED = BodySpec(
    name="quadruped",
    mjcf=GYMNASIUM + "ant.xml",
    feet=("left_ankle_geom", "right_ankle_geom", "third_ankle_geom", "fourth_ankle_geom"),
    timestep_s=0.01,
    substeps=5,
    min_height_m=0.15,
    max_tilt_rad=1.4,
    start_noise=0.1,
    limits=ANT_LIMITS,
    reward=RewardWeights(forward=1.0, speed_limit_ms=4.0, alive=0.5, action=0.05, centre=0.05),
)

# Both of the paper's falls hold: head to feet below 0.9 m, and head to ground below 1.1 m.
HUMANOID = BodySpec(
    name="humanoid",
    mjcf=GYMNASIUM + "humanoid.xml",
    feet=("right_foot", "left_foot"),
    head="head",
    timestep_s=0.003,
    substeps=5,
    min_head_height_m=1.1,
    min_head_to_feet_m=0.9,
    start_noise=0.01,
    torque_bodies=("right_thigh", "right_shin", "left_thigh", "left_shin"),
    limits=HUMANOID_LIMITS,
    reward=RewardWeights(forward=1.0, speed_limit_ms=4.0, alive=1.0, action=0.02, centre=0.05, drift=0.005),
)

BODIES: dict[str, BodySpec] = {spec.name: spec for spec in (WALKER, QUADRUPED, HUMANOID)}

Body = str | Mapping[str, Any] | BodySpec


def parse_body(body: Body) -> BodySpec:
    """A body from its name, or from a mapping of the fields of :class:`BodySpec`.

    Raises:
        UsageError: If there is no such body or field (the nearest is named), or a value is not possible.

    Example:
        >>> parse_body("walker").feet
        ('foot_geom', 'foot_left_geom')
    """
    if isinstance(body, BodySpec):
        return body
    if isinstance(body, str):
        if body not in BODIES:
            raise UsageError(
                f"there is no body {body!r}: {nearest(body, BODIES)}; for a model of your own give a mapping with "
                "mjcf, feet and what else BodySpec has"
            )
        return BODIES[body]
    if not isinstance(body, Mapping):
        raise UsageError(f"a body is a name, a BodySpec or a mapping of its fields, got {body!r}")
    given = dict(body)
    kinds = {"limits": CourseLimits, "reward": RewardWeights, "scan": ScanSpec, "servo": Servo}
    for name, kind in kinds.items():
        if isinstance(given.get(name), Mapping):
            given[name] = from_fields(kind, given[name], f"{name} of a body")
    spec: BodySpec = from_fields(BodySpec, given, "a body")
    return spec


def from_fields(kind: type[Any], values: Mapping[str, Any], what: str, base: Any = None) -> Any:
    """A dataclass from a mapping.

    Args:
        kind: The dataclass.
        values: Some or all of its fields.
        what: For errors.
        base: An instance that has the others.

    Raises:
        UsageError: If a field is unknown (the nearest is named) or missing.
    """
    known = {item.name: item for item in dataclasses.fields(kind)}
    for name in values:
        if name not in known:
            raise UsageError(f"{what} has no {name!r}: {nearest(str(name), known)}")
    if base is not None:
        return dataclasses.replace(base, **values)
    missing = [
        name
        for name, item in known.items()
        if name not in values and item.default is dataclasses.MISSING and item.default_factory is dataclasses.MISSING
    ]
    if missing:
        raise UsageError(f"{what} needs {', '.join(missing)}")
    return kind(**values)
