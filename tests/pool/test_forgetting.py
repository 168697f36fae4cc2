"""Forgetting: every byte of the pool's folder is looked at."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from querist.pool.errors import Forgotten, UnknownItem
from querist.pool.pool import Pool
from querist.pool.scan.caching import Caches
from querist.store.cache import cache_key


def holding(folder: Path, text: bytes) -> list[str]:
    """The files below a folder in which bytes stand, names included."""
    return [
        str(path)
        for path in folder.rglob("*")
        if text in str(path).encode() or (path.is_file() and text in path.read_bytes())
    ]


def words(seed: int, count: int = 300) -> str:
    draw = random.Random(seed)
    return " ".join("".join(draw.choices("abcdefgh", k=6)) for _ in range(count))


def test_no_byte_of_an_item_stays(pool: Pool, files) -> None:
    secret = "SECRET-OF-ADA"
    folder = files({f"{n:03d}.txt": words(n, 3) for n in range(300)} | {f"{secret}.txt": secret})
    pool.add(folder)
    pool.add_items({"text": words(n), "id": f"t{n}"} for n in range(300))
    # Items that changed leave older copies in pages that were split since.
    for version in range(3):
        pool.add_items(
            {"text": f"{secret} {version} {words(n)}", "id": f"t{n}"} for n in range(0, 300, 7)
        )
    pool.add_items([{"uri": f"s3://b/{secret}", "id": "remote", "metadata": {"who": secret}}])
    pool.label({"remote": secret}, by="bob")
    pool.label({"remote": "cat"}, by="bob")
    gone = [item.id for item in pool.items(limit=2000) if secret in item.uri + str(item.inline)]
    assert len(gone) == 43 + 2
    assert holding(pool.folder, secret.encode())
    erased = pool.forget(*gone)
    assert (erased.left, set(erased.ids)) == ([], set(gone))
    # A learned class is no property of the item: it is a word of the pool.
    assert pool.classes == (secret, "cat")
    with pool._database.writing() as connection:
        connection.execute("DELETE FROM classes")
    pool.forget("remote")
    assert holding(pool.folder, secret.encode()) == []
    assert holding(pool.folder, b"remote")
    with pytest.raises(Forgotten, match="told to forget 'remote'"):
        pool.item("remote")


def test_what_is_forgotten_does_not_come_again(pool: Pool, files) -> None:
    folder = files({"1.txt": "a", "2.txt": "b"})
    pool.add(folder)
    first = pool.items()[0]
    pool.forget(first.id)
    added = pool.add(folder)
    assert (added.forgotten, added.new, added.unchanged, len(pool)) == (1, 0, 1, 1)
    others = [{"uri": first.uri, "id": "another name"}, {"text": "b", "id": first.id}]
    again = pool.add_items(others)
    assert (again.forgotten, again.new) == (2, 0)


def test_copies_are_told_and_can_go_too(pool: Pool) -> None:
    pool.add_items([{"text": "same text", "id": name} for name in "abc"])
    assert pool.forget("a").copies == ["b", "c"]
    assert [item.state for item in pool.items()] == ["unlabelled", "duplicate"]
    assert pool.forget("b", copies=True).ids == ["b", "c"]
    assert len(pool) == 0


def test_caches_and_rounds_lose_it(pool: Pool) -> None:
    pool.add_items([{"uri": f"s3://b/{n}", "id": str(n)} for n in range(3)])
    rows = np.array([1, 2, 3])
    values = np.arange(3.0) + 0.123456789
    pool.remember_round("one", rows, values)
    caches = Caches(pool.folder / "cache", "transform", 1 << 24)
    contents = np.arange(48, dtype=np.uint8).reshape(3, 16)
    caches.keep_decoded(rows, contents, np.full((3, 8), 7.5))
    caches.keep_outputs("model", {"embeddings": np.full((3, 4), 2.5)}, rows, contents)
    pool.forget("1")
    found, _ = caches.decoded(rows, contents)
    assert found.tolist() == [True, False, True]
    kept, _ = caches.outputs("model", ["embeddings"], rows, contents)
    assert kept.tolist() == [True, False, True]
    assert values[1].tobytes() not in (pool.folder / "rounds" / "one.npz").read_bytes()
    assert values[2].tobytes() in (pool.folder / "rounds" / "one.npz").read_bytes()
    assert cache_key("s3://b/1", "") not in b"".join(
        path.read_bytes() for path in (pool.folder / "cache").rglob("*") if path.is_file()
    )


@pytest.mark.parametrize("format", ["csv", "jsonl", "label_studio", "conll", "huggingface", "yolo"])
def test_exports_lose_it_unless_they_were_changed(format: str, tmp_path: Path) -> None:
    task = {"conll": "tokens", "yolo": "detection"}.get(format, "classification")
    with Pool.create(tmp_path / "pool", {"task": task}) as pool:
        kind = "uri" if task == "detection" else "text"
        texts = ["s3://b/first secret", "s3://b/second item"]
        pool.add_items([{kind: text, "id": f"id-{n}"} for n, text in enumerate(texts)])
        pool.label({"id-1": []}, by="ada")
        pool.export(tmp_path / "out" / "as written", format)
        pool.export(tmp_path / "changed", format)
        changed = tmp_path / "changed"
        file = changed if changed.is_file() else next(p for p in changed.iterdir() if p.is_file())
        file.write_bytes(file.read_bytes() + b"\n")
        erased = pool.forget("id-0")
        assert [path for path, _ in erased.left] == [changed]
        assert holding(tmp_path / "out", b"first secret") == []
        assert holding(tmp_path / "out", b"id-0") == []
        assert holding(tmp_path / "out", b"second")
        with Pool.create(tmp_path / "again", {"task": task}) as again:
            again.add(tmp_path / "out" / "as written", format=format, manifest={"look": False})
            assert [(item.id, item.state) for item in again.items()] == [("id-1", "empty")]


def test_an_unknown_id_erases_nothing(pool: Pool) -> None:
    pool.add_items([{"text": "x", "id": "x"}])
    with pytest.raises(UnknownItem):
        pool.forget("x", "y")
    assert len(pool) == 1


def test_forgetting_may_be_repeated(pool: Pool) -> None:
    pool.add_items([{"text": "x", "id": "x"}])
    pool.forget("x")
    assert pool.forget("x").left == []


def test_labels_outlive_another_process_that_closes_the_pool_after_forgetting(pool: Pool) -> None:
    # It takes itself for the last one where this process has lost its locks on the index.
    look = (
        "import sys\nfrom querist.pool.pool import Pool\n"
        "with Pool.open(sys.argv[1]) as pool: print(pool.count('labelled'))"
    )

    def labelled_elsewhere() -> int:
        command = [sys.executable, "-c", look, str(pool.folder)]
        return int(subprocess.run(command, capture_output=True, check=True, timeout=60).stdout)

    pool.add_items({"text": f"a text of some length {n}", "id": f"t{n}"} for n in range(4))
    pool.label({"t1": "cat"})
    assert pool.forget("t0").left == []
    assert labelled_elsewhere() == 1
    pool.label({"t2": "cat", "t3": "dog"})
    assert labelled_elsewhere() == 3


def test_rows_are_never_used_again(pool: Pool) -> None:
    pool.add_items([{"text": "x", "id": "x"}])
    pool.forget("x")
    pool.add_items([{"text": "y", "id": "y"}])
    assert pool.item("y").row == 2


def test_forgetting_many_looks_at_the_index_a_few_times_and_not_for_each(pool: Pool) -> None:
    pool.add_items([{"text": words(n, 3), "id": str(n)} for n in range(3000)])
    steps = 0

    def count() -> None:
        nonlocal steps
        steps += 100

    pool._database.connection().set_progress_handler(count, 100)
    pool.forget(str(n) for n in range(500))
    # SQLite's own steps: a look through all items for each of them would be millions.
    assert steps < 100 * 3500


def test_copies_of_many_that_are_forgotten_together(pool: Pool) -> None:
    pool.add_items([{"text": f"text {n % 7}", "id": str(n)} for n in range(30)])
    assert pool.counts()["duplicate"] == 23
    pool.forget(str(n) for n in range(14))
    assert pool.counts()["duplicate"] == 9
    assert pool.forget("14").copies == ["21", "28"]
    pool.forget("21")
    assert (pool.item("28").state, pool.counts()["duplicate"]) == ("unlabelled", 7)
