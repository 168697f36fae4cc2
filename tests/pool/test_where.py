"""Filters: what they choose, and that they are no way into the database."""

from __future__ import annotations

import operator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
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
        ({"all": ["unlabelled", {"id": ["i0", "u", "i3"]}]}, ["i3", "u"]),
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


_NAMES = st.sampled_from(["a", 'a"b', "a\\b", "a.b", "$", "é", "a: ", "0", ""])
_SCALARS = (
    st.sampled_from(["x", "10", 'x", "a": "y', "true", "é\n", "a", "", "\\u0041"])
    | st.integers(-3, 3)
    | st.sampled_from([10, 2**53, 2**53 + 1, -(2**63), 2**63 - 1])
    | st.floats(-3, 3)
    | st.sampled_from([1.0, -0.0, 2.0**53, 1e300])
    | st.booleans()
    | st.none()
)
_FIELDS = st.dictionaries(_NAMES, _SCALARS | st.lists(_SCALARS) | st.dictionaries(_NAMES, _SCALARS))
_WANTED = (
    _SCALARS
    | st.lists(_SCALARS, max_size=12)
    | st.dictionaries(st.sampled_from(["=", "!="]), _SCALARS)
    | st.dictionaries(
        st.sampled_from(["=", "!=", "<", "<=", ">", ">="]), st.integers(-3, 3) | st.floats(-3, 3)
    )
    | st.dictionaries(st.sampled_from(["=", "!=", "<", "<=", ">", ">="]), st.sampled_from("axyz"))
)
_BY: dict[str, Any] = {
    "=": operator.eq,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def _kind(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return str(value)
    return "number" if isinstance(value, (int, float)) else type(value).__name__


def _holds(fields: dict[str, Any], name: str, by: str, wanted: Any) -> bool:
    if by == "!=":
        return not _holds(fields, name, "=", wanted)
    if name not in fields or _kind(fields[name]) != _kind(wanted):
        return False
    return wanted is None or bool(_BY[by](fields[name], wanted))


def _fits(fields: dict[str, Any], name: str, wanted: Any) -> bool:
    if isinstance(wanted, dict):
        return all(_holds(fields, name, by, value) for by, value in wanted.items())
    values = wanted if isinstance(wanted, list) else [wanted]
    return any(_holds(fields, name, "=", value) for value in values)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(_FIELDS, min_size=1, max_size=5), asked=st.dictionaries(_NAMES, _WANTED))
def test_metadata_are_compared_as_python_compares_them(
    pool: Pool, rows: list[dict[str, Any]], asked: dict[str, Any]
) -> None:
    first = max((item.row for item in pool.items()), default=0)
    pool.add_items({"text": "?", "id": f"r{first + n}", "metadata": f} for n, f in enumerate(rows))
    for where, fit in (({"metadata": asked}, True), ({"not": {"metadata": asked}}, False)):
        found = [item.id for item in pool.items(where, after=first)]
        wanted = [
            f"r{first + n}"
            for n, fields in enumerate(rows)
            if all(_fits(fields, name, value) for name, value in asked.items()) == fit
        ]
        assert found == wanted


@pytest.mark.parametrize(
    "where",
    [
        {"id": ["i1", "0" * 20, "x"]},
        {"id": []},
        {"group": "g1"},
        {"group": ["g1"]},
        {"id": ["i1"], "state": "unlabelled"},
        {"all": ["labelled", {"all": [{"label": "cat"}, {"id": ["i1"]}]}]},
    ],
)
def test_ids_and_groups_are_looked_up_and_not_searched_for(filled: Pool, where: Any) -> None:
    test = condition(where)
    query = f"EXPLAIN QUERY PLAN SELECT * FROM items WHERE {test.sql} AND items.row > 0 LIMIT 9"
    plan = filled._database.connection().execute(query, test.values).fetchall()
    looked = next(step for *_, step in plan if " items " in f"{step} ")
    assert "(rowid=?)" in looked or "(grp=?" in looked


def test_ids_that_are_keys_are_found_as_they_are_shown(pool: Pool) -> None:
    pool.add_items(["one", "two"])
    one = pool.items(limit=1)[0].id
    assert [item.id for item in pool.items({"id": [one, one.upper() + "?", "zz"]})] == [one]
    assert pool.count({"id": f" {one}"}) == 0
    assert pool.count({"group": ""}) == 2


def test_a_long_list_of_values_is_no_deep_expression(filled: Pool) -> None:
    wanted = [f"city {n}" for n in range(5000)] + ["Rome", 2.5]
    assert [item.id for item in filled.items({"metadata": {"city": wanted}})] == ["i0"]
