"""Trees as bytes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from rlkit.trees import COMPRESSED_FROM, from_bytes, to_bytes
from runs import assert_same

LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**130), 2**130),  # states of NumPy's generators are wider than 64 bits
    st.floats(allow_nan=False),
    st.text(),
    arrays.arrays(st.sampled_from([np.float32, np.uint8, np.int64, np.bool_]), arrays.array_shapes(min_dims=0)),
)
TREES = st.recursive(
    LEAVES, lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(st.text() | st.integers(), inner)
)


@settings(deadline=None)
@given(TREES)
def test_what_comes_back_is_what_went(tree: object) -> None:
    assert_same(from_bytes(to_bytes(tree)), tree)


def test_large_trees_take_little_room() -> None:
    assert len(to_bytes(np.zeros(4 * COMPRESSED_FROM, np.uint8))) < COMPRESSED_FROM


@pytest.mark.parametrize("tree", [np.array([object()]), {"a": object()}, {1: {2}}])
def test_objects_are_refused(tree: object) -> None:
    with pytest.raises(TypeError):
        to_bytes(tree)


def test_code_is_not_loaded() -> None:
    with pytest.raises(ValueError):
        from_bytes(b"\x80\x04K\x01.")
