"""What a pool of many short texts costs: adding from CSV, filters, queries, labels, forgetting.

    python benchmarks/pool_texts.py [--quick] [--items N] [--folder FOLDER]

One JSON object a line: ``ours`` in CPU seconds, ``wall`` in seconds, ``rss_mb`` the largest
resident memory of the process so far, ``found`` what came of it.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import resource
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from querist.pool.pool import Pool

QUICK, FULL = 20_000, 5_000_000
FILTERS: dict[str, dict[str, Any]] = {
    "text": {"metadata": {"city": "Rome"}},
    "three-texts": {"metadata": {"city": ["Rome", "Oslo", "Bern"]}},
    "number": {"metadata": {"year": {">=": 2000, "<": 2010}}},
    "text-and-number": {"metadata": {"city": "Rome", "year": {">=": 2020}}},
    "ids": {"id": ["r00000005", "r00000007"], "state": "unlabelled"},
}


def write_csv(path: Path, items: int) -> None:
    """Texts of eight words, with ids and four fields of metadata."""
    rng = random.Random(0)
    words = [f"w{n}" for n in range(2000)]
    cities = ["Rome", "Paris", "Oslo", "Bern", "Graz", "Turin", "Lyon", "Basel"]
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "text", "city", "year", "score", "lang"])
        for n in range(items):
            text = f"{n} {' '.join(rng.choices(words, k=8))}"
            year, score = 1990 + rng.randrange(35), round(rng.random(), 4)
            lang = "en" if rng.random() < 0.9 else "de"
            writer.writerow([f"r{n:08d}", text, rng.choice(cities), year, score, lang])


def sure(texts: list[str]) -> np.ndarray:
    """``(n, 2)`` probabilities, for as little as possible."""
    first = np.array([sum(text.encode()[-6:]) % 97 / 97 for text in texts])
    return np.stack([first, 1 - first], axis=1)


def tell(case: str, work: Callable[[], object]) -> None:
    """Measure and print a line."""
    wall, cpu = time.perf_counter(), time.process_time()
    found = work()
    about: dict[str, Any] = {"case": case, "ours": round(time.process_time() - cpu, 3)}
    about |= {"wall": round(time.perf_counter() - wall, 3), "unit": "s", "found": found}
    about |= {"rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10}
    print(json.dumps(about), flush=True)


def run(folder: Path, items: int) -> None:
    """All cases on one pool."""
    write_csv(folder / "texts.csv", items)
    with Pool.create(folder / "pool", {"transform": {"modality": "text"}}) as pool:
        tell("add", lambda: pool.add(folder / "texts.csv").new)
        tell("counts", lambda: pool.counts()["unlabelled"])
        for name, where in FILTERS.items():
            tell(f"count-{name}", lambda where=where: pool.count(where))
            tell(f"page-{name}", lambda where=where: len(pool.items(where, limit=100)))
        tell("query-random", lambda: len(pool.query(1000, strategy="random").picks))
        picked: list[str] = []
        for case in ("query-margin", "query-margin-again"):
            tell(case, lambda: len(_picked(pool, picked)))
        labels = {id: "ab"[n % 2] for n, id in enumerate(picked[:1000])}
        tell("label-1000", lambda: pool.label(labels, by="ada"))
        tell("export-jsonl", lambda: pool.export(folder / "out.jsonl").items)
        (folder / "out.jsonl").unlink()
        tell("forget-100", lambda: len(pool.forget([f"r{n:08d}" for n in range(100, 200)]).ids))
        size = (folder / "pool" / "items.sqlite").stat().st_size
        print(json.dumps({"case": "size", "ours": round(size / items), "unit": "bytes/item"}))
    tell("open", lambda: Pool.open(folder / "pool").close())


def _picked(pool: Pool, picked: list[str]) -> list[str]:
    picked += pool.query(1000, model=sure, strategy="margin").ids
    return picked


def main() -> None:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help=f"{QUICK:,} items")
    parser.add_argument("--items", type=int, default=FULL, help=f"how many; {FULL:,} by default")
    parser.add_argument("--folder", type=Path, default=None, help="where the pool is made")
    asked = parser.parse_args()
    folder = Path(tempfile.mkdtemp(dir=asked.folder))
    try:
        run(folder, QUICK if asked.quick else asked.items)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
