"""Tasks a second in a closed loop with four workers, and what a killed one costs: JSON lines.

    python benchmarks/throughput.py [--quick] [--peers PYTHON]

Each result is recorded in a journal and makes one new task; up to eight wait in a worker.

- ``*-noop``: tasks that do nothing, the journal in memory (a folder of /dev/shm, synced like any
  other). ``ours`` is the rate with the journal complete at the end, ``bare`` the rate of the engine
  without any journal, ``limit`` that of the bare manager and worker loop in the same run (mpi4py
  with pickled messages, and a process pool, which record nothing) with as many tasks in flight.
- ``*-noop-durable``: the journal is on the disk and a result counts (it makes the next task) once
  it is synced; ``depth`` is the number of tasks in flight, ``fsync`` the median seconds of a bare
  fdatasync after 4 KiB in the same folder.
- ``*-busy-0.05s``: ``ours`` is the share of time in which workers worked, two tasks waiting in
  each.
- ``*-kill``: ``ours`` is the worst time from ``kill -9`` of a worker to its successor's first
  result, ``noticed`` to the news of its death; ``lost`` counts results that never came. On MPI
  there is one spare rank, and mpiexec runs with ``--with-ft ulfm``.

``cpu`` is the controlling process's CPU time a task in microseconds, journal included, which bounds
the rate from above; on fewer cores than processes the rates differ much from run to run, so the
best of several is taken for all. ``--peers`` runs the same loop with what is installed in another
interpreter (libEnsemble, Parsl, Colmena, mpi4py.futures; see ``throughput_peers.py``), whose best
rate is then ``peer``. ``mpi-*`` needs mpiexec.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from contextlib import contextmanager
from pathlib import Path
from typing import Any

BESIDE = Path(sys.executable).with_name("mpiexec")
MPIEXEC = str(BESIDE) if BESIDE.exists() else shutil.which("mpiexec")
MEMORY = "/dev/shm"
WORKERS, AHEAD = 4, 8
IN_FLIGHT = WORKERS * (1 + AHEAD)
DURABLE_DEPTH = 256
BUSY_SECONDS, KILL_SECONDS, KILL_TASKS = 0.05, 0.01, 400
PATIENCE = 20.0  # seconds without any news after which what is still out counts as lost
SPANS = ("submitted", "started", "finished", "received", "cpu")


class Work:
    """Sleeps as long as the task says, and says who it was."""

    def run(self, task: Any, context: Any) -> Mapping[str, Any]:
        """The task's number, and the process."""
        if task.payload["seconds"]:
            time.sleep(task.payload["seconds"])
        return {"number": task.payload["number"], "pid": os.getpid()}


class ClosedLoop:
    """Keeps tasks in flight, and records each result.

    Args:
        engine: Started, its workers joined.
        writer: The journal; None records nothing.
        flight: Tasks in flight.
        durable: Whether a result counts only once it is synced.
        seconds: That each task takes.
    """

    def __init__(self, engine, writer=None, flight=IN_FLIGHT, durable=False, seconds=0.0) -> None:
        self.engine, self.writer, self.flight = engine, writer, flight
        self.durable, self.seconds = durable, seconds
        self.results: dict[int, Any] = {}
        self.submitted = self.retried = 0

    def run(self, tasks: int, watch: Callable[[Any], bool] | None = None) -> float:
        """Run tasks, and more until ``watch`` says that it has seen enough; the seconds."""
        first = self.writer.last_seq if self.writer is not None else 0
        self.results, self.submitted, enough = {}, 0, watch is None
        begun = heard = time.perf_counter()
        while (counted := self._counted(first)) < self.submitted or self.submitted < tasks:
            goal = counted + self.flight
            while self.submitted < (min(tasks, goal) if enough else goal):
                self.submit(self.submitted)
                self.submitted += 1
            for event in self.engine.events(PATIENCE):
                self._take(event)
                heard = time.perf_counter()
                if watch is not None:
                    enough = watch(event)
            if time.perf_counter() > heard + PATIENCE:
                break
        if self.writer is not None:
            self.writer.flush()
        return time.perf_counter() - begun

    def submit(self, number: int, attempt: int = 1) -> None:
        """One task."""
        from querist.core.tasks import Task

        payload = {"number": number, "seconds": self.seconds}
        self.engine.submit(Task(f"{number}.{attempt}", "no-op", "work", payload, attempt=attempt))

    def _counted(self, first: int) -> int:
        return self.writer.durable_seq - first if self.durable else len(self.results)

    def _take(self, event: Any) -> None:
        kind = type(event).__name__
        if kind == "TaskFinished":
            self._record(event)
        elif kind == "TaskFailed":
            if event.failure.reason.name != "WORKER_LOST":
                raise SystemExit(event.failure.message)
            number, attempt = map(int, event.task.split("."))
            self.retried += 1
            self.submit(number, attempt + 1)

    def _record(self, event: Any) -> None:
        self.results[event.result["number"]] = event.spans
        if self.writer is not None:
            spans = {name: round(getattr(event.spans, name), 6) for name in SPANS}
            data = {"task": event.task, "worker": event.worker, "spans": spans}
            self.writer.append("result", {**data, "result": event.result})


@contextmanager
def started(engine, ahead: int = AHEAD) -> Iterator[Any]:
    """The engine, once all workers have joined."""
    from querist.core.tasks import Factory, PoolSpec

    with engine:
        engine.start([PoolSpec("work", Factory("throughput:Work"), WORKERS, depth=ahead)])
        joined = 0
        while joined < WORKERS:
            joined += sum(type(event).__name__ == "WorkerJoined" for event in engine.events(None))
        yield engine


@contextmanager
def journal(on_disk: bool, on_durable: Callable[[int], None] | None = None) -> Iterator[Any]:
    """A journal, and its folder."""
    from querist.store.journal import JournalWriter

    place = None if on_disk or not Path(MEMORY).is_dir() else MEMORY
    with (
        tempfile.TemporaryDirectory(dir=place) as scratch,
        JournalWriter(scratch, "throughput", on_durable=on_durable) as writer,
    ):
        yield writer, Path(scratch)


def fsync_seconds(folder: Path) -> float:
    """Median time of syncing 4 KiB."""
    taken = []
    with (folder / "fsync").open("wb", buffering=0) as file:
        for _ in range(100):
            file.write(bytes(4096))
            begun = time.perf_counter()
            os.fdatasync(file.fileno())
            taken.append(time.perf_counter() - begun)
    return statistics.median(taken)


def rates(loop: ClosedLoop, tasks: int, rounds: int) -> dict[str, float]:
    """The best of some rounds: tasks a second, and CPU microseconds a task."""
    found = []
    for _ in range(rounds):
        cpu = time.process_time()
        seconds = loop.run(tasks)
        found.append((tasks / seconds, (time.process_time() - cpu) / tasks * 1e6))
        if len(loop.results) != tasks:
            raise SystemExit(f"{tasks - len(loop.results)} of {tasks} results never came.")
    rate, cpu = max(found)
    return {"ours": round(rate), "cpu": round(cpu, 1)}


def noop(name: str, engine, limit: float, tasks: int, rounds: int) -> None:
    """No-op tasks: without a journal, with one in memory, and with one on the disk."""

    def ratio(found: dict[str, float]) -> dict[str, float]:
        return {**found, "limit": round(limit), "ratio": round(found["ours"] / limit, 3)}

    with started(engine):
        bare = rates(ClosedLoop(engine), tasks, rounds)
        with journal(on_disk=False) as (writer, folder):
            found = ratio(rates(ClosedLoop(engine, writer), tasks, rounds))
            where = MEMORY if MEMORY in str(folder) else "disk"
        more = {"bare": bare["ours"], "bare_cpu": bare["cpu"], "depth": IN_FLIGHT}
        show(f"{name}-noop", **found, unit="tasks/s", **more, journal=where)
        with journal(on_disk=True, on_durable=lambda _: engine.wake()) as (writer, folder):
            fsync = round(fsync_seconds(folder), 6)
            loop = ClosedLoop(engine, writer, DURABLE_DEPTH, durable=True)
            found = ratio(rates(loop, tasks, rounds))
        show(f"{name}-noop-durable", **found, unit="tasks/s", depth=DURABLE_DEPTH, fsync=fsync)


def busy(name: str, engine, tasks: int) -> None:
    """The share of time in which workers work."""
    with started(engine, ahead=2), journal(on_disk=True) as (writer, _):
        loop = ClosedLoop(engine, writer, WORKERS * 3, seconds=BUSY_SECONDS)
        loop.run(tasks)
    spans = list(loop.results.values())
    stretch = max(s.finished for s in spans) - min(s.started for s in spans)
    share = sum(s.seconds for s in spans) / (WORKERS * stretch)
    show(f"{name}-busy-{BUSY_SECONDS}s", ours=round(share, 4), tasks=len(spans))


class Killer:
    """Kills one worker in the middle of a loop; takes the time until its successor works."""

    def __init__(self, worker: str) -> None:
        self.worker, self.seen, self.pid = worker, 0, 0
        self.killed_at = self.noticed = self.recovered = 0.0

    def __call__(self, event: Any) -> bool:
        """Look at an event; whether all is well again."""
        kind = type(event).__name__
        if kind == "TaskFinished":
            self.seen += 1
            if event.worker == self.worker:
                self._result(event.result["pid"])
        elif kind == "WorkerLost" and event.worker == self.worker:
            self.noticed = time.perf_counter() - self.killed_at
        return self.recovered > 0

    def _result(self, pid: int) -> None:
        if not self.pid and self.seen > KILL_TASKS // 4:
            self.pid, self.killed_at = pid, time.perf_counter()
            os.kill(pid, signal.SIGKILL)
        elif self.pid and pid != self.pid and not self.recovered:
            self.recovered = time.perf_counter() - self.killed_at


def kill(name: str, engine, times: int) -> None:
    """Kill workers with signal 9, one after the other."""
    lost = 0
    killers = [Killer(f"work-{number % WORKERS}") for number in range(times)]
    with started(engine), journal(on_disk=True) as (writer, _):
        loop = ClosedLoop(engine, writer, seconds=KILL_SECONDS)
        for killer in killers:
            loop.run(KILL_TASKS, killer)
            lost += loop.submitted - len(loop.results)
    recovered = round(max(killer.recovered for killer in killers), 3)
    noticed = round(max(killer.noticed for killer in killers), 3)
    counts = {"lost": lost, "retried": loop.retried, "kills": times}
    show(f"{name}-kill", ours=recovered, unit="s", noticed=noticed, **counts)


def best(rate: Callable[[int], float], tasks: int, rounds: int) -> float:
    """The best of some rounds."""
    return max(rate(tasks) for _ in range(rounds))


def bare_mpi(tasks: int) -> float:
    """Manager and workers with mpi4py's pickled messages; collective."""
    from mpi4py import MPI

    comm, status = MPI.COMM_WORLD, MPI.Status()
    comm.Barrier()
    if comm.rank:
        while (task := comm.recv(source=0)) is not None:
            comm.send(task, 0)
        return 0.0
    begun = time.perf_counter()
    for number in range(IN_FLIGHT):
        comm.send(("no-op", number), 1 + number % WORKERS)
    for number in range(tasks):
        comm.recv(status=status)
        if number + IN_FLIGHT < tasks:
            comm.send(("no-op", number + IN_FLIGHT), status.source)
    seconds = time.perf_counter() - begun
    for worker in range(1, WORKERS + 1):
        comm.send(None, worker)
    return tasks / seconds


def nothing(number: int) -> int:
    """A task of the process pool."""
    return number


def bare_pool(tasks: int) -> float:
    """A process pool's futures, as many in flight."""
    with ProcessPoolExecutor(WORKERS) as pool:
        list(pool.map(nothing, range(WORKERS)))
        begun = time.perf_counter()
        pending = {pool.submit(nothing, number) for number in range(IN_FLIGHT)}
        ended, submitted = 0, IN_FLIGHT
        while ended < tasks:
            done, pending = wait(pending, return_when=FIRST_COMPLETED)
            ended += len(done)
            for _ in range(min(len(done), tasks - submitted)):
                pending.add(pool.submit(nothing, submitted))
                submitted += 1
        return tasks / (time.perf_counter() - begun)


def show(case: str, **values: Any) -> None:
    """One line; ``peer`` is the best rate among peers, where they ran."""
    peers = json.loads(os.environ.get("THROUGHPUT_PEERS", "{}"))
    peer = {"peer": peers[case]} if case in peers else {}
    print(json.dumps({"case": case, **values, **peer}), flush=True)


def measure(engine: str, part: str, quick: bool) -> None:
    """What a process, or each rank of a job, does."""
    tasks, rounds = (10_000, 3) if quick else (100_000, 5)
    if engine == "mpi":
        limit = best(bare_mpi, tasks, rounds) if part == "rates" else 0.0
        from querist.engines.mpi import Mpi as Engine
    else:
        limit = best(bare_pool, tasks // 5, rounds) if part == "rates" else 0.0
        from querist.engines.processes import Processes as Engine
    if part == "kill":
        kill(engine, Engine(), 1 if engine == "mpi" else 3)
        return
    noop(engine, Engine(), limit, tasks, rounds)
    busy(engine, Engine(), 200 if quick else 1000)


def launch(engine: str, part: str, quick: bool) -> None:
    """Run a part in a job or process of its own."""
    command = [sys.executable, __file__, "--part", engine, part, *(["--quick"] if quick else [])]
    if engine == "mpi":
        tolerant = ["--with-ft", "ulfm"] if part == "kill" else []
        ranks = str(WORKERS + 1 + (part == "kill"))
        launcher = [MPIEXEC, "--allow-run-as-root", "--oversubscribe", *tolerant, "-n", ranks]
        command = [*launcher, *command]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)


def peers(python: str, quick: bool) -> dict[str, float]:
    """Run the peers' loops, which print their own lines; the best rate by case of ours."""
    script = str(Path(__file__).with_name("throughput_peers.py"))
    command = [python, script, *(["--quick"] if quick else [])]
    done = subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE)
    print(done.stdout, end="", flush=True)
    found: dict[str, float] = {}
    for line in map(json.loads, done.stdout.splitlines()):
        for case in line.get("beside", ()):
            found[case] = max(found.get(case, 0.0), line["peer"])
    return found


def main() -> None:
    """Print one line a case."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="fewer tasks")
    parser.add_argument("--peers", metavar="PYTHON", help="an interpreter that has peers")
    parser.add_argument("--part", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.part:
        measure(*given.part, given.quick)
        return
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    if given.peers:
        os.environ["THROUGHPUT_PEERS"] = json.dumps(peers(given.peers, given.quick))
    for engine in ["processes", *(["mpi"] if MPIEXEC else [])]:
        for part in ("rates", "kill"):
            launch(engine, part, given.quick)


if __name__ == "__main__":
    main()
