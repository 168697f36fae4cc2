"""Keyed requests whose server dies in the middle, or is slow."""

from __future__ import annotations

import signal
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from querist.service.index.index import Index, find
from querist.service.routes import pools

sys.path.insert(0, str(Path(__file__).resolve().parent))
from databases import new_postgres

# Kills itself where a request is begun and nothing is done, or where all is done and not yet told.
DYING = """
import os, signal, sys
from querist.service.idempotency import Once
from querist.service.serving import serve
from querist.service.settings import load_settings

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

begin = Once.begin
if sys.argv[1] == "begun":
    Once.begin = lambda once: (begin(once), die())
else:
    Once.finish = die
serve(load_settings(sys.argv[2]))
"""
KEYED = {"Idempotency-Key": "one"}
HERE: dict[str, Any] = {"jobs": {"here": False}}


@pytest.mark.slow
@pytest.mark.kill
@pytest.mark.parametrize("where", ["begun", "done"])
def test_a_request_whose_server_was_killed_is_done_once_at_the_next_start(
    serve, where: str
) -> None:
    server = serve(**HERE)
    server.end(signal.SIGKILL)
    server.start(DYING, where)
    body = {"name": "p", "uris": ["/nowhere"]}
    with server.client() as client, pytest.raises(httpx.TransportError):
        client.post("/v1/pools", json=body, headers=KEYED)
    assert server.process.wait(60) == -signal.SIGKILL
    server.start()
    with server.client() as client:
        first, again = (client.post("/v1/pools", json=body, headers=KEYED) for _ in "12")
        assert first.status_code == 201, first.text  # at once, and no "still being done"
        assert first.json() == again.json()
        assert [one["id"] for one in client.get("/v1/pools").json()["items"]] == [
            first.json()["id"]
        ]
        jobs = client.get("/v1/jobs").json()["items"]
        assert [one["id"] for one in jobs] == [first.json()["addition"]]
    assert len(list((server.folder / "data" / "servers").iterdir())) == 1


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def url(request, tmp_path: Path) -> Iterator[str]:
    """The URL of an index that several servers share."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/shared/index.sqlite"
        return
    with new_postgres() as url:
        yield url


@contextmanager
def sending(port: int, path: str, headers: dict[str, str], body: bytes) -> Iterator[None]:
    """While a request with a body is on its way, and most of it is missing."""
    said = {**headers, "Host": "localhost", "Content-Length": str(len(body))}
    lines = [f"POST {path} HTTP/1.1", *(f"{name}: {value}" for name, value in said.items())]
    with socket.create_connection(("127.0.0.1", port)) as opened:
        opened.sendall("\r\n".join([*lines, "", ""]).encode() + body[:3])
        yield


@pytest.mark.slow
@pytest.mark.kill
def test_a_server_waits_for_one_that_lives_and_goes_on_for_one_that_died(
    serve, tmp_path: Path, url: str
) -> None:
    shared = {**HERE, "index": url, "data": str(tmp_path / "shared")}
    first, second = serve(**shared), serve(**shared)
    index = Index(url)

    def begun() -> bool:
        with index.read() as connection:
            return find(connection, "requests", key="one") is not None

    headers = {**KEYED, "Content-Type": "application/octet-stream"}
    lines = b'{"id": "a", "text": "a"}\n'
    with second.client() as client:
        pool = client.post("/v1/pools", json={"name": "p"}).json()["id"]
        path = f"/v1/pools/{pool}/manifests?format=jsonl"
        with sending(first.port, path, headers, lines):
            while not begun():
                time.sleep(0.05)
            assert client.post(path, content=lines, headers=headers).status_code == 409
            first.end(signal.SIGKILL)
            answer = client.post(path, content=lines, headers=headers)
            assert answer.status_code == 202, answer.text
        jobs = client.get("/v1/jobs").json()["items"]
        assert [one["id"] for one in jobs] == [answer.json()["id"]]
    index.close()


def test_a_request_that_took_too_long_is_gone_on_with(local, monkeypatch) -> None:
    app = local(limits={"request_seconds": 0.3, "body_seconds": 0.2}, **HERE)
    make, slow = pools.make, [1.0]

    def make_slowly(*args: Any) -> None:
        make(*args)
        if slow:
            time.sleep(slow.pop())

    monkeypatch.setattr(pools, "make", make_slowly)
    answers = [app.http.post("/v1/pools", json={"name": "p"}, headers=KEYED) for _ in "123"]
    assert [one.status_code for one in answers] == [503, 201, 201]
    assert answers[1].json() == answers[2].json()
    assert app.http.get("/v1/pools").json()["items"] == [answers[1].json()]
