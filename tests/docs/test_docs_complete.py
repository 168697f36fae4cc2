"""What there is stands in the documentation: extras, commands, public names, short names."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import click
import yaml
from pydantic import BaseModel

import querist
from querist.campaign.loading import parse_settings
from querist.campaign.registry import BUILT_IN
from querist.campaign.settings import CampaignSettings
from querist.cli.entry import main

ROOT = Path(__file__).resolve().parents[2]
FOR_DEVELOPERS = {"test", "docs", "dev"}


def page(name: str) -> str:
    return (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8")


def first_cells(text: str) -> set[str]:
    """What stands in back quotes in the first column of tables."""
    rows = re.findall(r"^\| (`[^|]+) \|", text, re.MULTILINE)
    return {word for row in rows for word in re.findall(r"`([^`]+)`", row)}


def commands(found: click.Command, name: str) -> Iterator[str]:
    if not isinstance(found, click.Group):
        yield name
        return
    context = click.Context(found)
    for word in found.list_commands(context):
        command = found.get_command(context, word)
        assert command is not None
        yield from commands(command, f"{name} {word}")


def test_every_extra_is_told_of() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    table = page("getting-started").partition("## Extras")[2].partition("\n## ")[0]
    assert first_cells(table) == set(project["optional-dependencies"]) - FOR_DEVELOPERS


def test_every_command_is_told_of() -> None:
    told = {cell for cell in first_cells(page("command-line")) if cell.startswith("querist ")}
    assert told == set(commands(main, "querist"))


def test_every_public_name_is_told_of() -> None:
    table = page("nouns").partition("## What `import querist` has")[2]
    assert first_cells(table) == set(querist.__all__) - {"__version__"}


def test_every_short_name_is_told_of() -> None:
    table = page("campaign-file").partition("## Short names")[2]
    told = set(re.findall(r"`(\w+)`", table))
    assert {name for names in BUILT_IN.values() for name in names} <= told


def test_the_campaign_file_tells_what_is_no_default() -> None:
    """Of the block of all keys: a value that is not the default has that in brackets."""
    block = page("campaign-file").partition("```yaml campaign\n")[2].partition("```")[0]
    shown = parse_settings(yaml.safe_load(block), "campaign.yaml").model_dump()
    for name, field in CampaignSettings.model_fields.items():
        if field.is_required():
            continue
        line = next(line for line in block.splitlines() if line.startswith(f"{name}:"))
        default = field.get_default(call_default_factory=True)
        plain = default.model_dump() if isinstance(default, BaseModel) else default
        assert ("# [" in line) == (shown[name] != plain), line
