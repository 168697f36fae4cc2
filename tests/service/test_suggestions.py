"""A model of the service suggests labels, which come with items that are lent."""

from __future__ import annotations

import pytest


@pytest.mark.slow
def test_suggestions_come_with_items_that_are_lent(serve, pictures, finished) -> None:
    folder = pictures(4)
    server = serve(
        tenants={"default": {"roots": [str(folder)]}},
        models={"use": ["python"], "python": ["slow_model:Slow"]},
    )
    server.pause(0)
    with server.client() as client:
        settings = {"use": "python", "object": "slow_model:Slow"}
        model = client.post("/v1/models", json={"name": "slow", "settings": settings}).json()["id"]
        body = {"name": "p", "classes": ["cat", "dog"], "uris": [str(folder)]}
        body["transform"] = {"modality": "image", "size": 8}
        made = client.post("/v1/pools", json=body).json()
        assert finished(client, made["addition"])["state"] == "done"
        path = f"/v1/pools/{made['id']}"
        job = client.post(f"{path}/suggestions", json={"model": model, "limit": 3}).json()
        assert finished(client, job["id"])["suggested"] == 3
        lent = client.post(f"{path}/leases", json={"holder": "ada"}).json()["items"]
        said = [(one["suggestion"], one["suggestion_score"]) for one in lent]
        assert {name for name, _ in said[:3]} <= {"cat", "dog"}
        assert all(0.5 <= score <= 1 for _, score in said[:3])
        assert said[3] == (None, None)
        client.post(f"{path}/erasures", json={"items": [lent[0]["id"]]})
        lent = client.post(f"{path}/leases", json={"holder": "ada"}).json()["items"]
        assert [one["suggestion"] for one in lent] == [name for name, _ in said[1:]]
        unknown = client.post(f"{path}/suggestions", json={"model": "mod_" + "a" * 20})
        assert unknown.status_code == 422
