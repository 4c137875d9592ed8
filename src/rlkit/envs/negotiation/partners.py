"""Who sits across the table: names, mixtures, saved runs and the user's own objects, as the kernel needs them."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from rlkit.envs.negotiation.kernel import FIRST_EXTERNAL
from rlkit.envs.negotiation.opponents import OPPONENTS


@dataclass(frozen=True)
class Turns:
    """The games in which a Python opponent is to move; m of them.

    Attributes:
        observations: What it sees, shape ``(m, 83 + max_turns)`` float32.
        action_masks: What it may do, shape ``(m, actions)`` bool.
        rows: Numbers of the games in the batch, shape ``(m,)``; a new game shows in the observation's number of offers.
        uniforms: One float in [0, 1) from each game's own random stream, shape ``(m,)``: an opponent that takes its
            chances from these plays the same in every batch.
    """

    observations: NDArray[np.float32]
    action_masks: NDArray[np.bool_]
    rows: NDArray[np.int64]
    uniforms: NDArray[np.float64]


@runtime_checkable
class Opponent(Protocol):
    """Anything that can sit across the table."""

    def act(self, turns: Turns) -> NDArray[np.integer]:
        """Actions for the games given, shape ``(m,)``; an illegal one ends that game without a deal."""
        ...


OpponentSpec = str | Path | Opponent | Mapping[str, float] | Sequence[Any]


@dataclass(frozen=True)
class Mixture:
    """Opponents to draw from, a new draw each game.

    Attributes:
        names: Of each entry.
        cumulative: Cumulative weights, the last is 1.
        bots: Kernel numbers of each entry.
        external: The Python objects; entry with kernel number ``FIRST_EXTERNAL + j`` is ``external[j]``.
    """

    names: tuple[str, ...]
    cumulative: NDArray[np.float64]
    bots: NDArray[np.int32]
    external: tuple[Opponent, ...]


def mixture(spec: OpponentSpec) -> Mixture:
    """The opponents that an ``opponent=`` argument stands for.

    Args:
        spec: A scripted bot's name; the path of a run or of its ``policy/``; an object with ``act``; a mapping
            of names or paths to weights; or a sequence of any of these with equal weights.

    Raises:
        ValueError: If a name is unknown (the nearest is given), a weight is not a number >= 0, or none is left.

    Example:
        >>> mixture({"boulware": 3, "linear": 1}).cumulative
        array([0.75, 1.  ])
    """
    if isinstance(spec, Mapping):
        entries: list[tuple[Any, float]] = list(spec.items())
    elif isinstance(spec, Sequence) and not isinstance(spec, str):
        entries = [(entry, 1.0) for entry in spec]
    else:
        entries = [(spec, 1.0)]
    names: list[str] = []
    weights: list[float] = []
    bots: list[int] = []
    external: list[Opponent] = []
    for entry, weight in entries:
        if isinstance(weight, bool) or not isinstance(weight, int | float) or not math.isfinite(weight) or weight < 0:
            raise ValueError(f"the weight of opponent {entry!r} must be a number >= 0, got {weight!r}")
        if isinstance(entry, str) and entry in OPPONENTS:
            bots.append(OPPONENTS.index(entry))
            names.append(entry)
        else:
            bots.append(FIRST_EXTERNAL + len(external))
            external.append(_external(entry))
            names.append(str(entry) if isinstance(entry, str | Path) else type(entry).__name__)
        weights.append(float(weight))
    if not weights or sum(weights) <= 0:
        raise ValueError(f"a mixture of opponents needs at least one weight > 0, got {spec!r}")
    cumulative = np.cumsum(weights) / np.sum(weights)
    cumulative[-1] = 1.0
    return Mixture(tuple(names), cumulative, np.array(bots, dtype=np.int32), tuple(external))


def _external(entry: Any) -> Opponent:
    if isinstance(entry, str | Path):
        if Path(entry).expanduser().exists():
            # The one place where an environment knows of agents, and only when it is asked to.
            from rlkit.agents.policy import load_policy

            return load_policy(Path(entry).expanduser())
        near = difflib.get_close_matches(str(entry), OPPONENTS, 1)
        raise ValueError(
            f"unknown opponent {str(entry)!r}{f', did you mean {near[0]!r}?' if near else ':'} "
            f"opponents are {', '.join(OPPONENTS)}, the path of a saved run, or an object with act(turns)"
        )
    if not isinstance(entry, Opponent):
        raise ValueError(f"an opponent is a name, a path, or an object with act(turns), got {entry!r}")
    return entry
