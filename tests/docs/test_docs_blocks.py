"""Every code block of the documentation runs; so does what decides which blocks run."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
RUNNER = Path(__file__).with_name("page.py")
FIRST = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "docs/first-query.md"]
PAGES = [page for page in sorted((ROOT / "docs").rglob("*.md")) if page not in FIRST]


def run_page(page: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    # Multiprocessing children and commands of the page find the library as this process does.
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    return subprocess.run(
        [sys.executable, RUNNER, page, folder],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    "page",
    [*FIRST, *(pytest.param(page, marks=pytest.mark.slow) for page in PAGES)],
    ids=lambda page: str(page.relative_to(ROOT)),
)
def test_every_block_of_the_page_runs(page: Path, tmp_path: Path) -> None:
    if (ROOT / "examples").is_dir():
        leave_out = shutil.ignore_patterns("runs", "__pycache__")
        shutil.copytree(ROOT / "examples", tmp_path / "examples", ignore=leave_out)
    done = run_page(page, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


def fence(info: str, *lines: str, mark: str = "") -> str:
    return "\n".join([mark, f"```{info}", *lines, "```", ""])


@pytest.fixture
def outcome(tmp_path: Path):
    """Returns a function: the text of a page -> exit code, and all that the page printed."""

    def run(*parts: str) -> tuple[int, str]:
        page = tmp_path / "page.md"
        page.write_text("\n".join(["# A page", *parts]), encoding="utf-8")
        done = run_page(page, tmp_path)
        return done.returncode, done.stdout + done.stderr

    return run


def test_blocks_of_a_page_share_a_namespace(outcome) -> None:
    first, second = fence("python", "a = 20"), fence("python", "print(a + 22)")
    assert outcome(first, "Some text.", second) == (0, "42\n")


def test_a_failing_block_fails_with_its_line(outcome) -> None:
    code, printed = outcome(fence("python", "a = 1", "assert a == 2"))
    assert code == 1
    assert "block at line 4" in printed
    assert "line 5, in <module>" in printed


def test_a_warning_fails(outcome) -> None:
    block = fence("python", "import warnings", "warnings.warn('old', DeprecationWarning)")
    assert outcome(block)[0] == 1


def test_no_run_skips_and_must_say_why(outcome) -> None:
    broken = "raise SystemExit(3)"
    assert outcome(fence("python", broken, mark="<!-- no-run: needs a cluster -->"))[0] == 0
    code, printed = outcome(fence("python", broken, mark="<!-- no-run: -->"))
    assert code == 1
    assert "must say why" in printed


def test_a_mark_without_a_block_is_refused(outcome) -> None:
    code, printed = outcome("<!-- no-run: reason -->", "Text.", fence("python", "a = 1"))
    assert code == 1
    assert "belongs to no block" in printed


def test_console_lines_run_in_order_in_the_folder(outcome, tmp_path: Path) -> None:
    saved = fence(
        "python", "import pathlib; pathlib.Path('made').touch()", mark="<!-- file: a.py -->"
    )
    code, printed = outcome(saved, fence("console", "$ python a.py  # makes it", "output"))
    assert (code, printed) == (0, "")
    assert (tmp_path / "made").is_file()


def test_console_lines_must_succeed(outcome) -> None:
    code, printed = outcome(fence("console", "$ python -c 'raise SystemExit(3)'"))
    assert code == 1
    assert "exit code 3" in printed


def test_other_commands_need_a_reason(outcome) -> None:
    assert outcome(fence("console", "$ make test"))[0] == 1
    assert outcome(fence("bash", "python a.py"))[0] == 1


def test_a_saved_file_can_be_imported(outcome) -> None:
    saved = fence("python", "answer = 42", mark="<!-- file: problem.py -->")
    assert outcome(saved, fence("python", "import problem", "print(problem.answer)")) == (0, "42\n")


def test_yaml_must_parse(outcome) -> None:
    assert outcome(fence("yaml", "a: [1, 2]"))[0] == 0
    assert outcome(fence("yaml", "a: [1, 2"))[0] == 1


def test_a_longer_fence_shows_blocks_without_running_them(outcome) -> None:
    shown = "\n".join(["````markdown", "```python", "raise SystemExit(3)", "```", "````"])
    assert outcome(shown)[0] == 0


def test_files_stay_in_the_folder(outcome) -> None:
    assert outcome(fence("text", "a", mark="<!-- file: ../a.txt -->"))[0] == 1
