"""What the ranks of a test's job do: ``mpiexec -n N python mpi_job.py NAME``; rank 0 says "ok"."""

from __future__ import annotations

import sys
import time

import numpy as np

from querist.core.answers import Reason
from querist.core.events import TaskFailed, TaskFinished, TaskStarted, WorkerJoined, WorkerLost
from querist.core.tasks import Resources
from querist.engines import mpi_link, mpi_wire
from querist.engines.mpi import Mpi, attend
from querist.testing.engines import ENGINE_CHECKS, EngineCase, Watched
from querist.testing.fakes import pool


def contract() -> None:
    for check in ENGINE_CHECKS:
        print(check.__name__, flush=True)
        check(EngineCase("mpi", lambda start_at: Mpi(start_at=start_at)))


def isolated_contract() -> None:
    """What goes another way than in a rank itself; the rest is the engine's."""
    names = {"exceptions_become_failures", "progress_comes_in_order", "arrays_travel_unchanged"}
    names |= {"cancelled_tasks_that_wait_never_run", "closing_is_final"}
    for check in ENGINE_CHECKS:
        if check.__name__ in names:
            check(EngineCase("mpi", lambda start_at: Mpi(start_at=start_at, isolate=True)))


def crashes() -> None:
    """Crashes, exits and kills of an oracle cost one task each, and a hang that is cancelled."""
    dying = pool("oracle.dying", "DyingHandler", count=1)
    hanging = pool("oracle.hanging", "HangHandler", count=1)
    with Watched(Mpi(), [dying, hanging]) as watched:
        for how, told in (("segfault", "SIGSEGV"), ("exit", "status 7"), ("kill", "SIGKILL")):
            behind = watched.submit({"how": how}, "oracle.dying")
            other = watched.submit({}, "oracle.dying")
            failure = watched.failure(behind)
            assert failure.reason == Reason.WORKER_LOST, failure
            assert told in failure.message, failure.message
            if how == "segfault":
                assert "string_at" in failure.traceback, failure.traceback
            assert watched.result(other)["children"] == []
        assert [event.final for event in watched.of(WorkerLost)] == [False] * 3
        hung = watched.submit({"seconds": 60}, "oracle.hanging")
        watched.until(lambda: watched.of(TaskStarted, hung))
        watched.engine.cancel(hung, "it hangs")
        failure = watched.failure(hung)
        assert failure.reason == Reason.CANCELLED
        assert "it hangs" in failure.message
        assert watched.result(watched.submit({"seconds": 0}, "oracle.hanging")) == {}


def interrupts() -> None:
    """In a rank itself: a polite stop, an interruption of one that does not listen, a recall."""
    pools = [pool("polite", "SleepHandler", count=2, depth=2), pool("deaf", "HangHandler")]
    with Watched(Mpi(), pools) as watched:
        watched.joined(3)
        slow = watched.submit({"seconds": 60}, "polite")
        quick = [watched.submit({"seconds": 0.01}, "polite") for _ in range(5)]
        watched.ended(*quick)  # those behind the slow one are called back and run elsewhere
        assert not watched.of(TaskFinished, slow)
        watched.engine.cancel(slow, "enough", hard=False)
        assert watched.result(slow)["stopped"]
        if not attend().threaded:
            return
        hung = watched.submit({"seconds": 60}, "deaf")
        watched.until(lambda: watched.of(TaskStarted, hung))
        watched.engine.cancel(hung, "it hangs")
        failure = watched.failure(hung)
        assert failure.reason == Reason.CANCELLED, failure
        assert "it hangs" in failure.message
        assert watched.result(watched.submit({"seconds": 0}, "deaf")) == {}
        assert len([e for e in watched.of(WorkerJoined) if e.pool == "deaf"]) == 2


def large() -> None:
    """Arrays in many pieces, both ways, direct and isolated; what follows does not overtake."""
    pools = [pool("make", "ArrayHandler"), pool("oracle.make", "ArrayHandler")]
    pools.append(pool("count", "ProgressHandler"))
    with Watched(Mpi(), pools) as watched:
        for name in ("make", "oracle.make"):
            made = watched.submit({"megabytes": 100}, name)
            small = watched.submit({"megabytes": 0}, name)
            array = watched.result(made)["array"]
            assert array.nbytes == 100 << 20
            assert array.all()
            assert watched.result(small)["allocated"] == 0
            ends = [event.task for event in watched.of(TaskFinished)]
            assert ends.index(made) < ends.index(small)
            numbers = np.arange(float(4 << 17))
            given = watched.submit({"array": numbers}, name)
            assert watched.result(given)["sum"] == numbers.sum()


def lost_rank() -> None:
    """With ULFM: a rank is killed; a spare one takes over, then there is none, others go on."""
    fragile = pool("fragile", "DyingHandler", count=1)
    with Watched(Mpi(), [fragile, pool("steady")]) as watched:
        watched.joined(2)
        first = watched.submit({"how": "kill"}, "fragile")
        behind = watched.submit({}, "fragile")
        failure = watched.failure(first)
        assert failure.reason == Reason.WORKER_LOST
        assert "MPI rank" in failure.message
        assert watched.result(behind)["children"] == []
        last = watched.submit({"how": "kill"}, "fragile")
        later = watched.submit({}, "fragile")
        assert watched.failure(last).reason == Reason.WORKER_LOST
        assert watched.failure(later).reason == Reason.WORKER_LOST
        assert [event.final for event in watched.of(WorkerLost)] == [False, True]
        assert watched.result(watched.submit({"a": 1}, "steady")) == {"a": 1}
        assert {e.task for e in watched.of(TaskFailed)} == {first, last, later}


def handed_over() -> None:
    """With ULFM: where a pool loses its last rank, the largest other one gives it one."""
    pools = [pool("fragile", "DyingHandler"), pool("oracle.a", "HangHandler", count=2)]
    with Watched(Mpi(isolate=("oracle*",)), pools) as watched:
        watched.joined(3)
        tasks = [watched.submit({"seconds": 60}, "oracle.a")]
        watched.until(lambda: watched.of(TaskStarted, tasks[0]))
        tasks.append(watched.submit({"seconds": 60}, "oracle.a"))
        watched.until(lambda: watched.of(TaskStarted, tasks[1]))
        dead = watched.submit({"how": "kill"}, "fragile")
        after = watched.submit({}, "fragile")
        assert watched.failure(dead).reason == Reason.WORKER_LOST
        assert watched.result(after)["children"] == []
        failure = watched.failure(tasks[1])
        assert failure.reason == Reason.WORKER_LOST
        assert "gave its rank to 'fragile-0'" in failure.message
        lost = {event.worker: event.final for event in watched.of(WorkerLost)}
        assert lost.pop("fragile-0") is False
        assert list(lost.values()) == [True]
        assert not watched.of(TaskFailed, tasks[0])
        watched.engine.cancel(tasks[0], "enough")
        watched.failure(tasks[0])


def held_rank() -> None:
    """A handler that nothing can interrupt does not hold the job for ever."""
    engine = Mpi()
    with Watched(engine, [pool("hog", "DyingHandler")]) as watched:
        task = watched.submit({"how": "hog"}, "hog")
        watched.until(lambda: watched.of(TaskStarted, task))
    print("closed", flush=True)


def fill() -> None:
    """Ranks that nobody asked for go to the oracles."""
    with Watched(Mpi(assign="fill"), [pool("work"), pool("oracle.a", count=1)]) as watched:
        watched.joined(attend().size - 1)
        assert sum(event.pool == "oracle.a" for event in watched.of(WorkerJoined)) == 2


def gpus() -> None:
    """In ranks and in their children: GPUs in order, none for those that want none."""
    wanted = {"plain": 0.0, "gpu": 0.5, "oracle.gpu": 0.5}
    pools = [pool(n, "ContextHandler", resources=Resources(gpus=g)) for n, g in wanted.items()]
    with Watched(Mpi(), pools) as watched:
        found = {p.name: watched.result(watched.submit({}, p.name)) for p in pools}
        seen = {name: (result["device"], result["gpus"]) for name, result in found.items()}
    gpu = ("cuda:0", "GPU-a")
    assert seen == {"plain": ("cpu", ""), "gpu": gpu, "oracle.gpu": gpu}, seen


def party() -> None:
    """Workers of a party talk to each other: in order, at any size, and to those that are there."""
    pools = [pool(n, "PartyHandler", count=c, party="p") for n, c in (("a", 2), ("b", 1))]
    pools += [pool("alone", "PartyHandler")]
    with Watched(Mpi(isolate=True), pools) as watched:
        watched.joined(4)
        alone = watched.result(watched.submit({}, "alone"))
        assert alone["peers"] is None
        for megabytes in (0, 1, 5):  # in pieces of one
            asked = watched.submit({"to": ["a-1", "b-0"], "megabytes": megabytes, "count": 5}, "a")
            result = watched.result(asked)
            others = {"a-0", "a-1", "b-0"} - {result["name"]}
            assert set(result["peers"]) == others | {result["name"]}
            wanted = [n for n in ("a-1", "b-0") if n != result["name"]]
            assert result["echoed"] == dict.fromkeys(wanted, 5), result


def party_loses() -> None:
    """With ULFM: the others learn who is lost and who takes its place, and go on."""
    pools = [pool("a", "PartyHandler", party="p"), pool("b", "PartyHandler", party="p")]
    with Watched(Mpi(), pools) as watched:
        watched.joined(2)
        before = watched.result(watched.submit({"to": ["b-0"], "count": 1}, "a"))
        assert before["echoed"] == {"b-0": 1}
        watched.failure(watched.submit({"kill": True}, "b"))
        watched.until(lambda: len([e for e in watched.of(WorkerJoined) if e.pool == "b"]) == 2)
        watched.result(watched.submit({"seconds": 0.2}, "a"))  # the news has come by then
        after = watched.result(watched.submit({"to": ["b-0"], "count": 3}, "a"))
        assert after["echoed"] == {"b-0": 3}
        assert after["peers"]["b-0"] > before["peers"]["b-0"]


if __name__ == "__main__":
    mpi_wire.CHUNK = mpi_link.CHUNK = 1 << 20
    attend()
    begun = time.monotonic()
    for job in sys.argv[1:]:
        globals()[job]()
        print(f"{job} ok {time.monotonic() - begun:.1f}", flush=True)
