"""Jobs of a real server: killed, restarted, suspended, cancelled, shared between tenants."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.kill

MODEL = {"name": "slow", "settings": {"use": "python", "object": "slow_model:Slow"}}


def ready(serve, pictures, finished, number=60, **more):
    """A server with a pool and a model that takes as long as the test says."""
    folder = pictures(number)
    server = serve(
        tenants={"default": {"roots": [str(folder)]}},
        models={"use": ["python"], "python": ["slow_model:Slow"]},
        **more,
    )
    server.pause(0.15)
    with server.client() as client:
        body = {
            "name": "p",
            "classes": ["cat", "dog"],
            "transform": {"modality": "image", "size": 8},
            "uris": [str(folder)],
        }
        pool = client.post("/v1/pools", json=body).json()
        assert finished(client, pool["addition"])["state"] == "done"
        server.model = client.post("/v1/models", json=MODEL).json()["id"]
        server.pool = pool["id"]
    return server


def ask(server, client, **more) -> str:
    body = {"model": server.model, "strategy": "margin", "budget": 5, **more}
    body.setdefault("scan", {"batch": 4})
    answer = client.post(f"/v1/pools/{server.pool}/queries", json=body)
    assert answer.status_code == 202, answer.text
    return answer.json()["id"]


def until(client, job: str, wanted, seconds: float = 40) -> dict:
    for _ in range(int(seconds / 0.05)):
        found = client.get(f"/v1/jobs/{job}").json()
        if wanted(found):
            return found
        time.sleep(0.05)
    raise AssertionError(found)


def children(pid: int) -> set[int]:
    found = set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            words = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(words[1]) == pid and words[0] != "Z":
            found.add(int(stat.parent.name))
    return found


def workers_of(server) -> set[int]:
    """The processes of its jobs, which come a moment after a job is said to run."""
    for _ in range(400):
        if found := children(server.process.pid):
            return found
        time.sleep(0.05)
    raise AssertionError("no job has a process")


def gone(pids: set[int]) -> bool:
    for _ in range(100):
        if not any(Path(f"/proc/{pid}").exists() for pid in pids):
            return True
        time.sleep(0.05)
    return False


@pytest.mark.slow
def test_a_query_goes_on_after_kill_9_of_the_server(serve, pictures, finished) -> None:
    server = ready(serve, pictures, finished)
    with server.client() as client:
        job = ask(server, client)
        until(client, job, lambda found: found["progress"].get("done", 0) >= 4)
        workers = workers_of(server)
        server.end(signal.SIGKILL)
        assert gone(workers), "the job's process outlived its server"
        server.pause(0.0)
        server.start()
        found = finished(client, job)
    assert found["state"] == "done", found
    assert found["attempts"] == 2
    assert found["counts"]["scanned"] == found["counts"]["candidates"] == 60
    folder = next((server.folder / "data").glob(f"tenants/*/pools/*/queries/{job}"))
    assert folder.is_dir()


@pytest.mark.slow
def test_a_query_is_suspended_by_a_stop_and_goes_on_at_the_next_start(
    serve, pictures, finished
) -> None:
    server = ready(serve, pictures, finished)
    with server.client() as client:
        job = ask(server, client)
        until(client, job, lambda found: found["progress"].get("done", 0) >= 4)
        server.end(signal.SIGTERM)
        server.pause(0.0)
        server.start()
        found = finished(client, job)
    assert (found["state"], found["attempts"]) == ("done", 1)
    assert "Traceback" not in server.log


@pytest.mark.slow
def test_a_running_and_a_waiting_query_are_cancelled(serve, pictures, finished) -> None:
    server = ready(serve, pictures, finished, jobs={"slots": 1})
    server.pause(0.3)
    with server.client() as client:
        running = ask(server, client)
        waits = ask(server, client)
        until(client, running, lambda found: found["progress"].get("done", 0) >= 4)
        assert client.post(f"/v1/jobs/{waits}/cancel").json()["state"] == "cancelled"
        assert client.post(f"/v1/jobs/{running}/cancel").json()["state"] == "cancelling"
        assert finished(client, running)["state"] == "cancelled"
        assert client.get(f"/v1/queries/{running}/picks").status_code == 409
        assert client.post(f"/v1/jobs/{running}/cancel").json()["state"] == "cancelled"


@pytest.mark.slow
def test_a_job_whose_process_is_killed_is_tried_again_and_then_has_failed(
    serve, pictures, finished
) -> None:
    server = ready(serve, pictures, finished, jobs={"attempts": 2})
    with server.client() as client:
        job = ask(server, client)
        for attempt in (1, 2):
            until(
                client,
                job,
                lambda found, n=attempt: found["attempts"] == n and found["state"] == "running",
            )
            (worker,) = workers_of(server)
            os.kill(worker, signal.SIGKILL)
            until(client, job, lambda found, n=attempt: found["attempts"] > n or found["error"])
        found = finished(client, job)
    assert found["state"] == "failed"
    assert "2 times by signal 9" in found["error"]


@pytest.mark.slow
def test_a_tenant_that_comes_later_does_not_wait_for_anothers_queue(
    serve, pictures, finished
) -> None:
    folder = pictures(40)
    server = serve(
        tenants={"default": {"roots": [str(folder)]}},
        models={"use": ["python"], "python": ["slow_model:Slow"]},
        jobs={"slots": 1, "patience": 0.5},
    )
    server.pause(0.02)
    with server.client() as admin:
        tenant = admin.post("/v1/tenants", json={"name": "second"}).json()["id"]
        body = {"tenant": tenant, "user": "b", "scopes": ["read", "query"]}
        key = admin.post("/v1/keys", json=body).json()["secret"]
        ended: dict[str, float] = {}
        with server.client(key) as other:
            ready = {}
            for name, client in (("first", admin), ("second", other)):
                made = {"name": "p", "classes": ["cat", "dog"], "uris": [str(folder)]}
                made["transform"] = {"modality": "image", "size": 8}
                pool = client.post("/v1/pools", json=made).json()
                assert finished(client, pool["addition"])["state"] == "done"
                ready[name] = pool["id"], client.post("/v1/models", json=MODEL).json()["id"]
            jobs: dict[str, list[str]] = {}
            for name, client, number in (("first", admin, 6), ("second", other, 1)):
                pool, model = ready[name]
                asked = {"model": model, "strategy": "margin", "budget": 2}
                path = f"/v1/pools/{pool}/queries"
                jobs[name] = [client.post(path, json=asked).json()["id"] for _ in range(number)]
            assert finished(other, jobs["second"][0])["state"] == "done"
            ended["second"] = time.monotonic()
            states = [admin.get(f"/v1/jobs/{job}").json()["state"] for job in jobs["first"]]
            assert states.count("queued") + states.count("running") >= 2
            for job in jobs["first"]:
                assert finished(admin, job)["state"] == "done"


def test_secrets_are_in_no_log(serve, tmp_path) -> None:
    server = serve()
    with server.client() as admin:
        made = admin.post("/v1/keys", json={"user": "a", "scopes": ["read"]}).json()
        hook = admin.post(
            "/v1/webhooks", json={"url": "https://example.org/hook?token=tt-1"}
        ).json()
        with server.client(made["secret"]) as client:
            assert client.get("/v1?password=hunter2").status_code == 200
            assert client.get("/v1/pools/secret-path-77").status_code == 422
        admin.post("/v1/pools", json={"name": "confidential-name"})
        admin.get("/v1", headers={"Authorization": f"Bearer {made['secret']}x"})
    server.end()
    log = server.log
    lines = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    assert any(line["what"] == "request" and line["key"] == made["id"] for line in lines)
    for secret in (
        made["secret"],
        hook["secret"],
        "hunter2",
        "tt-1",
        "confidential",
        "secret-path",
    ):
        assert secret not in log
