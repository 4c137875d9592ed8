"""Is the learned reward what is meant? Watched while the agent trains; see `audit` for the end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from rlkit.rewards.answers import Label
from rlkit.rewards.config import PreferencesConfig
from rlkit.rewards.labels import TARGET
from rlkit.rewards.measures import correlation, defined, rank_correlation
from rlkit.rewards.segments import SegmentBatch, map_tree, stack
from rlkit.rewards.teachers import Score

if TYPE_CHECKING:
    from rlkit.rewards.loop import PreferenceLoop, Round
    from rlkit.rewards.model import RewardModel

NEWEST = 10  # episodes of each environment that are "of late"
MOST, LEAST, NUMBERS = 128, 16, 4_000_000  # segments looked at, so many that their observations fit
RISE = 0.5  # standard deviations by which the learned return of late is above that of before
FALL = {"first": 0.0, "kept": -0.25}  # by which the true one then is above it, at most, to be suspicious
REVERSED = -0.15  # rank correlation of learned and true returns of late, on average, from which the model misleads
ROUNDS = 4  # in a row
ANSWERS = 20  # fresh ones, before their agreement tells anything


class Monitor:
    """Holds what the model says against what is known to be meant, round by round.

    Learned rewards are scaled anew with each fit, so returns are not compared over time: segments of late, of all that
    is kept, and of the first round are scored by the same model, and so by the truth. An alarm goes off when for some
    rounds the learned return has risen and the truth has not, or both rank what the agent does in opposite orders, or
    what people answer is foretold worse than it was, and than the model itself expects: questions become harder as it
    learns, which it knows.

    Args:
        config: Of the rewards.
        score: Rewards as the scripted teacher sees them; None: the task's.
        seed: Of the segments drawn.

    Attributes:
        history: A row for each round after the first fit: ``step`` and figures.
        alarms: Steps at which the alarm went off.
    """

    def __init__(self, config: PreferencesConfig, score: Score | None, *, seed: int) -> None:
        self._segment, self._truth, self._score = config.segment, config.held_against, score
        self._rng = np.random.default_rng(seed)
        self._foretold: list[list[float]] = []  # of each round: answers, those foretold, as many as the model expected
        self._first: SegmentBatch | None = None
        self.history: list[dict[str, float]] = []
        self.alarms: list[int] = []

    def true_rewards(self, batch: SegmentBatch) -> NDArray[Any] | None:
        """What is meant, of each step ``(n, length)``; None if it is not known."""
        if self._truth == "none":
            return None
        return batch.rewards if self._truth == "task" or self._score is None else np.asarray(self._score(batch))

    def hear(self, loop: PreferenceLoop, fresh: Sequence[Label]) -> None:
        """Take note of how well the model foretells answers that it has not seen yet."""
        if not loop.model.fits or not fresh:
            return
        pairs = [loop.store.pair(label.pair) for label in fresh]
        sides = [stack([loop.store.segment(getattr(pair, side)) for pair in pairs]) for side in ("first", "second")]
        said = loop.model.probabilities(*sides).mean(0)
        chosen = np.array([TARGET[label.answer] for label in fresh])
        decided = chosen != 0.5
        foretold, expected = (said > 0.5) == (chosen > 0.5), np.maximum(said, 1.0 - said)
        self._foretold.append([float(part[decided].sum()) for part in (decided, foretold, expected)])

    def look(self, loop: PreferenceLoop, outcome: Round) -> None:
        """Add figures to a round's, and messages if something is wrong."""
        n = int(
            np.clip(NUMBERS // (self._segment * spaces.utils.flatdim(loop.model.inputs.observation_space)), LEAST, MOST)
        )
        draws = (loop.pool.draw(n, self._segment, self._rng, newest=newest) for newest in (NEWEST, 0))
        late, kept = (loop.pool.batch(spans) for spans in draws)
        self._first = kept if self._first is None else self._first
        if not loop.model.fits:
            return
        learned = learned_rewards(loop.model, late)
        outcome.figures["disagreement"] = spread(loop.model, late)
        if (true := self.true_rewards(late)) is not None:
            outcome.figures |= likeness(learned, true, late.lengths)
        for name, before in (("kept", kept), ("first", self._first)):
            outcome.figures[f"learned_above_{name}"] = above(learned, late, learned_rewards(loop.model, before), before)
            if true is not None and (other := self.true_rewards(before)) is not None:
                outcome.figures[f"true_above_{name}"] = above(true, late, other, before)
        self.history.append({"step": float(loop.step), **outcome.figures})
        self._sound(loop.step, outcome)

    def _sound(self, step: int, outcome: Round) -> None:
        """Raise the alarm if it is time."""
        late = self.history[-ROUNDS:] if len(self.history) >= ROUNDS else []
        risen = [name for name in FALL if late and all(row[f"learned_above_{name}"] >= RISE for row in late)]
        deceived = any(all(row.get(f"true_above_{name}", np.inf) <= FALL[name] for row in late) for name in risen)
        ranked = [row["rank_correlation_segment"] for row in late if "rank_correlation_segment" in row]
        reasons = {
            "what is meant does not rise with it": deceived,
            "ranks what the agent does the wrong way round": bool(risen and ranked and np.mean(ranked) <= REVERSED),
            "new answers are foretold worse than before": bool(risen) and self._agreement_fell(),
        }
        found = [reason for reason, holds in reasons.items() if holds]
        outcome.figures["alarm"] = float(bool(found))
        if found and not self.alarms:
            outcome.messages.append(
                f"Alarm at step {step:,}: the learned reward rises, and {found[0]}. Look at what the agent does, and "
                "at the most loved clips in preferences/audit.json: the model may love what only looks right."
            )
        if found:
            self.alarms.append(step)

    def _agreement_fell(self) -> bool:
        """Whether answers of late are foretold worse than those before, and than expected, and not by chance."""
        parts = [np.sum(rows, axis=0) for rows in (self._foretold[:-ROUNDS], self._foretold[-ROUNDS:]) if rows]
        if len(parts) < 2 or min(answers for answers, _, _ in parts) < ANSWERS:
            return False
        (before, of_before), (late, of_late) = ((foretold / n, _variance(foretold, n)) for n, foretold, _ in parts)
        answers, _, expected = parts[1]
        worse = late < before - 2.0 * np.sqrt(of_before + of_late)
        return bool(worse and late < expected / answers - 2.0 * np.sqrt(of_late))

    def get_state(self) -> dict[str, Any]:
        """A tree for ``training.checkpoint``."""
        return {
            "random": dict(self._rng.bit_generator.state),
            "foretold": [list(row) for row in self._foretold],
            "history": [dict(row) for row in self.history],
            "alarms": list(self.alarms),
            "first": None if self._first is None else list(self._first),
        }

    def set_state(self, state: dict[str, Any]) -> None:
        """Go back to what :meth:`get_state` gave."""
        self._rng.bit_generator.state = state["random"]
        self._foretold, self.history = state["foretold"], state["history"]
        self.alarms = state["alarms"]
        self._first = None if state["first"] is None else SegmentBatch(*state["first"])


def _variance(foretold: float, answers: float) -> float:
    """Of the share that is foretold; also where that is all or none (Agresti and Coull 1998 add two of each)."""
    share = (foretold + 2.0) / (answers + 4.0)
    return share * (1.0 - share) / (answers + 4.0)


def learned_rewards(model: RewardModel, batch: SegmentBatch) -> NDArray[np.float32]:
    """What the model says of each step, shape ``(n, length)``; steps past a segment's end mean nothing."""
    shape = batch.actions.shape[:2]
    return model.predict(*_steps(batch)).reshape(shape)


def spread(model: RewardModel, batch: SegmentBatch) -> float:
    """Mean standard deviation over the model's members, of the steps of segments."""
    inside = np.arange(batch.actions.shape[1]) < batch.lengths[:, None]
    return float(model.spread(*_steps(batch)).reshape(inside.shape)[inside].mean())


def _steps(batch: SegmentBatch) -> tuple[Any, NDArray[Any], NDArray[np.bool_]]:
    """All steps side by side: observations, actions, and which stand still."""

    def joined(array: NDArray[Any]) -> NDArray[Any]:
        return array.reshape(-1, *array.shape[2:])

    return map_tree(joined, batch.observations), joined(batch.actions), joined(batch.over)


def returns(rewards: NDArray[Any], batch: SegmentBatch) -> NDArray[np.float64]:
    """Sums over the segments, shape ``(n,)``."""
    inside = np.arange(rewards.shape[1]) < batch.lengths[:, None]
    return np.where(inside, rewards, 0.0).sum(1, dtype=np.float64)


def likeness(learned: NDArray[Any], true: NDArray[Any], lengths: NDArray[np.int64]) -> dict[str, float]:
    """Correlations of steps' rewards and of segments' returns; none of what does not vary.

    Args:
        learned: Rewards, shape ``(n, length)``.
        true: The same.
        lengths: Of segments, shape ``(n,)``.
    """
    inside = np.arange(learned.shape[1]) < lengths[:, None]
    sums = [np.where(inside, rewards, 0.0).sum(1, dtype=np.float64) for rewards in (learned, true)]
    return defined(
        {
            "correlation_step": correlation(learned[inside], true[inside]),
            "correlation_segment": correlation(*sums),
            "rank_correlation_segment": rank_correlation(*sums),
        }
    )


def above(one: NDArray[Any], late: SegmentBatch, two: NDArray[Any], before: SegmentBatch) -> float:
    """By how many standard deviations the mean return of some segments is above that of others.

    Args:
        one: Rewards of the former, shape ``(n, length)``.
        late: The former.
        two: Rewards of the latter, shape ``(m, length)``.
        before: The latter.
    """
    ours, theirs = returns(one, late), returns(two, before)
    deviation = float(np.std(np.concatenate([ours, theirs])))
    return float((ours.mean() - theirs.mean()) / deviation) if deviation > 0 else 0.0
