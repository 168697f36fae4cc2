"""The index, the same on SQLite and PostgreSQL."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from querist.core.errors import ConfigError
from querist.service.idempotency import Once
from querist.service.index import index as records
from querist.service.index.index import Index, Taken, change, find, insert, newest_first, now
from querist.service.index.sql import newest, open_engine, require, sa, version_of
from querist.service.index.tables import tables
from querist.service.jobs.records import (
    active,
    by_ids,
    events_after,
    move,
    new_job,
    served,
    waiting,
)
from querist.service.leases import Leases
from querist.service.people import Door, make_key, tenant_named
from querist.service.presence import Presence
from querist.service.problems import Refused
from querist.service.webhooks.outbox import claim, enqueue, settle
from querist.service.wire.access import Scope
from querist.service.wire.jobs import JobState


@pytest.fixture
def tenant(index: Index) -> str:
    with index.write() as connection:
        row = tenant_named(connection, "acme")
        pool = {"id": "pol_1", "tenant": row["id"], "name": "p", "asked": {}, "items": 3}
        insert(connection, "pools", {**pool, "addition": "", "created": now()})
    return row["id"]


def job(index: Index, tenant: str, id: str = "job_1") -> dict:
    row = {"id": id, "tenant": tenant, "pool": "pol_1", "kind": "addition", "folder": ""}
    with index.write() as connection:
        return new_job(connection, {**row, "asked": {}})


def test_migrations_lead_to_the_tables_of_the_code(index: Index) -> None:
    compare = require("alembic.autogenerate", "service", "tests").compare_metadata
    context = require("alembic.runtime.migration", "service", "tests").MigrationContext
    with index.read() as connection:
        assert compare(context.configure(connection), tables().metadata) == []
    assert version_of(index.engine) == newest()


def test_several_servers_may_start_at_once(url: str) -> None:
    failed: list[BaseException] = []

    def start() -> None:
        try:
            Index(url).close()
        except BaseException as error:  # noqa: BLE001
            failed.append(error)

    threads = [threading.Thread(target=start) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []


def test_a_broken_uniqueness_is_taken_and_changes_nothing(index: Index) -> None:
    with index.write() as connection:
        row = tenant_named(connection, "acme")
    user = {"id": "u", "tenant": row["id"], "name": "a", "created": 0.0}

    def both() -> None:
        with index.write() as connection:
            insert(connection, "users", user)
            insert(connection, "tenants", {**row, "id": "other"})

    with pytest.raises(Taken):
        both()
    with index.read() as connection:
        assert find(connection, "users", id="u") is None


def test_pages_go_from_new_to_old(index: Index) -> None:
    with index.write() as connection:
        for n in range(5):
            tenant = {"id": f"ten_{n}", "name": str(n), "quota": {}, "created": 0.0}
            insert(connection, "tenants", tenant)
    with index.read() as connection:
        ids = [row["id"] for row in newest_first(connection, "tenants", {}, "ten_3", 2)]
        assert ids == ["ten_2", "ten_1"]
        assert records.count(connection, "tenants") == 5
        assert records.total(connection, "pools", "items") == 0


def many_jobs(connection, tenant: str, first: int, count: int) -> None:
    row = {"tenant": tenant, "pool": "pol_1", "kind": "addition", "folder": "", "state": "done"}
    empty = {"asked": {}, "progress": {}, "result": {}, "error": "", "runner": ""}
    full = {**row, **empty, "attempts": 1, "cancel": 0, "created": 0.0}
    rows = [{**full, "id": f"job_{n:06d}"} for n in range(first, first + count)]
    connection.execute(sa().insert(tables().jobs), rows)
    said = {"state": "done", "note": "", "at": 0.0}
    connection.execute(sa().insert(tables().events), [{**said, "job": row["id"]} for row in rows])


@pytest.mark.parametrize("whose", ["tenant", "pool"])
def test_a_page_of_jobs_costs_what_it_holds(tmp_path, whose: str) -> None:
    index = Index(f"sqlite:///{tmp_path}/index.sqlite")
    with index.write() as connection:
        mine = tenant_named(connection, "acme")["id"]
        pool = {"id": "pol_1", "tenant": mine, "name": "p", "asked": {}, "items": 3}
        insert(connection, "pools", {**pool, "addition": "", "created": now()})
    where, steps = {"tenant": mine, "pool": "pol_1"}, []
    for first, count in ((0, 200), (200, 3000)):
        with index.write() as connection:
            many_jobs(connection, mine, first, count)
        with index.read() as connection:
            said: list[int] = []
            raw = connection.connection.dbapi_connection
            raw.set_progress_handler(lambda said=said: said.append(1), 10)
            rows, more = records.newest_page(
                connection, "jobs", {whose: where[whose]}, f"job_{first + 150:06d}", 50
            )
            assert (len(rows), more) == (50, True)
            steps.append(len(said))
    index.close()
    assert steps[1] < 1.5 * steps[0]


def test_rows_of_more_others_than_one_statement_can_name(index: Index, tenant: str) -> None:
    count = 70_000 if index.engine.dialect.name == "postgresql" else 300
    with index.write() as connection:
        many_jobs(connection, tenant, 0, count)
        if index.engine.dialect.name == "sqlite":
            raw = connection.connection.dbapi_connection
            raw.setlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER, 100)
        assert records.remove_of(connection, "events", "job", "jobs", pool="pol_1") == count
        assert records.count(connection, "events") == 0


def test_of_two_who_claim_a_job_one_gets_it(index: Index, tenant: str) -> None:
    first = job(index, tenant)
    second = dict(first)
    with index.write() as connection:
        assert move(connection, first, JobState.RUNNING, attempts=1, started=now(), runner="a")
    with index.write() as connection:
        assert not move(connection, second, JobState.RUNNING, attempts=1, runner="b")
    with index.read() as connection:
        assert [row["runner"] for row in active(connection)] == ["a"]
        assert [one["state"] for one in events_after(connection, ["job_1"], 0)] == [
            "queued",
            "running",
        ]
        assert by_ids(connection, ["job_1"])["job_1"]["state"] == "running"
        assert served(connection, 0.0) == {tenant: 0.0}


def test_a_tenant_with_many_jobs_hides_nobody_elses(index: Index, tenant: str) -> None:
    for number in range(7):
        job(index, tenant, f"job_{number}")
    with index.write() as connection:
        other = tenant_named(connection, "other")["id"]
    job(index, other, "job_9")
    with index.write() as connection:
        # One that was suspended waits since its last start, so it is behind the others.
        change(connection, "jobs", {"id": "job_0"}, started=now() + 60)
        found = waiting(connection, 2)
    assert [(one.job, one.tenant) for one in found] == [
        ("job_1", tenant),
        ("job_2", tenant),
        ("job_9", other),
    ]
    assert found[0].since <= found[1].since <= found[2].since


def test_writers_of_one_process_queue_up(index: Index) -> None:
    def add(number: int) -> None:
        with index.write() as connection:
            kept = records.count(connection, "tenants")
            row = {"id": f"ten_{number}", "name": str(kept), "quota": {}, "created": 0.0}
            insert(connection, "tenants", row)

    if index.engine.dialect.name != "sqlite":
        return  # there they do not wait for each other, so two may count the same
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(add, range(40)))
    with index.read() as connection:
        names = {row["name"] for row in newest_first(connection, "tenants", {}, None, 100)}
    assert names == {str(number) for number in range(40)}


def test_messages_are_claimed_once_and_settled(index: Index, tenant: str) -> None:
    hook = {"id": "whk_1", "tenant": tenant, "url": "https://example.org/", "events": ["job.done"]}
    with index.write() as connection:
        insert(connection, "webhooks", {**hook, "secret": "s", "created": now()})
        assert enqueue(connection, tenant, "job.done", {"a": 1}) == 1
        assert enqueue(connection, tenant, "job.failed", {}) == 0
    with index.write() as connection:
        (row,) = claim(connection)
    with index.write() as connection:
        assert claim(connection) == []
        row["pause"] = 0.0
        assert settle(connection, row, 500, "no", attempts=3) == "waiting"
    with index.write() as connection:
        (row,) = claim(connection)
        row["pause"] = 0.0
        assert settle(connection, row, 204, "", attempts=3) == "delivered"
        assert claim(connection) == []


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Callable[[], Presence]]:
    """Makes servers that share an index."""
    made: list[Presence] = []

    def begin() -> Presence:
        made.append(Presence(tmp_path))
        made[-1].begin()
        return made[-1]

    yield begin
    for one in made:
        one.end()


def test_an_idempotency_key_is_used_once(index: Index, server) -> None:
    here, there = server(), server()
    once = Once(index, here, "t", "k", "d" * 64)
    assert once.begin() is None
    for presence in (here, there):
        with pytest.raises(Refused, match="being done"):
            Once(index, presence, "t", "k", "d" * 64).begin()
    once.finish(201, '{"secret":"abc","id":1}')
    for presence in (here, there):
        again = Once(index, presence, "t", "k", "d" * 64)
        assert again.begin() == (201, '{"secret":"","id":1}')
        with pytest.raises(Refused, match="new Idempotency-Key"):
            Once(index, presence, "t", "k", "e" * 64).begin()
    assert Once(index, here, "other", "k", "e" * 64).begin() is None


def test_what_a_dead_server_began_is_gone_on_with_by_one(index: Index, server) -> None:
    first, *others = server(), server(), server()
    begun = Once(index, first, "t", "k", "d" * 64)
    assert begun.begin() is None
    first.end()
    with pytest.raises(Refused, match="new Idempotency-Key"):
        Once(index, others[0], "t", "k", "e" * 64).begin()
    tries = [Once(index, presence, "t", "k", "d" * 64) for presence in others * 4]

    def begin(once: Once) -> Once | None:
        try:
            assert once.begin() is None
        except Refused:
            return None
        return once

    with ThreadPoolExecutor(8) as threads:
        (gone_on,) = [one for one in threads.map(begin, tries) if one is not None]
    assert gone_on.made == begun.made
    gone_on.finish(201, "{}")
    assert tries[0].begin() == tries[1].begin() == (201, "{}")


def test_what_was_broken_off_is_gone_on_with_and_what_was_given_up_begins_anew(
    index: Index, server
) -> None:
    here = server()
    once = Once(index, here, "t", "k", "d" * 64)
    assert once.begin() is None
    once.let_go()
    again = Once(index, here, "t", "k", "d" * 64)
    assert again.begin() is None
    assert again.made == once.made
    again.give_up()
    other = Once(index, here, "t", "k", "e" * 64)  # the key is free
    assert other.begin() is None
    assert other.made != once.made


def test_keys_open_the_door(index: Index, tenant: str) -> None:
    with index.write() as connection:
        made = make_key(connection, tenant, "ada", [Scope.READ])
    who = Door(index, without_key=False).let_in(f"Bearer {made.secret}", local=False)
    assert (who.tenant, who.user, who.scopes) == (tenant, "ada", frozenset({Scope.READ}))


@pytest.mark.parametrize("wrong", ["mysql://a:secret@b/c", "no url", "postgres"])
def test_another_database_is_refused_without_its_password(wrong: str) -> None:
    with pytest.raises(ConfigError) as caught:
        open_engine(wrong)
    assert "secret" not in str(caught.value)


def test_an_item_is_lent_to_one(index: Index) -> None:
    leases = Leases(index, 60)
    with ThreadPoolExecutor(4) as threads:
        tried = threads.map(lambda who: leases.take("p", who, ["x", "y"], 2, 0.0), "abcd")
        taken = [ids for ids in tried if ids]
    assert sorted(id for ids in taken for id in ids) == ["x", "y"]
    assert leases.take("p", "late", ["x", "y"], 2, 61.0) == ["x", "y"]
