"""`Bulletin`: what a trainer tells the people who answer, through the store's blackboard."""

from __future__ import annotations

import time
from collections import deque
from typing import Any

from rlkit.rewards.store import ComparisonStore

TRAINING = "training"  # the note's name
EXPLORING, WAITING, LEARNING, STOPPED, ENDED = "exploring", "waiting", "learning", "stopped", "ended"
EVERY_S = 5.0
PACE_NOTES = 12  # how many notes back the pace is measured from: a minute, if iterations are short


class Bulletin:
    """Writes the note, and knows the pace of training of late, fits and evaluations included, waiting left out.

    Args:
        store: Of the comparisons.
        steps: Environment steps of the whole run.
    """

    def __init__(self, store: ComparisonStore, steps: int) -> None:
        self._store, self._steps = store, steps
        self._marks: deque[tuple[float, int]] = deque(maxlen=PACE_NOTES)  # of notes: time, step
        self._noted_at: float | None = None

    @property
    def due(self) -> bool:
        """Whether people have heard nothing for a while."""
        return self._noted_at is None or time.monotonic() - self._noted_at > EVERY_S

    def note(self, state: str, step: int, fit_step: int, **more: Any) -> None:
        """Tell how the run stands.

        Args:
            state: ``exploring`` (before the first questions), ``waiting`` (for the answers to these), ``learning``,
                ``stopped``, or ``ended``.
            step: Environment steps lived.
            fit_step: Step of the next round, whose fit learns what is answered until then.
            more: Further fields.
        """
        now = time.monotonic()
        if state == WAITING:
            self._marks.clear()
        else:
            self._marks.append((now, step))
        self._store.note(
            TRAINING,
            {
                "state": ENDED if step >= self._steps else state,
                "time": time.time(),
                "every_s": 0.0 if self._noted_at is None else now - self._noted_at,
                "step": step,
                "steps": self._steps,
                "next_fit_s": self._seconds_to(fit_step),
                "last_fit": fit_step > self._steps,  # it is done: none comes in this run
                **more,
            },
        )
        self._noted_at = now

    def _seconds_to(self, step: int) -> float | None:
        """Seconds until a step, at the pace of late; None: not known."""
        if not self._marks:
            return None
        (began_s, first), (now_s, last) = self._marks[0], self._marks[-1]
        if last == first:
            return None
        return max(0, step - last) * (now_s - began_s) / (last - first)
