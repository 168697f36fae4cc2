"""Executors: order, deaths, deadlines, cancellation, what travels."""

from __future__ import annotations

import multiprocessing
import os
import sys
import threading
import time
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from querist.core.answers import Failure, Label, Reason
from querist.core.batch import Batch
from querist.core.errors import ContractError, MissingExtra, RoleFailed
from querist.oracles.executor import ExecutorOracle
from querist.oracles.function import FunctionOracle

X = Batch.stack(x=np.arange(4.0))


def processes(workers: int = 2) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn"))


def local(function, **more) -> FunctionOracle:
    return FunctionOracle(function, outputs="y", **more)


def test_processes_answer_in_order(context) -> None:
    def square(x):  # of this test: only cloudpickle can send it
        import os

        return {"y": x**2, "pid": os.getpid()}

    oracle = ExecutorOracle(FunctionOracle(square, level="exact", cost=2.0), processes)
    labels = oracle.answer(X, context)
    again = oracle.answer(X, context)
    oracle.close()
    assert [float(label.outputs["y"]) for label in labels] == [0.0, 1.0, 4.0, 9.0]
    told = {sent["index"]: sent["outcome"] for sent in context.sent}
    assert [told[i].outputs["pid"] for i in range(4)] == [x.outputs["pid"] for x in again]
    pids = {int(label.outputs["pid"]) for label in (*labels, *again)}
    assert os.getpid() not in pids
    assert len(pids) <= 2
    assert (oracle.level, oracle.cost, oracle.resources.cores) == ("exact", 2.0, 1)


def test_a_process_that_dies_is_a_lost_worker_and_is_replaced(context) -> None:
    def die(x):
        import os

        if x == 1:
            os._exit(1)
        return float(x)

    oracle = ExecutorOracle(local(die), processes, executor_options={"workers": 1})
    outcomes = oracle.answer(X.take([1]), context)
    assert isinstance(outcomes[0], Failure)
    assert outcomes[0].reason is Reason.WORKER_LOST
    assert "executor lost its worker" in outcomes[0].message
    (label,) = oracle.answer(X.take([2]), context)
    oracle.close()
    assert isinstance(label, Label)


def test_a_process_that_hangs_is_given_up_and_ended(context) -> None:
    note = context.worker.scratch / "pid"

    def hang(x, note=str(note)):
        import os
        import pathlib
        import time

        if x == 0:
            return 5.0
        pathlib.Path(note).write_text(str(os.getpid()))
        time.sleep(600)

    oracle = ExecutorOracle(local(hang), processes, executor_options={"workers": 1}, timeout=4.0)
    kept, lost = oracle.answer(X.take([0, 1]), context)
    oracle.close()
    assert isinstance(kept, Label)
    assert isinstance(lost, Failure)
    assert lost.reason is Reason.TIMEOUT
    assert "within 4.0 s" in lost.message
    while Path(f"/proc/{note.read_text()}").exists():  # the test's own time limit ends this
        time.sleep(0.01)


def test_a_cancellation_keeps_what_has_come(context) -> None:
    started, release = (context.worker.scratch / name for name in ("started", "release"))

    def wait_from_the_second_on(x, started=started, release=release):
        import time

        if x > 0:
            started.touch()
            while not release.exists():
                time.sleep(0.01)
        return x

    context.stop = started.exists
    with ThreadPoolExecutor(1) as pool:
        outcomes = ExecutorOracle(local(wait_from_the_second_on), pool).answer(X, context)
        release.touch()
    assert isinstance(outcomes[0], Label)
    for outcome in outcomes[1:]:
        assert isinstance(outcome, Failure)
        assert outcome.reason is Reason.CANCELLED


def test_an_executor_that_was_shut_down_is_a_lost_worker(context) -> None:
    pool = ThreadPoolExecutor(1)
    oracle = ExecutorOracle(local(float), pool)
    pool.shutdown()
    outcome = oracle.answer(X, context)[0]
    assert isinstance(outcome, Failure)
    assert outcome.reason is Reason.WORKER_LOST


def test_an_executor_of_ones_own_is_left_open(context) -> None:
    with ThreadPoolExecutor(1) as pool:
        oracle = ExecutorOracle(local(lambda x: x), pool)
        oracle.answer(X, context)
        oracle.close()
        assert pool.submit(int, 3).result() == 3


def test_each_thread_keeps_its_own_opened_oracle(context) -> None:
    with ThreadPoolExecutor(2) as pool:
        oracle = ExecutorOracle(Counting(), pool)
        labels = [o for _ in range(5) for o in oracle.answer(X, context)]
    by_thread: dict[int, list[int]] = {}
    for label in labels:
        by_thread.setdefault(int(label.outputs["thread"]), []).append(int(label.outputs["count"]))
    assert sum(len(counts) for counts in by_thread.values()) == 20
    for counts in by_thread.values():
        assert sorted(counts) == list(range(1, len(counts) + 1))
    assert all(bool(label.outputs["scratch"]) for label in labels)


class Counting:
    """Counts its calls; opened once in each thread."""

    def open(self, context) -> None:
        self.count, self.scratch = 0, context.scratch

    def answer(self, samples, context):
        self.count += 1
        outputs = {
            "count": self.count,
            "thread": threading.get_ident(),
            "scratch": self.scratch.is_dir(),
        }
        return [Label({name: np.array(value) for name, value in outputs.items()})]


def test_what_cannot_travel_is_refused_with_advice() -> None:
    lock = threading.Lock()
    with pytest.raises(ContractError, match=r"cannot be sent .*'package\.module:attribute'"):
        ExecutorOracle(local(lambda x: lock.locked()), processes)


def test_what_is_no_oracle_is_refused() -> None:
    with pytest.raises(ContractError, match="no method 'answer'"):
        ExecutorOracle(3, processes)


def test_a_call_by_name_with_options(context) -> None:
    oracle = ExecutorOracle(
        "querist.oracles.function:FunctionOracle",
        "concurrent.futures:ThreadPoolExecutor",
        options={"function": "querist.core.batch:digest_arrays", "outputs": "y"},
        executor_options={"max_workers": 1},
    )
    (outcome,) = oracle.answer(X.take([3]), context)
    oracle.close()
    assert isinstance(outcome, Label)
    assert str(outcome.outputs["y"]) == X.ids[3]


class NoCancel(ThreadPoolExecutor):
    """As Parsl's: calls cannot be cancelled, not even before they begin."""

    def submit(self, fn, /, *args, **kwargs):
        future = super().submit(fn, *args, **kwargs)

        def cancel() -> bool:
            raise NotImplementedError("Cancel not implemented")

        future.cancel = cancel
        return future


def test_an_executor_that_cannot_cancel_is_given_up_all_the_same(context) -> None:
    release = context.worker.scratch / "release"

    def wait_for_it(x, release=release):
        import time

        while not release.exists():
            time.sleep(0.01)
        return x

    with NoCancel(1) as pool:
        outcomes = ExecutorOracle(local(wait_for_it), pool, timeout=0.2).answer(X, context)
        release.touch()
    assert {outcome.reason for outcome in outcomes} == {Reason.TIMEOUT}


def test_an_executor_whose_manager_thread_ended_is_a_lost_worker(context) -> None:
    """As mpi4py's after a spawn that failed: its futures would never be done."""

    class Dead(Executor):
        def __init__(self) -> None:
            self._pool = SimpleNamespace(thread=threading.Thread(target=int))
            self._pool.thread.start()
            self._pool.thread.join()

        def submit(self, fn, /, *args, **kwargs):
            return Future()

    (outcome,) = ExecutorOracle(local(float), Dead()).answer(X.take([1]), context)
    assert isinstance(outcome, Failure)
    assert outcome.reason is Reason.WORKER_LOST
    assert "manager thread ended" in outcome.message


@pytest.mark.parametrize("name", ["KilledWorker", "ManagerLost", "WorkerLost"])
def test_what_dask_and_parsl_raise_for_a_dead_worker_is_known(context, name: str) -> None:
    error = type(name, (Exception,), {})

    class Lossy(Executor):
        def submit(self, fn, /, *args, **kwargs):
            future = Future()
            future.set_exception(error("it died"))
            return future

    (outcome,) = ExecutorOracle(local(float), Lossy()).answer(X.take([1]), context)
    assert isinstance(outcome, Failure)
    assert outcome.reason is Reason.WORKER_LOST
    assert "it died" in outcome.message


def test_an_executor_is_known_by_a_short_name(context) -> None:
    oracle = ExecutorOracle(local(lambda x: x), "threads", executor_options={"max_workers": 1})
    (label,) = oracle.answer(X.take([3]), context)
    oracle.close()
    assert isinstance(label, Label)
    with pytest.raises(RoleFailed, match="'treads' should look like"):
        ExecutorOracle(local(float), "treads")


def test_without_mpi4py_the_sentence_says_what_to_install(context, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "mpi4py", None)
    oracle = ExecutorOracle(local(lambda x: x), "mpi")
    with pytest.raises(MissingExtra, match=r"pip install 'querist\[mpi\]'"):
        oracle.answer(X.take([1]), context)
