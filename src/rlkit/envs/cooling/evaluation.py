"""How well someone cools: beside every controller, on held-out weeks of weather and load.

All meet the same episodes: days, load noise, sensor errors and faults. What counts is the charged cost: money for
electricity and water, and the broken limits as the environment's weighted reward charges them
(:class:`rlkit.envs.cooling.costs.Reward`), a thermal trip included. Savings are in per cent of the baseline, Guideline
36, and of the headroom, which is what perfect-model predictive control saves. Intervals are bootstrapped over episodes,
paired: of the differences on the same episodes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rlkit.envs.cooling.controllers import CONTROLLERS
from rlkit.envs.cooling.controllers.play import Episodes, play
from rlkit.envs.cooling.costs import Reward, parse_reward
from rlkit.envs.cooling.safety import layers_of, safe
from rlkit.envs.cooling.safety.layer import CHANGED
from rlkit.envs.cooling.vector import CoolingVectorEnv
from rlkit.envs.cooling.weather import start_days
from rlkit.errors import UsageError, nearest
from rlkit.statistics import interval

AGENT, BASELINE, BOUND = "agent", "guideline36", "perfect_mpc"
SETTINGS = ("episodes", "bounds", "bound_episodes", "controllers", "safety")  # of `evaluate`, for the command line
SEED = 1_000_003
HEADLINE = {"cooling_energy": 40.0, "pue_overhead": 15.0}  # per cent less: Evans and Gao, DeepMind, 2016-07-20
LEAST_HEADROOM = 0.1  # per cent of the baseline, below which a share of the headroom says nothing
SUMS = ("energy_kwh", "cooling_energy_kwh", "operating_cost", "water_l")
MEANS = ("violation_minutes", "degree_minutes", "rate_minutes", "humidity_minutes", "chiller_starts", "thermal_trip")


def evaluate(
    player: Any,
    arguments: Mapping[str, Any],
    *,
    episodes: int = 16,
    bounds: bool = True,
    bound_episodes: int = 6,
    controllers: str | list[str] | None = None,
    safety: Any = None,
) -> dict[str, Any]:
    """Judge a player beside the controllers.

    Args:
        player: What is judged: a policy with ``predict(observations)``, or a controller.
        arguments: Of the environment it was trained on.
        episodes: How many, evenly spread over the held-out days.
        bounds: Whether perfect-model predictive control plays too (it takes most of the time: seconds a hall and day).
        bound_episodes: On how many of the episodes it does; headroom is measured on these.
        controllers: Which of :data:`~rlkit.envs.cooling.controllers.CONTROLLERS` to judge beside it, or one of them;
            None for all. The baseline is always there.
        safety: Layers between the player and the plant (:func:`rlkit.envs.cooling.safety.layers_of`); None for those of
            the arguments. Controllers play without.

    Returns:
        JSON values: ``score``, the agent's charged saving in per cent of the baseline (higher is better), with its
        ``interval``; ``players``, each with means over episodes and ``saving``, ``cost_saving`` (money alone) and
        ``headroom`` (None without bounds); ``headline``; ``safety``, the share of the agent's steps in which each layer
        acted (None without layers).

    Raises:
        UsageError: If a setting is not possible.
    """
    names = _names(controllers, bounds)
    _check("episodes", episodes)
    _check("bound_episodes", bound_episodes)
    days = held_out(arguments, episodes)
    safety = arguments.get("safety") if safety is None else safety
    played: dict[str, Episodes] = {AGENT: run(player, arguments, days, supervisory=False, safety=safety)}
    for name in names:
        if name != BOUND:
            played[name] = run(name, arguments, days)
    few = np.unique(np.linspace(0, episodes - 1, min(bound_episodes, episodes)).round().astype(np.int64))
    if BOUND in names:
        played[BOUND] = run(BOUND, arguments, {key: values[few] for key, values in days.items()})
    probe = make_halls(arguments, 1)
    result: dict[str, Any] = {
        "plant": probe.setup.plant.name,
        "weather": [weather.source for weather in probe.setup.weathers],
        "workload": [workload.source for workload in probe.setup.workloads],
        "episodes": episodes,
        "bound_episodes": len(few) if BOUND in names else 0,
        "episode_days": probe.setup.task.episode_days,
        "baseline": BASELINE,
        "violation_weight": _weight(arguments),
        "safety": played[AGENT].interventions,
        **compare(played, few, float(probe.setup.model.charges["unit"][0])),
    }
    result["score"] = result["players"][AGENT]["saving"]["percent"]
    result["interval"] = result["players"][AGENT]["saving"]["interval"]
    return result


def _names(controllers: str | list[str] | None, bounds: bool) -> list[str]:
    if not isinstance(bounds, bool):
        raise UsageError(f"bounds must be true or false, got {bounds!r}")
    asked = list(CONTROLLERS) if controllers is None else [controllers] if isinstance(controllers, str) else controllers
    for name in asked:
        if name not in CONTROLLERS:
            raise UsageError(f"there is no controller {name!r}: {nearest(str(name), CONTROLLERS)}")
    wanted = {*asked, BASELINE, *((BOUND,) if bounds else ())}
    return [name for name in CONTROLLERS if name in wanted and (bounds or name != BOUND)]


def _check(name: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise UsageError(f"{name} must be a whole number >= 1, got {value!r}")


def _weight(arguments: Mapping[str, Any]) -> float:
    """What a K h beyond a limit is charged in units of reward: as in training, if that charged it."""
    return parse_reward(arguments.get("reward", "cost")).violation_weight or Reward().weight


def make_halls(arguments: Mapping[str, Any], n: int, *, supervisory: bool = True) -> CoolingVectorEnv:
    """Halls to be judged in: those of the arguments, on held-out days, with broken limits charged in the reward."""
    left_out = ("max_episode_steps", "render_mode", "safety")
    given = {key: value for key, value in arguments.items() if key not in left_out}
    given |= {"split": "test", "start": "random", "reward": {"kind": "weighted", "weight": _weight(arguments)}}
    if supervisory:
        given["control"] = "supervisory"
    return CoolingVectorEnv(n, autoreset_mode="same_step", **given)


def held_out(arguments: Mapping[str, Any], episodes: int) -> dict[str, NDArray[np.int64]]:
    """Seeds and reset options of the episodes: days evenly spread over those held out, sources in turn."""
    setup = make_halls(arguments, 1).setup
    number = np.arange(episodes)
    found: dict[str, NDArray[np.int64]] = {"seeds": SEED + number}
    length = int(np.ceil(setup.task.episode_days - 1e-9))
    for sources, which, day in (
        (setup.weathers, "weathers", "days"),
        (setup.workloads, "workloads", "workload_days"),
    ):
        found[which] = number % len(sources)
        allowed = [start_days(source.num_days, "test", length) for source in sources]
        place = (number + 0.5) / episodes
        found[day] = np.array(
            [1 + allowed[w][int(p * len(allowed[w]))] for w, p in zip(found[which], place, strict=True)]
        )
    return found


def run(
    player: Any,
    arguments: Mapping[str, Any],
    days: Mapping[str, NDArray[np.int64]],
    *,
    supervisory: bool = True,
    safety: Any = None,
) -> Episodes:
    """Play the episodes that :func:`held_out` gives, behind safety layers if any are asked for."""
    options = {key: values for key, values in days.items() if key != "seeds"}
    layers = layers_of(safety)
    envs: Any = make_halls(arguments, len(days["seeds"]), supervisory=supervisory)
    envs = envs if layers is None else safe(envs, **layers)
    episodes = play(player, envs, seed=days["seeds"].tolist(), options=options)
    envs.close()
    return episodes


def compare(played: Mapping[str, Episodes], few: NDArray[np.int64], unit: float) -> dict[str, Any]:
    """Figures of all players.

    Args:
        played: Their episodes, the bound's being ``few`` of the others'.
        few: Which.
        unit: Money in a unit of reward.
    """
    charged = {name: -episodes.returns * unit for name, episodes in played.items()}
    money = {name: episodes.verdicts["operating_cost"] for name, episodes in played.items()}
    players = {}
    for name, episodes in played.items():
        rows = few if name == BOUND else np.arange(len(charged[BASELINE]))
        shared = (lambda values: values) if name == BOUND else (lambda values: values[few])
        players[name] = {
            **summary(episodes.verdicts),
            "episodes": len(rows),
            "charged_cost": float(charged[name].mean()),
            "saving": saving(charged[BASELINE][rows], charged[name]),
            "cost_saving": saving(money[BASELINE][rows], money[name]),
            "headroom": headroom(charged[BASELINE][few], shared(charged[name]), charged[BOUND])
            if BOUND in charged
            else None,
        }
    return {"players": players, "headline": headline(played, few)}


def summary(verdicts: NDArray[np.void]) -> dict[str, float]:
    """Means over episodes of sums and minutes; ratios of sums."""
    energy, it = verdicts["energy_kwh"].sum(), verdicts["it_energy_kwh"].sum()
    return {
        **{name: float(verdicts[name].mean()) for name in (*SUMS, *MEANS)},
        "max_inlet_c": float(verdicts["max_inlet_c"].max()),
        "PUE": float(energy / it),
        "TUE": float(energy / (verdicts["energy_kwh"] / verdicts["TUE"]).sum()),
        "WUE": float(verdicts["water_l"].sum() / it),
    }


def saving(baseline: NDArray[np.float64], values: NDArray[np.float64]) -> dict[str, Any]:
    """By how many per cent less values are than the baseline in all, with the paired interval."""
    return _ratio(baseline - values, baseline)


def headroom(
    baseline: NDArray[np.float64], values: NDArray[np.float64], bound: NDArray[np.float64]
) -> dict[str, Any] | None:
    """Saving in per cent of what the bound saves on the same episodes; None where that is next to nothing."""
    if (baseline - bound).mean() < LEAST_HEADROOM / 100.0 * baseline.mean():
        return None
    return _ratio(baseline - values, baseline - bound)


def _ratio(parts: NDArray[np.float64], wholes: NDArray[np.float64]) -> dict[str, Any]:
    """Sum of parts in per cent of that of wholes, with an interval for which episodes are resampled in pairs."""

    def of_episodes(numbers: NDArray[np.float64], axis: int) -> NDArray[np.float64]:
        rows = numbers.astype(np.int64)
        return np.asarray(100.0 * parts[rows].sum(axis) / wholes[rows].sum(axis))

    return {
        "percent": float(100.0 * parts.sum() / wholes.sum()),
        "interval": list(interval(np.arange(len(parts), dtype=np.float64), of_episodes)),
    }


def headline(played: Mapping[str, Episodes], few: NDArray[np.int64]) -> dict[str, Any]:
    """Cooling energy and PUE overhead against the baseline: of the agent, and of the bound on its episodes."""
    base = played[BASELINE].verdicts
    result: dict[str, Any] = {"claim": dict(HEADLINE), AGENT: _less(base, played[AGENT].verdicts), BOUND: None}
    if BOUND in played:
        result[BOUND] = _less(base[few], played[BOUND].verdicts)
        result["allowed"] = {name: bool(result[BOUND][name] >= claim) for name, claim in HEADLINE.items()}
    return result


def _less(baseline: NDArray[np.void], verdicts: NDArray[np.void]) -> dict[str, float]:
    def overhead(v: NDArray[np.void]) -> float:
        return float(v["energy_kwh"].sum() / v["it_energy_kwh"].sum() - 1.0)

    cooling = verdicts["cooling_energy_kwh"].sum() / baseline["cooling_energy_kwh"].sum()
    return {
        "cooling_energy": float(100.0 * (1.0 - cooling)),
        "pue_overhead": 100.0 * (1.0 - overhead(verdicts) / overhead(baseline)),
    }


def ranking(judgement: Mapping[str, Any]) -> list[str]:
    """Players by charged saving, best first; the bound, which may have played fewer episodes, before them."""
    players = judgement["players"]
    return sorted(players, key=lambda name: (name != BOUND, -players[name]["saving"]["percent"]))


def markdown(judgement: Mapping[str, Any]) -> str:
    """A judgement as tables to read."""
    players, order = judgement["players"], ranking(judgement)
    few = judgement["bound_episodes"]
    lines = [
        f"{judgement['plant']}, {', '.join(judgement['weather'])}: {judgement['episodes']} held-out episodes of "
        f"{judgement['episode_days']:g} d, the same for all; means of an episode. Savings are of {BASELINE}'s cost, "
        f"broken limits charged at {judgement['violation_weight']:g} a K h; 95 % intervals, paired over episodes."
        + (f" {BOUND} played {few} of them, and headroom is measured on these." if few else ""),
        "",
        "| controller | saving % | of headroom % | money alone % | cost | energy kWh | cooling kWh | PUE | TUE | WUE "
        "| violation min | K min | humidity min | starts |",
        "|" + "---|" * 14,
    ]
    for name in order:
        p = players[name]
        cells = [f"**{name}**" if name == AGENT else name, _percent(p["saving"]), _percent(p["headroom"])]
        cells += [f"{p['cost_saving']['percent']:.1f}", f"{p['operating_cost']:.1f}", f"{p['energy_kwh']:.0f}"]
        cells += [f"{p['cooling_energy_kwh']:.0f}", f"{p['PUE']:.3f}", f"{p['TUE']:.3f}", f"{p['WUE']:.2f}"]
        cells += [f"{p[k]:.1f}" for k in ("violation_minutes", "degree_minutes", "humidity_minutes", "chiller_starts")]
        lines.append("| " + " | ".join(cells) + " |")
    trips = [f"{name} ({players[name]['thermal_trip']:.0%})" for name in order if players[name]["thermal_trip"] > 0.0]
    if trips:
        lines += ["", f"Thermal trips (episodes cut short, so that their sums are too low): {', '.join(trips)}."]
    if judgement.get("safety") is not None:
        lines += ["", _interventions(judgement["safety"])]
    return "\n".join([*lines, "", _sentence(judgement["headline"])]) + "\n"


def _interventions(shares: Mapping[str, float]) -> str:
    """How often safety layers changed what the agent asked for."""
    each = ", ".join(f"{name.replace('_', ' ')} {share:.1%}" for name, share in shares.items() if name != CHANGED)
    return (
        f"The agent acts through safety layers, which changed its action in {shares[CHANGED]:.1%} of the steps "
        f"({each}); the controllers act without."
    )


def _percent(found: Mapping[str, Any] | None) -> str:
    if found is None:
        return ""
    low, high = found["interval"]
    return f"{found['percent']:.1f} [{low:.1f}, {high:.1f}]"


def _sentence(found: Mapping[str, Any]) -> str:
    """How the headline of 2016 compares."""
    claim, agent, bound = found["claim"], found[AGENT], found[BOUND]
    text = (
        f"DeepMind's headline of 2016 was {claim['cooling_energy']:.0f} % less cooling energy and "
        f"{claim['pue_overhead']:.0f} % less PUE overhead. Against {BASELINE} the agent uses "
        f"{_change(agent['cooling_energy'])} cooling energy and has {_change(agent['pue_overhead'])} PUE overhead."
    )
    if bound is None:
        return text
    allowed = [name.replace("_", " ").replace("pue", "PUE") for name, so in found["allowed"].items() if so]
    verdict = f"allows the figure for {' and '.join(allowed)}" if allowed else "allows neither figure"
    return (
        f"{text} {BOUND}, which minimises cost, uses {_change(bound['cooling_energy'])} and has "
        f"{_change(bound['pue_overhead'])}: the headroom {verdict}{' only' if len(allowed) == 1 else ''}."
    )


def _change(less: float) -> str:
    return f"{less:.1f} % less" if less >= 0.0 else f"{-less:.1f} % more"
