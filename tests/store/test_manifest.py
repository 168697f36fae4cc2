from __future__ import annotations

import importlib.metadata
import json
import subprocess
import sys

import pytest

from querist.store import manifest as manifest_module
from querist.store.errors import DamagedFile, IncompatibleFormat
from querist.store.manifest import Manifest, describe, git_state, installed


def test_a_manifest_round_trips(tmp_path) -> None:
    manifest = describe("r1", {"walkers": 7}, packages=["pytest"])
    assert Manifest.from_json(manifest.to_json(), tmp_path) == manifest
    assert manifest.packages["numpy"] == importlib.metadata.version("numpy")
    assert "pytest" in manifest.packages
    assert manifest.python == ".".join(map(str, sys.version_info[:3]))
    assert manifest.seeds == {"walkers": 7}


def test_a_known_state_of_git_is_not_asked_for(monkeypatch) -> None:
    monkeypatch.setattr(manifest_module, "_git", None)
    assert describe("r1", {}, git={"commit": "abc"}).git == {"commit": "abc"}


def test_only_installed_packages_are_listed() -> None:
    assert list(installed(["numpy", "querist-no-such-package"])) == ["numpy"]


def test_names_of_later_versions_are_ignored(tmp_path) -> None:
    said = {**json.loads(describe("r1", {}).to_json()), "later": 1}
    assert Manifest.from_json(json.dumps(said), tmp_path).run_id == "r1"


def test_another_format_is_refused_with_the_version_to_use(tmp_path) -> None:
    said = {"format": 99, "querist": "7.1"}
    with pytest.raises(IncompatibleFormat, match=r"format 99.*Use Querist 7\.1"):
        Manifest.from_json(json.dumps(said), tmp_path)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"format": 1}', "3"])
def test_other_content_is_refused(tmp_path, text: str) -> None:
    with pytest.raises(DamagedFile, match="not the manifest"):
        Manifest.from_json(text, tmp_path)


def git(folder, *arguments: str) -> None:
    who = ["-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run(["git", *who, *arguments], cwd=folder, check=True, capture_output=True)


def test_the_state_of_git_is_noted(tmp_path) -> None:
    git(tmp_path, "init", "-q")
    (tmp_path / "a").write_text("1")
    git(tmp_path, "add", "a")
    git(tmp_path, "commit", "-qm", "one")
    clean = git_state(tmp_path)
    assert clean["dirty"] is False
    assert len(clean["commit"]) == 40
    (tmp_path / "a").write_text("2")
    assert git_state(tmp_path) == {"commit": clean["commit"], "dirty": True}


def test_without_git_nothing_fails(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert "error" in git_state(tmp_path)
    monkeypatch.setenv("PATH", "")
    assert "FileNotFoundError" in git_state(tmp_path)["error"]
    assert "error" in git_state(tmp_path / "none")
