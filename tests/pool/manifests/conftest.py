"""Manifests as other programs write them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from querist.pool.pool import Pool


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., Pool]]:
    """Makes a pool for a task."""
    with ExitStack() as opened:

        def create(task: str = "classification", **settings) -> Pool:
            folder = tmp_path / f"pool-{task}"
            return opened.enter_context(Pool.create(folder, {"task": task, **settings}))

        yield create


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """A folder with three files that are called images."""
    for name in ("a.jpg", "b.jpg", "c d.jpg"):
        path = tmp_path / "data" / "images" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return tmp_path / "data"
