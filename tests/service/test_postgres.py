"""Whole servers on a PostgreSQL index: one, several, and one that is killed."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))
from databases import new_postgres

pytestmark = [pytest.mark.postgres, pytest.mark.slow]
MODELS = {"use": ["python"], "python": ["slow_model:Slow"]}
MODEL = {"name": "slow", "settings": {"use": "python", "object": "slow_model:Slow"}}


@pytest.fixture
def url() -> Iterator[str]:
    with new_postgres() as url:
        yield url


def pool_of(client, finished, folder: Path, name: str = "p") -> str:
    body = {
        "name": name,
        "classes": ["cat", "dog"],
        "transform": {"modality": "image", "size": 8},
        "uris": [str(folder)],
    }
    pool = client.post("/v1/pools", json=body).json()
    assert finished(client, pool["addition"])["state"] == "done"
    return pool["id"]


def test_a_first_query_and_everything_around_it(serve, pictures, finished, url) -> None:
    folder = pictures(20)
    server = serve(index=url, tenants={"default": {"roots": [str(folder)]}})
    assert not (server.folder / "data" / "index.sqlite").exists()
    with server.client() as client:
        pool = pool_of(client, finished, folder)
        key = client.post("/v1/keys", json={"user": "ada", "scopes": ["read"]}).json()
        with server.client(key["secret"]) as reader:
            assert reader.get("/v1").json()["user"] == "ada"
        headers = {"Idempotency-Key": "one"}
        asks = {"strategy": "k-center", "budget": 4}
        path = f"/v1/pools/{pool}/queries"
        with ThreadPoolExecutor(4) as threads:
            sent = [threads.submit(client.post, path, json=asks, headers=headers) for _ in "1234"]
            answers = [one.result() for one in sent]
        assert {one.status_code for one in answers} <= {202, 409}
        (job,) = {one.json()["id"] for one in answers if one.status_code == 202}
        assert finished(client, job)["state"] == "done"
        picks = client.get(f"/v1/queries/{job}/picks").json()["items"]
        labels = {"labels": [{"id": one["id"], "value": "cat"} for one in picks]}
        assert client.post(f"/v1/pools/{pool}/labels", json=labels).json() == {"labels": 4}
        assert "querist_items 20.0" in client.get("/metrics").text
        assert client.get("/v1/usage").json()["items"] == 20
        events = client.get(f"/v1/jobs/{job}/events").text
        assert events.count("event: state") == 3
        assert client.delete(f"/v1/pools/{pool}").status_code == 204
    assert server.end() == 0
    assert "Traceback" not in server.log


@pytest.mark.kill
def test_a_query_goes_on_after_kill_9(serve, pictures, finished, url) -> None:
    folder = pictures(40)
    server = serve(index=url, tenants={"default": {"roots": [str(folder)]}}, models=MODELS)
    server.pause(0.3)
    with server.client() as client:
        pool = pool_of(client, finished, folder)
        model = client.post("/v1/models", json=MODEL).json()["id"]
        asks = {"model": model, "strategy": "margin", "budget": 5, "scan": {"batch": 4}}
        job = client.post(f"/v1/pools/{pool}/queries", json=asks).json()["id"]
        while client.get(f"/v1/jobs/{job}").json()["progress"].get("done", 0) < 4:
            time.sleep(0.05)
        server.end(signal.SIGKILL)
        server.pause(0.0)
        server.start()
        found = finished(client, job)
    assert (found["state"], found["attempts"]) == ("done", 2)
    assert found["counts"]["scanned"] == 40


@pytest.mark.kill
def test_another_worker_takes_the_jobs_of_one_that_died(
    serve, pictures, finished, url, tmp_path
) -> None:
    """A server that only answers, and two that run jobs; all share index and folder."""
    folder = pictures(40)
    shared = {
        "index": url,
        "data": str(tmp_path / "shared"),
        "tenants": {"default": {"roots": [str(folder)]}},
        "models": MODELS,
    }
    front = serve(**shared, jobs={"here": False})
    first = serve(**shared, jobs={"name": "one", "slots": 1})
    first.pause(0.3)
    with front.client() as client:
        pool = pool_of(client, finished, folder)
        model = client.post("/v1/models", json=MODEL).json()["id"]
        asks = {"model": model, "strategy": "margin", "budget": 5, "scan": {"batch": 4}}
        job = client.post(f"/v1/pools/{pool}/queries", json=asks).json()["id"]
        while client.get(f"/v1/jobs/{job}").json()["progress"].get("done", 0) < 4:
            time.sleep(0.05)
        second = serve(**shared, jobs={"name": "two", "slots": 1})
        second.pause(0.0)
        first.end(signal.SIGKILL)
        found = finished(client, job, 90)  # a claim lapses after thirty seconds
    assert (found["state"], found["attempts"]) == ("done", 2)
    assert found["counts"]["scanned"] == 40


def test_quotas_hold_for_requests_that_come_at_once(serve, finished, url) -> None:
    """Transactions of PostgreSQL do not see what others are about to record."""
    server = serve(index=url, jobs={"here": False}, quota={"jobs": 3, "pools": 4})
    with server.client() as client, ThreadPoolExecutor(16) as threads:

        def made(number: int) -> int:
            return client.post("/v1/pools", json={"name": f"p{number}"}).status_code

        def begun(number: int) -> int:
            return client.post(path, json={"uris": [f"/nowhere/{number}"]}).status_code

        pool = client.post("/v1/pools", json={"name": "first"}).json()["id"]
        path = f"/v1/pools/{pool}/additions"
        assert sorted(threads.map(made, range(16))) == [201] * 3 + [429] * 13
        assert sorted(threads.map(begun, range(16))) == [202] * 3 + [429] * 13
