"""Runs of campaigns over HTTP: seen, steered, and nothing beside them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from querist.campaign.campaign import Campaign
from querist.store.run_folder import RunFolder

BOX = {"use": "uniform", "options": {"low": [-1.0], "high": [1.0], "batch": 4}}


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    """A run that ended: twelve labels of the sum of its inputs."""
    folder = tmp_path_factory.mktemp("campaign")
    campaign = Campaign(
        generator=BOX,
        model={"use": "random_features", "options": {"members": 2, "features": 8}},
        oracle=lambda x: x.sum(axis=-1),
        output="y",
        initial=6,
        budget={"labels": 12},
        engine="inline",
    )
    campaign.run(folder / "run-1", progress=False)
    return folder / "run-1"


@pytest.fixture(scope="module")
def served(lasting, run: Path, tmp_path_factory):
    base = tmp_path_factory.mktemp("served")
    root = base / "runs"
    shutil.copytree(run, root / "run-1")
    (root / "no-run").mkdir()
    (root / ".hidden").symlink_to(run)
    (root / "link").symlink_to(run)
    shutil.copytree(run, base / "elsewhere" / "secret")
    found = lasting(
        campaigns={"potentials": str(root), "others": str(base / "elsewhere")},
        tenants={"acme": {"campaigns": ["potentials"]}},
    )
    found.root = root
    return found


@pytest.fixture
def app(served):
    """The application, and a run whose inbox is empty."""
    yield served
    for message in RunFolder(served.root / "run-1").inbox.pending():
        RunFolder(served.root / "run-1").inbox.remove(message)


def test_runs_are_listed_and_shown_with_their_summary(app) -> None:
    listed = app.http.get("/v1/campaigns").json()["items"]
    assert [one["id"] for one in listed] == ["others:secret", "potentials:run-1"]
    assert listed[1]["state"] == "finished"
    assert listed[1]["labels"] == 12
    assert listed[1]["summary"] == {}
    first = app.http.get("/v1/campaigns", params={"limit": 1}).json()
    rest = app.http.get("/v1/campaigns", params={"limit": 1, "after": first["next"]}).json()
    assert [one["id"] for one in first["items"] + rest["items"]] == [one["id"] for one in listed]
    shown = app.http.get("/v1/campaigns/potentials:run-1").json()
    assert shown["labels"] == 12
    assert shown["summary"]


def test_a_command_lies_in_the_inbox_of_the_run(app) -> None:
    path = "/v1/campaigns/potentials:run-1/commands"
    body = {"command": "set", "values": {"labels": 50, "seconds": 1.5}}
    headers = {"Idempotency-Key": "once"}
    posted = app.http.post(path, json=body, headers=headers)
    assert posted.status_code == 202, posted.text
    assert app.http.post(path, json=body, headers=headers).json() == posted.json()
    app.http.post(path, json={"command": "stop"})
    waiting = RunFolder(app.root / "run-1").inbox.pending()
    assert [(one.kind, one.data) for one in waiting] == [
        ("set", {"labels": 50, "seconds": 1.5}),
        ("stop", {"why": "by local"}),
    ]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"command": "delete"},
        {"command": "set"},
        {"command": "pause", "values": {"labels": 1}},
        {"command": "set", "values": {"labels": "many"}},
        {"command": "set", "values": {"labels": True}},
        {"command": "set", "values": {"folder": 1}},
        {"command": "set", "values": {"labels": -1}},
        {"command": "set", "values": {"labels": 0.5}},
        {"command": "set", "values": {"cost": 10**400}},
        {"command": "stop", "why": "x" * 1001},
        {"command": "stop", "shell": "rm"},
    ],
)
def test_a_command_that_makes_no_sense_is_refused(app, body) -> None:
    answer = app.http.post("/v1/campaigns/potentials:run-1/commands", json=body)
    assert answer.status_code == 422, answer.text
    assert RunFolder(app.root / "run-1").inbox.pending() == []


@pytest.mark.parametrize(
    "id",
    [
        "potentials:..",
        "potentials:../elsewhere/secret",
        "potentials:..%2Felsewhere%2Fsecret",
        "potentials:%2e%2e%2felsewhere%2fsecret",
        "potentials:link",
        "potentials:.hidden",
        "potentials:no-run",
        "potentials:",
        ":run-1",
        "run-1",
        "nobody:run-1",
        "potentials:run-1%00",
        "potentials:run-1%0a",
        "x" * 301,
    ],
)
def test_a_forged_id_is_not_found(app, id: str) -> None:
    for path in (f"/v1/campaigns/{id}", f"/v1/campaigns/{id}/commands"):
        method = "POST" if path.endswith("commands") else "GET"
        body = {"command": "stop"} if method == "POST" else None
        answer = app.http.request(method, path, json=body)
        assert answer.status_code in (404, 405, 422), (path, answer.text)
        assert answer.headers["content-type"] == "application/problem+json"


def test_a_tenant_sees_the_campaigns_of_its_section_and_others_none(app) -> None:
    acme, other = app.as_(app.key("acme")), app.as_(app.key("mallory"))
    seen = app.http.get("/v1/campaigns", headers=acme).json()["items"]
    assert [one["id"] for one in seen] == ["potentials:run-1"]
    assert app.http.get("/v1/campaigns", headers=other).json()["items"] == []
    for who, id in ((acme, "others:secret"), (other, "potentials:run-1")):
        path = f"/v1/campaigns/{id}"
        assert app.http.get(path, headers=who).status_code == 404
        sent = app.http.post(f"{path}/commands", json={"command": "stop"}, headers=who)
        assert sent.status_code == 404
    reader = app.as_(app.key("acme", "ro", "read"))
    path = "/v1/campaigns/potentials:run-1/commands"
    assert app.http.post(path, json={"command": "stop"}, headers=reader).status_code == 403


def test_a_damaged_run_is_unreadable_and_hides_no_other(app) -> None:
    shutil.copytree(app.root / "run-1", app.root / "run-2")
    (app.root / "run-2" / "manifest.json").write_text("{")
    listed = app.http.get("/v1/campaigns").json()["items"]
    states = {one["id"]: one["state"] for one in listed}
    assert states["potentials:run-2"] == "unreadable"
    assert states["potentials:run-1"] == "finished"
    answer = app.http.post("/v1/campaigns/potentials:run-2/commands", json={"command": "stop"})
    assert answer.status_code == 409
    shutil.rmtree(app.root / "run-2")
