"""The tables of the index. Instants are seconds since 1970, ids sort by age."""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

from querist.service.index.sql import sa


class Tables(NamedTuple):
    """All tables, and what holds them."""

    metadata: Any
    tenants: Any
    users: Any
    keys: Any
    pools: Any
    uploads: Any
    models: Any
    jobs: Any
    events: Any
    rounds: Any
    webhooks: Any
    deliveries: Any
    requests: Any
    leases: Any


@cache
def tables() -> Tables:
    """The tables as the newest migration leaves them."""
    metadata = sa().MetaData()
    return Tables(
        metadata, **{name: _table(metadata, name, columns) for name, columns in _layout().items()}
    )


def _table(metadata: Any, name: str, columns: list[Any]) -> Any:
    return sa().Table(name, metadata, *columns)


def _layout() -> dict[str, list[Any]]:
    return {**_people(), **_things(), **_work(), **_messages()}


def _id(**more: Any) -> Any:
    return sa().Column("id", sa().String(32), primary_key=True, **more)


def _text(name: str, length: int = 200, **more: Any) -> Any:
    return sa().Column(name, sa().String(length), nullable=False, **more)


def _refers(name: str, table: str, **more: Any) -> Any:
    column: Any = sa().Column(
        name, sa().String(32), sa().ForeignKey(f"{table}.id"), nullable=False, **more
    )
    return column


def _instant(name: str = "created", optional: bool = False) -> Any:
    return sa().Column(name, sa().Double(), nullable=optional)


def _json(name: str) -> Any:
    return sa().Column(name, sa().JSON(), nullable=False)


def _count(name: str) -> Any:
    return sa().Column(name, sa().BigInteger(), nullable=False, server_default="0")


def _people() -> dict[str, list[Any]]:
    return {
        "tenants": [_id(), _text("name", unique=True), _json("quota"), _instant()],
        "users": [
            _id(),
            _refers("tenant", "tenants"),
            _text("name"),
            _instant(),
            sa().UniqueConstraint("tenant", "name"),
        ],
        "keys": [
            _id(),
            _refers("tenant", "tenants", index=True),
            _refers("user", "users"),
            _text("digest", 64),
            _text("old_digest", 64),
            _instant("old_until", optional=True),
            _json("scopes"),
            _instant(),
            _instant("expires", optional=True),
            _instant("revoked", optional=True),
            _instant("last_used", optional=True),
        ],
    }


def _things() -> dict[str, list[Any]]:
    return {
        "pools": [
            _id(),
            _refers("tenant", "tenants"),
            _text("name"),
            _json("asked"),
            _count("items"),
            _text("addition", 32),
            _instant(),
            sa().UniqueConstraint("tenant", "name"),
        ],
        "uploads": [
            _id(),
            _refers("tenant", "tenants", index=True),
            _text("kind", 32),
            _count("size"),
            _text("sha256", 64),
            _instant(),
        ],
        "models": [
            _id(),
            _refers("tenant", "tenants"),
            _text("name"),
            _json("settings"),
            _instant(),
            sa().UniqueConstraint("tenant", "name"),
        ],
    }


def _work() -> dict[str, list[Any]]:
    return {
        "jobs": [
            _id(),
            _refers("tenant", "tenants"),
            _refers("pool", "pools"),
            _text("kind", 16),
            _text("state", 16, index=True),
            _text("folder", 400),
            _json("asked"),
            _json("progress"),
            _json("result"),
            _count("attempts"),
            _count("cancel"),
            _text("error", 4000),
            _text("runner", 100),
            sa().Column("lease", sa().Double(), nullable=False, server_default="0"),
            sa().Column("seconds", sa().Double(), nullable=False, server_default="0"),
            _instant(),
            _instant("started", optional=True),
            _instant("finished", optional=True),
            # With the id, by which pages are sorted: else each page sorts all jobs.
            sa().Index("ix_jobs_tenant_id", "tenant", "id"),
            sa().Index("ix_jobs_pool_id", "pool", "id"),
        ],
        "events": [
            sa().Column("seq", _serial(), primary_key=True, autoincrement=True),
            _refers("job", "jobs", index=True),
            _text("state", 16),
            _text("note", 200),
            _instant("at"),
        ],
        "rounds": [
            _id(),
            _refers("tenant", "tenants"),
            _refers("pool", "pools"),
            _count("number"),
            _refers("job", "jobs"),
            _json("asked"),
            _instant(),
            sa().UniqueConstraint("pool", "number"),
        ],
    }


def _serial() -> Any:
    return sa().BigInteger().with_variant(sa().Integer(), "sqlite")  # only INTEGER counts by itself


def _messages() -> dict[str, list[Any]]:
    return {
        "webhooks": [
            _id(),
            _refers("tenant", "tenants", index=True),
            _text("url", 4096),
            _json("events"),
            _text("secret", 64),
            _instant(),
        ],
        "deliveries": [
            _id(),
            _refers("webhook", "webhooks", index=True),
            _text("event", 32),
            sa().Column("body", sa().Text(), nullable=False),
            _text("state", 16),
            _count("attempts"),
            sa().Column("status", sa().Integer(), nullable=True),
            _text("error", 500),
            _instant(),
            sa().Column("next_try", sa().Double(), nullable=True, index=True),
        ],
        "requests": [
            sa().Column("tenant", sa().String(32), primary_key=True),
            sa().Column("key", sa().String(200), primary_key=True),
            _text("digest", 64),
            _text("made", 32),
            sa().Column("status", sa().Integer(), nullable=False),
            _json("answer"),
            _text("server", 32, server_default=""),  # that is at it; see presence.py
            _instant(),
        ],
        "leases": [
            sa().Column("pool", sa().String(32), primary_key=True),
            sa().Column("item", sa().String(64), primary_key=True),
            _text("holder"),
            _instant("until"),
        ],
    }
