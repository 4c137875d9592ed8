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
from mujoco.batch import Batch, SimulationError
from numpy.typing import NDArray

from rlkit.envs.locomotion.courses import Courses
from rlkit.envs.locomotion.geometry import geometry_rows
from rlkit.envs.locomotion.model import Model
from rlkit.errors import UsageError

_CURRENT = int(mujoco.mjtStage.mjSTAGE_VEL)  # positions and velocities of the new state; free in a persistent batch
_EVERYTHING = int(mujoco.mjtStage.mjSTAGE_ACC)
_NOTHING = int(mujoco.mjtStage.mjSTAGE_NONE)


class Readout(NamedTuple):
    """MuJoCo's arrays, live: a row for each simulation."""

    qpos: NDArray[np.float64]
    qvel: NDArray[np.float64]
    control: NDArray[np.float64]
    site_xpos: NDArray[np.float64]  # (n, sites, 3)
    site_xmat: NDArray[np.float64]  # (n, sites, 9)
    sensors: NDArray[np.float64]  # (n, numbers); accelerations and forces are those of the last physics step
    warnings: NDArray[np.int32]  # (n, kinds, 2): what MuJoCo complained of, and how often since the reset
    failed: NDArray[np.bool_]  # (n,) MuJoCo raised an error in the last step


class Simulation:
    """The simulations of a batch.

    Args:
        model: What is simulated.
        n: How many.
        threads: That step them; no more than there are simulations are used.
    """

    def __init__(self, model: Model, n: int, threads: int) -> None:
        self.model = model
        self.threads = min(threads, n)
        self._batch = Batch(model.mujoco, n, self.threads, persistent=True)
        self.geom_pos: NDArray[np.float64] = self._batch.expand("geom_pos")
        self.geom_size: NDArray[np.float64] = self._batch.expand("geom_size")
        self.geom_dataid: NDArray[np.int32] = self._batch.expand("geom_dataid")
        self.readout = Readout(
            self._batch.bind("qpos"),
            self._batch.bind("qvel"),
            self._batch.bind("ctrl"),
            self._batch.bind("site_xpos"),
            self._batch.bind("site_xmat"),
            self._batch.bind("sensordata"),
            self._batch.warning,
            np.zeros(n, dtype=np.bool_),
        )

    def place(self, rows: NDArray[np.bool_], courses: Courses) -> None:
        """Build the courses of these rows.

        ``set_const`` derives anew what MuJoCo keeps of static geometry (bounding volumes above all): without it, bodies
        fall through boxes that have grown.
        """
        geometry_rows(rows, courses, self.model.geoms, self.geom_pos, self.geom_size, self.geom_dataid)
        self._batch.set_const(_ids(rows))

    def reset(self, rows: NDArray[np.bool_]) -> None:
        """Put bodies in the model's own pose, at rest; positions may be written then, and :meth:`settle` called."""
        self._batch.reset(_ids(rows), stage=_NOTHING)

    def settle(self, rows: NDArray[np.bool_]) -> None:
        """Bring all that is read up to date after positions or velocities were written."""
        self._batch.forward(_ids(rows), stage=_EVERYTHING)

    def step(self, rows: NDArray[np.bool_], substeps: int) -> None:
        """Step these rows; those in which MuJoCo raises an error keep their state and are marked as failed."""
        self.readout.failed[:] = False
        try:
            with _unlogged():
                self._batch.step(_ids(rows), substeps, _CURRENT)
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
        self._batch.forward(stage=_CURRENT)  # positions alone: accelerations would change the solver's warm start
        self._batch.warning[:] = state["warnings"]

    def mujoco_model(self, row: int) -> Any:
        """The ``MjModel`` of one simulation, with its course."""
        return self._batch.get_model(row)

    def mujoco_data(self, row: int) -> Any:
        """The ``MjData`` of one simulation."""
        return self._batch.get_data(row)


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
