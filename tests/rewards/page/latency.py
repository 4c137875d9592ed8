"""How long people wait at the page, in Chromium: ``PYTHONPATH=tests python -m rewards.page.latency [Hopper-v5] [100]``.

Prints the time from the command's start to the first pair on the screen, and from the key of an answer to the next
pair on the screen: as people have it, and without the 120 ms for which the page shows what was chosen.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from rewards.lived import make_run
from rewards.page.browser import teach
from rewards.page.server import Server
from rewards.page.tab import LEFT, RIGHT, Tab, open_chromium
from rlkit.rewards.store import STORE, ComparisonStore

SHOWN_MS = 120.0  # FLASH_MS in main.js
LOOK_S = 1.0  # at a pair; people take 3 to 5 (Christiano et al. 2017)
LENGTH = 60  # steps of a clip
WATCH = """
window.waits = [];
let pressed = null;
addEventListener('keydown', () => { pressed = performance.now(); }, true);
new MutationObserver(() => {
    if (document.getElementById('stage').dataset.ready !== 'true' || pressed === null) return;
    const since = pressed;
    pressed = null;
    requestAnimationFrame(() => requestAnimationFrame(now => waits.push(now - since)));
}).observe(document.getElementById('stage'), {attributes: true, attributeFilter: ['data-ready']});
"""


def main(env_id: str = "Hopper-v5", answers: str = "100") -> None:
    """Measure and print."""
    count = int(answers)
    with tempfile.TemporaryDirectory() as folder:
        run = make_run(Path(folder) / "run", env_id, pairs=count + 10, length=LENGTH, budget=None)
        store = ComparisonStore(run / "preferences" / STORE)
        teach(store)
        store.note("lesson of Ada", {"agreed": 5})
        driver = open_chromium()
        began = time.monotonic()
        server = Server(run, "port=0")
        tab = Tab(driver, store)
        try:
            driver.get(server.link)
            driver.execute_script("localStorage['rlkit-label:name'] = 'Ada'")
            driver.get(server.link)
            tab.ready()
            first_s = time.monotonic() - began - 0.3  # which `ready` itself waits
            driver.execute_script(WATCH)
            for number in range(count):
                time.sleep(LOOK_S)
                tab.press(LEFT if number % 2 else RIGHT)
                tab.until(lambda number=number: len(tab.run("waits")) == number + 1)  # type: ignore[misc]
            waits = np.array(tab.run("waits"))
        finally:
            driver.quit()
            server.stop()
            store.close()
    print(f"{env_id}: first pair on the screen {first_s:.1f} s after the command began")
    for name, values in (("key to next pair", waits), ("without what is shown of the answer", waits - SHOWN_MS)):
        print(f"{name}: median {np.median(values):.0f} ms, 95th percentile {np.quantile(values, 0.95):.0f} ms")


if __name__ == "__main__":
    main(*sys.argv[1:])
