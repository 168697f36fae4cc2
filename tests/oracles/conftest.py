"""What the oracle tests share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from querist.testing.contexts import LoneContext, lone_context


@pytest.fixture
def context(tmp_path: Path) -> Iterator[LoneContext]:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    yield lone_context(scratch)
