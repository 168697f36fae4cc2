"""Maps over HTTP: a job, its points, and who is forgotten leaves them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest


@pytest.fixture
def query(pooled, finished) -> Any:
    asked = {"strategy": "random", "budget": 3}
    job = pooled.http.post(f"/v1/pools/{pooled.pool}/queries", json=asked).json()
    assert finished(pooled.http, job["id"])["state"] == "done"
    return job["id"]


def test_a_map_has_the_picks_and_loses_who_is_forgotten(pooled, query, finished) -> None:
    http, url = pooled.http, f"/v1/pools/{pooled.pool}/maps"
    job = http.post(url, json={"queries": [query], "limit": 12}).json()
    early = http.get(f"/v1/maps/{job['id']}/points")
    assert early.status_code in (200, 409)
    done = finished(http, job["id"])
    assert (done["kind"], done["state"]) == ("map", "done"), done
    assert done["asked"]["limit"] == 12
    assert done["made"]["points"] + done["made"]["left_out"] == 12
    assert 0 < done["made"]["shares"][1] <= done["made"]["shares"][0] < 1
    points = http.get(f"/v1/maps/{job['id']}/points").json()
    assert len({*map(len, points.values())}) == 1
    assert len(points["ids"]) == done["made"]["points"]
    picks = [one["id"] for one in http.get(f"/v1/queries/{query}/picks").json()["items"]]
    assert set(picks) <= set(points["ids"])
    assert set(points["states"]) == {"unlabelled"}

    said = {"labels": [{"id": picks[0], "value": "cat"}]}
    assert http.post(f"/v1/pools/{pooled.pool}/labels", json=said).status_code == 201
    gone = http.post(f"/v1/pools/{pooled.pool}/erasures", json={"items": [picks[1]]})
    assert gone.status_code == 200
    later = http.get(f"/v1/maps/{job['id']}/points").json()
    assert set(points["ids"]) - set(later["ids"]) == {picks[1]}
    at = later["ids"].index(picks[0])
    assert (later["states"][at], later["labels"][at]) == ("labelled", "cat")
    [kept] = pooled.settings.data.glob(f"tenants/*/jobs/{job['id']}/map.npy")
    assert len(np.load(kept, allow_pickle=False)) == done["made"]["points"] - 1
    stranger = pooled.as_(pooled.key("another"))
    assert http.get(f"/v1/maps/{job['id']}/points", headers=stranger).status_code == 404
    assert http.get(f"/v1/maps/{query}/points").status_code == 404


def test_what_cannot_be_drawn_is_refused_at_once(pooled) -> None:
    url = f"/v1/pools/{pooled.pool}/maps"
    for asked in ({"limit": 1}, {"method": "tsne"}, {"queries": ["job_" + "a" * 20]}, {"dots": 1}):
        assert pooled.http.post(url, json=asked).status_code == 422, asked
