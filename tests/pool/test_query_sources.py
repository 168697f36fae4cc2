"""Queries of remote items: slow, failing and stalling servers, and the cache of their bytes."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from querist.pool.pool import Pool
from querist.testing.servers.http import HttpServer, Reply
from querist.testing.servers.link import Link

TEXTS = {f"{number:02}.txt": f"text {number}".encode() for number in range(40)}


class Lengths:
    """Probabilities of texts by their last number."""

    provides = frozenset({"probabilities"})
    classes = ()

    def __init__(self, digest: str = "lengths") -> None:
        self.digest = digest

    def infer(self, batch, wanted):
        first = np.array([int(text.split()[-1]) / 40 for text in batch])
        return {"probabilities": np.stack([first, 1 - first], axis=1)}

    def close(self) -> None:
        pass


def pool_of(folder: Path, server: HttpServer, **access) -> Pool:
    settings = {"transform": {"modality": "text"}, "access": access}
    pool = Pool.create(folder, settings)
    pool.add_items([{"uri": f"{server.url}{name}", "id": name} for name in sorted(TEXTS)])
    return pool


def test_remote_items_are_read_side_by_side(tmp_path: Path) -> None:
    with HttpServer(TEXTS, Link(latency=0.05)) as server, pool_of(tmp_path / "p", server) as pool:
        result = pool.query(5, model=Lengths(), scan={"batch": 8})
        assert result.counts["read"] == 40
        assert result.ids == [f"{n:02}.txt" for n in (20, 19, 21, 18, 22)] or (
            {*result.ids} == {f"{n:02}.txt" for n in (18, 19, 20, 21, 22)}
        )
        # One after the other would take two seconds of waiting for bytes.
        assert result.seconds["read"] > 40 * 0.05


def test_bytes_of_known_versions_are_kept(tmp_path: Path) -> None:
    settings = {"transform": {"modality": "text"}}
    with HttpServer(TEXTS) as server, Pool.create(tmp_path / "p", settings) as pool:
        pool.add(*(f"{server.url}{name}" for name in sorted(TEXTS)[:12]))
        first = pool.query(5, model=Lengths())
        again = pool.query(5, model=Lengths("other"))
    assert first.counts["read"] == 12
    assert again.counts["read"] == 0
    assert again.counts["inferred"] == 12
    assert again.ids == first.ids


def test_a_server_that_fails_and_stalls_loses_its_items_only(tmp_path: Path) -> None:
    with HttpServer(TEXTS) as server:
        server.replies["/03.txt"] = Reply(b"", 404)
        server.replies["/05.txt"] = Reply(b"", 403)
        server.replies["/07.txt"] = Reply(b"some bytes", stall=4)
        server.replies["/09.txt"] = Reply(b"", 500)
        with pool_of(tmp_path / "p", server, stall=0.3, timeout=1.0) as pool:
            result = pool.query(5, model=Lengths(), scan={"retries": 0, "batch": 8})
    assert {one.id: one.reason for one in result.failures} == {
        "03.txt": "missing",
        "05.txt": "forbidden",
        "07.txt": "unreachable",
        "09.txt": "unreachable",
    }
    assert result.counts["scored"] == 36
    assert all(server.url not in one.message for one in result.failures)
