"""DeepMind's use of the predictor: foresee many setpoints, drop what is forbidden or doubtful, take the best.

Of the eight safety mechanisms that they name (2018) this has the uncertainty estimation, the operator's rules and the
failover; the others wrap any controller.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from rlkit.agents.predictor.model import Prediction
from rlkit.agents.predictor.samples import AHEAD
from rlkit.errors import UsageError, nearest

OBJECTIVES = {"power": AHEAD.index("facility_power_kw"), "pue": AHEAD.index("pue")}
HOTTEST, COLDEST, PRESSURE = (AHEAD.index(name) for name in ("inlet_max_c", "inlet_min_c", "aisle_pressure_pa"))


class Foresight(Protocol):
    """What the search asks: a :class:`~rlkit.agents.predictor.model.Predictor`, or a stand-in."""

    heads: Any

    def hour_ahead(self, observed: NDArray[np.float64], setpoints: NDArray[np.float64]) -> Prediction:
        """The coming hour if these setpoints are held, a row for each pair of rows."""

    def tried(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Lowest and highest setpoints in the data it learned from, shape ``(actions,)`` each."""


class Fallback(Protocol):
    """A controller of the task, which acts where no candidate is left."""

    def reset(self, envs: Any, rows: NDArray[np.bool_]) -> None:
        """Be told that episodes have begun."""

    def act(self, envs: Any) -> NDArray[np.float32]:
        """Actions for all halls."""


class DefaultSetpoints:
    """The plant's default setpoints: the fallback that every plant has."""

    def reset(self, envs: Any, rows: NDArray[np.bool_]) -> None:
        """Nothing is remembered."""

    def act(self, envs: Any) -> NDArray[np.float32]:
        """The defaults."""
        return np.asarray(envs.default_actions(), dtype=np.float32)


@dataclass(frozen=True, kw_only=True)
class SearchSettings:
    """How setpoints are searched.

    Attributes:
        candidates: For each hall and step.
        objective: ``"power"``: facility power, whose integral is the bill; ``"pue"``: what DeepMind minimised, which a
            warmer hall lowers while the bill rises.
        inlet_c: Lowest and highest inlet that may be foreseen (ASHRAE TC 9.9, recommended).
        least_pressure_pa: Aisle pressure below which hot air comes round; None for no such limit.
        caution: Standard deviations of the prediction's error by which limits are kept.
        trust: Spread of the members that is accepted, in multiples of what 99 % of the training data stay below.
        move: Largest change of a setpoint in a step, as a share of its range.
        saving: A move must be foreseen to save this share, else the setpoints stay: wear for nothing is no saving.
    """

    candidates: int = 128
    objective: str = "power"
    inlet_c: tuple[float, float] = (18.0, 27.0)
    least_pressure_pa: float | None = 0.0
    caution: float = 2.0
    trust: float = 1.0
    move: float = 0.1
    saving: float = 0.0005

    def __post_init__(self) -> None:
        if self.objective not in OBJECTIVES:
            raise UsageError(f"unknown objective {self.objective!r}: {nearest(str(self.objective), OBJECTIVES)}")
        if self.candidates < 2:
            raise UsageError(f"a search needs at least 2 candidates, got {self.candidates}")
        for name, low, high in (
            ("caution", 0.0, 100.0),
            ("trust", 0.0, 1e9),
            ("move", 1e-6, 1.0),
            ("saving", 0.0, 1.0),
        ):
            if not low <= getattr(self, name) <= high:
                raise UsageError(f"{name} must be from {low} to {high}, got {getattr(self, name)}")


class SearchController:
    """A controller of cooling halls by search over a predictor's ensembles.

    Candidates are the setpoints in force, a move towards the fallback's, and points around those in force, each within
    the largest move and within what has been tried. A candidate is dropped if the hour's inlets or pressure come within
    ``caution`` standard deviations of a limit, or if the spread of the members on any output is larger than on the
    training data. The cheapest of the others is taken; where there is none, the setpoints go towards the fallback's, as
    fast as any move.

    Args:
        predictor: What foresees.
        settings: Of the search.
        fallback: The rule controller; None for the plant's default setpoints.
        seed: Of the candidates.

    Attributes:
        decisions: Of all halls since the last reset.
        fallbacks: How many of them the fallback made.
        dropped: Candidates dropped, by reason: ``limits``, ``doubt``.
    """

    def __init__(
        self,
        predictor: Foresight,
        settings: SearchSettings | None = None,
        fallback: Fallback | None = None,
        seed: int = 0,
    ) -> None:
        self.predictor = predictor
        self.settings = settings or SearchSettings()
        self.fallback = fallback or DefaultSetpoints()
        self._rng = np.random.default_rng(seed)
        self._current: NDArray[np.float64] = np.zeros((0, 0))
        self.decisions = self.fallbacks = 0
        self.dropped = {"limits": 0, "doubt": 0}

    def reset(self, envs: Any, rows: NDArray[np.bool_]) -> None:
        """Episodes have just begun in these halls: their plants run at the default setpoints."""
        default = envs.decode_actions(envs.default_actions())
        if self._current.shape != default.shape:
            self._current = default.copy()
        self._current[rows] = default[rows]
        self.fallback.reset(envs, rows)
        self.decisions = self.fallbacks = 0
        self.dropped = {"limits": 0, "doubt": 0}

    def act(self, envs: Any) -> NDArray[np.float32]:
        """The setpoints chosen for the coming step, as the environment takes them, shape ``(n, actions)``."""
        observed = np.asarray(envs.decode_observations(envs.observe()[0]), dtype=np.float64)
        rule = np.asarray(envs.decode_actions(self.fallback.act(envs)), dtype=np.float64)
        low, high = envs.setup.action_bounds()
        candidates = self._candidates(rule, np.asarray(high) - np.asarray(low))
        n, k, _ = candidates.shape
        seen = np.repeat(observed, k, axis=0)
        foreseen = self.predictor.hour_ahead(seen, candidates.reshape(n * k, -1))
        allowed = self._allowed(foreseen).reshape(n, k)
        price = foreseen.mean[:, OBJECTIVES[self.settings.objective]].reshape(n, k).astype(np.float64)
        price[:, 0] *= 1.0 - self.settings.saving  # the first is to stay as it is
        best = np.where(allowed, price, np.inf).argmin(axis=1)
        found: NDArray[np.bool_] = np.any(allowed, axis=1)
        self.decisions += n
        self.fallbacks += int((~found).sum())
        best[~found] = 1  # the move towards the rule's: a transfer is as smooth as any move
        self._current = candidates[np.arange(n), best]
        return np.asarray(envs.encode_actions(self._current), dtype=np.float32)

    def _candidates(self, rule: NDArray[np.float64], ranges: NDArray[np.float64]) -> NDArray[np.float64]:
        """Shape ``(n, candidates, actions)``: the setpoints in force first, then a move towards the rule's.

        The others stay where setpoints have been tried: beyond it members may agree and be wrong together.
        """
        current, span = self._current, ranges * self.settings.move
        n, actions = current.shape
        moves = self._rng.uniform(-1.0, 1.0, (n, self.settings.candidates, actions))
        alone = self._rng.integers(actions, size=(n, self.settings.candidates))  # half of them move one setpoint only
        several: NDArray[np.bool_] = np.equal(np.arange(self.settings.candidates) % 2, 1)
        chosen: NDArray[np.bool_] = np.equal(np.arange(actions), alone[:, :, None])
        keep = chosen | several[None, :, None]
        candidates: NDArray[np.float64] = np.clip(current[:, None] + moves * keep * span, *self.predictor.tried())
        candidates[:, 0] = current
        candidates[:, 1] = current + np.clip(rule - current, -span, span)
        return candidates

    def _allowed(self, foreseen: Prediction) -> NDArray[np.bool_]:
        """Which candidates are neither forbidden nor doubtful."""
        settings = self.settings
        margin = settings.caution * foreseen.sigma
        safe = foreseen.mean[:, HOTTEST] + margin[:, HOTTEST] <= settings.inlet_c[1]
        safe &= foreseen.mean[:, COLDEST] - margin[:, COLDEST] >= settings.inlet_c[0]
        if settings.least_pressure_pa is not None:
            safe &= foreseen.mean[:, PRESSURE] - margin[:, PRESSURE] >= settings.least_pressure_pa
        limit = self.predictor.heads["ahead"].spread_limit.numpy()
        sure = (foreseen.spread <= settings.trust * limit).all(axis=1)
        self.dropped["limits"] += int((~safe).sum())
        self.dropped["doubt"] += int((safe & ~sure).sum())
        return np.asarray(safe & sure)
