"""Teachers that are scripts: the five of B-Pref (Lee et al. 2021, arXiv:2111.03026) and what is mixed of them.

Three things are other than in B-Pref's code, where they fail silently. Thresholds and rationality are relative to how
segments' returns are spread, not to the mean return, so that they work with negative rewards, and an answer is the
same whatever is added to all rewards or multiplies them. They are not multiplied twice by their share. An exact tie is
answered "tie", not "first".
"""

from __future__ import annotations

import importlib
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from rlkit.errors import UsageError
from rlkit.rewards.answers import Answer
from rlkit.rewards.segments import SegmentBatch
from rlkit.rewards.settings import TeacherConfig

Score = Callable[[SegmentBatch], NDArray[Any]]  # rewards of each step, (n, length), as a teacher sees them

WINDOW = 1_000  # segments of late whose returns tell what is usual
SAME = 1e-6  # standard deviations: what rounding makes of equal returns
TIRED = 0.1  # more mistakes, after `fatigue` answers
DRAWS = 4  # random numbers of each pair, whatever the teacher makes of them


class Teacher(Protocol):
    """Who answers without being a person.

    Attributes:
        name: Of the annotator in the store.
    """

    name: str

    def answer(self, first: SegmentBatch, second: SegmentBatch, swapped: NDArray[np.bool_]) -> list[Answer]:
        """Answers to pairs, in order.

        Args:
            first: One segment of each pair.
            second: The other.
            swapped: Whether the second one is shown on the left, shape ``(n,)``.
        """
        ...

    def get_state(self) -> dict[str, Any]:
        """All that decides how it answers from here on."""
        ...

    def set_state(self, state: dict[str, Any]) -> None:
        """Go back to what :meth:`get_state` gave."""
        ...


class ScriptedTeacher:
    """Answers by rewards, as well as its settings let it.

    In order, as B-Pref: a pair that is not worth judging is "can't tell"; else the segment with the higher return is
    chosen, or probably chosen; some choices are turned round; pairs that are nearly equal are a tie. Last, some answers
    look at the side alone.

    Args:
        config: Settings.
        seed: Of its own random stream.
        score: Rewards as it sees them; None: the task's.
    """

    def __init__(self, config: TeacherConfig, *, seed: int, score: Score | None = None) -> None:
        self.name = config.name
        self._settings = config.filled()
        self._score = score or _task_rewards
        self._rng = np.random.default_rng(seed)
        self._returns: deque[float] = deque(maxlen=WINDOW)
        self._judged: deque[float] = deque(maxlen=WINDOW)  # the same, late steps counting more
        self._answered = 0

    def answer(self, first: SegmentBatch, second: SegmentBatch, swapped: NDArray[np.bool_]) -> list[Answer]:
        """See :meth:`Teacher.answer`."""
        chosen = self._settings
        returns, judged = (np.stack(pair) for pair in zip(*map(self._measure, (first, second)), strict=True))
        self._returns.extend(returns.T.ravel().tolist())
        self._judged.extend(judged.T.ravel().tolist())
        draws = self._rng.random((len(swapped), DRAWS))

        apart = _relative(judged[0] - judged[1], self._judged)
        likely = 1.0 / (1.0 + np.exp(-np.clip(chosen["beta"] * apart, -500.0, 500.0)))
        is_first = draws[:, 0] < likely if chosen["beta"] else apart > 0.0
        is_first = is_first ^ (draws[:, 1] < self._mistakes(len(swapped)))
        is_tie = np.abs(apart) <= SAME
        if chosen["equal"]:
            is_tie |= np.abs(_relative(returns[0] - returns[1], self._returns)) < chosen["equal"]
        answers = np.where(is_tie, Answer.TIE, np.where(is_first, Answer.FIRST, Answer.SECOND))
        by_side = np.where((draws[:, 3] < chosen["lean"]) ^ swapped, Answer.FIRST, Answer.SECOND)
        answers = np.where(draws[:, 2] < chosen["lapse"], by_side, answers)
        if chosen["skip"]:
            poor = np.quantile(self._returns, chosen["skip"])
            answers = np.where((returns < poor).all(0), Answer.CANT_TELL, answers)
        self._answered += len(swapped)
        return [Answer(answer) for answer in answers.tolist()]

    def _measure(self, batch: SegmentBatch) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Returns of segments: plain, and as they are judged, each of shape ``(n,)``."""
        rewards = rewards_by(self._score, batch)
        left = batch.lengths[:, None] - 1 - np.arange(rewards.shape[1])  # steps until the end
        rewards = np.where(left >= 0, rewards, 0.0)
        return rewards.sum(1), (rewards * self._settings["gamma"] ** np.maximum(left, 0)).sum(1)

    def _mistakes(self, n: int) -> NDArray[np.float64]:
        """Chances that each of the next answers is turned round."""
        chance = np.full(n, float(self._settings["mistake"]))
        if self._settings["fatigue"]:
            chance += TIRED * (self._answered + np.arange(n)) / self._settings["fatigue"]
        return np.minimum(chance, max(0.5, self._settings["mistake"]))

    def get_state(self) -> dict[str, Any]:
        """See :meth:`Teacher.get_state`."""
        windows = {"returns": np.array(self._returns), "judged": np.array(self._judged)}
        return {"random": self._rng.bit_generator.state, "answered": self._answered, **windows}

    def set_state(self, state: dict[str, Any]) -> None:
        """See :meth:`Teacher.set_state`."""
        self._rng.bit_generator.state = state["random"]
        self._answered = state["answered"]
        self._returns = deque(state["returns"].tolist(), maxlen=WINDOW)
        self._judged = deque(state["judged"].tolist(), maxlen=WINDOW)


def _task_rewards(batch: SegmentBatch) -> NDArray[Any]:
    return batch.rewards


def _relative(differences: NDArray[np.float64], seen: deque[float]) -> NDArray[np.float64]:
    """Differences in standard deviations of what was seen; 0 where all that was seen is the same."""
    spread = float(np.std(seen))
    usual = float(np.max(np.abs(seen)))
    return differences / spread if spread > 1e-9 * usual else np.zeros_like(differences)


def rewards_by(score: Score, segments: SegmentBatch) -> NDArray[np.float64]:
    """What a score says of segments, shape ``(n, length)``.

    Raises:
        UsageError: If it gives another shape.
    """
    found = np.asarray(score(segments), dtype=np.float64)
    if found.shape != segments.rewards.shape:
        raise UsageError(f"a score gives an array of shape {segments.rewards.shape}, (n, length); got {found.shape}")
    return found


def load_score(path: str) -> Score:
    """The function that ``module:function`` names.

    Raises:
        UsageError: If there is none.
    """
    module, _, name = path.partition(":")
    try:
        found: Score = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise UsageError(
            f"reward.score={path} cannot be loaded ({error}): it must be module:function, in a module that Python finds"
        ) from error
    if not callable(found):
        raise UsageError(f"reward.score={path} is no function")
    return found
