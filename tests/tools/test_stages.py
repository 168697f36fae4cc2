"""The runner of CI's stages: order, exit codes, budgets, and what comes last."""

from __future__ import annotations

import importlib.util
import os
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

MAKEFILE = """\
.PHONY: good bad slow
good:
\t@echo all is well
bad:
\t@exit 1
slow:
\t@sleep 60 & echo $$! > pid; wait
"""


@pytest.fixture
def stages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The module tools/stages.py, in a folder with a small Makefile."""
    (tmp_path / "Makefile").write_text(MAKEFILE)
    monkeypatch.chdir(tmp_path)
    spec = importlib.util.spec_from_file_location("stages", ROOT / "tools" / "stages.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_last_target_speaks_last(stages, capfd: pytest.CaptureFixture[str]) -> None:
    assert stages.main(["good", "good"]) == 0
    lines = capfd.readouterr().out.splitlines()
    assert lines[:2] == ["== good", "all is well"]
    assert lines[2].startswith("== so far: good ")
    assert lines[3:] == ["== good", "all is well"]


def test_the_first_failure_ends_the_run(stages, capfd: pytest.CaptureFixture[str]) -> None:
    assert stages.main(["bad", "good"]) == 2
    printed = capfd.readouterr().out
    assert "Stage 'bad' failed with exit code 2" in printed
    assert "all is well" not in printed


def test_a_stage_over_its_budget_is_ended_with_its_children(
    stages, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(stages.BUDGETS, "slow", 1.0)
    assert stages.main(["slow", "good"]) == 124
    assert "over its budget of 1 s" in capfd.readouterr().out
    child = int((tmp_path / "pid").read_text())
    assert gone_soon(child)


def gone_soon(pid: int) -> bool:
    """Whether a killed process is gone; the system may take a moment over it."""
    for _ in range(100):
        if not alive(pid):
            return True
        time.sleep(0.1)
    return False


def alive(pid: int) -> bool:
    """A process that runs; one that has ended and waits to be reaped does not."""
    status = Path(f"/proc/{pid}/stat")
    if status.exists():
        return status.read_text().rpartition(")")[2].split()[0] != "Z"
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return not Path("/proc").is_dir()
