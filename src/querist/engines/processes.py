"""Worker processes on this machine: the default engine."""

from __future__ import annotations

import selectors
import time
from pathlib import Path

from querist.engines.foreman import Foreman
from querist.engines.loop import Loop
from querist.engines.opening import Site
from querist.engines.seat import ProcessSeat
from querist.engines.staff import ProcessStaff

_TRIES = 20  # hundredths of a second in which a worker without connection has to end


class Processes(Foreman):
    """Runs tasks in processes of their own, each with one handler.

    A worker holds up to ``PoolSpec.depth`` tasks beside the one that it runs, so that it never
    waits for the next; one that waits behind a long task is called back when another worker of
    its pool is idle. A worker that dies is replaced: its running task fails with
    ``WORKER_LOST``, the waiting ones are queued again. One that cannot open its handler three
    times in a row is given up, and tasks of a pool without workers fail.

    A soft cancellation turns ``should_stop`` true. A hard one also kills the worker, with all
    that it started, when the task has not ended ``cancel_grace`` seconds later. What a cancelled
    task returns in time is delivered as usual; where it raises, its failure is ``CANCELLED``.

    ``resources.memory_mb`` limits what a worker allocates (RLIMIT_DATA: data segment and private
    writable mappings, not libraries or shared memory); what it starts has the same limit each.

    Args:
        run: The run's folder, for the workers' context.
        scratch: Folder for the workers' own folders; None for a temporary one.
        seed: Of the workers' randomness.
        start_at: Seconds of campaign time at which :meth:`now` begins.
        cancel_grace: Seconds between a hard cancellation and the kill.
    """

    def __init__(
        self,
        *,
        run: Path | None = None,
        scratch: Path | None = None,
        seed: int = 0,
        start_at: float = 0.0,
        cancel_grace: float = 0.5,
    ) -> None:
        offset = start_at - time.monotonic()
        loop = Loop(self._react)
        staff = ProcessStaff(Site(run, scratch, seed), offset, loop.selector)
        super().__init__(loop, staff, offset, cancel_grace)

    def _react(self, seat: ProcessSeat, source: object, mask: int) -> None:
        if mask & selectors.EVENT_WRITE:
            seat.flush()
        for frame in seat.receive():
            self._handle(seat, frame)
        if isinstance(source, int) or not seat.connected:
            self._check_end(seat, seat.life)

    def _check_end(self, seat: ProcessSeat, life: int, tries: int = 0) -> None:
        """Bury a worker whose process has ended; one that only hung up is killed."""
        if not seat.alive or seat.life != life:
            return
        for frame in seat.receive(everything=True):
            self._handle(seat, frame)
        how = seat.reap()
        if how is not None:
            self._bury(seat, how)
        elif not seat.connected:
            if tries == _TRIES:
                seat.kill("closed its connection, and was killed")
            self._loop.after(0.01, lambda: self._check_end(seat, life, tries + 1))
