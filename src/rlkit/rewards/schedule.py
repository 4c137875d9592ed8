"""When labels are asked: a share before there is any learned reward, the rest at a falling rate."""

from __future__ import annotations

import math


class LabelSchedule:
    """How many labels are due at each step of a run.

    After the first ones, the rate at T environment steps goes with ``1 / (T + anneal)`` (Christiano et al. 2017,
    appendix A: 2e6 for MuJoCo; 5e6 for Atari, changed every 5e6 steps), scaled so that ``labels`` are asked by ``end``.

    Args:
        labels: Asked in all.
        first: Asked at ``start``.
        start: Environment steps before the first question.
        end: Steps by which all are asked.
        anneal: Steps; 0: one rate.
        stairs: Steps for which the rate stays the same; 0: it falls all the time.
        rounds: Of questions after the first, spread evenly.
    """

    def __init__(
        self, *, labels: int, first: int, start: int, end: int, anneal: int = 0, stairs: int = 0, rounds: int = 1
    ) -> None:
        self._labels, self._first, self._start, self._end = labels, first, start, max(end, start + 1)
        self._anneal, self._stairs = anneal, stairs
        self._every = max(1.0, (self._end - start) / rounds)
        self._whole = self._asked_at_rate_one(self._end)

    def due(self, step: int) -> int:
        """Labels that should have been asked by this step."""
        if step < self._start:
            return 0
        share = 1.0 if step >= self._end else self._asked_at_rate_one(step) / self._whole
        return self._first + round((self._labels - self._first) * share)

    def round_step(self, number: int) -> int:
        """Step from which a round is due, the first at ``start``; rounds go on after ``end``."""
        return self._start + math.ceil(number * self._every)

    def _asked_at_rate_one(self, step: int) -> float:
        """The rate's integral from the first question to a step."""
        if not self._anneal:
            return float(step - self._start)
        if not self._stairs:
            return math.log((step + self._anneal) / (self._start + self._anneal))
        total, here = 0.0, self._start
        while here < step:
            stair = here // self._stairs * self._stairs
            there = min(stair + self._stairs, step)
            total += (there - here) / (stair + self._anneal)
            here = there
        return total
