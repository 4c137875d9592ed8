"""The judgement of a predictor: errors and calibration on both hold-outs, baselines, sensitivities, and its use."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rlkit.agents.config import PuePredictorConfig
from rlkit.agents.predictor.baselines import baseline_rows
from rlkit.agents.predictor.history import gather, make_halls
from rlkit.agents.predictor.learner import gather_years
from rlkit.agents.predictor.measures import HARD_PUE, measure, measure_pue
from rlkit.agents.predictor.model import HEADS, Predictor, load_predictor
from rlkit.agents.predictor.samples import Samples, hour_ahead, next_step, split_steps
from rlkit.agents.predictor.search import DefaultSetpoints, SearchController, SearchSettings
from rlkit.agents.predictor.sensitivity import sensitivities
from rlkit.errors import UsageError

SETTINGS = ("episodes",)
SHOWN = 40_000  # samples of a hold-out that are predicted
CURVE_SAMPLES = 2_000
CONTROL_DAYS = 2
UNSEEN_SEED = 7_919  # apart from the history's
CONTROL_SEED = 1_000_003
VERDICTS = (
    "energy_kwh",
    "cooling_energy_kwh",
    "operating_cost",
    "violation_minutes",
    "rate_minutes",
    "humidity_minutes",
)
NEXT_HOLDOUT = "same site, later"


def evaluate(folder: Path, env: Any, config: PuePredictorConfig, seed: int, *, episodes: int = 12) -> dict[str, Any]:
    """Judge a predictor; the run's history is lived through again.

    Args:
        folder: The run's ``policy/``.
        env: The run's environment configuration.
        config: The run's settings.
        seed: The run's.
        episodes: Of two days each on held-out weeks, for every controller; 0: control is not judged.

    Returns:
        ``score`` is the MAE on the chronological hold-out, negative, so that more is better.
    """
    if isinstance(episodes, bool) or not isinstance(episodes, int) or episodes < 0:
        raise UsageError(f"episodes must be a whole number >= 0, got {episodes!r}")
    predictor = load_predictor(folder)
    arguments, step_s = env.arguments(), float(predictor.description["step_s"])
    history = gather_years(config, env.id, arguments, int(predictor.description["halls"]), seed)
    first, end = split_steps(history, config.train_share)
    heads = {"next": next_step(history, predictor.reader), "ahead": hour_ahead(history, predictor.reader, step_s)}
    tests = {name: {NEXT_HOLDOUT: samples.within(first, end)} for name, samples in heads.items()}
    train = heads["next"].within(0, first)
    for number, city in enumerate(config.unseen):
        elsewhere = gather(
            env.id,
            arguments,
            weather=[city],
            workload=config.workload[:1],
            halls=1,
            days=config.days,
            seed=seed + UNSEEN_SEED + number,
        )
        tests["next"][city] = next_step(elsewhere, predictor.reader)
        tests["ahead"][city] = hour_ahead(elsewhere, predictor.reader, step_s)
    judged = _predictions(predictor, tests)
    rows = {"ensemble": judged["next"], "one network": _single(predictor, tests["next"])}
    rows |= baseline_rows(train, tests["next"])
    shown = tests["next"][NEXT_HOLDOUT].thinned(CURVE_SAMPLES).inputs
    return {
        "env_id": env.id,
        "agent": "pue_predictor",
        "score": -judged["next"][NEXT_HOLDOUT]["mae"],
        "samples": {"train": len(train), **{name: len(samples) for name, samples in tests["next"].items()}},
        "pue": rows,
        "ahead": judged["ahead"],
        "sensitivities": sensitivities(predictor.heads["next"], train.inputs, shown),
        "control": _control(predictor, env, episodes) if episodes else {},
    }


def _predictions(predictor: Predictor, tests: dict[str, dict[str, Samples]]) -> dict[str, Any]:
    """Errors and coverage of both ensembles: by ensemble, hold-out and, of the hour ahead, output."""
    found: dict[str, Any] = {"next": {}, "ahead": {}}
    for name, holdouts in tests.items():
        for holdout, samples in holdouts.items():
            shown = samples.thinned(SHOWN)
            said = predictor.heads[name].predict(shown.inputs)
            if name == "next":
                truth, mean = shown.targets[:, 0], said.mean[:, 0]
                figures = measure_pue(truth, mean, said.sigma[:, 0])
                figures["coverage_95_spread_alone"] = measure(truth, mean, said.spread[:, 0])["coverage_95"]
                figures["spread"] = float(said.spread[:, 0].mean())
                found[name][holdout] = figures
            else:
                found[name][holdout] = {
                    output: measure(shown.targets[:, i], said.mean[:, i], said.sigma[:, i])
                    for i, output in enumerate(HEADS[name])
                }
    return found


def _single(predictor: Predictor, holdouts: dict[str, Samples]) -> dict[str, Any]:
    """Errors of the first member alone: what the ensemble is worth."""
    shown = {name: samples.thinned(SHOWN) for name, samples in holdouts.items()}
    head = predictor.heads["next"]
    return {name: measure_pue(part.targets[:, 0], head.members(part.inputs)[0, :, 0]) for name, part in shown.items()}


def _control(predictor: Predictor, env: Any, episodes: int) -> dict[str, Any]:
    """Energy, cost and violations of the search and of what it is held against, in the same halls and hours."""
    arguments = env.arguments(judging=True)
    envs: Any = make_halls(env.id, episodes, arguments, split="test", episode_days=float(CONTROL_DAYS))
    fallback = _rules()
    players: dict[str, Callable[[], Any]] = {"default setpoints": DefaultSetpoints}
    if fallback is not None:
        players["guideline36"] = fallback
    players["search, least power"] = lambda: SearchController(predictor, SearchSettings(objective="power"))
    players["search, least PUE"] = lambda: SearchController(predictor, SearchSettings(objective="pue"))
    found: dict[str, Any] = {}
    for name, make in players.items():
        player, start = make(), time.perf_counter()
        found[name] = _play(player, envs)
        found[name]["ms_per_decision"] = 1000.0 * (time.perf_counter() - start) / (envs.max_episode_steps * episodes)
        if isinstance(player, SearchController):
            considered = player.decisions * player.settings.candidates
            found[name]["fallback_share"] = player.fallbacks / player.decisions
            found[name]["dropped_share"] = {reason: n / considered for reason, n in player.dropped.items()}
    base = found["default setpoints"]
    for row in found.values():
        row["saving"] = 1.0 - row["energy_kwh"] / base["energy_kwh"]
        row["cooling_saving"] = 1.0 - row["cooling_energy_kwh"] / base["cooling_energy_kwh"]
    envs.close()
    return found


def _play(player: Any, envs: Any) -> dict[str, Any]:
    """One episode in every hall: means over halls."""
    envs.reset(seed=CONTROL_SEED)
    player.reset(envs, np.ones(envs.num_envs, np.bool_))
    verdicts: dict[str, list[float]] = {name: [] for name in (*VERDICTS, "it_energy_kwh")}
    over = np.zeros(envs.num_envs, np.bool_)
    while not over.all():
        _, _, terminated, truncated, info = envs.step(player.act(envs))
        ended = (terminated | truncated) & ~over
        for name in verdicts:
            verdicts[name] += info["final_info"][name][ended].tolist() if ended.any() else []
        over |= ended
    means: dict[str, Any] = {name: float(np.mean(values)) for name, values in verdicts.items()}
    means["PUE"] = means["energy_kwh"] / means["it_energy_kwh"]
    return means


def _rules() -> Callable[[], Any] | None:
    """ASHRAE's Guideline 36, if this rlkit has it."""
    try:
        from rlkit.envs.cooling.controllers import CONTROLLERS, make_controller
    except ImportError:
        return None
    return (lambda: make_controller("guideline36")) if "guideline36" in CONTROLLERS else None


def markdown(judgement: dict[str, Any]) -> str:
    """A judgement to read."""
    return markdown_of_seeds([judgement])


def markdown_of_seeds(judgements: Sequence[dict[str, Any]]) -> str:
    """Judgements that differ in the seed, to read."""
    from rlkit.agents.predictor.tables import to_markdown

    return to_markdown(judgements, HARD_PUE)
