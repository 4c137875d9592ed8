"""Comparisons as files that anybody can read, and back.

A folder with three files:

- ``store.json``: ``format``, and what all segments have in common: ``env_id``, ``env_kwargs``, ``observation_space``,
  ``action_space``, ``segment`` (steps at most), ``fps``, ``budget``; and ``goals``, each with its ``digest``.
- ``comparisons.jsonl``: a line for each answer that counts, oldest first: ``pair`` (its key), ``first`` and ``second``
  (numbers of segments), ``answer`` (``first``, ``second``, ``tie``, ``cant_tell``: of the pair, not of the screen),
  ``annotator``, ``swapped`` (whether the second was on the left), ``ms``, ``goal`` (digest), ``created`` (seconds since
  the epoch), ``client``; and of the pair ``pair_swapped``, ``uniform``, ``kind``, ``round``, ``step``, ``score``.
- ``segments.npz``: for segment 7, ``7.observations`` (of dictionaries ``7.observations.<key>``), ``7.actions``,
  ``7.rewards``, each with the step first, and ``7.about``: row, episode, start, step, ended, still (how many of its
  last steps stand still after the episode's end; format 1 has no such number, which is read as 0). ``7.clip`` is what
  renders it, in the form of :func:`rlkit.trees.to_bytes`. To be read with ``allow_pickle=False``.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from rlkit.errors import UsageError
from rlkit.files import write_atomically
from rlkit.rewards.answers import Answer, Goal
from rlkit.rewards.header import Header
from rlkit.rewards.segments import Clip, Segment, Tree
from rlkit.rewards.store import ComparisonStore
from rlkit.trees import from_bytes, to_bytes

FORMAT = 2
ABOUT, ANSWERS, SEGMENTS = "store.json", "comparisons.jsonl", "segments.npz"
_ABOUT = ("row", "episode", "start", "step", "ended", "still")
_PAIR = ("uniform", "kind", "round", "step", "score")


def export_comparisons(store: ComparisonStore, folder: Path) -> int:
    """Write all answers that count, and their segments.

    Args:
        store: Of the comparisons; people may go on answering.
        folder: Made if it is not there.

    Returns:
        How many answers were written.

    Raises:
        OSError: If it cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    labels = store.labels()
    clients = dict(store.rows("SELECT id, client FROM answers"))
    lines, used = [], set()
    for label in labels:
        pair = store.pair(label.pair)
        used |= {pair.first, pair.second}
        told = {name: getattr(label, name) for name in ("annotator", "swapped", "ms", "goal", "created")}
        about = {name: getattr(pair, name) for name in _PAIR} | {"pair_swapped": pair.swapped}
        sides = {"pair": pair.key, "first": pair.first, "second": pair.second, "answer": label.answer.value}
        lines.append(json.dumps({**sides, **told, **about, "client": clients[label.id]}))
    unfinished = folder / f".{SEGMENTS}.unfinished"
    with zipfile.ZipFile(unfinished, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as file:
        for number in sorted(used):  # one after the other: there may be more than memory holds
            for name, array in _arrays(store.segment(number, clip=True)).items():
                with file.open(f"{number}.{name}.npy", "w", force_zip64=True) as member:
                    np.lib.format.write_array(member, np.ascontiguousarray(array), allow_pickle=False)
    unfinished.replace(folder / SEGMENTS)
    goals = {label.goal: store.goal(label.goal) for label in labels if label.goal}
    told_goals = [{"digest": digest, **asdict(goal)} for digest, goal in goals.items() if goal is not None]
    write_atomically(folder / ANSWERS, "".join(f"{line}\n" for line in lines))
    header = {"format": FORMAT, **store.header.to_plain(), "goals": told_goals}
    write_atomically(folder / ABOUT, json.dumps(header, indent=2) + "\n")
    return len(lines)


def import_comparisons(folder: Path, path: Path) -> int:
    """Take in what :func:`export_comparisons` wrote; what is there already is not doubled.

    Args:
        folder: Read.
        path: Of the store; made if it is not there.

    Returns:
        How many answers were read.

    Raises:
        UsageError: If something is missing, damaged, of a newer format, or of another task than the store.
    """
    try:
        about = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
        if about.pop("format") > FORMAT:
            raise UsageError(f"{folder} has a newer format than {FORMAT}: install the rlkit that wrote it")
        goals = about.pop("goals")
        header = Header.from_plain(about)
        lines = [json.loads(line) for line in (folder / ANSWERS).read_text(encoding="utf-8").splitlines()]
        if path.exists():
            with ComparisonStore(path) as there:
                header = replace(header, budget=there.header.budget)
        with ComparisonStore.create(path, header) as store, np.load(folder / SEGMENTS, allow_pickle=False) as arrays:
            with store.transaction():
                _add_goals(store, goals)
                _read(store, lines, arrays)
    except UsageError:
        raise
    except Exception as error:  # whatever the parsers make of files that somebody changed
        raise UsageError(f"{folder} holds no comparisons that can be read: {error!r}") from error
    return len(lines)


def _add_goals(store: ComparisonStore, goals: list[dict[str, Any]]) -> None:
    """Make goals known; the store's own stays the present one, if it has one."""
    own = store.goal()
    for told in goals:
        goal = Goal(told["text"], tuple(told["tie_breakers"]), tuple(told["must_nots"]))
        if store.goal(goal.digest) is None:
            store.set_goal(goal)
    if own is not None and store.goal() != own:
        store.set_goal(own)


def _read(store: ComparisonStore, lines: list[dict[str, Any]], arrays: Mapping[str, NDArray[Any]]) -> None:
    numbers: dict[int, int] = {}
    for line in lines:
        for number in (line["first"], line["second"]):
            if number not in numbers:
                numbers[number] = store.add_segment(_segment(arrays, number, store.header.observation_space))
        about = {name: line[name] for name in _PAIR} | {"swapped": line["pair_swapped"]}
        pair = store.add_pair(line["pair"], numbers[line["first"]], numbers[line["second"]], **about)
        told = {name: line[name] for name in ("swapped", "ms", "goal", "created")}
        store.record(line["client"], pair, Answer(line["answer"]), line["annotator"], **told)


def _arrays(segment: Segment) -> dict[str, NDArray[Any]]:
    found = {".".join(("observations", *path)): array for path, array in _leaves(segment.observations)}
    found |= {"actions": segment.actions, "rewards": segment.rewards}
    found["about"] = np.array([int(getattr(segment, name)) for name in _ABOUT])
    if segment.clip is not None:
        found["clip"] = np.frombuffer(to_bytes(vars(segment.clip)), np.uint8)
    return found


def _segment(arrays: Mapping[str, NDArray[Any]], number: int, observation_space: spaces.Space[Any]) -> Segment:
    def observed(space: spaces.Space[Any], name: str) -> Tree:
        if isinstance(space, spaces.Dict):
            return {key: observed(part, f"{name}.{key}") for key, part in space.spaces.items()}
        return arrays[name]

    about: dict[str, Any] = dict(zip(_ABOUT, arrays[f"{number}.about"].tolist(), strict=False))
    about["ended"] = bool(about["ended"])
    clip = Clip(**from_bytes(arrays[f"{number}.clip"].tobytes())) if f"{number}.clip" in arrays else None
    seen = observed(observation_space, f"{number}.observations")
    return Segment(seen, arrays[f"{number}.actions"], arrays[f"{number}.rewards"], clip=clip, **about)


def _leaves(tree: Tree, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], NDArray[Any]]]:
    if isinstance(tree, dict):
        for key, part in tree.items():
            yield from _leaves(part, (*path, key))
    else:
        yield path, tree
