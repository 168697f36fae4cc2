"""The public names: listed, lazily served and declared to type checkers, all three alike."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path

import pytest

import querist

NAMES = [name for name in querist.__all__ if name != "__version__"]


@pytest.fixture(scope="module")
def declared(root: Path) -> dict[str, str]:
    """Name -> module, as imported under ``if TYPE_CHECKING:`` in the root module."""
    tree = ast.parse((root / "src" / "querist" / "__init__.py").read_text(encoding="utf-8"))
    guarded = [
        node
        for block in tree.body
        if isinstance(block, ast.If) and ast.unparse(block.test) == "TYPE_CHECKING"
        for node in block.body
    ]
    return {
        alias.asname or alias.name: node.module or ""
        for node in guarded
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }


def test_the_three_lists_agree(declared: dict[str, str]) -> None:
    assert declared == querist._HOMES
    assert sorted(NAMES) == sorted(querist._HOMES)


def test_every_public_name_resolves_to_what_its_module_defines() -> None:
    for name in NAMES:
        value = getattr(querist, name)
        home = getattr(value, "__module__", querist._HOMES[name])
        assert home == querist._HOMES[name], f"{name} is defined in {home}"


def test_every_public_name_has_a_docstring_of_its_own() -> None:
    bare = [name for name in NAMES if not (vars_doc(getattr(querist, name)) or "").strip()]
    assert bare == []


def vars_doc(value: object) -> str | None:
    """The docstring written on the thing itself; a dataclass's generated signature is none."""
    own = value.__dict__.get("__doc__") if inspect.isclass(value) else inspect.getdoc(value)
    generated = inspect.isclass(value) and str(own).startswith(f"{value.__name__}(")
    return None if generated else own


def test_the_package_says_what_each_public_name_is_for() -> None:
    told = querist.__doc__ or ""
    assert [name for name in NAMES if f"``{name}``" not in told] == []


def test_dir_shows_every_public_name() -> None:
    assert set(querist.__all__) <= set(dir(querist))


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        _ = querist.Nothing
