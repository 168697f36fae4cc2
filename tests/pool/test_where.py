"""Filters: what they choose, and that they are no way into the database."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from querist.pool.errors import BadFilter
from querist.pool.pool import Pool
from querist.pool.where import condition


@pytest.fixture
def filled(pool: Pool) -> Pool:
    rows = [
        {"n": 1, "city": "Rome", "ok": True},
        {"n": 2.5, "city": "Oslo", "ok": False},
        {"n": "10", "city": None},
        {},
    ]
    pool.add_items(
        {"text": f"text {n}", "id": f"i{n}", "group": f"g{n // 2}", "metadata": row}
        for n, row in enumerate(rows)
    )
    pool.add_items([{"uri": "s3://bucket/day-2/x.jpg", "id": "u"}])
    pool.label({"i0": "cat", "i1": []})
    return pool


@pytest.mark.parametrize(
    ("where", "ids"),
    [
        ("all", ["i0", "i1", "i2", "i3", "u"]),
        ("labelled", ["i0", "i1"]),
        ({}, ["i0", "i1", "i2", "i3", "u"]),
        ({"state": ["empty", "unlabelled"], "group": "g0"}, ["i1"]),
        ({"metadata": {"city": "Rome"}}, ["i0"]),
        ({"metadata": {"city": ["Rome", "Oslo"]}}, ["i0", "i1"]),
        ({"metadata": {"city": None}}, ["i2"]),
        ({"metadata": {"n": {">=": 1, "<": 2.6}}}, ["i0", "i1"]),
        ({"metadata": {"n": "10"}}, ["i2"]),
        ({"metadata": {"n": 10}}, []),
        ({"metadata": {"ok": True}}, ["i0"]),
        ({"metadata": {"n": {"!=": 1}}}, ["i1", "i2", "i3", "u"]),
        ({"label": "cat"}, ["i0"]),
        ({"label": []}, ["i1"]),
        ({"id": ["u", "i3", "no"]}, ["i3", "u"]),
        ({"uri": "*/day-2/*"}, ["u"]),
        ({"any": [{"id": "u"}, {"label": "cat"}]}, ["i0", "u"]),
        ({"all": [{"group": "g0"}, {"not": "labelled"}]}, []),
        ({"not": {"group": ["g0", "g1"]}}, ["u"]),
    ],
)
def test_what_is_chosen(filled: Pool, where: Any, ids: list[str]) -> None:
    assert [item.id for item in filled.items(where)] == ids
    assert filled.count(where) == len(ids)


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ("unlabeled", "Did you mean 'unlabelled'"),
        ({"metdata": {}}, "Did you mean 'metadata'"),
        ({"metadata": {"n": {"like": 1}}}, "compared by"),
        ({"metadata": {"n": {"<": None}}}, "nothing is <"),
        ({"id": 7}, "takes a text"),
        ({"any": "all"}, "takes a list"),
        (7, "word or a mapping"),
        ({"metadata": {"n": 2**70}}, "64 bits"),
    ],
)
def test_what_is_refused(filled: Pool, where: Any, message: str) -> None:
    with pytest.raises(BadFilter, match=message):
        filled.items(where)


@given(st.recursive(st.text() | st.integers() | st.none(), lambda x: st.dictionaries(st.text(), x)))
def test_texts_of_users_never_become_sql(value: Any) -> None:
    for where in (
        {"metadata": {"a'); DROP TABLE items; --": value}},
        {"label": value},
        {"group": value},
        {"id": value},
    ):
        try:
            found = condition(where)
        except BadFilter:
            continue
        assert "DROP" not in found.sql
        assert found.sql.isascii()
        assert found.sql.count("?") == len(found.values)
