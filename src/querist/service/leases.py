"""Who labels what now: items are lent for a while, so that several people do not do the same one.

Leases stand in the index, so that all servers and the next start of one honour them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from itertools import islice

from querist.service.index.index import (
    Connection,
    Index,
    lend,
    now,
    remove,
    remove_until,
    rows_among,
)

SECONDS = 300.0
_LOOK = 200  # items that are looked at together for some that nobody holds


class Leases:
    """Leases of items, by pool.

    Args:
        index: Where they stand.
        seconds: How long one lasts, unless it is renewed by asking again.
    """

    def __init__(self, index: Index, seconds: float = SECONDS) -> None:
        self._index, self._seconds = index, seconds

    def take(
        self, pool: str, holder: str, items: Iterable[str], number: int, at: float | None = None
    ) -> list[str]:
        """Lend the first of these items that nobody else holds; what the holder has is renewed.

        Args:
            pool: Its id.
            holder: Who asks: a browser's tab, a program.
            items: Ids, in the order in which they are to be labelled.
            number: How many, at most.
            at: Seconds since 1970; None for now.
        """
        at = now() if at is None else at
        taken: list[str] = []
        for part in _parts(items):
            free = self._free(pool, holder, part, at)
            while free and len(taken) < number:  # another server may be faster: look on
                tried = free[: number - len(taken)]
                taken += self._take(pool, holder, tried, at)
                free = free[len(tried) :]
            if len(taken) == number:
                break
        return taken

    def give_back(self, pool: str, holder: str, items: Iterable[str]) -> None:
        """End leases of somebody's, so that others get these items at once."""
        with self._index.write() as connection:
            for item in sorted(set(items)):
                remove(connection, "leases", pool=pool, holder=holder, item=_digest(item))

    def _free(self, pool: str, holder: str, ids: list[str], at: float) -> list[str]:
        digests = {id: _digest(id) for id in ids}
        with self._index.read() as connection:
            found = rows_among(connection, "leases", "item", list(digests.values()), pool=pool)
        held = {row["item"] for row in found if row["until"] > at and row["holder"] != holder}
        return [id for id in ids if digests[id] not in held]

    def _take(self, pool: str, holder: str, ids: list[str], at: float) -> list[str]:
        digests = {id: _digest(id) for id in ids}
        lease = {"pool": pool, "holder": holder, "until": at + self._seconds}
        # In one order, so that two that want the same do not wait for each other for ever.
        rows = [{**lease, "item": digest} for digest in sorted(digests.values())]
        with self._index.write() as connection:
            lend(connection, rows, at)
            # Asked again and not RETURNING, which SQLite has since 3.35.
            his = rows_among(connection, "leases", "item", list(digests.values()), pool=pool)
        got = {row["item"] for row in his if row["holder"] == holder}
        return [id for id in ids if digests[id] in got]


def forget_old(connection: Connection) -> None:
    """Remove leases that ended."""
    remove_until(connection, "leases", "until", now())


def _digest(id: str) -> str:
    return hashlib.sha256(id.encode("utf-8", "surrogatepass")).hexdigest()


def _parts(items: Iterable[str]) -> Iterator[list[str]]:
    left = iter(items)
    while part := list(islice(left, _LOOK)):
        yield part
