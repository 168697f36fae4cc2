"""What every request must pass: host, origin, sizes, times."""

from __future__ import annotations

import asyncio
import socket
import time

import pytest

from querist.service.guard import Guard
from querist.service.settings import parse_settings


def test_the_server_answers_for_its_own_names(local) -> None:
    app = local(listen={"hosts": ["label.example.org"]})
    own = ["127.0.0.1", "localhost:8600", "LOCALHOST", "[::1]:8600", "label.example.org"]
    for host in own:
        assert app.http.get("/v1", headers={"Host": host}).status_code == 200, host


@pytest.mark.parametrize(
    "host",
    ["evil.example.org", "127.0.0.1.evil.org", "localhost.evil.org:8600", "10.0.0.1", "", "a b"],
)
def test_a_rebound_name_is_refused(shared, host: str) -> None:
    answer = shared.http.get("/v1", headers={"Host": host})
    assert answer.status_code == 421
    assert answer.json()["type"] == "/problems/wrong-host"


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example.org"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:9999"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_web_pages_cannot_send_requests_in_a_users_name(shared, headers) -> None:
    answer = shared.http.post("/v1/pools", json={"name": "forged"}, headers=headers)
    assert answer.status_code == 403
    assert answer.json()["type"] == "/problems/foreign-origin"
    assert shared.http.get("/v1/pools", params={"name": "forged"}).json()["items"] == []


def test_a_form_is_not_read_as_json(shared) -> None:
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
        answer = shared.http.post(
            "/v1/pools", content=b'{"name":"a"}', headers={"Content-Type": kind}
        )
        assert answer.status_code == 415
    assert shared.http.post("/v1/pools", content=b'{"name":"a"}').status_code == 415


def test_pages_of_other_origins_read_nothing_unless_they_are_listed(local) -> None:
    page = "https://label.example.org"
    app = local(listen={"origins": [page]})
    answer = app.http.get("/v1", headers={"Origin": page})
    assert answer.headers["access-control-allow-origin"] == page
    assert (
        app.http.post("/v1/pools", json={"name": "a"}, headers={"Origin": page}).status_code == 201
    )
    other = app.http.get("/v1", headers={"Origin": "https://evil.example.org"})
    assert "access-control-allow-origin" not in other.headers


def test_a_browser_may_ask_first_for_a_listed_page_only(local) -> None:
    page = "https://label.example.org"
    app = local(listen={"origins": [page]}, keys={"without": "loopback"})
    asks = {
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization",
    }
    allowed = app.http.options("/v1/pools", headers={"Origin": page, **asks})
    assert allowed.status_code == 204
    assert allowed.headers["access-control-allow-origin"] == page
    assert "Authorization" in allowed.headers["access-control-allow-headers"]
    assert "PATCH" in allowed.headers["access-control-allow-methods"]
    assert "access-control-allow-credentials" not in allowed.headers
    for origin in ("https://evil.example.org", "null", f"{page}.evil.org", ""):
        other = app.http.options("/v1/pools", headers={"Origin": origin, **asks})
        assert other.status_code == 405
        assert not [name for name in other.headers if name.startswith("access-control")]
    wrong = app.http.options("/v1/pools", headers={"Origin": page, "Host": "evil.org", **asks})
    assert wrong.status_code == 421


def test_a_body_over_the_limit_is_refused_stated_or_not(local) -> None:
    http = local(limits={"body": 2048}).http
    json_type = {"Content-Type": "application/json"}
    stated = http.post("/v1/pools", content=b" " * 5000, headers=json_type)
    streamed = http.post("/v1/pools", content=iter([b" " * 1500] * 4), headers=json_type)
    for answer in (stated, streamed):
        assert answer.status_code == 413
        assert answer.json()["type"] == "/problems/too-large"


def test_a_pool_name_cannot_break_out_of_a_header(shared) -> None:
    for name in ("a\r\nSet-Cookie: x=1", 'a"; evil', "a\u2028b"):
        made = shared.http.post("/v1/pools", json={"name": name})
        assert made.status_code in (201, 422)


class Slow:
    """A client that sends a body in drops."""

    def __init__(self, pause: float) -> None:
        self.pause, self.sent = pause, []

    async def receive(self):
        await asyncio.sleep(self.pause)
        return {"type": "http.request", "body": b"x", "more_body": True}

    async def send(self, message) -> None:
        self.sent.append(message)


def scope(path: str = "/v1/pools", **more):
    headers = [(b"host", b"127.0.0.1"), (b"content-type", b"application/json")]
    found = {"type": "http", "method": "POST", "path": path, "headers": headers}
    return {**found, "client": ("127.0.0.1", 5), **more}


def run(app, settings, client: Slow, **more) -> int:
    seen: list[int] = []
    guard = Guard(app, settings, lambda _: False, lambda _, status, __: seen.append(status))
    asyncio.run(guard(scope(**more), client.receive, client.send))
    return seen[0]


async def reads_all(scope, receive, send) -> None:
    while (await receive()).get("more_body"):
        pass


async def never_answers(scope, receive, send) -> None:
    await asyncio.sleep(60)


def test_a_slow_body_ends_with_408() -> None:
    settings = parse_settings({"limits": {"body_seconds": 0.2}}, "here")
    assert run(reads_all, settings, Slow(0.05)) == 408


def test_an_answer_that_takes_too_long_ends_with_503() -> None:
    settings = parse_settings({"limits": {"request_seconds": 0.1, "body_seconds": 0.1}}, "here")
    assert run(never_answers, settings, Slow(0.01)) == 503


def test_a_request_without_or_with_two_hosts_is_refused() -> None:
    settings = parse_settings({}, "here")
    for headers in ([], [(b"host", b"127.0.0.1"), (b"host", b"evil.org")]):
        assert run(reads_all, settings, Slow(0.01), headers=headers) == 400


def test_a_websocket_is_closed() -> None:
    client = Slow(0.0)
    guard = Guard(reads_all, parse_settings({}, "here"), lambda _: False, lambda *_: None)
    asyncio.run(guard({"type": "websocket", "headers": []}, client.receive, client.send))
    assert client.sent == [{"type": "websocket.close", "code": 1008}]


def test_raw_nonsense_on_the_socket_does_not_harm_the_server(serve) -> None:
    server = serve(limits={"body_seconds": 0.5})
    nonsense = [
        b"\x00\xff" * 100,
        b"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
        b"GET /v1 HTTP/1.1\r\nHost: 127.0.0.1\r\nX: " + b"a" * 200_000 + b"\r\n\r\n",
        b"POST /v1/pools HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: -5\r\n\r\n",
        (
            b"POST /v1/pools HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 5\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
        ),
        b"GET /%00%0d%0aSet-Cookie:x HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"GET http://evil.example.org/ HTTP/1.1\r\nHost: evil.example.org\r\n\r\n",
    ]
    for text in nonsense:
        with socket.create_connection(("127.0.0.1", server.port), timeout=5) as raw:
            raw.sendall(text)
            answer = raw.recv(65536)
            assert b"Traceback" not in answer
            assert answer == b"" or answer.split(b" ")[1][:1] == b"4", (text[:40], answer[:200])
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as raw:
        head = b"POST /v1/pools HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 50\r\n"
        raw.sendall(head + b"Content-Type: application/json\r\n\r\n{")
        began = time.monotonic()
        assert raw.recv(65536).startswith(b"HTTP/1.1 408")
        assert time.monotonic() - began < 8
    with server.client() as client:
        assert client.get("/health/ready").status_code == 200
    assert "Traceback" not in server.log


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "http://127.0.0.1"}, 201),
        ({"Origin": "http://127.0.0.1", "Sec-Fetch-Site": "same-origin"}, 201),
        ({"Origin": "https://127.0.0.1", "Sec-Fetch-Site": "same-origin"}, 201),
        ({"Origin": "https://127.0.0.1"}, 403),
        ({"Origin": "https://127.0.0.1", "Sec-Fetch-Site": "same-site"}, 403),
        ({"Origin": "http://127.0.0.1", "Sec-Fetch-Site": "cross-site"}, 403),
        ({"Origin": "http://127.0.0.1:81", "Sec-Fetch-Site": "same-origin"}, 403),
    ],
)
def test_the_own_page_may_send_requests(local, headers: dict, status: int) -> None:
    answer = local().http.post("/v1/pools", json={"name": "own"}, headers=headers)
    assert answer.status_code == status, answer.text
