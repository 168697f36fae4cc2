"""An empty index in each database."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from querist.service.index.index import Index

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from databases import new_postgres


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def url(request, tmp_path: Path) -> Iterator[str]:
    """The URL of a database that is empty, and gone afterwards."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/index.sqlite"
        return
    with new_postgres() as url:
        yield url


@pytest.fixture
def index(url: str) -> Iterator[Index]:
    opened = Index(url)
    yield opened
    opened.close()
