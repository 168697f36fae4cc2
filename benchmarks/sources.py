"""Reading items: how near to the limit of the line, and what a read costs of a processor.

    python benchmarks/sources.py [--quick] [--only http,s3,ftp,local,decode]

Prints one JSON object a line. ``ours`` and ``peer`` are items a second of wall time, ``limit`` is
what the line allows (readers over round trips), ``cpu`` is in microseconds of this process an item.
Servers run in processes of their own on loopback.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import numpy as np
import PIL.Image

from querist.sources.access import Access
from querist.sources.opening import Sources
from querist.sources.transforms.image import Image
from querist.testing.servers.separate import separate

LATENCY = 0.05
# Round trips of a read. FTP's: a port, a connection to it, the file.
TRIPS = {"http": 1, "s3": 1, "ftp": 3}
SIZE = 1500


def measured(
    work: Callable[[str], object], items: Iterable[str], threads: int
) -> tuple[float, float]:
    """Items a second, and processor seconds an item, of so many threads."""
    waiting = list(items)
    count, lock = len(waiting), threading.Lock()

    def run() -> None:
        while True:
            with lock:
                if not waiting:
                    return
                item = waiting.pop()
            work(item)

    readers = [threading.Thread(target=run) for _ in range(threads)]
    wall, processor = time.perf_counter(), time.process_time()
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    return count / (time.perf_counter() - wall), (time.process_time() - processor) / count


def report(case: str, ours: tuple[float, float], **more: Any) -> None:
    """Print a case."""
    line = {"case": case, "ours": round(ours[0], 1), "cpu": round(ours[1] * 1e6, 1), **more}
    print(json.dumps(line), flush=True)


def network(kind: Any, folder: Path, quick: bool) -> None:
    """Several numbers of readers over a line of 50 ms."""
    with separate(kind, folder, LATENCY) as server, Sources(options=server.options) as sources:
        uris = [entry.uri for entry in sources.entries(server.url)]
        for threads in (1, 16, 64):
            most = min(threads, sources.concurrency(server.url))
            wanted = most * (4 if quick else 16)
            items = (uris * (1 + wanted // len(uris)))[:wanted]
            measured(sources.read, uris[:most], most)  # connections are made
            ours = measured(sources.read, items, most)
            limit = most / LATENCY / TRIPS[kind]
            more = {"peer": None, "limit": limit, "ratio": round(ours[0] / limit, 3)}
            report(f"{kind}-{most}", ours, **more)


def naive(folder: Path) -> None:
    """One request after another on connections of their own, as a plain loop does."""
    with separate("http", folder, LATENCY) as server:

        def read(uri: str) -> None:
            with urlopen(uri) as answer:
                answer.read()

        report("http-urlopen", measured(read, [f"{server.url}{n:03d}" for n in range(20)], 1))


def local(folder: Path, quick: bool) -> None:
    """Files of this machine, beside Python's own open and read."""
    uris = [str(file) for file in folder.iterdir()] * (10 if quick else 100)

    def bare(path: str) -> None:
        with open(path, "rb") as file:  # noqa: PTH123, Path would be measured too
            file.read()

    peer = measured(bare, uris, 1)
    with Sources() as sources:
        ours = measured(sources.read, uris, 1)
    with Sources(Access(roots=(folder,))) as sources:
        report("local-rooted", measured(sources.read, uris, 1))
    more = {"peer": round(peer[0], 1), "limit": round(peer[0], 1)}
    report("local", ours, **more, ratio=round(ours[0] / peer[0], 3))


def decode(quick: bool) -> None:
    """JPEG of 32 pixels, and of 500 x 375 to 224, beside Pillow used directly."""
    noise = np.random.default_rng(0).integers(-20, 20, (375, 500, 3))
    ramp = np.linspace(30, 220, 500)[None, :, None] + noise
    large = PIL.Image.fromarray(ramp.astype(np.uint8))
    for name, image, size in [("32", large.resize((32, 32)), 32), ("500", large, 224)]:
        out = io.BytesIO()
        image.save(out, "JPEG", quality=90)
        data, transform = out.getvalue(), Image(size=size)

        def peer(_: str, data: bytes = data, size: int = size) -> None:
            found = PIL.Image.open(io.BytesIO(data)).convert("RGB")
            left = (found.width - found.height) // 2
            box = (left, 0, left + found.height, found.height)
            np.asarray(found if found.width == size else found.resize((size, size), 2, box))

        items = ["x"] * (200 if quick else 2000)
        ours = measured(lambda _, d=data, t=transform: t.decode(d), items, 1)
        theirs = measured(peer, items, 1)
        more = {"peer": round(theirs[0], 1), "limit": None}
        report(f"decode-{name}", ours, **more, ratio=round(ours[0] / theirs[0], 2))


def main() -> None:
    """Run the cases asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", default="http,s3,ftp,local,decode")
    given = parser.parse_args()
    only = given.only.split(",")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for n in range(200):
            (folder / f"{n:03d}").write_bytes(os.urandom(SIZE))
        for kind in [kind for kind in TRIPS if kind in only]:
            network(kind, folder, given.quick)
        if "http" in only:
            naive(folder)
        if "local" in only:
            local(folder, given.quick)
    if "decode" in only:
        decode(given.quick)


if __name__ == "__main__":
    main()
