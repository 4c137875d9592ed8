"""Chromium, for the tests of the page."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest


@pytest.fixture(scope="module")
def driver() -> Iterator[Any]:
    from rewards.page.tab import open_chromium

    found = open_chromium()
    yield found
    found.quit()
