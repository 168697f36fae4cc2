from __future__ import annotations

import errno
import json
import multiprocessing
import os
import socket
import time

import pytest
from hold_lock import unsupported

from querist.store import lock as lock_module
from querist.store.errors import LockLost, RunLocked, StoreFailed
from querist.store.lock import WriterLock, read_holder

MODES = ["locks", "none"]


def lock_of(folder, mode: str, **options) -> WriterLock:
    if mode == "none":
        options["lockf"] = unsupported
    return WriterLock(folder, "r", **options)


@pytest.mark.parametrize("mode", MODES)
def test_another_process_is_kept_out_and_named(tmp_path, start, mode: str) -> None:
    process = start("hold_lock.py", tmp_path, mode)
    assert process.stdout.readline() == "held\n"
    with pytest.raises(RunLocked) as caught:
        lock_of(tmp_path, mode).acquire()
    error = caught.value
    assert (error.pid, error.host) == (process.pid, socket.gethostname())
    assert all(part in str(error) for part in (str(process.pid), error.host, error.since))
    process.communicate("")
    with lock_of(tmp_path, mode) as lock:
        assert lock.held
    assert not lock.held


@pytest.mark.kill
@pytest.mark.parametrize("mode", MODES)
def test_kill_9_frees_the_lock(tmp_path, start, mode: str) -> None:
    process = start("hold_lock.py", tmp_path, mode)
    assert process.stdout.readline() == "held\n"
    process.kill()
    process.wait()
    with lock_of(tmp_path, mode):
        holder = read_holder(tmp_path)
        assert holder is not None
        assert (holder.pid, holder.run) == (os.getpid(), "r")


@pytest.mark.parametrize("mode", MODES)
def test_of_many_processes_one_gets_the_lock(tmp_path, start, mode: str) -> None:
    processes = [start("hold_lock.py", tmp_path, mode) for _ in range(5)]
    said = [process.stdout.readline().split()[0] for process in processes]
    assert sorted(said) == ["RunLocked"] * 4 + ["held"]


@pytest.mark.parametrize("mode", MODES)
def test_the_same_process_cannot_lock_twice(tmp_path, mode: str) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "link").symlink_to("run")
    with lock_of(tmp_path / "run", mode):
        with pytest.raises(RunLocked, match=str(os.getpid())):
            lock_of(tmp_path / "link", mode).acquire()
        with pytest.raises(RunLocked):
            lock_of(tmp_path / "run", mode).acquire()
    with lock_of(tmp_path / "link", mode):
        pass


@pytest.mark.parametrize("mode", MODES)
def test_releasing_leaves_nothing_that_blocks_or_lies(tmp_path, mode: str) -> None:
    lock = lock_of(tmp_path, mode)
    for _ in range(2):
        lock.acquire()
        lock.check()
        lock.release()
        lock.release()
        assert read_holder(tmp_path) is None
        assert set(os.listdir(tmp_path)) <= {"writer.lock"}


def test_other_errors_of_the_file_system_are_not_taken_for_a_lock(tmp_path) -> None:
    def broken(fd: int, operation: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with pytest.raises(StoreFailed, match="EIO"):
        WriterLock(tmp_path, "r", lockf=broken).acquire()
    with WriterLock(tmp_path, "r"):  # and it left nothing behind
        pass
    with pytest.raises(StoreFailed, match="ENOENT"):
        WriterLock(tmp_path / "none", "r").acquire()


# -- without locks of the file system --------------------------------------------------------------


def foreign(tmp_path, age_s: float) -> None:
    path = tmp_path / "writer.exclusive"
    said = {"host": "elsewhere", "pid": 1, "started": "2026", "run": "r", "token": "t"}
    path.write_text(json.dumps(said))
    os.utime(path, (time.time() - age_s,) * 2)


def test_a_holder_on_another_host_counts_while_it_is_fresh(tmp_path) -> None:
    foreign(tmp_path, age_s=30)
    with pytest.raises(RunLocked, match="host elsewhere"):
        lock_of(tmp_path, "none").acquire()
    foreign(tmp_path, age_s=90)
    with lock_of(tmp_path, "none") as lock:
        lock.check()


def test_hosts_with_and_without_locks_respect_each_other(tmp_path) -> None:
    foreign(tmp_path, age_s=0)
    with pytest.raises(RunLocked, match="host elsewhere"):
        lock_of(tmp_path, "locks").acquire()


def test_an_unreadable_but_fresh_holder_counts(tmp_path) -> None:
    (tmp_path / "writer.exclusive").write_text("{")
    with pytest.raises(RunLocked, match="unknown"):
        lock_of(tmp_path, "none").acquire()


def test_the_heartbeat_keeps_the_file_fresh(tmp_path) -> None:
    with lock_of(tmp_path, "none", stale_s=0.3):
        path = tmp_path / "writer.exclusive"
        os.utime(path, (1, 1))
        deadline = time.monotonic() + 30
        while path.stat().st_mtime < 2:
            assert time.monotonic() < deadline
            time.sleep(0.01)


def test_a_lock_that_was_taken_over_is_noticed_and_left_alone(tmp_path) -> None:
    lock = lock_of(tmp_path, "none", stale_s=0.3)
    lock.acquire()
    foreign(tmp_path, age_s=0)
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            lock.check()
        except LockLost:
            break
        time.sleep(0.01)
    with pytest.raises(LockLost, match="taken over"):
        lock.check()
    lock.release()
    assert json.loads((tmp_path / "writer.exclusive").read_text())["host"] == "elsewhere"


@pytest.mark.parametrize("links", [True, False])
def test_a_file_judged_stale_but_renewed_meanwhile_is_given_back(
    tmp_path, monkeypatch, links: bool
) -> None:
    def no_links(*_: object) -> None:
        raise PermissionError(errno.EPERM, "this file system has no links")

    if not links:
        monkeypatch.setattr(os, "link", no_links)
    foreign(tmp_path, age_s=0)
    exclusive = lock_module._Exclusive(tmp_path / "writer.exclusive", 60)
    exclusive._remove_stale(lock_module.Holder(host="dead", token="old"))
    holder = lock_module._read_holder(tmp_path / "writer.exclusive")
    assert holder is not None
    assert holder.host == "elsewhere"
    assert os.listdir(tmp_path) == ["writer.exclusive"]


def hold_in_child(folder, result) -> None:
    try:
        WriterLock(folder, "r").acquire()
        result.put("held")
    except RunLocked:
        result.put("RunLocked")


def test_a_forked_child_does_not_inherit_the_lock(tmp_path) -> None:
    context = multiprocessing.get_context("fork")
    result = context.Queue()
    with WriterLock(tmp_path, "r"):
        child = context.Process(target=hold_in_child, args=(tmp_path, result))
        child.start()
        assert result.get(timeout=30) == "RunLocked"
        child.join()
        with pytest.raises(RunLocked):  # and did not release it by ending
            WriterLock(tmp_path, "r").acquire()
