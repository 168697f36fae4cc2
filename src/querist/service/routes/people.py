"""Tenants and keys: for the administrator."""

from __future__ import annotations

from querist.service.call import Call, Nothing
from querist.service.index.index import Row, Taken, change, find, insert, newest_page, now
from querist.service.people import key_told, make_key, rotate, tenant_told
from querist.service.problems import Refused, missing
from querist.service.routes.paging import After, Limit, PathId, page_of
from querist.service.wire.access import Key, KeyCreate, Tenant, TenantChange, TenantCreate
from querist.service.wire.base import Name, Page


def list_tenants(
    call: Call, limit: Limit = 100, after: After = "", name: Name | None = None
) -> Page[Tenant]:
    """All tenants, the newest first; ``name`` finds one."""
    with call.service.index.read() as connection:
        rows = newest_page(connection, "tenants", {"name": name}, after, limit)
    return page_of(rows, tenant_told)


def create_tenant(call: Call, body: TenantCreate) -> Tenant:
    """Make a tenant."""
    quota = body.quota.model_dump(exclude_none=True)
    row: Row = {"id": call.new_id("ten"), "name": body.name, "quota": quota, "created": now()}
    try:
        with call.service.index.write() as connection:
            if find(connection, "tenants", id=row["id"]) is None:
                insert(connection, "tenants", row)
    except Taken:
        raise Refused("conflict", "There is a tenant with this name.") from None
    return tenant_told(row)


def get_tenant(call: Call, tenant: PathId) -> Tenant:
    """One tenant."""
    with call.service.index.read() as connection:
        row = find(connection, "tenants", id=tenant)
    if row is None:
        raise missing("tenant", tenant)
    return tenant_told(row)


def change_tenant(call: Call, tenant: PathId, body: TenantChange) -> Tenant:
    """Give a tenant another quota."""
    quota = body.quota.model_dump(exclude_none=True)
    with call.service.index.write() as connection:
        change(connection, "tenants", {"id": tenant}, quota=quota)
    call.service.door.forget()
    return get_tenant(call, tenant)


def create_key(call: Call, body: KeyCreate) -> Key:
    """Make a key. Its secret is in this answer, and never shown again."""
    if body.expires is not None and body.expires.timestamp() <= now():
        raise Refused("invalid", "'expires' should lie in the future.")
    with call.service.index.write() as connection:
        tenant = body.tenant or call.who.tenant
        return make_key(connection, tenant, body.user, list(body.scopes), body.expires)


def list_keys(
    call: Call, limit: Limit = 100, after: After = "", tenant: PathId | None = None
) -> Page[Key]:
    """All keys, the newest first, without their secrets."""
    with call.service.index.read() as connection:
        rows = newest_page(connection, "keys", {"tenant": tenant}, after, limit)
        users = {row["user"]: find(connection, "users", id=row["user"]) for row in rows[0]}
    return page_of(rows, lambda row: key_told(row, (users[row["user"]] or {})["name"]))


def rotate_key(call: Call, key: PathId) -> Key:
    """Give a key a new secret. The old one works for an hour more."""
    with call.service.index.write() as connection:
        row, user = _key(call, key)
        if row["revoked"] is not None:
            raise Refused("conflict", "The key is revoked; make a new one.")
        made = rotate(connection, row, user)
    call.service.door.forget()
    return made


def revoke_key(call: Call, key: PathId) -> Nothing:
    """Make a key worthless, now."""
    row, _ = _key(call, key)
    with call.service.index.write() as connection:
        change(connection, "keys", {"id": row["id"]}, revoked=row["revoked"] or now())
    call.service.door.forget()
    return Nothing()


def _key(call: Call, key: str) -> tuple[Row, str]:
    with call.service.index.read() as connection:
        row = find(connection, "keys", id=key)
        user = find(connection, "users", id=row["user"]) if row else None
    if row is None or user is None:
        raise missing("key", key)
    return row, user["name"]
