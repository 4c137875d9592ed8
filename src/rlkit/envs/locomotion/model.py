"""A body on its track as a MuJoCo model, and where its parts are in MuJoCo's arrays."""

from __future__ import annotations

from typing import Any, NamedTuple

import mujoco
import numpy as np
from numpy.typing import NDArray

from rlkit.envs.locomotion.bodies import BodySpec
from rlkit.envs.locomotion.courses import MAX_BOXES
from rlkit.envs.locomotion.geometry import Geoms
from rlkit.envs.locomotion.looks import dress
from rlkit.envs.locomotion.rough import Bank, add_height_fields
from rlkit.envs.locomotion.servos import put_servos
from rlkit.errors import UsageError, nearest

PREFIX = "rlkit_"  # of every name that is added to a model
TOUCH_MARGIN_M = 0.02  # a foot's touch sensor reaches beyond the foot: contacts lie on its surface
ARENA_BYTES = 1 << 21  # for contacts, of each simulation; the bodies use less than a tenth
_KINDS = ("free", "ball", "slide", "hinge")  # MuJoCo's kinds of joints, by number
_SIMPLE = ("SPHERE", "CAPSULE", "ELLIPSOID", "CYLINDER", "BOX")  # shapes that a site can have too


class Anatomy(NamedTuple):
    """Where a body's parts are, for kernels. Addresses of sensors are -1 where there is none."""

    joints: NDArray[np.int64]  # addresses in qpos, without the root's
    dofs: NDArray[np.int64]  # addresses in qvel, without the root's
    root_body: int
    root_qpos: NDArray[np.int64]  # addresses in qpos: of x, z and pitch of a planar root, else all seven
    root_qvel: NDArray[np.int64]  # addresses in qvel: likewise, else all six
    root_zero: NDArray[np.float64]  # those of qpos in the model's own pose
    root_signs: NDArray[np.float64]  # of a planar root's joints: whether they count up along x, along z, about y
    root_at: NDArray[np.float64]  # (3,) where the root is in the model's own pose
    planar: bool
    feet: NDArray[np.int64]  # sites
    head: int  # site, -1 where it does not count
    scan: int  # site from which the terrain is scanned, -1 for the root
    reach_m: NDArray[np.float64]  # (feet,) radius of the ball about a foot that holds it
    touch: NDArray[np.int64]  # (feet,) addresses in sensordata
    torque: NDArray[np.int64]  # (t,) addresses of three numbers each
    accelerometer: int
    weight_n: float

    @property
    def stand_m(self) -> float:
        """Height of the root above the ground in the model's own pose."""
        return float(self.root_at[2])


class Model(NamedTuple):
    """What is simulated."""

    mujoco: Any  # the MjModel
    anatomy: Anatomy
    geoms: Geoms
    control_middle: NDArray[np.float64]  # (actuators,) the control of action 0
    control_half: NDArray[np.float64]  # (actuators,) from there to that of action 1
    joint_names: tuple[str, ...]
    actuator_names: tuple[str, ...]


def build_model(body: BodySpec, bank: Bank | None) -> Model:
    """Put a body on a track.

    Args:
        body: Which.
        bank: Height fields, if the terrain may be rough.

    Raises:
        UsageError: If the file cannot be read, or lacks what the body names.
    """
    path = body.path()
    try:
        spec = mujoco.MjSpec.from_file(str(path))
        bare = spec.compile()
    except (ValueError, RuntimeError) as error:
        raise UsageError(f"MuJoCo cannot read the model of body {body.name!r}, {path}: {error}") from error
    _check_names(body, bare)
    _set_options(spec, body)
    if body.servo:
        put_servos(spec, body, body.servo, bare)
    _lay_track(spec, bank)
    dress(spec)
    _add_sensors(spec, body, bare)
    model = spec.compile()
    return Model(model, _anatomy(body, model, bare), _geoms(model), *_controls(body, model), *_names(body, model))


def _named(model: Any, kind: str) -> list[str]:
    """Names of all geoms, bodies, ... of a model that have one."""
    count = {"geom": model.ngeom, "body": model.nbody}[kind]
    return [name for name in (getattr(model, kind)(i).name for i in range(count)) if name]


def _check_names(body: BodySpec, model: Any) -> None:
    """Refuse a model without the parts that the body names."""
    bodies, geoms = _named(model, "body"), _named(model, "geom")
    wanted = [("root", body.root, bodies)]
    wanted += [("scan_origin", body.scan_origin, bodies)] if body.scan_origin else []
    wanted += [("torque_bodies", name, bodies) for name in body.torque_bodies]
    wanted += [("feet", name, geoms) for name in body.feet]
    wanted += [("head", body.head, geoms)] if body.head else []
    for what, name, there in wanted:
        if name not in there:
            kind = "body" if there is bodies else "geom"
            raise UsageError(
                f"{what} of body {body.name!r} names the {kind} {name!r}, which {body.mjcf} does not have: "
                f"{nearest(str(name), there)}"
            )
    if model.nu == 0:
        raise UsageError(f"{body.mjcf} has no actuators: there is nothing that body {body.name!r} could do")
    _check_root(body, model)


def _check_root(body: BodySpec, model: Any) -> None:
    """Refuse a root that does not move as the body says."""
    root = model.body(body.root)
    joints = range(root.jntadr[0], root.jntadr[0] + root.jntnum[0])
    kinds = [_KINDS[int(model.jnt_type[j])] for j in joints]
    need = (
        "slides along x and z, then a hinge about y (planar=True)" if body.planar else "one free joint (planar=False)"
    )
    if sorted(kinds) != (["hinge", "slide", "slide"] if body.planar else ["free"]):
        raise UsageError(
            f"the root {body.root!r} of {body.mjcf} must have {need} as joints, it has: {', '.join(kinds) or 'none'}"
        )
    if not body.planar:
        return
    axes = [int(np.argmax(np.abs(model.jnt_axis[j]))) for j in joints]
    straight = all(np.abs(model.jnt_axis[j]).max() > 1.0 - 1e-6 for j in joints)
    centred = not model.jnt_pos[joints[-1]].any() and bool((root.quat == (1.0, 0.0, 0.0, 0.0)).all())
    if kinds[-1] != "hinge" or sorted(axes[:2]) != [0, 2] or axes[2] != 1 or not straight or not centred:
        raise UsageError(
            f"the root {body.root!r} of {body.mjcf} must have {need}, at the root's origin and in the world's axes"
        )


def _set_options(spec: Any, body: BodySpec) -> None:
    """Fast and exact enough: one evaluation of the forces a step instead of the four of RK4."""
    spec.option.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    spec.option.solver = mujoco.mjtSolver.mjSOL_NEWTON
    spec.option.jacobian = mujoco.mjtJacobian.mjJAC_DENSE  # MuJoCo 4.0.0's sparse Newton Hessian is wrong
    spec.option.timestep = body.timestep_s
    spec.memory = ARENA_BYTES


def _lay_track(spec: Any, bank: Bank | None) -> None:
    """Put ground, boxes and height field in the place of the world's planes."""
    planes = [geom for geom in spec.worldbody.geoms if geom.type == mujoco.mjtGeom.mjGEOM_PLANE]
    surface: dict[str, Any] = {"contype": 0, "conaffinity": 1, "condim": 3}  # bodies touch it, boxes not each other
    if planes:
        floor = planes[0]
        surface |= {"friction": list(floor.friction), "margin": floor.margin, "condim": floor.condim}
    for plane in planes:
        spec.delete(plane)
    spec.worldbody.add_geom(name=f"{PREFIX}ground", type=mujoco.mjtGeom.mjGEOM_PLANE, size=[0.0, 0.0, 1.0], **surface)
    for number in range(MAX_BOXES):
        spec.worldbody.add_geom(
            name=f"{PREFIX}box_{number}",
            type=mujoco.mjtGeom.mjGEOM_BOX,
            size=[0.1, 0.1, 0.1],
            pos=[0.0, 0.0, -50.0],
            **surface,
        )
    if bank is not None:
        add_height_fields(spec, bank, name=f"{PREFIX}field", **surface)


def _add_sensors(spec: Any, body: BodySpec, bare: Any) -> None:
    """Sites on the root, where it looks from, on feet and head; sensors on them."""
    root = spec.body(body.root)
    root.add_site(name=f"{PREFIX}root", quat=_upright(body, bare), group=4)
    if body.scan_origin:
        spec.body(body.scan_origin).add_site(name=f"{PREFIX}scan", group=4)
    for number, name in enumerate(body.feet):
        _add_cover(spec, bare.geom(name), f"{PREFIX}foot_{number}")
    if body.head:
        _add_cover(spec, bare.geom(body.head), f"{PREFIX}head")
    for number, name in enumerate(body.torque_bodies):
        spec.body(name).add_site(name=f"{PREFIX}torque_{number}", group=4)
    if not body.planar:
        _add_sensor(spec, "ACCELEROMETER", "root")
    for number in range(len(body.feet)):
        _add_sensor(spec, "TOUCH", f"foot_{number}")
    for number in range(len(body.torque_bodies)):
        _add_sensor(spec, "TORQUE", f"torque_{number}")


def _upright(body: BodySpec, bare: Any) -> list[float]:
    """The turn that brings the root's axes to the world's in the model's own pose: tilt is measured from there."""
    data = mujoco.MjData(bare)
    mujoco.mj_kinematics(bare, data)
    turn = np.zeros(4)
    mujoco.mju_negQuat(turn, data.body(body.root).xquat)
    return [float(part) for part in turn]


def _add_sensor(spec: Any, kind: str, site: str) -> None:
    spec.add_sensor(
        name=f"{PREFIX}{kind.lower()}_{site}",
        type=getattr(mujoco.mjtSensor, f"mjSENS_{kind}"),
        objtype=mujoco.mjtObj.mjOBJ_SITE,
        objname=f"{PREFIX}{site}",
    )


def _add_cover(spec: Any, geom: Any, name: str) -> None:
    """A site that encloses a geom a little more widely: contacts on its surface are inside."""
    owner = next(g for g in spec.geoms if g.name == geom.name).parent
    kind = next((s for s in _SIMPLE if int(getattr(mujoco.mjtGeom, f"mjGEOM_{s}")) == int(geom.type[0])), None)
    size = geom.size + TOUCH_MARGIN_M if kind else np.full(3, geom.rbound[0] + TOUCH_MARGIN_M)
    shape = getattr(mujoco.mjtGeom, f"mjGEOM_{kind or 'SPHERE'}")
    owner.add_site(name=name, type=shape, size=list(size), pos=list(geom.pos), quat=list(geom.quat), group=4)


def _anatomy(body: BodySpec, model: Any, bare: Any) -> Anatomy:
    root = model.body(body.root)
    roots = set(range(root.jntadr[0], root.jntadr[0] + root.jntnum[0]))
    others = [j for j in range(model.njnt) if j not in roots]
    along = _planar_joints(model, roots) if body.planar else sorted(roots)
    root_qpos = _addresses(model, along, model.jnt_qposadr, (7, 4, 1, 1))

    def named(kind: Any, name: str) -> int:
        return int(mujoco.mj_name2id(model, kind, PREFIX + name))

    def sensor(name: str) -> int:
        number = named(mujoco.mjtObj.mjOBJ_SENSOR, name)
        return int(model.sensor_adr[number]) if number >= 0 else -1

    feet = range(len(body.feet))
    return Anatomy(
        joints=_addresses(model, others, model.jnt_qposadr, (7, 4, 1, 1)),
        dofs=_addresses(model, others, model.jnt_dofadr, (6, 3, 1, 1)),
        root_body=int(root.id),
        root_qpos=root_qpos,
        root_qvel=_addresses(model, along, model.jnt_dofadr, (6, 3, 1, 1)),
        root_zero=model.qpos0[root_qpos],
        root_signs=np.array([model.jnt_axis[j].sum() for j in along]),
        root_at=_root_at(model, root.id),
        planar=body.planar,
        feet=np.array([named(mujoco.mjtObj.mjOBJ_SITE, f"foot_{number}") for number in feet], dtype=np.int64),
        head=named(mujoco.mjtObj.mjOBJ_SITE, "head"),
        scan=named(mujoco.mjtObj.mjOBJ_SITE, "scan"),
        reach_m=np.array([bare.geom(name).rbound[0] for name in body.feet]),
        touch=np.array([sensor(f"touch_foot_{number}") for number in feet], dtype=np.int64),
        torque=np.array([sensor(f"torque_torque_{k}") for k in range(len(body.torque_bodies))], dtype=np.int64),
        accelerometer=sensor("accelerometer_root"),
        weight_n=float(model.body_subtreemass[root.id] * np.linalg.norm(model.opt.gravity)),
    )


def _addresses(model: Any, joints: Any, start: Any, widths: tuple[int, ...]) -> NDArray[np.int64]:
    """Addresses of all numbers of these joints; ``widths`` are of free, ball, slide and hinge joints."""
    spans = [range(start[j], start[j] + widths[int(model.jnt_type[j])]) for j in joints]
    return np.array([address for span in spans for address in span], dtype=np.int64)


def _planar_joints(model: Any, roots: set[int]) -> list[int]:
    """The joints of a planar root along x, along z and about y."""
    slide = int(mujoco.mjtJoint.mjJNT_SLIDE)
    return [
        next(j for j in roots if abs(model.jnt_axis[j, axis]) > 0.5 and (model.jnt_type[j] == slide) == slides)
        for axis, slides in ((0, True), (2, True), (1, False))
    ]


def _root_at(model: Any, root: int) -> NDArray[np.float64]:
    data = mujoco.MjData(model)
    mujoco.mj_kinematics(model, data)
    return np.array(data.xpos[root])


def _geoms(model: Any) -> Geoms:
    field = mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_GEOM, f"{PREFIX}field")
    boxes = [model.geom(f"{PREFIX}box_{number}").id for number in range(MAX_BOXES)]
    first = model.hfield("field_0").id if field >= 0 else -1
    return Geoms(np.array(boxes, dtype=np.int32), model.geom(f"{PREFIX}ground").id, field, first)


def _controls(body: BodySpec, model: Any) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Middle and half of each actuator's range."""
    if not model.actuator_ctrllimited.all():
        free = next(
            model.actuator(i).name or f"number {i}" for i in range(model.nu) if not model.actuator_ctrllimited[i]
        )
        raise UsageError(f"actuator {free} of {body.mjcf} has no ctrlrange: give every actuator one")
    low, high = model.actuator_ctrlrange.T
    return 0.5 * (low + high), 0.5 * (high - low)


def _names(body: BodySpec, model: Any) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names of the joints without the root's, and of the actuators or what they drive."""
    root = model.body(body.root)
    roots = range(root.jntadr[0], root.jntadr[0] + root.jntnum[0])
    joints = tuple(model.joint(j).name or f"joint_{j}" for j in range(model.njnt) if j not in roots)
    driven = tuple(
        model.actuator(i).name or model.joint(model.actuator_trnid[i, 0]).name or f"actuator_{i}"
        for i in range(model.nu)
    )
    return joints, driven
