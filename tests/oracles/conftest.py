"""What the oracle tests share."""

from __future__ import annotations

import gc
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from querist.testing.contexts import LoneContext, lone_context


@pytest.fixture
def context(tmp_path: Path) -> LoneContext:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    return lone_context(scratch)


@pytest.fixture
def own_garbage() -> Iterator[None]:
    """Files that others' packages leave open are collected here, and not in somebody's test."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()
