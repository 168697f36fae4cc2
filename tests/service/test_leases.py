"""Leases: nobody gets what another holds, for as long as it lasts; of another server neither."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from querist.service.index.index import Index, count
from querist.service.leases import Leases, forget_old

ITEMS = ["a", "b", "c", "d"]


@pytest.fixture
def server(tmp_path) -> Iterator[Callable[[], Index]]:
    """Opens the one index anew, as every server does."""
    opened: list[Index] = []

    def start() -> Index:
        opened.append(Index(f"sqlite:///{tmp_path / 'index.sqlite'}"))
        return opened[-1]

    yield start
    for index in opened:
        index.close()


def test_two_get_different_items_and_each_his_own_again(server) -> None:
    leases = Leases(server(), 60)
    assert leases.take("p", "ada", ITEMS, 2, 0.0) == ["a", "b"]
    assert leases.take("p", "bob", ITEMS, 9, 1.0) == ["c", "d"]
    assert leases.take("p", "ada", ITEMS, 9, 2.0) == ["a", "b"]
    assert leases.take("q", "bob", ITEMS, 1, 2.0) == ["a"]


def test_a_lease_ends_unless_it_is_renewed(server) -> None:
    index = server()
    leases = Leases(index, 60)
    leases.take("p", "ada", ITEMS, 2, 0.0)
    leases.take("p", "ada", ["b"], 1, 50.0)
    assert leases.take("p", "bob", ITEMS, 4, 61.0) == ["a", "c", "d"]
    assert leases.take("p", "bob", ITEMS, 4, 111.0) == ITEMS
    with index.write() as connection:
        forget_old(connection)  # all of these ended long ago
        assert count(connection, "leases") == 0


def test_servers_share_leases_and_a_new_start_knows_them(server) -> None:
    servers = [Leases(server(), 60) for _ in range(2)]
    many = [f"item {number}" for number in range(300)]

    def work(place: int) -> list[str]:
        return servers[place % 2].take("p", f"tab-{place}", many, 40, 5.0)

    with ThreadPoolExecutor(8) as threads:
        taken = list(threads.map(work, range(8)))
    lent = [id for ids in taken for id in ids]
    assert len(lent) == len(set(lent)) == 300
    again = Leases(server(), 60)
    assert again.take("p", "new", many, 40, 6.0) == []
    assert again.take("p", "tab-0", many, 40, 6.0) == taken[0]


def test_items_are_lent_and_looked_at_over_http(pooled) -> None:
    path = f"/v1/pools/{pooled.pool}"
    ask = {"holder": "one", "number": 3}
    mine = pooled.http.post(f"{path}/leases", json=ask).json()["items"]
    other = pooled.http.post(f"{path}/leases", json={**ask, "holder": "two"}).json()["items"]
    assert len({one["id"] for one in mine + other}) == 6
    among = [other[2]["id"], mine[2]["id"], mine[0]["id"]]
    chosen = pooled.http.post(f"{path}/leases", json={**ask, "among": among}).json()["items"]
    assert [one["id"] for one in chosen] == among[1:]
    shown = pooled.http.get(f"{path}/content/{mine[0]['id']}")
    assert shown.headers["content-type"] == "image/png"
    assert shown.content.startswith(b"\x89PNG")
    assert "default-src 'none'" in shown.headers["content-security-policy"]
    page = pooled.http.get(f"{path}/items", params={"limit": 100}).json()["items"]
    broken = next(one["id"] for one in page if one["uri"].endswith("broken.png"))
    words = pooled.http.get(f"{path}/content/{broken}")
    assert words.headers["content-type"] == "text/plain; charset=utf-8"
    assert words.text == "no image"
    assert pooled.http.get(f"{path}/content/nothing").status_code == 404
