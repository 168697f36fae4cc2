"""The examples in the docstrings of public names run and give what they say."""

from __future__ import annotations

import doctest
import inspect
from pathlib import Path

import numpy as np
import pytest

import querist

NAMES = [name for name in querist.__all__ if name != "__version__"]
EXAMPLES = [name for name in NAMES if ">>> " in (inspect.getdoc(getattr(querist, name)) or "")]


def test_what_people_begin_with_has_an_example() -> None:
    assert {"Campaign", "Pool", "Study", "Surrogate", "select"} <= set(EXAMPLES)


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_example_gives_what_it_says(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    described = getattr(querist, name)
    known = {name: described, "np": np}
    (test,) = doctest.DocTestFinder(recurse=False).find(described, name, globs=known)
    told: list[str] = []
    failed, tried = doctest.DocTestRunner().run(test, out=told.append)
    assert tried > 0
    assert failed == 0, "".join(told)
