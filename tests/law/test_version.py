"""One version, in one place: the literal in the package's root module."""

from __future__ import annotations

import re
from importlib.metadata import version
from pathlib import Path

import querist


def test_the_changelog_begins_with_this_version(root: Path) -> None:
    text = (root / "CHANGELOG.md").read_text(encoding="utf-8")
    versions = re.findall(r"^## \[(\d[^\]]*)\]", text, flags=re.MULTILINE)
    assert versions[0] == querist.__version__


def test_the_citation_is_of_this_version(root: Path) -> None:
    told = (root / "CITATION.cff").read_text(encoding="utf-8")
    assert f"\nversion: {querist.__version__}\n" in told


def test_the_installed_metadata_has_this_version() -> None:
    assert version("querist") == querist.__version__


def test_nothing_else_states_the_version(root: Path) -> None:
    assert querist.__version__ not in (root / "docs" / "conf.py").read_text(encoding="utf-8")
    project = (root / "pyproject.toml").read_text(encoding="utf-8").partition("[project]")[2]
    assert 'dynamic = ["version"]' in project
