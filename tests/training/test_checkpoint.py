"""A checkpoint is a folder that is whole or absent, and gives back exactly what it was given."""

from __future__ import annotations

import errno
import json
import math
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch as th
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy

from rlkit.errors import UsageError
from rlkit.training import checkpoint
from rlkit.training.checkpoint import DamagedCheckpoint
from runs import assert_same

DTYPES = st.sampled_from(["float32", "float64", "int8", "int64", "uint8", "uint64", "bool"]).map(np.dtype)
ARRAYS = st_numpy.arrays(DTYPES, st_numpy.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4))
TENSORS = st.builds(
    lambda array, half: th.tensor(array.tolist(), dtype=th.bfloat16 if half else th.float32),
    st_numpy.arrays(
        np.float32, st_numpy.array_shapes(min_dims=0, max_dims=2, max_side=3), elements=st.floats(width=16)
    ),
    st.booleans(),
)
VALUES = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8), ARRAYS, TENSORS)
KEYS = st.one_of(st.text(max_size=6), st.integers(), st.tuples(st.integers(), st.text(max_size=3)))
TREES = st.recursive(
    VALUES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(KEYS, inner, max_size=4), st.lists(inner, max_size=3).map(tuple)
    ),
    max_leaves=12,
)


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(tree=st.dictionaries(st.text(max_size=6), TREES, max_size=5))
def test_gives_back_what_it_was_given(tree: dict[str, Any], tmp_path: Path) -> None:
    assert_same(checkpoint.load(checkpoint.save(tmp_path, 1, tree, keep=1)), tree)


def test_gives_back_records_and_shared_tensors(tmp_path: Path) -> None:
    """Structured arrays, views, and one tensor in two places."""
    games = np.zeros(3, dtype=[("pool", np.int16), ("offers", np.int8, (2, 3))])
    games["offers"][1] = [[1, 2, 3], [4, 5, 6]]
    shared = th.arange(6.0).reshape(2, 3)
    tree = {"games": games, "view": np.arange(10)[::3], "one": shared, "other": shared, "column": shared.T}
    loaded = checkpoint.load(checkpoint.save(tmp_path, 1, tree, keep=1))
    assert_same(loaded, tree)
    assert not loaded["one"].data_ptr() == loaded["other"].data_ptr()


@pytest.mark.parametrize("value", [np.array([object()]), object(), {1, 2}, len])
def test_code_and_objects_cannot_be_saved(value: Any, tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="cannot be kept"):
        checkpoint.save(tmp_path, 1, {"value": value}, keep=1)
    assert checkpoint.load_newest(tmp_path, print) is None


def steps(folder: Path) -> list[int]:
    return [checkpoint.load(path)["step"] for path in checkpoint.checkpoints(folder)]


def save(folder: Path, step: int, keep: int = 2) -> Path:
    return checkpoint.save(folder, step, {"step": step, "weights": th.full((50,), float(step))}, keep)


def test_the_newest_are_kept(tmp_path: Path) -> None:
    for step in (5, 1_000, 20, 999_999_999_999_999):
        save(tmp_path, step, keep=3)
    assert steps(tmp_path) == [5, 20, 999_999_999_999_999]
    assert len(list(tmp_path.iterdir())) == 3


def test_other_names_are_left_alone(tmp_path: Path) -> None:
    for name in ("step-notes", "step-1", "best"):
        (tmp_path / name).mkdir()
    (tmp_path / "step-000000000009").write_text("a file")
    save(tmp_path, 3)
    assert steps(tmp_path) == [3]
    assert len(list(tmp_path.iterdir())) == 5


def test_going_back_removes_what_was_later(tmp_path: Path) -> None:
    """Or a damaged checkpoint would stay the newest, and with keep=1 the only one."""
    for step in (100, 200, 300):
        save(tmp_path, step, keep=3)
    (tmp_path / "step-000000000300" / checkpoint.TENSORS).unlink()
    told: list[str] = []
    found = checkpoint.load_newest(tmp_path, told.append)
    assert found is not None and found[1]["step"] == 200
    assert len(told) == 1 and "step-000000000300" in told[0] and "Falling back" in told[0]
    save(tmp_path, 250, keep=1)
    assert steps(tmp_path) == [250]


def test_the_same_step_is_replaced(tmp_path: Path) -> None:
    (save(tmp_path, 7) / checkpoint.MANIFEST).unlink()
    save(tmp_path, 7)
    assert steps(tmp_path) == [7]
    assert len(list(tmp_path.iterdir())) == 1


def test_what_a_killed_process_left_is_no_obstacle(tmp_path: Path) -> None:
    """In a container every process may have the same id, and a resumed run comes to the same steps."""
    for name in (f".unfinished-{7:012d}", f".unfinished-{7:012d}-{os.getpid()}", ".unfinished-replaced"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "state.json").write_text("{")
    assert checkpoint.load_newest(tmp_path, print) is None
    save(tmp_path, 7)
    assert [path.name for path in tmp_path.iterdir()] == ["step-000000000007"]


@pytest.mark.parametrize("call", range(5))
def test_full_disk_leaves_what_was_there(call: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever it shows: in one of four files or in the folder."""
    save(tmp_path, 1, keep=1)
    calls = iter(range(100))

    def full(descriptor: int) -> None:
        if next(calls) == call:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UsageError, match=r"No space left on device.*Earlier checkpoints are untouched.*resume="):
        save(tmp_path, 2, keep=1)
    assert steps(tmp_path) == [1]
    assert len(list(tmp_path.iterdir())) == 1


def test_newer_format_is_no_damage(tmp_path: Path) -> None:
    """Falling back would throw away what a newer rlkit trained."""
    save(tmp_path, 1)
    manifest = save(tmp_path, 2) / checkpoint.MANIFEST
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "format": checkpoint.FORMAT + 1}))
    with pytest.raises(UsageError, match="has format 2, this rlkit reads up to 1: install the rlkit that wrote it"):
        checkpoint.load_newest(tmp_path, print)


def test_all_damaged_says_so(tmp_path: Path) -> None:
    for step in (1, 2):
        (save(tmp_path, step) / checkpoint.STATE).write_text("{}")
    told: list[str] = []
    with pytest.raises(DamagedCheckpoint, match=r"no checkpoint in .* is whole, and there are 2; the newest: .*000002"):
        checkpoint.load_newest(tmp_path, told.append)
    assert told == []  # nothing was fallen back to


def test_not_a_number_comes_back(tmp_path: Path) -> None:
    loaded = checkpoint.load(checkpoint.save(tmp_path, 1, {"a": math.nan, "b": -math.inf, "c": 2**127}, keep=1))
    assert math.isnan(loaded["a"]) and loaded["b"] == -math.inf and loaded["c"] == 2**127
