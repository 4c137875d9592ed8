"""Speed of obstacle courses beside Gymnasium's and EnvPool's bodies on flat ground and MuJoCo's bare batch, in one run.

A step of ours is all that a learner gets: observation with the height scan, reward, autoreset to a new course. Every
contestant is given uniformly random actions, drawn beforehand, so that bodies fall after ten to seventy steps and are
reset all the time. Contestants take turns; medians are printed, and the range of the ratios over the rounds. Per second
is what a user waits for; per CPU second, of all threads and processes, holds on a machine that does other things too.

EnvPool pins what this package does not; ``RLKIT_ENVPOOL_PYTHON`` names a Python that has it. See ``locomotion_peers``
for the contestants, ``locomotion_learning`` for training from end to end.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from statistics import median

from rlkit.benchmarks.locomotion_learning import defaults, tuned
from rlkit.benchmarks.locomotion_peers import (
    ENVPOOL_VARIABLE,
    PEERS,
    Bare,
    Ours,
    Processes,
    Speed,
    envpool_speed,
    new_course_costs,
)
from rlkit.benchmarks.table import print_table

THREADS = 2
STEPS = {"walker": 256, "quadruped": 192, "humanoid": 128}  # of our batch in a round: a second or two
TARGETS = {  # of ours to AsyncVectorEnv and to EnvPool
    "walker": (8.0, 2.0),
    "quadruped": (8.0, 2.5),
    "humanoid": (5.0, 2.0),
}
TARGET_BARE, TARGET_COURSE_US, TARGET_LEARNING = 0.85, 150.0, 4_000
OURS, BARE, BARE_RESETS, RUNGE_KUTTA = "rlkit", "bare Batch.step", "bare, with Batch.reset", "bare, RK4"
GET_ENVPOOL = (
    f"{ENVPOOL_VARIABLE} is not set to a Python that has EnvPool: no ratios to it. "
    "python -m venv envpool; envpool/bin/pip install envpool; then set it to envpool/bin/python.\n"
)

Contestants = dict[str, Callable[[], Speed]]


def alternated(contestants: Contestants, repeats: int) -> dict[str, list[Speed]]:
    """Speeds of contestants that take turns: whatever else the machine does, it does to all."""
    found: dict[str, list[Speed]] = {name: [] for name in contestants}
    for _ in range(repeats):
        for name, run in contestants.items():
            found[name].append(run())
    return found


def ratios(ours: list[Speed], theirs: list[Speed]) -> list[str]:
    """Cells: ratio per second with its range over the rounds, and the same per CPU second."""
    cells = []
    for kind in range(2):
        sorted_ratios = sorted(a[kind] / b[kind] for a, b in zip(ours, theirs, strict=True))
        cells += [f"{median(sorted_ratios):.2f}x", f"{sorted_ratios[0]:.2f} to {sorted_ratios[-1]:.2f}"]
    return cells


def speeds(found: list[Speed]) -> list[str]:
    """Cells: steps a second and per CPU second."""
    return [f"{median(speed[kind] for speed in found):,.0f}" for kind in range(2)]


def compare_body(body: str, repeats: int) -> tuple[list[list[str]], list[str]]:
    """Rows of the table of steps, and a row of the one of integrators."""
    peer, ours = PEERS[body], Ours(body, THREADS, STEPS[body])
    bare, runge_kutta = Bare(ours), Bare(ours, peer, share=0.25)
    contestants: Contestants = {
        OURS: ours.speed,
        BARE: bare.speed,
        BARE_RESETS: Bare(ours, resets=True).speed,
        RUNGE_KUTTA: runge_kutta.speed,
        f"AsyncVectorEnv(8), {peer}": Processes(peer, True).speed,
        f"SyncVectorEnv(8), {peer}": Processes(peer, False).speed,
    }
    python = os.environ.get(ENVPOOL_VARIABLE, "")
    if python:
        contestants[f"EnvPool, {peer}"] = lambda: envpool_speed(python, peer, THREADS)
    found = alternated(contestants, repeats)
    asynchronous, pool = TARGETS[body]
    targets = {BARE: TARGET_BARE, f"AsyncVectorEnv(8), {peer}": asynchronous, f"EnvPool, {peer}": pool}
    rows = []
    for name, their in found.items():
        if name == RUNGE_KUTTA:
            continue
        beside = ratios(found[OURS], their) if name != OURS else [""] * 4
        target = f">= {targets[name]:g}x" if name in targets else ""
        rows.append([f"{body}: {name}", *speeds(their), *beside, target])
    integrators = [
        f"{body}: implicitfast, {bare.described}; RK4, {runge_kutta.described}",
        *speeds(found[BARE]),
        *speeds(found[RUNGE_KUTTA]),
        *ratios(found[BARE], found[RUNGE_KUTTA]),
    ]
    return rows, integrators


def _print_steps(repeats: int) -> None:
    rows: list[list[str]] = []
    integrators: list[list[str]] = []
    if not os.environ.get(ENVPOOL_VARIABLE):
        print(GET_ENVPOOL)
    for body in TARGETS:
        of_body, integrator = compare_body(body, repeats)
        rows += of_body
        integrators.append(integrator)
    both = ["steps/s", "per CPU s"]
    ratio = ["ratio", "in rounds", "of CPU", "in rounds"]
    print_table(
        f"128 bodies on hurdles, {THREADS} threads; ratios are ours to theirs", ["", *both, *ratio, "target"], rows
    )
    title = "What comes from the integrator: control steps of the bare batch, the same model with boxes"
    print_table(title, ["", *both, "RK4: steps/s", "per CPU s", *ratio], integrators)


def _print_courses(repeats: int) -> None:
    rows = []
    for body in TARGETS:
        for terrain in ("hurdles", "mixed"):
            wall, cpu = new_course_costs(body, terrain, THREADS, repeats)
            rows.append([f"{body}, {terrain}", f"{wall:.0f}", f"{cpu:.0f}", f"<= {TARGET_COURSE_US:.0f}"])
    title = f"Reset to a new course, microseconds an environment (128 at once, {THREADS} threads)"
    print_table(title, ["", "us", "CPU us", "target"], rows)


def _print_learning(repeats: int) -> None:
    found = alternated({"ours": tuned(THREADS).speed, "theirs": defaults(PEERS["walker"]).speed}, repeats)
    rows = [
        ["agent=ppo env=locomotion", *speeds(found["ours"]), *[""] * 4, f">= {TARGET_LEARNING:,} per CPU s"],
        [
            "SB3 PPO's defaults, " + PEERS["walker"],
            *speeds(found["theirs"]),
            *ratios(found["ours"], found["theirs"]),
            "",
        ],
    ]
    header = ["", "steps/s", "per CPU s", "ratio", "in rounds", "of CPU", "in rounds", "target"]
    print_table("Training end to end: collecting and updating, PyTorch with one thread", header, rows)


def main(repeats: int = 5) -> None:
    """Print speed beside the peers', what comes from the integrator, the cost of a course, and training end to end."""
    _print_steps(repeats)
    _print_courses(repeats)
    _print_learning(repeats)
