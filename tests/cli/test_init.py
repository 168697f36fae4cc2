"""Templates: sound as they are, and nothing that may be said is missing."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from querist.cli import main
from querist.cli.init import TEMPLATES, template
from querist.pool.file import DataSection, PoolFile, QuerySection, load_pool_file
from querist.service.settings import (
    JobSettings,
    KeySettings,
    LimitSettings,
    ListenSettings,
    LogSettings,
    ModelSettings,
    ServiceSettings,
    TenantSettings,
    WebhookSettings,
    load_settings,
    parse_settings,
)

SECTIONS = (
    JobSettings,
    KeySettings,
    LimitSettings,
    ListenSettings,
    LogSettings,
    ModelSettings,
    TenantSettings,
    WebhookSettings,
)


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


def test_the_template_of_a_campaign_runs_as_it_is(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    sys.modules.pop("problem", None)
    result = call("init", "campaign")
    assert result.output.startswith("wrote campaign.yaml and problem.py; edit them, then: ")
    Path("problem.py").write_text(Path("problem.py").read_text() + "# edited\n")
    assert call("init", "campaign", "--force").output.startswith("wrote campaign.yaml; edit it")
    assert Path("problem.py").read_text().endswith("# edited\n")
    assert call("check", "campaign.yaml").output == "campaign.yaml is sound.\n"
    config = yaml.safe_load(template("campaign")) | {"budget": {"labels": 24}, "engine": "inline"}
    Path("campaign.yaml").write_text(yaml.safe_dump(config))
    assert call("run", "campaign.yaml", "--progress", "none").exit_code == 0
    sys.modules.pop("problem", None)


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


def test_the_template_of_a_service_is_sound(tmp_path: Path) -> None:
    path = tmp_path / "service.yaml"
    assert call("init", "service", path).exit_code == 0
    settings = load_settings(path)
    assert (settings.listen.port, settings.on_loopback) == (8600, True)
    assert settings == load_settings(path)


@pytest.mark.parametrize("section", [ServiceSettings, *SECTIONS])
def test_every_key_of_a_service_is_explained(section) -> None:
    text = template("service")
    for name in section.model_fields:
        assert re.search(rf"^[ #]*{name}:", text, re.MULTILINE), name


def test_what_is_said_of_a_service_in_comments_is_what_holds() -> None:
    """The whole file without its # is the default settings, but for what is only an example."""
    shown = r"^( *)# ( *[a-z_]+:( |$))"
    text = re.sub(shown, r"\1\2", template("service"), flags=re.MULTILINE)
    text = re.sub(r"^#.*", "", text, flags=re.MULTILINE)
    said = parse_settings(yaml.safe_load(text), "service.yaml")
    default = ServiceSettings()
    for name in ("limits", "quota"):
        assert getattr(said, name) == getattr(default, name)
    examples = {"jobs": {"memory_mb", "keep_days"}, "log": {"file"}, "webhooks": {"hosts"}}
    for name, left_out in examples.items():
        shown, held = getattr(said, name).model_dump(), getattr(default, name).model_dump()
        for key in set(held) - left_out:
            assert shown[key] == held[key], f"{name}.{key}"


def test_a_configuration_of_alaas_is_put_into_our_words(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    model = {"name": "resnet18", "hub": "pytorch/vision:v0.10.0", "batch_size": 4}
    strategy = {"type": "MarginConfidence", "model": model}
    worker = {"protocol": "http", "host": "0.0.0.0", "port": 8081, "replicas": 1}
    learning = {"strategy": strategy, "al_worker": worker}
    theirs = {"name": "images", "version": 0.1, "active_learning": learning}
    Path("theirs.yml").write_text(yaml.safe_dump(theirs))
    assert call("init", "pool", "--alaas", "theirs.yml").exit_code == 0
    assert call("init", "service", "--alaas", "theirs.yml").exit_code == 0
    found = load_pool_file("pool.yaml")
    assert found.strategy is not None
    assert (found.name, found.strategy.use, found.query.scan) == ("images", "margin", {"batch": 4})
    assert "# Loading from torch.hub runs the code" in Path("pool.yaml").read_text()
    assert load_settings("service.yaml").models.hub == ("pytorch/vision:v0.10.0",)
    assert call("init", "pool", "b.yaml", "--alaas", "nothing.yml").exit_code == 2
