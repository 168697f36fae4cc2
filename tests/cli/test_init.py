"""Templates: sound as they are, and nothing that may be said is missing."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from querist.cli import main
from querist.cli.init import TEMPLATES, template
from querist.pool.file import DataSection, PoolFile, QuerySection, load_pool_file


def call(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def test_a_template_is_written_once(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = call("init", "pool")
    assert (result.exit_code, result.output.split(";")[0]) == (0, "wrote pool.yaml")
    assert Path("pool.yaml").read_text() == template("pool")
    result = call("init", "pool")
    assert (result.exit_code, "say --force" in result.stderr) == (2, True)
    assert call("init", "pool", "--force").exit_code == 0
    assert call("init", "pool", "nowhere/pool.yaml").exit_code == 2


def test_the_template_of_a_pool_is_sound(tmp_path: Path) -> None:
    path = tmp_path / "pool.yaml"
    path.write_text(template("pool"))
    found = load_pool_file(path)
    assert (found.name, found.budget) == ("my-pool", 20)
    assert found == load_pool_file(path)


@pytest.mark.parametrize("section", [PoolFile, DataSection, QuerySection])
def test_every_key_of_a_pool_is_explained(section) -> None:
    text = template("pool")
    for name, field in section.model_fields.items():
        key = field.alias or name
        assert re.search(rf"^[ #]*{key}:", text, re.MULTILINE), key


def test_what_is_shown_in_comments_is_sound_too(tmp_path: Path) -> None:
    """Each commented line that is a setting, one at a time, in the place where it stands."""
    lines = template("pool").splitlines()
    settings = [n for n, line in enumerate(lines) if re.match(r"^ *# [a-z]+: \S", line)]
    tried = 0
    for number in settings:
        key = lines[number].split("#")[1].split(":")[0].strip()
        live = [
            line for line in lines if not re.match(rf"^ *{key}: ", line) or line.startswith("data")
        ]
        live[live.index(lines[number])] = lines[number].replace("# ", "", 1)
        path = tmp_path / "pool.yaml"
        path.write_text("\n".join(live))
        if key != "model":  # those name files and modules that are not here
            load_pool_file(path)
            tried += 1
    assert tried >= 8


def test_templates_are_found() -> None:
    assert all(len(template(name)) > 1000 for name in TEMPLATES)
