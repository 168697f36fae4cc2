"""The tables of ``items.sqlite``, and how older ones become newer ones."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

APPLICATION_ID = 0x51504F4C  # "QPOL": what `file` and we tell a pool's index by
VERSION = 1

# State numbers of items: in the table because the index over them is what paging reads.
UNLABELLED, LABELLED, EMPTY, SKIPPED, DISPUTED, DUPLICATE = range(6)
STATES = ("unlabelled", "labelled", "empty", "skipped", "disputed", "duplicate")

CREATE = """
CREATE TABLE roots (
    root INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    uri TEXT NOT NULL UNIQUE
);
CREATE TABLE items (
    row INTEGER PRIMARY KEY AUTOINCREMENT,
    key BLOB NOT NULL UNIQUE,
    id TEXT,
    root INTEGER NOT NULL,
    path TEXT NOT NULL,
    size INTEGER,
    version TEXT NOT NULL,
    state INTEGER NOT NULL,
    seen INTEGER NOT NULL,
    content BLOB,
    fresh INTEGER NOT NULL,
    twin INTEGER,
    stale INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    grp TEXT,
    label TEXT,
    metadata TEXT,
    inline BLOB
);
CREATE UNIQUE INDEX items_id ON items (id) WHERE id IS NOT NULL;
CREATE INDEX items_state ON items (state);
CREATE INDEX items_content ON items (content) WHERE content IS NOT NULL;
CREATE INDEX items_grp ON items (grp) WHERE grp IS NOT NULL;
CREATE INDEX items_stale ON items (stale) WHERE stale;
CREATE TABLE events (
    event INTEGER PRIMARY KEY AUTOINCREMENT,
    row INTEGER NOT NULL,
    at REAL NOT NULL,
    annotator TEXT NOT NULL,
    kind INTEGER NOT NULL,
    value TEXT
);
CREATE INDEX events_row ON events (row);
CREATE TABLE tombstones (
    id TEXT PRIMARY KEY,
    key BLOB NOT NULL,
    at REAL NOT NULL
) WITHOUT ROWID;
CREATE INDEX tombstones_key ON tombstones (key);
CREATE TABLE classes (
    number INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
);
CREATE TABLE listings (
    uri TEXT PRIMARY KEY,
    after TEXT NOT NULL,
    finished INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE exports (
    path TEXT PRIMARY KEY,
    format TEXT NOT NULL,
    digest TEXT NOT NULL,
    at REAL NOT NULL
) WITHOUT ROWID;
CREATE TABLE meta (
    name TEXT PRIMARY KEY,
    value
) WITHOUT ROWID;
INSERT INTO meta VALUES ('adds', 0);
INSERT INTO roots VALUES (0, '', '');
"""

MIGRATIONS: Mapping[int, str] = MappingProxyType({})
"""From the version that is the key to the next: SQL that runs in one transaction."""
