"""A run that goes on with another oracle says so."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from querist.campaign.campaign import Campaign
from querist.campaign.changed import changes

CODE = "from changed_parts import square\n\n\ndef simulate(x):\n    return square(x)\n"
PARTS = "def square(x):\n    return float(x[0] ** 2)\n"


@pytest.fixture
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "changed_oracle.py").write_text(CODE)
    (tmp_path / "changed_parts.py").write_text(PARTS)
    yield tmp_path
    for name in ("changed_oracle", "changed_parts"):
        sys.modules.pop(name, None)


def campaign(oracle: Any = None, **more: Any) -> Campaign:
    told = {"use": "function", "options": {"function": "changed_oracle:simulate", "outputs": "y"}}
    return Campaign(
        generator={"use": "uniform", "options": {"low": [0.0], "high": [1.0]}},
        model={"use": "random_features", "options": {"members": 2, "features": 16}},
        oracles={"square": oracle or told},
        gate={"output": "y", "quantile": 0.5},
        engine="inline",
        **{"budget": {"labels": 8}, **more},
    )


def said(now: Campaign, kept: Campaign | None = None) -> list[str]:
    return list(changes((kept or campaign())._kept(), now.settings))


def test_the_same_is_not_spoken_of(modules: Path) -> None:
    assert said(campaign()) == said(campaign(budget={"labels": 9})) == []
    before = campaign()._kept()
    del before["code"]  # as runs of before have it
    assert list(changes(before, campaign().settings)) == []


def test_other_options_are(modules: Path) -> None:
    told = {"use": "function", "options": {"function": "math:sqrt", "outputs": "y"}}
    (sentence,) = said(campaign(told))
    assert sentence.startswith("the oracle square is set up in another way than when")
    leveled = campaign({**told, "level": "pbe"})
    assert len(said(leveled, campaign(told))) == 1
    assert said(campaign({**told, "workers": 2, "timeout": 5.0}), campaign(told)) == []


def test_a_folder_that_was_moved_is_no_change(modules: Path) -> None:
    def runs(script: Path) -> Campaign:
        how = {"command": [str(script), "$x"], "outputs": {"y": {"shape": []}}}
        return campaign({"use": "command", "options": how})

    assert said(runs(modules / "b" / "run.sh"), runs(modules / "a" / "run.sh")) == []
    assert len(said(runs(modules / "other.sh"), runs(modules / "run.sh"))) == 1


@pytest.mark.parametrize("file", ["changed_oracle.py", "changed_parts.py"])
def test_other_code_is_said_when_it_is_resumed(modules: Path, file: str, capsys) -> None:
    folder = modules / "run"
    campaign().run(folder, progress=False).require_finished()
    campaign(budget={"labels": 10}).resume(folder, progress="plain").require_finished()
    assert "oracle square" not in capsys.readouterr().err
    with (modules / file).open("a") as out:
        out.write("# and more\n")
    campaign(budget={"labels": 12}).resume(folder, progress="plain").require_finished()
    assert "the oracle square has other code" in capsys.readouterr().err
