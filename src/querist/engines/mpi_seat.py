"""Rank 0's side of one worker that is a rank, or a child of one."""

from __future__ import annotations

from collections.abc import Callable

from querist.core.tasks import PoolSpec
from querist.engines import wire
from querist.engines.mpi_job import Employment
from querist.engines.mpi_world import Rank, World
from querist.engines.seat import Seat
from querist.engines.wire import Kind, Stamp


class RankSeat(Seat):
    """A seat for ranks.

    Args:
        spec: Its pool.
        index: Its number in the pool.
        device: Of its workers.
        rank: Who sits here first.
        world: Through which it is talked to.
    """

    def __init__(
        self, spec: PoolSpec, index: int, device: tuple[str, str], rank: Rank, world: World
    ) -> None:
        super().__init__(spec, index, device[0])
        self.gpus = device[1]
        self.rank = rank
        self.sits = False
        self.stacks = ""
        self.donor: RankSeat | None = None  # whose rank it waits for
        self.heir: RankSeat | None = None  # who waits for its rank
        self.wait: Callable[[RankSeat], None] = _no_wait
        self._world = world

    @property
    def alive(self) -> bool:
        """Whether a rank works here."""
        return self.sits

    @property
    def bound(self) -> bool:
        """Whether its rank is promised, or another one's is waited for."""
        return self.donor is not None or self.heir is not None

    def fits(self, rank: Rank) -> bool:
        """Whether a rank can work here: it must see the same GPUs."""
        if not self.gpus:
            return True
        return rank.node == self.rank.node and set(self.gpus.split(",")) <= set(rank.gpus)

    def open(self, job: Employment) -> None:
        """Let the rank become this worker."""
        self._begin()
        self.sits, self.stacks = True, ""
        self.send(Kind.OPEN, Stamp(), wire.dumps(job))
        self.flush()

    def leave(self, stacks: str) -> None:
        """Its worker has ended; the rank stays with the seat.

        Args:
            stacks: Of a child process that crashed.
        """
        self.sits, self.ready, self.stacks = False, False, stacks

    def send(self, kind: Kind, stamp: Stamp, parts: list[wire.Part] | None = None) -> None:
        """Queue a frame for the rank."""
        if self.sits:
            self._world.send(self.rank.number, (kind, stamp, parts or []))

    def flush(self) -> None:
        """Send what is queued."""
        if self.sits:
            self._world.flush(self.rank.number)

    def kill(self, why: str) -> None:
        """Kill the worker's child process, or interrupt its handler."""
        self.story = self.story or why
        serial = self.running.serial if self.running is not None else 0
        self.send(Kind.KILL, Stamp(serial), wire.dumps(why))
        self.flush()

    def terminate(self) -> None:
        """Unwind what runs."""
        self.send(Kind.TERMINATE, Stamp())
        self.flush()

    def end(self) -> None:
        """Wait for its end, but not for ever: compiled code may hold a rank."""
        self.wait(self)

    def faults(self) -> str:
        """The Python stacks at a crash of the last child process."""
        return self.stacks


def _no_wait(seat: RankSeat) -> None:
    del seat
