"""What one tenant does must not take the server from the others."""

from __future__ import annotations

import json
import socket
import time
from contextlib import ExitStack

import pytest

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
