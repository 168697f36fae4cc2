"""Adding that is interrupted, killed, or done by several at once."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
import time
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest

from querist.pool.pool import Pool
from querist.sources.source import Entry, MissingItem

ADDING = """
import sys
from pathlib import Path
from querist.pool.pool import Pool
with Pool.open(sys.argv[1]) as pool:
    print("go", flush=True)
    {work}
"""


def started(pool: Path, work: str, *arguments: object) -> subprocess.Popen:
    code = ADDING.format(work=textwrap.indent(work, "    ").strip())
    command = [sys.executable, "-c", code, pool, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


@pytest.mark.kill
@pytest.mark.slow
def test_a_killed_add_leaves_a_pool_that_goes_on(tmp_path: Path) -> None:
    (tmp_path / "many.csv").write_text(
        "id,uri\n" + "".join(f"{n},s3://bucket/{n:06d}.jpg\n" for n in range(100_000))
    )
    Pool.create(tmp_path / "pool").close()
    killed = 0
    for attempt in range(3):
        process = started(tmp_path / "pool", "pool.add(sys.argv[2])", tmp_path / "many.csv")
        process.stdout.readline()
        time.sleep(0.5 + 0.3 * attempt)
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        with Pool.open(tmp_path / "pool") as pool:
            assert len(pool) % 5000 == 0
            killed += 0 < len(pool) < 100_000
    assert killed, "no kill came while items were added"
    with Pool.open(tmp_path / "pool") as pool:
        before = len(pool)
        added = pool.add(tmp_path / "many.csv")
        assert (added.new, added.unchanged, added.broken) == (100_000 - before, before, [])
        assert len({item.uri for item in pool.items(limit=200_000)}) == 100_000


class Listing:
    """Sources whose listing breaks off after so many entries; it records where it was begun."""

    def __init__(self, names: list[str], breaks_after: int) -> None:
        self.names, self.breaks_after, self.begun = names, breaks_after, []

    def entries(self, uri: str, after: str = ""):
        self.begun.append(after)
        for number, name in enumerate(sorted(n for n in self.names if uri + n > after)):
            if number == self.breaks_after:
                raise KeyboardInterrupt
            yield Entry(uri + name, 1, "v")

    def stat(self, uri: str) -> Entry:
        raise MissingItem(uri)

    def close(self) -> None:
        """Nothing is open."""


def test_an_interrupted_listing_goes_on_where_it_stopped(pool: Pool) -> None:
    listing = Listing([f"{n:05d}" for n in range(12_000)], 11_000)
    pool._sources = listing
    with pytest.raises(KeyboardInterrupt):
        pool.add("s3://bucket/a/", format="listing")
    assert len(pool) == 10_000
    listing.breaks_after = 10**6
    assert pool.add("s3://bucket/a/", format="listing").new == 2_000
    assert listing.begun == ["", "s3://bucket/a/09999"]
    assert len(pool) == 12_000


def test_only_new_names_are_listed(pool: Pool) -> None:
    listing = Listing(["2026-01", "2026-02"], 100)
    pool._sources = listing
    pool.add("s3://bucket/a/", format="listing")
    listing.names += ["2025-12", "2026-03"]
    added = pool.add("s3://bucket/a/", format="listing", only_new=True)
    assert (added.new, added.unchanged) == (1, 0)
    assert listing.begun[-1] == "s3://bucket/a/2026-02"
    assert pool.add("s3://bucket/a/", format="listing").new == 1


LABELLING = """
for n in range(int(sys.argv[2]), 300, 2):
    pool.label({str(n): sys.argv[3], str((n + 1) % 300): sys.argv[3]}, by=sys.argv[3])
"""


def test_two_processes_that_label_at_once_lose_nothing(tmp_path: Path) -> None:
    with Pool.create(tmp_path / "pool") as pool:
        pool.add_items({"text": str(n), "id": str(n)} for n in range(300))
        processes = [
            started(tmp_path / "pool", LABELLING, number, by)
            for number, by in enumerate(["ada", "bob"])
        ]
        for process in processes:
            with process:
                assert process.wait(60) == 0
        by = Counter(event.annotator for n in range(300) for event in pool.history(str(n)))
        assert by == {"ada": 300, "bob": 300}
        assert pool.counts()["labelled"] == 300
        assert set(pool.classes) == {"ada", "bob"}


def test_columns_stand_in_the_order_of_the_file_and_ids_do_not_rest_on_it(
    pool: Pool, tmp_path: Path
) -> None:
    table, turned = tmp_path / "table.csv", tmp_path / "turned.csv"
    table.write_text("zone,age,name\n1,2,a\n")
    turned.write_text("name,zone,age,extra\na,1,2,\nb,3,4,5\n")
    pool.add(table)
    before = pool.items()[0]
    assert list(before.inline) == ["zone", "age", "name"]  # type: ignore[arg-type]
    assert before.data == b'{"age": 2, "name": "a", "zone": 1}'
    pool.add(turned)
    rows = [list(item.inline) for item in pool.items()]  # type: ignore[arg-type]
    assert rows[-1] == ["zone", "age", "name", "extra"]
    (one,) = pool.fetch([before.row])
    assert one == pool.item(before.id) == pool.page().items[0]
    assert list(one.inline) == ["zone", "age", "name"]  # type: ignore[arg-type]


def test_batches_grow_with_the_pool(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a large one each rewrites most of the indexes over digests, so there are to be fewer."""
    monkeypatch.setattr("querist.pool.adding.BATCH", 2)
    monkeypatch.setattr("querist.pool.adding.LARGEST", 5)
    told = [0]
    pool.add_items(map(str, range(700)), progress=lambda added: told.append(added.new))
    sizes = {after - before for before, after in pairwise(told)}
    assert sizes == {2, 3, 4, 5}
    assert told[-1] == len(pool) == 700


def test_inline_items_are_written_once(pool: Pool) -> None:
    before = pool._database.connection().total_changes
    pool.add_items({"text": f"text {n // 2}", "id": f"i{n}"} for n in range(100))
    written = pool._database.connection().total_changes - before
    assert written <= 2 * 100 + 1  # each, and what of it is a copy; and the number of the addition
    assert pool.counts()["duplicate"] == 50
    assert pool.add_items([{"text": "text 1", "id": "i0"}]).changed == 1
    assert pool.item("i0").content == pool.item("i2").content != pool.item("i1").content
    assert [pool.item(f"i{n}").state for n in range(4)] == [
        "unlabelled",
        "unlabelled",
        "duplicate",
        "duplicate",
    ]


@pytest.mark.parametrize("pattern", ["*.txt", "[ab].t?t", "?/a.txt", "**/*.txt"])
def test_a_folder_of_a_pattern_may_move_and_have_any_name(tmp_path: Path, pattern: str) -> None:
    before, after = tmp_path / "of [2024]" / "texts?", tmp_path / "elsewhere" / "texts?"
    for name in ["a.txt", "b.txt", "c/a.txt"]:
        (before / name).parent.mkdir(parents=True, exist_ok=True)
        (before / name).write_text(name)
    with Pool.create(tmp_path / "pool") as pool:
        added = pool.add(before / pattern)
        assert added.new
        after.parent.mkdir()
        before.rename(after)
        again = pool.add(after / pattern)
        assert (again.new, again.unchanged) == (0, added.new)
        assert all("elsewhere" in item.uri for item in pool.items())
