"""Which worker of a pool gets a task, and which has one too many."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice

from querist.core.tasks import PoolSpec
from querist.engines.fair import FairQueue
from querist.engines.seat import Entry, Seat


class Pool:
    """The workers and the queue of one pool.

    Workers are kept by load (running and waiting tasks), so that choosing one does not look at
    all of them.

    Args:
        spec: What the pool is to be.
        weights: Of owners, shared by all pools.
    """

    def __init__(self, spec: PoolSpec, weights: Mapping[str, float]) -> None:
        self.spec = spec
        self.queue: FairQueue[Entry] = FairQueue(weights)
        self.factory = b""
        self.threads = 1
        self.seats: list[Seat] = []
        self.left = spec.count  # seats that were not given up, and those that are to come
        self.hired = spec.count  # seats that there ever were
        self.story = ""
        self._levels: list[dict[Seat, None]] = [{} for _ in range(spec.depth + 2)]
        self._with_room = self._levels[:-1]
        self._level: dict[Seat, int] = {}  # -1 while it is not ready

    def add(self, seat: Seat) -> None:
        """The seat of a worker that comes from another pool; it was counted when it was sent."""
        self.seats.append(seat)
        self.hired += 1

    def remove(self, seat: Seat) -> None:
        """Take away a seat whose worker has left for another pool."""
        self.seats.remove(seat)
        self._level.pop(seat, None)
        self.left -= 1

    def place(self, seat: Seat) -> None:
        """Note that a worker's load, or whether it is ready, has changed."""
        before, now = self._level.get(seat, -1), seat.load if seat.ready else -1
        if before == now:
            return
        if before >= 0:
            del self._levels[before][seat]
        self._level[seat] = now
        if now >= 0:
            self._levels[now][seat] = None

    def assign(self) -> tuple[Entry, Seat] | None:
        """Take the next task for the least loaded worker; None where one of them is missing."""
        if not self.queue:
            return None
        for level in self._with_room:
            if level:
                seat = next(iter(level))
                return self.queue.pop(), seat
        return None

    def surplus(self, before: float) -> tuple[list[Entry], float | None]:
        """Tasks that wait behind a running one while other workers are idle.

        Args:
            before: Only behind tasks that began before this instant; a short one is over before
                its successor could be moved.

        Returns:
            At most one task for each idle worker, the most loaded workers' last ones first; and
            the earliest beginning after ``before``, None where there is none.
        """
        if not self._levels[0] or self.queue:
            return [], None
        found: list[Entry] = []
        later: list[float] = []
        on_the_way = 0
        for level in reversed(self._levels[2:]):
            for seat in level:
                last = next(reversed(seat.waiting.values()), None)
                on_the_way += sum(entry.recalled for entry in seat.waiting.values())
                if last is None or last.recalled or last.reported or seat.running is None:
                    continue
                if seat.began < before:
                    found.append(last)
                else:
                    later.append(seat.began)
        idle = max(0, len(self._levels[0]) - on_the_way)
        return list(islice(found, idle)), min(later, default=None) if idle else None
