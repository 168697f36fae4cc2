"""Every operation of the interface, with whatever its document allows and what it does not."""

from __future__ import annotations

import time

import pytest

pytestmark = pytest.mark.slow

SECONDS = 40.0
STREAMS = ("/v1/jobs/{job}/events",)


def test_the_server_keeps_to_its_document(tmp_path, settings_for) -> None:
    schemathesis = pytest.importorskip("schemathesis")
    from hypothesis import HealthCheck, given, settings
    from schemathesis.checks import not_a_server_error

    from querist.service.app import create_app

    config = {"quota": {"requests_per_minute": 1_000_000}, "jobs": {"here": False}}
    app = create_app(settings_for(tmp_path, **config))
    from fastapi.testclient import TestClient

    with TestClient(app, base_url="http://127.0.0.1", client=("127.0.0.1", 5)) as client:
        schema = schemathesis.openapi.from_dict(client.get("/v1/openapi.json").json())
        operations = [one.ok() for one in schema.get_all_operations()]
        assert len(operations) >= 60
        seen = 0
        began = time.monotonic()
        for operation in operations:
            if operation.path in STREAMS or time.monotonic() - began > SECONDS:
                continue
            seen += 1

            @given(case=operation.as_strategy())
            @settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
            def check(case, operation=operation) -> None:
                sent = case.as_transport_kwargs(base_url="http://127.0.0.1")
                try:
                    answer = client.request(**_plain(sent))
                except (UnicodeError, ValueError):  # a header that no client can send
                    return
                assert answer.status_code < 500, (sent, answer.text)
                if answer.status_code >= 400:
                    assert answer.headers["content-type"] == "application/problem+json"
                    known = operation.definition.raw["responses"]
                    assert str(answer.status_code) in known, (operation.path, answer.status_code)
                elif answer.headers.get("content-type") == "application/json":
                    answer.json()

            check()
    assert not_a_server_error
    assert seen >= 40


def _plain(sent: dict) -> dict:
    kept = {name: sent[name] for name in ("method", "url", "headers", "params") if name in sent}
    body = {name: sent[name] for name in ("json", "data", "content") if sent.get(name) is not None}
    if "data" in body:
        body["content"] = body.pop("data")
        if not isinstance(body["content"], bytes | str):
            body.pop("content")
    return {**kept, **body}
