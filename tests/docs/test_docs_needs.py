"""What a reader needs is said: extras that a page's blocks want, and names that blocks show."""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from page import Block, blocks

from querist.campaign.extras import EXTRA_OF

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
EXAMPLE = re.compile(r"sys\.path\.append\(\"(examples/\w+)\"\)")
GIVEN = {"PIL"}  # comes with matplotlib, which the core has


def python(page: Path) -> Iterator[Block]:
    for block in blocks(page.read_text(encoding="utf-8").splitlines()):
        if block.info[:1] == ("python",):
            yield block


def imported(code: str) -> set[str]:
    """Packages that a program imports when it begins."""
    nodes = list(ast.walk(ast.parse(code)))
    found = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    found += [node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)]
    return {name.partition(".")[0] for name in found}


def wanted(page: Path) -> set[str]:
    """Extras without which a block of a page fails by an import of its own."""
    packages: set[str] = set()
    for block in python(page):
        if "no-run" not in block.marks:
            packages |= imported(block.text)
            for folder in EXAMPLE.findall(block.text):
                packages |= imported((ROOT / folder / "problem.py").read_text(encoding="utf-8"))
    return {EXTRA_OF[name] for name in packages - GIVEN if name in EXTRA_OF}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_names_the_extras_that_its_blocks_want(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for extra in wanted(page):
        said = re.search(rf"extras?\s+`{extra}`|\[(\w+,)*{extra}(,\w+)*\]", text)
        assert said, f"{page.name} does not say that it needs the extra {extra}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_a_block_takes_from_querist_is_there(page: Path) -> None:
    """Of blocks that are not run, too."""
    for block in python(page):
        for node in ast.walk(ast.parse(block.text)):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("querist"):
                module = importlib.import_module(str(node.module))
                absent = [alias.name for alias in node.names if not hasattr(module, alias.name)]
                for name in absent:  # a module of a package
                    importlib.import_module(f"{node.module}.{name}")
