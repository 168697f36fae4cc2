"""An empty index in each database."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from querist.service.index.index import Index
from querist.service.index.sql import open_engine, sa

POSTGRES = os.environ.get("QUERIST_POSTGRES", "")


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def url(request, tmp_path: Path) -> Iterator[str]:
    """The URL of a database that is empty, and gone afterwards."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/index.sqlite"
        return
    if not POSTGRES:
        pytest.skip("needs a PostgreSQL: sh tools/postgres.sh pytest -m postgres tests/service")
    name = f"test_{secrets.token_hex(8)}"
    engine = open_engine(POSTGRES).execution_options(isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(sa().text(f"CREATE DATABASE {name}"))
    yield f"{POSTGRES.rpartition('/')[0]}/{name}"
    with engine.connect() as connection:
        connection.execute(sa().text(f"DROP DATABASE {name} WITH (FORCE)"))
    engine.dispose()


@pytest.fixture
def index(url: str) -> Iterator[Index]:
    opened = Index(url)
    yield opened
    opened.close()
