"""Items that are forgotten from the page: asked first, gone from all views; told when not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.browser
PHONE = {"width": 390, "height": 800}


def fact(page: Any, name: str, value: str) -> None:
    page.wait_for_selector(f"dl.facts div:has(dt:text-is('{name}')) dd:text-is('{value}')")


def names(page: Any) -> list[str]:
    found: list[str] = page.locator(".cell .name").all_inner_texts()
    return found


def part(page: Any, name: str) -> None:
    page.get_by_role("navigation", name="Parts").get_by_role("link", name=name).press("Enter")


def ids_of(server: Any, pool: str) -> list[str]:
    with server.client() as client:
        found = client.get(f"/v1/pools/{pool}/items", params={"limit": 1000}).json()["items"]
    return [one["uri"].rpartition("/")[2] for one in found]


def test_an_item_is_forgotten_by_keyboard_and_leaves_all_views(pool, desk) -> None:
    from playwright.sync_api import expect

    server, id = pool(8, name="digits", classes=["cat", "dog"])
    at = desk(server)
    page = at.page
    page.goto(f"{server.url}/#/pools/{id}/queries")
    page.get_by_label("Items to pick").fill("8")
    page.get_by_role("button", name="Pick", exact=True).press("Enter")
    page.get_by_role("list", name="Picks").wait_for()
    query = page.url
    part(page, "Items")
    page.locator(".cell img.thumbnail").first.wait_for()
    page.locator(".cell", has_text="00002.png").press("Enter")
    dialog = page.get_by_role("dialog")
    dialog.locator("img").wait_for()
    forget = dialog.get_by_role("button", name="Forget …")
    forget.dblclick()  # the second click does not forget
    keep = dialog.get_by_role("button", name="Keep it")
    keep.press("Enter")
    expect(forget).to_be_focused(timeout=60_000)
    page.keyboard.press("Enter")
    expect(keep).to_be_focused(timeout=60_000)  # not what forgets
    for words in ("cannot be undone", "labels", "features", "thumbnails", "exports", "Only the id"):
        assert words in dialog.locator(".confirm").inner_text()
    at.shown.accessible()
    page.keyboard.press("Escape")  # leaves what asks, not the item
    expect(forget).to_be_focused(timeout=60_000)
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(dialog.get_by_role("button", name="Forget it for good")).to_be_focused(timeout=60_000)
    page.keyboard.press("Enter")
    dialog.wait_for(state="detached")
    page.wait_for_selector("text=One item is forgotten.")
    fact(page, "items", "7")
    assert "00002.png" not in names(page)
    assert len(names(page)) == 7
    assert page.locator(".cell:focus").count() == 1  # the one that took its place
    assert "00002.png" not in ids_of(server, id)
    part(page, "Queries")
    page.wait_for_selector("text=One item is forgotten.", state="detached")  # it was read by now
    page.goto(query)
    page.get_by_role("list", name="Picks").wait_for()
    page.wait_for_selector(".grid li >> nth=6")
    assert "00002.png" not in names(page)
    page.locator(".cell", has_text="00005.png").press("Enter")  # from a query's picks
    dialog.get_by_role("button", name="Forget …").press("Enter")
    dialog.get_by_role("button", name="Forget it for good").press("Enter")
    dialog.wait_for(state="detached")
    page.wait_for_selector(".grid li >> nth=6", state="detached")
    assert "00005.png" not in names(page)
    page.get_by_role("link", name="On the map").press("Enter")
    page.wait_for_selector("canvas[aria-label*='Map of 6 items']")
    page.locator("canvas").press("ArrowRight")
    page.locator("canvas").press("Enter")  # from the map
    dialog.get_by_role("button", name="Forget …").press("Enter")
    dialog.get_by_role("button", name="Forget it for good").press("Enter")
    page.wait_for_selector("canvas[aria-label*='Map of 5 items']")
    assert len(ids_of(server, id)) == 5
    page.get_by_role("link", name="Label", exact=True).press("Enter")
    fact(page, "without a label", "5")


def test_chosen_items_are_forgotten_on_a_phone(pool, desk) -> None:
    server, id = pool(9, name="digits", classes=["cat", "dog"])
    at = desk(server, viewport=PHONE)
    page = at.page
    page.goto(f"{server.url}/#/pools/{id}/items")
    page.locator(".cell img.thumbnail").first.wait_for()
    page.get_by_role("button", name="Choose items").click()
    for number in (1, 3, 4):
        page.locator(".cell", has_text=f"0000{number}.png").click()
    page.locator(".cell", has_text="00003.png").press("Space")  # not this one
    page.wait_for_selector("text=2 chosen.")
    assert page.locator(".cell[aria-pressed=true]").count() == 2
    page.get_by_role("button", name="Forget them …").click()
    assert not at.shown.overflows
    at.shown.accessible()
    page.get_by_role("button", name="Forget 2 for good").click()
    page.wait_for_selector("text=2 items are forgotten.")
    page.wait_for_selector("text=Press items to choose them.")
    fact(page, "items", "7")
    assert sorted(set(names(page))) == sorted(set(ids_of(server, id)))
    assert not {"00001.png", "00004.png"} & set(ids_of(server, id))
    page.get_by_role("button", name="Choose items").click()
    page.locator(".cell", has_text="00000.png").click()
    page.get_by_role("dialog").wait_for()  # as before


def test_what_is_not_forgotten_and_what_is_left_is_told(pool, desk) -> None:
    server, id = pool(5, name="digits", classes=["cat", "dog"])
    at = desk(server)
    page = at.page
    asked: list[list[str]] = []
    why = "queries/q/outputs: an unfinished query keeps outputs of its model here"

    def answer(route: Any) -> None:
        asked.append(route.request.post_data_json["items"])
        if len(asked) == 1:
            problem = {"title": "Something went wrong here", "status": 500}
            route.fulfill(status=500, json=problem, content_type="application/problem+json")
        else:
            found = route.fetch()
            left = [why] if len(asked) == 2 else []
            route.fulfill(response=found, body=json.dumps({**found.json(), "left": left}))

    page.route("**/erasures", answer)
    page.goto(f"{server.url}/#/pools/{id}/items")
    page.locator(".cell img.thumbnail").first.wait_for()
    page.get_by_role("button", name="Choose items").press("Enter")
    for number in (0, 1):
        page.locator(".cell", has_text=f"0000{number}.png").click()
    page.get_by_role("button", name="Forget them …").press("Enter")
    page.get_by_role("button", name="Forget 2 for good").press("Enter")
    page.wait_for_selector("text=Something went wrong here")
    page.wait_for_selector("text=2 chosen.")  # both are there still
    fact(page, "items", "5")
    page.get_by_role("button", name="Forget 2 for good").press("Enter")
    page.wait_for_selector("text=2 items are forgotten.")
    page.wait_for_selector(f"li:has-text('{why}')")
    at.shown.accessible()
    page.get_by_role("button", name="Erase what is left").press("Enter")
    page.wait_for_selector(f"li:has-text('{why}')", state="detached")
    assert asked[0] == asked[1] == asked[2]
    assert len(asked[0]) == 2
    fact(page, "items", "3")
    at.shown.forgive("500")


def test_who_may_not_label_may_not_forget(serve, pictures, finished, tab, tmp_path: Path) -> None:
    secret = tmp_path / "key"
    secret.write_text("qk_" + "a" * 20 + "_" + "b" * 52)
    folder = pictures(3)
    roots = {"default": {"roots": [str(folder)]}}
    server = serve(keys={"without": "never", "first": str(secret)}, tenants=roots)
    with server.client(secret.read_text()) as client:
        made = client.post("/v1/pools", json={"name": "p", "uris": [str(folder)]}).json()
        assert finished(client, made["addition"])["state"] == "done"
        key = client.post("/v1/keys", json={"user": "eve", "scopes": ["read"]}).json()["secret"]
    shown = tab(server.url)
    page = shown.page
    page.get_by_label("Key").fill(key)
    page.get_by_role("button", name="Open").press("Enter")
    page.get_by_role("link", name="p", exact=True).press("Enter")
    page.locator(".cell img.thumbnail").first.wait_for()
    assert page.get_by_role("button", name="Choose items").count() == 0
    page.locator(".cell").first.press("Enter")
    page.get_by_role("dialog").locator("img").wait_for()
    assert page.get_by_role("button", name="Forget").count() == 0
    shown.forgive("401")
