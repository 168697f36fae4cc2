"""``querist strategies``."""

from __future__ import annotations

import json

from click.testing import CliRunner

from querist.cli import main
from querist.strategies import registry


def run(*arguments: str) -> str:
    result = CliRunner().invoke(main, ["strategies", *arguments])
    assert result.exit_code == 0, result.output
    return result.output


def test_the_table_lists_all() -> None:
    text = run()
    assert all(name in text for name in registry.names())


def test_a_family() -> None:
    text = run("--family", "uncertainty")
    assert "margin" in text
    assert "bald" not in text


def test_everything_of_one() -> None:
    text = run("bald")
    assert "Houlsby" in text
    assert "member_probabilities" in text


def test_json() -> None:
    records = [json.loads(line) for line in run("--json").splitlines()]
    modifiers = [one.name for one in registry.modifiers()]
    assert [record["name"] for record in records] == [*registry.names(), *modifiers]
    assert all(record["paper"] and record["cost"] and record["use"] for record in records)


def test_an_unknown_one() -> None:
    result = CliRunner().invoke(main, ["strategies", "nothing-like-it"])
    assert result.exit_code == 1
    assert "no strategy" in result.output
