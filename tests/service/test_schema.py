"""Every operation of the interface, with whatever its document allows and what it does not."""

from __future__ import annotations

import time

import pytest
from hypothesis import HealthCheck, given, settings

from querist.service.app import create_app

pytestmark = pytest.mark.slow

SECONDS = 60.0
STREAMS = ("/v1/jobs/{job}/events",)


def try_out(client, operation) -> None:
    """Send what schemathesis makes of an operation, and hold the answers to the document."""
    known = operation.definition.raw["responses"]

    @given(case=operation.as_strategy())
    @settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
    def check(case) -> None:
        sent = plain(case.as_transport_kwargs(base_url="http://127.0.0.1"))
        try:
            answer = client.request(**sent)
        except (UnicodeError, ValueError):  # a header or path that no client can send
            return
        assert answer.status_code < 500, (sent, answer.text)
        assert str(answer.status_code) in known, (operation.path, answer.status_code)
        if answer.status_code >= 400:
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.json()["status"] == answer.status_code

    check()


def plain(sent: dict) -> dict:
    kept = {name: sent[name] for name in ("method", "url", "headers", "params") if name in sent}
    body = {name: sent[name] for name in ("json", "data", "content") if sent.get(name) is not None}
    if "data" in body:
        data = body.pop("data")
        body |= {"content": data} if isinstance(data, bytes | str) else {}
    return {**kept, **body}


def test_the_server_keeps_to_its_document(tmp_path, settings_for) -> None:
    schemathesis = pytest.importorskip("schemathesis")
    from fastapi.testclient import TestClient

    config = {"quota": {"requests_per_minute": 1_000_000}, "jobs": {"here": False}}
    app = create_app(settings_for(tmp_path, **config))
    with TestClient(app, base_url="http://127.0.0.1", client=("127.0.0.1", 5)) as client:
        schema = schemathesis.openapi.from_dict(client.get("/v1/openapi.json").json())
        operations = [one.ok() for one in schema.get_all_operations()]
        assert len(operations) >= 60
        began, seen = time.monotonic(), 0
        for operation in operations:
            if operation.path not in STREAMS and time.monotonic() - began < SECONDS:
                try_out(client, operation)
                seen += 1
    assert seen >= 40
