"""Trajectories that must stay as they are, one file for each version of MuJoCo.

MuJoCo promises the same numbers only within one version and one architecture, so that another version needs a file of
its own; ``python tests/envs/locomotion/golden.py`` writes it. An existing file is only to be written anew when a change
of the task is meant to change trajectories.
"""

from __future__ import annotations

from pathlib import Path

import mujoco
import numpy as np
from numpy.typing import NDArray

from rlkit.envs.locomotion.vector import ObstacleCourseVectorEnv

FILE = Path(__file__).parent / "data" / f"golden-mujoco-{mujoco.__version__}.npz"
EVERY = 5
STEPS = 40
CASES = {
    "walker_mixed": {"body": "walker", "terrain": "mixed"},
    "walker_rough": {"body": "walker", "terrain": "rough", "curriculum": "none"},
    "quadruped_slalom": {"body": "quadruped", "terrain": "slalom", "conditions": {"friction": [0.5, 1.5]}},
    "humanoid_stairs": {"body": "humanoid", "terrain": "stairs", "curriculum": "adaptive"},
}


def trajectory(case: str) -> NDArray[np.float64]:
    """Observations, rewards and ends of two environments, every few steps."""
    envs = ObstacleCourseVectorEnv(2, autoreset_mode="same_step", threads=1, **CASES[case])  # type: ignore[arg-type]
    observations, _ = envs.reset(seed=20)
    told = [np.concatenate([observations, np.zeros((2, 2))], axis=1)]
    phase = np.arange(envs.action_space.shape[1])  # type: ignore[index]
    for step in range(1, STEPS + 1):
        wave = 0.4 * np.sin(0.3 * step + phase)
        observations, rewards, terminations, _, _ = envs.step(np.stack([wave, -wave]).astype(np.float32))
        if step % EVERY == 0:
            told.append(np.concatenate([observations, rewards[:, None], terminations[:, None]], axis=1))
    return np.array(told)


def main() -> None:
    """Write the file of the installed version."""
    FILE.parent.mkdir(exist_ok=True)
    np.savez_compressed(FILE, **{case: trajectory(case).astype(np.float32) for case in CASES})
    print(f"wrote {FILE}, {FILE.stat().st_size} bytes")


if __name__ == "__main__":
    main()
