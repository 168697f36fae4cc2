"""The suite's runner: failures run once more alone, and only few of them."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
STEADY = "def test_good():\n    pass\n\ndef test_bad():\n    assert False\n"
UNSTEADY = """\
import pathlib
def test_unsteady():
    mark = pathlib.Path(__file__).with_name("seen")
    seen = mark.exists()
    mark.touch()
    assert seen
"""
MANY = "".join(f"def test_{n}():\n    assert False\n" for n in range(6))


@pytest.fixture
def suite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The module tools/suite.py, for a folder with tests of its own."""
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    spec = importlib.util.spec_from_file_location("suite", ROOT / "tools" / "suite.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    monkeypatch.setattr(module, "ROOT", tmp_path)
    return module


@pytest.mark.parametrize(
    ("text", "code", "again"),
    [(STEADY, 1, True), (UNSTEADY, 0, True), (MANY, 1, False), ("", 5, False)],
)
def test_what_fails_is_tried_once_more(
    suite, tmp_path: Path, capfd: pytest.CaptureFixture[str], text: str, code: int, again: bool
) -> None:
    (tmp_path / "test_some.py").write_text(text)
    assert suite.main(["-q", "-p", "no:xdist"]) == code
    assert ("once more, alone" in capfd.readouterr().out) is again
    assert suite.last_failed(tmp_path) == [] or code == 1


def test_failures_of_an_earlier_run_are_not_this_ones(suite, tmp_path: Path) -> None:
    (tmp_path / "test_some.py").write_text(STEADY)
    assert suite.main(["-q", "-p", "no:xdist"]) == 1
    (tmp_path / "test_some.py").write_text("def test_good():\n    pass\n")
    assert suite.main(["-q", "-p", "no:xdist"]) == 0
    assert suite.last_failed(tmp_path) == []
