"""What a browser sends, read with suspicion."""

from __future__ import annotations

import json
import re
from typing import Any

from rlkit.rewards.settings import TEACHERS

MOST_BYTES = 16_384
LARGEST_ID = 2**63 - 1  # SQLite's
LONGEST_MS = 3_600_000  # who takes longer was away
NAME = re.compile(r"[^\W_](?:[\w .'-]{0,38}[\w.])?")
CLIENT_ID = re.compile(r"[A-Za-z0-9_-]{8,64}")


class BadRequest(ValueError):
    """Something in a request is not as it must be; the message says what."""


class Body:
    """A JSON object.

    Args:
        data: As it came.

    Raises:
        BadRequest: If it is none.
    """

    def __init__(self, data: bytes) -> None:
        try:
            found = json.loads(data)
        except (ValueError, RecursionError):
            raise BadRequest("the body is not JSON") from None
        if not isinstance(found, dict):
            raise BadRequest("the body is not a JSON object")
        self._fields: dict[str, Any] = found

    def text(self, key: str, longest: int = 2_000) -> str:
        """A text without blanks around it."""
        return _text(key, self._fields.get(key), longest)

    def texts(self, key: str, most: int = 20, longest: int = 300) -> tuple[str, ...]:
        """A list of texts; empty ones are left out."""
        found = self._fields.get(key)
        if not isinstance(found, list) or len(found) > most:
            raise BadRequest(f"{key} must be a list of at most {most} texts")
        return tuple(filter(None, (_text(key, one, longest) for one in found)))

    def number(self, key: str, most: int = LARGEST_ID) -> int:
        """A whole number from 0."""
        found = self._fields.get(key)
        if not isinstance(found, int) or isinstance(found, bool) or not 0 <= found <= most:
            raise BadRequest(f"{key} must be a whole number from 0 to {most}")
        return found

    def duration_ms(self) -> int | None:
        """How long an answer took; None if the browser does not know."""
        if self._fields.get("ms") is None:
            return None
        return min(self.number("ms"), LONGEST_MS)

    def annotator(self) -> str:
        """Who answers: a name, not a login."""
        return check_annotator(self.text("annotator", 40))

    def client(self) -> str:
        """The browser's name for an act, by which it may say it again."""
        found = self.text("client", 64)
        if not CLIENT_ID.fullmatch(found):
            raise BadRequest("client must be 8 to 64 of A-Z, a-z, 0-9, _ and -")
        return found

    def choice(self, key: str, allowed: tuple[str, ...]) -> str:
        """One of some words."""
        found = self._fields.get(key)
        if found not in allowed:
            raise BadRequest(f"{key} must be one of {', '.join(allowed)}")
        return str(found)


def check_annotator(name: str) -> str:
    """The name, if a person may have it.

    Raises:
        BadRequest: If not.
    """
    if not NAME.fullmatch(name):
        raise BadRequest(
            "a name has up to 40 letters, digits and blanks, . ' - within, and begins with a letter or digit"
        )
    if name.lower() in TEACHERS:
        raise BadRequest(f"{name!r} is the name of a scripted teacher: choose another")
    return name


def _text(key: str, found: Any, longest: int) -> str:
    if not isinstance(found, str) or len(found) > longest:
        raise BadRequest(f"{key} must be a text of at most {longest} characters")
    if any(0xD800 <= ord(c) <= 0xDFFF or (ord(c) < 32 and c not in "\n\t") or ord(c) == 127 for c in found):
        raise BadRequest(f"{key} has characters that are none")
    return found.strip()
