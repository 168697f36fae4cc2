"""Tenants, keys, quotas."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import AwareDatetime, Field

from querist.service.wire.base import MAX_COUNT, Ask, Count, Id, Instant, Name, Told


class Scope(StrEnum):
    """What a key may do. ``admin`` may do all of it, and manages tenants and keys."""

    READ = "read"
    LABEL = "label"
    QUERY = "query"
    METRICS = "metrics"
    ADMIN = "admin"


class Quota(Ask):
    """Limits of a tenant; None means the server's default.

    Attributes:
        items: In all its pools.
        pools: How many it may have.
        bytes: Of uploads.
        jobs: Unfinished at once.
        running: Running at once.
        requests_per_minute: Beyond it: 429 with Retry-After.
    """

    items: Annotated[int, Field(ge=0, le=MAX_COUNT)] | None = None
    pools: Annotated[int, Field(ge=0, le=1_000_000)] | None = None
    bytes: Annotated[int, Field(ge=0, le=MAX_COUNT)] | None = None
    jobs: Annotated[int, Field(ge=0, le=1_000_000)] | None = None
    running: Annotated[int, Field(ge=1, le=10_000)] | None = None
    requests_per_minute: Annotated[int, Field(ge=1, le=1_000_000)] | None = None


class TenantCreate(Ask):
    """A new tenant, or a new quota of one."""

    name: Name
    quota: Quota = Quota()


class TenantChange(Ask):
    """A new quota."""

    quota: Quota


class Tenant(Told):
    """A group of people who share pools, models and quotas, and see nobody else's."""

    id: str
    name: str
    quota: Quota = Quota()
    created: Instant


class KeyCreate(Ask):
    """A new key.

    Attributes:
        user: Who will use it; labels are recorded in this name.
        tenant: Whose; the maker's own when left out. Only ``admin`` may name another.
        expires: When it stops working; never when left out.
    """

    user: Name
    scopes: Annotated[list[Scope], Field(min_length=1, max_length=5)]
    tenant: Id | None = None
    expires: AwareDatetime | None = None


class Key(Told):
    """A key, without its secret.

    Attributes:
        secret: The key itself: shown once, when it is made or rotated; "" afterwards.
    """

    id: str
    user: str
    tenant: str
    scopes: list[Scope]
    created: Instant
    expires: Instant | None = None
    revoked: Instant | None = None
    last_used: Instant | None = None
    secret: str = ""


class Usage(Told):
    """What a tenant uses, beside its quota."""

    tenant: str
    items: Count
    bytes: Count
    jobs: Count
    running: Count
    quota: Quota
