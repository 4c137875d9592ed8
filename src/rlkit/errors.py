"""Mistakes that a user can mend, told in one message instead of a traceback."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class UsageError(ValueError):
    """What was asked for cannot be done; the message says what was got, what is allowed, and what to do."""


def nearest(name: str, allowed: Iterable[str]) -> str:
    """The end of an error about a name: the nearest allowed one, and all of them.

    Args:
        name: What was got.
        allowed: What there is.

    Returns:
        Text to put behind the complaint.

    Example:
        >>> nearest("pppo", ["dqn", "ppo"])
        "did you mean 'ppo'? (there are: dqn, ppo)"
    """
    names = sorted(allowed)
    close = difflib.get_close_matches(str(name), names, 1)
    listed = ", ".join(names) or "none"
    return f"did you mean {close[0]!r}? (there are: {listed})" if close else f"there are: {listed}"
