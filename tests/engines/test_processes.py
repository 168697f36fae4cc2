"""Worker processes: death, cancellation, limits, what travels, and what is left at the end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from querist.core.answers import Reason
from querist.core.errors import RunError
from querist.core.events import TaskFailed, TaskFinished, TaskStarted, WorkerJoined, WorkerLost
from querist.core.tasks import Factory, PoolSpec, Resources, Task
from querist.engines.machine import usable_cores
from querist.engines.processes import Processes
from querist.testing.engines import Watched, refused
from querist.testing.fakes import pool


@pytest.fixture
def open_engine(look) -> Iterator[Callable[..., Watched]]:
    """Returns a function: pools, options -> a watched engine, closed at the end of the test."""
    before = look.children(os.getpid())
    opened: list[Watched] = []

    def make(*pools: PoolSpec, **options: object) -> Watched:
        opened.append(Watched(Processes(**options), pools))  # type: ignore[arg-type]
        return opened[-1]

    yield make
    for watched in opened:
        watched.engine.close()
    assert look.children(os.getpid()) <= before


def test_a_worker_gets_its_next_tasks_while_their_submitter_is_busy(
    open_engine, look, tmp_path
) -> None:
    watched = open_engine(pool(handler="DyingHandler", depth=2))
    watched.joined(1)
    watched.submit()
    watched.submit({"pids": str(tmp_path / "second")})
    # Nobody asks the engine for events meanwhile.
    look.wait_for((tmp_path / "second").exists)


# Death.


@pytest.mark.parametrize(
    "how, words",
    [
        ("kill", "signal 9, SIGKILL"),
        ("segfault", "signal 11, SIGSEGV"),
        ("exit", "exit status 7"),
    ],
)
def test_a_dying_worker_fails_its_task_and_is_replaced(open_engine, how, words) -> None:
    watched = open_engine(pool(handler="DyingHandler", depth=3))
    watched.joined(1)
    first = watched.submit({"seconds": 0.1, "how": how})
    others = [watched.submit() for _ in range(3)]
    failure = watched.failure(first)
    assert failure.reason == Reason.WORKER_LOST
    assert words in failure.message
    assert "'work-0'" in failure.message
    assert ("Segmentation fault" in failure.traceback) == (how == "segfault")
    # What waited in it is done by the next one, as if nothing had happened.
    pids = {watched.result(name)["pid"] for name in others}
    assert len(pids) == 1
    assert all(len(watched.of(TaskStarted, name)) == 1 for name in others)
    (lost,) = watched.of(WorkerLost)
    assert (lost.worker, lost.pool, lost.final) == ("work-0", "work", False)
    assert words in lost.message
    assert [event.worker for event in watched.of(WorkerJoined)] == ["work-0", "work-0"]


def test_an_idle_worker_that_is_killed_is_replaced(open_engine) -> None:
    watched = open_engine(pool(handler="ContextHandler"))
    before = watched.result(watched.submit())
    os.kill(before["pid"], signal.SIGKILL)
    watched.joined(2)
    after = watched.result(watched.submit())
    assert after["pid"] != before["pid"]
    assert after["random"] != before["random"]  # the same numbers again would repeat its work
    assert not watched.of(TaskFailed)


def test_a_task_in_which_three_workers_died_before_it_began_fails(open_engine) -> None:
    watched = open_engine(pool(handler="DyingHandler", depth=3))
    watched.joined(1)
    for _ in range(3):
        watched.submit({"how": "kill"})
    failure = watched.failure(watched.submit())
    assert failure.reason == Reason.WORKER_LOST
    assert "3 workers died while the task waited" in failure.message
    assert watched.result(watched.submit())


def test_a_role_that_does_not_open_is_tried_three_times(open_engine) -> None:
    watched = open_engine(pool(handler="BrokenHandler"), pool("other"))
    watched.until(lambda: any(event.final for event in watched.of(WorkerLost)))
    lost = watched.of(WorkerLost)
    assert [event.final for event in lost] == [False, False, True]
    assert all("Traceback" in event.message and "on purpose" in event.message for event in lost)
    assert all(event.worker == "work-0" for event in lost)


def test_a_role_that_opens_in_the_end_works(open_engine, tmp_path: Path) -> None:
    options = {"notes": str(tmp_path), "failures": 2}
    watched = open_engine(pool(handler="BrokenHandler", options=options))
    assert watched.result(watched.submit({"a": 1})) == {"a": 1}
    assert [event.final for event in watched.of(WorkerLost)] == [False, False]


def test_dying_while_opening_is_told_apart(open_engine) -> None:
    class Dies:
        def open(self, context: object) -> None:
            import os

            os._exit(3)

        def run(self, task: object, context: object) -> dict[str, int]:
            return {}

    watched = open_engine(PoolSpec("work", Factory.of(Dies())))
    message = watched.failure(watched.submit()).message
    assert "exit status 3 while it opened its role" in message


# Cancelling.


def test_a_soft_cancellation_is_polite(open_engine) -> None:
    watched = open_engine(pool(handler="SleepHandler"), pool("deaf", "HangHandler"))
    listens, deaf = watched.submit({"seconds": 60}), watched.submit({"seconds": 0.6}, "deaf")
    watched.until(lambda: len(watched.of(TaskStarted)) == 2)
    for name in (listens, deaf):
        watched.engine.cancel(name, "enough", hard=False)
    assert watched.result(listens)["stopped"]
    assert watched.result(deaf) == {}
    assert not watched.of(WorkerLost)


def test_a_hard_cancellation_kills_the_worker_and_what_it_started(
    look, open_engine, tmp_path
) -> None:
    watched = open_engine(pool(handler="DyingHandler"), cancel_grace=0.05)
    note = tmp_path / "pids"
    task = {"children": [False, True], "pids": str(note), "seconds": 60}
    hangs, behind = watched.submit(task), watched.submit()
    watched.until(lambda: note.exists() and len(note.read_text().split()) == 3)
    pids = [int(pid) for pid in note.read_text().split()]
    assert all(look.alive(pid) for pid in pids)
    watched.engine.cancel(hangs, "took longer than 0.1 s")
    failure = watched.failure(hangs)
    assert failure.reason == Reason.CANCELLED
    assert "took longer than 0.1 s" in failure.message
    assert not any(look.alive(pid) for pid in pids)
    assert watched.result(behind)["pid"] not in pids
    (lost,) = watched.of(WorkerLost)
    assert "killed to stop" in lost.message


def test_a_hard_cancellation_leaves_a_task_alone_that_obeys(open_engine) -> None:
    watched = open_engine(pool(handler="SleepHandler"), cancel_grace=0.3)
    name = watched.submit({"seconds": 60})
    watched.until(lambda: watched.of(TaskStarted))
    watched.engine.cancel(name, "enough")
    assert watched.result(name)["stopped"]
    assert not watched.result(watched.submit({"seconds": 0.5}))["stopped"]  # nor the next one
    assert not watched.of(WorkerLost)


def test_what_a_cancelled_task_raises_is_its_cancellation(open_engine) -> None:
    class Raises:
        def run(self, task: object, context: object) -> dict[str, int]:
            import time

            while not context.should_stop():  # type: ignore[attr-defined]
                time.sleep(0.001)
            raise KeyError("gave up")

    watched = open_engine(PoolSpec("work", Factory.of(Raises())))
    name = watched.submit()
    watched.until(lambda: watched.of(TaskStarted))
    watched.engine.cancel(name, "enough")
    failure = watched.failure(name)
    assert failure.reason == Reason.CANCELLED
    assert "enough" in failure.message
    assert "gave up" in failure.message


def test_cancelling_what_waits_in_a_busy_worker_disturbs_nobody(open_engine) -> None:
    watched = open_engine(pool(handler="HangHandler", depth=4), cancel_grace=0.0)
    runs, waits = watched.submit({"seconds": 0.3}), watched.submit({"seconds": 60})
    watched.until(lambda: watched.of(TaskStarted))
    watched.engine.cancel(waits, "enough")
    assert watched.failure(waits).reason == Reason.CANCELLED
    assert not watched.of(TaskFinished)  # it did not wait for the one that runs
    again = Task(waits, "work", "work", {"seconds": 0.0}, attempt=2)
    watched.engine.submit(again)
    assert watched.result(runs) == {}
    watched.until(lambda: watched.of(TaskFinished, waits))
    assert not watched.of(WorkerLost)


# Sharing work out.


def test_nothing_waits_behind_a_long_task_while_a_worker_is_idle(open_engine) -> None:
    watched = open_engine(pool(handler="HangHandler", count=2, depth=3))
    watched.joined(2)
    long = watched.submit({"seconds": 2.0})
    short = [watched.submit({"seconds": 0.02}) for _ in range(7)]
    watched.ended(long, *short)
    assert watched.of(TaskFinished)[-1].task == long
    assert all(len(watched.of(TaskStarted, name)) == 1 for name in (long, *short))


def test_workers_share_the_cores(open_engine) -> None:
    watched = open_engine(
        pool("plain", "ContextHandler", count=2), pool("asks", "ContextHandler", threads=3)
    )
    plain, asks = (
        watched.result(watched.submit(pool="plain")),
        watched.result(watched.submit(pool="asks")),
    )
    share = max(1, usable_cores() // 3)
    assert (plain["threads"], plain["omp"]) == (share, str(share))
    assert (asks["threads"], asks["omp"]) == (3, "3")


def test_gpus_are_shared_out_or_refused_and_others_see_none(open_engine, monkeypatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,GPU-b")
    half = pool("half", "ContextHandler", count=3, depth=0, resources=Resources(gpus=0.5))
    watched = open_engine(half, pool("plain", "ContextHandler"))
    watched.joined(4)
    seen: dict[str, tuple[str, str]] = {}
    while len(seen) < 4:
        for name in [watched.submit(pool=p) for p in ("half", "half", "half", "plain")]:
            result = watched.result(name)
            seen[result["name"]] = result["device"], result["gpus"]
    assert seen == {
        "half-0": ("cuda:0", "2"),
        "half-1": ("cuda:0", "2"),
        "half-2": ("cuda:0", "GPU-b"),
        "plain-0": ("cpu", ""),
    }
    more = pool("more", resources=Resources(gpus=1))
    assert "wants 1 GPUs, and of the 2 that" in refused(lambda: watched.engine.start([more]))
    rest = pool("rest", "ContextHandler", resources=Resources(gpus=0.5))
    watched.engine.start([rest])  # what was refused has taken nothing
    assert watched.result(watched.submit(pool="rest"))["gpus"] == "GPU-b"


def test_memory_is_limited(open_engine) -> None:
    limited = pool(handler="ArrayHandler", resources=Resources(memory_mb=700))
    watched = open_engine(limited)
    failure = watched.failure(watched.submit({"megabytes": 2000}))
    assert failure.reason == Reason.MEMORY
    assert watched.result(watched.submit({"megabytes": 50}))["allocated"] == 50 << 20
    assert not watched.of(WorkerLost)


def test_a_task_too_large_for_its_worker_fails_in_the_end(open_engine) -> None:
    watched = open_engine(pool(handler="ArrayHandler", resources=Resources(memory_mb=300)))
    failure = watched.failure(watched.submit({"array": np.zeros(64 << 20)}))
    assert failure.reason == Reason.WORKER_LOST
    assert "3 workers died while the task waited" in failure.message
    assert watched.result(watched.submit({"array": np.ones(5)})) == {"sum": 5.0}


# What travels.


def test_large_arrays_pass_both_ways(open_engine) -> None:
    watched = open_engine(pool(handler="ArrayHandler"))
    array = watched.result(watched.submit({"megabytes": 100}))["array"]
    assert array.nbytes == 100 << 20
    assert array.flags.writeable
    assert array.flags.aligned
    assert (array == 1).all()
    assert watched.result(watched.submit({"array": array})) == {"sum": float(array.size)}


class Poison:
    """Pickles well, and raises when it is read."""

    def __reduce__(self) -> tuple[type[int], tuple[str]]:
        return int, ("poison",)


def test_what_cannot_be_pickled_is_a_failure(open_engine) -> None:
    class Returns:
        def run(self, task: Task, context: object) -> object:
            return {"value": eval(task.payload["text"], {"task": task})}

    watched = open_engine(pool(), pool("odd", "UnsendableHandler"))
    unsent = watched.failure(watched.submit({"lock": threading.Lock()}))
    assert "cannot be sent" in unsent.message
    assert not unsent.transient
    assert "cannot be sent" in watched.failure(watched.submit(pool="odd")).message
    unread = watched.failure(watched.submit({"poison": Poison()}))
    assert "cannot be read in the worker" in unread.message
    assert watched.result(watched.submit({"a": 1})) == {"a": 1}
    assert not watched.of(WorkerLost)


def test_a_result_that_cannot_be_read_here_is_a_failure(open_engine) -> None:
    class Poisons:
        def run(self, task: object, context: object) -> dict[str, object]:
            class Poison:
                def __reduce__(self) -> tuple[object, ...]:
                    return int, ("poison",)

            return {"poison": Poison()}

    watched = open_engine(PoolSpec("work", Factory.of(Poisons())))
    assert "cannot be read here" in watched.failure(watched.submit()).message


def test_live_objects_are_handlers_too(open_engine) -> None:
    factor = np.arange(3.0)

    class Local:
        def run(self, task: Task, context: object) -> dict[str, object]:
            return {"product": factor * task.payload["by"]}

    watched = open_engine(PoolSpec("work", Factory.of(Local())))
    np.testing.assert_array_equal(watched.result(watched.submit({"by": 2}))["product"], [0, 2, 4])


def test_a_live_object_that_cannot_travel_is_refused() -> None:
    class Holds:
        lock = threading.Lock()

        def __init__(self) -> None:
            self.held = threading.Lock()

    with Processes() as engine, pytest.raises(RunError, match="'work' cannot be sent"):
        engine.start([PoolSpec("work", Factory.of(Holds()))])


def test_commands_of_a_handler_inherit_no_connection(open_engine) -> None:
    class Lists:
        def run(self, task: object, context: object) -> dict[str, object]:

            code = "import os; print(sorted(os.readlink(f'/proc/self/fd/{n}') for n in range(3, 99)"
            code += " if os.path.exists(f'/proc/self/fd/{n}')))"
            command = [sys.executable, "-c", code]
            return {"open": subprocess.check_output(command, close_fds=False, text=True)}

    watched = open_engine(PoolSpec("work", Factory.of(Lists()), count=2))
    assert watched.result(watched.submit())["open"].strip() == "[]"


# Signals and threads.


def test_ctrl_c_does_not_reach_workers_and_sigterm_ends_them_in_order(
    open_engine, tmp_path
) -> None:
    notes = {"notes": str(tmp_path)}
    watched = open_engine(pool(handler="ContextHandler", options=notes))
    pid = watched.result(watched.submit())["pid"]
    os.kill(pid, signal.SIGINT)
    assert watched.result(watched.submit())["pid"] == pid
    os.kill(pid, signal.SIGTERM)
    watched.joined(2)
    assert (tmp_path / "work-0.closed").exists()
    assert "exit status 0" in watched.of(WorkerLost)[0].message


def test_workers_outlive_the_thread_that_started_the_engine() -> None:
    engines = []

    def begin() -> None:
        engines.append(Watched(Processes(), [pool(handler="ContextHandler")]))
        engines[0].joined(1)

    thread = threading.Thread(target=begin)
    thread.start()
    thread.join()
    with engines[0] as watched:
        for _ in range(2):
            watched.result(watched.submit())
            time.sleep(0.05)
        assert not watched.of(WorkerLost)


# The end.


def test_closing_ends_what_hangs_and_what_it_started(look, open_engine, tmp_path: Path) -> None:
    watched = open_engine(pool(handler="DyingHandler", count=2, depth=0))
    watched.joined(2)
    notes = [tmp_path / "first", tmp_path / "second"]
    for note in notes:
        watched.submit({"children": [False, True], "pids": str(note), "seconds": 60})
    watched.until(lambda: all(n.exists() and len(n.read_text().split()) == 3 for n in notes))
    watched.engine.close()
    assert not any(look.alive(int(pid)) for note in notes for pid in note.read_text().split())


def test_results_that_arrive_while_closing_are_kept(open_engine) -> None:
    watched = open_engine(pool(handler="SleepHandler"))
    name = watched.submit({"seconds": 60})
    watched.until(lambda: watched.of(TaskStarted))
    watched.engine.close(grace=5.0)
    (finished,) = watched.engine.events(0.0)
    assert finished.task == name
    assert finished.result["stopped"]
