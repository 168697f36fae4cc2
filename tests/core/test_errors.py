"""Every error survives pickling with its sentence, and is of the built-in kind it should be."""

from __future__ import annotations

import pickle

import pytest

from querist.core import errors
from querist.core.errors import ConfigError, MissingExtra, QueristError, require

KINDS = [
    kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, QueristError)
]


def example(kind: type[QueristError]) -> QueristError:
    if kind is MissingExtra:
        return MissingExtra("ase", "atoms", "Reading extended XYZ")
    if kind is ConfigError:
        return ConfigError("campaign.yaml cannot be used:", ("a is missing", "b is odd"))
    return kind("wanted this, got that; do so")


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_survives_pickling(kind) -> None:
    error = example(kind)
    back = pickle.loads(pickle.dumps(error))
    assert type(back) is kind
    assert (str(back), back.args, vars(back)) == (str(error), error.args, vars(error))


def test_a_configuration_error_lists_all_problems() -> None:
    assert str(example(ConfigError)).splitlines()[1:] == ["  - a is missing", "  - b is odd"]


def test_a_missing_package_comes_with_the_command_that_installs_it() -> None:
    with pytest.raises(MissingExtra, match=r"pip install 'querist\[odd\]'") as caught:
        require("no_such_package.part", "odd", "This test")
    assert isinstance(caught.value, ImportError)
    assert caught.value.package == "no_such_package"
    assert require("json.decoder", "none", "This test").JSONDecoder


def test_a_package_s_own_missing_import_is_not_taken_for_its_absence(tmp_path, monkeypatch) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "present_package.py").write_text("import absent_dependency\n")
    with pytest.raises(ModuleNotFoundError, match="absent_dependency") as caught:
        require("present_package", "odd", "This test")
    assert not isinstance(caught.value, MissingExtra)
