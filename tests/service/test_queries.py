"""Queries over HTTP: from a folder of images to picks."""

from __future__ import annotations

import json

import pytest


def ask(app, **more) -> dict:
    body = {"strategy": "k-center", "budget": 5, **more}
    answer = app.http.post(f"/v1/pools/{app.pool}/queries", json=body)
    assert answer.status_code == 202, answer.text
    return answer.json()


def test_a_query_without_a_model_picks_by_built_in_features(pooled, finished) -> None:
    begun = ask(pooled, note="first")
    assert (begun["kind"], begun["state"], begun["asked"]["note"]) == ("query", "queued", "first")
    done = finished(pooled.http, begun["id"])
    assert done["state"] == "done", done
    assert done["counts"]["candidates"] == 21
    assert done["counts"]["failed"] == 1
    assert done["progress"]["done"] == done["progress"]["total"] == 21
    picks = pooled.http.get(f"/v1/queries/{begun['id']}/picks").json()
    assert [one["rank"] for one in picks["items"]] == [0, 1, 2, 3, 4]
    assert all(one["why"] and one["uri"] for one in picks["items"])
    failures = pooled.http.get(f"/v1/jobs/{begun['id']}/failures").json()["items"]
    assert [one["reason"] for one in failures] == ["broken"]
    assert failures[0]["uri"].endswith("broken.png")
    again = finished(pooled.http, ask(pooled)["id"])
    assert again["digest"] == done["digest"]


def test_picks_are_paged(pooled, finished) -> None:
    query = finished(pooled.http, ask(pooled, strategy="random", seed=1)["id"])["id"]
    path = f"/v1/queries/{query}/picks"
    first = pooled.http.get(path, params={"limit": 3}).json()
    rest = pooled.http.get(path, params={"limit": 3, "after": first["next"]}).json()
    assert [one["rank"] for one in first["items"] + rest["items"]] == [0, 1, 2, 3, 4]
    assert rest["next"] is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"budget": 0},
        {"budget": -5},
        {"budget": 10**30},
        {"budget": -0.5},
        {"budget": True},
        {"budget": "all"},
        {"seed": -1},
        {"workers": 0},
        {"strategy": "no-such-strategy"},
        {"strategy": "margin", "options": {"no": 1}},
        {"strategy": "margin"},
        {"strategy": "x" * 5000},
        {"model": "mod_aaaaaaaaaaaaaaaaaaaa"},
        {"model": "../../etc/passwd"},
        {"where": {"sql": "1"}},
        {"scan": {"batch": 10**9}},
        {"scan": {"memory_mb": 10**12}},
    ],
)
def test_what_cannot_be_asked_is_refused_or_fails_with_a_sentence(pooled, finished, wrong) -> None:
    body = {"strategy": "k-center", "budget": 5, **wrong}
    answer = pooled.http.post(f"/v1/pools/{pooled.pool}/queries", json=body)
    assert answer.status_code in (202, 422), answer.text
    if answer.status_code == 202:
        job = finished(pooled.http, answer.json()["id"])
        assert job["state"] == "failed"
        assert job["error"]
        assert "Traceback" not in job["error"]


def test_a_budget_beyond_the_pool_fails_with_a_sentence(pooled, finished) -> None:
    job = finished(pooled.http, ask(pooled, budget=2**53 - 1)["id"])
    assert job["state"] == "failed"
    assert "budget" in job["error"]
    result = pooled.http.get(f"/v1/queries/{job['id']}/picks")
    assert result.status_code == 409


def test_the_servers_limits_hold_whatever_is_asked(pooled) -> None:
    from querist.store.run_folder import RunFolder

    scan = {"memory_mb": 1_048_576, "readers": 1024, "batch": 2}
    job = ask(pooled, strategy="random", scan=scan, workers=1024)
    (folder,) = pooled.settings.data.glob(f"tenants/*/pools/*/queries/{job['id']}")
    kept = RunFolder(folder).config()["settings"]
    limits = pooled.settings.limits
    assert kept["scan"]["memory_mb"] == limits.scan_memory_mb
    assert kept["scan"]["readers"] == limits.scan_readers
    assert kept["scan"]["batch"] == 2
    assert kept["engine"]["workers"] == pooled.settings.jobs.workers
    pooled.http.post(f"/v1/jobs/{job['id']}/cancel")


def test_a_share_of_the_candidates(pooled, finished) -> None:
    job = finished(pooled.http, ask(pooled, strategy="random", budget=0.5)["id"])
    assert job["counts"]["picked"] == 10


def test_queries_and_jobs_are_listed_newest_first_and_filtered(pooled, finished) -> None:
    ids = [finished(pooled.http, ask(pooled, strategy="random")["id"])["id"] for _ in range(2)]
    found = pooled.http.get("/v1/queries", params={"pool": pooled.pool, "limit": 2}).json()
    assert [one["id"] for one in found["items"]] == ids[::-1]
    assert found["items"][0]["asked"]["strategy"] == "random"
    kinds = {one["kind"] for one in pooled.http.get("/v1/jobs").json()["items"]}
    assert kinds == {"query", "addition"}
    addition = pooled.http.get("/v1/jobs", params={"kind": "addition"}).json()["items"][0]["id"]
    assert pooled.http.get(f"/v1/queries/{addition}").status_code == 404


def test_a_finished_job_is_removed_with_its_folder(pooled, finished) -> None:
    job = finished(pooled.http, ask(pooled, strategy="random")["id"])["id"]
    folders = list(pooled.settings.data.glob(f"tenants/*/pools/*/queries/{job}"))
    assert len(folders) == 1
    assert pooled.http.delete(f"/v1/jobs/{job}").status_code == 204
    assert not folders[0].exists()
    assert pooled.http.get(f"/v1/jobs/{job}").status_code == 404


def test_events_tell_of_every_state_and_end(pooled, finished) -> None:
    job = ask(pooled, strategy="random")["id"]
    with pooled.http.stream("GET", f"/v1/jobs/{job}/events") as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        assert stream.headers["x-accel-buffering"] == "no"
        events = parsed("".join(stream.iter_text()))
    states = [json.loads(one["data"])["state"] for one in events if one["event"] == "state"]
    assert states == ["queued", "running", "done"]
    assert events[-1]["event"] == "end"
    assert json.loads(events[-1]["data"])["counts"]["picked"] == 5
    running = next(one["id"] for one in events if '"running"' in one["data"])
    headers = {"Last-Event-ID": running}
    with pooled.http.stream("GET", f"/v1/jobs/{job}/events", headers=headers) as stream:
        rest = parsed("".join(stream.iter_text()))
    assert [one["event"] for one in rest] == ["state", "end"]
    for nonsense in ("", "-1", "9" * 40, "x.y", "1.2.3"):
        headers = {"Last-Event-ID": nonsense}
        answer = pooled.http.get(f"/v1/jobs/{job}/events", headers=headers)
        assert parsed(answer.text)[-1]["event"] == "end"


def parsed(text: str) -> list[dict[str, str]]:
    events = []
    for block in text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.split("\n") if ": " in line)
        if "event" in fields:
            events.append(fields)
    return events


def test_what_is_another_tenants_is_not_there(pooled, finished) -> None:
    job = finished(pooled.http, ask(pooled, strategy="random")["id"])["id"]
    other = pooled.as_(pooled.key("mallory", "mallory", "read label query"))
    item = pooled.http.get(f"/v1/pools/{pooled.pool}/items").json()["items"][0]["id"]
    query = {"strategy": "random", "budget": 1}
    labels = {"labels": [{"id": item, "value": "cat"}]}
    for method, path, body in [
        ("GET", f"/v1/pools/{pooled.pool}", None),
        ("DELETE", f"/v1/pools/{pooled.pool}", None),
        ("GET", f"/v1/pools/{pooled.pool}/items", None),
        ("GET", f"/v1/pools/{pooled.pool}/items/{item}", None),
        ("POST", f"/v1/pools/{pooled.pool}/erasures", {"items": [item]}),
        ("GET", f"/v1/pools/{pooled.pool}/labels", None),
        ("POST", f"/v1/pools/{pooled.pool}/labels", labels),
        ("GET", f"/v1/pools/{pooled.pool}/export?format=csv", None),
        ("POST", f"/v1/pools/{pooled.pool}/additions", {"uris": ["/etc"]}),
        ("POST", f"/v1/pools/{pooled.pool}/queries", query),
        ("POST", f"/v1/pools/{pooled.pool}/estimates", query),
        ("POST", f"/v1/pools/{pooled.pool}/rounds", {"query": query}),
        ("GET", f"/v1/queries/{job}", None),
        ("GET", f"/v1/queries/{job}/picks", None),
        ("GET", f"/v1/queries/{job}/manifest", None),
        ("GET", f"/v1/jobs/{job}", None),
        ("GET", f"/v1/jobs/{job}/events", None),
        ("GET", f"/v1/jobs/{job}/failures", None),
        ("POST", f"/v1/jobs/{job}/cancel", None),
        ("DELETE", f"/v1/jobs/{job}", None),
    ]:
        answer = pooled.http.request(method, path, json=body, headers=other)
        assert answer.status_code == 404, (method, path, answer.text)
    for path in ("/v1/pools", "/v1/jobs", "/v1/queries", "/v1/models", "/v1/uploads"):
        assert pooled.http.get(path, headers=other).json()["items"] == []
    assert pooled.http.get(f"/v1/jobs/{job}").json()["state"] == "done"


def test_a_result_is_downloaded_as_a_manifest_and_its_labels_come_back(pooled, finished) -> None:
    job = finished(pooled.http, ask(pooled, strategy="random", seed=4)["id"])["id"]
    answer = pooled.http.get(f"/v1/queries/{job}/manifest", params={"format": "jsonl"})
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-disposition"] == f'attachment; filename="{job}.jsonl"'
    lines = [json.loads(line) for line in answer.text.splitlines()]
    assert len(lines) == 5
    said = [{"id": line["id"], "uri": line["uri"], "label": "dog"} for line in lines]
    labelled = "\n".join(map(json.dumps, said))
    sent = pooled.http.post(
        f"/v1/pools/{pooled.pool}/label-files",
        params={"format": "jsonl"},
        content=labelled.encode(),
        headers={"Content-Type": "application/octet-stream"},
    )
    assert sent.json() == {"labels": 5, "why_nothing": ""}
    unknown = pooled.http.post(
        f"/v1/pools/{pooled.pool}/label-files",
        params={"format": "jsonl"},
        content=b'{"id": "nobody", "text": "none", "label": "dog"}',
        headers={"Content-Type": "application/octet-stream"},
    ).json()
    assert unknown["labels"] == 0
    assert unknown["why_nothing"].startswith("None of its 1 rows could be used: ")
    labels = pooled.http.get(f"/v1/pools/{pooled.pool}/labels").json()["items"]
    assert [one["value"] for one in labels] == ["dog"] * 5
    for one in labels:
        body = {"labels": [{"id": one["id"], "kind": "withdraw"}]}
        pooled.http.post(f"/v1/pools/{pooled.pool}/labels", json=body)
    left = [*pooled.settings.data.glob("tmp/*"), *pooled.settings.data.glob("**/manifests/*")]
    assert left == []


def test_a_format_that_is_a_folder_is_downloaded_as_an_archive(pooled) -> None:
    path = f"/v1/pools/{pooled.pool}/export"
    answer = pooled.http.get(path, params={"format": "huggingface"})
    assert answer.status_code == 200, answer.text
    assert answer.content[:2] == b"PK"
    assert pooled.http.get(path, params={"format": "pickle"}).status_code == 422


def test_a_manifest_is_uploaded_and_added(pooled, finished) -> None:
    pool = pooled.http.post("/v1/pools", json={"name": "from a manifest"}).json()["id"]
    body = "".join(f"uri\n{pooled.folder}/0000{n}.png\n"[4 * (n > 0) :] for n in range(3))
    sent = pooled.http.post(
        f"/v1/pools/{pool}/manifests",
        params={"format": "csv"},
        content=body.encode(),
        headers={"Content-Type": "application/octet-stream"},
    )
    assert sent.status_code == 202, sent.text
    assert finished(pooled.http, sent.json()["id"])["added"]["new"] == 3


def test_an_estimate_costs_nothing(pooled) -> None:
    body = {"strategy": "random", "budget": 5, "where": "all"}
    answer = pooled.http.post(f"/v1/pools/{pooled.pool}/estimates", json=body)
    assert answer.status_code == 200, answer.text
    assert (answer.json()["items"], answer.json()["labels"]) == (21, 5)


def test_a_forgotten_item_is_gone(pooled, finished) -> None:
    pool = pooled.http.post(
        "/v1/pools", json={"name": "to forget", "uris": [str(pooled.folder / "00001.png")]}
    ).json()
    finished(pooled.http, pool["addition"])
    path = f"/v1/pools/{pool['id']}/items"
    item = pooled.http.get(path).json()["items"][0]["id"]
    tenant = pooled.http.get("/v1/usage").json()["tenant"]
    outputs = pooled.service.workspace.pool(tenant, pool["id"]) / "queries" / "begun" / "outputs"
    outputs.mkdir(parents=True)
    (outputs / "part").touch()  # as of a query that is not done
    erasures, body = f"/v1/pools/{pool['id']}/erasures", {"items": [item]}
    told = pooled.http.post(erasures, json=body).json()
    assert told["ids"] == [item]
    (left,) = told["left"]
    assert left.startswith("queries/begun/outputs: an unfinished query keeps outputs")
    (outputs / "part").unlink()
    assert pooled.http.post(erasures, json=body).json()["left"] == []
    assert pooled.http.get(f"{path}/{item}").status_code == 404
    assert pooled.http.get(path).json()["items"] == []


def test_several_items_are_forgotten_in_one_step_or_none(pooled, finished) -> None:
    files = [str(pooled.folder / f"0000{number}.png") for number in range(4)]
    made = pooled.http.post("/v1/pools", json={"name": "several", "uris": files}).json()
    finished(pooled.http, made["addition"])
    path = f"/v1/pools/{made['id']}"
    ids = [one["id"] for one in pooled.http.get(f"{path}/items").json()["items"]]

    def left() -> list[str]:
        return [one["id"] for one in pooled.http.get(f"{path}/items").json()["items"]]

    wrong = pooled.http.post(f"{path}/erasures", json={"items": [ids[0], "nobody"]})
    assert wrong.status_code == 404
    assert left() == ids
    told = pooled.http.post(f"{path}/erasures", json={"items": [ids[2], ids[0]]})
    assert told.status_code == 200
    assert (told.json()["ids"], told.json()["left"]) == ([ids[2], ids[0]], [])
    assert left() == [ids[1], ids[3]]
    assert pooled.http.get(path).json()["items"] == 2
    again = pooled.http.post(f"{path}/erasures", json={"items": ids[:3]})
    assert again.status_code == 200
    assert left() == [ids[3]]
    for items in ([], [ids[3]] * 1001):
        refused = pooled.http.post(f"{path}/erasures", json={"items": items})
        assert refused.status_code == 422


def test_old_jobs_are_removed_and_young_ones_kept(pooled, finished) -> None:
    from querist.service.index.index import change, now
    from querist.service.jobs.removal import erase_old

    service = pooled.service
    old, young = (finished(pooled.http, ask(pooled, strategy="random")["id"])["id"] for _ in "ab")
    with service.index.write() as connection:
        change(connection, "jobs", {"id": old}, finished=now() - 3 * 86_400)
    assert erase_old(service.index, service.workspace, 2.0) == 1
    assert pooled.http.get(f"/v1/jobs/{old}").status_code == 404
    assert pooled.http.get(f"/v1/jobs/{young}").status_code == 200


def test_a_tenant_has_so_many_streams(pooled, finished, monkeypatch) -> None:
    job = finished(pooled.http, ask(pooled, strategy="random")["id"])["id"]
    tenant = pooled.http.get("/v1/usage").json()["tenant"]
    monkeypatch.setitem(pooled.service._streams, tenant, pooled.settings.limits.streams)
    answer = pooled.http.get(f"/v1/jobs/{job}/events")
    assert answer.status_code == 429
    assert answer.json()["type"] == "/problems/quota-exceeded"
