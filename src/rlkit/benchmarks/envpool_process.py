"""EnvPool's speed, printed as JSON; for a Python that has EnvPool and need not have this package.

Arguments: Gymnasium's id of the task, threads, environments, steps of all together.
"""

from __future__ import annotations

import json
import sys
import time


def main(task: str, threads: int, num_envs: int, steps: int) -> None:
    """Step a batch with random actions that were drawn beforehand."""
    import envpool
    import numpy as np

    if task not in envpool.list_all_envs():
        raise SystemExit(f"EnvPool {envpool.__version__} has no {task}")
    envs = envpool.make(task, env_type="gymnasium", num_envs=num_envs, num_threads=threads, seed=0)
    envs.reset()
    low, high = envs.action_space.low, envs.action_space.high
    actions = np.random.default_rng(0).uniform(low, high, (32, num_envs, *low.shape))
    for action in actions:
        envs.step(action)
    rounds = max(1, steps // num_envs)
    wall, cpu = time.perf_counter(), time.process_time()
    for number in range(rounds):
        envs.step(actions[number % 32])
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    print(json.dumps([rounds * num_envs / wall, rounds * num_envs / cpu]))


if __name__ == "__main__":
    main(sys.argv[1], *(int(argument) for argument in sys.argv[2:]))
