"""Webhooks: signed, tried again, and never sent where they may not go."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from querist.service.index.index import change, find, now
from querist.service.settings import WebhookSettings
from querist.service.webhooks.posting import NoSend, check_target, post
from querist.service.webhooks.signing import sign, verify


class Receiver(ThreadingHTTPServer):
    """Keeps what it gets; answers with the statuses it was given, then 200."""

    def __init__(self) -> None:
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.answers: list[int] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.got.append((dict(self.headers), body))
                status = receiver.answers.pop(0) if receiver.answers else 200
                self.send_response(status)
                if status == 302:
                    self.send_header("Location", f"{receiver.url}elsewhere")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}/"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    server = Receiver()
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


OPEN = {"plain": True, "private": True, "first_pause": 0.01}


def wait_until(test, seconds: float = 15) -> None:
    for _ in range(int(seconds / 0.02)):
        if test():
            return
        time.sleep(0.02)
    raise AssertionError("it did not come")


def test_a_message_is_signed_and_its_secret_is_shown_once(local, receiver) -> None:
    app = local(webhooks=OPEN)
    made = app.http.post("/v1/webhooks", json={"url": receiver.url}).json()
    assert app.http.get(f"/v1/webhooks/{made['id']}").json()["secret"] == ""
    app.http.post(f"/v1/webhooks/{made['id']}/ping")
    wait_until(lambda: receiver.got)
    headers, body = receiver.got[0]
    assert headers["Querist-Event"] == "ping"
    assert json.loads(body)["id"] == headers["Querist-Delivery"]
    signature = headers["Querist-Signature"]
    assert verify(made["secret"], body, signature, time.time())
    assert not verify(made["secret"], body + b" ", signature, time.time())
    assert not verify("another", body, signature, time.time())
    assert not verify(made["secret"], body, signature, time.time() + 301)


def test_a_failed_message_is_sent_again_and_in_the_end_given_up(local, receiver) -> None:
    app = local(webhooks={**OPEN, "attempts": 3})
    hook = app.http.post("/v1/webhooks", json={"url": receiver.url}).json()["id"]
    path = f"/v1/webhooks/{hook}/deliveries"

    def newest() -> dict:
        return app.http.get(path).json()["items"][0]

    receiver.answers = [500, 503]
    app.http.post(f"/v1/webhooks/{hook}/ping")
    wait_until(lambda: newest()["state"] == "delivered")
    assert (newest()["attempts"], newest()["status"]) == (3, 200)
    receiver.answers = [302, 500, 404]
    app.http.post(f"/v1/webhooks/{hook}/ping")
    wait_until(lambda: newest()["state"] == "given-up")
    assert len(receiver.got) == 6  # no redirect was followed
    assert "404" in newest()["error"]


def test_only_wanted_events_of_ones_own_tenant_are_sent(local, receiver) -> None:
    app = local(webhooks=OPEN)
    wanted = {"url": receiver.url, "events": ["job.done"]}
    app.http.post("/v1/webhooks", json=wanted)
    other = app.as_(app.key("other"))
    app.http.post("/v1/webhooks", json={"url": receiver.url}, headers=other)
    pool = app.http.post("/v1/pools", json={"name": "p"}).json()["id"]
    app.http.post(f"/v1/pools/{pool}/labels", json={"labels": [{"id": "x", "value": "y"}]})
    with app.service.index.read() as connection:
        assert find(connection, "deliveries") is None


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/",
        "ftp://example.org/",
        "https://user:password@example.org/",
        "https:///nowhere",
        "https://example.org/a b",
        "https://example.org:99999/",
        "file:///etc/passwd",
    ],
)
def test_targets_that_make_no_sense_are_refused(shared, url: str) -> None:
    assert shared.http.post("/v1/webhooks", json={"url": url}).status_code == 422


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "localhost",
        "10.0.0.1",
        "169.254.169.254",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "0.0.0.0",
    ],
)
def test_private_networks_are_not_connected_to(host: str, receiver) -> None:
    settings = WebhookSettings(plain=True, seconds=1)
    with pytest.raises(NoSend):
        post(f"http://{host}:{receiver.server_port}/", b"{}", {}, settings)
    assert receiver.got == []


def test_only_listed_hosts_are_told() -> None:
    settings = WebhookSettings(hosts=("hooks.example.org",), seconds=1)
    assert check_target("https://hooks.example.org/x?y", settings)[1] == "hooks.example.org"
    with pytest.raises(NoSend, match="not among"):
        post("https://evil.example.org/", b"{}", {}, settings)


def test_a_signature_has_a_form() -> None:
    for header in ("", "t=1", "v1=aa", "t=x,v1=" + "0" * 64, sign("a", b"", 1) + ","):
        assert not verify("a", b"", header, 1.0)


class Drip(threading.Thread):
    """Accepts connections and sends each a byte now and then, for ever."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listening.getsockname()[1]}/"
        self.accepted, self.over = 0, threading.Event()
        self.start()

    def run(self) -> None:
        while True:
            try:
                made, _ = self.listening.accept()
            except OSError:
                return
            self.accepted += 1
            threading.Thread(target=self.drip, args=(made,), daemon=True).start()

    def drip(self, made: socket.socket) -> None:
        with made:
            while not self.over.wait(0.05):
                try:
                    made.sendall(b"H")
                except OSError:
                    return

    def stop(self) -> None:
        self.over.set()
        self.listening.shutdown(socket.SHUT_RDWR)
        self.listening.close()
        self.join()


@pytest.fixture
def drip() -> Iterator[Drip]:
    server = Drip()
    yield server
    server.stop()


def test_a_target_that_drips_is_given_up(drip: Drip) -> None:
    settings = WebhookSettings(plain=True, private=True, seconds=0.5)
    with pytest.raises(NoSend, match="TimeoutError"):
        post(drip.url, b"{}", {}, settings)
    assert drip.accepted == 1


def test_slow_targets_do_not_keep_those_of_others_waiting(local, receiver, drip: Drip) -> None:
    app = local(webhooks={**OPEN, "seconds": 30.0})
    other = app.as_(app.key("other", "o", "query"))
    for _ in range(20):
        slow = app.http.post("/v1/webhooks", json={"url": drip.url}, headers=other).json()["id"]
        app.http.post(f"/v1/webhooks/{slow}/ping", headers=other)
    hook = app.http.post("/v1/webhooks", json={"url": receiver.url}).json()["id"]
    app.http.post(f"/v1/webhooks/{hook}/ping")
    wait_until(lambda: receiver.got)
    assert drip.accepted >= 1
    drip.over.set()  # so that the application may stop


def test_old_messages_are_forgotten_and_waiting_ones_kept(local) -> None:
    app = local(webhooks={**OPEN, "first_pause": 3000.0}, jobs={"here": False})
    hook = app.http.post("/v1/webhooks", json={"url": "http://127.0.0.1:1/"}).json()["id"]
    ids = [app.http.post(f"/v1/webhooks/{hook}/ping").json()["id"] for _ in range(3)]
    with app.service.index.write() as connection:
        for id, state, days in zip(
            ids, ("delivered", "waiting", "given-up"), (31, 31, 29), strict=True
        ):
            created = now() - 86_400 * days
            change(connection, "deliveries", {"id": id}, state=state, created=created)
    app.service._housekeeping.tidy()
    left = app.http.get(f"/v1/webhooks/{hook}/deliveries").json()["items"]
    assert {one["id"] for one in left} == set(ids[1:])
