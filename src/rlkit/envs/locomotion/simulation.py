"""N bodies on their tracks, stepped together by MuJoCo's own batch engine.

The row of a simulation depends on its own state and controls alone: MuJoCo promises results that are bit-identical at
any number of threads.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import mujoco
import numpy as np
from mujoco.batch import MODEL_FIELDS, Batch, SimulationError
from numpy.typing import NDArray

from rlkit.envs.locomotion import conditions
from rlkit.envs.locomotion.bounds import bound_rows, new_bounds, new_tree
from rlkit.envs.locomotion.courses import Courses
from rlkit.envs.locomotion.geometry import geometry_rows
from rlkit.envs.locomotion.model import Model
from rlkit.errors import UsageError

MODEL_ARRAYS = [name for name in dir(mujoco.MjModel) if name in MODEL_FIELDS]  # of a model, without its options
_POSITIONS = int(mujoco.mjtStage.mjSTAGE_POS)

_VARIED_BY = {  # fields of the model, and the conditions that change them
    "geom_friction": (conditions.FRICTION,),
    "body_mass": (conditions.MASS,),
    "body_inertia": (conditions.MASS,),
    "actuator_gear": (conditions.GEAR,),
    "opt.gravity": (conditions.GRAVITY, conditions.INCLINE),
}


class Readout(NamedTuple):
    """MuJoCo's arrays, live: a row for each simulation.

    What is derived from the state (sites, sensors) is that of the last physics step's beginning, as with ``mj_step``;
    to bring it up to date would cost a sixth of the physics.
    """

    qpos: NDArray[np.float64]
    qvel: NDArray[np.float64]
    control: NDArray[np.float64]
    site_xpos: NDArray[np.float64]  # (n, sites, 3)
    sensors: NDArray[np.float64]  # (n, numbers)
    warnings: NDArray[np.int32]  # (n, kinds, 2): what MuJoCo complained of, and how often since the reset
    failed: NDArray[np.bool_]  # (n,) MuJoCo raised an error in the last step


class Simulation:
    """The simulations of a batch.

    Args:
        model: What is simulated.
        n: How many.
        threads: That step them; no more than there are simulations are used.
        changed: Conditions that are not the model's: numbers in ``conditions.NAMES``.
    """

    def __init__(self, model: Model, n: int, threads: int, changed: frozenset[int] = frozenset()) -> None:
        self.model = model
        self.threads = min(threads, n)
        self._batch = Batch(model.mujoco, n, self.threads)
        self.geom_pos: NDArray[np.float64] = self._batch.expand("geom_pos")
        self.geom_size: NDArray[np.float64] = self._batch.expand("geom_size")
        self.geom_dataid: NDArray[np.int32] = self._batch.expand("geom_dataid")
        self._tree, self._bounds = new_tree(model.mujoco), new_bounds(self._batch)
        self._start = self._batch.state[0].copy()
        self._varied = {
            name: self._batch.expand(name) for name, why in _VARIED_BY.items() if not changed.isdisjoint(why)
        }
        self.readout = Readout(
            self._batch.bind("qpos"),
            self._batch.bind("qvel"),
            self._batch.bind("ctrl"),
            self._batch.bind("site_xpos"),
            self._batch.bind("sensordata"),
            self._batch.warning,
            np.zeros(n, dtype=np.bool_),
        )
        self.derives_bounds = not self._varied and self._derives_as_mujoco()

    def _derives_as_mujoco(self) -> bool:
        """Whether :func:`bound_rows` does all that ``set_const`` would, tried on one row.

        It does not where a model has static geometry of its own that is turned, and may not with a MuJoCo to come.
        """
        row, geoms, rng = np.arange(len(self.geom_pos)) == 0, self.model.geoms, np.random.default_rng(0)
        written: list[NDArray[Any]] = [self.geom_pos, self.geom_size, self.geom_dataid]
        before = [array[0].copy() for array in written]
        self.geom_pos[0, geoms.boxes] = rng.uniform(-30.0, 30.0, (len(geoms.boxes), 3))
        self.geom_pos[0, geoms.plane, 2] = -1.0
        self.geom_size[0, geoms.boxes] = rng.uniform(0.05, 20.0, (len(geoms.boxes), 3))
        if geoms.field >= 0:
            self.geom_dataid[0, geoms.field] = rng.integers(geoms.first_field, self.model.mujoco.nhfield)
        bound_rows(row, geoms, self._tree, self.geom_pos, self.geom_size, self.geom_dataid, self._bounds)
        ours = self._batch.get_model(0)
        self._batch.set_const(row)
        theirs = self._batch.get_model(0)
        for array, old in zip(written, before, strict=True):
            array[0] = old
        self._batch.set_const(row)
        return all(np.array_equal(getattr(ours, name), getattr(theirs, name), equal_nan=True) for name in MODEL_ARRAYS)

    def vary(self, rows: NDArray[np.bool_], drawn: NDArray[np.float64]) -> None:
        """Give these rows their conditions; :meth:`place` must follow.

        Args:
            rows: Which.
            drawn: Shape ``(n, conditions)``.
        """
        if not self._varied:
            return
        source, root = self.model.mujoco, self.model.anatomy.root_body
        some = drawn[rows]
        for name, field in self._varied.items():
            if name == "opt.gravity":
                slope = np.radians(some[:, conditions.INCLINE])
                pull = np.linalg.norm(source.opt.gravity) * some[:, conditions.GRAVITY]
                field[rows] = np.stack([-pull * np.sin(slope), np.zeros(len(some)), -pull * np.cos(slope)], axis=1)
            elif name == "geom_friction":
                field[rows] = source.geom_friction * some[:, conditions.FRICTION, None, None]
            elif name == "actuator_gear":
                field[rows] = source.actuator_gear * some[:, conditions.GEAR, None, None]
            elif name == "body_mass":
                field[rows, root] = source.body_mass[root] * some[:, conditions.MASS]
            else:
                field[rows, root] = source.body_inertia[root] * some[:, conditions.MASS, None]

    def place(self, rows: NDArray[np.bool_], courses: Courses) -> None:
        """Build the courses of these rows.

        What MuJoCo keeps of static geometry (bounding volumes above all) is derived anew: without that, bodies fall
        through boxes that have grown.
        """
        geometry_rows(rows, courses, self.model.geoms, self.geom_pos, self.geom_size, self.geom_dataid)
        if self.derives_bounds:
            written = self.geom_pos, self.geom_size, self.geom_dataid
            bound_rows(rows, self.model.geoms, self._tree, *written, self._bounds)
        else:
            self._batch.set_const(_ids(rows))

    def reset(self, rows: NDArray[np.bool_]) -> None:
        """Put bodies in the model's own pose, at rest; positions may be written then, and :meth:`settle` called.

        A simulation is its row of the state: to write it is twelve times as fast as ``Batch.reset``, which clears a
        whole ``MjData``.
        """
        self._batch.state[rows] = self._start
        self._batch.warning[rows] = 0

    def settle(self, rows: NDArray[np.bool_]) -> None:
        """Derive sites and sensors after positions or velocities were written."""
        self._batch.forward(_ids(rows))

    def step(self, rows: NDArray[np.bool_], substeps: int) -> None:
        """Step these rows; those in which MuJoCo raises an error keep their state and are marked as failed."""
        self.readout.failed[:] = False
        try:
            with _unlogged():
                self._batch.step(_ids(rows), substeps)
        except SimulationError as error:
            self.readout.failed[error.ids] = True

    def get_state(self) -> dict[str, NDArray[Any]]:
        """What decides how the simulations go on; ``place`` must have built the same courses."""
        return {
            "integration": self._batch.state.copy(),
            "warnings": self._batch.warning.copy(),
        }

    def set_state(self, state: dict[str, NDArray[Any]]) -> None:
        """Take back what :meth:`get_state` gave."""
        if state["integration"].shape != self._batch.state.shape:
            raise ValueError(
                f"the state is of another body: this one's simulations have shape {self._batch.state.shape}, "
                f"got {state['integration'].shape}"
            )
        self._batch.state[:] = state["integration"]
        self._batch.forward(stage=_POSITIONS)  # no more: accelerations would change the solver's warm start
        self._batch.warning[:] = state["warnings"]

    def mujoco_model(self, row: int, into: Any = None) -> Any:
        """The ``MjModel`` of one simulation, with its course; written into a given one if there is one."""
        return self._batch.get_model(row, into)

    def mujoco_data(self, row: int, into: Any = None) -> Any:
        """The ``MjData`` of one simulation, as ``mj_forward`` leaves it; written into a given one if there is one."""
        data = self._batch.get_data(row, into)
        mujoco.mj_forward(self.mujoco_model(row), data)
        return data


def _ids(rows: NDArray[np.bool_]) -> NDArray[np.bool_] | None:
    """Rows as MuJoCo takes them: None for all is quicker."""
    return None if rows.all() else rows


@contextmanager
def _unlogged() -> Iterator[None]:
    """Warnings are counted and end episodes: keep them out of ``MUJOCO_LOG.TXT``, unless the user handles them."""
    handler = mujoco.get_mju_user_warning()
    if handler is not None:
        yield
        return
    mujoco.set_mju_user_warning(_ignore)
    try:
        yield
    finally:
        mujoco.set_mju_user_warning(None)


def _ignore(message: str) -> None:
    """Do nothing with a warning."""


def parse_threads(threads: Any) -> int:
    """How many threads step a batch; None for one each physical core.

    Raises:
        UsageError: If it is no number.
    """
    if threads is None:
        return physical_cores()
    if isinstance(threads, bool) or not isinstance(threads, int) or threads < 1:
        raise UsageError(f"threads is None (one each physical core) or a whole number >= 1, got {threads!r}")
    return threads


def physical_cores() -> int:
    """Cores that this process may use, siblings of one core counted once where the system tells them."""
    try:
        logical = sorted(os.sched_getaffinity(0))
    except AttributeError:  # not Linux
        return max(1, os.cpu_count() or 1)
    cores = set()
    for cpu in logical:
        try:
            siblings = Path(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list").read_text()
        except OSError:
            siblings = str(cpu)
        cores.add(siblings)
    return len(cores)
