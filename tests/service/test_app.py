"""The application as a whole: what it answers, to whom, and what it refuses."""

from __future__ import annotations

import importlib
import inspect
import json
import pkgutil
import re
from pathlib import Path

import pytest

from querist.service.routes.table import ROUTES

HEADERS = {
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "cache-control": "no-store",
}


def test_it_lives_and_is_ready(local) -> None:
    http = local().http
    assert http.get("/health/live").json()["status"] == "ok"
    assert set(http.get("/health/ready").json()["checks"].values()) == {"ok"}


def test_it_is_not_ready_without_its_database(local) -> None:
    app = local()
    app.service.index.close()
    (app.settings.data / "index.sqlite").unlink()
    (app.settings.data / "index.sqlite").mkdir()
    answer = app.http.get("/health/ready")
    assert answer.status_code == 503
    assert "index" in answer.json()["detail"]
    (app.settings.data / "index.sqlite").rmdir()


def test_every_answer_has_an_id_and_tells_browsers_to_keep_nothing(shared) -> None:
    http = shared.http
    for answer in (http.get("/v1"), http.get("/nowhere"), http.post("/v1/pools", content=b"{")):
        assert {name: answer.headers[name] for name in HEADERS} == HEADERS
        assert re.fullmatch("req_[a-z2-7]{20}", answer.headers["x-request-id"])


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nowhere", 404),
        ("PUT", "/v1/pools", 405),
        ("GET", "/v1/pools/pol_aaaaaaaaaaaaaaaaaaaa", 404),
        ("GET", "/v1/pools?limit=0", 422),
        ("GET", "/v1/jobs?state=sleeping", 422),
    ],
)
def test_errors_are_problem_documents(shared, method: str, path: str, status: int) -> None:
    answer = shared.http.request(method, path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == status
    assert problem["type"].startswith("/problems/")
    assert problem["instance"] == answer.headers["x-request-id"]


def test_an_unknown_key_gets_the_nearest_one(shared) -> None:
    answer = shared.http.post("/v1/pools", json={"name": "a", "clases": ["x"]})
    assert answer.status_code == 422
    (fault,) = answer.json()["errors"]
    assert fault["pointer"] == "/clases"
    assert "'classes'" in fault["detail"]


def test_an_error_of_ours_shows_nothing_of_the_inside(shared, monkeypatch) -> None:
    app = shared

    def broken(*_: object) -> None:
        raise RuntimeError("the password is hunter2")

    monkeypatch.setattr(app.service.metrics, "text", broken)
    answer = app.http.get("/metrics")
    assert answer.status_code == 500
    assert answer.json()["type"] == "/problems/internal"
    assert "hunter2" not in answer.text
    assert "Traceback" not in answer.text


def test_the_place_of_the_servers_folder_is_not_told(shared, monkeypatch) -> None:
    from querist.core.errors import ConfigError

    data = shared.service.workspace.data

    def broken(*_: object) -> None:
        raise ConfigError(f"{data}/tenants/x is no head", (f"{data}/y is missing",))

    monkeypatch.setattr(shared.service.metrics, "text", broken)
    answer = shared.http.get("/metrics")
    assert answer.status_code == 422
    assert str(data) not in answer.text
    assert "DATA/tenants/x is no head" in answer.json()["detail"]
    assert answer.json()["errors"][0]["detail"] == "DATA/y is missing"


def test_the_document_of_the_interface_has_every_route_and_its_problems(shared) -> None:
    document = shared.http.get("/v1/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    found = {(method.upper(), path) for path, item in document["paths"].items() for method in item}
    assert found == {(route.method, route.path.replace(":path}", "}")) for route in ROUTES}
    for item in document["paths"].values():
        for operation in item.values():
            refused = {status for status in operation["responses"] if status >= "400"}
            assert {"404", "422", "429", "500"} <= refused
            for status in refused:
                assert "application/problem+json" in operation["responses"][status]["content"]


def test_every_operation_is_explained_with_examples(shared) -> None:
    document = shared.http.get("/v1/openapi.json").json()
    names = set()
    for path, item in document["paths"].items():
        for method, operation in item.items():
            where = f"{method} {path}"
            assert operation["summary"].endswith("."), where
            assert len(operation["summary"]) < 120, where
            assert "Needs " in operation["description"], where
            assert operation["operationId"] not in names, where
            names.add(operation["operationId"])
            for parameter in operation.get("parameters", ()):
                assert parameter["description"], where
            bodies = {"asked": operation.get("requestBody", {}), **operation["responses"]}
            for status, body in bodies.items():
                assert status == "asked" or body["description"]
                for kind, content in body.get("content", {}).items():
                    assert "schema" in content, (where, status)
                    if kind != "application/octet-stream":
                        assert {"example", "examples"} & set(content), (where, status)
    # What is no JSON is not said to be.
    for path, kind in (
        ("/metrics", "text/plain"),
        ("/v1/pools/{pool}/export", "application/octet-stream"),
        ("/v1/jobs/{job}/events", "text/event-stream"),
    ):
        assert set(document["paths"][path]["get"]["responses"]["200"]["content"]) == {kind}


def test_the_examples_are_what_they_are_examples_of(shared) -> None:
    from querist.service import wire
    from querist.service.wire.base import Ask, Told
    from querist.service.wire.examples import EXAMPLES, PARAMETERS
    from querist.service.wire.problem import Problem

    models = {}
    for found in pkgutil.iter_modules(wire.__path__):
        module = importlib.import_module(f"{wire.__name__}.{found.name}")
        models |= {n: m for n, m in vars(module).items() if inspect.isclass(m)}
    for name, example in EXAMPLES.items():
        assert issubclass(models[name], Ask | Told)
        told = models[name].model_validate_json(json.dumps(example), strict=False)
        assert set(example) <= set(type(told).model_fields), name
    document = shared.http.get("/v1/openapi.json").json()
    operations = [one for item in document["paths"].values() for one in item.values()]
    used = {p["name"] for one in operations for p in one.get("parameters", ())}
    assert used == set(PARAMETERS)
    for operation in operations:
        for response in operation["responses"].values():
            problem = response.get("content", {}).get("application/problem+json", {})
            for one in problem.get("examples", {}).values():
                assert Problem.model_validate(one["value"]).type.startswith("/problems/")


def test_no_page_loads_scripts_from_elsewhere(shared) -> None:
    for path in ("/docs", "/redoc", "/docs/oauth2-redirect", "/openapi.json"):
        answer = shared.http.get(path)
        assert answer.status_code == 404, path
        assert answer.headers["content-type"] == "application/problem+json"


def test_the_page_lists_every_route(request) -> None:
    page = (Path(request.config.rootpath) / "docs/service.md").read_text(encoding="utf-8")
    listed = set()
    for methods, path in re.findall(r"^\| ([A-Z, ]+) \| `([^`]+)` \|", page, flags=re.MULTILINE):
        listed |= {(method, path) for method in methods.split(", ")}
    assert listed == {(route.method, route.path.replace(":path}", "}")) for route in ROUTES}


def test_metrics_count_requests_by_route(shared) -> None:
    http = shared.http
    http.get("/v1/pools")
    http.get("/v1/pools/../../etc/passwd")
    text = http.get("/metrics").text
    assert 'querist_requests_total{method="GET",route="/v1/pools",status="200"} 1.0' in text
    assert "passwd" not in text
    assert "querist_disk_free_bytes" in text


def test_strategies_are_those_of_the_registry(shared) -> None:
    http = shared.http
    first = http.get("/v1/strategies", params={"limit": 5}).json()
    assert len(first["items"]) == 5
    second = http.get("/v1/strategies", params={"limit": 5, "after": first["next"]}).json()
    names = [one["name"] for one in first["items"] + second["items"]]
    assert len(set(names)) == 10
    assert http.get("/v1/strategies/margin").json()["needs"] == ["probabilities"]
    assert http.get("/v1/strategies/mergin").status_code == 404
    assert http.get("/v1/strategies/top(margin)").status_code == 404


def test_json_that_is_too_deep_or_too_long_a_number_is_refused(shared) -> None:
    http = shared.http
    json_type = {"content-type": "application/json"}
    for body in (b'{"name":' * 100_000, b"[" * 200_000, b'{"name": ' + b"9" * 10_000 + b"}"):
        answer = http.post("/v1/pools", content=body, headers=json_type)
        assert answer.status_code in (400, 422), body[:20]
    assert json.loads(answer.text)["status"] == answer.status_code


def test_the_page_begins_with_pools_where_there_are_no_campaigns(shared) -> None:
    assert shared.http.get("/v1").json()["shows"] == ["pools", "campaigns"]
