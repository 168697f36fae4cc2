"""A model's suggestion is hidden at first, shown when it is asked for, and can be taken.

It comes with the item's manifest, or a model of the service is asked.
"""

from __future__ import annotations

import json

import pytest

pytestmark = pytest.mark.browser
HOSTILE = "<img src=x onerror=alert(1)>"


def test_a_suggestion_is_hidden_until_it_is_asked_for(serve, desk, finished, labels_of) -> None:
    server = serve()
    lines = [
        json.dumps({"id": f"t{n}", "text": f"text {n}", "metadata": {"suggestion": HOSTILE}})
        for n in range(2)
    ] + [json.dumps({"id": "t2", "text": "text 2"})]
    with server.client() as client:
        body = {"name": "p", "classes": ["cat", HOSTILE], "transform": {"modality": "text"}}
        id = client.post("/v1/pools", json=body).json()["id"]
        job = client.post(
            f"/v1/pools/{id}/manifests",
            params={"format": "jsonl"},
            content="\n".join(lines).encode(),
            headers={"Content-Type": "application/octet-stream"},
        ).json()
        assert finished(client, job["id"])["state"] == "done"
    at = desk(server, id)
    at.press("=")  # nothing: it is not shown
    assert at.page.locator("text=Suggested").count() == 0
    at.press("?")
    at.page.wait_for_selector("text=Suggested")
    at.shown.accessible()
    at.press("=", "1")
    at.page.wait_for_selector("text=There is no suggestion for this item.")
    at.press("=", "1")
    at.saved(3)
    assert labels_of(server, id) == [HOSTILE, "cat", "cat"]


def test_a_model_of_the_service_is_asked(serve, desk, pictures, finished, labels_of) -> None:
    folder = pictures(3)
    server = serve(
        tenants={"default": {"roots": [str(folder)]}},
        models={"use": ["python"], "python": ["slow_model:Slow"]},
    )
    server.pause(0)
    with server.client() as client:
        settings = {"use": "python", "object": "slow_model:Slow"}
        made = client.post("/v1/models", json={"name": "<b>slow</b>", "settings": settings})
        assert made.status_code == 201, made.text
        body = {"name": "p", "classes": ["cat", "dog"], "uris": [str(folder)]}
        body["transform"] = {"modality": "image", "size": 8}
        pool = client.post("/v1/pools", json=body).json()
        assert finished(client, pool["addition"])["state"] == "done"
        id = pool["id"]
    at = desk(server, id)
    at.press("?")
    at.page.wait_for_selector("text=There is no suggestion for this item.")
    at.page.get_by_role("button", name="Ask it").press("Enter")
    at.page.wait_for_selector("text=3 suggestions.")
    at.page.wait_for_selector("text=% sure")
    at.shown.accessible()
    suggested = []
    at.page.get_by_role("heading", level=1).click()  # away from the button
    for number in range(3):
        at.page.wait_for_selector("figure[aria-busy=false] figcaption")
        suggested.append(at.page.locator("[role=status] b").first.inner_text())
        at.press("=")
        at.saved(number + 1)
    assert labels_of(server, id) == suggested
    assert set(suggested) <= {"cat", "dog"}
