"""Labelling in a browser: by keyboard, by two people, through a reload and a killed server."""

from __future__ import annotations

import json
import signal

import pytest

pytestmark = pytest.mark.browser
NAMES = ["cat", "dog", "<img src=x onerror=alert(1)>"]  # of the fixture `pool`


def test_200_items_by_keyboard_alone(pool, desk, labels_of) -> None:
    server, id = pool(200)
    at = desk(server)
    page = at.page
    page.get_by_role("heading", name="Pools").wait_for()  # without campaigns it begins there
    page.get_by_role("link", name="Label <b>digits</b>").press("Enter")
    page.wait_for_selector("figure img")
    at.shown.accessible()
    at.press("1")
    page.keyboard.press("u")
    at.saved(0)
    for number in range(200):
        at.press("123"[number % 3])
    at.saved(200)
    page.wait_for_selector("text=Nothing waits for a label now.")
    assert labels_of(server, id) == [NAMES[number % 3] for number in range(200)]


def test_nothing_is_lost_when_the_server_is_killed_or_the_page_is_loaded_again(
    pool, desk, labels_of
) -> None:
    server, id = pool(12)
    at = desk(server, id, viewport={"width": 390, "height": 800})
    at.press("1", "2")
    at.saved(2)
    server.end(signal.SIGKILL)
    at.press("3", "1")
    at.page.wait_for_selector("text=What you said is kept here")
    server.start()
    at.saved(4)
    at.page.reload()
    at.press("2", "2")
    at.saved(2)
    assert not at.shown.overflows
    assert labels_of(server, id) == [NAMES[place] for place in (0, 1, 2, 0, 1, 1)]
    at.shown.forgive("ERR_")  # while the server was away the browser itself said so


def test_two_people_do_not_get_the_same_items(pool, desk) -> None:
    server, id = pool(20)
    desks = [desk(server, id) for _ in range(2)]
    for name, at in zip(("ada", "bob"), desks, strict=True):
        at.page.get_by_label("You are").fill(name)
        at.page.get_by_role("heading", level=1).click()
    for round in range(6):
        for at in desks:
            at.press("1")
        if round == 2:  # what is lent is known after a new start, too
            for at in desks:
                at.saved(3)
            server.end(signal.SIGKILL)
            server.start()
    for at in desks:
        at.saved(6)
        at.shown.forgive("ERR_")
    with server.client() as client:
        page = client.get(f"/v1/pools/{id}/items", params={"where": "labelled"}).json()["items"]
        said = [client.get(f"/v1/pools/{id}/history/{one['id']}").json()["items"] for one in page]
    assert len(said) == 12
    assert sorted(one["by"] for [one] in said) == ["ada"] * 6 + ["bob"] * 6


def test_two_tabs_of_one_browser_lose_nothing(pool, desk, labels_of) -> None:
    server, id = pool(12)
    one = desk(server, id)
    two = one.again()
    for at in (one, two):
        at.press("1")
        at.saved(1)
    server.end(signal.SIGKILL)
    for at in (one, two, one, two):
        at.press("2")
    server.start()
    for at in (one, two):
        at.saved(3)
        at.shown.forgive("ERR_")
    assert sorted(labels_of(server, id)) == ["cat"] * 2 + ["dog"] * 4


def test_what_the_server_refuses_is_kept_to_be_corrected(pool, desk, labels_of) -> None:
    server, id = pool(3)
    at = desk(server)
    page = at.page

    def another_class(route) -> None:  # as if the page knew a class that the pool has not
        answer = route.fetch()
        told = answer.json()
        route.fulfill(
            response=answer, body=json.dumps({**told, "classes": ["unicorn", *told["classes"]]})
        )

    page.route(f"**/v1/pools/{id}", another_class)
    page.goto(f"{server.url}/#/pools/{id}")
    at.press("1", "2", "2")
    page.get_by_role("heading", name="Refused by the server").wait_for()
    at.saved(3)
    at.shown.accessible()
    page.reload()
    page.wait_for_selector("text=no class 'unicorn'")
    page.get_by_role("button", name="Correct 00000.png").press("Enter")
    page.get_by_role("heading", level=1).click()
    at.press("3")
    at.saved(1)
    assert page.get_by_role("heading", name="Refused by the server").count() == 0
    assert labels_of(server, id) == ["dog", "cat", "cat"]
    at.shown.forgive("422")


def test_several_classes_an_item(pool, desk, labels_of) -> None:
    server, id = pool(3, task="multi-label")
    at = desk(server, id)
    at.press("1", "2", "3", "2")  # 2 is chosen and taken back
    at.page.reload()
    at.page.wait_for_selector("button[aria-pressed=true]")
    at.press("Enter")
    at.saved(1)
    at.press("Enter")
    at.saved(2)
    at.press("n")
    at.saved(3)
    assert labels_of(server, id) == [sorted(["cat", NAMES[2]]), []]


def test_numbers(pool, desk, labels_of) -> None:
    from playwright.sync_api import expect

    server, id = pool(3, task="regression", classes=None)
    at = desk(server, id)
    page = at.page
    page.wait_for_selector("figure img")
    at.shown.accessible()
    for number, text in enumerate(("3.5", "-2"), 1):
        page.get_by_label("Value").fill(text)
        page.keyboard.press("Enter")
        at.saved(number)
    page.get_by_label("Value").fill("7.25")
    page.reload()
    expect(page.get_by_label("Value")).to_have_value("7.25", timeout=60_000)
    page.get_by_label("Value").press("Enter")
    at.saved(1)
    assert labels_of(server, id) == [3.5, -2, 7.25]


def test_classes_that_the_pool_does_not_have_yet(pool, desk, labels_of) -> None:
    server, id = pool(3, classes=None)
    at = desk(server, id)
    at.page.get_by_label("A new class").fill("owl")
    at.page.keyboard.press("Enter")
    at.press("1", "1")
    at.saved(2)
    at.page.reload()
    at.press("1")
    at.saved(1)
    assert labels_of(server, id) == ["owl"] * 3


def test_a_row_of_a_table_is_shown_column_by_column(serve, tab, finished, tmp_path) -> None:
    (tmp_path / "rows.csv").write_text("ID,city,age,note\n1,Köln,20,<b>x</b>\n")
    server = serve(tenants={"default": {"roots": [str(tmp_path)]}})
    with server.client() as client:
        body = {"name": "rows", "classes": ["a", "b"], "uris": [str(tmp_path / "rows.csv")]}
        made = client.post("/v1/pools", json=body).json()
        assert finished(client, made["addition"])["state"] == "done"
    shown = tab(f"{server.url}/#/pools/{made['id']}")
    row = shown.page.get_by_role("region", name="Row")
    row.wait_for()
    assert row.locator("dt").all_inner_texts() == ["city", "age", "note"]
    assert row.locator("dd").all_inner_texts() == ["Köln", "20", "<b>x</b>"]
    shown.accessible()
