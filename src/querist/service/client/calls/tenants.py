"""Tenants and keys, for administrators."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from querist.service.client.call import Call, Flow, Listing, delete, get, pages, path_of, post
from querist.service.client.calls.references import Ref, id_of
from querist.service.wire.access import Key, KeyCreate, Tenant, TenantChange, TenantCreate


def tenants() -> Listing[Tenant]:
    """All tenants."""
    return Listing(pages(Tenant, "tenants"))


def tenant(tenant: Ref) -> Flow[Tenant]:
    """One tenant."""
    found: Tenant = yield from get(Tenant, "tenants", id_of(tenant))
    return found


def create_tenant(name: str, quota: Mapping[str, int] | None = None) -> Flow[Tenant]:
    """A new tenant; of its quota, what is not named is the server's default."""
    body = TenantCreate.model_validate({"name": name, "quota": dict(quota or {})})
    made: Tenant = yield from post(Tenant, "tenants", body=body)
    return made


def set_quota(tenant: Ref, quota: Mapping[str, int]) -> Flow[Tenant]:
    """Give a tenant a new quota."""
    body = TenantChange.model_validate({"quota": dict(quota)})
    changed: Tenant = yield Call("PATCH", path_of("tenants", id_of(tenant)), Tenant, body=body)
    return changed


def keys() -> Listing[Key]:
    """All keys, without their secrets."""
    return Listing(pages(Key, "keys"))


def create_key(
    user: str,
    scopes: Iterable[str],
    *,
    tenant: Ref | None = None,
    expires: datetime | None = None,
) -> Flow[Key]:
    """A new key, with scopes of read, label, query and admin; its ``secret`` is shown once."""
    said = {"user": user, "scopes": list(scopes), "expires": expires}
    said["tenant"] = None if tenant is None else id_of(tenant)
    made: Key = yield from post(Key, "keys", body=KeyCreate.model_validate(said))
    return made


def rotate_key(key: Ref) -> Flow[Key]:
    """Give a key a new secret; the old one works for an hour more."""
    made: Key = yield from post(Key, "keys", id_of(key), "rotate")
    return made


def revoke_key(key: Ref) -> Flow[None]:
    """End a key at once."""
    yield from delete("keys", id_of(key))
