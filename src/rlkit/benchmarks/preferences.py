"""Cost of fitting a reward model and of ranking queries, beside `imitation`'s in its own environment, on one thread.

The rival cannot be installed beside rlkit (it wants Gymnasium 0.29), so it runs as another process: give the Python of
a virtual environment that has it in RLKIT_IMITATION_PYTHON. Comparisons are made up; both fit the same ones. Turns
alternate; milliseconds are of CPU, the lower quartile; ratios are medians of those of neighbouring turns.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import numpy as np
import torch as th
from gymnasium import spaces

from rlkit.benchmarks.table import print_table
from rlkit.rewards.answers import Answer
from rlkit.rewards.fit import fit
from rlkit.rewards.header import Header
from rlkit.rewards.labels import LabelSet
from rlkit.rewards.model import RewardModel
from rlkit.rewards.pool import EpisodePool
from rlkit.rewards.queries import QuerySelector
from rlkit.rewards.segments import Segment
from rlkit.rewards.settings import ModelConfig, QueryConfig
from rlkit.rewards.store import STORE, ComparisonStore
from rlkit.studies.peer import PYTHON, environment

COMPARISONS, STEPS, EPOCHS = 200, 100, 10  # as in the tutorial of `imitation`: a pendulum's fragments
SEEN = spaces.Box(-np.inf, np.inf, (3,), np.float32)
DONE = spaces.Box(-2.0, 2.0, (1,), np.float32)
ASKED = 50  # pairs of a round; ten times as many are candidates
MEMBER: dict[str, Any] = {"members": 1, "net_arch": [32, 32], "activation": "relu"}  # the network of the tutorial
PLAIN: dict[str, Any] = {
    "epochs": EPOCHS,
    "stop_accuracy": 1.0,
    "filter": False,
    "adapt_l2": False,
    "bootstrap": False,
    "smoothing": 0.0,
}
TARGETS = {"ours, its network": "<= 0.25 ms, <= 1/15"}

SCRIPT = """
import json, sys, time
import numpy as np
import torch as th
from gymnasium import spaces
from imitation.algorithms import preference_comparisons as pc
from imitation.data.types import TrajectoryWithRew
from imitation.rewards.reward_nets import BasicRewardNet
from imitation.util.networks import RunningNorm

th.set_num_threads(1)
data = np.load(sys.argv[1])
seen, done, first = data["seen"], data["done"], data["first"]
rng = np.random.default_rng(0)
net = BasicRewardNet(
    spaces.Box(-np.inf, np.inf, seen.shape[3:], np.float32), spaces.Box(-2.0, 2.0, done.shape[3:], np.float32),
    normalize_input_layer=RunningNorm)
model = pc.PreferenceModel(net)
def fragment(o, a):
    return TrajectoryWithRew(obs=np.concatenate([o, o[-1:]]), acts=a, infos=None, terminal=False,
                             rews=np.zeros(len(a), np.float32))
dataset = pc.PreferenceDataset()
dataset.push([(fragment(o[0], a[0]), fragment(o[1], a[1])) for o, a in zip(seen, done)], first.astype(np.float32))
from imitation.util import logger
loss = pc.CrossEntropyRewardLoss()
quiet = logger.configure(format_strs=())
trainer = pc.BasicRewardTrainer(model, loss, rng=rng, epochs=int(sys.argv[2]), custom_logger=quiet)
for _ in sys.stdin:
    start = time.process_time()
    trainer.train(dataset)
    print(json.dumps(time.process_time() - start), flush=True)
"""


class Rival:
    """`imitation`'s fit of the same comparisons in a process of its own, a turn each time it is called.

    Args:
        python: Of its virtual environment.
        data: File with the comparisons.
    """

    def __init__(self, python: str, data: Path) -> None:
        arguments = [python, "-c", SCRIPT, str(data), str(EPOCHS)]
        self._process = subprocess.Popen(
            arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment()
        )

    def __call__(self) -> float:
        """Seconds of CPU."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write("go\n")
        self._process.stdin.flush()
        seconds: float = json.loads(self._process.stdout.readline())
        return seconds

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


def make_comparisons(rng: np.random.Generator) -> dict[str, Any]:
    """Made-up pairs of segments, the first better where its observations are higher."""
    seen = rng.normal(size=(COMPARISONS, 2, STEPS, *(SEEN.shape or ()))).astype(np.float32)
    done = rng.uniform(-2.0, 2.0, (COMPARISONS, 2, STEPS, *(DONE.shape or ()))).astype(np.float32)
    sums = seen.sum((2, 3))
    return {"seen": seen, "done": done, "first": sums[:, 0] > sums[:, 1]}


def make_store(folder: Path, data: dict[str, Any]) -> ComparisonStore:
    """The same in a store."""
    about: dict[str, Any] = {"env_id": "Pendulum-v1", "env_kwargs": {}, "observation_space": SEEN, "action_space": DONE}
    store = ComparisonStore.create(folder / STORE, Header(segment=STEPS, **about))
    with store.transaction():
        for number in range(COMPARISONS):
            seen, done = data["seen"][number], data["done"][number]
            sides = [store.add_segment(Segment(seen[k], done[k], np.zeros(STEPS, np.float32))) for k in range(2)]
            pair = store.add_pair(str(number), sides[0], sides[1], swapped=False)
            answer = Answer.FIRST if data["first"][number] else Answer.SECOND
            store.record(str(number), pair, answer, "made up")
    return store


def fitted(store: ComparisonStore, **settings: Any) -> Callable[[], float]:
    """A fit of all comparisons with a fresh model; returns seconds of CPU."""
    config = ModelConfig(**(PLAIN | settings))

    def once() -> float:
        model = RewardModel(SEEN, DONE, config, seed=0)
        labels = LabelSet(store, model, seed=0)
        labels.update(store.newest())
        start = time.process_time()
        fit(model, labels)
        return time.process_time() - start

    return once


def chosen(store: ComparisonStore) -> Callable[[], float]:
    """A round's choice of queries from ten times as many candidates; returns seconds of CPU."""
    model = RewardModel(SEEN, DONE, ModelConfig(**(PLAIN | {"epochs": 1})), seed=0)
    labels = LabelSet(store, model, seed=0)
    labels.update(store.newest())
    fit(model, labels)
    pool, rng = EpisodePool(SEEN, DONE, 8, steps=5_000), np.random.default_rng(0)
    for step in range(5_000):
        seen, done = rng.normal(size=(8, 3)), rng.uniform(-2.0, 2.0, (8, 1))
        pool.add(seen, done, np.zeros(8), np.full(8, step % 200 == 199), 8 * step)
    selector = QuerySelector(QueryConfig(), segment=STEPS, seed=0)

    def once() -> float:
        start = time.process_time()
        selector.select(ASKED, pool, model, labels)
        return time.process_time() - start

    return once


def main(repeats: int = 7) -> None:
    """Print milliseconds a comparison and epoch, and those of a round's choice."""
    before = th.get_num_threads()
    th.set_num_threads(1)
    python = os.environ.get(PYTHON)
    with tempfile.TemporaryDirectory() as folder:
        data = make_comparisons(np.random.default_rng(0))
        np.savez(Path(folder) / "comparisons.npz", **data)
        store = make_store(Path(folder), data)
        runs: dict[str, Callable[[], float]] = {}
        rival = None
        if python:
            rival = runs["imitation"] = Rival(python, Path(folder) / "comparisons.npz")
        runs |= {
            "ours, its network": fitted(store, **MEMBER),
            "ours, 3 members of 2x64": fitted(store, members=3),
            "ours, all of the modern mode": fitted(store, bootstrap=True, filter=True, smoothing=0.05),
        }
        rows = table(alternated(runs, repeats))
        choice = sorted(chosen(store)() for _ in range(repeats + 1))
        if rival is not None:
            rival.close()
        store.close()
    print_table("A comparison and epoch of a fit", ["one thread", "CPU ms", "ratio", "target"], rows)
    if not python:
        print(f"{PYTHON} is not set: no ratio to imitation\n")
    title = f"Choosing {ASKED} pairs from {10 * ASKED} candidates"
    print_table(title, ["one thread", "CPU ms", "target"], [["bald, k-center", f"{1e3 * median(choice):.0f}", "< 100"]])
    th.set_num_threads(before)


def alternated(runs: dict[str, Callable[[], float]], repeats: int) -> dict[str, list[float]]:
    """CPU seconds of every run, taken in turns; the first turn is a warm-up."""
    found: dict[str, list[float]] = {name: [] for name in runs}
    for repeat in range(repeats + 1):
        for name, run in runs.items():
            seconds = run()
            if repeat:
                found[name].append(seconds)
    return found


def table(found: dict[str, list[float]]) -> list[list[str]]:
    """A row for each run; ratios are to the first."""
    theirs = next(iter(found.values()))
    rows = []
    for name, taken in found.items():
        ratio = median(ours / other for ours, other in zip(taken, theirs, strict=True))
        spent = quantiles(taken, n=4)[0] if len(taken) > 1 else taken[0]
        rows.append([name, f"{1e3 * spent / COMPARISONS / EPOCHS:.3f}", f"{ratio:.3f}x", TARGETS.get(name, "")])
    return rows
