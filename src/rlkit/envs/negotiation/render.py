"""A game as a picture and as text.

Both show a spectator's view: each offer with what it gives to either side, and in the end how good the deal was.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    pass
