"""The tables of the first release, as they were then; ``tables.py`` says how they are now."""

from __future__ import annotations

from typing import Any

from querist.service.index.sql import operations, sa

revision = "0001"
down_revision: str | None = None

# Column by column: "name kind", where kind is a number (text of that length), ">table" (a text
# that refers to it), or a word of _KINDS; "?" may be null, "*" is indexed.
_LAYOUT = {
    "tenants": "id 32, name 200, quota json, created instant",
    "users": "id 32, tenant >tenants, name 200, created instant",
    "keys": "id 32, tenant >tenants *, user >users, digest 64, old_digest 64, old_until instant ?,"
    " scopes json, created instant, expires instant ?, revoked instant ?, last_used instant ?",
    "pools": "id 32, tenant >tenants, name 200, asked json, items count, addition 32,"
    " created instant",
    "uploads": "id 32, tenant >tenants *, kind 32, size count, sha256 64, created instant",
    "models": "id 32, tenant >tenants, name 200, settings json, created instant",
    "jobs": "id 32, tenant >tenants *, pool >pools *, kind 16, state 16 *, folder 400, asked json,"
    " progress json, result json, attempts count, cancel count, error 4000, runner 100,"
    " lease since, seconds since, created instant, started instant ?, finished instant ?",
    "events": "seq serial, job >jobs *, state 16, note 200, at instant",
    "rounds": "id 32, tenant >tenants, pool >pools, number count, job >jobs, asked json,"
    " created instant",
    "webhooks": "id 32, tenant >tenants *, url 4096, events json, secret 64, created instant",
    "deliveries": "id 32, webhook >webhooks *, event 32, body text, state 16, attempts count,"
    " status integer ?, error 500, created instant, next_try instant ? *",
    "requests": "tenant 32, key 200, digest 64, made 32, status integer, answer json,"
    " created instant",
}
_PRIMARY = {"events": ("seq",), "requests": ("tenant", "key")}
_UNIQUE = {
    "tenants": ("name",),
    "users": ("tenant", "name"),
    "pools": ("tenant", "name"),
    "models": ("tenant", "name"),
    "rounds": ("pool", "number"),
}


def upgrade() -> None:
    """Make all tables."""
    op = operations()
    for table, layout in _LAYOUT.items():
        words = [column.split() for column in layout.split(",")]
        key = sa().PrimaryKeyConstraint(*_PRIMARY.get(table, ("id",)))
        unique = [sa().UniqueConstraint(*_UNIQUE[table])] if table in _UNIQUE else []
        op.create_table(table, *(_column(*word) for word in words), key, *unique)
        for name, _, *marks in words:
            if "*" in marks:
                op.create_index(f"ix_{table}_{name}", table, [name])


def downgrade() -> None:
    """Remove them all."""
    op = operations()
    for name in reversed(_LAYOUT):
        op.drop_table(name)


def _column(name: str, kind: str, *marks: str) -> Any:
    lib = sa()
    if kind.startswith(">"):
        refers = lib.ForeignKey(f"{kind[1:]}.id")
        return lib.Column(name, lib.String(32), refers, nullable=False)
    if kind.isdigit():
        return lib.Column(name, lib.String(int(kind)), nullable=False)
    start = "0" if kind in ("count", "since") else None
    kinds = {
        "json": lib.JSON(),
        "text": lib.Text(),
        "integer": lib.Integer(),
        "count": lib.BigInteger(),
        "serial": lib.BigInteger().with_variant(lib.Integer(), "sqlite"),
        "instant": lib.Double(),
        "since": lib.Double(),
    }
    return lib.Column(name, kinds[kind], nullable="?" in marks, server_default=start)
