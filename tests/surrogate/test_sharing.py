"""Folders: several processes, kill -9, and everything else that others may do to them."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import httpx
import numpy as np
import pytest
from click.testing import CliRunner

from querist.cli.entry import main
from querist.core.errors import RunError
from querist.store.run_folder import RunFolder
from querist.surrogate.record import Disk, Entry
from querist.surrogate.surrogate import Surrogate, state_in
from querist.surrogate.telling import status_of

PROGRAM = textwrap.dedent(
    """
    import sys
    import numpy as np
    from querist import Surrogate

    def wave(x, y):
        return float(np.sin(3 * x) * np.cos(2 * y))

    folder, seed, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    rng = np.random.default_rng(seed)
    with Surrogate(wave, tolerance=0.05, folder=folder, coverage=0.8, audit=0.1) as surrogate:
        for number in range(count):
            x, y = rng.uniform(size=2)
            answer = surrogate(float(x), float(y))
            print(number, repr(answer), wave(x, y) == answer, flush=True)
    """
)


def start(tmp_path: Path, folder: Path, seed: int, count: int) -> subprocess.Popen:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    argv = [sys.executable, str(program), str(folder), str(seed), str(count)]
    return subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)


def test_what_others_post_is_taken_over_once_and_in_one_order(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path / "s", {})
    writer, other = Disk(folder), Disk(folder)
    assert writer.writes()
    # Within one process nobody gets the lock twice, as from another process.
    other.record([Entry("a", {"n": 1}, {"v": np.arange(3.0)}), Entry("a", {"n": 2})])
    writer.record([Entry("b", {"n": 3})])
    assert [fact.kind for fact in writer.follow()] == ["b", "a", "a"]
    assert [fact.data["n"] for fact in other.follow()] == [3, 1, 2]
    assert writer.follow() == other.follow() == []
    writer.release()
    other.record([Entry("c", {"n": 4})])
    assert [fact.data["n"] for fact in other.follow()] == [4]
    assert [fact.data["n"] for fact in writer.follow()] == [4]
    writer.close()
    other.close()
    assert [r.data["n"] for r in folder.journal_reader().read_new()] == [3, 1, 2, 4]


def test_a_message_that_was_recorded_but_not_removed_is_not_taken_twice(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path / "s", {})
    writer, other = Disk(folder), Disk(folder)
    assert writer.writes()
    other.record([Entry("a", {"n": 1})])
    (message,) = list(folder.inbox._listed())
    kept = message.read_bytes()
    writer.follow()
    writer.close()
    message.write_bytes(kept)  # killed between record and removal
    again = Disk(folder)
    assert again.writes()
    assert [fact.data["n"] for fact in again.follow()] == [1]
    assert not list(folder.inbox._listed())
    again.close()


def test_the_command_line_tells_the_status(tmp_path: Path) -> None:
    def wave(x):
        return float(np.sin(x))

    with Surrogate(wave, tolerance=0.05, folder=tmp_path / "s") as surrogate:
        surrogate(1.0)
        surrogate(2.0)
    runner = CliRunner()
    picture = tmp_path / "life.png"
    argv = ["surrogate", "status", str(tmp_path / "s"), "--picture", str(picture)]
    told = runner.invoke(main, argv)
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert told.exit_code == 0, told.output
    assert "Answered by simulation  2" in told.output
    assert "closed" in told.output
    as_json = runner.invoke(main, ["surrogate", "status", str(tmp_path / "s"), "--json"])
    assert '"answered_by_simulation": 2' in as_json.output
    assert runner.invoke(main, ["status", str(tmp_path / "s")]).output == told.output
    resumed = runner.invoke(main, ["resume", str(tmp_path / "s")])
    assert resumed.exit_code == 1
    assert "Surrogate.open" in resumed.output
    effective = runner.invoke(main, ["effective", str(tmp_path / "s")])
    assert effective.exit_code == 0, effective.output
    refused = runner.invoke(main, ["surrogate", "status", str(tmp_path)])
    assert refused.exit_code != 0


def test_a_forked_process_has_to_open_the_folder_itself(tmp_path: Path, monkeypatch) -> None:
    surrogate = Surrogate(lambda x: x, tolerance=0.1, folder=tmp_path / "s")
    surrogate(1.0)
    monkeypatch.setattr("querist.surrogate.keeping.os.getpid", lambda: -1)
    with pytest.raises(RunError, match="forked"):
        surrogate(2.0)
    surrogate.close()  # leaves the folder to whom it belongs
    monkeypatch.undo()
    surrogate._keeper.close()
    assert [r.kind for r in RunFolder(tmp_path / "s").journal_reader().read_new()].count(
        "answer.label"
    ) == 1


def test_what_was_closed_tells_its_status_and_keeps_nobody_from_learning(tmp_path: Path) -> None:
    def wave(x):
        return float(np.sin(x))

    told = {"tolerance": 0.2, "coverage": 0.8, "folder": tmp_path / "s"}
    with Surrogate(wave, **told) as first:
        first(1.0)
    assert repr(first) == f"<Surrogate in {tmp_path / 's'}: 0 of 1 calls by the model>"
    assert first.status()["answered_by_simulation"] == 1
    first.learn()
    rng = np.random.default_rng(0)
    with Surrogate(wave, **told) as second:
        second.many(x=rng.uniform(size=80))
        assert second.status()["fitted"] == 1
        assert second.status()["answered_by_simulation"] == 81
    for _ in range(2):
        with pytest.raises(RunError, match="was closed; open its folder again"):
            first(1.0)


@pytest.mark.slow
def test_two_processes_share_a_folder(tmp_path: Path) -> None:
    folder = tmp_path / "s"
    both = [start(tmp_path, folder, seed, 150) for seed in (1, 2)]
    told = [process.communicate(timeout=120)[0].splitlines() for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert any(line.endswith("False") for lines in told for line in lines)
    # Which of them still called when the gate opened is chance; who comes later has it open.
    later = start(tmp_path, folder, 3, 40)
    told.append(later.communicate(timeout=120)[0].splitlines())
    assert later.returncode == 0
    assert any(line.endswith("False") for line in told[-1])
    simulated = sum(line.endswith("True") for lines in told for line in lines)
    status = status_of(*state_in(folder))
    assert status["answered_by_simulation"] == simulated
    assert status["answered_by_model"] == 340 - simulated
    assert status["threshold"] is not None
    with Surrogate.open(folder, "math:hypot") as surrogate:
        assert surrogate.status()["answered_by_simulation"] == simulated


@pytest.mark.slow
def test_what_was_answered_survives_kill_9(tmp_path: Path) -> None:
    folder = tmp_path / "s"
    seen: list[str] = []
    for seed in range(3):
        process = start(tmp_path, folder, seed, 10**6)
        assert process.stdout is not None
        seen.extend(process.stdout.readline().strip() for _ in range(60))
        os.kill(process.pid, signal.SIGKILL)
        seen.extend(line.strip() for line in process.stdout if line.endswith("\n"))
        process.wait()
        process.stdout.close()
    with Surrogate.open(folder, "math:hypot") as surrogate:
        status = surrogate.status()
    exact = sum(line.endswith("True") for line in seen)
    # The last answer of each life may be recorded and not printed, never the other way round.
    assert exact <= status["answered_by_simulation"] <= exact + 3
    again = start(tmp_path, folder, 9, 30)
    assert len(again.communicate(timeout=60)[0].splitlines()) == 30


@pytest.mark.slow
def test_serving_from_the_command_line(tmp_path: Path) -> None:
    (tmp_path / "waves.py").write_text("def wave(x):\n    return 2.0 * x\n")
    with Surrogate(lambda x: 2.0 * x, tolerance=0.05, folder=tmp_path / "s") as surrogate:
        surrogate(1.0)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    argv = [sys.executable, "-m", "querist", "surrogate", "serve", "s", "--port", str(port)]
    process = subprocess.Popen([*argv, "--simulation", "waves:wave"], cwd=tmp_path)
    try:
        client = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30)
        while process.poll() is None:  # as long as it takes to listen
            try:
                client.get("/v1/health").raise_for_status()
                break
            except httpx.ConnectError:
                time.sleep(0.05)
        told = client.post("/v1/answers", json={"inputs": {"x": [1.5, 2.5]}}).json()
        assert told["outputs"] == {"result": [3.0, 5.0]}
        assert client.get("/v1/status").json()["answered_by_simulation"] == 3
        client.close()
    finally:
        process.terminate()
        process.wait(30)
    assert status_of(*state_in(tmp_path / "s"))["answered_by_simulation"] == 3
