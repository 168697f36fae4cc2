"""What a pool's index costs: adding, adding again, paging, fetching, labelling, notes of contents.

    python benchmarks/pool_index.py [--quick] [--folder FOLDER]

One JSON object a line: ``ours`` in rows a second (wall), ``cpu`` in rows a CPU second, ``rss_mb``
the largest resident memory of the process so far, of which ``base_mb`` was taken before the first
row. ``limit`` is the bare sqlite3 module writing or reading the same rows in transactions of the
same size, in the same run and on the same disk, without checks, digests, changes or labels.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from querist.pool.adding import BATCH
from querist.pool.pool import Pool
from querist.sources.source import Entry

QUICK, FULL = 50_000, 1_000_000


class Listing:
    """Sources that list made-up objects; what is measured is the index."""

    def __init__(self, count: int) -> None:
        self.count = count

    def entries(self, uri: str, after: str = "") -> Iterator[Entry]:
        """Objects in a hundred folders, in order."""
        per = max(self.count // 100, 1)
        for n in range(self.count):
            yield Entry(f"{uri}{n // per:03d}/image-{n:08d}.jpg", 2000 + n % 999, f"etag-{n:x}")

    def close(self) -> None:
        """Nothing is open."""


def rss_mb() -> float:
    """The largest resident memory so far, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


class Clock:
    """Prints what pieces of work took."""

    def __init__(self) -> None:
        self.base = rss_mb()

    def measure(self, work: Callable[[], int]) -> tuple[float, float]:
        """Rows a second, by wall clock and by CPU."""
        wall, cpu = time.perf_counter(), time.process_time()
        rows = work()
        return rows / (time.perf_counter() - wall), rows / (time.process_time() - cpu)

    def tell(self, case: str, work: Callable[[], int]) -> None:
        """Measure and print a line."""
        ours, cpu = self.measure(work)
        about: dict[str, Any] = {"case": case, "ours": round(ours), "cpu": round(cpu)}
        about |= {"unit": "rows/s", "rss_mb": round(rss_mb()), "base_mb": round(self.base)}
        print(json.dumps(about), flush=True)


def bare_writes(folder: Path, count: int) -> float:
    """Rows a second that the sqlite3 module inserts, with one unique and one plain index."""
    connection = sqlite3.connect(folder / "bare.sqlite", isolation_level=None)
    connection.executescript(
        "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; CREATE TABLE items (row INTEGER "
        "PRIMARY KEY, key BLOB UNIQUE, path TEXT, size INTEGER, version TEXT, state INTEGER);"
        "CREATE INDEX by_state ON items (state);"
    )
    entries = list(Listing(count).entries("s3://bucket/data/"))
    keys = [hash(entry.uri).to_bytes(10, "big", signed=True) for entry in entries]
    start = time.perf_counter()
    for at in range(0, count, BATCH):
        part = zip(keys[at : at + BATCH], entries[at : at + BATCH], strict=True)
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(
            "INSERT INTO items (key, path, size, version, state) VALUES (?, ?, ?, ?, 0)",
            [(key, entry.uri, entry.size, entry.version) for key, entry in part],
        )
        connection.execute("COMMIT")
    spent = time.perf_counter() - start
    connection.close()
    return count / spent


def bare_reads(folder: Path, count: int) -> float:
    """Rows a second that the sqlite3 module pages through by their index."""
    connection = sqlite3.connect(folder / "bare.sqlite")
    start, after = time.perf_counter(), 0
    query = "SELECT row FROM items WHERE state = 0 AND row > ? ORDER BY row LIMIT 65536"
    while found := connection.execute(query, (after,)).fetchall():
        after = found[-1][0]
    connection.close()
    return count / (time.perf_counter() - start)


def run(folder: Path, count: int) -> None:
    """All cases on one pool."""
    clock = Clock()
    with Pool.create(folder / "pool") as pool:
        pool._sources = Listing(count)  # type: ignore[assignment]

        def add() -> int:
            pool.add("s3://bucket/data/", format="listing")
            return count

        def page() -> int:
            return sum(len(rows) for rows in pool.rows("unlabelled"))

        def fetch() -> int:
            return sum(len(pool.fetch(rows)) for rows in pool.rows("all", 2000))

        def note() -> int:
            for rows in pool.rows("all", 2000):
                pool.note_contents({int(row): int(row).to_bytes(16, "big") for row in rows})
            return count

        part = min(count // 10, 50_000)

        def label() -> int:
            found = pool.items(limit=part)
            for at in range(0, part, 1000):
                pool.label({item.id: "cat" for item in found[at : at + 1000]}, by="ada")
            return part

        def label_singly() -> int:
            found = pool.items(limit=200)
            for item in found:
                pool.label({item.id: "dog"}, by="bob")
            return len(found)

        clock.tell("add", add)
        clock.tell("add-again", add)
        clock.tell("page", page)
        clock.tell("fetch", fetch)
        clock.tell("note-contents", note)
        clock.tell("label-by-1000", label)
        clock.tell("label-one-by-one", label_singly)
        size = (folder / "pool" / "items.sqlite").stat().st_size
        print(json.dumps({"case": "size", "ours": round(size / count), "unit": "bytes/row"}))
    # Last, since what it holds in memory is not ours.
    writes = bare_writes(folder, count)
    print(json.dumps({"case": "limit-writes", "limit": round(writes), "unit": "rows/s"}))
    reads = bare_reads(folder, count)
    print(json.dumps({"case": "limit-pages", "limit": round(reads), "unit": "rows/s"}))


def main() -> None:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help=f"{QUICK:,} rows, not {FULL:,}")
    parser.add_argument("--folder", type=Path, default=None, help="where the pool is made")
    asked = parser.parse_args()
    folder = Path(tempfile.mkdtemp(dir=asked.folder))
    try:
        run(folder, QUICK if asked.quick else FULL)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
