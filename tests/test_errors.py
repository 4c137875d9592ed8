"""Errors name the nearest right one, and all that is allowed."""

from __future__ import annotations

import pytest

from rlkit.errors import UsageError, nearest


def test_nearest_is_named_first() -> None:
    assert nearest("negotation", ["gym", "negotiation"]) == "did you mean 'negotiation'? (there are: gym, negotiation)"


def test_nothing_near_lists_all() -> None:
    assert nearest("xyz", ["b", "a"]) == "there are: a, b"
    assert nearest("xyz", []) == "there are: none"


def test_other_things_than_text_can_be_wrong_too() -> None:
    assert nearest(3, {"33": 1, "a": 2}).startswith("did you mean '33'")  # type: ignore[arg-type]


def test_mistakes_are_value_errors() -> None:
    """Who uses the package from Python catches what Python raises."""
    with pytest.raises(ValueError, match="so"):
        raise UsageError("so")
