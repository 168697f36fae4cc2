"""Nothing that a command starts outlives it, its limits, or the process that asked."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import psutil
import pytest

from querist.oracles.guarded import Command, Ended, in_words, run_guarded, tail

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="process trees as Linux has them")

# A child, and a grandchild in a session of its own that ignores polite signals.
TREE = textwrap.dedent("""
    import os, signal, subprocess, sys, time
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if len(sys.argv) < 3:
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                subprocess.Popen([sys.executable, *sys.argv, "leaf"])
            os._exit(0)
    with open("pids.txt", "a") as file:
        file.write(f"{os.getpid()}\\n")
    time.sleep(float(sys.argv[1]) if len(sys.argv) < 3 else 600)
""")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "tree.py").write_text(TREE)
    return tmp_path


def command(folder: Path, *argv: str, **more) -> Command:
    return Command(argv, folder, dict(os.environ), **more)


def pids(folder: Path, count: int = 2) -> list[int]:
    """Wait until so many processes of the tree have written down their ids."""
    while True:
        file = folder / "pids.txt"
        found = file.read_text().split("\n")[:-1] if file.exists() else []
        if len(found) >= count:
            return [int(pid) for pid in found]
        time.sleep(0.01)


def alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def gone(found: list[int]) -> bool:
    """Whether all of them end; a guard that lets one live runs into the test's time limit."""
    while any(alive(pid) for pid in found):
        time.sleep(0.01)
    return True


def never() -> bool:
    return False


def test_the_exit_status_comes_back(tmp_path: Path) -> None:
    ended = run_guarded(command(tmp_path, "sh", "-c", "echo out; echo err >&2; exit 7"), never)
    assert (ended.why, ended.status) == ("ended", 7)
    assert tail(tmp_path / "stdout.txt") == "out\n"
    assert tail(tmp_path / "stderr.txt") == "err\n"


def test_a_signal_comes_back(tmp_path: Path) -> None:
    asked = command(tmp_path, "sh", "-c", "kill -SEGV $$")
    ended = run_guarded(asked, never)
    assert ended.status == -signal.SIGSEGV
    assert "signal 11" in in_words(ended, asked)


def test_a_command_that_is_not_there(tmp_path: Path) -> None:
    asked = command(tmp_path, "no-such-program")
    ended = run_guarded(asked, never)
    assert ended.why == "start"
    assert "'no-such-program' could not be started" in in_words(ended, asked)


def test_the_standard_input_is_empty(tmp_path: Path) -> None:
    assert run_guarded(command(tmp_path, "cat"), never).status == 0


def test_its_cpu_time_is_counted(tmp_path: Path) -> None:
    burn = "import time\nwhile time.process_time() < 0.2: pass"
    ended = run_guarded(command(tmp_path, "sh", "-c", f"{sys.executable} -c '{burn}'"), never)
    assert ended.cpu >= 0.2
    assert ended.peak_mb > 1


def test_what_it_leaves_in_the_background_is_ended(tree: Path) -> None:
    ended = run_guarded(command(tree, sys.executable, "tree.py", "1.5"), never)
    assert (ended.why, ended.status) == ("ended", 0)
    assert not any(alive(pid) for pid in pids(tree))


def test_a_time_limit_ends_the_whole_tree(tree: Path) -> None:
    ended = run_guarded(command(tree, sys.executable, "tree.py", "600", timeout=1.5), never)
    assert ended.why == "timeout"
    assert not any(alive(pid) for pid in pids(tree))


def test_a_request_ends_the_whole_tree(tree: Path) -> None:
    file = tree / "pids.txt"
    stop = lambda: file.exists() and file.read_text().count("\n") == 2  # noqa: E731
    ended = run_guarded(command(tree, sys.executable, "tree.py", "600"), stop)
    assert ended.why == "stopped"
    assert not any(alive(pid) for pid in pids(tree))


def test_a_memory_limit_ends_it(tmp_path: Path) -> None:
    hoard = "import time; held = b'x' * 200_000_000; time.sleep(600)"
    asked = command(tmp_path, sys.executable, "-c", hoard, memory_mb=100)
    ended = run_guarded(asked, never)
    assert ended.why == "memory"
    assert "memory limit of 100 MiB" in in_words(ended, asked)


def test_memory_is_that_of_the_whole_tree(tmp_path: Path) -> None:
    hoard = "import time; held = b'x' * 60_000_000; time.sleep(600)"
    script = f'{sys.executable} -c "{hoard}" & {sys.executable} -c "{hoard}" & wait'
    assert run_guarded(command(tmp_path, "sh", "-c", script, memory_mb=100), never).why == "memory"


def test_when_the_guard_is_killed_nothing_is_left(tree: Path) -> None:
    script = (
        f"{sys.executable} tree.py 600 & while [ $(wc -l < pids.txt) -lt 2 ]; do sleep 0.05; done"
    )
    (tree / "pids.txt").touch()
    asked = command(tree, "sh", "-c", f"{script}; kill -9 $PPID; sleep 600")
    ended = run_guarded(asked, never)
    assert ended.why == "guard"
    assert gone(pids(tree))


WORKER = textwrap.dedent("""
    import os, sys, threading, time
    from pathlib import Path
    from querist.oracles.guarded import Command, run_guarded

    folder = Path(sys.argv[1])

    def hold_the_pipe():
        # A process that was forked while the command runs holds our end of the guard's pipe open.
        while not (folder / "pids.txt").exists():
            time.sleep(0.01)
        pid = os.fork()
        if pid == 0:
            os.setsid()
            time.sleep(600)
            os._exit(0)
        (folder / "holder.new").write_text(str(pid))
        (folder / "holder.new").rename(folder / "holder")

    threading.Thread(target=hold_the_pipe).start()
    command = Command([sys.executable, "tree.py", "600"], folder, dict(os.environ))
    run_guarded(command, lambda: False)
""")


@pytest.mark.kill
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_when_the_worker_is_killed_nothing_is_left(tree: Path, how: signal.Signals) -> None:
    source = Path(__file__).parents[2] / "src"
    worker = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", WORKER, str(tree)],
        env={**os.environ, "PYTHONPATH": str(source)},
    )
    found = pids(tree)
    assert all(alive(pid) for pid in found)
    while not (tree / "holder").exists():
        time.sleep(0.01)
    worker.send_signal(how)
    worker.wait()
    try:
        assert gone(found)
    finally:
        os.kill(int((tree / "holder").read_text()), signal.SIGKILL)


def test_the_tail_of_a_log_is_text_whatever_it_holds(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(b"a" * 5000 + b"\xff end")
    assert tail(tmp_path / "log", 5) == "\ufffd end"
    assert tail(tmp_path / "none") == ""


def test_every_ending_has_words(tmp_path: Path) -> None:
    asked = command(tmp_path, "dir/tool", timeout=3.0, memory_mb=5)
    for why in ("start", "timeout", "memory", "stopped", "guard", "ended"):
        assert "tool" in in_words(Ended(why, 1), asked)
