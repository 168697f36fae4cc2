"""Sharing a pool between owners by weight."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Mapping
from heapq import heappop, heappush, heapreplace
from typing import Generic, TypeVar

from querist.core.errors import RunError

T = TypeVar("T")


def checked_weight(owner: str, weight: float) -> float:
    """The weight itself.

    Raises:
        RunError: If it is not a positive number.
    """
    if not 0 < weight < float("inf"):
        raise RunError(f"the weight of {owner!r} should be a positive number, got {weight!r}.")
    return weight


class FairQueue(Generic[T]):
    """First in, first out for each owner; turns between owners in proportion to their weights.

    Stride scheduling (Waldspurger and Weihl 1995): each turn moves its owner's next turn on by
    1 / weight in virtual time, and the owner whose turn is earliest is served. An owner that comes
    back after a pause starts at the present virtual time, so it cannot save turns up. A turn is
    one task. ``push`` and ``pop`` cost O(log owners), ``remove`` O(1). Not for several threads.

    Args:
        weights: Weight by owner, read at every turn (an engine shares one mapping between its
            pools); an owner that is not in it has the weight 1.
    """

    __slots__ = ("_active", "_clock", "_next", "_size", "_turns", "_waiting", "_weights")

    def __init__(self, weights: Mapping[str, float]) -> None:
        self._waiting: dict[str, OrderedDict[Hashable, T]] = {}
        self._weights = weights
        self._next: dict[str, float] = {}
        self._turns: list[tuple[float, str]] = []
        self._active: set[str] = set()
        self._clock = 0.0
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def push(self, owner: str, key: Hashable, item: T) -> None:
        """Add an item as its owner's last; ``key`` is for :meth:`remove`."""
        self._queue_of(owner)[key] = item
        self._size += 1

    def push_front(self, owner: str, key: Hashable, item: T) -> None:
        """Give back an item that was popped; it is its owner's next one and costs no turn."""
        queue = self._queue_of(owner)
        queue[key] = item
        queue.move_to_end(key, last=False)
        self._size += 1

    def pop(self) -> T:
        """Take the next item.

        Raises:
            IndexError: If there is none.
        """
        turns = self._turns
        while True:
            turn, owner = turns[0]
            queue = self._waiting[owner]
            if queue:
                break
            heappop(turns)
            self._active.discard(owner)
            self._next[owner] = turn
        self._clock = turn
        item = queue.popitem(last=False)[1]
        self._size -= 1
        turn += 1.0 / self._weights.get(owner, 1.0)
        if queue:
            heapreplace(turns, (turn, owner))
        else:
            heappop(turns)
            self._active.discard(owner)
            self._next[owner] = turn
        return item

    def remove(self, owner: str, key: Hashable) -> bool:
        """Take an item out; whether it was there."""
        if key not in self._waiting.get(owner, ()):
            return False
        del self._waiting[owner][key]
        self._size -= 1
        return True

    def _queue_of(self, owner: str) -> OrderedDict[Hashable, T]:
        queue = self._waiting.get(owner)
        if queue is None:
            queue = self._waiting[owner] = OrderedDict()
        if owner not in self._active:
            self._active.add(owner)
            heappush(self._turns, (max(self._next.get(owner, 0.0), self._clock), owner))
        return queue
