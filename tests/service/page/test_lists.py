"""Lists of thousands: the newest first, older ones by a button; what is chosen is there."""

from __future__ import annotations

from typing import Any

import pytest

from querist.service.index.index import Index, find
from querist.service.index.sql import sa
from querist.service.index.tables import tables

pytestmark = pytest.mark.browser
QUERIES, MODELS = 5_000, 1_200


def id_of(kind: str, number: int) -> str:
    """An id that sorts by its number."""
    digits = "".join("234567"[number // 6**place % 6] for place in reversed(range(20)))
    return f"{kind}_{digits}"


@pytest.fixture
def many(pool) -> tuple[Any, str]:
    """A pool with thousands of queries that are done, and as many models."""
    server, made = pool(12, name="digits", classes=["cat", "dog"])
    index = Index(f"sqlite:///{server.folder}/data/index.sqlite")
    with index.write() as connection:
        tenant = (find(connection, "pools", id=made) or {})["tenant"]
        whose = {"tenant": tenant, "created": 0.0}
        jobs = {"pool": made, "kind": "query", "state": "done", "folder": "", "progress": {}}
        more = {"attempts": 1, "cancel": 0, "error": "", "runner": ""}
        counts = {"counts": {"candidates": 12, "picked": 4}}
        rows = [
            {
                **whose,
                **jobs,
                **more,
                "id": id_of("job", number),
                "asked": {"query": {"budget": 4, "note": f"no {number}"}},
                "result": counts,
            }
            for number in range(QUERIES)
        ]
        connection.execute(sa().insert(tables().jobs), rows)
        settings = {"use": "features"}
        models = [
            {**whose, "id": id_of("mod", number), "name": f"model {number}", "settings": settings}
            for number in range(MODELS)
        ]
        connection.execute(sa().insert(tables().models), models)
    index.close()
    return server, made


def older(page: Any, what: str) -> Any:
    return page.get_by_role("button", name=f"Older {what}", exact=True)


def said(page: Any, words: str) -> None:
    page.locator(".older [role=status]", has_text=words).wait_for()


def test_all_queries_are_listed_by_and_by(many, desk) -> None:
    server, made = many
    at = desk(server)
    page = at.page
    asked: list[str] = []
    page.on("request", lambda request: "/v1/queries" in request.url and asked.append(request.url))
    page.goto(f"{server.url}/#/pools/{made}/queries")
    said(page, "The newest 200 queries.")
    assert len(asked) == 1  # no more than is looked at
    assert page.get_by_role("link", name=f"no {QUERIES - 1}").count() == 1
    at.shown.accessible()
    shown = 200
    older(page, "queries").focus()
    while shown < QUERIES:
        page.keyboard.press("Enter")
        shown = min(QUERIES, 2 * shown)
        words = "All queries: 5,000." if shown == QUERIES else f"The newest {shown:,} queries."
        said(page, words)
    rows = page.get_by_role("table", name="Queries").locator("tbody tr")
    assert rows.count() == QUERIES
    assert older(page, "queries").count() == 0
    assert "no 0" in rows.last.inner_text()
    around = page.evaluate("document.activeElement.getAttribute('aria-label')")
    assert around == "How many queries"  # the keyboard is where the button was
    assert not at.shown.overflows


def test_queries_and_models_behind_the_first_page_can_be_chosen(many, desk) -> None:
    from playwright.sync_api import expect

    server, made = many
    at = desk(server, viewport={"width": 390, "height": 800})
    page = at.page
    oldest = id_of("job", 0)
    page.goto(f"{server.url}/#/pools/{made}/map/{oldest}")  # as by "On the map"
    first = page.get_by_label("First query")
    expect(first).to_have_value(oldest, timeout=60_000)  # though it lies behind the first page
    assert first.locator("option").count() == 1_002  # none, the newest thousand, and this one
    said(page, "The newest 1,000 queries.")
    assert not at.shown.overflows
    older(page, "queries").press("Enter")
    said(page, "The newest 2,000 queries.")
    assert first.locator("option").count() == 2_002
    page.get_by_text("Draw another map").press("Enter")
    said(page, "The newest 1,000 models.")
    older(page, "models").press("Enter")
    said(page, "All models: 1,200.")
    page.locator("option", has_text="model 0").first.wait_for(state="attached")
    at.shown.accessible()
    at.shown.forgive("404")  # these queries have no folder, and no picks
    at.shown.forgive("409")
