"""Empty databases for tests."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from querist.service.index.sql import open_engine, sa

POSTGRES = os.environ.get("QUERIST_POSTGRES", "")


@contextmanager
def new_postgres() -> Iterator[str]:
    """The URL of a PostgreSQL database that is empty, and gone afterwards."""
    if not POSTGRES:
        pytest.skip("needs a PostgreSQL: sh tools/postgres.sh pytest -m postgres tests/service")
    name = f"test_{secrets.token_hex(8)}"
    engine = open_engine(POSTGRES).execution_options(isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(sa().text(f"CREATE DATABASE {name}"))
    try:
        yield f"{POSTGRES.rpartition('/')[0]}/{name}"
    finally:
        with engine.connect() as connection:
            connection.execute(sa().text(f"DROP DATABASE {name} WITH (FORCE)"))
        engine.dispose()
