"""What every log promises, and how a surrogate's clock goes on."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from querist.core.roles import ModelState
from querist.store.run_folder import RunFolder
from querist.surrogate.clock import Clock, someone
from querist.surrogate.record import Disk, Entry, Log, Memory
from querist.surrogate.shelf import FAILING, MODEL, FolderShelf, MemoryShelf, Shelf


@pytest.fixture(params=["memory", "disk"])
def log(request, tmp_path: Path) -> Iterator[Log]:
    made = Memory() if request.param == "memory" else Disk(RunFolder.create(tmp_path / "s", {}))
    yield made
    made.close()


def test_facts_come_once_in_order_with_growing_numbers(log: Log) -> None:
    log.record([Entry("a", {"n": 1}, {"v": np.arange(3.0)}), Entry("b", {"n": 2})])
    first = log.follow()
    log.record([Entry("c", {"n": 3})])
    log.release()
    log.record([Entry("d", {"n": 4})])
    facts = [*first, *log.follow()]
    assert [fact.kind for fact in facts] == ["a", "b", "c", "d"]
    assert [fact.seq for fact in facts] == [1, 2, 3, 4]
    assert facts[0].arrays["v"].tolist() == [0.0, 1.0, 2.0]
    assert log.follow() == []
    assert log.writes()


@pytest.mark.parametrize(
    "make", [lambda _: MemoryShelf(), lambda path: FolderShelf(RunFolder.create(path / "s", {}))]
)
def test_states_come_back_by_part(make: Callable[[Path], Shelf], tmp_path: Path) -> None:
    shelf = make(tmp_path)
    parts = {
        MODEL: ModelState({"w": np.arange(4.0)}, {"format": "x"}),
        FAILING: ModelState({"f": np.ones(2)}, {"format": "y"}),
    }
    ref = shelf.save(3, parts)
    assert ref.version == 3
    found = shelf.load(ref)
    assert set(found) == {MODEL, FAILING}
    assert found[MODEL].arrays["w"].tolist() == [0, 1, 2, 3]
    assert found[FAILING].data["format"] == "y"


def test_a_clock_goes_on_where_it_stopped() -> None:
    assert 100.0 <= Clock(100.0)() < 200.0
    assert 150.0 <= Clock(100.0, 50.0)() < 250.0
    assert Clock(100.0, -50.0)() >= 100.0  # clocks of hosts differ


def test_only_sessions_of_living_processes_count() -> None:
    here = socket.gethostname()
    assert someone({"a": (here, os.getpid())})
    assert someone({"a": (f"not-{here}", 1)})  # nobody can tell
    assert not someone({"a": (here, 2**22 + 1)})
    assert not someone({})
