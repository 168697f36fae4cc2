"""House rules that a machine can check: sizes, leftovers, paths of somebody's machine."""

from __future__ import annotations

import ast
import re
import statistics
from collections.abc import Iterator
from pathlib import Path

import pytest

FILE_LINES = 500
FUNCTION_LINES_MEDIAN = 8
FUNCTION_LINES_P90 = 35

# Put together here so that this file does not contain what it looks for.
LEFTOVERS = re.compile(r"\b(" + "|".join(["TO" + "DO", "FIX" + "ME", "XX" + "X"]) + r")\b")
MACHINE_PATHS = re.compile(r"(?<![\w.~>}/-])/(home|Users|root|work|opt|mnt|media)/\w")


def lines_with(pattern: re.Pattern[str], files: list[Path], root: Path) -> list[str]:
    return [
        f"{file.relative_to(root)}:{number}: {line.strip()}"
        for file in files
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1)
        if pattern.search(line)
    ]


def body_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """The lines of a function's body without its docstring."""
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


def function_lines(tree: ast.Module) -> Iterator[int]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield body_lines(node)


def test_files_are_short(tracked: list[Path], root: Path) -> None:
    lengths = {
        str(file.relative_to(root)): len(file.read_text(encoding="utf-8").splitlines())
        for file in tracked
        if file.suffix == ".py"
    }
    assert {name: length for name, length in lengths.items() if length >= FILE_LINES} == {}


def test_functions_are_short(library) -> None:
    lengths = sorted(length for tree in library.trees.values() for length in function_lines(tree))
    assert statistics.median(lengths) <= FUNCTION_LINES_MEDIAN
    assert lengths[int(0.9 * len(lengths))] <= FUNCTION_LINES_P90


def test_nothing_is_left_for_later(tracked: list[Path], root: Path) -> None:
    assert lines_with(LEFTOVERS, tracked, root) == []


def test_parameters_of_sql_have_names_or_none(tracked: list[Path], root: Path) -> None:
    """Python 3.14 refuses numbered ones (?1) for a sequence of values; 3.12 warns."""
    numbered = re.compile(r"[=(, ]\?[1-9]")
    files = [path for path in tracked if path.suffix == ".py" and "src" in path.parts]
    found = [
        f"{path.relative_to(root)}, line {number}"
        for path in files
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if numbered.search(line) and "re." not in line
    ]
    assert found == []


def test_a_broad_except_says_why(library, root: Path) -> None:
    """Beside its ``noqa``, or in a comment on the line before or after it."""
    silent = []
    for path in library.files.values():
        lines = path.read_text(encoding="utf-8").splitlines()
        for number, line in enumerate(lines):
            near = "\n".join(lines[max(0, number - 1) : number + 2])
            if line.endswith("noqa: BLE001") and "# Isolation boundary: " not in near:
                silent.append(f"{path.relative_to(root)}:{number + 1}")
    assert silent == []


def test_no_file_names_a_path_of_one_machine(tracked: list[Path], root: Path) -> None:
    assert lines_with(MACHINE_PATHS, tracked, root) == []


@pytest.mark.parametrize(
    ("line", "caught"),
    [
        ("data = '/" + "home/ada/data'", True),
        ("cd /" + "work/main", True),
        ("see src/work/main", False),
        ("$HOME/work/x", False),
        ("../root/x", False),
    ],
)
def test_paths_of_one_machine_are_recognised(line: str, caught: bool) -> None:
    assert bool(MACHINE_PATHS.search(line)) is caught


def test_function_lengths_leave_out_the_docstring() -> None:
    tree = ast.parse('def f():\n    """One.\n\n    Two.\n    """\n    a = 1\n    return a\n')
    assert list(function_lines(tree)) == [2]


def test_every_decision_has_a_number_of_its_own() -> None:
    folder = Path(__file__).parents[2] / "docs" / "decisions"
    numbers = {}
    for file in sorted(folder.glob("0*.md")):
        number = file.name[:4]
        assert file.read_text(encoding="utf-8").startswith(f"# {int(number)}. "), file.name
        assert number not in numbers, f"{file.name} and {numbers[number]}"
        numbers[number] = file.name
