"""A model's suggestion is hidden at first, shown when it is asked for, and can be taken."""

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
