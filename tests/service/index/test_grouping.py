"""Writers that come together share a commit, and nothing else."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from querist.service.index.index import Index, Taken, find, insert, newest_first


@pytest.fixture
def index(tmp_path):
    opened = Index(f"sqlite:///{tmp_path}/index.sqlite")
    yield opened
    opened.close()


def tenant(number: int, name: str = "") -> dict:
    return {"id": f"ten_{number:03}", "name": name or str(number), "quota": {}, "created": 0.0}


def counted(index: Index) -> list[int]:
    """A list that gets an element with every commit."""
    from querist.service.index.sql import sa

    commits: list[int] = []
    sa().event.listen(index.engine, "commit", lambda _: commits.append(1))
    return commits


def held(index: Index, writers: list, within=lambda: None) -> list:
    """Run writers that all come while another one is at work; what came of each."""
    inside, go = threading.Event(), threading.Event()

    def first() -> None:
        with index.write() as connection:
            insert(connection, "tenants", tenant(999))
            inside.set()
            go.wait(30)

    with ThreadPoolExecutor(len(writers) + 1) as threads:
        done = [threads.submit(first)]
        assert inside.wait(30)
        done += [threads.submit(one) for one in writers]
        while index._writers._coming < len(writers):
            pass
        within()
        go.set()
        return [one.exception(60) for one in done]


def adding(index: Index, row: dict):
    def add() -> None:
        with index.write() as connection:
            insert(connection, "tenants", row)
        with index.read() as connection:  # what has returned is there
            assert find(connection, "tenants", id=row["id"])

    return add


def test_who_comes_together_shares_a_commit(index: Index) -> None:
    commits = counted(index)
    said = held(index, [adding(index, tenant(number)) for number in range(10)])
    assert said == [None] * 11
    # One of the group, and of each reader one.
    assert len(commits) == 1 + 10
    with index.read() as connection:
        assert len(newest_first(connection, "tenants", {}, None, 100)) == 11


def test_an_error_undoes_the_part_of_its_writer_only(index: Index) -> None:
    def breaking() -> None:
        with index.write() as connection:
            insert(connection, "tenants", tenant(50))
            raise RuntimeError("in the middle")

    def taken() -> None:
        with index.write() as connection:
            insert(connection, "tenants", tenant(51))
            insert(connection, "tenants", tenant(52, name="1"))

    with index.write() as connection:
        insert(connection, "tenants", tenant(1))
    writers = [adding(index, tenant(2)), breaking, taken, adding(index, tenant(3)), breaking]
    said = held(index, writers)
    assert [type(error) for error in said] == [
        type(None),
        type(None),
        RuntimeError,
        Taken,
        type(None),
        RuntimeError,
    ]
    with index.read() as connection:
        found = {row["id"] for row in newest_first(connection, "tenants", {}, None, 100)}
    assert found == {"ten_001", "ten_002", "ten_003", "ten_999"}


def test_a_commit_that_fails_is_told_to_all_and_the_next_group_works(index: Index) -> None:
    def full() -> None:
        group = index._writers._group

        def refuse() -> None:
            group.connection.get_transaction().rollback()
            raise OSError("the disk is full")

        group._transaction = type("Refusing", (), {"commit": staticmethod(refuse)})()

    said = held(index, [adding(index, tenant(number)) for number in range(3)], full)
    assert [type(error) for error in said] == [OSError] * 4
    adding(index, tenant(7))()
    with index.read() as connection:
        found = [row["id"] for row in newest_first(connection, "tenants", {}, None, 100)]
    assert found == ["ten_007"]


def test_a_group_has_an_end(index: Index) -> None:
    commits = counted(index)
    said = held(index, [adding(index, tenant(number)) for number in range(40)])
    assert said == [None] * 41
    assert len(commits) == 2 + 40
