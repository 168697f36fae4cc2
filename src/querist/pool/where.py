"""Which items: ``where`` of a pool's methods, as conditions with parameters and no SQL from users.

A ``where`` is a word (``"unlabelled"``) or a mapping, all of whose keys must hold::

    {"state": "labelled", "label": "cat", "group": "video 7", "uri": "*/day-2/*",
     "metadata": {"city": "Rome", "year": {">=": 2020}}, "id": ["a", "b"]}

``{"said_by": "ada", "opinions": {"<": 2}}`` looks at who labelled, and how many did;
``"contested"`` are items of which annotators say different things and nobody has decided.

``{"any": [where, ...]}``, ``{"all": [...]}`` and ``{"not": where}`` combine them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple, TypeAlias

from querist.pool import schema
from querist.pool.digests import KEY_BYTES
from querist.pool.errors import BadFilter
from querist.pool.items import encoded
from querist.pool.labelling import KINDS
from querist.pool.lookup import key_named, marks
from querist.sources.nearest import nearest

Where: TypeAlias = "str | Mapping[str, Any]"


class Condition(NamedTuple):
    """A condition on ``items``, and the values of its placeholders.

    Attributes:
        sql: The condition.
        values: Of its placeholders.
        states: Where it says no more than that an item is in one of several states, these.
        few: Whether it names its rows: what else is asked is to be asked of these alone.
    """

    sql: str
    values: tuple[Any, ...] = ()
    states: tuple[int, ...] = ()
    few: bool = False


_LABEL, _DECIDE = KINDS.index("label"), KINDS.index("decide")
# What each annotator said last: SQLite takes the other columns from the row of the maximum.
_LAST = "SELECT row, annotator, kind, value, max(event) FROM events"
_CONTESTED = (
    f"items.row IN (SELECT row FROM ({_LAST} GROUP BY row, annotator) GROUP BY row HAVING "
    f"sum(kind = {_DECIDE}) = 0 AND "
    f"count(DISTINCT CASE WHEN kind = {_LABEL} THEN value END) > 1)"
)
_OPINIONS = (
    f"(SELECT count(*) FROM ({_LAST} WHERE row = items.row GROUP BY annotator) "
    f"WHERE kind = {_LABEL})"
)

_WORDS: Mapping[str, Condition] = {
    "all": Condition("1"),
    "labelled": Condition(
        f"items.state IN ({schema.LABELLED}, {schema.EMPTY})",
        states=(schema.LABELLED, schema.EMPTY),
    ),
    "stale": Condition("items.stale"),
    "contested": Condition(_CONTESTED),
    **{
        name: Condition(f"items.state = {number}")
        for number, name in enumerate(schema.STATES)
        if name != "labelled"
    },
}
_COMPARISONS = ("=", "!=", "<", "<=", ">", ">=")
_DEEPEST = 20
_SOUGHT = 8  # texts that are looked for one after the other


def rows_after(where: Where, after: int, limit: int) -> Condition:
    """A query of the first rows behind one that a ``where`` means, in order.

    The index over states has the rows of each in order. Of several states they are merged: SQLite
    would sort all of them for each page.
    """
    test = condition(where)
    if not test.states:
        sql = f"SELECT items.row FROM items WHERE {test.sql} AND items.row > ?"
        values = (*test.values, after)
    else:
        each = "SELECT row FROM items WHERE state = ? AND row > ?"
        sql = " UNION ALL ".join([each] * len(test.states))
        values = tuple(value for state in test.states for value in (state, after))
    return Condition(f"{sql} ORDER BY row LIMIT ?", (*values, limit))


def condition(where: Where, depth: int = 0) -> Condition:
    """The condition that a ``where`` means.

    Raises:
        BadFilter: If it cannot be understood; with the nearest known word or key.
    """
    if depth > _DEEPEST:
        raise BadFilter(f"A filter is nested more than {_DEEPEST} deep; write it flatter.")
    if isinstance(where, str):
        return _word(where)
    if not isinstance(where, Mapping):
        raise BadFilter(f"A filter is a word or a mapping, got {where!r}.")
    parts = [_part(str(name), value, depth) for name, value in where.items()]
    return _joined(parts, " AND ", "1")


def _word(word: str) -> Condition:
    if word not in _WORDS:
        raise BadFilter(
            f"Items are chosen by one of {', '.join(_WORDS)}, or by a mapping; got {word!r}."
            + nearest(word, _WORDS)
        )
    return _WORDS[word]


def _joined(parts: Iterable[Condition], by: str, none: str) -> Condition:
    kept = list(parts)
    if len(kept) == 1:
        return kept[0]
    if not kept:
        return Condition(none)
    values = tuple(value for part in kept for value in part.values)
    few = by == " AND " and any(part.few for part in kept)
    if few:  # SQLite takes the index over states for better; with a plus it has no choice
        kept = [part if part.few else part._replace(sql=f"+({part.sql})") for part in kept]
    return Condition("(" + by.join(part.sql for part in kept) + ")", values, few=few)


def _part(name: str, value: Any, depth: int) -> Condition:
    if name in ("any", "all"):
        if not isinstance(value, (list, tuple)):
            raise BadFilter(f"{name!r} takes a list of filters, got {value!r}.")
        parts = [condition(where, depth + 1) for where in value]
        return _joined(parts, *((" OR ", "0") if name == "any" else (" AND ", "1")))
    if name == "not":
        inner = condition(value, depth + 1)
        return Condition(f"NOT coalesce({inner.sql}, 0)", inner.values)
    maker = _MAKERS.get(name)
    if maker is None:
        known = (*_MAKERS, "any", "all", "not")
        raise BadFilter(f"A filter has no key {name!r}.{nearest(name, known)} Known: {known}.")
    return maker(value)


def _texts(name: str, value: Any) -> list[str]:
    values = list(value) if isinstance(value, (list, tuple, set, frozenset)) else [value]
    if not all(isinstance(one, str) for one in values):
        raise BadFilter(f"{name!r} takes a text or a list of texts, got {value!r}.")
    return values


def _state(value: Any) -> Condition:
    return _joined([_word(word) for word in _texts("state", value)], " OR ", "0")


def _id(value: Any) -> Condition:
    """Rows that the indexes over ids and keys give: a test of every item would read them all."""
    texts = _texts("id", value)
    keys = list(filter(None, map(key_named, texts)))
    return Condition(
        "items.row IN (SELECT row FROM items WHERE id IN (SELECT value FROM json_each(?)) "
        "UNION ALL SELECT row FROM items WHERE id IS NULL AND key IN "
        f"(SELECT substr(?, 1 + key * {KEY_BYTES}, {KEY_BYTES}) FROM json_each(?)))",
        (json.dumps(texts), b"".join(keys), json.dumps([0] * len(keys))),
        few=True,
    )


def _group(value: Any) -> Condition:
    texts = _texts("group", value)
    if len(texts) == 1 and texts[0]:  # its index gives the rows in their order
        return Condition("items.grp = ?", (texts[0],))
    return Condition(
        "coalesce(items.grp, '') IN (SELECT value FROM json_each(?))", (json.dumps(texts),)
    )


def _uri(value: Any) -> Condition:
    """Patterns of SQLite's GLOB: ``*`` is anything, slashes too."""
    match = "(items.kind = 0 AND (SELECT uri FROM roots WHERE root = items.root) || path GLOB ?)"
    return _joined([Condition(match, (text,)) for text in _texts("uri", value)], " OR ", "0")


def _label(value: Any) -> Condition:
    """A label as it is kept, or, of a text, that class among several, boxes or spans."""
    try:
        text = encoded(value)
    except (TypeError, ValueError) as error:
        raise BadFilter(f"A label is JSON, got {value!r}: {error}.") from error
    same = Condition("items.label = ?", (text,))
    if not isinstance(value, str):
        return same
    among = Condition(
        "EXISTS (SELECT 1 FROM json_each(items.label) AS part WHERE json_type(items.label) = "
        "'array' AND (part.value = ? OR (part.type = 'object' AND "
        "json_extract(part.value, '$.class') = ?)))",
        (value, value),
    )
    return _joined([same, among], " OR ", "0")


def _metadata(value: Any) -> Condition:
    if not isinstance(value, Mapping):
        raise BadFilter(f"'metadata' takes a mapping of names to values, got {value!r}.")
    parts = [_field(str(name), wanted) for name, wanted in value.items()]
    return _joined(parts, " AND ", "1")


def _field(name: str, wanted: Any) -> Condition:
    if isinstance(wanted, Mapping):
        return _joined(_comparisons(name, wanted), " AND ", "1")
    values = list(wanted) if isinstance(wanted, (list, tuple)) else [wanted]
    for value in values:
        _check(name, "=", value)
    if not values:
        return Condition("0")
    one_of = _joined(_one_of(values), " OR ", "0")
    return _joined([*_written(name, values), _found(name, one_of)], " AND ", "1")


def _comparisons(name: str, wanted: Mapping[Any, Any]) -> list[Condition]:
    """All but ``!=`` of one look at the metadata, which takes most of the time."""
    tests = {str(by): _test(name, str(by), value) for by, value in wanted.items()}
    unlike = tests.pop("!=", None)
    found = [_found(name, _joined(tests.values(), " AND ", "1"))] if tests else []
    if unlike is not None:
        inner = _found(name, unlike)
        found.append(Condition(f"NOT {inner.sql}", inner.values))
    return found


def _found(name: str, test: Condition) -> Condition:
    """That there is a field of this name, whose ``f.type`` and ``f.value`` pass a test."""
    return Condition(
        f"EXISTS (SELECT 1 FROM json_each(items.metadata) AS f WHERE f.key = ? AND {test.sql})",
        (name, *test.values),
    )


def _written(name: str, values: list[Any]) -> list[Condition]:
    """That metadata, which are kept as one text for one value, have what a text is written as.

    It is no answer, since it may stand deeper inside, but spares most items being parsed.
    """
    if len(values) > _SOUGHT or not all(isinstance(value, str) for value in values):
        return []
    sought = tuple(f"{_json(name)}: {_json(value)}" for value in values)
    seen = [Condition("instr(items.metadata, ?)", (text,)) for text in sought]
    return [_joined(seen, " OR ", "0")]


def _json(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)  # as `encoded`, but SQLite refuses what is no text


def _one_of(values: list[Any]) -> list[Condition]:
    """Tests of ``f``, one for each kind of value."""
    kinds: dict[str, list[Any]] = {}
    for test, told in map(_kind, values):
        kinds.setdefault(test, []).append(told)
    return [
        Condition(test.format(f"IN ({marks(len(told))})"), tuple(told))
        for test, told in kinds.items()
    ]


def _test(name: str, by: str, value: Any) -> Condition:
    """A comparison of ``f``; for ``!=`` that of what is equal."""
    _check(name, by, value)
    test, told = _kind(value)
    return Condition(test.format("= ?" if by == "!=" else f"{by} ?"), (told,))


def _kind(value: Any) -> tuple[str, Any]:
    """How values of this kind are compared: with types, since true is not 1, and 10 not "10"."""
    if value is None or isinstance(value, bool):
        return "f.type {}", "null" if value is None else str(value).lower()
    if isinstance(value, str):
        return "(f.type = 'text' AND f.value {})", value
    return "(f.type IN ('integer', 'real') AND f.value {})", value


def _check(name: str, by: str, value: Any) -> None:
    if by not in _COMPARISONS:
        raise BadFilter(
            f"metadata {name!r}: values are compared by {' '.join(_COMPARISONS)}, got {by!r}."
        )
    if not isinstance(value, (str, int, float, bool, type(None))):
        raise BadFilter(f"metadata {name!r} is compared with a text or number, got {value!r}.")
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise BadFilter(f"metadata {name!r}: {value} has more than 64 bits.")
    if (value is None or isinstance(value, bool)) and by not in ("=", "!="):
        raise BadFilter(f"metadata {name!r}: nothing is {by} {value!r}; use = or !=.")


def _said_by(value: Any) -> Condition:
    return Condition(
        "EXISTS (SELECT 1 FROM events WHERE row = items.row AND annotator IN "
        "(SELECT value FROM json_each(?)))",
        (json.dumps(_texts("said_by", value)),),
    )


def _opinions(value: Any) -> Condition:
    """How many annotators' labels stand: a number, or comparisons."""
    wanted = value if isinstance(value, Mapping) else {"=": value}
    for by, number in wanted.items():
        if by not in _COMPARISONS or not isinstance(number, int) or isinstance(number, bool):
            raise BadFilter(
                f"'opinions' is a number, or compared with one by {' '.join(_COMPARISONS)}: "
                f'{{"<": 2}}; got {value!r}.'
            )
    parts = [Condition(f"{_OPINIONS} {by} ?", (number,)) for by, number in wanted.items()]
    return _joined(parts, " AND ", "1")


_MAKERS: Mapping[str, Callable[[Any], Condition]] = {
    "state": _state,
    "id": _id,
    "group": _group,
    "uri": _uri,
    "label": _label,
    "metadata": _metadata,
    "said_by": _said_by,
    "opinions": _opinions,
}
