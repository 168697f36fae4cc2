"""Small pools and folders of files."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from querist.pool.pool import Pool

sys.path.insert(0, str(Path(__file__).resolve().parent))


@pytest.fixture
def pool(tmp_path: Path) -> Iterator[Pool]:
    with Pool.create(tmp_path / "pool") as made:
        yield made


@pytest.fixture
def files(tmp_path: Path) -> Callable[..., Path]:
    """Makes a folder of files: names and contents."""

    def make(contents: dict[str, str], folder: str = "photos") -> Path:
        for name, text in contents.items():
            path = tmp_path / folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return tmp_path / folder

    return make
