"""The cost and the worth of the safety layer: ``python -m rlkit.envs.cooling.safety.study``.

Prints the tables of ``docs/cooling-safety.md``: energy and share of steps in which layers act, for the default set
points, for warm ones near the limit and for default positions of the actuators, with and without the layer, over the
same days; the hottest inlet and trips of adversaries under ``faults="severe"``; and the time that the layers take.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rlkit.envs.cooling.plant import SHIPPED
from rlkit.envs.cooling.safety.adversaries import BangBang, Worst
from rlkit.envs.cooling.safety.monitor import Monitor
from rlkit.envs.cooling.safety.rules import CoolingRule
from rlkit.envs.cooling.safety.stack import safe
from rlkit.envs.cooling.safety.verify import cooling_rule
from rlkit.envs.cooling.vector import CoolingVectorEnv

DAYS = 32
LAYERS = ("rate_limit", "verification", "failover")
WARM = {"supply_air_setpoint_c": 23.0, "airflow": 0.65, "chilled_water_setpoint_c": 8.5}
Policy = Callable[[], NDArray[np.float32]]


def warm_actions(envs: CoolingVectorEnv) -> NDArray[np.float32]:
    """Warm supply air, held for ever: what a learner of low bills tends to."""
    names = envs.action_names
    values = envs.decode_actions(envs.default_actions())
    for column, name in enumerate(names):
        values[:, column] = WARM.get(name.split(".")[-1], values[0, column])
    return envs.encode_actions(values)


def play(envs: Any, policy: Policy) -> dict[str, float]:
    """One episode of each hall: facility energy in MWh, hottest inlet, trips, violation minutes, layers' shares."""
    base = envs.unwrapped
    running = np.ones(base.num_envs, dtype=np.bool_)
    sums: dict[str, float] = {"mwh": 0.0, "trips": 0.0, "minutes": 0.0, **dict.fromkeys(LAYERS, 0.0)}
    hottest, steps = 0.0, 0
    while running.any():
        _, _, terminated, truncated, info = envs.step(policy())
        sums["mwh"] += float(base.reading("facility_energy_kwh")[running].sum()) / 1000.0
        hottest = max(hottest, float(base.reading("inlet_max_c")[running].max()))
        steps += int(running.sum())
        for name in LAYERS:
            sums[name] += float(info.get(f"safety_{name}", np.zeros_like(running))[running].sum())
        ended = terminated | truncated
        if ended.any():
            sums["trips"] += float((terminated & running).sum())
            sums["minutes"] += float(info["violation_minutes"][ended & running].sum())
            running &= ~ended
            envs.reset(options={"reset_mask": ended})
    shares = {name: sums[name] / steps for name in LAYERS}
    return {**sums, **shares, "hottest": hottest, "minutes": sums["minutes"] / base.num_envs}


def make_halls(plant: str, seed: int, faults: str, layer: bool, n: int = DAYS, control: str = "supervisory") -> Any:
    """A batch at the begin of its episodes, with all layers or a monitor alone."""
    base = CoolingVectorEnv(n, plant=plant, faults=faults, control=control, autoreset_mode="disabled")
    envs: Any = safe(base) if layer else Monitor(base)
    envs.reset(seed=seed)
    return envs


def interference(plant: str, name: str, seed: int = 0) -> str:
    """A row of the first table: a good policy without faults."""
    results = []
    for layer in (False, True):
        control = "actuator" if name == "default actuators" else "supervisory"
        envs = make_halls(plant, seed, "none", layer, control=control)
        actions = warm_actions(envs.unwrapped) if name == "warm" else envs.default_actions()
        results.append(play(envs, lambda actions=actions: actions))  # type: ignore[misc]
    off, on = results
    shares = " | ".join(f"{100.0 * on[layer]:.2f} %" for layer in LAYERS)
    change = 100.0 * (on["mwh"] / off["mwh"] - 1.0)
    return f"| {plant} | {name} | {change:+.3f} % | {off['minutes']:.1f} | {on['minutes']:.1f} | {shares} |"


def protection(plant: str, name: str, seed: int = 0) -> str:
    """A row of the second table: an adversary under severe faults, beside the rule controller alone."""
    rule_envs = make_halls(plant, seed, "severe", layer=False)
    rule: CoolingRule = cooling_rule(rule_envs.unwrapped, rule_envs)
    alone = play(rule_envs, lambda: rule(None))
    cells = []
    for layer in (False, True):
        envs = make_halls(plant, seed, "severe", layer)
        adversary: Policy = {"worst": Worst, "bang_bang": BangBang}[name](envs, seed=seed)
        result = play(envs, adversary)
        cells += [f"{result['trips']:.0f}", f"{result['hottest']:.1f}"]
    return f"| {plant} | {name} | {alone['trips']:.0f} | " + " | ".join(cells) + " |"


def steps_per_second(plant: str, n: int, steps: int, layer: bool) -> float:
    """Steps of a hall per CPU second, with the default policy."""
    base = CoolingVectorEnv(n, plant=plant, autoreset_mode="same_step")
    envs: Any = safe(base) if layer else base
    envs.reset(seed=0)
    actions = base.default_actions()
    for _ in range(20):
        envs.step(actions)
    start = time.process_time()
    for _ in range(steps):
        envs.step(actions)
    return n * steps / (time.process_time() - start)


def speed(plant: str, n: int, repeats: int = 5) -> str:
    """A row of the third table: medians, measured in turn."""
    steps = max(3000 // n, 60)
    pairs = [[steps_per_second(plant, n, steps, layer) for layer in (False, True)] for _ in range(repeats)]
    off, on = (median(column) for column in zip(*pairs, strict=True))
    return (
        f"| {plant} | {n:,} | {off:,.0f} | {on:,.0f} | {1e9 / on - 1e9 / off:,.0f} | {100.0 * (off / on - 1.0):.0f} % |"
    )


def main() -> None:
    """Print all tables."""
    print(f"Good policies, {DAYS} days each, without faults:\n")
    print("| plant | policy | energy | violation min/day without | with | " + " | ".join(LAYERS) + " |")
    print("|---|---|---|---|---|---|---|---|")
    for plant in SHIPPED:
        for name in ("default", "warm", "default actuators"):
            print(interference(plant, name), flush=True)
    print(f"\nAdversaries, {DAYS} days each, severe faults:\n")
    print("| plant | adversary | trips of the rule alone | trips without | hottest C | trips with | hottest C |")
    print("|---|---|---|---|---|---|---|")
    for plant in SHIPPED:
        for name in ("worst", "bang_bang"):
            print(protection(plant, name), flush=True)
    print("\nSteps per CPU second, all layers, default set points:\n")
    print("| plant | halls | without | with | ns a step of a hall | of the step without |\n|---|---|---|---|---|---|")
    for plant in ("two_zone", "hall_1mw"):
        for n in (1, 1024):
            print(speed(plant, n), flush=True)


if __name__ == "__main__":
    main()
