"""Tenants, users and keys: who asks, and what they may."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from math import inf
from pathlib import Path
from typing import Any

from querist.core.errors import ConfigError
from querist.service.ids import (
    digest_of_secret,
    is_id,
    key_text,
    new_id,
    new_secret,
    same_secret,
    split_key,
)
from querist.service.index.index import Connection, Index, Row, change, find, insert, now
from querist.service.problems import Refused, missing
from querist.service.settings import DEFAULT_TENANT
from querist.service.wire.access import Key, Quota, Scope, Tenant

ROTATION_S = 3600.0  # how long a rotated key's old secret still works
_SEEN_S = 60.0  # `last_used` is written at most so often
# Whoever asked is known for so long: what another server revokes still works here meanwhile.
_KNOWN_S, _MOST_KNOWN = 1.0, 10_000


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks.

    Attributes:
        tenant: Id of the tenant.
        tenant_name: As in service.yaml.
        user: Name of the user, under which labels are recorded.
        scopes: What the key may do.
        quota: The tenant's own, from the index.
        key: Id of the key; "" for a request from loopback without one.
    """

    tenant: str
    tenant_name: str
    user: str
    scopes: frozenset[Scope]
    quota: Quota
    key: str = ""

    def may(self, scope: Scope) -> bool:
        """Whether something that needs this scope may be done."""
        return scope in self.scopes or Scope.ADMIN in self.scopes


def tenant_named(connection: Connection, name: str) -> Row:
    """The tenant of a name, made where there is none."""
    found = find(connection, "tenants", name=name)
    if found is None:
        kept = Quota().model_dump(exclude_none=True)
        found = {"id": new_id("ten"), "name": name, "quota": kept, "created": now()}
        insert(connection, "tenants", found)
    return found


def make_key(
    connection: Connection,
    tenant: str,
    user: str,
    scopes: list[Scope],
    expires: datetime | None = None,
) -> Key:
    """A new key of a tenant (by id); its secret is in the answer and nowhere else."""
    if find(connection, "tenants", id=tenant) is None:
        raise missing("tenant", tenant)
    owner = find(connection, "users", tenant=tenant, name=user)
    if owner is None:
        owner = {"id": new_id("usr"), "tenant": tenant, "name": user, "created": now()}
        insert(connection, "users", owner)
    secret = new_secret()
    row = {
        "id": new_id("key"),
        "tenant": tenant,
        "user": owner["id"],
        "digest": digest_of_secret(secret),
        "old_digest": "",
        "scopes": sorted(set(scopes)),
        "created": now(),
        "expires": expires.timestamp() if expires else None,
    }
    insert(connection, "keys", row)
    return key_told(row, user, key_text(row["id"], secret))


def key_told(row: Row, user: str, secret: str = "") -> Key:
    """A key as it goes on the wire."""
    return Key(
        id=row["id"],
        user=user,
        tenant=row["tenant"],
        scopes=row["scopes"],
        created=row["created"],
        expires=row["expires"],
        revoked=row.get("revoked"),
        last_used=row.get("last_used"),
        secret=secret,
    )


def rotate(connection: Connection, row: Row, user: str) -> Key:
    """A new secret; the old one works for an hour more."""
    secret = new_secret()
    new: dict[str, Any] = {
        "digest": digest_of_secret(secret),
        "old_digest": row["digest"],
        "old_until": now() + ROTATION_S,
    }
    change(connection, "keys", {"id": row["id"]}, **new)
    return key_told(row, user, key_text(row["id"], secret))


def tenant_told(row: Row) -> Tenant:
    """A tenant as it goes on the wire."""
    return Tenant(id=row["id"], name=row["name"], quota=row["quota"], created=row["created"])


class Door:
    """Finds out who asks.

    Args:
        index: Where the keys are.
        without_key: Whether requests without a key are let in as the default tenant's user
            "local", with all scopes.
    """

    def __init__(self, index: Index, without_key: bool) -> None:
        self._index, self._without_key = index, without_key
        with index.write() as connection:
            tenant = tenant_named(connection, DEFAULT_TENANT)
        self._default = tenant["id"]
        self._known: dict[str, tuple[float, Principal]] = {}
        self.changes = 0  # how often a key or a tenant changed here

    def known(self, authorization: str | None, local: bool) -> Principal | None:
        """Who asks, if he asked a moment ago; never waits for the database."""
        until, who = self._known.get(_mark(authorization, local), (0.0, None))
        return who if now() < until else None

    def forget(self) -> None:
        """A key or a tenant changed: look everybody up again."""
        self._known = {}
        self.changes += 1

    def still(self, who: Principal) -> bool:
        """Whether the key of somebody who was let in holds yet."""
        if not who.key:
            return True
        with self._index.read() as connection:
            row = find(connection, "keys", id=who.key)
        return row is not None and not _over(row)

    def let_in(self, authorization: str | None, local: bool) -> Principal:
        """Who asks.

        Args:
            authorization: The header.
            local: Whether the request came from this machine, and through no proxy.

        Raises:
            Refused: If the key is missing, unknown, expired or revoked.
        """
        known = self._known  # what `forget` puts in its place is not written to
        who, until = self._looked_up(authorization, local)
        if len(known) >= _MOST_KNOWN:
            known.clear()
        known[_mark(authorization, local)] = min(until, now() + _KNOWN_S), who
        return who

    def _looked_up(self, authorization: str | None, local: bool) -> tuple[Principal, float]:
        """Who asks, and until when his key may be used."""
        if authorization is None:
            if self._without_key and local:
                return self._local(), inf
            raise Refused("no-key", "Send a key: Authorization: Bearer qk_...")
        scheme, _, text = authorization.partition(" ")
        parts = split_key(text.strip())
        if scheme.lower() != "bearer" or parts is None:
            raise _wrong()
        return self._holder(*parts)

    def _local(self) -> Principal:
        with self._index.read() as connection:
            tenant = find(connection, "tenants", id=self._default)
        quota = Quota(**tenant["quota"]) if tenant else Quota()
        return Principal(self._default, DEFAULT_TENANT, "local", frozenset(Scope), quota)

    def _holder(self, key: str, secret: str) -> tuple[Principal, float]:
        with self._index.read() as connection:
            row = find(connection, "keys", id=key)
            # A digest is compared in any case, so that the time tells nothing.
            fits = same_secret(secret, row["digest"] if row else "")
            if row is None or not (fits or _old_fits(row, secret)) or _over(row):
                raise _wrong()
            until = row["expires"] or inf
            until = until if fits else min(until, row["old_until"])
            tenant = find(connection, "tenants", id=row["tenant"])
            user = find(connection, "users", id=row["user"])
        if tenant is None or user is None:
            raise _wrong()
        if now() - (row["last_used"] or 0) > _SEEN_S:
            with self._index.write() as connection:
                change(connection, "keys", {"id": key}, last_used=now())
        scopes = frozenset(Scope(one) for one in row["scopes"])
        quota = Quota(**tenant["quota"])
        return Principal(tenant["id"], tenant["name"], user["name"], scopes, quota, key), until


def _mark(authorization: str | None, local: bool) -> str:
    """What a request is remembered by: a digest, as secrets are not kept."""
    if authorization is None:
        return f"{local}"
    return hashlib.sha256(authorization.encode("utf-8", "surrogatepass")).hexdigest()


def _old_fits(row: Row, secret: str) -> bool:
    in_time = row["old_until"] is not None and now() < row["old_until"]
    return in_time and same_secret(secret, row["old_digest"])


def _over(row: Row) -> bool:
    return row["revoked"] is not None or (row["expires"] is not None and now() >= row["expires"])


def _wrong() -> Refused:
    return Refused("wrong-key", "The key is unknown, expired or revoked; ask for another one.")


def secret_in(path: Path) -> str:
    """The text of a file with a key.

    Raises:
        ConfigError: If it cannot be read.
    """
    try:
        return path.read_text(encoding="ascii", errors="replace")
    except OSError as error:
        raise ConfigError(
            f"The file of keys.first, {path}, cannot be read: {error.strerror}."
        ) from error


def first_key(index: Index, text: str) -> bool:
    """Make a given key an admin's, if there is no key at all: how a container gets its first one.

    Returns:
        Whether it was made.

    Raises:
        ConfigError: If it has not the form of a key.
    """
    parts = split_key(text.strip())
    if parts is None or not is_id(parts[0], "key"):
        raise ConfigError(
            "The file of keys.first should hold qk_, 20 characters, _ and 52 random characters, "
            "all of a-z and 2-7."
        )
    with index.write() as connection:
        if find(connection, "keys") is not None:
            return False
        tenant = tenant_named(connection, DEFAULT_TENANT)
        made = make_key(connection, tenant["id"], "admin", [Scope.ADMIN])
        digest = digest_of_secret(parts[1])
        change(connection, "keys", {"id": made.id}, id=parts[0], digest=digest)
    return True


def has_keys(index: Index) -> bool:
    """Whether anybody has a key."""
    with index.read() as connection:
        return find(connection, "keys") is not None
