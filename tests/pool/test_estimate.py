"""What a query would cost."""

from __future__ import annotations

import pytest
from query_models import Everything

from querist.core.errors import ConfigError
from querist.pool.pool import Pool
from querist.testing.servers.http import HttpServer

COLD = {"cache": False}


def test_requests_bytes_seconds_and_labels(pool: Pool, files) -> None:
    pool.add(files({f"{n}.txt": "x" * n for n in range(1, 41)}))
    pool.add_items(["inline"])
    found = pool.estimate({"budget": 0.25, "strategy": "margin"})
    assert (found.items, found.requests, found.labels) == (41, 40, 11)
    assert found.bytes == sum(range(1, 41)) + len("inline")
    assert found.seconds is not None
    assert found.seconds > 0
    assert found.details["scheme"] == "file"
    assert pool.estimate({"budget": 100, "strategy": "margin"}).labels == 41
    with pytest.raises(ConfigError, match="budget"):
        pool.estimate({"budget": -1, "strategy": "margin"})


def test_unknown_sizes_and_failures_are_said(pool: Pool) -> None:
    pool.add_items([{"uri": f"file:///nowhere/{n}"} for n in range(3)])
    found = pool.estimate({"budget": 1, "strategy": "margin"})
    assert (found.bytes, found.seconds) == (None, None)
    assert any("3 of 3 items read for measuring failed" in note for note in found.notes)


def test_a_strategy_that_looks_at_nothing_costs_nothing(pool: Pool, files) -> None:
    pool.add(files({f"{n}.txt": "x" for n in range(5)}))
    found = pool.estimate({"budget": 2, "strategy": "random"})
    assert (found.items, found.requests, found.bytes, found.seconds) == (5, 0, 0, 0.0)
    assert found.labels == 2
    counts = pool.query(2, strategy="random").counts
    assert (counts["candidates"], counts.get("read", 0)) == (5, 0)


def test_a_query_asks_for_what_was_said_and_for_no_more(pool: Pool) -> None:
    texts = {f"{n:03}.txt": b"some words " * (1 + n % 7) for n in range(150)}
    asked = {"budget": 5, "strategy": "margin", "scan": COLD}
    with HttpServer(texts) as server:
        pool.add(server.url)  # a page of links tells no sizes
        found = pool.estimate(asked)
        before = len(server.requests)
        counts = pool.query(model=Everything(), **asked).counts
        assert len(server.requests) - before == counts["read"] == found.requests == 150
    assert found.bytes is not None
    assert found.bytes / 1.5 < counts["bytes"] < found.bytes * 1.5
    assert any("taken to be that of the items read" in note for note in found.notes)


def test_labelled_items_count_where_the_strategy_reads_them(pool: Pool, files) -> None:
    pool.add(files({f"{n}.txt": "x" * (1 + n) for n in range(12)}))
    pool.label({item.id: "yes" for item in pool.items("all", limit=4)})
    asked = {"budget": 2, "strategy": "k-center", "scan": COLD}
    found = pool.estimate(asked)
    counts = pool.query(model=Everything(), **asked).counts
    assert (found.items, found.requests) == (8, 12)
    assert (counts["candidates"], counts["read"]) == (8, 12)
    assert found.bytes == counts["bytes"]
