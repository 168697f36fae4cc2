"""Rounds over HTTP: train on the labels that there are, query with the result, and again."""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import save

TRAINER = {"use": "linear_head"}


CONFIG = {"use": ["features", "head", "torch"], "builders": ["networks_of_rounds:stripes"]}


@pytest.fixture(scope="module")
def striped(tmp_path_factory, settings_for, make_local, finished) -> Iterator[Any]:
    """An application with a pool of sixty stripes, lying or standing: ``app.pool``."""
    folder = tmp_path_factory.mktemp("stripes")
    rng = np.random.default_rng(0)
    for number in range(60):
        pixels = rng.integers(0, 60, (16, 16, 3), np.uint8)
        if number % 2:
            pixels[::4] += 150
        else:
            pixels[:, ::4] += 150
        Image.fromarray(pixels).save(folder / f"{number:02d}.png")
    config = {"tenants": {"default": {"roots": [str(folder)]}}, "models": CONFIG}
    with ExitStack() as stack:
        app = make_local(settings_for(tmp_path_factory.mktemp("data"), **config), stack)
        app.folder = folder
        app.pool = new_pool(app, "stripes", finished)
        yield app


def new_pool(app, name: str, finished) -> str:
    body = {
        "name": name,
        "classes": ["lying", "standing"],
        "transform": {"modality": "image", "size": 16},
        "uris": [str(app.folder)],
    }
    pool = app.http.post("/v1/pools", json=body).json()
    assert finished(app.http, pool["addition"])["state"] == "done"
    return pool["id"]


@pytest.fixture
def fresh(striped, request, monkeypatch, finished):
    """The same with a pool that no other test has used."""
    monkeypatch.setattr(striped, "pool", new_pool(striped, request.node.name[:60], finished))
    return striped


def begin(app, **more):
    query = {"budget": 8, **more.pop("query", {})}
    body = {"query": query, "trainer": TRAINER, **more}
    headers = {"Idempotency-Key": more["once"]} if body.pop("once", "") else {}
    return app.http.post(f"/v1/pools/{app.pool}/rounds", json=body, headers=headers)


def label(app, query: str) -> None:
    """Say of what was picked what its name tells."""
    picks = app.http.get(f"/v1/queries/{query}/picks").json()["items"]
    said = [{"id": p["id"], "value": kind(p["uri"])} for p in picks]
    assert app.http.post(f"/v1/pools/{app.pool}/labels", json={"labels": said}).status_code == 201


def kind(uri: str) -> str:
    return ("standing", "lying")[int(Path(uri).stem) % 2]


@pytest.mark.slow
def test_rounds_learn_from_the_labels_of_the_rounds_before(fresh, finished) -> None:
    first = begin(fresh, once="a").json()
    assert begin(fresh, once="a").json()["id"] == first["id"]  # a request that was sent again
    assert (first["number"], first["trained"], first["picked"]) == (1, None, 0)
    job = finished(fresh.http, first["job"])
    assert (job["state"], job["kind"], job["counts"]["picked"]) == ("done", "round", 8)
    seen = fresh.http.get(f"/v1/rounds/{first['id']}").json()
    assert (seen["state"], seen["picked"], seen["labelled"]) == ("done", 8, 0)
    assert (seen["trained"], seen["metrics"]) == (None, {"labels": 0})  # nothing was labelled yet
    label(fresh, first["query"])
    second = begin(fresh, after=first["id"], query={"strategy": "margin"}).json()
    job = finished(fresh.http, second["job"])
    assert job["state"] == "done", job
    assert job["progress"]["done"] == job["progress"]["total"]
    seen = fresh.http.get(f"/v1/rounds/{second['id']}").json()
    assert seen["metrics"]["labels"] == 8
    assert seen["metrics"]["train.accuracy"] > 0.9
    assert seen["number"] == 2
    picks = fresh.http.get(f"/v1/queries/{second['query']}/picks").json()["items"]
    assert len(picks) == 8
    assert all("the model says" in pick["why"] for pick in picks)
    found = fresh.http.get(f"/v1/pools/{fresh.pool}/rounds").json()["items"]
    assert [one["id"] for one in found] == [second["id"], first["id"]]
    assert found[1]["labelled"] == 8
    queries = fresh.http.get("/v1/queries", params={"pool": fresh.pool}).json()["items"]
    assert [one["id"] for one in queries] == [second["query"], first["query"]]
    # What was trained is a model like any other: it asks a query, and is kept by its upload.
    model = fresh.http.get(f"/v1/models/{seen['trained']}").json()
    assert model["name"] == second["id"]
    assert model["settings"]["weights"].startswith("upload:")
    body = {"strategy": "entropy", "budget": 3, "model": seen["trained"]}
    query = fresh.http.post(f"/v1/pools/{fresh.pool}/queries", json=body).json()
    assert finished(fresh.http, query["id"])["state"] == "done"
    upload = model["settings"]["weights"].removeprefix("upload:")
    assert fresh.http.delete(f"/v1/uploads/{upload}").status_code == 409
    # What its owner removed does not come back.
    for path in (f"/v1/models/{seen['trained']}", f"/v1/uploads/{upload}"):
        assert fresh.http.delete(path).status_code == 204
    assert fresh.http.get(f"/v1/rounds/{second['id']}").status_code == 200
    for path in (f"/v1/models/{seen['trained']}", f"/v1/uploads/{upload}"):
        assert fresh.http.get(path).status_code == 404
    kept = f"tenants/*/pools/*/rounds/{second['id']}"
    assert list(fresh.settings.data.glob(kept))
    assert fresh.http.delete(f"/v1/jobs/{second['job']}").status_code == 204
    assert not list(fresh.settings.data.glob(kept))
    assert fresh.http.get(f"/v1/rounds/{second['id']}").status_code == 404


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"trainer": {"use": "os:system"}}, "should be one of linear_head, fine_tune"),
        ({"trainer": {"use": "linear_head", "l3": 1}}, "has no option 'l3'"),
        ({"trainer": {"use": "linear_head", "l2": "x"}}, "l2 is a number from 0"),
        ({"trainer": {"l2": 1}}, "should be one of"),
        ({"trainer": {"use": "fine_tune"}}, "needs one as model"),
        ({"trainer": {"use": "fine_tune", "members": 3}}, "leave 'members' out"),
        ({"query": {"strategy": "margn"}}, "margin"),
        ({"query": {"where": "all"}}, "leave 'where' out"),
        ({"query": {"budget": -1}}, "budget"),
        ({"query": {"model": "mod_aaaaaaaaaaaaaaaaaaaa"}}, "no model"),
    ],
)
def test_what_cannot_be_trained_is_refused(striped, wrong, sentence) -> None:
    answer = begin(striped, **wrong)
    assert answer.status_code == 422, answer.text
    assert sentence in answer.text
    assert striped.http.get(f"/v1/pools/{striped.pool}/rounds").json()["items"] == []


def test_a_round_that_does_not_follow_one_is_not_found(striped) -> None:
    assert begin(striped, after="rnd_aaaaaaaaaaaaaaaaaaaa").status_code == 404


def test_heads_of_requests_are_uploads_on_allowed_bases(striped) -> None:
    weights = save(
        {"weight": np.zeros((1, 4, 2), np.float32), "bias": np.zeros((1, 2), np.float32)}
    )
    headers = {"Content-Type": "application/octet-stream"}
    params = {"kind": "safetensors"}
    upload = striped.http.post("/v1/uploads", params=params, content=weights, headers=headers)
    head = {"use": "head", "weights": f"upload:{upload.json()['id']}", "classes": ["a", "b"]}
    for base, status in (
        ({"use": "features", "modality": "image"}, 201),
        ({"use": "python", "object": "os:system"}, 422),
        ({"use": "torch", "builder": "os:system"}, 422),
        ({"use": "torch", "builder": "networks_of_rounds:stripes", "weights": "/etc/passwd"}, 422),
        ({**head, "base": {"use": "features"}}, 422),
        ("features", 422),
        (None, 422),
    ):
        settings = {**head, "base": base}
        answer = striped.http.post("/v1/models", json={"name": "h", "settings": settings})
        assert answer.status_code == status, (base, answer.text)
    settings = {"use": "head", "base": {"use": "features"}, "weights": "/etc/passwd"}
    answer = striped.http.post("/v1/models", json={"name": "p", "settings": settings})
    assert answer.status_code == 422


@pytest.mark.slow
def test_a_network_is_fine_tuned_and_registered(fresh, finished, monkeypatch) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(Path(__file__).parent), *sys.path]))
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    settings = {"use": "torch", "builder": "networks_of_rounds:stripes"}
    body = {"name": "network", "settings": settings}
    model = fresh.http.post("/v1/models", json=body).json()["id"]
    trainer = {"use": "fine_tune", "epochs": 8, "batch_size": 8, "learning_rate": 0.01}
    first = begin(fresh, query={"model": model}, trainer=trainer).json()
    assert finished(fresh.http, first["job"])["state"] == "done"
    label(fresh, first["query"])
    second = begin(fresh, query={"model": model}, trainer=trainer).json()
    job = finished(fresh.http, second["job"], 120)
    assert job["state"] == "done", job
    seen = fresh.http.get(f"/v1/rounds/{second['id']}").json()
    assert (seen["model"], seen["metrics"]["labels"]) == (model, 8)
    made = fresh.http.get(f"/v1/models/{seen['trained']}").json()["settings"]
    assert made == {**settings, "classes": ["lying", "standing"], "weights": made["weights"]}


@pytest.mark.slow
def test_a_file_of_labels_answers_and_a_holdout_judges(fresh, finished) -> None:
    lines = [f"{path},{kind(str(path))}" for path in sorted(fresh.folder.glob("*.png"))]
    file = fresh.folder / "labels.csv"
    file.write_text("\n".join(["path,label", *lines]))
    body = {"budget": 10, "strategy": "random"}
    aside = fresh.http.post(f"/v1/pools/{fresh.pool}/queries", json=body).json()
    assert finished(fresh.http, aside["id"])["state"] == "done"
    oracle = {"use": "file", "labels": str(file)}
    made = [begin(fresh, holdout=aside["id"], oracle=oracle).json()]
    for _ in range(2):
        job = finished(fresh.http, made[-1]["job"])
        assert job["state"] == "done", job
        made.append(begin(fresh, holdout=aside["id"], oracle=oracle).json())
    finished(fresh.http, made[-1]["job"])
    seen = fresh.http.get(f"/v1/rounds/{made[1]['id']}").json()
    assert (seen["picked"], seen["labelled"], seen["waiting"]) == (8, 8, "")
    assert seen["holdout"] == aside["id"]
    last = fresh.http.get(f"/v1/rounds/{made[-1]['id']}").json()
    assert last["metrics"]["holdout.rows"] == 10
    assert last["metrics"]["holdout.accuracy"] > 0.8
    picked = {p["id"] for p in fresh.http.get(f"/v1/queries/{aside['id']}/picks").json()["items"]}
    for one in made[1:]:
        found = fresh.http.get(f"/v1/queries/{one['query']}/picks").json()["items"]
        assert not picked & {pick["id"] for pick in found}


class _Labels(BaseHTTPRequestHandler):
    """Labels all items but the first (``left``) by their names."""

    asked: ClassVar[list[Any]] = []
    left: ClassVar[int] = 1

    def do_POST(self) -> None:
        items = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["items"]
        self.asked.append((dict(self.headers), items))
        body = json.dumps(
            {"labels": {one["id"]: kind(one["uri"]) for one in items[self.left :]}}
        ).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Nothing."""


@pytest.mark.slow
@pytest.mark.parametrize("allowed", [True, False])
def test_a_service_labels_where_the_tenant_may_ask_it(
    allowed, local, pictures, finished, monkeypatch
) -> None:
    monkeypatch.setenv("QUERIST_LABELS_TOKEN", "the server's own")
    monkeypatch.setattr(_Labels, "asked", [])
    with ThreadingHTTPServer(("127.0.0.1", 0), _Labels) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        host = f"127.0.0.1:{server.server_port}"
        tenant: dict[str, Any] = {"roots": [str(pictures(12))]}
        if allowed:
            tenant |= {"model_hosts": [host], "private": True}
        app = local(tenants={"default": tenant})
        app.folder = pictures(12)
        app.pool = new_pool(app, "pictures", finished)
        oracle = {"use": "service", "labels": f"http://{host}/labels"}
        first = begin(app, oracle=oracle, trainer={}).json()
        if not allowed:
            assert "in neither models.remote of service.yaml" in first["detail"]
            return
        job = finished(app.http, first["job"])
        assert job["state"] == "done", job
        seen = app.http.get(f"/v1/rounds/{first['id']}").json()
        # The one that it left is first among those of the next try; so it is told to say all.
        monkeypatch.setattr(_Labels, "left", 0)
        again = app.http.post(f"/v1/rounds/{first['id']}/answers").json()
        assert again["kind"] == "answers"
        assert finished(app.http, again["id"])["state"] == "done"
        server.shutdown()
    [(headers, items), (_, rest)] = _Labels.asked
    assert [one["id"] for one in rest] == [items[0]["id"]]
    later = app.http.get(f"/v1/rounds/{first['id']}").json()
    assert (later["labelled"], later["waiting"]) == (8, "")
    assert "Authorization" not in headers  # the server's token is for nobody else
    assert len(items) == 8
    assert (seen["picked"], seen["labelled"]) == (8, 7)
    assert "has not labelled 1 picked items yet" in seen["waiting"]


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"oracle": {"use": "person"}}, "An oracle is"),
        ({"oracle": {"use": "file", "labels": "/etc/passwd"}}, "cannot be read"),
        ({"oracle": {"use": "file", "labels": ""}}, "is needed"),
        ({"oracle": {"use": "service", "labels": "file:///etc/passwd"}}, "http(s) address"),
        ({"oracle": {"use": "service", "labels": ["x"]}}, "labels"),
        ({"oracle": {"use": "service", "labels": "http://127.0.0.1:9/"}}, "in neither"),
        ({"oracle": {"use": "service", "labels": "http://169.254.169.254/x"}}, "in neither"),
        ({"oracle": {"use": "file", "labels": "x", "token": "y"}}, "An oracle is"),
        ({"holdout": "job_aaaaaaaaaaaaaaaaaaaa", "trainer": {}}, "name a trainer"),
    ],
)
def test_oracles_and_holdouts_that_are_none_are_refused(striped, wrong, sentence) -> None:
    answer = begin(striped, **wrong)
    assert answer.status_code == 422, answer.text
    assert sentence in answer.text


def test_only_an_oracle_is_asked_again(fresh, finished) -> None:
    first = begin(fresh).json()
    path = f"/v1/rounds/{first['id']}/answers"
    early = fresh.http.post(path)
    assert finished(fresh.http, first["job"])["state"] == "done"
    answer = fresh.http.post(path)
    assert early.status_code in (409, 422)
    assert answer.status_code == 422
    assert "has no oracle" in answer.json()["detail"]
    assert fresh.http.post(path.replace(first["id"], "rnd_aaaaaaaaaaaaaaaaaaaa")).status_code == 404


def test_a_holdout_is_a_query_of_the_pool(striped) -> None:
    assert begin(striped, holdout="job_aaaaaaaaaaaaaaaaaaaa").status_code == 404
