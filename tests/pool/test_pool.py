"""A pool as its users see it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from querist.core.errors import ConfigError, QueristError
from querist.pool.errors import BadLabel, NotAPool, PoolError, PoolExists, UnknownItem
from querist.pool.pool import Pool


def test_a_folder_is_added_and_told(pool: Pool, files) -> None:
    folder = files({"cat/1.txt": "a", "cat/2.txt": "bb", "dog/1.txt": "ccc"})
    added = pool.add(folder)
    assert (added.new, added.broken_total, len(pool)) == (3, 0, 3)
    items = pool.items()
    assert [item.uri.rpartition("photos/")[2] for item in items] == [
        "cat/1.txt",
        "cat/2.txt",
        "dog/1.txt",
    ]
    assert [item.size for item in items] == [1, 2, 3]
    assert {item.state for item in items} == {"unlabelled"}
    assert pool.item(items[1].id) == items[1]


def test_adding_again_finds_what_is_new_and_changed(pool: Pool, files) -> None:
    folder = files({"1.txt": "a", "2.txt": "b"})
    pool.add(folder)
    files({"2.txt": "longer", "3.txt": "c"})
    added = pool.add(folder)
    assert (added.new, added.changed, added.unchanged) == (1, 1, 1)
    assert [item.size for item in pool.items()] == [1, 6, 1]


def test_ids_stay_when_the_folder_moves(pool: Pool, files, tmp_path: Path) -> None:
    folder = files({"cat/1.txt": "a", "cat/2.txt": "bb"})
    pool.add(folder)
    before = {item.id for item in pool.items()}
    (tmp_path / "disk").mkdir()
    folder.rename(tmp_path / "disk" / "photos")
    added = pool.add(tmp_path / "disk" / "photos")
    assert (added.new, added.unchanged) == (0, 2)
    assert {item.id for item in pool.items()} == before
    assert all("/disk/photos/cat/" in item.uri for item in pool.items())


def test_a_bucket_that_is_renamed_keeps_its_ids(pool: Pool, files, tmp_path: Path) -> None:
    folder = files({"1.txt": "a"})
    pool.add(folder)
    before = pool.items()[0].id
    pool.relocate(folder, "s3://bucket/photos")
    assert (pool.items()[0].id, pool.items()[0].uri) == (before, "s3://bucket/photos/1.txt")
    with pytest.raises(PoolError, match="Added were: s3://bucket/photos/"):
        pool.relocate(folder, "s3://other")


def test_folders_of_the_same_name_are_kept_apart(pool: Pool, files) -> None:
    pool.add(files({"1.txt": "a"}, "one/images"))
    pool.add(files({"1.txt": "b"}, "two/images"))
    assert len({item.id for item in pool.items()}) == 2
    assert len({item.uri for item in pool.items()}) == 2


def test_a_folder_in_a_folder_is_the_same_items(pool: Pool, files) -> None:
    folder = files({"cat/1.txt": "a", "dog/1.txt": "b"})
    pool.add(folder / "cat")
    assert pool.add(folder).unchanged == 1
    assert pool.add(folder / "cat/1.txt").unchanged == 1
    assert len(pool) == 2


def test_a_single_file_keeps_its_id_when_its_folder_is_added(pool: Pool, files) -> None:
    folder = files({"1.txt": "a", "2.txt": "b"})
    pool.add(folder / "1.txt")
    (single,) = pool.items()
    added = pool.add(folder)
    assert (added.new, added.unchanged) == (1, 1)
    assert pool.item(single.id).uri == single.uri


def test_labels_empty_and_skipped_are_kept_apart(pool: Pool) -> None:
    pool.add_items([{"text": str(n), "id": str(n)} for n in range(4)])
    assert pool.label({"0": "cat", "1": []}, by="ada") == 2
    assert pool.skip(["2"], by="ada", reason="blurred") == 1
    assert [pool.item(str(n)).state for n in range(4)] == [
        "labelled",
        "empty",
        "skipped",
        "unlabelled",
    ]
    assert [(label.id, label.value) for label in pool.labels()] == [("0", "cat"), ("1", [])]
    assert [rows.tolist() for rows in pool.rows("unlabelled")] == [[4]]
    assert pool.classes == ("cat",)


def test_a_label_repeated_or_withdrawn(pool: Pool) -> None:
    pool.add_items([{"text": "x", "id": "x"}])
    assert pool.label({"x": "cat"}) == 1
    assert pool.label({"x": "cat"}) == 0
    assert pool.unlabel(["x"]) == 1
    assert pool.item("x").state == "unlabelled"
    assert [event.kind for event in pool.history("x")] == ["label", "withdraw"]


def test_labels_are_all_recorded_or_none(pool: Pool) -> None:
    pool.add_items([{"text": "x", "id": "x"}])
    with pytest.raises(UnknownItem, match="has no item 'y'"):
        pool.label({"x": "cat", "y": "dog"})
    with pytest.raises(BadLabel, match="name of one class"):
        pool.label({"x": 7})
    assert pool.counts()["unlabelled"] == 1


def test_fixed_classes_refuse_others(tmp_path: Path) -> None:
    with Pool.create(tmp_path / "p", {"classes": ["cat", "dog"]}) as pool:
        pool.add_items([{"text": "x", "id": "x"}])
        with pytest.raises(BadLabel, match="Did you mean 'dog'"):
            pool.label({"x": "dogs"})


def test_a_majority_settles_and_a_tie_is_disputed(tmp_path: Path) -> None:
    with Pool.create(tmp_path / "p", {"agreement": "majority"}) as pool:
        pool.add_items([{"text": "x", "id": "x"}])
        pool.label({"x": "cat"}, by="ada")
        pool.label({"x": "dog"}, by="bob")
        assert pool.item("x").state == "disputed"
        pool.label({"x": "cat"}, by="cyd")
        assert (pool.item("x").state, pool.item("x").label) == ("labelled", "cat")


def test_rows_come_in_pages(pool: Pool) -> None:
    pool.add_items(str(n) for n in range(25))
    pages = list(pool.rows(page=10))
    assert [len(page) for page in pages] == [10, 10, 5]
    assert all(page.dtype == np.int64 for page in pages)
    fetched = pool.fetch(pages[1][::-1])
    assert [item.row for item in fetched] == pages[1][::-1].tolist()
    assert [item.row for item in pool.items(after=20, limit=3)] == [21, 22, 23]


def test_copies_are_noticed(pool: Pool, files) -> None:
    pool.add(files({"1.txt": "a", "2.txt": "a", "3.txt": "b"}))
    noted = pool.note_contents({1: b"a" * 16, 2: b"a" * 16, 3: b"b" * 16})
    assert noted.duplicates == 1
    assert [item.state for item in pool.items()] == ["unlabelled", "duplicate", "unlabelled"]
    pool.note_contents({1: b"c" * 16})
    assert [item.state for item in pool.items()] == ["unlabelled"] * 3


def test_inline_copies_are_noticed_at_once(pool: Pool) -> None:
    added = pool.add_items(["same", "same", {"text": "same", "id": "other"}])
    assert (added.new, added.duplicates, len(pool)) == (1, 2, 2)


def test_a_label_of_what_changed_is_stale(pool: Pool) -> None:
    pool.add_items([{"text": "old", "id": "x"}])
    pool.label({"x": "cat"})
    assert pool.add_items([{"text": "new", "id": "x"}]).changed == 1
    assert [item.id for item in pool.items("stale")] == ["x"]
    pool.label({"x": "dog"})
    assert pool.items("stale") == []


def test_settings_are_kept_and_checked(tmp_path: Path) -> None:
    Pool.create(tmp_path / "p", {"name": "birds", "task": "detection"}).close()
    with Pool.open(tmp_path / "p") as pool:
        assert (pool.name, pool.settings.task) == ("birds", "detection")
    with pytest.raises(ConfigError, match="Did you mean 'classes'"):
        Pool.create(tmp_path / "q", {"clases": ["a"]})
    with pytest.raises(PoolExists):
        Pool.create(tmp_path / "p")
    with pytest.raises(NotAPool):
        Pool.open(tmp_path)


def test_a_pool_in_the_folder_of_its_items_is_no_item(files, tmp_path: Path) -> None:
    folder = files({"1.txt": "a"})
    with Pool.create(folder / "pool") as pool:
        assert pool.add(folder).new == 1
        with pytest.raises(PoolExists, match="own folder"):
            pool.export(folder / "pool" / "items.sqlite", "csv")


@pytest.mark.parametrize(
    "work",
    [
        lambda pool: pool.item("\ud800"),
        lambda pool: pool.items({"uri": "\ud800"}),
        lambda pool: pool.items(after=2**70),
        lambda pool: pool.items(limit=-1),
        lambda pool: pool.label({"x": "cat"}, by="\ud800"),
        lambda pool: pool.label({"x": "\ud800"}),
        lambda pool: pool.add("nothing", broken_share=7),
        lambda pool: Pool.create(pool.folder / "pool.json"),
    ],
)
def test_what_cannot_be_is_refused_with_a_sentence(pool: Pool, work) -> None:
    pool.add_items([{"text": "x", "id": "x"}])
    with pytest.raises(QueristError):
        work(pool)
    assert pool.counts()["unlabelled"] == 1


def test_broken_items_are_counted_and_listed(pool: Pool) -> None:
    added = pool.add_items(["fine", {"txt": "x"}, {"text": "x", "metadata": {"a": float("nan")}}])
    assert (added.new, added.broken_total) == (1, 2)
    assert added.broken[0].line == 2
    assert "Did you mean 'text'" in added.broken[0].reason


def test_what_is_given_as_one_list_or_one_id_is_taken_as_meant(pool: Pool, files) -> None:
    folder = files({"1.txt": "a", "2.txt": "b"})
    assert pool.add([folder / "1.txt", str(folder / "2.txt")]).new == 2
    assert pool.add_items("one text").new == 1
    assert pool.add_items({"id": "row", "table": {"age": 3}}).new == 1
    ids = [item.id for item in pool.items()]
    assert pool.skip(ids[0]) == 1
    assert pool.unlabel(ids[0]) == 1
    assert pool.label({ids[2]: "x"}) == 1
    pool.forget(ids[:2])
    assert len(pool) == 2


@pytest.mark.parametrize("wrong", [5, {"uri": "a.png"}, None, b"a.png"])
def test_what_cannot_be_added_is_named(pool: Pool, wrong: object) -> None:
    with pytest.raises(PoolError, match=r"Pool.add takes folders, files and URIs, got .*add_items"):
        pool.add(wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("wrong", ["row", ["row"], [("row", "x")]])
def test_labels_that_are_no_mapping_are_named(pool: Pool, wrong: object) -> None:
    pool.add_items([{"id": "row", "text": "one"}])
    with pytest.raises(BadLabel, match=r"such as \{'bird-7': 'owl'\}, not .*row"):
        pool.label(wrong, "x")  # type: ignore[arg-type]
    assert pool.counts()["labelled"] == 0


def test_a_page_of_labelled_items_costs_what_it_holds(pool: Pool) -> None:
    pool.add_items(
        {"text": f"{n}", "id": str(n), "label": [] if n % 3 else "a"} for n in range(3000)
    )
    expected = [item.id for item in pool.items("all", limit=3000)]
    steps = 0

    def count() -> None:
        nonlocal steps
        steps += 1

    pool._database.connection().set_progress_handler(count, 10)
    for where in ("labelled", {"state": "labelled"}):
        found: list[str] = []
        while page := pool.items(where, int(found[-1]) + 1 if found else 0, 50):
            found += [item.id for item in page]
        assert found == expected
        assert [int(row) for rows in pool.rows(where, 50) for row in rows] == [*range(1, 3001)]
    # SQLite's own steps, in tens: with a sorting of all labelled items for each page 220,000.
    assert steps < 60_000
