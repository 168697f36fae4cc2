"""Jobs of a real service when things go wrong around them."""

from __future__ import annotations

import json
import os
import resource
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from querist.testing.servers.http import HttpServer, Reply

pytestmark = pytest.mark.slow
FILE = {"Content-Type": "application/octet-stream"}
TRANSFORM = {"modality": "image", "size": 8}


def asked(client, pool: str, **more) -> str:
    body = {"strategy": "k-center", "budget": 5, **more}
    sent = client.post(f"/v1/pools/{pool}/queries", json=body)
    assert sent.status_code == 202, sent.text
    return sent.json()["id"]


def test_a_tenth_of_the_items_is_broken(local, pictures, finished) -> None:
    folder = pictures(54)
    broken = {
        "b0.png": b"",
        "b1.png": b"no image at all",
        "b2.png": (folder / "00003.png").read_bytes()[:40],
        "b3.png": b"\x89PNG\r\n\x1a\n" + os.urandom(500),
        "b4.png": b"\0" * 300_000,
        "b5.png": b"gone",
    }
    for name, data in broken.items():
        (folder / name).write_bytes(data)
    app = local(tenants={"default": {"roots": [str(folder)]}}, limits={"item_bytes": 200_000})
    body = {"name": "p", "transform": TRANSFORM, "uris": [str(folder)]}
    pool = app.http.post("/v1/pools", json=body).json()
    assert finished(app.http, pool["addition"])["added"]["new"] == 60
    (folder / "b5.png").unlink()
    done = finished(app.http, asked(app.http, pool["id"]))
    assert (done["state"], done["error"]) == ("done", "")
    assert (done["counts"]["candidates"], done["counts"]["failed"]) == (60, 6)
    failures = app.http.get(f"/v1/jobs/{done['id']}/failures").json()["items"]
    reasons = {one["uri"].rpartition("/")[2]: one["reason"] for one in failures}
    assert set(reasons) == set(broken)
    assert reasons["b4.png"] == "too-large"
    assert reasons["b5.png"] == "missing"
    assert {reasons[name] for name in ("b0.png", "b1.png", "b2.png", "b3.png")} == {"broken"}
    assert all(one["message"] for one in failures)
    pages, after = [], ""
    while after is not None:
        path = f"/v1/jobs/{done['id']}/failures"
        page = app.http.get(path, params={"limit": 4, "after": after}).json()
        pages += page["items"]
        after = page["next"]
    assert pages == failures
    picks = app.http.get(f"/v1/queries/{done['id']}/picks").json()["items"]
    assert len(picks) == 5
    assert not {one["uri"].rpartition("/")[2] for one in picks} & set(broken)
    strict = finished(app.http, asked(app.http, pool["id"], scan={"abort_share": 0.05}))
    assert strict["state"] == "failed"
    assert "abort_share" in strict["error"] or "broken" in strict["error"]


def test_a_source_that_stalls_costs_its_items_and_no_more(local, pictures, finished) -> None:
    folder = pictures(12)
    with HttpServer(folder) as server:
        first = (folder / "00000.png").read_bytes()
        server.replies["/00001.png"] = Reply(first, stall=20)
        server.replies["/00002.png"] = Reply(first, delay=600)
        server.replies["/00003.png"] = Reply(first, pace=5.0)
        server.replies["/list/"] = Reply(b"<html>", delay=600)
        app = local(
            tenants={"default": {"hosts": [f"127.0.0.1:{server.port}"]}},
            limits={"item_seconds": 1.0},
        )
        pool = app.http.post("/v1/pools", json={"name": "p", "transform": TRANSFORM}).json()["id"]
        lines = [json.dumps({"uri": f"{server.url}{n:05}.png"}) for n in range(12)]
        sent = app.http.post(
            f"/v1/pools/{pool}/manifests",
            params={"format": "jsonl"},
            content="\n".join(lines).encode(),
            headers=FILE,
        )
        assert finished(app.http, sent.json()["id"])["added"]["new"] == 12
        body = {"uris": [f"{server.url}list/"]}
        listing = app.http.post(f"/v1/pools/{pool}/additions", json=body).json()["id"]
        scan = {"retries": 0, "abort_share": 0.5}
        done = finished(app.http, asked(app.http, pool, scan=scan))
        assert (done["state"], done["error"]) == ("done", "")
        failures = app.http.get(f"/v1/jobs/{done['id']}/failures").json()["items"]
        assert {one["uri"].rpartition("/")[2]: one["reason"] for one in failures} == {
            f"0000{n}.png": "unreachable" for n in (1, 2, 3)
        }
        stalled = finished(app.http, listing)
        assert stalled["state"] == "failed"
        assert "slow" in stalled["error"]


def cached(server) -> int:
    """Bytes of the largest file in the pool's caches."""
    files = (server.folder / "data").rglob("cache/**/*")
    return max(path.stat().st_size for path in files if path.is_file())


@pytest.mark.skipif(sys.platform != "linux", reason="limits of a running process are Linux's")
def test_a_cache_whose_disk_is_full_does_not_end_a_query(serve, pictures, finished) -> None:
    """No file of the server or of its jobs may grow over 400 KiB: the caches want far more."""
    folder = pictures(1)
    rng = np.random.default_rng(5)
    for n in range(30):
        pixels = rng.integers(0, 255, (96, 96, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{n:05}.png")
    server = serve(tenants={"default": {"roots": [str(folder)]}})
    with server.client() as client:
        body = {"name": "p", "transform": {"modality": "image", "size": 96}, "uris": [str(folder)]}
        pool = client.post("/v1/pools", json=body).json()
        assert finished(client, pool["addition"])["state"] == "done"
        limit = 400 << 10
        before = resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (limit, before[1]))
        tight = finished(client, asked(client, pool["id"], seed=3))
        assert (tight["state"], tight["error"]) == ("done", "")
        assert tight["counts"]["failed"] == 0
        assert 0 < cached(server) <= limit
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, before)
        for path in (server.folder / "data").rglob("cache"):
            shutil.rmtree(path)
        free = finished(client, asked(client, pool["id"], seed=3))
        assert free["digest"] == tight["digest"]
        assert cached(server) > limit


def test_two_tenants_at_once_do_not_mix(local, pictures, finished, tmp_path) -> None:
    """The same names, other files, all at the same time."""
    tenants = {}
    for name in ("acme", "globex"):
        folder = tmp_path / name
        folder.mkdir()
        for picture in pictures(16).iterdir():
            shutil.copy(picture, folder / f"{name}-{picture.name}")
        tenants[name] = {"roots": [str(folder)]}
    app = local(tenants=tenants, jobs={"slots": 2})
    keys = {name: app.as_(app.key(name)) for name in tenants}

    def work(name: str) -> list[list[str]]:
        http, headers = app.http, keys[name]

        def wait(job: str) -> dict:
            client = type("As", (), {"get": lambda _, path: http.get(path, headers=headers)})()
            return finished(client, job)

        body = {"name": "pool", "classes": ["a", "b"], "transform": TRANSFORM}
        body["uris"] = tenants[name]["roots"]
        pool = http.post("/v1/pools", json=body, headers=headers).json()
        assert wait(pool["addition"])["added"]["new"] == 16
        picked = []
        for seed in range(3):
            asks = {"strategy": "random", "budget": 4, "seed": seed}
            path = f"/v1/pools/{pool['id']}/queries"
            job = http.post(path, json=asks, headers=headers).json()["id"]
            assert wait(job)["state"] == "done"
            picks = http.get(f"/v1/queries/{job}/picks", headers=headers).json()["items"]
            labels = {"labels": [{"id": one["id"], "value": "a"} for one in picks]}
            path = f"/v1/pools/{pool['id']}/labels"
            assert http.post(path, json=labels, headers=headers).json() == {"labels": 4}
            picked.append([one["uri"] for one in picks])
        assert http.get(path, headers=headers).json()["items"]
        return picked

    other = str(tmp_path / "globex")
    with ThreadPoolExecutor(2) as threads:
        found = dict(zip(tenants, threads.map(work, tenants), strict=True))
    for name, rounds in found.items():
        uris = [uri for picked in rounds for uri in picked]
        assert len(set(uris)) == 12
        assert all(f"/{name}/{name}-" in uri for uri in uris)
        used = app.http.get("/v1/usage", headers=keys[name]).json()
        assert (used["items"], used["jobs"]) == (16, 0)
    # Neither may add what is the other's.
    pool = app.http.get("/v1/pools", headers=keys["acme"]).json()["items"][0]["id"]
    sent = app.http.post(
        f"/v1/pools/{pool}/additions", json={"uris": [other]}, headers=keys["acme"]
    )
    client = type("As", (), {"get": lambda _, path: app.http.get(path, headers=keys["acme"])})()
    assert finished(client, sent.json()["id"])["state"] == "failed"


def test_secrets_of_sources_are_told_to_their_server_only(serve, finished) -> None:
    """Neither in logs, the jobs' own included, nor in answers."""
    secrets = ("hunter2", "s3cr3t-key", "t0ken-7", "AKIAXXXX", "pa55word")
    with HttpServer() as web:
        web.replies["/private/"] = Reply(status=401)
        web.replies["/item.png"] = Reply(status=500)
        server = serve(
            tenants={"default": {"hosts": [f"127.0.0.1:{web.port}"]}},
            limits={"item_seconds": 2.0},
            log={"file": "log", "level": "debug"},
        )
        sources = {
            "http": {"headers": {"127.0.0.1": {"Authorization": "Bearer t0ken-7"}}},
            "s3": {
                "endpoint": web.url,
                "key": "AKIAXXXX",
                "secret": "s3cr3t-key",
                "region": "eu-west-1",
            },
        }
        with_user = web.url.replace("http://", "http://ada:hunter2@")
        with server.client() as client:
            body = {"name": "p", "transform": TRANSFORM, "sources": sources}
            made = client.post("/v1/pools", json=body)
            assert made.status_code == 201, made.text
            pool = made.json()["id"]
            told = [made.text, client.get(f"/v1/pools/{pool}").text]
            uris = [f"{with_user}private/", "s3://bucket/x/", f"{with_user}item.png?key=pa55word"]
            for uri in uris:
                sent = client.post(f"/v1/pools/{pool}/additions", json={"uris": [uri]})
                job = finished(client, sent.json()["id"])
                told.append(json.dumps(job))
                told.append(client.get(f"/v1/jobs/{job['id']}/failures").text)
            sent = client.post(
                f"/v1/pools/{pool}/manifests",
                params={"format": "jsonl"},
                content=json.dumps({"id": "one", "uri": uris[2]}).encode(),
                headers=FILE,
            )
            assert finished(client, sent.json()["id"])["added"]["new"] == 1
            scan = {"retries": 0, "abort_share": 1.0}
            failed = finished(client, asked(client, pool, budget=1, where="all", scan=scan))
            told.append(json.dumps(failed))
            (failure,) = client.get(f"/v1/jobs/{failed['id']}/failures").json()["items"]
            assert failure.pop("uri") == uris[2]  # as its owner gave it, to its owner
            told.append(json.dumps(failure))
        server.end()
    sent = [request.headers.get("authorization", "") for request in web.requests]
    assert any("Basic" in one for one in sent)
    logs = [server.log, *(path.read_text() for path in server.folder.rglob("jobs/*/log"))]
    assert len(logs) >= 5
    for secret in secrets:
        assert not [text for text in logs if secret in text], secret
        assert not [text for text in told if secret in text], (secret, told)
