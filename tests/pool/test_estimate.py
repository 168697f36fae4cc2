"""What a query would cost."""

from __future__ import annotations

import pytest

from querist.core.errors import ConfigError
from querist.pool.pool import Pool


def test_requests_bytes_seconds_and_labels(pool: Pool, files) -> None:
    pool.add(files({f"{n}.txt": "x" * n for n in range(1, 41)}))
    pool.add_items(["inline"])
    found = pool.estimate({"budget": 0.25, "strategy": "random"})
    assert (found.items, found.requests, found.labels) == (41, 40, 11)
    assert found.bytes == sum(range(1, 41)) + len("inline")
    assert found.seconds is not None
    assert found.seconds > 0
    assert found.details["scheme"] == "file"
    assert pool.estimate({"budget": 100, "strategy": "random"}).labels == 41
    with pytest.raises(ConfigError, match="budget"):
        pool.estimate({"budget": -1, "strategy": "random"})


def test_unknown_sizes_and_failures_are_said(pool: Pool) -> None:
    pool.add_items([{"uri": f"file:///nowhere/{n}"} for n in range(3)])
    found = pool.estimate({"budget": 1, "strategy": "random"})
    assert (found.bytes, found.seconds) == (None, None)
    assert any("3 of 3 items read for measuring failed" in note for note in found.notes)
