"""How soon the page is there, and how smoothly a pool's items and its map move.

python benchmarks/page.py [--quick]

Drives a Chromium without a window (QUERIST_CHROMIUM, or `chromium`), each time with an empty cache.
Server and browser share this machine, and pictures are drawn by the processor. One JSON object a
line; milliseconds, and the load beside them.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from service import pool_of, server, wait

FIRST_PAINT_MS = 1000
PAINTED = """() => new Promise((done) => {
  const look = () => {
    const [paint] = performance.getEntriesByName("first-contentful-paint");
    if (paint) done(paint.startTime); else setTimeout(look, 5);
  };
  look();
})"""
# Scrolls from the top to the end in so many frames; the time between each two.
SCROLL = """(frames) => new Promise((done) => {
  const list = document.querySelector(".grid"), between = [];
  let before = 0, most = 0;
  const step = (now) => {
    if (before) between.push(now - before);
    before = now;
    most = Math.max(most, list.querySelectorAll("li").length);
    list.scrollTop = (list.scrollHeight * between.length) / frames;
    if (between.length < frames) requestAnimationFrame(step); else done({ between, most });
  };
  requestAnimationFrame(step);
})"""
# Turns the wheel over the map once a frame: each redraws all points.
ZOOM = """(frames) => new Promise((done) => {
  const canvas = document.querySelector("canvas"), between = [];
  let before = 0;
  const step = (now) => {
    if (before) between.push(now - before);
    before = now;
    const deltaY = between.length % 2 ? 1 : -1;
    canvas.dispatchEvent(new WheelEvent("wheel", { deltaY, cancelable: true }));
    if (between.length < frames) requestAnimationFrame(step); else done({ between });
  };
  requestAnimationFrame(step);
})"""


@contextmanager
def browser() -> Iterator[Any]:
    """A Chromium."""
    from playwright.sync_api import sync_playwright

    found = os.environ.get("QUERIST_CHROMIUM") or shutil.which("chromium")
    if not found:
        raise SystemExit("This needs a Chromium: sh tools/chromium.sh python benchmarks/page.py")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(
            executable_path=found, chromium_sandbox=os.getuid() != 0
        )
        yield opened
        opened.close()


def tell(case: str, values: list[float], limit: float | None = None, **more: object) -> None:
    """One line: the median, and the worst of them all."""
    ours = {"p50_ms": round(statistics.median(values), 1), "worst_ms": round(max(values), 1)}
    if len(values) >= 20:
        ours["p95_ms"] = round(statistics.quantiles(values, n=20)[18], 1)
    line: dict[str, object] = {"case": case, "ours": ours, "times": len(values)}
    if limit:
        line |= {"limit": limit, "ratio": round(ours["p50_ms"] / limit, 3)}
    print(json.dumps({**line, "load": round(os.getloadavg()[0], 1), **more}), flush=True)


def first_paint(opened: Any, url: str, case: str, seen: str, times: int) -> None:
    """Until something, and until what was asked for is seen; nothing is in the browser's cache."""
    painted, there = [], []
    for _ in range(times):
        context = opened.new_context(viewport={"width": 1280, "height": 800})
        page = context.new_page()
        page.goto(url)
        painted.append(page.evaluate(PAINTED))
        page.wait_for_selector(seen)
        there.append(page.evaluate("performance.now()"))
        context.close()
    tell(f"{case}: first paint", painted, FIRST_PAINT_MS)
    tell(f"{case}: content", there)


def moving(opened: Any, url: str, seen: str, script: str, frames: int) -> dict[str, Any]:
    """What a script says that moves something."""
    page = opened.new_page(viewport={"width": 1280, "height": 800})
    page.goto(url)
    page.wait_for_selector(seen)
    page.wait_for_timeout(1000)
    said: dict[str, Any] = page.evaluate(script, frames)
    page.close()
    return said


def main() -> None:
    """Run all cases."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    items, times, frames = (1_000, 3, 60) if quick else (10_000, 9, 600)
    with tempfile.TemporaryDirectory() as folder, server(Path(folder)) as (url, _):
        with httpx.Client(base_url=url, timeout=120) as client:
            pool = pool_of(client, "texts", items)
            wait(client, client.post(f"/v1/pools/{pool}/maps", json={}).json()["id"])
        here = f"{url}/#/pools/{pool}"
        with browser() as opened:
            first_paint(opened, f"{url}/#/pools", "list of pools", "table", times)
            first_paint(opened, here, "labelling", "figure", times)
            first_paint(opened, f"{here}/items", f"{items} items", ".words", times)
            first_paint(opened, f"{here}/map", f"map of {items}", "canvas", times)
            said = moving(opened, f"{here}/items", ".words", SCROLL, frames)
            more = {"items": items, "cells_at_most": said["most"]}
            tell("scrolling, between frames", said["between"], **more)
            said = moving(opened, f"{here}/map", "canvas", ZOOM, frames // 3)
            tell("zooming the map, between frames", said["between"], items=items)


if __name__ == "__main__":
    main()
