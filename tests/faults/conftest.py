"""Real runs in processes of their own, and what is needed to hurt them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

from commanded import Site


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A folder with a problem and a configuration; at the end nothing of it may still run."""
    made = Site(tmp_path)
    yield made
    made.end()
