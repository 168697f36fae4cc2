"""Third-party packages: all declared; an optional one in the one file that pyproject.toml names."""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

import pytest

TOOL_EXTRAS = {"test", "docs", "dev"}
IMPORT_NAMES = {
    "mace-torch": "mace",
    "mlflow-skinny": "mlflow",
    "peptidebuilder": "PeptideBuilder",
    "pillow": "PIL",
    "psij-python": "psij",
    "pyyaml": "yaml",
    "scikit-learn": "sklearn",
    "tensorboardx": "tensorboardX",
    "umap-learn": "umap",
}
REQUIREMENT = re.compile(r"^\s*\"(?P<name>[A-Za-z0-9_.-]+)[^\"]*\",(?:\s*#\s*(?P<note>.*))?$")


def import_name(requirement: str) -> str:
    name = re.split(r"[\[<>=!~; ]", requirement, maxsplit=1)[0].lower()
    return IMPORT_NAMES.get(name, name.replace("-", "_"))


@pytest.fixture(scope="module")
def project(root: Path) -> dict:
    return tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]


@pytest.fixture(scope="module")
def core_packages(project: dict) -> set[str]:
    return {import_name(requirement) for requirement in project["dependencies"]}


@pytest.fixture(scope="module")
def optional_packages(project: dict) -> set[str]:
    return {
        import_name(requirement)
        for extra, requirements in project["optional-dependencies"].items()
        for requirement in requirements
        if extra not in TOOL_EXTRAS
    } - {"querist"}


@pytest.fixture(scope="module")
def notes(root: Path, optional_packages: set[str]) -> dict[str, str]:
    """Package -> the comment beside it in pyproject.toml."""
    # Below it are lists of other things, pytest's markers among them, with the same names.
    dependencies = (root / "pyproject.toml").read_text(encoding="utf-8").partition("\n[tool.")[0]
    lines = dependencies.splitlines()
    found = [match for line in lines if (match := REQUIREMENT.match(line))]
    named = {import_name(match["name"]): match["note"] or "" for match in found}
    return {package: named[package] for package in optional_packages}


def named_files(note: str) -> list[str]:
    return re.findall(r"src/[\w/]+\.py", note)


def importers(library, package: str) -> set[str]:
    return {
        f"src/querist/{library.files[found.source].relative_to(library.folder).as_posix()}"
        for found in library.imports
        if found.target.partition(".")[0] == package
    }


def test_a_message_names_the_extra_that_brings_a_package(project, optional_packages) -> None:
    from querist.campaign.extras import EXTRA_OF

    assert set(EXTRA_OF) == optional_packages
    for package, extra in EXTRA_OF.items():
        brought = map(import_name, project["optional-dependencies"][extra])
        assert package in set(brought), f"the extra {extra} does not bring {package}"


def test_every_imported_package_is_declared(library, core_packages, optional_packages) -> None:
    known = set(sys.stdlib_module_names) | core_packages | optional_packages | {"querist"}
    undeclared = {
        f"{found.source}, line {found.line}: {found.target}"
        for found in library.imports
        if found.target.partition(".")[0] not in known
    }
    # Shipped test helpers may use what the extra `test` installs.
    undeclared = {line for line in undeclared if not line.startswith("querist.testing")}
    assert undeclared == set()


def test_every_core_package_is_imported(library, core_packages) -> None:
    unused = {package for package in core_packages if not importers(library, package)}
    assert unused == set(), "core dependencies that no file needs"


def test_an_optional_package_is_imported_in_the_files_its_comment_names(library, notes) -> None:
    named = {package: set(named_files(note)) for package, note in notes.items()}
    used = {package: importers(library, package) for package in notes}
    assert used == named


def test_an_optional_package_has_a_file_or_serves_examples_only(notes) -> None:
    homeless = {
        package
        for package, note in notes.items()
        if not named_files(note) and not note.startswith("examples only")
    }
    assert homeless == set(), "name the file beside these in pyproject.toml"


def test_an_optional_package_has_at_most_one_file_a_room(notes) -> None:
    for package, note in notes.items():
        rooms = [file.split("/")[2] for file in named_files(note)]
        assert len(rooms) == len(set(rooms)), f"{package}: {note}"


def test_a_package_named_in_a_call_counts_as_imported(write_code) -> None:
    code = write_code({"models/a.py": "def f():\n    return require('torch.nn', 'torch', 'it')\n"})
    assert importers(code, "torch") == {"src/querist/models/a.py"}
