"""A person at the page, in Chromium."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from typing import Any

import pytest

from rlkit.rewards.store import ComparisonStore

webdriver = pytest.importorskip("selenium.webdriver", reason="Selenium is not installed")
from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.common.keys import Keys  # noqa: E402

CHROMIUM, DRIVER = (shutil.which(name) for name in ("chromium", "chromedriver"))
needs_chromium = pytest.mark.skipif(
    not (CHROMIUM and DRIVER), reason="Chromium is not here (Debian: apt-get install chromium chromium-driver)"
)
PATIENCE_S = 120.0
LEFT, RIGHT, UP, DOWN = Keys.ARROW_LEFT, Keys.ARROW_RIGHT, Keys.ARROW_UP, Keys.ARROW_DOWN


class Tab:
    """A person at the page.

    Args:
        driver: Of Chromium.
        store: What arrives.
    """

    def __init__(self, driver: Any, store: ComparisonStore) -> None:
        self.driver, self.store = driver, store

    def text(self, name: str) -> str:
        return str(self.driver.find_element(By.ID, name).text)

    def run(self, script: str) -> Any:
        return self.driver.execute_script(f"return {script}")

    def press(self, key: str) -> None:
        self.driver.find_element(By.TAG_NAME, "body").send_keys(key)

    def click(self, selector: str) -> None:
        self.driver.find_element(By.CSS_SELECTOR, selector).click()

    def until(self, condition: Callable[[], Any]) -> None:
        end = time.monotonic() + PATIENCE_S
        while not condition():
            assert time.monotonic() < end, self.run("document.body.innerText")
            time.sleep(0.02)

    @property
    def name(self) -> str:
        """Who sits here."""
        return str(self.run("localStorage['rlkit-label:name']"))

    @property
    def mode(self) -> str:
        return str(self.run("document.body?.dataset.mode"))

    @property
    def over(self) -> bool:
        """Whether nothing more is asked, since the training has ended."""
        return self.mode == "rest" and "The training is over" in self.text("rest-title")

    @property
    def asks(self) -> bool:
        """Whether it shows a pair."""
        return self.mode == "label" and self.run("document.getElementById('stage').dataset.ready") == "true"

    def ready(self) -> None:
        """Wait for a pair, and a moment: keys that come at once are taken for those of the pair before."""
        self.until(lambda: self.asks)
        time.sleep(0.3)

    def answer(self, key: str) -> None:
        """Press a key, and wait until its answer is on the disk and the pair is off the screen."""
        self.ready()
        before, lease = len(self.store.labels()), self.held()[0]
        self.press(key)
        self.until(lambda: len(self.store.labels()) == before + 1 and lease not in self.held())

    def write_goal(self, name: str, text: str, tie_breakers: str = "", must_nots: str = "") -> None:
        """Fill the first form, and send it."""
        self.until(lambda: self.mode == "welcome")
        for field, value in (("name", name), ("text", text), ("tie-breakers", tie_breakers), ("must-nots", must_nots)):
            self.driver.find_element(By.ID, field).send_keys(value)
        self.click("#welcome-next")

    def explain(self, number: int, why: str, of: int = 5) -> None:
        """Answer an example of the lesson, and say why."""
        self.until(lambda: self.text("teach-title") == f"Example {number} of {of}")
        self.until(lambda: self.run("document.getElementById('stage').dataset.ready") == "true")
        self.press(LEFT)
        self.until(lambda: self.driver.find_element(By.ID, "why").is_displayed())
        self.driver.find_element(By.ID, "why").send_keys(why)
        self.click("#teach-next")

    def begin(self) -> None:
        """The lesson is over."""
        self.until(lambda: self.text("teach-next") == "Begin")
        self.click("#teach-next")

    def held(self) -> list[str]:
        """The leases that this tab remembers, the one on the screen first."""
        found: list[str] = json.loads(self.run("Object.values({...sessionStorage})[0]"))
        return found


def open_chromium() -> Any:
    """Chromium without a screen; to be quit."""
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for argument in ("headless=new", "no-sandbox", "disable-gpu", "disable-dev-shm-usage", "window-size=1280,900"):
        options.add_argument(f"--{argument}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    return webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
