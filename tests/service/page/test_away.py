"""A server that is slow, starts again, or whose answers are lost on the way."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

pytestmark = pytest.mark.browser
AWAY = "It is asked again by itself"


def gateway(route: Any) -> None:
    """As a proxy answers while the service starts again."""
    route.fulfill(status=502, content_type="text/html", body="<h1>Bad Gateway</h1>")


def losing(times: int, seen: list[str]) -> Callable[[Any], None]:
    """Lets requests through, and loses the answers of the first ones."""

    def answer(route: Any) -> None:
        seen.append(route.request.headers.get("idempotency-key", ""))
        found = route.fetch()
        if len(seen) <= times:
            route.abort("connectionreset")
        else:
            route.fulfill(response=found)

    return answer


def test_the_page_goes_on_by_itself_when_the_server_is_back(pool, desk) -> None:
    server, id = pool(4, name="digits")
    at = desk(server)
    page = at.page
    page.get_by_role("link", name="digits", exact=True).wait_for()
    page.route("**/v1/**", gateway)
    page.get_by_role("link", name="digits", exact=True).click()
    page.wait_for_selector(f"text=The server answered 502. {AWAY}")
    at.shown.accessible()
    page.unroute("**/v1/**")
    page.get_by_role("list", name="Items").wait_for()
    page.wait_for_selector(f"text={AWAY}", state="detached")
    page.route("**/v1", gateway)
    page.reload()
    page.wait_for_selector(f"text={AWAY}")
    page.unroute("**/v1")
    page.get_by_role("list", name="Items").wait_for()
    page.context.set_offline(True)
    page.get_by_role("link", name="Label", exact=True).click()
    page.wait_for_selector(f"text=The server cannot be reached. {AWAY}")
    page.context.set_offline(False)
    at.press("1")
    at.saved(1)
    at.shown.forgive("502")
    at.shown.forgive("ERR_")
    assert id


def test_what_is_asked_for_is_done_once(pool, desk) -> None:
    server, id = pool(6, name="digits")
    at = desk(server)
    page = at.page
    page.goto(f"{server.url}/#/pools/{id}/queries")
    page.get_by_label("Items to pick").fill("3")
    seen: list[str] = []
    page.route(f"**/v1/pools/{id}/queries", losing(1, seen))
    page.route("**/picks*", losing(1, lost := []))
    page.get_by_role("button", name="Pick", exact=True).dblclick()
    page.get_by_role("list", name="Picks").wait_for()
    page.wait_for_selector("text=3 picks are here.", state="attached")
    assert len(seen) == 2  # once more, and known for the same
    assert len(set(seen)) == 1
    assert len(lost) == 2
    with server.client() as client:
        assert len(client.get("/v1/queries", params={"pool": id}).json()["items"]) == 1
    at.shown.forgive("ERR_")


def test_no_label_is_given_to_what_was_not_seen(pool, desk, labels_of) -> None:
    server, id = pool(3, name="digits")
    at = desk(server)
    page = at.page
    held: list[Any] = []
    page.route("**/content/*", lambda route: held.append(route))
    page.goto(f"{server.url}/#/pools/{id}")
    page.wait_for_selector("text=Fetching the item …")
    page.keyboard.press("1")
    page.get_by_role("button", name="dog").click()
    page.unroute("**/content/*")  # lets go what was held
    late: list[Any] = []
    page.route("**/labels", lambda route: late.append(route))
    at.press("2")
    page.wait_for_selector("text=The server takes long to answer. What you said is kept here")
    page.unroute("**/labels")
    at.saved(1)
    page.wait_for_selector("text=Everything is saved as you go.")
    assert labels_of(server, id) == ["dog"]


def test_a_stream_is_taken_up_where_it_broke(pool, desk) -> None:
    server, id = pool(4, name="digits")
    with server.client() as client:
        job = client.post(f"/v1/pools/{id}/queries", json={"budget": 2}).json()
    progress = {"done": 3, "total": 9, "failed": 0, "rate": 1.5, "stage": "scan"}
    told = {**job, "state": "running", "progress": progress}
    part = f"id: 7\nevent: progress\ndata: {json.dumps(told)}\n\nid: 8\nevent: pro"
    last: list[str | None] = []

    def cut(route: Any) -> None:
        last.append(route.request.headers.get("last-event-id"))
        route.fulfill(status=200, content_type="text/event-stream", body=part)

    at = desk(server)
    page = at.page
    page.route("**/events", cut, times=2)
    page.goto(f"{server.url}/#/pools/{id}/queries/{job['id']}")
    page.wait_for_selector("text=3 of 9, 1.5 a second")
    status = page.locator(".progress [role=status]")
    assert status.inner_text() == "running The query goes on"  # no number is read out
    page.get_by_role("list", name="Picks").wait_for()
    assert last == [None, "7"]
    page.goto(f"{server.url}/#/pools/{id}/queries/job_{'a' * 20}")
    page.wait_for_selector("text=There is no job")
    at.shown.forgive("404")
