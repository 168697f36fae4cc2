"""Idempotency keys: a request that is sent again does nothing again, and gets the first answer."""

from __future__ import annotations

import re

from querist.service.ids import new_id
from querist.service.index.index import Index, Row, Taken, change, find, insert, now, remove
from querist.service.presence import Presence
from querist.service.problems import Refused

_FORM = re.compile(r"[\x21-\x7e]{1,200}")
KEEP_S = 2 * 86_400.0
_DIGEST = 64  # letters of a digest in the index


class Once:
    """One key of one tenant.

    Args:
        index: Where keys are remembered.
        presence: Of this server, by which others tell whether what it began is still being done.
        tenant: Id of the tenant.
        key: The header's text.
        digest: Of the request; another request with the same key is refused. It may be short of 64
            letters: what :meth:`finish` knows more of the request is then remembered beside it.

    Attributes:
        content: What the earlier request was known by beside its digest.

    Raises:
        Refused: If the key has not the form of one.
    """

    def __init__(
        self, index: Index, presence: Presence, tenant: str, key: str, digest: str
    ) -> None:
        if not _FORM.fullmatch(key):
            raise Refused(
                "bad-request", "Idempotency-Key should be 1 to 200 visible ASCII letters."
            )
        self._index, self._presence = index, presence
        self._tenant, self._key, self._digest = tenant, key, digest
        self.made = new_id("new")
        self.content = ""

    def begin(self) -> tuple[int, str] | None:
        """The answer that was given before, or None when this request is to be done.

        ``made`` is then the id for what it creates: the same as in an earlier try that died.

        Raises:
            Refused: If the key was used for another request, or the same one is being done now.
        """
        if not self._presence.claim(self._token):
            return self._earlier()
        try:
            answer = None if self._is_new() else self._earlier(mine=True)
        except BaseException:
            self._presence.unclaim(self._token)
            raise
        if answer is not None:
            self._presence.unclaim(self._token)
        return answer

    def finish(self, status: int, answer: str, content: str = "") -> None:
        """Remember the answer. Secrets in it are shown once only, so they are left out here.

        Args:
            status: Of the answer.
            answer: Its text.
            content: A digest of what was read of the request only while it was done.
        """
        told = {"status": status, "answer": _without(answer), "digest": self._known_by(content)}
        try:
            with self._index.write() as connection:
                change(connection, "requests", self._mine, **told)
        finally:
            self._presence.unclaim(self._token)

    def is_same(self, content: str) -> bool:
        """Whether the earlier request had this content, too."""
        return self.content == self._known_by(content).removeprefix(self._digest)

    def _known_by(self, content: str) -> str:
        return (self._digest + content)[:_DIGEST]

    def give_up(self) -> None:
        """The request was refused or failed: the same key may be used again."""
        try:
            with self._index.write() as connection:
                remove(connection, "requests", **self._mine)
        finally:
            self._presence.unclaim(self._token)

    def let_go(self) -> None:
        """It was broken off, and may be done: the same request goes on with what it made."""
        self._presence.unclaim(self._token)

    @property
    def _mine(self) -> Row:
        return {"tenant": self._tenant, "key": self._key}

    @property
    def _token(self) -> tuple[str, str]:
        return self._tenant, self._key

    def _is_new(self) -> bool:
        """Note that it is being done; False where a request with this key came before."""
        row: Row = {
            **self._mine,
            "digest": self._digest,
            "made": self.made,
            "status": 0,
            "answer": "",
            "server": self._presence.name,
            "created": now(),
        }
        try:
            with self._index.write() as connection:
                insert(connection, "requests", row)
        except Taken:
            return False
        return True

    def _earlier(self, mine: bool = False) -> tuple[int, str] | None:
        """What became of a request with this key, or None to go on with what a dead server began.

        Args:
            mine: Whether no other request of this server is at it.
        """
        with self._index.read() as connection:
            row = find(connection, "requests", **self._mine)
        if row is None:
            raise Refused("conflict", "Send the request again.", retry_after=1.0)
        if not row["digest"].startswith(self._digest):
            raise Refused("key-reused", "Use a new Idempotency-Key for each new request.")
        self.content = row["digest"].removeprefix(self._digest)
        if row["status"]:
            return int(row["status"]), str(row["answer"])
        if not (mine and self._is_dead(row["server"]) and self._take_over(row["server"])):
            raise Refused("conflict", "The same request is being done.", retry_after=2.0)
        self.made = row["made"]
        return None

    def _is_dead(self, server: str) -> bool:
        """Whether nobody is at what a server began; this one's own requests are claimed."""
        return server == self._presence.name or not self._presence.lives(server)

    def _take_over(self, server: str) -> bool:
        """Go on with what a dead server began, unless another one was quicker."""
        where = {**self._mine, "status": 0, "server": server}
        with self._index.write() as connection:
            return change(connection, "requests", where, server=self._presence.name) == 1


def _without(answer: str) -> str:
    return re.sub(r'"secret":"[^"]*"', '"secret":""', answer)


def forget_old(index: Index) -> None:
    """Forget keys of more than two days ago."""
    from querist.service.index.sql import sa
    from querist.service.index.tables import tables

    table = tables().requests
    with index.write() as connection:
        connection.execute(sa().delete(table).where(table.c.created < now() - KEEP_S))
