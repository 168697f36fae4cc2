"""Ranks of an MPI job as workers: rank 0 controls, all others work.

Every rank calls :func:`attend`; on all but rank 0 it serves until the job ends, then exits.
"""

from __future__ import annotations

import os
import select
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Literal

from querist.core.errors import ConfigError, RunError
from querist.core.tasks import PoolSpec
from querist.engines import wire
from querist.engines.foreman import Foreman
from querist.engines.gpus import GpuShares, device, too_few
from querist.engines.loop import BaseLoop
from querist.engines.mpi_job import Employment, Patience, child_environment
from querist.engines.mpi_party import near, tell_party
from querist.engines.mpi_seat import RankSeat
from querist.engines.mpi_station import Station
from querist.engines.mpi_world import Rank, World, world
from querist.engines.opening import Site
from querist.engines.pools import Pool
from querist.engines.seat import Seat
from querist.engines.staff import portable
from querist.engines.wire import Frame, Kind, Stamp
from querist.engines.worker import Opening

ORACLES = ("oracle*",)
_GRACE = 0.5  # seconds between a hard cancellation and the kill
_HANDOVER = 0.02  # seconds between two looks whether a rank is free
_LAST_WAIT = 2.0  # seconds that ranks have to end what was killed


def attend() -> World:
    """Join the job. Returns on rank 0 only; other ranks work, and then exit with its status.

    Raises:
        MissingExtra: If mpi4py is not installed.
        RunError: If there is no MPI.
    """
    joined = world()
    if joined.rank:
        sys.exit(Station(joined).serve())
    return joined


def fitted(
    specs: Sequence[PoolSpec], ranks: int, assign: str = "fixed", fill: Sequence[str] = ORACLES
) -> list[PoolSpec]:
    """Pools for this many working ranks.

    Args:
        specs: As configured.
        ranks: Beside rank 0.
        assign: "fixed" leaves further ranks idle; "fill" shares them out between the pools that
            match ``fill``, in proportion to their counts.
        fill: Patterns of pool names.

    Raises:
        RunError: If there are too few ranks; it says how many are needed.
        ConfigError: If ``assign`` is something else.
    """
    if assign not in ("fixed", "fill"):
        raise ConfigError(f"assign should be 'fixed' or 'fill', got {assign!r}.")
    needed = sum(spec.count for spec in specs)
    if needed > ranks:
        each = ", ".join(f"{name}: {count}" for name, count in _by_role(specs).items())
        raise RunError(
            f"{needed + 1} MPI ranks are needed (1 for control, {each}), and there are "
            f"{ranks + 1}. Start with mpiexec -n {needed + 1}, or configure fewer workers."
        )
    growing = [spec for spec in specs if assign == "fill" and _matches(spec.name, fill)]
    extra = _shares(ranks - needed, [spec.count for spec in growing])
    more = {spec.name: count for spec, count in zip(growing, extra, strict=True)}
    return [replace(spec, count=spec.count + more.get(spec.name, 0)) for spec in specs]


class Mpi(Foreman):
    """Runs tasks on the ranks of an MPI job; the controller is on rank 0.

    Explorers and trainers work in their rank; oracles in a child process of it, so that a crash
    there costs one task. A hard cancellation kills such a child. In a rank itself it interrupts
    Python code (compiled code only when it returns), where MPI_THREAD_MULTIPLE is given or the
    handler asks ``should_stop``; the handler is then opened anew.

    With a fault-tolerant MPI (ULFM) the loss of any rank but 0 costs its running task; a rank that
    is idle takes its place, if there is one. Where a pool has lost its last rank, the largest other
    pool gives it one: an idle worker's, or that of the latest task, which fails with
    ``WORKER_LOST``. Without ULFM the launcher ends the job.

    Several engines may follow each other in one job.

    Args:
        run: The run's folder, for the workers' context.
        scratch: Folder for the workers' own folders; None for a temporary one.
        seed: Of the workers' randomness.
        start_at: Seconds of campaign time at which :meth:`now` begins.
        assign: What becomes of ranks that no pool asks for: "fixed" leaves them idle, as spare
            ones; "fill" adds them to the oracles' pools in proportion.
        isolate: Pools whose workers are child processes: True for all, False for none, or patterns
            of names.
    """

    joins_workers = True

    def __init__(
        self,
        *,
        run: Path | None = None,
        scratch: Path | None = None,
        seed: int = 0,
        start_at: float = 0.0,
        assign: Literal["fixed", "fill"] = "fixed",
        isolate: bool | Sequence[str] = ORACLES,
    ) -> None:
        self._world = attend()
        patterns = {True: ("*",), False: ()}.get(isolate) if isinstance(isolate, bool) else isolate
        offset = start_at - time.monotonic()
        loop = RankLoop(self._world, self._lose)
        site = Site(Path(run) if run else None, Path(scratch) if scratch else None, seed)
        self._ranks = RankStaff(self._world, site, offset, tuple(patterns or ()), loop)
        self._world.listen()
        self._world.receiver = self._deliver
        self._assign = assign
        super().__init__(loop, self._ranks, offset, _GRACE)

    def fit(self, specs: Sequence[PoolSpec]) -> list[PoolSpec]:
        """The pools that :meth:`start` will make of these.

        Raises:
            RunError: If there are too few ranks.
        """
        self._world.await_free(sum(spec.count for spec in specs))
        return fitted(specs, len(self._world.free), self._assign)

    def start(self, pools: Sequence[PoolSpec]) -> None:
        """Give each worker a rank; they join when they have opened their handlers.

        Raises:
            RunError: If there are too few ranks, or GPUs.
        """
        self._refuse_closed()
        super().start(self.fit(pools))

    def _deliver(self, rank: int, each: Frame) -> None:
        seat = self._ranks.seats.get(rank)
        if seat is None:
            self._world._overhear(rank, each)
        elif each[0] == Kind.GONE:
            how, stacks = wire.loads(each[2])
            seat.leave(stacks)
            if seat.heir is not None:
                self._ranks.hand_over(seat)
            self._bury(seat, how)
            tell_party(seat.spec.party, self._ranks.seats.values())
        else:
            self._handle(seat, each)
            if each[0] == Kind.READY:
                tell_party(seat.spec.party, self._ranks.seats.values())

    def _launch(self, seat: Seat) -> None:
        if isinstance(seat, RankSeat) and seat.donor is not None:
            self._loop.after(_HANDOVER, lambda: self._launch(seat))
        elif not self._closed:
            super()._launch(seat)

    def _lose(self, rank: int) -> None:
        """A rank has failed: another takes its place, or nobody does."""
        seat = self._ranks.seats.pop(rank, None)
        if seat is None:
            return
        heir, seat.heir = seat.heir, None
        if seat.next_pool:  # it stays, if a spare rank takes its place
            self._pools[seat.next_pool].left -= 1
            seat.next_pool = ""
        seat.leave("")
        seat.story = ""
        seat.lost = heir is not None or not self._find_rank(seat)
        self._bury(seat, f"was lost with MPI rank {rank} on {seat.rank.host}")
        tell_party(seat.spec.party, self._ranks.seats.values())
        if heir is not None:
            heir.donor = None
            heir.lost = not self._find_rank(heir)
            if heir.lost:
                self._bury(heir, "finds no rank in place of its lost one")

    def _find_rank(self, seat: RankSeat) -> bool:
        """A spare rank; or for the last worker of its pool one of another pool's several."""
        if self._ranks.take_spare(seat):
            return True
        if self._pools[seat.spec.name].left > 1:
            return False
        donor = self._donor(seat)
        if donor is None:
            return False
        seat.donor, donor.heir = donor, seat
        why = f"gave its rank to {seat.name!r}"
        if donor.running is not None:
            donor.kill(why)
        donor.story = why
        donor.send(Kind.CLOSE, Stamp())
        donor.flush()
        return True

    def _donor(self, heir: RankSeat) -> RankSeat | None:
        """Of the largest pool that can spare one: who is idle, or else began last."""
        pools = sorted(self._pools.values(), key=lambda pool: -pool.left)
        for pool in pools:
            seats = [
                s
                for s in pool.seats
                if isinstance(s, RankSeat) and s.sits and not (s.heir or s.next_pool)
            ]
            fit = [seat for seat in seats if heir.fits(seat.rank)]
            if len(seats) > 1 and fit:
                return max(fit, key=lambda seat: (not seat.load, seat.began))
        return None


class RankStaff:
    """Shares out ranks, devices and threads.

    Args:
        world: Whose ranks.
        site: Where workers are opened.
        offset: Campaign time minus rank 0's monotonic clock, in seconds.
        isolate: Patterns of pools whose workers are child processes.
        loop: To wait for the last of them.
    """

    def __init__(
        self, world: World, site: Site, offset: float, isolate: tuple[str, ...], loop: BaseLoop
    ) -> None:
        self.seats: dict[int, RankSeat] = {}
        self._world, self._site, self._offset = world, site, offset
        self._isolate, self._loop = isolate, loop
        self._gpus: dict[tuple[int, tuple[str, ...]], GpuShares] = {}
        self._closing = 0.0

    def hire(self, pools: Sequence[Pool], already: int) -> None:
        """Give every seat a rank; those that need GPUs choose first."""
        for pool in pools:
            pool.factory = portable(pool.spec.handler, pool.spec.name)
        for pool in sorted(pools, key=lambda pool: not pool.spec.resources.gpus):
            pool.threads = pool.spec.threads
            for index in range(pool.spec.count):
                pool.seats.append(self._made(pool, index))

    def _made(self, pool: Pool, index: int) -> RankSeat:
        rank, device = self._place(pool.spec)
        seat = RankSeat(pool.spec, index, device, rank, self._world)
        seat.wait = self._wait
        self._seat(seat, rank)
        return seat

    def add(self, pool: Pool) -> RankSeat:
        """Make one more seat of a pool, on a free rank."""
        return self._made(pool, pool.hired)

    def release(self, seat: RankSeat) -> None:
        """Nobody will sit here any more: its rank is free."""
        del self.seats[seat.rank.number]
        self._world.free.add(seat.rank.number)

    def launch(self, seat: RankSeat, pool: Pool) -> None:
        """Make the seat's rank its worker."""
        context = self._site.context(seat.spec, seat.index, seat.life + 1)
        threads = pool.threads or seat.rank.threads
        context = replace(context, threads=threads, device=seat.device)
        opening = Opening(context, self._offset - seat.rank.clock, pool.factory)
        joins = bool(seat.spec.party)  # a child process has no MPI to talk through
        isolated = _matches(seat.spec.name, self._isolate) and not joins
        environment = child_environment(threads, seat.gpus)
        job = Employment(opening, seat.spec.name, isolated, environment, tuple(sys.path), joins)
        seat.open(job)

    def take_spare(self, seat: RankSeat) -> bool:
        """Give a seat a free rank; whether there is one."""
        for number in sorted(self._world.free):
            if seat.fits(self._world.ranks[number]):
                self._seat(seat, self._world.ranks[number])
                return True
        return False

    def hand_over(self, seat: RankSeat) -> None:
        """Give a seat's rank, whose worker has ended, to its heir."""
        heir, seat.heir, seat.lost = seat.heir, None, True
        if heir is not None:
            heir.donor = None
            self._seat(heir, seat.rank)

    def clean_up(self, seats: Iterable[RankSeat]) -> None:
        """Ranks clean up after their children themselves."""

    def close(self) -> None:
        """Free all ranks; one that is held by its handler is free when it says so."""
        for number, seat in self.seats.items():
            if not seat.sits and number not in self._world.lost:
                self._world.free.add(number)
        self._world.receiver = self._world._overhear
        self._site.clear()

    def _seat(self, seat: RankSeat, rank: Rank) -> None:
        seat.rank = rank
        self.seats[rank.number] = seat
        self._world.free.discard(rank.number)

    def _place(self, spec: PoolSpec) -> tuple[Rank, tuple[str, str]]:
        """A free rank, with its device and the GPUs that it shall see."""
        free = [self._world.ranks[number] for number in sorted(self._world.free)]
        beside = near(spec.party, self.seats.values())
        free.sort(key=lambda rank: rank.node not in beside)
        share = spec.resources.gpus
        if not share:
            return free[0], ("cpu", "")
        for rank in free:
            # Where the launcher has bound ranks to GPUs, those of a node see different ones.
            shares = self._gpus.setdefault((rank.node, rank.gpus), GpuShares(rank.gpus))
            found = shares.take(share)
            if found:
                return rank, (device(found), ",".join(found))
        raise too_few(spec.name, share, "no node with a free rank has that many left")

    def _wait(self, seat: RankSeat) -> None:
        self._closing = self._closing or time.monotonic() + _LAST_WAIT
        while seat.sits and time.monotonic() < self._closing:
            self._loop.poll(time.monotonic() + 0.01)


class RankLoop(BaseLoop):
    """Waits for messages: looks often while there are some, and less and less while not.

    Args:
        world: Whose messages.
        lose: Called with each rank that has failed.
    """

    def __init__(self, world: World, lose: Callable[[int], None]) -> None:
        super().__init__()
        self._world, self._lose = world, lose
        self._patience = Patience(world.yields)
        self._rung = False

    def wake(self) -> None:
        """Make a waiting :meth:`poll` return; callable from any thread."""
        self._rung = True
        super().wake()

    def _wait(self, until: float | None) -> None:
        while True:
            found, lost = self._world.poll()
            for rank in lost:
                self._lose(rank)
            if found:
                self._patience.reset()
                return
            if self._rung:
                self._rung = False
                self._woke()
                return
            now = time.monotonic()
            if until is not None and now >= until:
                return
            self._sleep(now, until)

    def _sleep(self, now: float, until: float | None) -> None:
        seconds = self._patience.next()
        if not seconds:
            os.sched_yield()
            return
        if until is not None:
            seconds = min(seconds, until - now)
        select.select([self._awake], [], [], seconds)


def _matches(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _by_role(specs: Iterable[PoolSpec]) -> Counter[str]:
    """Workers of all pools; numbered ones (``explorer.0``, ``explorer.1`` ...) together."""
    counts: Counter[str] = Counter()
    for spec in specs:
        role, _, number = spec.name.rpartition(".")
        counts[role if number.isdigit() else spec.name] += spec.count
    return counts


def _shares(total: int, weights: Sequence[int]) -> list[int]:
    """Whole shares of ``total`` in proportion: the largest remainders get one more."""
    if not weights or total <= 0:
        return [0] * len(weights)
    exact = [total * weight / sum(weights) for weight in weights]
    shares = [int(share) for share in exact]
    order = sorted(range(len(exact)), key=lambda i: shares[i] - exact[i])
    for index in order[: total - sum(shares)]:
        shares[index] += 1
    return shares
