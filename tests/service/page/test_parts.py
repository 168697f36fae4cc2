"""Spans of texts and boxes on pictures: by keyboard alone, by mouse, through a reload."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.browser
HOSTILE = "<img src=x onerror=alert(1)>"
TEXTS = {
    "a.txt": "Ada Lovelace lived in \N{LEMON} London.",
    "b.txt": f"{HOSTILE} wrote to Rome\nfrom Oslo",
    "c.txt": "nothing here",
}
SPANS = {"task": "tokens", "classes": ["PER", "LOC"], "transform": {"modality": "text"}}


def test_spans_within_and_over_each_other(pool, desk, labels_of) -> None:
    server, id = pool({"a.txt": "the University of Leeds in England"}, **SPANS)
    at = desk(server, id)
    at.ready()
    at.press("+", "ArrowRight", "Shift+ArrowRight", "Shift+ArrowRight", "1")  # University of Leeds
    at.page.keyboard.press("ArrowRight")  # in; then back to Leeds, alone
    at.press("ArrowLeft", "2")
    at.press("Shift+ArrowRight", "Shift+ArrowRight", "1", "u", "2", "1")  # Leeds in England, twice
    at.page.wait_for_selector(".span.depth-1")
    at.shown.accessible()
    at.press("2")  # the same once more takes it back
    at.page.reload()
    at.ready()
    at.page.wait_for_selector(".span.depth-1")
    at.press("Enter")
    at.saved(1)
    (said,) = labels_of(server, id)
    found = {(one["class"], one["start"], one["end"]) for one in said}
    assert found == {("PER", 4, 23), ("LOC", 18, 23), ("PER", 18, 34)}


def test_spans_by_keyboard(pool, desk, labels_of) -> None:
    server, id = pool(TEXTS, **SPANS)
    at = desk(server, id)
    at.ready()
    at.shown.accessible()
    at.press("Shift+ArrowRight", "1")  # Ada Lovelace
    at.press(*["ArrowRight"] * 3, "2")  # the words after it: lived in (lemon) London
    at.press("Enter")
    at.ready()
    at.press("End", "2", "ArrowUp", "Home", "Shift+End", "Delete", "End", "1", "1")
    at.press("ArrowLeft", "2", "u", "2", "Enter")
    at.press("Enter")
    at.saved(3)
    first, second, third = labels_of(server, id)
    text = TEXTS["a.txt"]
    london = text.index("London")
    assert first == [
        {"class": "PER", "start": 0, "end": 12},
        {"class": "LOC", "start": london, "end": london + 6},
    ]
    oslo = TEXTS["b.txt"].index("Oslo")
    assert second == [{"class": "LOC", "start": oslo, "end": oslo + 4}]
    assert third == []  # looked at, and nothing is there


def test_spans_by_mouse_single_letters_and_a_reload(pool, desk, labels_of) -> None:
    server, id = pool({"a.txt": TEXTS["b.txt"]}, **SPANS)
    at = desk(server, id, viewport={"width": 390, "height": 800})
    at.ready()
    page = at.page
    word = page.locator(".text [data-word]")
    word.filter(has_text="Rome").hover()
    page.mouse.down()
    word.filter(has_text="Oslo").hover()
    page.mouse.up()
    page.get_by_role("button", name="LOC").click()
    word.filter(has_text="wrote").click()
    at.press("Alt+ArrowLeft", "Alt+ArrowLeft", "1")
    page.wait_for_selector("ul.parts li >> nth=1")
    page.reload()
    at.ready()
    page.wait_for_selector("ul.parts li >> nth=1")
    assert not at.shown.overflows
    assert page.locator("figure img").count() == 0  # what looks like a tag is text
    at.press("Enter")
    at.saved(1)
    text = TEXTS["b.txt"]
    wrote, rome = text.index("wrote"), text.index("Rome")
    assert labels_of(server, id) == [
        [
            {"class": "PER", "start": wrote, "end": wrote + 3},
            {"class": "LOC", "start": rome, "end": len(text)},
        ]
    ]


def test_boxes_by_keyboard(pool, desk, labels_of) -> None:
    server, id = pool(3, task="detection")
    at = desk(server, id)
    at.ready()
    at.press("1")  # a third of 8 pixels in the middle: 3, 3, 3, 3
    at.shown.accessible()
    at.press("ArrowRight", "ArrowDown", "Shift+ArrowRight", "Escape", "2", "3", "ArrowLeft")
    at.press("ArrowLeft", "ArrowLeft", "z", "z", "z", ",", "Alt+ArrowUp", "Enter")
    at.ready()
    at.press("1", "Delete", "Enter")
    at.ready()
    at.press("1", "u", "n")
    at.saved(3)
    assert labels_of(server, id) == [
        [
            {"class": "cat", "box": [4, 3, 4, 3]},
            {"class": HOSTILE, "box": [0, 3, 3, 3]},
        ],
        [],
    ]
    with server.client() as client:
        states = client.get(f"/v1/pools/{id}").json()["states"]
    assert (states["labelled"], states["empty"], states["skipped"]) == (1, 1, 1)


def test_boxes_by_mouse_and_a_reload(pool, desk, labels_of) -> None:
    server, id = pool(1, task="detection")
    at = desk(server, id)
    at.ready()
    page = at.page

    def drag(*places: tuple[float, float]) -> None:
        frame = page.locator(".frame").bounding_box()
        for number, (x, y) in enumerate(places):
            left, top = x * frame["width"] / 8, y * frame["height"] / 8
            page.mouse.move(frame["x"] + left, frame["y"] + top)
            if not number:
                page.mouse.down()
        page.mouse.up()

    drag((1, 1), (2, 2), (4, 3))  # draws
    page.get_by_role("button", name="dog").click()
    drag((2.5, 2), (3.5, 4))  # moves
    drag((5, 5), (6, 7))  # pulls a corner
    page.wait_for_selector("ul.parts li:has-text('2, 3, 4, 4')")
    page.reload()
    at.ready()
    page.wait_for_selector(".box")
    at.press("Enter")
    at.saved(1)
    assert labels_of(server, id) == [[{"class": "dog", "box": [2, 3, 4, 4]}]]
