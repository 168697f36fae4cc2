"""No-op tasks a second in a closed loop with four workers: one JSON line a case.

    python benchmarks/throughput.py [--quick]

Each result makes one new task; up to eight wait in a worker. ``ours`` is the engine's rate,
``limit`` that of the bare manager and worker loop in the same run: mpi4py with pickled messages,
and a process pool. Both loops keep as many tasks on the way. ``cpu`` is the controller's CPU time
a task in microseconds, which bounds the rate from above; on fewer cores than ranks the rates
differ much from run to run, so the best of several is taken for both. ``mpi-noop`` needs mpiexec.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from pathlib import Path

WORKERS, AHEAD = 4, 8
ON_THE_WAY = WORKERS * (1 + AHEAD)


def engine_rate(engine, tasks: int) -> tuple[float, float]:
    """Tasks a second, and the controller's CPU microseconds a task."""
    from querist.core.events import TaskFailed, TaskFinished
    from querist.core.tasks import Task

    submitted = ended = 0
    begun, cpu = time.perf_counter(), time.process_time()
    while ended < tasks:
        while submitted < min(tasks, ended + ON_THE_WAY):
            engine.submit(Task(f"{begun}-{submitted}", "no-op", "work", {"number": submitted}))
            submitted += 1
        for event in engine.events(None):
            if isinstance(event, TaskFailed):
                raise SystemExit(event.failure.message)
            ended += isinstance(event, TaskFinished)
    return tasks / (time.perf_counter() - begun), (time.process_time() - cpu) / tasks * 1e6


def measured(engine, tasks: int, rounds: int) -> tuple[float, float]:
    """The best of some rounds, after all workers have joined."""
    from querist.core.events import WorkerJoined
    from querist.testing.fakes import pool

    with engine:
        engine.start([pool(count=WORKERS, depth=AHEAD)])
        joined = 0
        while joined < WORKERS:
            joined += sum(isinstance(event, WorkerJoined) for event in engine.events(None))
        return max(engine_rate(engine, tasks) for _ in range(rounds))


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
    for number in range(ON_THE_WAY):
        comm.send(("no-op", number), 1 + number % WORKERS)
    for number in range(tasks):
        comm.recv(status=status)
        if number + ON_THE_WAY < tasks:
            comm.send(("no-op", number + ON_THE_WAY), status.source)
    seconds = time.perf_counter() - begun
    for worker in range(1, WORKERS + 1):
        comm.send(None, worker)
    return tasks / seconds


def nothing(number: int) -> int:
    """A task of the process pool."""
    return number


def bare_pool(tasks: int) -> float:
    """A process pool's futures, as many on the way."""
    with ProcessPoolExecutor(WORKERS) as pool:
        list(pool.map(nothing, range(WORKERS)))
        begun = time.perf_counter()
        pending = {pool.submit(nothing, number) for number in range(ON_THE_WAY)}
        ended, submitted = 0, ON_THE_WAY
        while ended < tasks:
            done, pending = wait(pending, return_when=FIRST_COMPLETED)
            ended += len(done)
            for _ in range(min(len(done), tasks - submitted)):
                pending.add(pool.submit(nothing, submitted))
                submitted += 1
        return tasks / (time.perf_counter() - begun)


def line(case: str, ours: tuple[float, float], limit: float) -> str:
    """One case."""
    rate, cpu = ours
    values = {"ours": round(rate), "limit": round(limit), "ratio": round(rate / limit, 3)}
    return json.dumps({"case": case, **values, "unit": "tasks/s", "cpu": round(cpu, 1)})


def ranks(tasks: int, rounds: int) -> None:
    """What each rank of the MPI case does."""
    limit = best(bare_mpi, tasks, rounds)
    from querist.engines.mpi import Mpi

    ours = measured(Mpi(), tasks, rounds)
    print(line("mpi-noop", ours, limit), flush=True)


def main() -> None:
    """Print one line a case."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer tasks")
    parser.add_argument("--ranks", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    tasks, rounds = (5_000, 3) if given.quick else (50_000, 5)
    if given.ranks:
        ranks(tasks, rounds)
        return
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    beside = Path(sys.executable).with_name("mpiexec")
    mpiexec = str(beside) if beside.exists() else shutil.which("mpiexec")
    if mpiexec is not None:
        command = [mpiexec, "--allow-run-as-root", "--oversubscribe", "-n", str(WORKERS + 1)]
        quick = ["--quick"] if given.quick else []
        subprocess.run([*command, sys.executable, __file__, "--ranks", *quick], check=True)
    from querist.engines.processes import Processes

    limit = best(bare_pool, tasks // 5, rounds)
    print(line("processes-noop", measured(Processes(), tasks, rounds), limit), flush=True)


if __name__ == "__main__":
    main()
