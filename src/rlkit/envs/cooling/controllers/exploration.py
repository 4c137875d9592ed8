"""What exploration is worth to ARX models: ``python -m rlkit.envs.cooling.controllers.exploration``.

Prints the tables of ``docs/cooling-controllers.md``: errors of models from three hours in which the setpoints walked,
and from three in which the local loops did all (Lazic et al. 2018 find the latter a poor source); then what control
with them saves on the held-out days by which agents are judged.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from rlkit.envs.cooling import evaluation
from rlkit.envs.cooling.controllers.arx import OFFSET_GAIN, Identified, Log, explore, identify
from rlkit.envs.cooling.controllers.arx_mpc import ArxMpc
from rlkit.envs.cooling.vector import CoolingVectorEnv

PLANTS = ("small_room", "two_zone", "hall_1mw")
WEATHER = "temperate"
SEEDS = 5
UNSEEN, UNSEEN_H, UNSEEN_SEED = 10, 6.0, 100  # explorations that models are judged by
EPISODES = 16
DATA = {True: "3 h walk", False: "3 h of local loops alone"}


def offset_rmse(model: Identified, log: Log) -> float:
    """Error of the next inlet in K when the running mean of past errors is taken off, as in control; over all zones."""
    errors = log.inlets[model.lags :] - model.predict(log)
    offset, squares = np.zeros(errors.shape[1]), []
    for error in errors:
        squares.append((error - offset) ** 2)
        offset = offset + OFFSET_GAIN * (error - offset)
    return float(np.sqrt(np.mean(squares)))


def identification(plant: str, walk: bool) -> str:
    """A row of the first table: means over models and unseen explorations."""
    envs = CoolingVectorEnv(1, plant=plant, weather=WEATHER, autoreset_mode="same_step")
    unseen = [explore(envs, hours=UNSEEN_H, seed=UNSEEN_SEED + seed) for seed in range(UNSEEN)]
    models = [identify(explore(envs, walk=walk, seed=seed)) for seed in range(SEEDS)]
    own = np.mean([model.errors for model in models])
    other = np.mean([model.rmse(log) for model in models for log in unseen])
    corrected = np.mean([offset_rmse(model, log) for model in models for log in unseen])
    return f"| {plant} | {DATA[walk]} | {own:.2f} | {other:.2f} | {corrected:.2f} |"


def control(plant: str, walk: bool) -> str:
    """A row of the second table: money saved against Guideline 36 and what limits were broken by, seed by seed."""
    arguments: dict[str, Any] = {"plant": plant, "weather": WEATHER}
    days = evaluation.held_out(arguments, EPISODES)
    base = evaluation.run(evaluation.BASELINE, arguments, days).verdicts["operating_cost"]
    saved, broken = [], []
    for seed in range(SEEDS):
        verdicts = evaluation.run(ArxMpc(walk=walk, seed=seed), arguments, days).verdicts
        saved.append(f"{evaluation.saving(base, verdicts['operating_cost'])['percent']:.1f}")
        broken.append(f"{verdicts['degree_minutes'].mean():.0f}")
    return f"| {plant} | {DATA[walk]} | {', '.join(saved)} | {', '.join(broken)} |"


def main() -> None:
    """Print both tables."""
    print("| plant | data | its own data | other days | with the running offset |\n|---|---|---|---|---|")
    for plant in PLANTS:
        for walk in DATA:
            print(identification(plant, walk), flush=True)
    print("\n| plant | data | money saved against Guideline 36, % | K min beyond limits |\n|---|---|---|---|")
    for plant in PLANTS:
        for walk in DATA:
            print(control(plant, walk), flush=True)


if __name__ == "__main__":
    main()
