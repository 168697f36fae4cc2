"""The search for a Python to start from, and what it says where there is none."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def find(*candidates: Path | str, path: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Look among candidates, or without any among the usual names in a folder."""
    named = [" ".join(map(str, candidates))] if candidates else []
    command = ["/bin/sh", ROOT / "tools" / "find_python.sh", *named]
    env = None if path is None else {"PATH": f"{path}:/usr/bin:/bin"}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=env)


def fake_python(path: Path, version: str, fails_on: str) -> Path:
    """A stand-in that tells its version and fails the checks whose program contains a word."""
    path.write_text(
        f'#!/bin/sh\ncase "$2" in *platform*) echo {version};; *{fails_on}*) exit 1;; esac\n'
    )
    path.chmod(0o755)
    return path


def test_the_first_fit_one_is_taken(tmp_path: Path) -> None:
    old = fake_python(tmp_path / "old", "3.9.1", fails_on="version_info")
    done = find(tmp_path / "absent", old, sys.executable)
    assert (done.returncode, done.stdout.strip()) == (0, sys.executable)


def test_an_old_one_is_named(tmp_path: Path) -> None:
    old = fake_python(tmp_path / "old", "3.9.1", fails_on="version_info")
    done = find(old)
    assert done.returncode == 1
    assert "needs Python 3.11 or newer" in done.stderr
    assert f"Too old: {old}=3.9.1" in done.stderr


def test_a_missing_venv_is_named(tmp_path: Path) -> None:
    bare = fake_python(tmp_path / "bare", "3.12.4", fails_on="ensurepip")
    done = find(bare)
    assert done.returncode == 1
    assert f"Without venv: {bare}=3.12.4" in done.stderr
    assert "python3-venv" in done.stderr


def test_one_that_the_pinned_packages_have_no_builds_for_is_passed_over(tmp_path: Path) -> None:
    fake_python(tmp_path / "python3", "3.15.2", fails_on="15")
    fit = fake_python(tmp_path / "python3.14", "3.14.1", fails_on="nothing")
    done = find(path=tmp_path)
    assert (done.returncode, done.stdout.strip()) == (0, str(fit))


def test_it_is_named_where_there_is_no_other(tmp_path: Path) -> None:
    for name in ("python3", "python3.14", "python3.13", "python3.12", "python3.11"):
        fake_python(tmp_path / name, "3.15.2", fails_on="15")
    done = find(path=tmp_path)
    assert done.returncode == 1
    assert "Too new, unless it is named: python3=3.15.2" in done.stderr


def test_one_that_is_asked_for_is_taken_however_new(tmp_path: Path) -> None:
    new = fake_python(tmp_path / "new", "3.15.2", fails_on="15")
    done = find(new)
    assert (done.returncode, done.stdout.strip()) == (0, str(new))
