"""How long a label takes until it is on the disk, with twenty people; and what the page adds.

python benchmarks/labelling.py [--quick]

Prints one JSON object a line. Each annotator does what the page does: leases items, looks at
each, says a label, waits for its answer. Server and annotators share this
machine: the load, the server's processor seconds and what a sync of this disk takes stand beside.
Where there is a Chromium, a person in it presses keys, and the time from a key to the next
item on the screen is measured in the page.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import shutil
import statistics
import tempfile
import time
from pathlib import Path

import httpx

from service import pool_of, processor_seconds, server

ANNOTATORS = 20
LIMIT_MS = 100.0

# From the key to the frame after the next item is drawn; in the page's own clock.
WATCH = """() => {
  window.drawn = [];
  const item = document.querySelector('section.item');
  let began = null;
  addEventListener('keydown', () => (began = performance.now()), true);
  new MutationObserver(() => {
    if (began === null || !item.querySelector('figure figcaption')) return;
    const from = began;
    began = null;
    requestAnimationFrame(() => setTimeout(() => window.drawn.push(performance.now() - from)));
  }).observe(item, { childList: true, subtree: true });
}"""


class Annotator:
    """Somebody who labels as the page does.

    Args:
        url: Of the server.
        pool: Its id.
        number: His.
        pause: Mean seconds that he looks at an item.
    """

    def __init__(self, url: str, pool: str, number: int, pause: float) -> None:
        self._client = httpx.AsyncClient(base_url=url, timeout=60)
        self._path, self._name = f"/v1/pools/{pool}", f"annotator {number}"
        self._random, self._pause = random.Random(number), pause
        self.milliseconds: list[float] = []

    async def _post(self, what: str, body: object) -> httpx.Response:
        answer = await self._client.post(f"{self._path}/{what}", json=body)
        return answer.raise_for_status()

    async def work(self, labels: int) -> None:
        """Label so many items."""
        held: list[str] = []
        async with self._client:
            await asyncio.sleep(self._random.random() * self._pause)
            while len(self.milliseconds) < labels:
                if len(held) < 4:
                    ask = {"holder": self._name, "number": 8, "by": self._name}
                    page = (await self._post("leases", ask)).json()
                    held = [one["id"] for one in page["items"]]
                await self._label(held.pop(0))

    async def _label(self, item: str) -> None:
        (await self._client.get(f"{self._path}/content/{item}")).raise_for_status()
        await asyncio.sleep(self._pause * self._random.uniform(0.5, 1.5))
        said = {"id": item, "value": self._random.choice("abc"), "kind": "label"}
        began = time.perf_counter()
        await self._post("labels", {"by": self._name, "labels": [said]})
        self.milliseconds.append(1000 * (time.perf_counter() - began))


async def crowd(url: str, pool: str, labels: int, pause: float) -> list[float]:
    """Milliseconds of all labels of twenty annotators at once."""
    people = [Annotator(url, pool, number, pause) for number in range(ANNOTATORS)]
    await asyncio.gather(*(one.work(labels) for one in people))
    return [each for one in people for each in one.milliseconds]


def synced(folder: Path, times: int = 100) -> list[float]:
    """Milliseconds of writing 4 KiB to the disk: what no durable label can be faster than."""
    found = []
    with (folder / "probe").open("wb") as file:
        for _ in range(times):
            began = time.perf_counter()
            file.write(b"x" * 4096)
            file.flush()
            os.fsync(file.fileno())
            found.append(1000 * (time.perf_counter() - began))
    return found


def in_browser(url: str, pool: str, keys: int) -> list[float]:
    """Milliseconds from a key to the next item on the screen; [] where there is no Chromium."""
    chromium = os.environ.get("QUERIST_CHROMIUM") or shutil.which("chromium")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        chromium = None
    if chromium is None:
        return []
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(
            executable_path=chromium, chromium_sandbox=os.getuid() != 0
        )
        page = opened.new_page()
        page.goto(f"{url}/#/pools/{pool}")
        page.wait_for_selector("figure figcaption")
        page.evaluate(WATCH)
        for number in range(keys):
            page.wait_for_selector("figure figcaption")
            page.keyboard.press("123"[number % 3])
            page.wait_for_timeout(50)
        page.wait_for_timeout(500)
        found: list[float] = page.evaluate("window.drawn")
        opened.close()
    return found


def tell(case: str, milliseconds: list[float], **more: object) -> None:
    """One line."""
    parts = statistics.quantiles(milliseconds, n=100, method="inclusive")
    p95 = round(parts[94], 1)
    shown = {"n": len(milliseconds), "p50_ms": round(parts[49], 1), "p99_ms": round(parts[98], 1)}
    load = {"load": round(os.getloadavg()[0], 1)}
    line = {"case": case, "ours": p95, "limit": LIMIT_MS, "ratio": round(p95 / LIMIT_MS, 2)}
    print(json.dumps(line | shown | load | more), flush=True)


def main() -> None:
    """Measure, and tell."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    labels = 6 if parser.parse_args().quick else 40
    with tempfile.TemporaryDirectory() as home, server(Path(home)) as (url, pid):
        tell("sync of the disk", synced(Path(home)))
        with httpx.Client(base_url=url, timeout=60) as client:
            pool = pool_of(client, "texts", 2 * ANNOTATORS * (labels + 8) + 500)
            first = client.get(f"/v1/pools/{pool}/items", params={"limit": 3}).json()["items"]
            said = [
                {"id": one["id"], "value": name} for one, name in zip(first, "abc", strict=True)
            ]
            client.post(f"/v1/pools/{pool}/labels", json={"labels": said}).raise_for_status()
        for pause, case in ((1.0, "a label every second each"), (0.0, "without a pause")):
            used, began = processor_seconds(pid), time.perf_counter()
            found = asyncio.run(crowd(url, pool, labels, pause))
            seconds = time.perf_counter() - began
            tell(
                f"{ANNOTATORS} annotators, {case}: a label's round trip, p95 ms",
                found,
                labels_per_second=round(len(found) / seconds, 1),
                processor_s=round(processor_seconds(pid) - used, 2),
            )
        drawn = in_browser(url, pool, 30 if labels == 6 else 200)
        if drawn:
            tell("in Chromium: from a key to the next item on the screen, p95 ms", drawn)


if __name__ == "__main__":
    main()
