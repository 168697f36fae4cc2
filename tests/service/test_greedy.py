"""What one tenant does must not take the server from the others."""

from __future__ import annotations

import io
import json
import socket
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from querist.service.index.index import newest_first
from querist.service.jobs.records import shown_by_ids, told
from querist.testing.servers.http import HttpServer, Reply

FILE = {"Content-Type": "application/octet-stream"}


def other_key(client) -> str:
    """A key of another tenant."""
    tenant = client.post("/v1/tenants", json={"name": "other"}).json()["id"]
    asked = {"user": "bob", "scopes": ["read", "query"], "tenant": tenant}
    return client.post("/v1/keys", json=asked).json()["secret"]


def asking(stack: ExitStack, port: int, path: str) -> socket.socket:
    """A connection that has sent a request, and reads no answer."""
    opened = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=10))
    opened.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
    return opened


def test_items_that_come_slowly_keep_no_other_tenant_waiting(serve, finished) -> None:
    """A tenant's own host may be as slow as an item's time limit allows."""
    with HttpServer() as slow, ExitStack() as stack:
        slow.replies["/slow.txt"] = Reply(b"text", delay=5.0)
        server = serve(
            tenants={"default": {"hosts": [f"127.0.0.1:{slow.port}"], "private": True}},
        )
        with server.client() as client:
            pool = client.post("/v1/pools", json={"name": "slow"}).json()["id"]
            line = json.dumps({"id": "slow", "uri": f"{slow.url}slow.txt"}).encode()
            path = f"/v1/pools/{pool}/manifests"
            sent = client.post(path, params={"format": "jsonl"}, content=line, headers=FILE)
            assert finished(client, sent.json()["id"])["state"] == "done"
            key = other_key(client)
        for _ in range(90):
            asking(stack, server.port, f"/v1/pools/{pool}/content/slow")
        time.sleep(1)
        with server.client(key) as other:
            began = time.monotonic()
            assert other.get("/v1/pools").status_code == 200
        assert time.monotonic() - began < 2
        server.process.kill()


def test_lists_are_cut_where_their_rows_are_long(local) -> None:
    """A thousand of the longest would be gigabytes in the memory of the server."""
    http = local().http
    classes = ["a" * 100_000] * 9
    for number in range(20):
        settings = {"use": "features", "classes": classes}
        made = http.post("/v1/models", json={"name": f"m{number}", "settings": settings})
        assert made.status_code == 201, made.text[:300]
    names, after = [], ""
    while after is not None:
        answer = http.get("/v1/models", params={"limit": 1000, "after": after})
        assert len(answer.content) < 9 << 20
        names += [one["name"] for one in answer.json()["items"]]
        after = answer.json()["next"]
    assert names == [f"m{number}" for number in reversed(range(20))]


def test_settings_that_are_far_too_long_are_refused(local) -> None:
    http = local().http
    pool = http.post("/v1/pools", json={"name": "long"}).json()["id"]
    long = {"a": "a" * (2 << 20)}
    query = {"strategy": "random", "budget": 1, "where": {"metadata": long}}
    for path, body in (
        ("/v1/models", {"name": "m", "settings": {"use": "features", **long}}),
        ("/v1/pools", {"name": "p", "sources": long}),
        (f"/v1/pools/{pool}/queries", query),
        (f"/v1/pools/{pool}/rounds", {"query": query}),
    ):
        assert http.post(path, json=body).status_code == 422, path


def test_followers_of_a_job_do_not_read_what_they_are_not_told(local) -> None:
    """A look at each followed job every 0.4 s would parse megabytes of URIs."""
    app = local(jobs={"here": False})
    uris = [f"/nowhere/{'x' * 200}/{number}" for number in range(1000)]
    made = app.http.post("/v1/pools", json={"name": "p", "uris": uris}).json()
    with app.service.index.read() as connection:
        row = shown_by_ids(connection, [made["addition"]])[made["addition"]]
    assert row["asked"] is None
    assert told(row).kind == "addition"


def test_a_long_question_is_not_kept_for_every_webhook(local) -> None:
    app = local(jobs={"here": False})
    for _ in range(3):
        app.http.post("/v1/webhooks", json={"url": "https://example.org/x"})
    pool = app.http.post("/v1/pools", json={"name": "p"}).json()["id"]
    for text in ("short", "long" * 50_000):
        query = {"strategy": "random", "budget": 1, "where": {"metadata": {"a": text}}}
        job = app.http.post(f"/v1/pools/{pool}/queries", json=query).json()["id"]
        assert app.http.post(f"/v1/jobs/{job}/cancel").status_code == 202
        with app.service.index.read() as connection:
            rows = newest_first(connection, "deliveries", {}, None, 3)
        said = [json.loads(row["body"])["data"] for row in rows]
        assert [one["id"] for one in said] == [job] * 3
        assert all(("asked" in one) == (text == "short") for one in said)


def test_a_revoked_keys_stream_ends(serve) -> None:
    server = serve(jobs={"here": False})
    with server.client() as client:
        made = client.post("/v1/pools", json={"name": "p", "uris": ["/nowhere"]}).json()
        job = f"/v1/jobs/{made['addition']}/events"
        key = client.post("/v1/keys", json={"user": "eve", "scopes": ["read"]}).json()
        with (
            server.client(key["secret"]) as eve,
            eve.stream("GET", job) as stream,
        ):
            parts = stream.iter_lines()
            assert next(parts).startswith("retry")
            assert client.delete(f"/v1/keys/{key['id']}").status_code == 204
            assert client.post(f"/v1/jobs/{made['addition']}/cancel").status_code == 202
            assert not [line for line in parts if "cancelled" in line]
        with server.client() as own, own.stream("GET", job) as stream:
            assert [line for line in stream.iter_lines() if "cancelled" in line]


def test_streams_that_begin_together_are_as_few_as_others(serve) -> None:
    server = serve(jobs={"here": False}, limits={"streams": 3})
    with server.client() as client, ExitStack() as stack:
        made = client.post("/v1/pools", json={"name": "p", "uris": ["/nowhere"]}).json()
        path = f"/v1/jobs/{made['addition']}/events"
        opened = [asking(stack, server.port, path) for _ in range(40)]
        time.sleep(1.5)
        heads = [one.recv(65536) for one in opened]
        followed = [b"event: state" in head for head in heads]
        assert sum(followed) == 3


def bomb(rows: int, length: int) -> bytes:
    """Labels in a few kilobytes of Parquet: one text, again and again."""
    column = pa.DictionaryArray.from_arrays(pa.array([0] * rows, pa.int32()), ["x" * length])
    table = pa.table({"id": [f"{number}" for number in range(rows)], "label": column})
    held = io.BytesIO()
    pq.write_table(table, held, compression="zstd", store_schema=False)
    return held.getvalue()


def test_labels_that_unpack_to_gigabytes_do_not_do_so_in_the_server(serve) -> None:
    server = serve(jobs={"memory_mb": 1024})
    with server.client() as client:
        pool = client.post("/v1/pools", json={"name": "p"}).json()["id"]
        path, params = f"/v1/pools/{pool}/label-files", {"format": "parquet"}
        content = bomb(2000, 1 << 20)
        assert len(content) < 10_000
        answer = client.post(path, params=params, content=content, headers=FILE)
        assert (answer.status_code, answer.json()["type"]) == (422, "/problems/invalid")
        peak = Path(f"/proc/{server.process.pid}/status").read_text()
        assert int(peak.partition("VmHWM:")[2].split()[0]) < 1 << 20  # kB
        assert list((server.folder / "data" / "tmp").iterdir()) == []


def test_labels_in_a_large_file_or_in_parquet_are_recorded(serve, finished) -> None:
    server = serve(limits={"body": 2048})
    with server.client() as client:
        pool = client.post("/v1/pools", json={"name": "p"}).json()["id"]
        lines = "".join(f'{{"id": "{n}", "text": "t{n}"}}\n' for n in range(100)).encode()
        path = f"/v1/pools/{pool}"
        params = {"format": "jsonl"}
        sent = client.post(f"{path}/manifests", params=params, content=lines, headers=FILE)
        assert finished(client, sent.json()["id"])["state"] == "done"
        said = "".join(f'{{"id": "{n}", "label": "cat", "text": "t{n}"}}\n' for n in range(100))
        sends = {"jsonl": said.encode(), "parquet": bomb(100, 3)}
        for format, content in sends.items():
            sent = client.post(
                f"{path}/label-files", params={"format": format}, content=content, headers=FILE
            )
            assert sent.json() == {"labels": 100, "why_nothing": ""}, sent.text
        wrong = {"format": "parquet"}
        sent = client.post(f"{path}/label-files", params=wrong, content=b"PAR1", headers=FILE)
        assert sent.status_code == 422
        assert "Parquet" in sent.json()["detail"]
        assert str(server.folder) not in sent.text
        shown = client.get(path).json()
        assert shown["states"]["labelled"] == 100
        assert shown["classes"] == ["cat", "xxx"]


@pytest.mark.skipif(sys.platform != "linux", reason="a setting of Linux")
def test_whoever_does_not_read_his_download_is_cut_off(serve, finished) -> None:
    server = serve(limits={"unread_seconds": 2})
    with server.client() as client, ExitStack() as stack:
        pool = client.post("/v1/pools", json={"name": "p"}).json()["id"]
        text = "x" * 50_000
        lines = "".join(f'{{"id": "{n}", "text": "{n}{text}"}}\n' for n in range(400)).encode()
        path, params = f"/v1/pools/{pool}", {"format": "jsonl"}
        sent = client.post(f"{path}/manifests", params=params, content=lines, headers=FILE)
        assert finished(client, sent.json()["id"])["state"] == "done"
        asking(stack, server.port, f"{path}/export?format=jsonl")
        held = server.folder / "data" / "tmp"
        waits(lambda: any(held.iterdir()))
        waits(lambda: not any(held.iterdir()))
        assert len(client.get(f"{path}/export", params=params).content) > 20_000_000
    assert "Traceback" not in server.log


def waits(happens, seconds: float = 20) -> None:
    for _ in range(int(seconds / 0.05)):
        if happens():
            return
        time.sleep(0.05)
    raise AssertionError("it did not happen")


@pytest.mark.kill
def test_a_pool_that_is_removed_while_it_is_read_does_not_end_the_server(serve, finished) -> None:
    """A connection of SQLite's that is closed below another thread ends the process."""
    server = serve()
    statuses: set[int] = set()

    def ask(method: str, path: str, **more: Any) -> None:
        with server.client() as own:
            for _ in range(15):
                statuses.add(own.request(method, path, **more).status_code)

    lines = "".join(f'{{"id": "{n}", "text": "{n}"}}\n' for n in range(3000)).encode()
    with server.client() as client:
        for turn in range(4):
            pool = client.post("/v1/pools", json={"name": f"p{turn}"}).json()["id"]
            path, params = f"/v1/pools/{pool}", {"format": "jsonl"}
            sent = client.post(f"{path}/manifests", params=params, content=lines, headers=FILE)
            assert finished(client, sent.json()["id"])["state"] == "done"
            labels = {"labels": [{"id": "5", "value": "cat"}]}
            with ThreadPoolExecutor(6) as threads:
                for _ in range(2):
                    threads.submit(ask, "GET", f"{path}/export", params=params)
                    threads.submit(ask, "GET", f"{path}/items", params={"limit": 1000})
                    threads.submit(ask, "POST", f"{path}/labels", json=labels)
                time.sleep(0.3)
                assert client.delete(path).status_code == 204
            folders = list(server.folder.glob(f"data/tenants/*/pools/{pool}"))
            assert (server.process.poll(), folders) == (None, [])
    assert statuses == {200, 201, 404}
    assert server.end() == 0
    assert "Traceback" not in server.log
