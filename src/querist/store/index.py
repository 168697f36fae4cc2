"""A SQLite index over a journal, for questions; it can be thrown away and rebuilt.

It is built in a local temporary file and moved into place whole, and opened read-only and
immutable, so nothing depends on the locks of a network file system.
"""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import quote

from querist.store.codec import Record, decode_json, encode_json
from querist.store.errors import NotStored
from querist.store.files import atomic_write
from querist.store.reader import JournalReader

COLUMNS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "question": ("question", "question_id"),
        "task": ("task", "task_id"),
        "oracle": ("oracle",),
        "status": ("status",),
        "cause": ("cause",),
        "purpose": ("purpose",),
        "cost": ("cost",),
    }
)
_PIECE = 2**20


def build_index(
    journal: Path | str,
    target: Path | str | None = None,
    *,
    columns: Mapping[str, tuple[str, ...]] = COLUMNS,
) -> Path:
    """Build the index of a journal, replacing an older one.

    Args:
        journal: Folder of the journal.
        target: Where the index goes; `index.sqlite` beside the journal's folder by default.
        columns: For each column, the names to look for in a record's data, the first found wins;
            dots lead into nested objects ("answer.cause").

    Returns:
        The file.

    Raises:
        JournalCorrupt: The journal is damaged.
        StoreFull, StoreFailed: The index could not be written.
    """
    journal = Path(journal)
    path = Path(target) if target is not None else journal.parent / "index.sqlite"
    reader = JournalReader(journal)
    with tempfile.TemporaryDirectory(prefix="querist-index-") as folder:
        local = Path(folder) / "index.sqlite"
        with closing(sqlite3.connect(local)) as database:
            _fill(database, reader, columns)
        atomic_write(path, _pieces(local))
    return path


def _fill(
    database: sqlite3.Connection, reader: JournalReader, columns: Mapping[str, tuple[str, ...]]
) -> None:
    names = ", ".join(_quoted(name) for name in columns)
    places = ", ".join("?" * (4 + len(columns)))
    with database:
        database.execute(
            "CREATE TABLE records "
            f"(seq INTEGER PRIMARY KEY, at REAL, kind TEXT, {names}, data TEXT)"
        )
        rows = (_row(record, columns) for record in reader.read_new())
        database.executemany(f"INSERT INTO records VALUES ({places})", rows)
        database.execute("CREATE INDEX by_kind ON records (kind)")
        for name in columns:
            column = _quoted(name)
            database.execute(
                f"CREATE INDEX {_quoted('by_' + name)} ON records ({column}) "
                f"WHERE {column} IS NOT NULL"
            )
        database.execute("CREATE TABLE meta (run_id TEXT, last_seq INTEGER)")
        database.execute("INSERT INTO meta VALUES (?, ?)", (reader.run_id, reader.last_seq))


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _row(record: Record, columns: Mapping[str, tuple[str, ...]]) -> tuple[Any, ...]:
    found = (_find(record.data, candidates) for candidates in columns.values())
    return (record.seq, record.at, record.kind, *found, encode_json(record.data).decode())


def _find(data: Mapping[str, Any], candidates: Iterable[str]) -> Any:
    for candidate in candidates:
        value: Any = data
        for step in candidate.split("."):
            value = value.get(step) if isinstance(value, Mapping) else None
        if value is not None:
            return _cell(value)
    return None


def _cell(value: Any) -> Any:
    if isinstance(value, str | float) or (isinstance(value, int) and abs(value) < 2**63):
        return value
    return encode_json(value).decode()


def _pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            yield piece


class Index:
    """An index that was built; read-only, for one thread.

    Attributes:
        run_id: Of the run.
        last_seq: The last record it has; later ones need a new build.

    Args:
        path: What `build_index` returned.

    Raises:
        NotStored: There is no index at that place.
    """

    def __init__(self, path: Path | str) -> None:
        where = Path(path).absolute()
        if not where.is_file():
            raise NotStored(f"There is no index at {where}. Build it with build_index(journal).")
        address = f"file:{quote(str(where))}?mode=ro&immutable=1"
        self._database = sqlite3.connect(address, uri=True)
        self._database.row_factory = sqlite3.Row
        try:
            self.run_id, self.last_seq = self._database.execute("SELECT * FROM meta").fetchone()
        except BaseException:
            self.close()
            raise

    def query(self, sql: str, parameters: tuple[Any, ...] = ()) -> list[dict[str, Any]]:
        """Rows of any SQL question over the table `records`; "data" is given as an object."""
        return [_unpacked(row) for row in self._database.execute(sql, parameters)]

    def records(self, **wanted: Any) -> list[dict[str, Any]]:
        """Rows whose columns have the values given, by seq: `records(kind="failed")`."""
        where = " AND ".join(f"{_quoted(name)} = ?" for name in wanted) or "1"
        sql = f"SELECT * FROM records WHERE {where} ORDER BY seq"
        return self.query(sql, tuple(wanted.values()))

    def failures(self) -> list[dict[str, Any]]:
        """Rows that name a cause, by seq."""
        return self.query("SELECT * FROM records WHERE cause IS NOT NULL ORDER BY seq")

    def counts(self, column: str = "kind") -> dict[str, int]:
        """How many records there are for each value of a column."""
        name = _quoted(column)
        sql = f"SELECT {name} AS value, count(*) AS n FROM records WHERE {name} NOT NULL GROUP BY 1"
        return {row["value"]: row["n"] for row in self._database.execute(sql)}

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def __enter__(self) -> Index:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _unpacked(row: sqlite3.Row) -> dict[str, Any]:
    values = dict(row)
    if "data" in values:
        values["data"] = decode_json(values["data"].encode())
    return values
