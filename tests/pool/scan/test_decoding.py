"""Decoding here, and in a process beside: the same comes of both, whatever the items are."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from querist.core.errors import RoleFailed
from querist.pool.pool import Pool
from querist.pool.query import query_result, run_query, start_query
from querist.pool.scan.decoding import Apart, Decoder, Here, Made, Memory, Wanted
from querist.sources.access import OPEN
from querist.sources.opening import Sources
from querist.sources.retrying import Retry
from querist.sources.transforms.opening import open_transform

IMAGES = open_transform({"modality": "image", "size": 8})
TEXTS = open_transform({"modality": "text"})


def png(red: int) -> bytes:
    held = io.BytesIO()
    Image.new("RGB", (9, 7), (red, 9, 9)).save(held, "PNG")
    return held.getvalue()


@pytest.fixture
def apart() -> Iterator[Callable[..., Apart]]:
    """Opens processes that decode, and ends them."""
    opened = list[Apart]()

    def make(transform=IMAGES, memory=None) -> Apart:
        opened.append(Apart((OPEN, {}, Retry(), transform), memory or Memory()))
        return opened[-1]

    yield make
    for one in opened:
        one.close()


def here(transform=IMAGES) -> Here:
    return Here(Sources(OPEN).fetch, transform)


def told(made: Made) -> tuple:
    """All of it, but for what stands for the values."""
    failures = sorted(made.failures)
    return made.places, made.digests, failures, made.read, made.bytes, made.changed


def test_the_same_comes_of_both(tmp_path: Path, apart) -> None:
    (tmp_path / "a.png").write_bytes(png(1))
    (tmp_path / "broken.png").write_bytes(b"nothing")
    wanted = [
        Wanted(0, str(tmp_path / "a.png"), "", None),
        Wanted(1, str(tmp_path / "broken.png"), "", None),
        Wanted(2, str(tmp_path / "absent.png"), "", None),
        Wanted(4, "http://example.org/b.png", "v1", png(200)),
    ]
    one, two = here()(wanted), apart()(wanted)
    assert told(one) == told(two)
    assert one.places == [0, 4]
    assert [reason for _, reason, _ in sorted(one.failures)] == ["broken", "missing"]
    assert str(tmp_path) not in str(one.failures)
    np.testing.assert_array_equal(IMAGES.stack(one.values), two.values)
    assert two.values.flags.writeable


def test_large_answers_lie_where_they_are_wanted(apart) -> None:
    """Such as in pinned memory, from which a GPU copies."""
    transform = open_transform({"modality": "image", "size": 700})
    given = list[np.ndarray]()

    def fresh(size: int) -> np.ndarray:
        given.append(np.empty(size, np.uint8))
        return given[-1]

    decoder = apart(transform, Memory(fresh))
    made = decoder([Wanted(0, "", "", png(7))])
    assert [len(each) for each in given] == [700 * 700 * 3]
    assert np.shares_memory(made.values, given[0])


def test_memory_is_used_again_once_nobody_holds_what_lies_in_it() -> None:
    memory, size = Memory(), 1 << 21
    one = memory.take(size)
    one[:] = 1
    kept = one.view(np.uint16).reshape(2, -1)[1:]  # as a batch, and a part of it
    del one
    other = memory.take(size)
    other[:] = 2
    assert not np.shares_memory(kept, other)
    assert (kept == 257).all()
    place = kept.ctypes.data - kept.nbytes
    del kept
    again = memory.take(size - 100)
    assert again.ctypes.data == place
    assert len(again) == size - 100
    assert not np.shares_memory(again, other)


def test_texts_and_nothing_at_all_come_back_too(apart) -> None:
    decoder = apart(TEXTS)
    words = [Wanted(n, "", "", word.encode()) for n, word in enumerate(("ja", "ñandú"))]
    for wanted in (words, [], words[1:]):
        one, two = here(TEXTS)(wanted), decoder(wanted)
        assert (told(one), list(one.values)) == (told(two), list(two.values))


def test_batches_larger_than_a_pipe_come_whole(apart) -> None:
    transform = open_transform({"modality": "image", "size": 512})
    rng = np.random.default_rng(0)
    wanted = []
    for number in range(12):
        held = io.BytesIO()
        Image.fromarray(rng.integers(0, 255, (512, 512, 3), np.uint8)).save(held, "PNG")
        wanted.append(Wanted(number, "", "", held.getvalue()))
    made = apart(transform)(wanted)
    np.testing.assert_array_equal(made.values, transform.stack(here(transform)(wanted).values))


def children() -> set[int]:
    own = os.getpid()
    lines = subprocess.run(["ps", "-o", "pid=", "--ppid", str(own)], capture_output=True, text=True)
    return {int(line) for line in lines.stdout.split()}


def test_a_process_that_is_killed_fails_its_batch_and_is_replaced(apart) -> None:
    decoder, wanted = apart(), [Wanted(0, "", "", png(3))]
    before = children()
    decoder(wanted)
    [child] = [pid for pid in children() - before if is_decoder(pid)]
    os.kill(child, signal.SIGKILL)
    with pytest.raises(RoleFailed, match="SIGKILL"):
        decoder(wanted)
    assert decoder(wanted).places == [0]


def is_decoder(pid: int) -> bool:
    try:
        return b"scan.decoding" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def test_one_that_cannot_start_says_so_when_it_is_asked(apart, monkeypatch) -> None:
    monkeypatch.setattr("querist.pool.scan.decoding._BOOT", "import os; os._exit(3) # {}")
    decoder = apart()
    decoder.get_ready()
    with pytest.raises(RoleFailed, match="status 3"):
        decoder([Wanted(0, "", "", png(3))])


def test_threads_decode_until_processes_are_ready_and_none_starts_where_all_is_cached(
    tmp_path: Path, monkeypatch
) -> None:
    """A pool whose processes never get ready is scanned all the same, and at once."""
    for number in range(30):
        (tmp_path / f"{number:03}.png").write_bytes(png(number * 8))
    started, ended = list[Apart](), threading.Event()

    def never(self: Apart) -> None:
        started.append(self)
        ended.wait(60)

    monkeypatch.setattr(Apart, "get_ready", never)
    monkeypatch.setattr(Apart, "close", lambda self: ended.set())
    with Pool.create(tmp_path / "pool", {"transform": {"modality": "image", "size": 8}}) as pool:
        pool.add(tmp_path)
        found = []
        for _ in range(2):
            scan = {"processes": 3, "batch": 4, "chunk": 10}
            run = start_query(pool, {"budget": 5, "strategy": "k-center", "scan": scan})
            run_query(run)
            found.append(query_result(run))
            assert len(started) == 3
            ended.clear()
    assert found[0].ids == found[1].ids
    assert [each.counts.get("decoded", 0) for each in found] == [30, 0]


def test_a_closed_one_starts_nothing(apart) -> None:
    decoder: Decoder = apart()
    decoder.close()
    with pytest.raises(RoleFailed, match="ended"):
        decoder([Wanted(0, "", "", png(3))])


ORPHAN = """
import os, sys
from querist.pool.scan.decoding import Apart, Memory, Wanted
from querist.sources.access import OPEN
from querist.sources.retrying import Retry
from querist.sources.transforms.opening import open_transform
decoder = Apart((OPEN, {}, Retry(), open_transform({"modality": "text"})), Memory())
decoder([Wanted(0, "", "", b"x")])
print(decoder._process.pid, flush=True)
sys.stdin.read()
"""


@pytest.mark.kill
@pytest.mark.slow
def test_nothing_outlives_a_scan_that_is_killed() -> None:
    path = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    parent = subprocess.Popen(
        [sys.executable, "-c", ORPHAN], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=path
    )
    with parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        parent.kill()
    for _ in range(600):
        if not is_decoder(child):
            return
        signal.sigtimedwait([], 0.1)
    pytest.fail("the process that decodes is still there")


@pytest.mark.slow
def test_a_query_picks_the_same_and_tells_the_same_failures(tmp_path: Path) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    for number in range(60):
        data = b"no image" if number % 10 == 3 else png(number * 4)
        (folder / f"{number:03}.png").write_bytes(data)
    found = []
    for processes in (0, 2):
        how = {"transform": {"modality": "image", "size": 8}}
        with Pool.create(tmp_path / f"pool-{processes}", how) as pool:
            pool.add(folder)
            scan = {"processes": processes, "batch": 7, "chunk": 20, "cache": False}
            run = start_query(pool, {"budget": 9, "strategy": "k-center", "scan": scan})
            run_query(run)
            found.append(query_result(run))
    one, two = found
    assert [(p.row, p.score) for p in one.picks] == [(p.row, p.score) for p in two.picks]
    assert one.digest == two.digest
    assert one.counts == two.counts
    assert one.counts["failed"] == 6
