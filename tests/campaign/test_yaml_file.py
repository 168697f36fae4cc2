"""What cannot be read of a configuration file is said in a sentence that names the file."""

from __future__ import annotations

from pathlib import Path

import pytest

from querist.campaign.loading import load_settings as load_campaign
from querist.campaign.yaml_file import read_yaml
from querist.core.errors import ConfigError
from querist.service.settings import load_settings as load_service
from querist.tuning.settings import load_study

BROKEN = {
    "not UTF-8": (b"name: caf\xe9\n", r"broken\.yaml is not a text file in UTF-8: "),
    "not YAML": (b"name: [1, 2\n", r"broken\.yaml is not valid YAML: "),
    "not a date": (b"name: 2026-02-31\n", r"broken\.yaml is not valid YAML: "),
}


@pytest.mark.parametrize("load", [load_campaign, load_study, load_service])
@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_file_is_a_sentence(load, kind: str, tmp_path: Path) -> None:
    content, said = BROKEN[kind]
    (tmp_path / "broken.yaml").write_bytes(content)
    with pytest.raises(ConfigError, match=said):
        load(tmp_path / "broken.yaml")


@pytest.mark.parametrize("load", [load_campaign, load_study, load_service])
def test_a_missing_file_is_a_sentence(load, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.yaml cannot be read: No such file or directory"):
        load(tmp_path / "none.yaml")


def test_an_empty_file_holds_nothing(tmp_path: Path) -> None:
    (tmp_path / "empty.yaml").touch()
    assert read_yaml(tmp_path / "empty.yaml") is None
