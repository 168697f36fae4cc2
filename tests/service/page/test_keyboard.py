"""The page without a mouse: where the focus is after what was done, keys that are held."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.browser


def focus(page: Any) -> str:
    """What has the focus: its element and text."""
    said: str = page.evaluate(
        "(({tagName, textContent}) => `${tagName} ${textContent}`)(document.activeElement)"
    )
    return re.sub(r"\s+", " ", said).strip()


def press(page: Any, role: str, name: str, key: str = "Enter") -> None:
    page.get_by_role(role, name=name, exact=True).press(key)


def test_what_is_drawn_anew_keeps_the_focus_where_it_was(pool, desk) -> None:
    from playwright.sync_api import expect

    server, _ = pool(12, name="digits", classes=["cat", "dog"])
    at = desk(server)
    page = at.page
    press(page, "link", "digits")
    page.get_by_role("link", name="Queries").wait_for()
    expect(page).to_have_title("Items – digits – Querist", timeout=60_000)
    assert focus(page) == "H1 digits"
    press(page, "link", "Queries")
    page.get_by_role("heading", name="Which items next?").wait_for()
    assert focus(page) == "A Queries"
    assert page.locator("#told").inner_text() == "Queries, digits"  # to those who do not see it
    page.get_by_label("Items to pick").fill("4")
    press(page, "button", "Pick")
    page.get_by_role("list", name="Picks").wait_for()
    assert focus(page) == "H1 digits"
    page.locator(".cell").first.press("Enter")
    page.get_by_role("dialog").wait_for()
    page.keyboard.press("Escape")
    page.get_by_role("dialog").wait_for(state="detached")
    assert focus(page).startswith("BUTTON")
    assert not at.shown.overflows


def test_labels_by_buttons_and_keys_that_are_held(pool, desk, labels_of) -> None:
    server, id = pool(12, name="digits", classes=["cat", "dog"])
    at = desk(server, id, viewport={"width": 320, "height": 256})  # as at 400 %
    page = at.page
    page.wait_for_selector("figure[aria-busy=false]")
    assert not at.shown.overflows
    button = page.get_by_role("button", name="cat")
    button.focus()
    for _ in range(4):  # the system repeats it
        page.keyboard.down("Enter")
    page.keyboard.up("Enter")
    at.saved(1)
    assert focus(page) == "BUTTON 1 cat"
    page.wait_for_selector("figure[aria-busy=false]")
    for _ in range(4):
        page.keyboard.down("2")
    page.keyboard.up("2")
    at.saved(2)
    assert labels_of(server, id) == ["cat", "dog"]
    page.get_by_role("button", name="Undo").press("Enter")
    page.get_by_role("button", name="Undo").press("Enter")
    at.saved(0)
    assert focus(page) == "BUTTON u Undo"  # though there is nothing more to take back


def test_a_run_is_not_stopped_by_a_second_click(serve, tab, made_run) -> None:
    from playwright.sync_api import expect

    run = made_run(labels=400, oracles=3)
    run.go_on(40)
    server = serve(campaigns={"one": str(run.folder)})
    page = tab(f"{server.url}/#/campaigns/one").page
    stop = page.get_by_role("button", name="Stop …")
    stop.dblclick()
    stop.press("Enter")
    page.get_by_role("button", name="Really stop").wait_for()
    expect(page.get_by_role("button", name="Go on")).to_be_focused(timeout=60_000)
    page.keyboard.press("Escape")
    expect(stop).to_be_focused(timeout=60_000)
    assert run.run.inbox.pending() == []
    budget = page.get_by_label("Label budget")
    budget.fill("77")
    run.go_on(5)
    page.wait_for_selector("text=45 of 500")
    assert budget.input_value() == "77"
    press_set = page.locator("form", has=budget).get_by_role("button")
    press_set.press("Enter")
    page.wait_for_selector("text=“set” lies in the run's inbox")
    assert focus(page) == "BUTTON Set"
    stop.press("Enter")
    page.get_by_role("button", name="Really stop").press("Enter")
    expect(stop).to_be_focused(timeout=60_000)
    page.wait_for_selector("text=“stop” lies in the run's inbox")


def test_the_next_question_leaves_the_keyboard_where_it_is(serve, tab, asking) -> None:
    run = asking({"verdict": {"classes": ["good", "bad"]}})
    for number in range(3):
        run.ask(x=np.arange(3.0) + number)
    server = serve(campaigns={"one": str(run.folder)})
    page = tab(f"{server.url}/#/campaigns/one/questions").page
    page.get_by_role("button", name="bad").press("Enter")
    page.wait_for_selector("dl.facts div:has(dt:text-is('said here')) dd:text-is('1')")
    assert re.fullmatch("BUTTON .* bad", focus(page))
    page.get_by_role("button", name="Undo").press("Enter")
    page.wait_for_selector("dl.facts div:has(dt:text-is('said here')) dd:text-is('0')")
    assert focus(page) == "BUTTON u Undo"


def test_what_is_typed_stays_when_a_round_ends(pool, desk) -> None:
    server, id = pool(12, name="digits", classes=["cat", "dog"])
    at = desk(server, id)
    page = at.page
    at.press(*"121212")
    at.saved(6)
    page.goto(f"{server.url}/#/pools/{id}/rounds")
    page.get_by_label("Then pick").fill("3")
    page.get_by_role("button", name="Train").dblclick()
    page.get_by_label("Then pick").fill("7")
    page.get_by_role("cell", name="done").wait_for()
    page.get_by_role("link", name="1", exact=True).wait_for()
    assert page.get_by_label("Then pick").input_value() == "7"
    assert focus(page).startswith("INPUT")
    with server.client() as client:  # one round, though the button was pressed twice
        assert len(client.get(f"/v1/pools/{id}/rounds").json()["items"]) == 1


def switch_off(page: Any) -> None:
    """Switch keys of one character off by keyboard alone; Tab leads there from the last button."""
    page.locator("details.keys summary").press("Enter")
    page.get_by_label("Single letters, digits and signs").press("Space")
    page.wait_for_selector("summary:has-text('Keys: single ones are off')")


def test_keys_of_one_character_can_be_switched_off(pool, desk, labels_of) -> None:
    server, id = pool(12, name="digits", classes=["cat", "dog"])
    at = desk(server, id, viewport={"width": 320, "height": 640})  # a phone
    page = at.page
    at.press("1")
    at.saved(1)
    switch_off(page)
    assert not at.shown.overflows
    at.shown.accessible()
    assert page.locator("kbd").count() == 0
    page.get_by_role("heading", level=1).click()
    page.wait_for_selector("figure[aria-busy=false] figcaption")
    page.keyboard.type("12usnz?=", delay=20)
    assert page.get_by_role("button", name="Zoom").get_attribute("aria-pressed") == "false"
    page.get_by_role("button", name="dog", exact=True).press("Enter")  # what buttons say goes on
    at.saved(2)
    page.keyboard.press("Backspace")  # no character
    at.saved(1)
    page.reload()  # it is remembered
    page.wait_for_selector("figure[aria-busy=false] figcaption")
    assert page.locator("kbd").count() == 0
    page.keyboard.press("2")
    page.get_by_role("button", name="cat", exact=True).click()
    at.saved(1)
    assert labels_of(server, id) == ["cat", "cat"]
    other = at.again()  # another tab
    other.page.locator("details.keys summary").press("Enter")
    other.page.get_by_label("Single letters, digits and signs").press("Space")
    page.wait_for_selector("button:has-text('dog') kbd:text-is('2')")
    at.press("2")
    at.saved(2)
    assert labels_of(server, id) == ["cat", "cat", "dog"]


def test_signs_of_texts_pictures_and_maps_are_switched_off_too(pool, desk, labels_of) -> None:
    texts = {"a.txt": "the University of Leeds", "b.txt": "York"}
    spans = {"task": "tokens", "classes": ["PER", "LOC"], "transform": {"modality": "text"}}
    server, id = pool(texts, **spans)
    at = desk(server, id)
    page = at.page
    at.ready()
    switch_off(page)
    page.get_by_role("heading", level=1).click()
    page.keyboard.type("+12")
    assert not page.get_by_label("Marks may lie over each other").is_checked()
    page.keyboard.press("ArrowRight")  # University
    page.get_by_role("button", name="LOC").press("Enter")
    page.wait_for_selector("ul.parts li:has-text('University')")
    page.get_by_role("button", name="Save").press("Enter")
    at.saved(1)
    assert labels_of(server, id) == [[{"class": "LOC", "start": 4, "end": 14}]]
    page.goto(f"{server.url}/#/pools/{id}/map")
    canvas = page.locator("canvas")
    canvas.wait_for()
    assert "Enter opens one." in canvas.get_attribute("aria-label")


def test_questions_of_runs_know_the_switch(serve, tab, asking) -> None:
    run = asking({"verdict": {"classes": ["good", "bad"]}})
    for number in range(2):
        run.ask(x=np.arange(3.0) + number)
    server = serve(campaigns={"one": str(run.folder)})
    page = tab(f"{server.url}/#/campaigns/one/questions").page
    page.get_by_role("button", name="bad").wait_for()
    switch_off(page)
    page.get_by_role("heading", level=1).click()
    page.keyboard.type("12sn")
    page.get_by_role("button", name="bad", exact=True).press("Enter")
    page.wait_for_selector("dl.facts div:has(dt:text-is('said here')) dd:text-is('1')")


def test_classes_beyond_the_keys_are_typed(pool, desk, labels_of) -> None:
    names = [f"class {n}" for n in range(40)]
    server, id = pool(3, name="digits", classes=names)
    at = desk(server, id)
    at.press("1")
    at.saved(1)
    field = at.page.get_by_label("Another class, of")
    field.fill("class")  # none of this name
    field.press("Enter")
    field.fill("class 39")
    field.press("Enter")
    at.saved(2)
    at.shown.accessible()
    assert labels_of(server, id) == ["class 0", "class 39"]
