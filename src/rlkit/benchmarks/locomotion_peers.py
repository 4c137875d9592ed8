"""Contestants of the locomotion benchmark: ours, MuJoCo's bare batch, Gymnasium's processes, EnvPool."""

from __future__ import annotations

import copy
import json
import math
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import gymnasium
import numpy as np
from gymnasium.vector import AsyncVectorEnv, SyncVectorEnv
from mujoco.batch import Batch

from rlkit.envs.locomotion.vector import ObstacleCourseVectorEnv
from rlkit.errors import UsageError

ENVPOOL_VARIABLE = "RLKIT_ENVPOOL_PYTHON"
PEERS = {"walker": "Walker2d-v5", "quadruped": "Ant-v5", "humanoid": "Humanoid-v5"}
BATCH, PROCESSES = 128, 8
RESETS = 10  # of all bodies, in a measurement of what a new course costs
WARM_UP = 64  # steps after which bodies are in all phases of their falls


class Speed(NamedTuple):
    """Steps of single environments."""

    per_second: float
    per_cpu_second: float


class Restored(NamedTuple):
    """What a step of ours put back: rows ``(n,)`` bool, and their states afterwards ``(rows.sum(), numbers)``."""

    rows: np.ndarray
    states: np.ndarray


class Ours:
    """A batch on hurdles that goes the same way in every round.

    Args:
        body: Which.
        threads: That step it.
        steps: Of the batch in a round.
        num_envs: Bodies.
    """

    def __init__(self, body: str, threads: int, steps: int, num_envs: int = BATCH) -> None:
        self.threads, self.steps = threads, steps
        self.envs = make_courses(body, "hurdles", threads, num_envs)
        self.envs.reset(seed=0)
        shape = (WARM_UP + steps, *self.envs.action_space.shape)  # type: ignore[misc]
        actions = np.random.default_rng(0).uniform(-1.0, 1.0, shape).astype(np.float32)
        for action in actions[:WARM_UP]:
            self.envs.step(action)
        self.actions = actions[WARM_UP:]
        self.start = self.envs.get_state()
        self.restored = [self._restored(action) for action in self.actions]

    def _restored(self, action: np.ndarray) -> Restored:
        _, _, terminated, truncated, _ = self.envs.step(action)
        rows = terminated | truncated
        return Restored(rows, self.state()[rows])

    def state(self) -> np.ndarray:
        """Rows of the simulations, as :attr:`mujoco.batch.Batch.state` has them."""
        state: np.ndarray = self.envs._simulation.get_state()["integration"]
        return state

    def speed(self) -> Speed:
        """Of a round."""
        self.envs.set_state(self.start)

        def run() -> None:
            for action in self.actions:
                self.envs.step(action)

        return timed(run, self.steps * self.envs.num_envs)


class Bare:
    """``Batch.step`` and nothing else, on the same physics as ours.

    The same model with as many boxes, each simulation with a course, the same controls; where ours was reset, the same
    state is written: simulations go the same way, bit for bit. New courses are not built, so that the few bodies that
    get as far as an obstacle go another way from there.

    Args:
        ours: What is repeated.
        peer: Takes Gymnasium's integrator, time step and frame skip of this task instead; bodies are put back in the
            same steps, though they fall in others.
        share: Of the steps of a round that are made.
        resets: Whether ``Batch.reset`` of these bodies comes before, as who has nothing but the batch needs it.
    """

    def __init__(self, ours: Ours, peer: str | None = None, *, share: float = 1.0, resets: bool = False) -> None:
        self.ours, self.resets, envs = ours, resets, ours.envs
        model, self.substeps = copy.copy(envs._model.mujoco), envs.setup.body.substeps
        if peer is not None:
            theirs: Any = gymnasium.make(peer).unwrapped
            model.opt.integrator, model.opt.timestep = theirs.model.opt.integrator, theirs.model.opt.timestep
            self.substeps = theirs.frame_skip
        self.described = f"{self.substeps} x {1e3 * model.opt.timestep:g} ms"
        self.batch = Batch(model, envs.num_envs, ours.threads)
        envs.set_state(ours.start)
        self.batch.expand("geom_pos")[:] = envs._simulation.geom_pos
        self.batch.expand("geom_size")[:] = envs._simulation.geom_size
        self.batch.set_const()
        self.control = self.batch.bind("ctrl")
        middle, half = envs._model.control_middle, envs._model.control_half
        steps = math.ceil(share * len(ours.actions))
        self.controls: np.ndarray = middle + half * ours.actions[:steps].astype(np.float64)

    def speed(self) -> Speed:
        """Of a round."""
        self.batch.state[:] = self.ours.start["task"]["simulation"]["integration"]

        def run() -> None:
            for control, restored in zip(self.controls, self.ours.restored, strict=False):
                self.control[:] = control
                self.batch.step(None, self.substeps)
                if self.resets and restored.rows.any():
                    self.batch.reset(restored.rows)
                self.batch.state[restored.rows] = restored.states

        return timed(run, len(self.controls) * self.batch.nsim)


class _Clocked(gymnasium.Wrapper[Any, Any, Any, Any]):
    """Tells how much CPU time its process has used."""

    def cpu_seconds(self) -> float:
        """Of all threads."""
        return time.process_time()


class Processes:
    """Gymnasium's single environments side by side.

    Args:
        task: Gymnasium's id.
        asynchronous: Each in a process of its own.
        steps: Of all together in a round.
    """

    def __init__(self, task: str, asynchronous: bool, steps: int = 2_000) -> None:
        self.task, self.asynchronous, self.rounds = task, asynchronous, max(1, steps // PROCESSES)

    def speed(self) -> Speed:
        """Of a round; to start the processes does not count."""
        makers: list[Callable[[], gymnasium.Env[Any, Any]]] = [lambda: _Clocked(gymnasium.make(self.task))] * PROCESSES
        envs: Any = (AsyncVectorEnv if self.asynchronous else SyncVectorEnv)(makers)
        try:
            envs.reset(seed=0)
            envs.action_space.seed(0)
            actions = [envs.action_space.sample() for _ in range(32)]

            def run() -> None:
                for number in range(self.rounds):
                    envs.step(actions[number % 32])

            def children() -> float:
                return float(sum(envs.call("cpu_seconds"))) if self.asynchronous else 0.0

            return timed(run, self.rounds * PROCESSES, children)
        finally:
            envs.close()


def timed(run: Callable[[], None], steps: int, children: Callable[[], float] = lambda: 0.0) -> Speed:
    """Speed of something that makes so many steps.

    Args:
        run: Makes them.
        steps: How many.
        children: CPU seconds that other processes have used so far.
    """
    wall, cpu = time.perf_counter(), time.process_time() + children()
    run()
    wall = time.perf_counter() - wall
    return Speed(steps / wall, steps / (time.process_time() + children() - cpu))


def envpool_speed(python: str, task: str, threads: int, num_envs: int = BATCH, steps: int = 10_000) -> Speed:
    """EnvPool's speed in a process of its own.

    Args:
        python: An interpreter that has EnvPool.
        task: Gymnasium's id.
        threads: That step it.
        num_envs: Bodies.
        steps: Of all together.

    Raises:
        UsageError: If that interpreter cannot be started, or has no EnvPool with this task.
    """
    script = Path(__file__).with_name("envpool_process.py")
    command = [str(Path(python).expanduser()), str(script), task, str(threads), str(num_envs), str(steps)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        said = getattr(error, "stderr", None) or str(error)
        last = said.strip().splitlines()[-1]
        raise UsageError(f"{ENVPOOL_VARIABLE}={python} does not run EnvPool: {last}") from error
    return Speed(*json.loads(done.stdout.splitlines()[-1]))


def make_courses(body: str, terrain: str, threads: int, num_envs: int = BATCH) -> ObstacleCourseVectorEnv:
    """Obstacle courses as they are fastest."""
    return ObstacleCourseVectorEnv(
        num_envs, autoreset_mode="same_step", copy=False, body=body, terrain=terrain, threads=threads
    )


def new_course_costs(body: str, terrain: str, threads: int, repeats: int, num_envs: int = BATCH) -> tuple[float, float]:
    """Microseconds and CPU microseconds that an environment takes to begin an episode on a new course.

    Draw the course, build it, derive MuJoCo's constants, put the body at its start, observe: a reset of all, the median
    of several.
    """
    envs = make_courses(body, terrain, threads, num_envs)
    envs.reset(seed=0)

    def run() -> None:
        for _ in range(RESETS):
            envs.reset()

    costs = [timed(run, RESETS * num_envs) for _ in range(repeats)]
    wall, cpu = (1e6 / median(column) for column in zip(*costs, strict=True))
    return wall, cpu
