"""Rows of named values (CSV, JSON Lines, Parquet) as records, and back.

Columns that mean something: ``id``, ``uri`` (or one of its usual names), ``text``, ``table`` (a row
of a table), ``group``, ``label``, ``state``, ``by``, ``said`` (what each annotator said) and
``metadata``. All others are metadata; where there is neither URI nor text nor table, they are the
row of a table. ``ID``, ``Text``, ``Label`` and the like are found as well, where the exact name is
not there; a ``state`` that is none of a pool's states is a value like any other.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from querist.core.errors import ConfigError
from querist.pool.manifests.cells import read_cell
from querist.pool.manifests.record import NOTHING, Record, Said
from querist.sources.nearest import nearest

ROLES = ("id", "uri", "text", "table", "group", "label", "state", "by", "said", "metadata")
USUAL_URIS = (
    "uri",
    "url",
    "path",
    "file",
    "filename",
    "file_name",
    "image",
    "image_path",
    "image_url",
    "audio",
)
_PREFIX = "metadata."
RESERVED = frozenset({*ROLES, *USUAL_URIS})
_ANY_CASE = ("id", "text", "label")
_STATES_WITHOUT_LABEL = ("unlabelled", "duplicate", "disputed")
_STATES = ("", *_STATES_WITHOUT_LABEL, "labelled", "empty", "skipped")


class Columns:
    """Which column means what.

    Args:
        names: The columns that there are.
        chosen: Role -> column, by the user; the usual names are found without.
        cells: Whether values are texts that may be JSON.
        task: The pool's.

    Raises:
        ConfigError: For a role or column that there is not.
    """

    def __init__(
        self, names: tuple[str, ...], chosen: Mapping[str, str], cells: bool, task: str
    ) -> None:
        self._cells, self._task = cells, task
        for role, column in chosen.items():
            if role not in ROLES:
                raise ConfigError(
                    f"A manifest's columns have the roles {', '.join(ROLES)}, got {role!r}."
                    + nearest(role, ROLES)
                )
            if column not in names:
                raise ConfigError(
                    f"There is no column {column!r} for {role!r}.{nearest(column, names)} "
                    f"There are: {', '.join(names[:50])}."
                )
        self._roles = _usual(names) | dict(chosen)
        used = set(self._roles.values())
        self._others = tuple(name for name in names if name not in used)
        self._is_table = not {"uri", "text", "table"} & set(self._roles)

    def record(self, line: int, row: Mapping[str, Any]) -> Record:
        """The record of a row.

        Raises:
            ValueError: If a value is not of the kind that its column has.
        """
        others = dict(self._extra(row))
        metadata = others | dict(self._mapping(row, "metadata") or {})
        table = self._mapping(row, "table")
        text = self._of(row, "text")
        if text is not None and not isinstance(text, str):
            raise ValueError(f"the text is {text!r:.100}, not a text")
        uri = self._text(row, "uri")
        if self._is_table:
            table, metadata = others, {}
        inline = table if table is not None else text if not uri else None
        if uri and text:
            metadata["text"] = text
        return Record(
            line,
            uri,
            self._text(row, "id"),
            inline,
            metadata or NOTHING,
            self._text(row, "group"),
            tuple(self._said(row)),
        )

    def _of(self, row: Mapping[str, Any], role: str) -> Any:
        value = row.get(self._roles[role]) if role in self._roles else None
        return None if value == "" and role != "text" else value

    def _text(self, row: Mapping[str, Any], role: str) -> str:
        value = self._of(row, role)
        if value is None:
            return ""
        if not isinstance(value, (str, int)) or isinstance(value, bool):
            raise ValueError(f"the {role} is {value!r:.100}, not a text")
        return str(value)

    def _value(self, value: Any) -> Any:
        return read_cell(value) if self._cells and isinstance(value, str) else value

    def _extra(self, row: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
        for name in self._others:
            value = row.get(name)
            if value is not None and not (self._cells and value == ""):
                yield name.removeprefix(_PREFIX), self._value(value)
        state = self._of(row, "state")
        if state is not None and state not in _STATES:
            yield "state", self._value(state)

    def _mapping(self, row: Mapping[str, Any], role: str) -> Mapping[str, Any] | None:
        value = self._of(row, role)
        if isinstance(value, str):
            value = read_cell(value)
        if value is not None and not isinstance(value, Mapping):
            raise ValueError(f"{role} should be a JSON object, got {value!r:.100}")
        return value

    def _said(self, row: Mapping[str, Any]) -> Iterator[Said]:
        said = self._of(row, "said")
        if said is not None:
            yield from _statements(read_cell(said) if isinstance(said, str) else said)
            return
        state, by = self._of(row, "state"), self._text(row, "by")
        if state == "skipped":
            yield Said("", by, skip=True)
        elif state == "empty":
            yield Said([], by)
        elif state not in _STATES_WITHOUT_LABEL:
            label = self._label(row.get(self._roles.get("label", "")), state == "labelled")
            if label is not None:
                yield Said(label, by)

    def _label(self, value: Any, labelled: bool) -> Any:
        """A label; null is none, "" too unless the state says otherwise, [] is empty."""
        if value is None or (value == "" and (self._cells or not labelled)):
            return None
        if isinstance(value, str):
            return label_of_text(self._task, value, labelled)
        if self._task == "classification" and isinstance(value, float) and value.is_integer():
            value = int(value)  # as frames have whole numbers where some are missing
        if self._task == "classification" and isinstance(value, int):
            return str(value)
        return value


def _usual(names: tuple[str, ...]) -> dict[str, str]:
    """Roles of the columns whose names say them."""
    roles = {role: role for role in ROLES if role in names}
    written = {name.casefold(): name for name in reversed(names)}
    for role in _ANY_CASE:
        if role in written:
            roles.setdefault(role, written[role])
    uris = [name for name in USUAL_URIS if name in names] or [
        written[name] for name in USUAL_URIS if name in written
    ]
    return roles | {"uri": uris[0]} if uris else roles


def label_of_text(task: str, text: str, is_label: bool = False) -> Any:
    """A label from a text cell; with ``is_label`` the text "[]" is the name of a class."""
    if task == "classification":
        return [] if text == "[]" and not is_label else text
    value = read_cell(text)
    if task == "multi-label" and not isinstance(value, list):
        return [part for part in text.split("|") if part]
    return value


def _statements(said: Any) -> Iterator[Said]:
    if not isinstance(said, list):
        raise ValueError(f"'said' should be a list, got {said!r:.100}")
    for one in said:
        if not isinstance(one, Mapping) or not set(one) <= {"by", "value", "skip"}:
            raise ValueError(f"'said' should hold objects of by, value and skip, got {one!r:.100}")
        yield Said(one.get("value"), str(one.get("by") or ""), bool(one.get("skip")))


def row_of(record: Record) -> dict[str, Any]:
    """A record as named values; empty ones are left out. ``metadata`` stays a mapping."""
    row: dict[str, Any] = {"id": record.id}
    if record.inline is None:
        row["uri"] = record.uri
    else:
        row["text" if isinstance(record.inline, str) else "table"] = record.inline
    if record.group:
        row["group"] = record.group
    if record.metadata:
        row["metadata"] = dict(record.metadata)
    if record.label is not None:
        row["label"] = record.label
    row["state"] = record.state
    if any(one.by or one.skip for one in record.said) or len(record.said) > 1:
        row["said"] = [
            {"by": one.by, "value": one.value, "skip": True}
            if one.skip
            else {"by": one.by, "value": one.value}
            for one in record.said
        ]
    return row


def metadata_column(name: str) -> str:
    """The name of a metadata's own column: with a prefix where it would mean something else."""
    return _PREFIX + name if name in RESERVED or name.startswith(_PREFIX) or not name else name
