"""The constraints pin every package that the project asks for, to a version that it allows."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def pinned() -> dict[str, str]:
    lines = (ROOT / "requirements" / "constraints.txt").read_text(encoding="utf-8").splitlines()
    return dict(line.split("==") for line in lines if not line.startswith("#"))


APART = {"mace", "mlflow"}
"""Extras whose packages do not go together with others, so that nobody gets them with "all"."""


@pytest.fixture(scope="module")
def project() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


@pytest.fixture(scope="module")
def asked(project: dict) -> list[Requirement]:
    extras = project["optional-dependencies"].items()
    together = [line for name, extra in extras if name not in APART for line in extra]
    every = [*project["dependencies"], *together]
    return [found for line in every if (found := Requirement(line)).name != "querist"]


def test_all_has_what_goes_together(project: dict) -> None:
    (everything,) = map(Requirement, project["optional-dependencies"]["all"])
    tools = {"all", "demo", "dev", "docs", "test"}
    assert project["optional-dependencies"].keys() - tools - everything.extras == APART


def test_what_is_asked_for_is_pinned_within_its_range(pinned, asked) -> None:
    wrong = [
        str(requirement)
        for requirement in asked
        if not requirement.specifier.contains(pinned.get(requirement.name.lower(), "0"))
    ]
    assert wrong == []


def test_pins_are_exact_and_hold_for_every_build(pinned) -> None:
    assert all(re.fullmatch(r"[0-9][0-9a-z.]*", version) for version in pinned.values())


def test_no_pin_asks_for_a_gpu_or_for_querist(pinned) -> None:
    assert not [name for name in pinned if name.startswith(("nvidia", "cuda", "triton", "querist"))]
