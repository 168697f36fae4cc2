"""Digests of contents, against a dictionary; and items as a scan reads them."""

from __future__ import annotations

from collections import Counter

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from querist.pool.manifests.record import Record
from querist.pool.pool import Pool

ROWS = st.integers(1, 12)
CONTENTS = st.sampled_from([letter * 16 for letter in (b"a", b"b", b"c", b"\0")])
NOTES = st.lists(st.dictionaries(ROWS, CONTENTS, max_size=8), max_size=6)


def hexadecimal(pool: Pool) -> dict[int, str]:
    return {item.row: item.content for item in pool.items()}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(notes=NOTES, forgotten=st.sets(ROWS, max_size=2))
def test_the_last_content_holds_and_the_first_of_equals_is_no_copy(
    tmp_path_factory, notes: list[dict[int, bytes]], forgotten: set[int]
) -> None:
    with Pool.create(tmp_path_factory.mktemp("contents") / "pool") as pool:
        pool.add_items({"uri": f"file:///nowhere/{n}.jpg", "id": f"n{n}"} for n in range(1, 13))
        pool.forget(*(f"n{row}" for row in forgotten))
        known: dict[int, bytes] = {}
        for told in notes:
            there = {row: told[row] for row in told if row not in forgotten}
            changed = sum(known.get(row, content) != content for row, content in there.items())
            touched = {content for row, content in there.items() if known.get(row) != content}
            touched |= {known[row] for row in there if known.get(row, there[row]) != there[row]}
            known |= there
            count = Counter(known.values())
            noted = pool.note_contents(told)
            assert noted.changed == changed
            expected = sum(count[content] - 1 for content in touched if count[content])
            # Of a row that is no longer there, contents count that it shares with others.
            assert noted.duplicates >= expected
            assert there != told or noted.duplicates == expected
        assert {row: content.hex() for row, content in known.items()} == {
            row: content for row, content in hexadecimal(pool).items() if content
        }
        first = {
            content: min(r for r in known if known[r] == content) for content in known.values()
        }
        for item in pool.items():
            copy = item.row in known and first[known[item.row]] != item.row
            assert item.state == ("duplicate" if copy else "unlabelled")


def test_contents_of_dense_and_of_sparse_rows_are_the_same(pool: Pool) -> None:
    pool.add_items({"uri": f"file:///nowhere/{n}.jpg"} for n in range(200))
    pool.note_contents({row: row.to_bytes(16, "big") for row in range(1, 201, 3)})
    rows = np.arange(1, 201)
    dense = pool.contents_of(rows)
    assert [int.from_bytes(told) for told in dense.tolist()] == [
        row if row % 3 == 1 else 0 for row in rows
    ]
    sparse = rows[::50]
    assert sparse[-1] - sparse[0] > 8 * len(sparse)
    assert np.array_equal(pool.contents_of(sparse), dense[::50])
    assert pool.contents_of(rows[:0]).shape == (0, 16)


def test_what_is_located_is_what_the_item_says(pool: Pool, files) -> None:
    pool.add(files({"one.txt": "1", "zwölf 'x' #2.txt": "12"}))
    pool.add_items(
        [
            "ein Wörtchen",
            {"text": "a\u2028b", "id": "own"},
            {"table": {"b": 1.5, "a": "ü", "c": None}},
        ]
    )
    rows = np.array([item.row for item in pool.items()])
    told = {found.row: found for found in pool.located(rows[::-1])}
    assert len(told) == len(rows) == 5
    for item in pool.items():
        found = told[item.row]
        assert (found.id, found.uri, found.size) == (item.id, item.uri, item.size)
        assert (found.version, found.data) == (item.version, item.data)
    assert pool.located(np.array([99])) == []


def test_an_item_elsewhere_or_of_another_size_is_read_again(pool: Pool) -> None:
    """Also where its source tells no version, as a list of URLs does not."""
    rows = np.arange(1, 4)

    def added(*items: tuple[str, int]) -> list[bool]:
        listed = [
            Record(n, uri=f"https://example.org/{name}", id=str(n), size=size)
            for n, (name, size) in enumerate(items)
        ]
        pool._adder(0.5, None).values(listed)
        return pool.contents_of(rows).any(axis=1).tolist()

    assert added(("a", 1), ("b", 1), ("c", 1)) == [False] * 3
    pool.note_contents({row: bytes([row]) * 16 for row in rows.tolist()})
    assert added(("a", 1), ("b", 1), ("c", 1)) == [True] * 3
    assert added(("a", 1), ("moved", 1), ("c", 2)) == [True, False, False]
