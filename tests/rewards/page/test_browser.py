"""The page in Chromium: what people see and press, and what of it reaches the disk."""

from __future__ import annotations

import base64
import io
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from rewards.lived import make_run
from rewards.page.browser import teach
from rewards.page.server import Server
from rewards.page.tab import DOWN, LEFT, RIGHT, UP, By, Keys, Tab, needs_chromium
from rewards.page.teach import answer
from rlkit.rewards.answers import Answer
from rlkit.rewards.clips import unpack
from rlkit.rewards.store import STORE, ComparisonStore

pytestmark = needs_chromium


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    run = make_run(tmp_path_factory.mktemp("run") / "run", pairs=150, budget=140)
    store = store_of(run)
    teach(store)
    store.close()
    found = Server(run, "port=0")
    yield found
    found.stop()


@pytest.fixture
def store(server: Server) -> Iterator[ComparisonStore]:
    found = store_of(server.run)
    yield found
    found.close()


@pytest.fixture
def tab(driver: Any, server: Server, store: ComparisonStore, request: pytest.FixtureRequest) -> Tab:
    """Somebody with a new name who has been through the lesson."""
    name = request.node.name.partition("[")[0][-38:].strip("_")
    store.note(f"lesson of {name}", {"agreed": 5})
    driver.get(server.link.replace("/?", "/nothing?"))
    driver.execute_script(f"localStorage.clear(); sessionStorage.clear(); localStorage['rlkit-label:name'] = '{name}'")
    driver.get(server.link)
    found = Tab(driver, store)
    found.ready()
    return found


def store_of(run: Path) -> ComparisonStore:
    return ComparisonStore(run / "preferences" / STORE)


def canvas(tab: Tab, side: str) -> Any:
    """Which frame is on a canvas, and its picture, shape (height, width, 3)."""
    frame, url = tab.run(f"(c => [Number(c.dataset.frame), c.toDataURL()])(document.getElementById('{side}'))")
    return frame, np.asarray(Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))).convert("RGB"))


def test_from_the_goal_to_the_last_pair(driver: Any, tmp_path: Path) -> None:
    server = Server(make_run(tmp_path / "run", pairs=7, budget=7), "port=0")
    store = store_of(server.run)
    driver.get(server.link)
    tab = Tab(driver, store)
    tab.until(lambda: tab.mode == "welcome")
    tab.write_goal("Ada", "")
    tab.until(lambda: "the goal is empty" in tab.text("welcome-error"))
    assert store.goal() is None
    tab.write_goal("", "Keep the pole upright.", "Moves little", "Leaves the track\nSpins")
    tab.explain(1, "")
    tab.until(lambda: "why" in tab.text("teach-error"))
    tab.driver.find_element(By.ID, "why").send_keys("It stays up longer.")
    tab.click("#teach-next")
    for number in range(2, 6):
        tab.explain(number, "It stays up longer.")
    tab.begin()
    goal = store.goal()
    assert goal is not None and goal.must_nots == ("Leaves the track", "Spins")
    assert [why for _, _, why in store.calibration()] == ["It stays up longer."] * 5
    for _ in range(7):
        tab.answer(RIGHT)
        for words in ("Keep the pole upright.", "Moves little", "Leaves the track", "Spins"):
            assert words in tab.text("goal")
    tab.until(lambda: tab.mode == "rest" and "All done" in tab.text("rest-title"))
    assert "7 of 7, 0 left" in tab.text("count")
    assert {label.annotator for label in store.labels()} == {"Ada"}
    tab.press("u")
    tab.ready()
    assert len(store.labels()) == 6
    assert not [entry for entry in driver.get_log("browser") if "Content Security Policy" in entry["message"]]
    store.close()
    server.stop()


def test_four_answers_by_key_and_by_mouse(tab: Tab) -> None:
    before = tab.store.newest()
    for key in (LEFT, RIGHT, UP, DOWN):
        tab.answer(key)
    for selector in ("#clips [data-choice=left]", "#clips [data-choice=right]", "#answers [data-choice=tie]"):
        tab.ready()
        count = len(tab.store.labels())
        tab.click(selector)
        tab.until(lambda count=count: len(tab.store.labels()) == count + 1)  # type: ignore[misc]
    labels = tab.store.labels(before)
    assert [label.answer.side(label.swapped) or label.answer for label in labels] == [
        "left", "right", Answer.TIE, Answer.CANT_TELL, "left", "right", Answer.TIE
    ]  # fmt: skip
    assert all(label.ms is not None and 250 <= label.ms < 60_000 for label in labels)
    assert tab.run("document.activeElement === document.body")  # space pauses, whatever was clicked


def test_undo_brings_the_pair_back(tab: Tab) -> None:
    before = tab.store.newest()
    tab.answer(LEFT)
    (label,) = tab.store.labels(before)
    tab.ready()
    tab.press("u")
    tab.until(lambda: not tab.store.labels(before))
    tab.until(lambda: "Taken back" in tab.text("last"))
    tab.answer(RIGHT)
    (again,) = tab.store.labels(before)
    assert again.pair == label.pair and again.answer.side(again.swapped) == "right"


def test_both_clips_show_the_same_frame_of_what_was_lived(tab: Tab, server: Server) -> None:
    ((pair, swapped),) = tab.store.rows("SELECT pair, swapped FROM leases WHERE lease = ?", tab.held()[0])
    sides = [tab.store.pair(pair).first, tab.store.pair(pair).second]
    cache = server.run / "preferences" / "page" / "clips"
    films = [unpack((cache / f"{segment}.clip").read_bytes()) for segment in (sides[::-1] if swapped else sides)]
    tab.press(" ")
    count = max(map(len, films))
    shown = []
    for _ in range(count):
        tab.press(".")
        for side, film in zip(("left", "right"), films, strict=True):
            frame, picture = canvas(tab, side)
            shown.append(frame)
            np.testing.assert_allclose(picture.astype(int), film[min(frame, len(film) - 1)], atol=8)
    assert shown[::2] == shown[1::2] and sorted(set(shown)) == list(range(count))
    paused = canvas(tab, "left")[0]
    tab.press(",")
    assert canvas(tab, "left")[0] == canvas(tab, "right")[0] == (paused - 1) % count
    time.sleep(0.3)
    assert canvas(tab, "left")[0] == (paused - 1) % count
    tab.press(" ")
    seen: list[int] = []

    def begun_anew() -> bool:
        left, right = tab.run("['left', 'right'].map(side => document.getElementById(side).dataset.frame)")
        assert left == right
        seen.append(int(left))
        return bool((np.diff(seen) < 0).any()) and len(set(seen)) > 2

    tab.until(begun_anew)
    tab.press("h")
    assert tab.run("document.getElementById('slow').getAttribute('aria-pressed')") == "true"


def test_keys_while_writing_or_reading_help_answer_nothing(tab: Tab) -> None:
    before = tab.store.newest()
    tab.press("?")
    tab.until(lambda: tab.driver.find_element(By.ID, "help").is_displayed())
    for key in (LEFT, UP, "u", "s"):
        tab.press(key)
    tab.press(Keys.ESCAPE)
    tab.until(lambda: not tab.driver.find_element(By.ID, "help").is_displayed())
    time.sleep(0.3)
    assert tab.store.newest() == before
    tab.answer(LEFT)


def test_a_reload_keeps_the_pair(tab: Tab) -> None:
    shown = tab.held()[0]
    tab.driver.refresh()
    tab.ready()
    assert tab.held()[0] == shown


def test_two_tabs_show_different_pairs(tab: Tab, server: Server) -> None:
    first, held = tab.driver.current_window_handle, set(tab.held())
    tab.driver.switch_to.new_window("tab")
    try:
        tab.driver.get(server.link)
        tab.ready()
        assert tab.held() and not held & set(tab.held())
        tab.answer(LEFT)
    finally:
        tab.driver.close()
        tab.driver.switch_to.window(first)
    tab.answer(RIGHT)


def test_answers_wait_while_the_server_is_away(tab: Tab, server: Server) -> None:
    before, port = tab.store.newest(), server.port
    clips = "performance.getEntriesByType('resource').filter(entry => entry.name.includes('/api/clip/')).length"
    tab.until(lambda: tab.run(clips) >= 6)  # three pairs
    server.stop(signal.SIGKILL)
    tab.press(LEFT)
    tab.ready()  # the next pair had been fetched ahead
    tab.press(RIGHT)
    tab.until(lambda: "2 answers are kept here" in tab.text("unsent"))
    assert tab.store.newest() == before
    server.start(f"port={port}")
    tab.until(lambda: len(tab.store.labels(before)) == 2)
    tab.until(lambda: tab.text("unsent") == "")
    assert [label.answer.side(label.swapped) for label in tab.store.labels(before)] == ["left", "right"]
    tab.answer(UP)


def test_unsent_answers_survive_a_closed_tab(tab: Tab, server: Server) -> None:
    before = tab.store.newest()
    link, port = server.link, server.port
    server.stop(signal.SIGKILL)
    tab.press(LEFT)
    tab.until(lambda: "1 answer is kept here" in tab.text("unsent"))
    tab.driver.get("about:blank")
    server.start(f"port={port}")
    assert server.link == link
    tab.driver.get(link)
    tab.until(lambda: len(tab.store.labels(before)) == 1)


def tell(tab: Tab, state: str, **more: Any) -> None:
    """Say how the training stands."""
    note = {"every_s": 5.0, "next_fit_s": None, "missing": 4, "last_fit": False, "starving": False}
    tab.store.note("training", note | {"time": time.time(), "state": state} | more)


def test_a_script_answers_until_the_training_is_over(tab: Tab) -> None:
    tell(tab, "learning")
    assert answer(tab, lambda segments: segments.rewards, 2) == 2
    tell(tab, "ended")
    tab.until(lambda: "training is over" in tab.text("effect"))
    assert answer(tab, lambda segments: segments.rewards, 9) == 1  # the pair on the screen
    tell(tab, "learning")  # for other tests


def test_how_training_stands_is_told(tab: Tab) -> None:
    for state, more, words in (
        ("waiting", {}, "waits for its first answers: 4 pairs to go"),
        ("learning", {"next_fit_s": 100.0}, "reach the agent in about 2 min"),
        ("learning", {"starving": True}, "less than half of the answers"),
        ("learning", {"last_fit": True}, "for the last time"),
        ("stopped", {}, "was stopped"),
        ("ended", {}, "training is over"),
    ):
        tell(tab, state, **more)
        tab.until(lambda words=words: words in tab.text("effect"))  # type: ignore[misc]
    tab.answer(LEFT)
    tab.until(lambda: tab.over)
    tab.click("#rest-on")
    tab.answer(RIGHT)
    tab.ready()
    tell(tab, "learning")  # for other tests


def test_a_phone_shows_everything_without_scrolling(tab: Tab) -> None:
    device = {"width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": True}
    tab.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", device)
    try:
        tab.driver.refresh()
        tab.ready()
        page = tab.run("[document.documentElement.scrollWidth, document.documentElement.scrollHeight]")
        assert page == [390, 844]
        for element in tab.driver.find_elements(
            By.CSS_SELECTOR, "#goal-text, #nots li, .clip, .answer, #undo, #skip, #play"
        ):
            box = element.rect
            assert element.is_displayed() and box["x"] >= 0 and box["x"] + box["width"] <= 390
            assert box["y"] + box["height"] <= 844
        above, below = (box.rect for box in tab.driver.find_elements(By.CSS_SELECTOR, ".clip"))
        assert above["width"] > 250 and above["y"] + above["height"] <= below["y"]  # twice as large as side by side
        for button in tab.driver.find_elements(By.CSS_SELECTOR, ".answer"):
            assert button.rect["height"] >= 44  # a thumb's
    finally:
        tab.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_words_stand_out(tab: Tab, scheme: str) -> None:
    """Contrast of at least 4.5 to 1 (WCAG 2.2, 1.4.3) between every text and what is behind it."""
    media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    tab.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
    tab.press("?")
    found = tab.driver.execute_script(CONTRASTS)
    assert len(found) > 20
    assert not {text: ratio for text, ratio in found if ratio < 4.5}
    tab.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


CONTRASTS = """
const linear = v => v / 255 <= .04045 ? v / 255 / 12.92 : ((v / 255 + .055) / 1.055) ** 2.4;
const luminance = rgb => [.2126, .7152, .0722].reduce((sum, share, k) => sum + share * linear(rgb[k]), 0);
const numbers = colour => colour.match(/[\\d.]+/g).map(Number);
const behind = element => {
    for (let e = element; e; e = e.parentElement) {
        const colour = numbers(getComputedStyle(e).backgroundColor);
        if (colour.length === 3 || colour[3] > .6) return colour;
    }
    return [255, 255, 255];
};
const says = e => e.offsetParent && [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim());
return [...document.querySelectorAll('body *')].filter(says).map(e => {
        const [one, other] = [numbers(getComputedStyle(e).color), behind(e)].map(luminance).sort((a, b) => b - a);
        return [e.innerText, (one + .05) / (other + .05)];
    });
"""
