"""Who labels what now: items are lent for a while, so that several people do not do the same one.

Leases are held in memory. When the server restarts they are forgotten, and labels are not: at worst
two people then label one item, which the pool takes as two opinions.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable

SECONDS = 300.0


class Leases:
    """Leases of items, by pool.

    Args:
        seconds: How long one lasts, unless it is renewed by asking again.
    """

    def __init__(self, seconds: float = SECONDS) -> None:
        self._seconds = seconds
        self._held: dict[str, dict[str, tuple[str, float]]] = {}
        self._lock = threading.Lock()

    def take(
        self, pool: str, holder: str, items: Iterable[str], number: int, now: float
    ) -> list[str]:
        """Lend the first of these items that nobody else holds; what the holder has is renewed.

        Args:
            pool: Its id.
            holder: Who asks: a browser's tab, a program.
            items: Ids, in the order in which they are to be labelled.
            number: How many, at most.
            now: Seconds of a clock that never goes back.
        """
        taken: list[str] = []
        with self._lock:
            held = {id: one for id, one in self._held.get(pool, {}).items() if one[1] > now}
            self._held[pool] = held
            for id in items:
                if len(taken) == number:
                    break
                if held.get(id, (holder, now))[0] == holder:
                    held[id] = (holder, now + self._seconds)
                    taken.append(id)
        return taken
