"""What a YAML file describes."""

from __future__ import annotations

from pathlib import Path

import pytest

from querist.cli.init import template
from querist.cli.kinds import kind_of


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("generators: uniform\nmodel: random_features\nbudget: {labels: 3}\n", "campaign"),
        ("data: {from: photos}\nbudget: 3\n", "pool"),
        ("budget: 3\nstrategy: margin\n", "pool"),
        ("data: folder\n", "service"),
        ("listen: {port: 3}\n", "service"),
        (template("pool"), "pool"),
        (template("service"), "service"),
        ("generators: [", "campaign"),
        ("- a\n", "campaign"),
        ("", "campaign"),
    ],
)
def test_keys_tell(tmp_path: Path, text: str, kind: str) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(text)
    assert kind_of(path) == kind


def test_what_is_not_there_is_left_to_the_campaign(tmp_path: Path) -> None:
    assert kind_of(tmp_path / "nothing.yaml") == "campaign"
