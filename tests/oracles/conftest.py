"""What the oracle tests share."""

from __future__ import annotations

from pathlib import Path

import pytest

from querist.testing.contexts import LoneContext, lone_context


@pytest.fixture
def context(tmp_path: Path) -> LoneContext:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    return lone_context(scratch)
