"""Which servers live: told by locks, at once, whatever ended them."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from querist.service.presence import Presence
from querist.store.errors import StoreError
from querist.store.lock import WriterLock

BEGIN = """
import sys, time
from pathlib import Path
from querist.service.presence import Presence
presence = Presence(Path(sys.argv[1]))
presence.begin()
print(presence.name, flush=True)
time.sleep(600)
"""


def test_a_server_lives_until_it_ends(tmp_path: Path) -> None:
    one, two = Presence(tmp_path), Presence(tmp_path)
    one.begin()
    two.begin()
    assert one.name != two.name
    assert one.lives(one.name)
    assert one.lives(two.name)
    assert two.lives(one.name)
    one.end()
    one.end()
    assert not two.lives(one.name)
    assert [path.name for path in tmp_path.iterdir()] == [two.name]
    two.end()


def test_one_that_is_killed_is_dead_at_once(tmp_path: Path) -> None:
    command = [sys.executable, "-c", BEGIN, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        name = other.stdout.readline().strip()
        here = Presence(tmp_path)
        here.begin()
        assert here.lives(name)
        other.send_signal(signal.SIGKILL)
        other.wait(60)
        assert (tmp_path / name).is_dir()
        assert not here.lives(name)
    assert not (tmp_path / name).exists()
    here.end()


def test_what_dead_servers_left_is_removed_at_a_start(tmp_path: Path) -> None:
    (tmp_path / f"srv_{'a' * 20}").mkdir()
    (tmp_path / "notes").mkdir()  # not ours
    here = Presence(tmp_path)
    here.begin()
    assert {path.name for path in tmp_path.iterdir()} == {here.name, "notes"}
    here.end()


@pytest.mark.parametrize("name", ["", "..", "notes", f"srv_{'a' * 19}!", f"srv_{'a' * 20}"])
def test_who_has_no_lock_does_not_live(tmp_path: Path, name: str) -> None:
    (tmp_path / "notes").mkdir()
    here = Presence(tmp_path)
    here.begin()
    assert not here.lives(name)
    assert (tmp_path / "notes").is_dir()
    here.end()


def test_a_start_whose_folder_was_taken_for_left_behind_tries_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    acquire, failed = WriterLock.acquire, []

    def first_fails(lock: WriterLock) -> None:
        if not failed:
            failed.append(lock)
            raise StoreError("another one was quicker")
        acquire(lock)

    monkeypatch.setattr(WriterLock, "acquire", first_fails)
    here = Presence(tmp_path)
    here.begin()
    assert here.lives(here.name)
    assert [path.name for path in tmp_path.iterdir()] == [here.name]
    here.end()
