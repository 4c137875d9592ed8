"""Instances of the game: every one that the rules allow, and files of them.

The rules leave exactly 5,793 instances (ordered: first mover, second mover). They are enumerated here, so
no data file is needed; an instance is passed around as its index in :func:`universe`. Files of the
published ``selfplay.txt`` syntax and of OpenSpiel's are read into the same indices.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rlkit.envs.negotiation.rules import NUM_ITEMS, POOL_MAX, POOL_MIN, TOTAL_VALUE

Triple = tuple[int, int, int]

HELD_OUT_EVERY = 2  # every second class of mirrored instances is held out: enough of them for narrow intervals


class ScenarioError(ValueError):
    """An instance or a file of instances that breaks a rule."""


@dataclass(frozen=True)
class Scenario:
    """One instance: what is to be divided, and what it is worth to whom.

    Attributes:
        pool: Number of books, hats and balls.
        values: Points an item is worth, first for the player who moves first.

    Example:
        >>> Scenario((1, 2, 3), ((8, 1, 0), (4, 0, 2))).mirrored().values
        ((4, 0, 2), (8, 1, 0))
    """

    pool: Triple
    values: tuple[Triple, Triple]

    def mirrored(self) -> Scenario:
        """The same instance with the players' values swapped."""
        return Scenario(self.pool, (self.values[1], self.values[0]))

    @classmethod
    def checked(cls, pool: Sequence[int], values0: Sequence[int], values1: Sequence[int]) -> Scenario:
        """An instance that obeys every rule.

        Raises:
            ScenarioError: Naming the rule that is broken.
        """
        triples: list[Triple] = []
        for name, numbers in (("pool", pool), ("first values", values0), ("second values", values1)):
            if len(numbers) != NUM_ITEMS or any(int(n) != n or n < 0 for n in numbers):
                raise ScenarioError(f"{name} must be {NUM_ITEMS} whole numbers >= 0, got {tuple(numbers)}")
            triples.append((int(numbers[0]), int(numbers[1]), int(numbers[2])))
        scenario = cls(triples[0], (triples[1], triples[2]))
        if scenario not in _indices():
            raise ScenarioError(_broken_rule(scenario))
        return scenario


def _worth(pool: Triple, values: Triple) -> int:
    return sum(count * value for count, value in zip(pool, values, strict=True))


def _broken_rule(scenario: Scenario) -> str:
    """Which rule (Lewis et al. 2017, section 2.2) an instance outside the universe breaks."""
    pool, (first, second) = scenario.pool, scenario.values
    if min(pool) < 1:
        return f"every item must be there at least once, got pool {pool}"
    if not POOL_MIN <= sum(pool) <= POOL_MAX:
        return f"a pool holds {POOL_MIN} to {POOL_MAX} items, got {sum(pool)} in {pool}"
    for name, values in (("first", first), ("second", second)):
        if (worth := _worth(pool, values)) != TOTAL_VALUE:
            return f"the pool must be worth {TOTAL_VALUE} to each player, got {worth} with {name} values {values}"
    if any(a == b == 0 for a, b in zip(first, second, strict=True)):
        return f"no item may be worthless to both players, got values {first} and {second}"
    return f"at least one item must be valued by both players, got values {first} and {second}"


@cache
def universe() -> tuple[Scenario, ...]:
    """All 5,793 instances that obey the rules, in a fixed order (by pool, first values, second values)."""
    counts = range(1, POOL_MAX + 1)
    scenarios: list[Scenario] = []
    for pool in itertools.product(counts, counts, counts):
        if not POOL_MIN <= sum(pool) <= POOL_MAX:
            continue
        books, hats, balls = (range(TOTAL_VALUE // count + 1) for count in pool)
        valuations = [v for v in itertools.product(books, hats, balls) if _worth(pool, v) == TOTAL_VALUE]
        for first, second in itertools.product(valuations, repeat=2):
            pairs = list(zip(first, second, strict=True))
            if all(a or b for a, b in pairs) and any(a and b for a, b in pairs):
                scenarios.append(Scenario(pool, (first, second)))
    return tuple(scenarios)


@cache
def _indices() -> dict[Scenario, int]:
    return {scenario: index for index, scenario in enumerate(universe())}


def scenario_index(scenario: Scenario) -> int:
    """Index of an instance in :func:`universe`.

    Raises:
        ScenarioError: If the instance breaks a rule.
    """
    try:
        return _indices()[scenario]
    except KeyError:
        raise ScenarioError(_broken_rule(scenario)) from None


@cache
def _split() -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Train and test indices: mirrored instances stay together, every second class (hashed) is test."""
    test = []
    for index, scenario in enumerate(universe()):
        smaller = min(scenario.values)
        larger = max(scenario.values)
        key = 0
        for number in (*scenario.pool, *smaller, *larger):
            key = (key * 1_000_003 + number + 1) % 2_147_483_647  # fixed, so the split never changes
        if (key // 7) % HELD_OUT_EVERY == 0:
            test.append(index)
    held_out = np.array(test, dtype=np.int32)
    everything = np.arange(len(universe()), dtype=np.int32)
    return np.setdiff1d(everything, held_out).astype(np.int32), held_out


def load_scenarios(source: str | Path) -> NDArray[np.int32]:
    """Indices of the instances that a name or a file stands for.

    Args:
        source: ``"all"`` (5,793), ``"train"`` or ``"test"`` (a fixed split into halves, with mirrored
            instances on the same side), or the path of a file. In a file either every line is an instance in
            OpenSpiel's syntax, ``1,2,3 8,1,0 4,0,2`` (pool, first values, second values), or consecutive pairs of
            lines ``1 8 2 1 3 0`` (count and value, item by item) are the two players' contexts, as in the published
            ``selfplay.txt``. Repeated instances count as often as they stand there.

    Returns:
        Indices into :func:`universe`, shape ``(m,)`` int32.

    Raises:
        ScenarioError: If the file is missing, unreadable, empty, or a line breaks a rule (with its number).

    Example:
        >>> [len(load_scenarios(name)) for name in ("all", "train", "test")]
        [5793, 2916, 2877]
    """
    if str(source) == "all":
        return np.arange(len(universe()), dtype=np.int32)
    if str(source) in ("train", "test"):
        return _split()[0 if str(source) == "train" else 1].copy()
    return _read(Path(source).expanduser())


def _read(path: Path) -> NDArray[np.int32]:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not a text file"
        raise ScenarioError(
            f"cannot read scenarios from {str(path)!r}: {reason}. "
            "scenarios= takes 'all', 'train', 'test' or the path of a file"
        ) from error
    lines = [(number, line.strip()) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
    if not lines:
        raise ScenarioError(f"{path}: no scenarios: the file is empty")
    parse = _parse_openspiel if "," in lines[0][1] else _parse_selfplay
    return np.array(parse(path, lines), dtype=np.int32)


def _parse_openspiel(path: Path, lines: list[tuple[int, str]]) -> list[int]:
    indices = []
    for number, line in lines:
        if not re.fullmatch(r"\d+,\d+,\d+ +\d+,\d+,\d+ +\d+,\d+,\d+", line):
            raise ScenarioError(
                f"{path}, line {number}: expected 'pool values values' such as '1,2,3 8,1,0 4,0,2', got {line!r}"
            )
        pool, first, second = ([int(n) for n in part.split(",")] for part in line.split())
        indices.append(_checked_index(f"{path}, line {number}", pool, first, second))
    return indices


def _parse_selfplay(path: Path, lines: list[tuple[int, str]]) -> list[int]:
    contexts = []
    for number, line in lines:
        if not re.fullmatch(r"\d+( +\d+){5}", line):
            raise ScenarioError(
                f"{path}, line {number}: expected 'count value count value count value' such as '1 8 2 1 3 0', "
                f"or OpenSpiel's '1,2,3 8,1,0 4,0,2', got {line!r}"
            )
        numbers = [int(n) for n in line.split()]
        contexts.append((number, numbers[0::2], numbers[1::2]))
    if len(contexts) % 2:
        raise ScenarioError(f"{path}, line {contexts[-1][0]}: a context without a partner (lines come in pairs)")
    indices = []
    for (first_line, pool, first), (second_line, other_pool, second) in zip(
        contexts[0::2], contexts[1::2], strict=True
    ):
        if pool != other_pool:
            raise ScenarioError(
                f"{path}, lines {first_line} and {second_line}: the two players of a pair must see the same pool, "
                f"got {tuple(pool)} and {tuple(other_pool)}"
            )
        indices.append(_checked_index(f"{path}, lines {first_line} and {second_line}", pool, first, second))
    return indices


def _checked_index(where: str, pool: list[int], first: list[int], second: list[int]) -> int:
    try:
        return scenario_index(Scenario.checked(pool, first, second))
    except ScenarioError as error:
        raise ScenarioError(f"{where}: {error}") from error
