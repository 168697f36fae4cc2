"""Pools, items and labels over HTTP; additions as jobs."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import pytest


@pytest.fixture
def app(local, pictures):
    folder = pictures(12)
    found = local(tenants={"default": {"roots": [str(folder)]}})
    found.folder = folder
    return found


def made(app, finished, **more):
    body = {"name": "digits", "classes": ["cat", "dog"], "uris": [str(app.folder)], **more}
    pool = app.http.post("/v1/pools", json=body).json()
    return pool["id"], finished(app.http, pool["addition"])


def test_a_pool_grows_by_a_job(app, finished) -> None:
    pool, job = made(app, finished)
    assert (job["state"], job["kind"], job["attempts"]) == ("done", "addition", 1)
    assert job["added"] == {
        "new": 12,
        "changed": 0,
        "duplicates": 0,
        "unchanged": 0,
        "broken": 0,
        "forgotten": 0,
        "labelled": 0,
    }
    assert app.http.get(f"/v1/pools/{pool}").json()["states"]["unlabelled"] == 12
    again = app.http.post(f"/v1/pools/{pool}/additions", json={"uris": [str(app.folder)]})
    assert again.status_code == 202
    assert finished(app.http, again.json()["id"])["added"]["unchanged"] == 12
    assert app.http.get("/v1/usage").json()["items"] == 12


def test_trouble_after_one_job_is_not_that_of_the_next(app, finished, monkeypatch) -> None:
    def gone(*_: object) -> None:
        raise OSError("the pool was removed in this moment")

    monkeypatch.setattr(app.service, "count_items", gone)
    pool, job = made(app, finished)
    assert job["state"] == "done"
    again = app.http.post(f"/v1/pools/{pool}/additions", json={"uris": [str(app.folder)]})
    assert finished(app.http, again.json()["id"])["state"] == "done"
    assert app.service.runner.alive


def test_items_are_paged_filtered_and_found_by_id(app, finished) -> None:
    pool, _ = made(app, finished)
    path = f"/v1/pools/{pool}/items"
    seen, after = [], ""
    while after is not None:
        page = app.http.get(path, params={"limit": 5, "after": after}).json()
        seen += page["items"]
        after = page["next"]
    assert len({one["id"] for one in seen}) == 12
    one = seen[3]
    assert app.http.get(f"{path}/{one['id']}").json() == one
    assert one["uri"].startswith("file://") or one["uri"].startswith("/")
    where = {"where": json.dumps({"id": [one["id"]]})}
    assert [i["id"] for i in app.http.get(path, params=where).json()["items"]] == [one["id"]]
    for wrong in ("unlabled", "{", '{"sql": "1; drop table items"}', "{" * 5000):
        assert app.http.get(path, params={"where": wrong}).status_code == 422
    assert app.http.get(f"{path}/no-such-item").status_code == 404
    assert app.http.get(f"{path}/..%2F..%2Fpool.json").status_code == 404


def test_labels_are_recorded_all_or_none_and_remembered(app, finished) -> None:
    pool, _ = made(app, finished)
    ids = [one["id"] for one in app.http.get(f"/v1/pools/{pool}/items").json()["items"]]
    path = f"/v1/pools/{pool}/labels"

    def post(*labels: dict, **more):
        return app.http.post(path, json={"labels": list(labels), **more})

    said = post({"id": ids[0], "value": "cat"}, {"id": ids[1], "value": []}, by="grace")
    assert said.json() == {"labels": 2}
    assert post({"id": ids[2], "value": "dog"}, {"id": ids[3], "value": "fish"}).status_code == 422
    assert post({"id": ids[2], "value": "dog"}, {"id": "nobody", "value": "dog"}).status_code == 404
    held = {one["id"]: one["value"] for one in app.http.get(path).json()["items"]}
    assert held == {ids[0]: "cat", ids[1]: []}
    post({"id": ids[0], "kind": "withdraw"}, {"id": ids[4], "kind": "skip", "value": "too dark"})
    states = app.http.get(f"/v1/pools/{pool}").json()["states"]
    assert (states["labelled"], states["empty"], states["skipped"]) == (1, 1, 1)
    history = app.http.get(f"/v1/pools/{pool}/history/{ids[0]}").json()["items"]
    assert [(one["kind"], one["by"]) for one in history] == [("label", "grace")]


def test_a_withdrawal_is_of_who_said_it(app, finished) -> None:
    pool, _ = made(app, finished)
    item = app.http.get(f"/v1/pools/{pool}/items").json()["items"][0]["id"]
    path = f"/v1/pools/{pool}/labels"
    app.http.post(path, json={"labels": [{"id": item, "value": "cat"}]})
    app.http.post(path, json={"labels": [{"id": item, "kind": "withdraw"}]})
    history = app.http.get(f"/v1/pools/{pool}/history/{item}").json()["items"]
    assert [(one["kind"], one["by"]) for one in history] == [
        ("label", "local"),
        ("withdraw", "local"),
    ]
    assert app.http.get(path).json()["items"] == []


def test_what_a_tenant_may_not_read_is_a_failed_addition(app, finished, tmp_path) -> None:
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "a.png").write_bytes(b"x")
    (app.folder / "link").symlink_to(secret)
    pool, _ = made(app, finished)
    uris = [
        str(secret),
        f"{app.folder}/../secret",
        "/etc",
        "file:///etc/passwd",
        "http://127.0.0.1:1/",
        str(app.settings.data),
    ]
    path = f"/v1/pools/{pool}/additions"
    jobs = [app.http.post(path, json={"uris": [uri]}).json()["id"] for uri in uris]
    for uri, job in zip(uris, jobs, strict=True):
        found = finished(app.http, job)
        assert found["state"] == "failed", uri
        assert "Traceback" not in found["error"]
    items = app.http.get(f"/v1/pools/{pool}/items", params={"limit": 1000}).json()["items"]
    assert not [one for one in items if "secret" in one["uri"] or "passwd" in one["uri"]]


def test_an_addition_stops_at_the_quota(app, finished, local) -> None:
    tenant = app.http.get("/v1/tenants", params={"name": "default"}).json()["items"][0]["id"]
    app.http.patch(f"/v1/tenants/{tenant}", json={"quota": {"items": 5}})
    _, job = made(app, finished)
    assert job["state"] == "failed"
    assert "quota has room for 5" in job["error"]


def test_jobs_beyond_the_quota_are_refused(app, finished) -> None:
    pool, _ = made(app, finished)
    tenant = app.http.get("/v1/tenants", params={"name": "default"}).json()["items"][0]["id"]
    app.http.patch(f"/v1/tenants/{tenant}", json={"quota": {"jobs": 0}})
    answer = app.http.post(f"/v1/pools/{pool}/additions", json={"uris": [str(app.folder)]})
    assert answer.status_code == 429
    assert answer.json()["type"] == "/problems/quota-exceeded"


def test_submits_at_once_do_not_exceed_the_quota(app, finished) -> None:
    pool, _ = made(app, finished)
    app.service.runner.stop()
    tenant = app.http.get("/v1/tenants", params={"name": "default"}).json()["items"][0]["id"]
    app.http.patch(f"/v1/tenants/{tenant}", json={"quota": {"jobs": 3}})
    body = {"strategy": "random", "budget": 1}

    def submit(_: int) -> int:
        return app.http.post(f"/v1/pools/{pool}/queries", json=body).status_code

    with ThreadPoolExecutor(8) as threads:
        statuses = list(threads.map(submit, range(16)))
    assert sorted(statuses) == [202] * 3 + [429] * 13
    queries = app.service.workspace.pool(tenant, pool) / "queries"
    assert len(list(queries.iterdir())) == 3
    refused = app.http.post("/v1/pools", json={"name": "more", "uris": [str(app.folder)]})
    assert refused.status_code == 429
    assert app.http.get("/v1/pools", params={"name": "more"}).json()["items"] == []


def test_pools_beyond_the_quota_are_refused(app) -> None:
    tenant = app.http.get("/v1/tenants", params={"name": "default"}).json()["items"][0]["id"]
    app.http.patch(f"/v1/tenants/{tenant}", json={"quota": {"pools": 1}})
    statuses = [app.http.post("/v1/pools", json={"name": n}).status_code for n in "ab"]
    assert statuses == [201, 429]
    folder = app.service.workspace.pool(tenant, "pol_aaaaaaaaaaaaaaaaaaaa").parent
    assert len(list(folder.iterdir())) == 1


def test_a_request_that_is_sent_again_does_nothing_again(app) -> None:
    body, headers = {"name": "once"}, {"Idempotency-Key": "k1"}
    first = app.http.post("/v1/pools", json=body, headers=headers)
    second = app.http.post("/v1/pools", json=body, headers=headers)
    assert first.json() == second.json()
    assert (first.status_code, second.status_code) == (201, 201)
    assert second.headers["idempotent-replayed"] == "true"
    other = app.http.post("/v1/pools", json={"name": "other"}, headers=headers)
    assert other.json()["type"] == "/problems/key-reused"
    assert len(app.http.get("/v1/pools").json()["items"]) == 1
    for wrong in ("", "x" * 201, "a b"):
        answer = app.http.post("/v1/pools", json=body, headers={"Idempotency-Key": wrong})
        assert answer.status_code == 400


def test_another_file_with_the_key_of_a_first_is_not_taken_for_it(app, finished) -> None:
    pool = app.http.post("/v1/pools", json={"name": "files"}).json()["id"]
    headers = {"Idempotency-Key": "k3", "Content-Type": "application/octet-stream"}
    path = f"/v1/pools/{pool}/manifests?format=jsonl"
    lines = b'{"id": "a", "text": "a"}\n'
    first = app.http.post(path, content=lines, headers=headers)
    again = app.http.post(path, content=lines, headers=headers)
    assert first.json()["id"] == again.json()["id"]
    other = app.http.post(path, content=lines + lines.replace(b"a", b"b"), headers=headers)
    assert other.json()["type"] == "/problems/key-reused"
    assert finished(app.http, first.json()["id"])["added"]["new"] == 1


def test_where_the_service_keeps_a_manifest_is_not_told(app, finished) -> None:
    pool = app.http.post("/v1/pools", json={"name": "hidden"}).json()["id"]
    sent = app.http.post(
        f"/v1/pools/{pool}/manifests?format=jsonl",
        content=b'no JSON\n{"uri": "beside.png"}\n{"id": "a", "text": "a"}\n',
        headers={"Content-Type": "application/octet-stream"},
    )
    job = finished(app.http, sent.json()["id"])
    told = app.http.get(f"/v1/jobs/{job['id']}/failures")
    assert len(told.json()["items"]) == 2
    assert "line 1" in told.text
    assert str(app.settings.data) not in told.text + str(job)


def test_a_refused_request_frees_its_idempotency_key(app) -> None:
    headers = {"Idempotency-Key": "k2"}
    assert app.http.post("/v1/pools", json={"nam": "x"}, headers=headers).status_code == 422
    assert app.http.post("/v1/pools", json={"name": "x"}, headers=headers).status_code == 201


def test_names_are_unique_within_a_tenant_and_free_for_others(app) -> None:
    assert app.http.post("/v1/pools", json={"name": "北京 🐟"}).status_code == 201
    assert app.http.post("/v1/pools", json={"name": "北京 🐟"}).status_code == 409
    other = app.as_(app.key("acme"))
    assert app.http.post("/v1/pools", json={"name": "北京 🐟"}, headers=other).status_code == 201


def test_a_removed_pool_leaves_nothing_behind(app, finished) -> None:
    pool, job = made(app, finished)
    folder = app.service.workspace.pool(app.http.get("/v1/usage").json()["tenant"], pool)
    assert folder.is_dir()
    assert app.http.delete(f"/v1/pools/{pool}").status_code == 204
    assert not folder.exists()
    for path in (f"/v1/pools/{pool}", f"/v1/jobs/{job['id']}"):
        assert app.http.get(path).status_code == 404
    assert app.http.get("/v1/usage").json()["items"] == 0


def test_an_image_transform_decodes_no_more_pixels_than_the_server_allows(app) -> None:
    from querist.pool.settings import read_settings

    for wanted in (10**12, None, -1, True):
        transform = {"modality": "image", "size": 8}
        transform |= {} if wanted is None else {"max_pixels": wanted}
        body = {"name": f"pixels {wanted}", "transform": transform}
        pool = app.http.post("/v1/pools", json=body).json()["id"]
        tenant = app.http.get("/v1/usage").json()["tenant"]
        settings = read_settings(app.service.workspace.pool(tenant, pool))
        assert settings.transform["max_pixels"] == app.settings.limits.pixels


@pytest.mark.parametrize(
    "transform",
    [
        {"modality": "image", "size": 1_000_000},
        {"modality": "image", "size": [1, 60_000_000]},
        {"modality": "image", "size": 8, "short": 100_000},
        {"modality": "audio", "seconds": 60_000},
    ],
)
def test_a_transform_makes_nothing_larger_than_what_may_be_decoded(shared, transform) -> None:
    answer = shared.http.post("/v1/pools", json={"name": "huge", "transform": transform})
    assert answer.status_code == 422, answer.text
    assert shared.http.get("/v1/pools", params={"name": "huge"}).json()["items"] == []


def test_pages_end_before_they_are_too_large(app) -> None:
    pool = app.http.post(
        "/v1/pools", json={"name": "long", "transform": {"modality": "text"}}
    ).json()["id"]
    with app.service.shelf.pool(app.service.workspace.pool(tenant_of(app), pool)) as opened:
        opened.add_items([{"id": f"{n:02}", "text": "x" * 3_000_000} for n in range(5)])
    path, seen, after, pages = f"/v1/pools/{pool}/items", [], "", 0
    while after is not None:
        answer = app.http.get(path, params={"after": after, "limit": 1000})
        assert len(answer.content) < 10_000_000
        seen += [one["id"] for one in answer.json()["items"]]
        after, pages = answer.json()["next"], pages + 1
    assert (seen, pages) == (["00", "01", "02", "03", "04"], 3)


def test_nothing_is_taken_in_when_the_disk_is_nearly_full(app, monkeypatch) -> None:
    monkeypatch.setattr(type(app.service.workspace), "free_bytes", lambda _: 200 << 20)
    refused = app.http.post("/v1/pools", json={"name": "late"})
    assert refused.status_code == 503
    assert refused.json()["retry_after"]
    assert app.http.get("/v1/pools").status_code == 200


def test_so_many_files_of_a_tenant_arrive_at_once(app, monkeypatch) -> None:
    monkeypatch.setitem(app.service._receiving, tenant_of(app), 24)
    headers = {"Content-Type": "application/octet-stream"}
    answer = app.http.post("/v1/uploads", params={"kind": "onnx"}, content=b"x", headers=headers)
    assert answer.status_code == 429


def tenant_of(app) -> str:
    return app.http.get("/v1/usage").json()["tenant"]


def test_pool_settings_that_cannot_be_used_are_the_clients_errors(app) -> None:
    for wrong in (
        {"transform": {"modality": "smell"}},
        {"transform": {"modality": "image", "sise": 8}},
        {"classes": ["a", "a"]},
        {"task": "guessing"},
    ):
        answer = app.http.post("/v1/pools", json={"name": "x", **wrong})
        assert answer.status_code == 422, wrong
    assert app.http.get("/v1/pools").json()["items"] == []


def test_a_request_reads_no_variable_of_the_server(shared, monkeypatch) -> None:
    monkeypatch.setenv("OF_THE_SERVER", "hidden")
    logins = {"logins": {"evil.example.org": ["ada", "$OF_THE_SERVER"]}}
    headers = {"headers": {"evil.example.org": {"X": "so ${OF_THE_SERVER}"}}}
    for sources in ({"ftp": logins}, {"http": headers}, {"s3": {"region": "$OF_THE_SERVER"}}):
        answer = shared.http.post("/v1/pools", json={"name": "leak", "sources": sources})
        assert answer.status_code == 422
        assert "environment variables" in answer.text
        assert "hidden" not in answer.text


def test_columns_of_a_manifest_are_named(app, finished) -> None:
    listed = app.folder / "reviews.csv"
    listed.write_text("review,category\nso good,fine\nso bad,\n")
    columns = {"text": "review", "label": "category"}
    body = {"name": "reviews", "uris": [str(listed)], "columns": columns}
    pool = app.http.post("/v1/pools", json=body).json()
    job = finished(app.http, pool["addition"])
    assert (job["added"]["new"], job["added"]["labelled"]) == (2, 1)
    listed.write_text("review,category\nso so,poor\n")
    again = {"uris": [str(listed)], "columns": columns}
    job = app.http.post(f"/v1/pools/{pool['id']}/additions", json=again).json()
    assert finished(app.http, job["id"])["added"]["labelled"] == 1
    items = app.http.get(f"/v1/pools/{pool['id']}/items").json()["items"]
    assert [one["inline"] for one in items] == ["so good", "so bad", "so so"]
    wrong = {"uris": [str(listed)], "columns": {"txt": "review"}}
    refused = app.http.post(f"/v1/pools/{pool['id']}/additions", json=wrong)
    assert refused.status_code == 422


def test_a_table_need_not_name_its_columns(app, finished) -> None:
    """The page offers just "table"; the columns are those that the first rows show."""
    (app.folder / "rows.csv").write_text("age,smoker\n" + "".join(f"{n},yes\n" for n in range(9)))
    body = {"name": "rows", "transform": {"modality": "table"}, "uris": [f"{app.folder}/rows.csv"]}
    pool = app.http.post("/v1/pools", json=body).json()
    assert finished(app.http, pool["addition"])["added"]["new"] == 9
    query = app.http.post(f"/v1/pools/{pool['id']}/queries", json={"budget": 3}).json()
    assert finished(app.http, query["id"])["state"] == "done"
    wrong = {"name": "x", "transform": {"modality": "table", "colums": {"age": {}}}}
    assert app.http.post("/v1/pools", json=wrong).status_code == 422
