"""One thread, one order."""

from __future__ import annotations

import pytest

from querist.core.events import TaskFinished, TaskStarted
from querist.core.tasks import Resources
from querist.engines.inline import Inline
from querist.testing.engines import Watched
from querist.testing.fakes import pool


def order(count: int) -> list[tuple[str, str]]:
    with Watched(Inline(), [pool("explore", count=2), pool("oracle", count=count)]) as watched:
        for number in range(12):
            watched.submit({}, ("explore", "oracle")[number > 7], owner="ab"[number % 2])
        watched.until(lambda: len(watched.of(TaskFinished)) == 12)
        return [(event.task, event.worker) for event in watched.of(TaskStarted)]


def test_pools_take_turns_in_the_same_order_every_time() -> None:
    first = order(2)
    assert first == order(2)
    pools = [worker.partition("-")[0] for _, worker in first]
    assert pools == ["explore", "oracle"] * 4 + ["explore"] * 4
    assert [worker for _, worker in first if worker.startswith("oracle")] == [
        "oracle-0",
        "oracle-1",
    ] * 2


def test_one_call_runs_one_task() -> None:
    with Watched(Inline(), [pool()]) as watched:
        watched.engine.events(0.0)
        names = [watched.submit() for _ in range(3)]
        for name in names:
            started, finished = watched.engine.events(0.0)
            assert started.task == finished.task == name
        assert watched.engine.events(0.0) == []


def test_who_wants_a_gpu_gets_the_first_where_there_is_one(monkeypatch) -> None:
    pools = [pool("gpu", "ContextHandler", resources=Resources(gpus=1))]
    pools.append(pool("plain", "ContextHandler"))
    for visible, device in (("1,2", "cuda:0"), ("", "cpu")):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
        with Watched(Inline(), pools) as watched:
            assert watched.result(watched.submit(pool="gpu"))["device"] == device
            assert watched.result(watched.submit(pool="plain"))["device"] == "cpu"


def test_ctrl_c_is_not_a_failure() -> None:
    class Interrupted:
        def run(self, task: object, context: object) -> dict[str, int]:
            raise KeyboardInterrupt

    from querist.core.tasks import Factory, PoolSpec

    with Watched(Inline(), [PoolSpec("work", Factory.of(Interrupted()))]) as watched:
        watched.engine.events(0.0)
        watched.submit()
        with pytest.raises(KeyboardInterrupt):
            watched.engine.events(0.0)
