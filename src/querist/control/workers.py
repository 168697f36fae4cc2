"""How many workers each pool has now, and how many of its tasks are on the way."""

from __future__ import annotations

from collections.abc import Mapping


class Workers:
    """Counts workers and tasks by pool.

    Attributes:
        lost: Message by pool, for pools that will never have a worker again.
    """

    def __init__(self) -> None:
        self.lost: dict[str, str] = {}
        self._ready: dict[str, set[str]] = {}
        self._coming: dict[str, int] = {}
        self._busy: dict[str, int] = {}

    def expect(self, pools: Mapping[str, int]) -> None:
        """Workers that an engine is about to start."""
        self._coming.update({pool: int(count) for pool, count in pools.items()})

    def join(self, worker: str, pool: str) -> None:
        """A worker is ready."""
        ready = self._ready.setdefault(pool, set())
        if worker not in ready:
            ready.add(worker)
            self._comes(pool, -1)
        self.lost.pop(pool, None)

    def leave(self, worker: str, pool: str, message: str, *, final: bool) -> None:
        """A worker is gone, for good or to be replaced.

        A pool is lost with its last worker, unless another is still starting or coming back.
        """
        ready = self._ready.setdefault(pool, set())
        was_ready = worker in ready
        ready.discard(worker)
        if final and not was_ready:
            self._comes(pool, -1)
        elif was_ready and not final:
            self._comes(pool, 1)
        if final and not ready and not self._coming.get(pool):
            self.lost[pool] = message

    def move(self, worker: str, pool: str) -> str:
        """A worker has left for another pool, where one more is to come; where it was."""
        source = next((name for name, ready in self._ready.items() if worker in ready), "")
        self._ready.get(source, set()).discard(worker)
        self._comes(pool, 1)
        self.lost.pop(pool, None)
        return source

    def _comes(self, pool: str, change: int) -> None:
        self._coming[pool] = max(0, self._coming.get(pool, 0) + change)

    def count(self, pool: str) -> int:
        """Workers that are ready."""
        return len(self._ready.get(pool, ()))

    @property
    def pools(self) -> set[str]:
        """All that were ever named."""
        return {*self._ready, *self._coming}

    def expected(self, pool: str) -> int:
        """Workers that are ready, starting or coming back."""
        return self.count(pool) + self._coming.get(pool, 0)

    def take(self, pool: str) -> None:
        """One more task of the pool is on the way."""
        self._busy[pool] = self._busy.get(pool, 0) + 1

    def free(self, pool: str) -> None:
        """A task of the pool came back."""
        self._busy[pool] = self._busy.get(pool, 0) - 1

    def room(self, pool: str, ahead: int = 0) -> int:
        """Tasks that the pool could take now, with ``ahead`` waiting for each worker."""
        return len(self._ready.get(pool, ())) * (1 + ahead) - self._busy.get(pool, 0)
