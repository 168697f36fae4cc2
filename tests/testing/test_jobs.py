"""A job's end is seen, with what outlives it and at its time limit."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from querist.testing.jobs import Job, marked

pytestmark = pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="needs /proc")


def job(folder: Path, code: str, **more) -> Job:
    return Job([sys.executable, "-c", code], folder, **more)


def test_an_end_has_a_status_and_words(tmp_path: Path) -> None:
    code = "import os, sys; print(os.environ['SAY']); sys.exit('no')"
    ended = job(tmp_path, code, environment={"SAY": "yes"}).end()
    assert (ended.status, ended.hung, sorted(ended.said.split())) == (1, False, ["no", "yes"])


def test_what_does_not_end_is_killed_at_the_limit(tmp_path: Path) -> None:
    code = "import subprocess; subprocess.run(['sleep', '60'])"
    started = job(tmp_path, code, limit=0.5)
    ended = started.end()
    assert ended.status is None
    assert ended.hung
    assert not marked(started.mark)


def test_what_outlives_a_job_is_told_and_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("querist.testing.jobs._LEFT", 0.1)
    code = "import subprocess; subprocess.Popen(['sleep', '60'], start_new_session=True)"
    started = job(tmp_path, code)
    ended = started.end()
    assert ended.status == 0
    assert ended.hung
    assert ended.left == ("sleep 60 ",)
    assert not started.processes()
