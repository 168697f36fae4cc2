"""The reference has what a program can import by the documentation's names."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

import pytest

import querist
from querist.campaign.registry import BUILT_IN

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "reference"
NAMED = {
    name
    for page in FOLDER.glob("*.md")
    for name in re.findall(r"^\.\. auto\w+:: (\S+)$", page.read_text("utf-8"), re.MULTILINE)
}


def test_it_has_every_public_name() -> None:
    assert {f"querist.{name}" for name in querist.__all__ if name != "__version__"} <= NAMED


def test_it_has_what_short_names_stand_for() -> None:
    targets = {target.replace(":", ".") for names in BUILT_IN.values() for target in names.values()}
    assert targets - NAMED == set()


@pytest.mark.parametrize("name", sorted(NAMED))
def test_what_it_names_is_there(name: str) -> None:
    try:
        import_module(name)
    except ModuleNotFoundError:
        module, _, last = name.rpartition(".")
        assert getattr(import_module(module), last).__doc__, name
