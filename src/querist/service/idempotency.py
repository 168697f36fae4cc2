"""Idempotency keys: a request that is sent again does nothing again, and gets the first answer."""

from __future__ import annotations

import re

from querist.service.ids import new_id
from querist.service.index.index import Index, Row, Taken, change, find, insert, now, remove
from querist.service.problems import Refused

_FORM = re.compile(r"[\x21-\x7e]{1,200}")
_STALE_S = 120.0  # a request that was begun so long ago died with its server
KEEP_S = 2 * 86_400.0


class Once:
    """One key of one tenant.

    Args:
        index: Where keys are remembered.
        tenant: Id of the tenant.
        key: The header's text.
        digest: Of the request; another request with the same key is refused.

    Raises:
        Refused: If the key has not the form of one.
    """

    def __init__(self, index: Index, tenant: str, key: str, digest: str) -> None:
        if not _FORM.fullmatch(key):
            raise Refused(
                "bad-request", "Idempotency-Key should be 1 to 200 visible ASCII letters."
            )
        self._index, self._tenant, self._key, self._digest = index, tenant, key, digest
        self.made = new_id("new")

    def begin(self) -> tuple[int, str] | None:
        """The answer that was given before, or None when this request is to be done.

        ``made`` is then the id for what it creates: the same as in an earlier try that died.

        Raises:
            Refused: If the key was used for another request, or the same one is being done now.
        """
        row: Row = {
            "tenant": self._tenant,
            "key": self._key,
            "digest": self._digest,
            "made": self.made,
            "status": 0,
            "answer": "",
            "created": now(),
        }
        try:
            with self._index.write() as connection:
                insert(connection, "requests", row)
        except Taken:
            return self._again()
        return None

    def finish(self, status: int, answer: str) -> None:
        """Remember the answer. Secrets in it are shown once only, so they are left out here."""
        with self._index.write() as connection:
            change(connection, "requests", self._mine, status=status, answer=_without(answer))

    def give_up(self) -> None:
        """The request was refused or failed: the same key may be used again."""
        with self._index.write() as connection:
            remove(connection, "requests", **self._mine)

    @property
    def _mine(self) -> Row:
        return {"tenant": self._tenant, "key": self._key}

    def _again(self) -> tuple[int, str] | None:
        with self._index.write() as connection:
            row = find(connection, "requests", **self._mine)
            if row is None:
                raise Refused("conflict", "Send the request again.", retry_after=1.0)
            if row["digest"] != self._digest:
                raise Refused("key-reused", "Use a new Idempotency-Key for each new request.")
            if row["status"]:
                return int(row["status"]), str(row["answer"])
            if now() - row["created"] < _STALE_S:
                raise Refused("conflict", "The same request is being done.", retry_after=2.0)
            change(connection, "requests", self._mine, created=now())
        self.made = row["made"]
        return None


def _without(answer: str) -> str:
    return re.sub(r'"secret":"[^"]*"', '"secret":""', answer)


def forget_old(index: Index) -> None:
    """Forget keys of more than two days ago."""
    from querist.service.index.sql import sa
    from querist.service.index.tables import tables

    table = tables().requests
    with index.write() as connection:
        connection.execute(sa().delete(table).where(table.c.created < now() - KEEP_S))
