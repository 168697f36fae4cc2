"""Starting worker processes with what they need, and cleaning up after them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from selectors import BaseSelector

from querist.core.errors import RunError
from querist.core.tasks import Factory
from querist.engines.gpus import GpuShares, device, gpu_names, too_few
from querist.engines.lifeline import Warden, end_marked
from querist.engines.machine import usable_cores
from querist.engines.opening import Site, failure_of
from querist.engines.pools import Pool
from querist.engines.seat import ProcessSeat
from querist.engines.worker import Opening


class ProcessStaff:
    """Threads, devices, factories and the life of worker processes.

    Args:
        site: Where workers are opened.
        offset: Campaign time minus the monotonic clock, in seconds.
        selector: For the seats.
    """

    def __init__(self, site: Site, offset: float, selector: BaseSelector) -> None:
        self._selector = selector
        self._site = site
        self._offset = offset
        self._gpus = GpuShares(gpu_names())
        self._warden: Warden | None = None
        # The kernel ends a worker with the thread that started it, so it is always this one.
        self._spawner = ThreadPoolExecutor(1, "querist-spawner")

    def hire(self, pools: Sequence[Pool], already: int) -> None:
        """Make the seats of pools, with threads and devices shared out.

        Args:
            pools: Without seats so far.
            already: How many workers there are beside theirs.

        Raises:
            RunError: If there are too few GPUs, or a factory cannot be pickled.
        """
        for pool in pools:
            pool.factory = portable(pool.spec.handler, pool.spec.name)
        gpus = self._gpus_for(pools)
        workers = already + sum(pool.spec.count for pool in pools)
        share = max(1, usable_cores() // max(1, workers))
        for pool in pools:
            pool.threads = pool.spec.threads or share
            for index in range(pool.spec.count):
                pool.seats.append(self._seat(pool, index, next(gpus)))

    def add(self, pool: Pool) -> ProcessSeat:
        """Make one more seat of a pool, of workers that need no GPU."""
        return self._seat(pool, pool.hired, ())

    def _seat(self, pool: Pool, index: int, seen: tuple[str, ...]) -> ProcessSeat:
        seat = ProcessSeat(pool.spec, index, device(seen), self._selector)
        seat.gpus = ",".join(seen)
        return seat

    def release(self, seat: ProcessSeat) -> None:
        """Nobody will sit here any more; its process has ended."""

    def launch(self, seat: ProcessSeat, pool: Pool) -> None:
        """Start a process for a seat.

        Raises:
            OSError: If the system starts no process.
        """
        if self._warden is None:
            scratch = str(self._site.scratch) if self._site.temporary else ""
            self._warden = self._spawner.submit(Warden, scratch).result()
        context = self._site.context(seat.spec, seat.index, seat.life + 1)
        context = replace(context, threads=pool.threads, device=seat.device)
        seat.launch(Opening(context, self._offset, pool.factory), self._spawner)
        self._warden.watch(seat.pid, seat.mark)

    def clean_up(self, seats: Iterable[ProcessSeat]) -> None:
        """End what these workers started; they have ended themselves."""
        gone = [seat for seat in seats if seat.pid]
        if not gone:
            return
        end_marked({seat.pid for seat in gone}, [seat.mark for seat in gone])
        for seat in gone:
            if self._warden is not None:
                self._warden.forget(seat.pid, seat.mark)

    def close(self) -> None:
        """After this nothing of it remains."""
        if self._warden is not None:
            self._warden.close()
        self._spawner.shutdown()
        self._site.clear()

    def _gpus_for(self, pools: Iterable[Pool]) -> Iterator[tuple[str, ...]]:
        """GPUs of each worker in turn; all of them, or none are taken."""
        shares = self._gpus.copy()
        found = []
        for spec in (pool.spec for pool in pools):
            wanted = spec.resources.gpus
            for _ in range(spec.count):
                found.append(shares.take(wanted) if wanted else ())
                if wanted and not found[-1]:
                    there = len(gpu_names())
                    why = f"of the {there} that this process may use there are not so many left"
                    raise too_few(spec.name, wanted, why)
        self._gpus = shares
        return iter(found)


def portable(factory: Factory, pool: str) -> bytes:
    """A factory as bytes for another process; what the main script defines travels by value.

    Raises:
        RunError: If something in it cannot be pickled.
    """
    import cloudpickle

    try:
        return bytes(cloudpickle.dumps(factory))
    # Isolation boundary: pickling runs anyone's code.
    except Exception as error:
        raise RunError(
            f"the handler of pool {pool!r} cannot be sent to a worker process "
            f"({failure_of(error).message}). Give it as 'package.module:attribute' with plain "
            "options, or let it open files, locks and connections in its method open."
        ) from error
