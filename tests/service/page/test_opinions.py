"""Second opinions and disagreements in a browser."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.browser


def test_a_second_opinion_and_a_decision(pool, desk, labels_of) -> None:
    server, id = pool(4)
    at = desk(server, id)
    page = at.page
    page.get_by_label("You are").fill("ada")
    page.get_by_role("heading", level=1).click()
    at.press("1", "1", "2")
    at.saved(3)
    page.get_by_role("link", name="Second opinions").press("Enter")
    page.wait_for_selector("text=Nothing waits for your second opinion now.")
    page.get_by_label("You are").fill("<b>bob</b>")
    page.get_by_role("heading", level=1).click()
    at.press("1", "2", "1")
    at.saved(3)
    page.get_by_role("link", name="Disagreements").press("Enter")
    page.get_by_role("heading", name="Who said what").wait_for()
    page.get_by_role("heading", name="How far those who label agree").wait_for()
    assert page.get_by_role("region", name="By pairs").locator("td").nth(3).inner_text() == "33 %"
    page.get_by_label("You are").fill("eve")
    page.get_by_role("heading", level=1).click()
    at.shown.accessible()
    opinions = page.get_by_role("region", name="Opinions").locator("li")
    assert opinions.all_inner_texts() == ["ada cat", "<b>bob</b> dog"]
    at.press("3", "u", "1", "2")
    at.saved(2)
    page.wait_for_selector("text=Nothing waits for a decision now.")
    assert labels_of(server, id) == ["cat", "cat", "dog"]
    with server.client() as client:
        assert client.get(f"/v1/pools/{id}/disputes").json()["items"] == []


def test_boxes_of_two_are_decided(pool, desk, labels_of) -> None:
    server, id = pool(1, task="detection")
    with server.client() as client:
        (item,) = client.get(f"/v1/pools/{id}/items").json()["items"]
        for by, box in {"ada": [0, 0, 4, 4], "bob": [4, 4, 4, 4]}.items():
            label = {"id": item["id"], "value": [{"class": "cat", "box": box}]}
            client.post(f"/v1/pools/{id}/labels", json={"by": by, "labels": [label]})
    at = desk(server, f"{id}/decide")
    at.ready()
    at.press("]", "]")
    at.page.wait_for_selector(".box")
    at.press(",", "Alt+ArrowLeft", "Enter")
    at.saved(1)
    assert labels_of(server, id) == [[{"class": "cat", "box": [3, 4, 4, 4]}]]
