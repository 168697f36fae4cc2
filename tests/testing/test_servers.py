"""The servers for tests: what a slow link does to bytes, and servers in processes of their own."""

from __future__ import annotations

import http.client
from pathlib import Path

import pytest

from querist.sources.opening import Sources
from querist.testing.servers.http import HttpServer, Reply
from querist.testing.servers.link import Link
from querist.testing.servers.s3 import S3Server
from querist.testing.servers.separate import separate
from querist.testing.servers.slow_link import SlowLink


def test_a_link_lets_bytes_through_one_after_another() -> None:
    link = Link(rate=100.0)
    assert [link.through(0.0, 50), link.through(0.0, 50), link.through(9.0, 50)] == [0.5, 1.0, 9.5]
    assert Link().through(3.0, 1 << 30) == 3.0


def test_bytes_come_whole_through_a_slow_line() -> None:
    files = {"small": b"s", "large": bytes(range(256)) * 8000}
    link = Link(0.002, 50e6)
    with HttpServer(files) as server, SlowLink(server.port, link) as line, Sources() as sources:
        for name, data in files.items():
            assert sources.read(f"http://127.0.0.1:{line.port}/{name}") == data


def test_what_a_server_sends_before_it_closes_comes_through_a_narrow_line() -> None:
    body = bytes(range(256)) * 400
    with HttpServer({}) as server, SlowLink(server.port, Link(0.002, 1e6)) as line:
        server.replies["/last"] = Reply(body, headers={"Content-Length": None})
        with Sources() as sources:
            assert sources.read(f"http://127.0.0.1:{line.port}/last") == body


def test_s3_keeps_connections() -> None:
    moto = pytest.importorskip("moto.moto_server.werkzeug_app")
    with S3Server({"a": b"text"}) as server, Sources(options={"s3": server.options}) as sources:
        assert [sources.read(f"{server.url}a") for _ in range(2)] == [b"text"] * 2
        connection = http.client.HTTPConnection(server.endpoint.removeprefix("http://"))
        for _ in range(2):  # without a signature it is refused, and may ask again
            connection.request("GET", "/pool/a")
            answer = connection.getresponse()
            answer.read()
            assert (answer.status, answer.will_close) == (403, False)
        connection.close()
    assert moto.MotoRequestHandler.protocol_version == "HTTP/1.0"  # ours alone was changed


def test_a_slow_server_answers_the_same() -> None:
    files = {"small": b"s", "large": bytes(range(256)) * 8000}
    with HttpServer(files, Link(0.002, 50e6)) as server, Sources() as sources:
        assert [sources.read(server.url + name) for name in files] == list(files.values())


@pytest.mark.parametrize("kind", ["http", "s3", "ftp"])
def test_a_server_in_a_process_of_its_own(kind, tmp_path: Path) -> None:
    pytest.importorskip({"http": "numpy", "s3": "moto", "ftp": "pyftpdlib"}[kind])
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b.txt").write_bytes(b"text")
    running = separate(kind, tmp_path, latency=0.001)
    with running as server, Sources(options=server.options) as sources:
        (entry,) = sources.entries(server.url)
        assert sources.read(entry.uri) == b"text"
