"""Labelling in a browser: by keyboard, by two people, through a reload and a killed server."""

from __future__ import annotations

import signal
from typing import Any

import pytest

pytestmark = pytest.mark.browser
NAMES = ["cat", "dog", "<img src=x onerror=alert(1)>"]


@pytest.fixture
def pool(serve, pictures, finished) -> Any:
    """Makes a pool of pictures at a server of its own."""

    def make(number: int, **more: Any) -> tuple[Any, str]:
        folder = pictures(number)
        server = serve(tenants={"default": {"roots": [str(folder)]}})
        body = {"name": "<b>digits</b>", "classes": NAMES, "uris": [str(folder)], **more}
        with server.client() as client:
            made = client.post("/v1/pools", json=body).json()
            assert finished(client, made["addition"])["state"] == "done"
        return server, made["id"]

    return make


def labels_of(server: Any, pool: str) -> list[Any]:
    with server.client() as client:
        page = client.get(f"/v1/pools/{pool}/labels", params={"limit": 1000}).json()
    return [one["value"] for one in page["items"]]


def saved(page: Any, number: int) -> None:
    """Wait until so many were said in this tab, and nothing waits to be saved."""
    fact = "dl.facts div:has(dt:text-is('{}')) dd:text-is('{}')"
    page.wait_for_selector(fact.format("said here", number))
    page.wait_for_selector(fact.format("not yet saved", 0))


def press(page: Any, key: str) -> None:
    """Press a key when there is an item."""
    page.wait_for_selector("figure figcaption")
    page.keyboard.press(key)


def test_200_items_by_keyboard_alone(pool, tab) -> None:
    server, id = pool(200)
    shown = tab(server.url)
    page = shown.page
    page.get_by_role("link", name="Pools").press("Enter")
    page.get_by_role("link", name="Label <b>digits</b>").press("Enter")
    page.wait_for_selector("figure img")
    shown.accessible()
    press(page, "1")
    page.keyboard.press("u")
    saved(page, 0)
    for number in range(200):
        press(page, "123"[number % 3])
    saved(page, 200)
    page.wait_for_selector("text=Nothing waits for a label now.")
    assert labels_of(server, id) == [NAMES[number % 3] for number in range(200)]


def test_nothing_is_lost_when_the_server_is_killed_or_the_page_is_loaded_again(pool, tab) -> None:
    server, id = pool(12)
    shown = tab(f"{server.url}/#/pools/{id}", viewport={"width": 390, "height": 800})
    page = shown.page
    press(page, "1")
    press(page, "2")
    saved(page, 2)
    server.end(signal.SIGKILL)
    press(page, "3")
    press(page, "1")
    page.wait_for_selector("text=What you said is kept here")
    server.start()
    saved(page, 4)
    page.reload()
    for key in "22":
        press(page, key)
    saved(page, 2)
    assert not shown.overflows
    assert labels_of(server, id) == [NAMES[place] for place in (0, 1, 2, 0, 1, 1)]
    # While the server was away the browser itself said so.
    shown.complaints = [one for one in shown.complaints if "ERR_" not in one]


def test_two_people_do_not_get_the_same_items(pool, tab) -> None:
    server, id = pool(20)
    tabs = [tab(f"{server.url}/#/pools/{id}") for _ in range(2)]
    for name, one in zip(("ada", "bob"), tabs, strict=True):
        one.page.get_by_label("You are").fill(name)
        one.page.get_by_role("heading", level=1).click()
    for _ in range(6):
        for one in tabs:
            press(one.page, "1")
    for one in tabs:
        saved(one.page, 6)
    with server.client() as client:
        page = client.get(f"/v1/pools/{id}/items", params={"where": "labelled"}).json()["items"]
        said = [client.get(f"/v1/pools/{id}/history/{one['id']}").json()["items"] for one in page]
    assert len(said) == 12
    assert sorted(one["by"] for [one] in said) == ["ada"] * 6 + ["bob"] * 6


def test_several_classes_an_item(pool, tab) -> None:
    server, id = pool(3, task="multi-label")
    page = tab(f"{server.url}/#/pools/{id}").page
    press(page, "1")
    for key in ("2", "3", "2", "Enter"):  # 2 is chosen and taken back
        page.keyboard.press(key)
    saved(page, 1)
    press(page, "Enter")
    saved(page, 2)
    press(page, "n")
    saved(page, 3)
    assert labels_of(server, id) == [sorted(["cat", NAMES[2]]), []]


def test_numbers(pool, tab) -> None:
    server, id = pool(3, task="regression", classes=None)
    shown = tab(f"{server.url}/#/pools/{id}")
    page = shown.page
    page.wait_for_selector("figure img")
    shown.accessible()
    for number, text in enumerate(("3.5", "-2"), 1):
        page.get_by_label("Value").fill(text)
        page.keyboard.press("Enter")
        saved(page, number)
    assert labels_of(server, id) == [3.5, -2]
