"""What the tests of examples share."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest


@pytest.fixture(scope="module")
def example(request: pytest.FixtureRequest) -> Iterator[Any]:
    """The modules ``MODULES`` of an example's ``FOLDER``, as the test's file names them.

    Their plain names are forgotten afterwards, others may have them.
    """
    folder, names = str(request.module.FOLDER), request.module.MODULES
    before = {name: sys.modules.pop(name) for name in names if name in sys.modules}
    sys.path.insert(0, folder)
    try:
        yield SimpleNamespace(**{name: importlib.import_module(name) for name in names})
    finally:
        sys.path.remove(folder)
        for name in names:
            sys.modules.pop(name, None)
        sys.modules.update(before)
