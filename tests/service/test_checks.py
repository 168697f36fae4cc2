"""Reviews of labels, and comparisons of two ways to run a model, over HTTP."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

HERE = str(Path(__file__).resolve().parent)  # jobs import the models from here
WORDS = {"animal": ("cat", "dog", "horse"), "tool": ("saw", "drill", "hammer")}
WRONG = {"cat-3": "tool", "saw-7": "animal", "drill-1": "animal"}
FILE = {"Content-Type": "application/octet-stream"}
MODELS = {"use": ["features", "python"], "python": ["texts_of_checks:sure", "texts_of_checks:dull"]}


@pytest.fixture(scope="module")
def texts(tmp_path_factory, settings_for, make_local, finished) -> Iterator[Any]:
    """An application with a pool of texts, three of whose labels are wrong: ``app.pool``."""
    with ExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        patch.setenv("PYTHONPATH", os.pathsep.join([HERE, *sys.path]))
        settings = settings_for(tmp_path_factory.mktemp("data"), models=MODELS)
        app = make_local(settings, stack)
        body = {"name": "words", "classes": list(WORDS), "transform": {"modality": "text"}}
        app.pool = app.http.post("/v1/pools", json=body).json()["id"]
        lines = [
            {"id": f"{word}-{n}", "text": f"the {word} of size {n}", "label": kind}
            for kind, some in WORDS.items()
            for word in some
            for n in range(12)
        ]
        lines = [{**line, "label": WRONG.get(line["id"], line["label"])} for line in lines]
        sent = "\n".join(map(json.dumps, lines)).encode()
        url = f"/v1/pools/{app.pool}/manifests"
        job = app.http.post(url, params={"format": "jsonl"}, content=sent, headers=FILE).json()
        assert finished(app.http, job["id"])["state"] == "done"
        yield app


@pytest.mark.slow
def test_doubtful_labels_are_listed_until_they_are_changed_or_forgotten(texts, finished) -> None:
    pytest.importorskip("cleanlab")
    http, url = texts.http, f"/v1/pools/{texts.pool}/reviews"
    headers = {"Idempotency-Key": "one"}
    job = http.post(url, json={}, headers=headers).json()
    assert (job["kind"], job["issues"]) == ("review", None)
    assert http.post(url, json={}, headers=headers).json()["id"] == job["id"]
    done = finished(http, job["id"])
    assert (done["state"], done["issues"] >= 3) == ("done", True), done
    listed = f"/v1/reviews/{job['id']}/issues"
    found = {one["id"]: one for one in http.get(listed).json()["items"]}
    assert set(found) >= set(WRONG)
    worst = found["cat-3"]
    assert (worst["given"], worst["suggested"]) == ("tool", "animal")
    assert worst["item"] == "the cat of size 3"
    first = http.get(listed, params={"limit": 2}).json()
    rest = http.get(listed, params={"after": first["next"]}).json()
    assert [one["id"] for one in first["items"] + rest["items"]] == list(found)
    said = {"labels": [{"id": "saw-7", "value": "tool"}]}
    assert http.post(f"/v1/pools/{texts.pool}/labels", json=said).status_code == 201
    assert http.post(f"/v1/pools/{texts.pool}/erasures", json={"items": ["drill-1"]}).is_success
    left = {one["id"] for one in http.get(listed).json()["items"]}
    assert left == set(found) - {"saw-7", "drill-1"}
    kept = next(texts.settings.data.glob(f"tenants/*/jobs/{job['id']}/doubts.json"))
    assert "cat-3" in kept.read_text()
    assert "drill-1" not in kept.read_text()
    assert "size" not in kept.read_text()  # ids, not contents
    assert http.get(f"/v1/queries/{job['id']}").status_code == 404
    stranger = texts.key("another")
    assert http.get(listed, headers=texts.as_(stranger)).status_code == 404


@pytest.mark.slow
def test_too_few_labels_are_a_sentence(texts, finished) -> None:
    http = texts.http
    body = {"name": "few", "transform": {"modality": "text"}}
    pool = http.post("/v1/pools", json=body).json()["id"]
    job = http.post(f"/v1/pools/{pool}/reviews", json={}).json()
    assert http.get(f"/v1/reviews/{job['id']}/issues").status_code == 409
    done = finished(http, job["id"])
    assert (done["state"], "at least 10 labels" in done["error"]) == ("failed", True)


def model(http, function: str) -> str:
    settings = {"use": "python", "function": f"texts_of_checks:{function}"}
    made = http.post("/v1/models", json={"name": function, "settings": settings})
    assert made.status_code == 201, made.text
    return made.json()["id"]


def test_a_model_is_compared_with_itself_in_another_way(texts, finished) -> None:
    http, url = texts.http, f"/v1/pools/{texts.pool}/agreements"
    sure = model(http, "sure")
    dull = {"function": "texts_of_checks:dull"}
    body = {"model": sure, "other": dull, "budget": 10, "strategy": "entropy", "limit": 50}
    job = http.post(url, json=body).json()
    assert (job["kind"], job["agreement"]) == ("agreement", None)
    done = finished(http, job["id"])
    assert done["state"] == "done", done
    found = done["agreement"]
    assert (found["picks"], found["rows"]) == (10, 50)
    assert 0.0 <= found["share"] < 1.0
    assert found["differences"]["probabilities"] > 0.1
    same = http.post(url, json={"model": sure, "other": {}}).json()
    assert finished(http, same["id"])["agreement"]["share"] == 1.0


@pytest.mark.parametrize(
    ("other", "more", "sentence"),
    [
        ({"function": "os:system"}, {}, "may not be used here"),
        ({"use": "torch"}, {}, "should be one of"),
        ({"url": "http://169.254.169.254/"}, {}, "may not be used here"),
        ({}, {"strategy": "random"}, "picks by something else"),
        ({}, {"budget": -1}, "budget"),
        ({}, {"limit": 10**9}, "limit"),
    ],
)
def test_another_way_is_checked_like_a_new_model(texts, other, more, sentence) -> None:
    http, url = texts.http, f"/v1/pools/{texts.pool}/agreements"
    found = http.get("/v1/models", params={"name": "sure"}).json()["items"]
    sure = found[0]["id"] if found else model(http, "sure")
    refused = http.post(url, json={"model": sure, "other": other, **more})
    assert refused.status_code == 422, refused.text
    assert sentence in refused.text


@pytest.mark.slow
def test_checks_at_a_service_from_the_command_line(serve, tmp_path, monkeypatch) -> None:
    pytest.importorskip("cleanlab")
    monkeypatch.syspath_prepend(HERE)
    from command_line import call

    server = serve(tenants={"default": {"roots": [str(tmp_path)]}}, models=MODELS)
    at = ("--server", server.url)
    lines = [
        {
            "id": f"{word}-{n}",
            "text": f"the {word} of size {n}",
            "label": WRONG.get(f"{word}-{n}", kind),
        }
        for kind, some in WORDS.items()
        for word in some
        for n in range(12)
    ]
    (tmp_path / "words.jsonl").write_text("\n".join(map(json.dumps, lines)))
    made = call("pool", "create", "words", tmp_path / "words.jsonl", "--modality", "text", *at)
    assert made.exit_code == 0, made.output
    said = ["--progress", "none", *at]
    found = call("pool", "issues", "words", "-o", tmp_path / "todo.csv", *said)
    assert set(WRONG) <= {line.split()[0] for line in found.stdout.splitlines()}, found.output
    assert "cat-3,the cat of size 3,tool,animal," in (tmp_path / "todo.csv").read_text()
    model = ["-m", "use=python", "-m", "function=texts_of_checks:sure"]
    other = ["--other", "function=texts_of_checks:dull"]
    told = call("query", "agreement", "words", *model, *other, "-n", "10", "--json", *said)
    assert told.exit_code == 0, told.output
    assert json.loads(told.stdout)["picks"] == 10
