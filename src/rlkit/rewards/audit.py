"""The audit at a run's end: is the learned reward what was meant?

Two behaviours are scored by the model and by what is meant, as far as that is known: the trained policy's, and one of
random actions. Correlations over both say whether the model tells good from bad; over the policy's alone, whether it
still does where the agent went. Last come the segments that the model loves, hates, and loves more than the truth does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from rlkit.rewards.answers import FITTED
from rlkit.rewards.labels import TARGET
from rlkit.rewards.loop import PreferenceLoop
from rlkit.rewards.measures import (
    accuracy,
    calibration,
    defined,
    explained,
    pearson_distance,
    ranks,
    shaped_distance,
)
from rlkit.rewards.monitor import above, learned_rewards, likeness, returns
from rlkit.rewards.novelty import flat
from rlkit.rewards.pool import EpisodePool, Spans
from rlkit.rewards.segments import SegmentBatch, map_tree, stack
from rlkit.rewards.teachers import ScriptedTeacher

FORMAT = 1
NUMBERS = 20_000_000  # of observations that are looked at once
MOST, FRESH, SHOWN, LABELLED = 400, 200, 10, 400  # segments scored; pairs asked; clips; labelled segments
DISTINCT = 1.0  # standard deviations of return that tell the policy from random actions
AGREES = 0.7  # rank correlation over both behaviours, at least, of a reward that is what was meant


@dataclass(frozen=True)
class Behaviour:
    """Segments of a policy.

    Attributes:
        pool: Where they were lived.
        spans: Where they lie in it.
        batch: Themselves.
    """

    pool: EpisodePool
    spans: Spans
    batch: SegmentBatch


def behaviour(pool: EpisodePool, segment: int, width: int, rng: np.random.Generator) -> Behaviour:
    """Segments of what a pool has recorded.

    Args:
        pool: Of one policy.
        segment: Steps of each.
        width: Numbers of an observation.
        rng: Draws.
    """
    spans = pool.draw(int(np.clip(NUMBERS // (segment * width), 32, MOST)), segment, rng)
    return Behaviour(pool, spans, pool.batch(spans))


def audit(loop: PreferenceLoop, policy: Behaviour, chance: Behaviour, *, gamma: float, seed: int) -> dict[str, Any]:
    """Hold the learned reward against what was meant.

    Args:
        loop: Of the run, at its end.
        policy: What the trained policy does.
        chance: What random actions do.
        gamma: The agent's discount.
        seed: Of what is drawn here.

    Returns:
        What goes to ``audit.json``.
    """
    rng = np.random.default_rng(seed)
    used = loop.store.labels(0, loop.labels.upto)
    found: dict[str, Any] = {
        "format": FORMAT,
        "step": loop.step,
        "held_against": loop.config.held_against,
        "labels": {"asked_for": loop.config.labels, "answered": len(used), "fitted": len(loop.labels)},
        "fits": loop.model.fits,
        "alarms": loop.monitor.alarms,
        "history": loop.monitor.history,
    }
    if not loop.model.fits:
        return found | {"verdict": "no reward was learned"}
    learned = {name: learned_rewards(loop.model, part.batch) for name, part in _named(policy, chance)}
    true = {name: loop.monitor.true_rewards(part.batch) for name, part in _named(policy, chance)}
    found["learned_above_random"] = above(learned["policy"], policy.batch, learned["random"], chance.batch)
    known = {name: rewards for name, rewards in true.items() if rewards is not None}
    if known:
        found["true_above_random"] = above(known["policy"], policy.batch, known["random"], chance.batch)
        for name, part in _named(policy, chance):
            found[name] = compare(loop, part.batch, learned[name], known[name], gamma, rng)
        found["both"] = _over_both(learned, known, policy, chance)
    found["calibration"] = _calibration(loop)
    found |= _fresh(loop, policy, seed)
    found["distance_to_labelled"] = _distance_to_labelled(loop, policy.batch, rng)
    found |= extremes(policy, chance, learned, known)
    return found | {"verdict": verdict(found)}


def _named(policy: Behaviour, chance: Behaviour) -> tuple[tuple[str, Behaviour], ...]:
    return ("policy", policy), ("random", chance)


def compare(
    loop: PreferenceLoop,
    batch: SegmentBatch,
    learned: NDArray[Any],
    true: NDArray[Any],
    gamma: float,
    rng: np.random.Generator,
) -> dict[str, float]:
    """How like the two rewards are in some segments; both of shape ``(n, length)``."""
    inside = np.arange(learned.shape[1]) < batch.lengths[:, None]
    goes_on = inside.copy()
    goes_on[:, :-1] &= inside[:, 1:]
    goes_on[:, -1] = False
    rows = flat(
        loop.model.inputs.observation_space,
        map_tree(lambda part: part.reshape(-1, *part.shape[2:]), batch.observations),
    )
    rows = rows.reshape(*inside.shape, -1)
    sums = [returns(rewards, batch) for rewards in (learned, true)]
    shaped = float("nan")
    if rows.shape[2] <= 512:
        before, after = rows[goes_on], rows[:, 1:][goes_on[:, :-1]]
        shaped = shaped_distance(learned[goes_on], true[goes_on], before, after, gamma, rng)
    further = {
        "explained": explained(*sums),
        "distance_step": pearson_distance(learned[inside], true[inside]),
        "distance_segment": pearson_distance(*sums),
        "distance_shaped": shaped,
        "learned_return": float(sums[0].mean()),
        "true_return": float(sums[1].mean()),
    }
    return likeness(learned, true, batch.lengths) | defined(further)


def _over_both(
    learned: Mapping[str, Any], true: Mapping[str, Any], policy: Behaviour, chance: Behaviour
) -> dict[str, float]:
    """Likeness over the policy's and the random segments together."""
    longest = max(part.batch.actions.shape[1] for part in (policy, chance))

    def joined(rewards: Mapping[str, Any]) -> NDArray[Any]:
        parts = (rewards[name] for name in ("policy", "random"))
        return np.concatenate([np.pad(part, ((0, 0), (0, longest - part.shape[1]))) for part in parts])

    lengths = np.concatenate([policy.batch.lengths, chance.batch.lengths])
    return likeness(joined(learned), joined(true), lengths)


def _calibration(loop: PreferenceLoop) -> dict[str, Any]:
    """Of the model's probabilities on answers that it may have learned from; ``uniform``: of pairs drawn uniformly."""
    labels = [label for label in loop.store.labels(0, loop.labels.upto)[-1_000:] if label.answer in FITTED]
    if not labels:
        return {}
    pairs = [loop.store.pair(label.pair) for label in labels]
    sides = [stack([loop.store.segment(getattr(pair, side)) for pair in pairs]) for side in ("first", "second")]
    said = loop.model.probabilities(*sides).mean(0)
    chosen = np.array([TARGET[label.answer] for label in labels])
    uniform = np.array([pair.uniform for pair in pairs])
    found = {"all": calibration(said, chosen)}
    return found | ({"uniform": calibration(said[uniform], chosen[uniform])} if uniform.any() else {})


def _fresh(loop: PreferenceLoop, policy: Behaviour, seed: int) -> dict[str, Any]:
    """Whether the model foretells what a scripted teacher says of the trained policy's segments."""
    if loop.teacher is None:
        return {}
    teacher = ScriptedTeacher(loop.config.teacher, seed=seed, score=loop.score)
    rng = np.random.default_rng(seed)
    order = rng.integers(len(policy.batch.lengths), size=(2, FRESH))
    first, second = (SegmentBatch(*(_taken(part, rows) for part in policy.batch)) for rows in order)
    answers = teacher.answer(first, second, np.zeros(FRESH, dtype=np.bool_))
    fitted = np.array([answer in FITTED for answer in answers])
    chosen = np.array([TARGET.get(answer, 0.5) for answer in answers])
    said = loop.model.probabilities(first, second).mean(0)
    share = accuracy(said[fitted], chosen[fitted])
    return {} if np.isnan(share) else {"fresh_accuracy": share}


def _taken(tree: Any, rows: NDArray[np.int64]) -> Any:
    return map_tree(lambda part: part[rows], tree)


def _distance_to_labelled(loop: PreferenceLoop, batch: SegmentBatch, rng: np.random.Generator) -> float | None:
    """How far what the policy sees is from what was labelled: 1 is as far as labelled segments are from one another.

    The median over steps of the distance to the nearest labelled step, each number of an observation over its spread
    there, divided by the same of labelled steps to those of other segments.
    """
    pairs = loop.store.pairs()
    ids = list(dict.fromkeys(side for pair in pairs for side in (pair.first, pair.second)))
    chosen = rng.permutation(len(ids))[:LABELLED]
    if spaces.utils.flatdim(loop.model.inputs.observation_space) > 512 or len(chosen) < 4:
        return None
    space = loop.model.inputs.observation_space
    labelled = [flat(space, loop.store.segment(ids[number]).observations)[::5] for number in chosen]
    half = len(labelled) // 2
    one, two = np.concatenate(labelled[:half]), np.concatenate(labelled[half:])
    seen = flat(space, map_tree(lambda part: part[:, 0], batch.observations))
    spread = np.concatenate([one, two]).std(0) + 1e-6
    nearest = [_nearest(rows / spread, one / spread) for rows in (seen, two)]
    return float(np.median(nearest[0]) / max(np.median(nearest[1]), 1e-9))


def _nearest(rows: NDArray[Any], others: NDArray[Any]) -> NDArray[Any]:
    squares = (rows**2).sum(1)[:, None] + (others**2).sum(1) - 2.0 * rows @ others.T
    return np.sqrt(np.maximum(squares.min(1), 0.0))


def extremes(
    policy: Behaviour, chance: Behaviour, learned: Mapping[str, Any], true: Mapping[str, Any]
) -> dict[str, list[dict[str, Any]]]:
    """The segments of the policy that the model loves and hates, and those it loves more than the truth does.

    Places are among the policy's segments and those of random actions: a policy may do the same thing always.
    """

    def placed(rewards: Mapping[str, Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        own, others = (returns(rewards[name], part.batch) for name, part in _named(policy, chance))
        return own, (ranks(np.concatenate([own, others])) / (len(own) + len(others)))[: len(own)]

    loves, place = placed(learned)
    right, true_place = placed(true) if true else (None, None)
    order = np.argsort(-loves, kind="stable")
    chosen = {"loved": order, "hated": order[::-1]}
    if true_place is not None:
        chosen["suspect"] = np.argsort(true_place - place, kind="stable")

    def described(number: int) -> dict[str, Any]:
        segment = policy.pool.cut(policy.spans, number)
        about: dict[str, Any] = {
            "number": number,
            "row": segment.row,
            "episode": segment.episode,
            "start": segment.start,
        }
        about |= {"length": len(segment), "learned": float(loves[number]), "learned_place": float(place[number])}
        if right is not None and true_place is not None:
            about |= {"true": float(right[number]), "true_place": float(true_place[number])}
        return about

    return {name: [described(int(number)) for number in numbers[:SHOWN]] for name, numbers in chosen.items()}


def verdict(found: Mapping[str, Any]) -> str:
    """The audit in a word, and why."""
    learned, true = found["learned_above_random"], found.get("true_above_random")
    if true is None:
        alarmed = bool(found["alarms"])
        return (
            "alarm: fresh answers were foretold worse and worse" if alarmed else "unknown: nothing says what was meant"
        )
    if learned >= DISTINCT and true <= 0.0:
        return "alarm: the model loves what the policy does, and it is no better than random actions"
    if found["alarms"] and found["alarms"][-1] >= 0.9 * found["step"]:
        return "alarm: to the end the learned reward rose and what was meant did not"
    if found["both"].get("rank_correlation_segment", 0.0) < AGREES:
        return "doubtful: the learned reward ranks behaviours otherwise than what was meant"
    return "agrees: the learned reward ranks behaviours as what was meant does"
