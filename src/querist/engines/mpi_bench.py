"""What the MPI of this cluster gives: latency, bandwidth and overhead, measured between its ranks.

Every rank calls :func:`bench`. Rank 0 measures and gets the report; the others do what it asks, are
workers of the engine for a moment, and exit.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from querist.core.errors import ConfigError, RunError
from querist.core.events import TaskFailed, TaskFinished, WorkerLost
from querist.core.tasks import Factory, PoolSpec, Task
from querist.engines.machine import process_age
from querist.engines.mpi import Mpi, attend
from querist.engines.mpi_job import Patience
from querist.engines.mpi_wire import Channel
from querist.engines.mpi_world import Rank, World, world
from querist.engines.wire import Frame, Kind, Stamp

SIZES = (8, 800, 8192, 1 << 16, 1 << 20, 16 << 20)  # bytes; 800 are 100 floats
MODES = ("raw", "ours", "pickled")
DEPTH = 4  # tasks that wait in a worker
_ASK, _PING = 74, 75  # tags
_FIRST, _CHUNK, _MOST = 3, 100, 3000  # round trips: at first, at a time, at most
_LONGEST_WAIT = 60.0  # seconds without any news of a worker

Echo = Callable[[Any], Any]


def bench(seconds: float = 0.2, folder: Path | None = None) -> dict[str, Any]:
    """Measure. Returns on rank 0 only.

    Args:
        seconds: For each cell of the table; a whole takes about forty times as long.
        folder: On the file system where runs are to lie; None for the working folder.

    Returns:
        JSON-able: ``mpi``, ``nodes``, ``pairs`` (rank 0 with a rank of its node and one of another;
        by size seconds one way, median and fastest, and bytes a second), ``pings`` (seconds to
        every rank), ``engine`` (no-op tasks a second), ``start`` (seconds until Python was here)
        and ``folder`` (seconds of an fsync).

    Raises:
        RunError: If there is only one rank.
        ConfigError: If the folder cannot be written.
    """
    age = process_age()
    joined = world()
    ages = joined.comm.gather(age)
    if joined.rank:
        _assist(joined)
        attend()  # a worker from now on, to the end of the job
    if joined.size < 2:
        raise RunError(
            "this measures between MPI ranks, and there is one. Start it with: "
            "mpiexec -n 4 querist bench mpi (on a cluster, in a job over two nodes)."
        )
    try:
        disk = synced(folder or Path(), seconds)
        pairs = [_pair(joined, rank, where, seconds) for where, rank in _partners(joined)]
        pings = {rank: _ping(joined, rank, seconds / 4) for rank in joined.ranks}
    finally:
        for rank in joined.ranks:
            joined.comm.send(None, rank, _ASK)
    return {
        "mpi": _about(joined),
        "nodes": _nodes(joined),
        "pairs": pairs,
        "pings": {str(rank): one_way for rank, one_way in pings.items()},
        "engine": _engine(joined, max(1.0, 5 * seconds)),
        "start": {"median": statistics.median(ages), "slowest": max(ages)},
        "folder": disk,
    }


# ------------------------------------------------------------------------------ between two ranks


def _partners(joined: World) -> list[tuple[str, int]]:
    """A rank on the node of rank 0, and one elsewhere."""
    home = joined.controller.node
    found = {}
    for number, rank in sorted(joined.ranks.items(), reverse=True):
        found["same node" if rank.node == home else "across nodes"] = number
    return sorted(found.items(), reverse=True)


def _pair(joined: World, rank: int, where: str, seconds: float) -> dict[str, Any]:
    rows = []
    for size in SIZES:
        row: dict[str, Any] = {"bytes": size}
        for mode in MODES:
            trips = _timed(joined, rank, mode, size, seconds)
            latency = statistics.median(trips) / 2
            row[mode] = {"seconds": latency, "fastest": min(trips) / 2, "bandwidth": size / latency}
        rows.append(row)
    return {"where": where, "rank": rank, "host": joined.ranks[rank].host, "sizes": rows}


def _timed(joined: World, rank: int, mode: str, size: int, seconds: float) -> list[float]:
    """Seconds of round trips, without the first ones."""
    found: list[float] = []
    until, count = time.perf_counter() + seconds, _FIRST
    while not found or (time.perf_counter() < until and len(found) < _MOST):
        found += _round_trips(joined, rank, (mode, size, count))[1:]
        count = min(2 * count, _CHUNK)
    return found


def _ping(joined: World, rank: int, seconds: float) -> float:
    return statistics.median(_timed(joined, rank, "raw", 8, seconds)) / 2


def _round_trips(joined: World, rank: int, wanted: tuple[str, int, int]) -> list[float]:
    mode, size, count = wanted
    joined.comm.send(wanted, rank, _ASK)
    data = np.arange(size, dtype=np.uint8)
    exchange = _exchanges(joined, rank, size)[mode]
    found: list[float] = []
    back: Any = None
    for _ in range(count):
        begun = time.perf_counter()
        back = exchange(data)
        found.append(time.perf_counter() - begun)
    if not np.array_equal(back, data):
        raise RunError(f"rank {rank} sent back other bytes than it got ({mode}, {size} bytes).")
    return found


def _exchanges(joined: World, rank: int, size: int) -> dict[str, Echo]:
    """How rank 0 sends an array and gets it back."""
    comm, byte, back = joined.comm, joined.mpi.BYTE, np.empty(size, np.uint8)
    heard: list[Frame] = []
    joined.listen()
    joined.receiver = lambda _, each: heard.append(each)
    patience = Patience(joined.yields)

    def raw(data: Any) -> Any:
        comm.Send([data, byte], rank, _PING)
        comm.Recv([back, byte], rank, _PING)
        return back

    def pickled(data: Any) -> Any:
        comm.send(data, rank, _PING)
        return comm.recv(source=rank, tag=_PING)

    def ours(data: Any) -> Any:
        joined.send(rank, (Kind.TASK, Stamp(), [data.data]))
        joined.flush(rank)
        patience.reset()
        while not heard:
            if not joined.poll()[0]:
                patience.wait()
        return np.frombuffer(heard.pop()[2][0], np.uint8)

    return {"raw": raw, "pickled": pickled, "ours": ours}


def _assist(joined: World) -> None:
    """On other ranks: send back what comes, as often and in the way that rank 0 asks for."""
    patience = Patience(joined.yields)
    heard: list[Frame] = []
    channel = Channel(joined.mpi, joined.comm, lambda _, each: heard.append(each), source=0)
    while True:
        if not joined.comm.iprobe(0, _ASK):
            patience.wait()  # blocking in MPI would keep a core busy
            continue
        patience.reset()
        wanted = joined.comm.recv(source=0, tag=_ASK)
        if wanted is None:
            return
        mode, size, count = wanted
        if mode == "ours":
            _echo_frames(channel, heard, patience, count)
        else:
            _echo(joined, mode, size, count)


def _echo(joined: World, mode: str, size: int, count: int) -> None:
    comm, byte, data = joined.comm, joined.mpi.BYTE, np.empty(size, np.uint8)
    for _ in range(count):
        if mode == "raw":
            comm.Recv([data, byte], 0, _PING)
            comm.Send([data, byte], 0, _PING)
        else:
            comm.send(comm.recv(source=0, tag=_PING), 0, _PING)


def _echo_frames(channel: Channel, heard: list[Frame], patience: Patience, count: int) -> None:
    while count:
        if not channel.poll():
            patience.wait()
            continue
        patience.reset()
        while heard:
            channel.put(0, heard.pop())
            channel.flush(0)
            count -= 1
    while not channel.sent():
        patience.wait()


# --------------------------------------------------------------------------------- all the others


class Noop:
    """Does nothing."""

    def run(self, task: Task, context: object) -> Mapping[str, Any]:
        """Nothing."""
        del task, context
        return {}


def _engine(joined: World, seconds: float) -> dict[str, Any]:
    """No-op tasks a second on all ranks, and rank 0's CPU time for one."""
    workers = len(joined.free)
    spec = PoolSpec("noop", Factory(f"{__name__}:Noop"), workers, depth=DEPTH)
    done, number = 0, 0
    with Mpi(isolate=False) as engine:
        engine.start([spec])
        for _ in range(workers * (DEPTH + 1)):
            number += 1
            engine.submit(Task(str(number), "noop", "noop"))
        warm, cpu, ended = time.perf_counter(), time.process_time(), 0
        while (now := time.perf_counter()) < warm + seconds:
            for event in engine.events(_LONGEST_WAIT):
                if isinstance(event, (TaskFailed, WorkerLost)):
                    raise RunError(f"a worker failed: {event}")
                if isinstance(event, TaskFinished):
                    number, done = number + 1, done + 1
                    engine.submit(Task(str(number), "noop", "noop"))
            if not ended and done >= workers:  # all have begun
                warm, cpu, ended = time.perf_counter(), time.process_time(), done
        elapsed, counted = now - warm, done - ended
        spent = time.process_time() - cpu
    return {
        "workers": workers,
        "depth": DEPTH,
        "tasks_per_second": counted / elapsed,
        "cpu_seconds_per_task": spent / max(1, counted),
    }


def synced(folder: Path, seconds: float) -> dict[str, Any]:
    """Seconds of a write of 4 KiB with its fsync, as the journal of a run does.

    Raises:
        ConfigError: If the folder cannot be written.
    """
    try:
        with tempfile.NamedTemporaryFile(dir=folder, prefix="querist-bench-") as file:
            found: list[float] = []
            until = time.perf_counter() + max(seconds, 0.05)
            while len(found) < _FIRST or (time.perf_counter() < until and len(found) < _MOST):
                begun = time.perf_counter()
                file.write(bytes(4096))
                file.flush()
                os.fsync(file.fileno())
                found.append(time.perf_counter() - begun)
    except OSError as error:
        raise ConfigError(f"{folder} cannot be written: {error.strerror}.") from error
    found.sort()
    return {
        "path": str(folder.resolve()),
        "fsync_median": statistics.median(found),
        "fsync_p95": found[int(0.95 * (len(found) - 1))],
        "writes": len(found),
    }


def _about(joined: World) -> dict[str, Any]:
    mpi = joined.mpi
    levels = {
        getattr(mpi, name): f"MPI_{name}"
        for name in ("THREAD_SINGLE", "THREAD_FUNNELED", "THREAD_SERIALIZED", "THREAD_MULTIPLE")
    }
    return {
        "library": mpi.Get_library_version().split("\n")[0].split(",")[0].strip(" \0"),
        "standard": ".".join(map(str, mpi.Get_version())),
        "mpi4py": sys.modules["mpi4py"].__version__,
        "threads": levels[mpi.Query_thread()],
        "ranks": joined.size,
        "fault_tolerant": _fault_tolerant(joined),
    }


def _fault_tolerant(joined: World) -> str:
    """Whether the loss of a rank is survived: "yes", "no", or "unknown"."""
    if not hasattr(joined.comm, "Get_failed"):
        return "no"
    try:
        joined.comm.Get_failed()
    except (joined.mpi.Exception, NotImplementedError):
        return "no"
    if "Open MPI" not in joined.mpi.Get_library_version():
        return "unknown"
    enabled = os.environ.get("OMPI_MCA_mpi_ft_enable", "0")  # noqa: SIM112 (its name)
    return "yes" if enabled in ("1", "true") else "no"


def _nodes(joined: World) -> list[dict[str, Any]]:
    everybody = [joined.controller, *joined.ranks.values()]
    return [
        _node([rank for rank in everybody if rank.node == node], joined)
        for node in sorted({rank.node for rank in everybody})
    ]


def _node(ranks: Sequence[Rank], joined: World) -> dict[str, Any]:
    first = ranks[0]
    is_home = first.node == joined.controller.node
    return {
        "host": first.host,
        "ranks": len(ranks),
        "cores": first.cores,
        "threads_per_rank": first.threads,
        "gpus": sorted({name for rank in ranks for name in rank.gpus}),
        "clock_offset": 0.0 if is_home else statistics.median(rank.clock for rank in ranks),
    }
