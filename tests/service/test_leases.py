"""Leases: nobody gets what another holds, for as long as it lasts."""

from __future__ import annotations

from querist.service.leases import Leases

ITEMS = ["a", "b", "c", "d"]


def test_two_get_different_items_and_each_his_own_again() -> None:
    leases = Leases(60)
    assert leases.take("p", "ada", ITEMS, 2, 0.0) == ["a", "b"]
    assert leases.take("p", "bob", ITEMS, 9, 1.0) == ["c", "d"]
    assert leases.take("p", "ada", ITEMS, 9, 2.0) == ["a", "b"]
    assert leases.take("q", "bob", ITEMS, 1, 2.0) == ["a"]


def test_a_lease_ends_unless_it_is_renewed() -> None:
    leases = Leases(60)
    leases.take("p", "ada", ITEMS, 2, 0.0)
    leases.take("p", "ada", ["b"], 1, 50.0)
    assert leases.take("p", "bob", ITEMS, 4, 61.0) == ["a", "c", "d"]
    assert leases.take("p", "bob", ITEMS, 4, 111.0) == ITEMS


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
