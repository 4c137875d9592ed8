"""Comparisons leave and come back whole, and foreign files cannot run code."""

from __future__ import annotations

import json
import pickle
import sys
import types
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gymnasium import spaces

from rewards.people import OBSERVATIONS, add_pairs, label_pairs, make_segment, new_store
from rlkit.errors import UsageError
from rlkit.rewards.answers import Answer, Goal
from rlkit.rewards.exchange import ABOUT, ANSWERS, SEGMENTS, export_comparisons, import_comparisons
from rlkit.rewards.imitation_pickle import import_imitation
from rlkit.rewards.segments import Segment
from rlkit.rewards.store import ComparisonStore
from runs import assert_same


def content(store: ComparisonStore) -> list[Any]:
    """All that answers say, without the numbers that a store gives."""
    found = []
    for label in store.labels():
        pair = store.pair(label.pair)
        sides = [vars(store.segment(side, clip=True)) for side in (pair.first, pair.second)]
        for side in sides:
            side["clip"] = side["clip"] and vars(side["clip"])
        about = {name: value for name, value in vars(pair).items() if name not in ("id", "first", "second")}
        said = {name: value for name, value in vars(label).items() if name not in ("id", "pair")}
        found.append([about, said, sides])
    return found


def filled(folder: Path) -> ComparisonStore:
    store = new_store(folder)
    label_pairs(store, 6)
    store.set_goal(Goal("run", ("upright",), ("fall",)))
    rng = np.random.default_rng(1)
    ended = [replace(make_segment(rng, clip=True), ended=True, still=still) for still in (4, 10)]
    pair = store.add_pair("seen", *(store.add_segment(film) for film in ended), swapped=True)
    store.record("a", pair, Answer.CANT_TELL, "ann", swapped=False, ms=800)
    store.record("b", pair, Answer.TIE, "ann", swapped=True)
    store.undo("u", 2)
    return store


def test_what_comes_back_is_what_left_and_is_not_doubled(tmp_path: Path) -> None:
    store = filled(tmp_path / "old")
    assert export_comparisons(store, tmp_path / "files") == 7
    path = tmp_path / "new.sqlite"
    for _ in range(2):
        assert import_comparisons(tmp_path / "files", path) == 7
    other = ComparisonStore(path)
    assert_same(content(other), content(store))
    assert other.goal() == store.goal() and len(other.pairs()) == 6
    assert sorted(file.name for file in (tmp_path / "files").iterdir()) == sorted([ABOUT, ANSWERS, SEGMENTS])


def test_files_that_know_of_no_standing_still_are_read_as_lived(tmp_path: Path) -> None:
    export_comparisons(filled(tmp_path / "old"), tmp_path)
    with np.load(tmp_path / SEGMENTS) as arrays:
        old = {name: array[:5] if name.endswith(".about") else array for name, array in arrays.items()}
    np.savez(tmp_path / SEGMENTS, **old)
    about = json.loads((tmp_path / ABOUT).read_text())
    (tmp_path / ABOUT).write_text(json.dumps({**about, "format": 1}))
    import_comparisons(tmp_path, tmp_path / "new.sqlite")
    store = ComparisonStore(tmp_path / "new.sqlite")
    sides = [store.segment(store.pairs()[-1].first), store.segment(store.pairs()[-1].second)]
    assert [(segment.ended, segment.still) for segment in sides] == [(True, 0), (True, 0)]


def test_a_store_keeps_its_goal_and_budget(tmp_path: Path) -> None:
    export_comparisons(filled(tmp_path / "old"), tmp_path / "files")
    own = new_store(tmp_path / "own", budget=7)
    own.set_goal(Goal("stand"))
    import_comparisons(tmp_path / "files", own.path)
    assert own.goal() == Goal("stand") and ComparisonStore(own.path).header.budget == 7
    assert own.goal(Goal("run", ("upright",), ("fall",)).digest) is not None


def test_dictionaries_leave_and_come_back(tmp_path: Path) -> None:
    space = spaces.Dict(a=OBSERVATIONS, b=spaces.Dict(c=spaces.Discrete(3)))
    store = new_store(tmp_path / "old", observation_space=space)
    plain = make_segment(np.random.default_rng(0))
    sides = [
        store.add_segment(Segment({"a": plain.observations, "b": {"c": np.full(10, k)}}, plain.actions, plain.rewards))
        for k in (1, 2)
    ]
    store.record("c", store.add_pair("p", *sides, swapped=False), Answer.FIRST, "ann")
    export_comparisons(store, tmp_path / "files")
    import_comparisons(tmp_path / "files", tmp_path / "new.sqlite")
    assert_same(content(ComparisonStore(tmp_path / "new.sqlite")), content(store))


@pytest.mark.parametrize("name", [ABOUT, ANSWERS, SEGMENTS])
def test_damaged_files_are_told(tmp_path: Path, name: str) -> None:
    export_comparisons(filled(tmp_path / "old"), tmp_path)
    (tmp_path / name).write_bytes(b'{"a": 1}\n')
    with pytest.raises(UsageError, match="no comparisons that can be read"):
        import_comparisons(tmp_path, tmp_path / "new.sqlite")


def test_newer_files_and_other_tasks_are_told(tmp_path: Path) -> None:
    export_comparisons(filled(tmp_path / "old"), tmp_path)
    other = new_store(tmp_path / "other", env_id="Other-v0")
    with pytest.raises(UsageError, match="another task"):
        import_comparisons(tmp_path, other.path)
    about = json.loads((tmp_path / ABOUT).read_text())
    (tmp_path / ABOUT).write_text(json.dumps({**about, "format": 99}))
    with pytest.raises(UsageError, match="newer format"):
        import_comparisons(tmp_path, tmp_path / "new.sqlite")


def pickled(monkeypatch: pytest.MonkeyPatch, path: Path, preferences: list[float]) -> list[Any]:
    """As imitation's ``PreferenceDataset.save`` writes it; the modules are gone when it is read."""
    for name in ("imitation", "imitation.data", "imitation.data.types", "imitation.algorithms"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    module = types.ModuleType("imitation.algorithms.preference_comparisons")
    monkeypatch.setitem(sys.modules, module.__name__, module)

    class TrajectoryWithRew:
        __module__ = "imitation.data.types"
        __qualname__ = "TrajectoryWithRew"

    class PreferenceDataset:
        __module__ = module.__name__
        __qualname__ = "PreferenceDataset"

    sys.modules["imitation.data.types"].TrajectoryWithRew = TrajectoryWithRew  # type: ignore[attr-defined]
    module.PreferenceDataset = PreferenceDataset  # type: ignore[attr-defined]
    rng = np.random.default_rng(0)
    fragments = []
    for _ in range(2 * len(preferences)):
        plain, fragment = make_segment(rng), TrajectoryWithRew()
        last = np.concatenate([plain.observations, plain.observations[-1:]])
        fragment.__dict__.update(obs=last, acts=plain.actions, infos=None, terminal=True, rews=plain.rewards)
        fragments.append(fragment)
    dataset = PreferenceDataset()
    sides = {"fragments1": fragments[::2], "fragments2": fragments[1::2]}
    dataset.__dict__.update(**sides, max_size=None, preferences=np.array(preferences, np.float32))
    path.write_bytes(pickle.dumps(dataset))
    for name in list(sys.modules):
        if name.startswith("imitation"):
            monkeypatch.delitem(sys.modules, name)
    return fragments


def test_comparisons_of_imitation_are_read_if_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, file = new_store(tmp_path), tmp_path / "preferences.pkl"
    fragments = pickled(monkeypatch, file, [1.0, 0.5, 0.0])
    with pytest.raises(UsageError, match="allow_pickle"):
        import_imitation(file, store, allow_pickle=False)
    for _ in range(2):
        assert import_imitation(file, store, allow_pickle=True) == 3
    assert [label.answer for label in store.labels()] == [Answer.FIRST, Answer.TIE, Answer.SECOND]
    first = store.segment(store.pairs()[0].first)
    np.testing.assert_array_equal(first.observations, fragments[0].obs[:-1])
    np.testing.assert_array_equal(first.rewards, fragments[0].rews)
    with pytest.raises(UsageError, match="another environment"):
        other = new_store(tmp_path / "other", observation_space=spaces.Box(-1, 1, (7,), np.float32))
        import_imitation(file, other, allow_pickle=True)
    with pytest.raises(UsageError, match="10 steps"):
        import_imitation(file, new_store(tmp_path / "short", segment=4), allow_pickle=True)


def test_a_pickle_with_code_runs_none(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> Any:
            return (Path.touch, (tmp_path / "ran",))

    file = tmp_path / "trap.pkl"
    file.write_bytes(pickle.dumps(Trap()))
    store = new_store(tmp_path)
    add_pairs(store, 1, np.random.default_rng(0))
    with pytest.raises(UsageError, match="no comparisons of imitation"):
        import_imitation(file, store, allow_pickle=True)
    assert not (tmp_path / "ran").exists() and not store.labels()
