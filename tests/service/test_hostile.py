"""What strangers send, all of it through the routes: paths, redirects, bombs, ids, budgets."""

from __future__ import annotations

import gzip
import io
import json
import re
import zlib
from pathlib import Path
from urllib.parse import quote

import pytest
from PIL import Image

from querist.service.routes.table import ROUTES
from querist.testing.servers.http import HttpServer, Reply

FILE = {"Content-Type": "application/octet-stream"}


@pytest.fixture(scope="module")
def web():
    """A server whose address is allowed, and one whose address is not."""
    with HttpServer() as allowed, HttpServer({"a.png": b"secret"}) as inner:
        yield allowed, inner


@pytest.fixture(scope="module")
def app(lasting, web, tmp_path_factory):
    """An application whose tenant may read one folder and one server."""
    base = tmp_path_factory.mktemp("hostile")
    folder, secret = base / "items", base / "secret"
    folder.mkdir()
    secret.mkdir()
    (secret / "a.png").write_bytes(b"secret")
    Image.new("RGB", (8, 8)).save(folder / "good.png")
    found = lasting(
        tenants={
            "default": {"roots": [str(folder)], "hosts": [f"127.0.0.1:{web[0].port}"]},
        },
        limits={"pixels": 1_000_000, "item_bytes": 1 << 20},
        quota={"requests_per_minute": 1_000_000},
    )
    found.folder, found.secret = folder, secret
    return found


def pool_of(app, finished, name: str, *uris: str, **more) -> tuple[str, dict]:
    body = {"name": name, "transform": {"modality": "image", "size": 8}, "uris": list(uris), **more}
    made = app.http.post("/v1/pools", json=body)
    assert made.status_code == 201, made.text
    return made.json()["id"], finished(app.http, made.json()["addition"])


def manifest(app, finished, pool: str, format: str, content: bytes) -> dict:
    path = f"/v1/pools/{pool}/manifests"
    sent = app.http.post(path, params={"format": format}, content=content, headers=FILE)
    assert sent.status_code == 202, sent.text
    return finished(app.http, sent.json()["id"])


def asked(app, finished, pool: str, **more) -> dict:
    body = {"strategy": "k-center", "budget": 1, "where": "all", **more}
    sent = app.http.post(f"/v1/pools/{pool}/queries", json=body)
    assert sent.status_code == 202, sent.text
    return finished(app.http, sent.json()["id"])


def failures(app, job: str) -> dict[str, str]:
    found = app.http.get(f"/v1/jobs/{job}/failures").json()["items"]
    return {one["uri"].rpartition("/")[2]: one["reason"] for one in found}


# -- ids ------------------------------------------------------------------------------------------

FORGED = (
    "pol_aaaaaaaaaaaaaaaaaaaa",
    "job_aaaaaaaaaaaaaaaaaaaa",
    "../../../../etc/passwd",
    "..%2f..%2f..%2fetc%2fpasswd",
    "%2e%2e%2f%2e%2e%2findex.sqlite",
    "..\\..\\index.sqlite",
    "%00",
    "pol_aaaaaaaaaaaaaaaaaaaa%0d%0aX:y",
    "' OR 1=1 --",
    "*",
    "null",
    "x" * 3000,
    "\u202epol_aaaaaaaaaaaaaaaaaaaa",
)


def test_no_forged_id_opens_anything_on_any_route(app) -> None:
    own = app.http.post("/v1/pools", json={"name": "own"}).json()["id"]
    tried = 0
    for route in ROUTES:
        if "{" not in route.path or route.path.endswith("/events"):
            continue
        for forged in FORGED:
            path = route.path.replace("{pool}", own) if "/items/" in route.path else route.path
            path = re.sub("{[^}]*}", quote(forged, safe="%").replace("\\", r"\\"), path)
            body = {"json": {}} if route.body == "json" else {}
            if route.body == "file":
                body = {"content": b"x", "headers": FILE, "params": {"format": "csv"}}
            answer = app.http.request(route.method, path, **body)
            assert answer.status_code in (400, 404, 405, 409, 422), (path, answer.status_code)
            assert answer.headers["content-type"] == "application/problem+json", path
            assert "root:" not in answer.text
            tried += 1
    assert tried > 400


@pytest.mark.slow
def test_an_id_of_another_kind_is_not_taken_for_one(app, finished) -> None:
    pool, addition = pool_of(app, finished, "kinds", str(app.folder))
    job = addition["id"]
    for path in (
        f"/v1/pools/{job}",
        f"/v1/queries/{job}",
        f"/v1/queries/{pool}/picks",
        f"/v1/jobs/{pool}",
        f"/v1/models/{pool}",
        f"/v1/uploads/{job}",
        f"/v1/rounds/{job}",
        f"/v1/webhooks/{job}",
        f"/v1/tenants/{job}",
    ):
        assert app.http.get(path).status_code == 404, path


# -- paths ----------------------------------------------------------------------------------------


def test_a_manifest_leads_to_no_file_outside_the_roots(app, finished, web) -> None:
    """Listing needs not read items, so it is the scan that must refuse."""
    pool = app.http.post(
        "/v1/pools", json={"name": "manifest", "transform": {"modality": "image", "size": 8}}
    ).json()["id"]
    (app.folder / "link.png").symlink_to(app.secret / "a.png")
    uris = {
        "outside": str(app.secret / "a.png"),
        "dots": f"{app.folder}/../secret/a.png",
        "file": f"file://{app.secret}/a.png",
        "encoded": f"file://{app.folder}/%2e%2e/secret/a.png",
        "link": str(app.folder / "link.png"),
        "index": str(app.settings.data / "index.sqlite"),
        "relative": "../index.sqlite",
        "passwd": "/etc/passwd",
        "environment": "file:///proc/self/environ",
        "loopback": f"{web[1].url}a.png",
        "metadata": "http://169.254.169.254/latest/meta-data/",
        "name": f"http://localhost:{web[1].port}/a.png",
        "decimal": f"http://2130706433:{web[1].port}/a.png",
        "mapped": f"http://[::ffff:127.0.0.1]:{web[1].port}/a.png",
        "scheme": "gopher://127.0.0.1/x",
        "chained": "simplecache::file:///etc/passwd",
        "data": "data:text/plain,hello",
    }
    lines = [json.dumps({"id": name, "uri": uri}) for name, uri in uris.items()]
    lines.append(json.dumps({"id": "good", "uri": str(app.folder / "good.png")}))
    before = len(web[1].requests)
    added = manifest(app, finished, pool, "jsonl", "\n".join(lines).encode())
    assert added["state"] == "done"
    local = (
        "outside",
        "dots",
        "file",
        "encoded",
        "link",
        "index",
        "relative",
        "passwd",
        "environment",
    )
    # Files are looked at when they are added, and none of these is.
    assert added["added"]["broken"] == len(local)
    job = asked(app, finished, pool, scan={"retries": 0, "abort_share": 1.0})
    assert job["state"] == "done", job["error"]
    assert job["counts"]["failed"] == job["counts"]["candidates"] - 1
    picks = app.http.get(f"/v1/queries/{job['id']}/picks").json()["items"]
    assert [one["id"] for one in picks] == ["good"]
    found = app.http.get(f"/v1/jobs/{job['id']}/failures").json()["items"]
    reasons = {one["id"]: one["reason"] for one in found}
    assert set(reasons) == set(uris) - set(local)
    assert {name for name, why in reasons.items() if why != "forbidden"} == {"data"}
    assert len(web[1].requests) == before
    (app.folder / "link.png").unlink()


@pytest.mark.slow
def test_nobody_learns_which_files_there_are(app, finished) -> None:
    pool = app.http.post("/v1/pools", json={"name": "oracle"}).json()["id"]
    said = set()
    for uri in (
        "/etc/passwd",
        "/etc/no-such-file",
        str(app.secret / "a.png"),
        str(app.secret / "b"),
    ):
        sent = app.http.post(f"/v1/pools/{pool}/additions", json={"uris": [uri]})
        job = finished(app.http, sent.json()["id"])
        assert job["state"] == "failed"
        said.add(job["error"].replace(uri, "URI").replace(str(Path(uri).resolve()), "URI"))
    assert len(said) == 1, said


@pytest.mark.slow
def test_a_manifest_by_uri_is_read_within_the_roots_only(app, finished) -> None:
    (app.secret / "m.jsonl").write_text('{"uri": "secret-content.png"}\n')
    pool = app.http.post("/v1/pools", json={"name": "by uri"}).json()["id"]
    sent = app.http.post(
        f"/v1/pools/{pool}/additions", json={"uris": [str(app.secret / "m.jsonl")]}
    )
    job = finished(app.http, sent.json()["id"])
    assert job["state"] == "failed"
    assert "secret-content" not in json.dumps(job)


# -- redirects ------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_redirect_to_loopback_is_not_followed(app, finished, web) -> None:
    allowed, inner = web
    places = {
        "port.png": f"{inner.url}a.png",
        "name.png": f"http://localhost:{inner.port}/a.png",
        "zero.png": f"http://0.0.0.0:{inner.port}/a.png",
        "six.png": f"http://[::1]:{inner.port}/a.png",
        "metadata.png": "http://169.254.169.254/a.png",
        "file.png": f"file://{app.secret}/a.png",
        "ftp.png": f"ftp://127.0.0.1:{inner.port}/a.png",
        "again.png": f"{allowed.url}port.png",
        "loop.png": f"{allowed.url}loop.png",
    }
    held = io.BytesIO()
    Image.new("RGB", (8, 8)).save(held, "PNG")
    allowed.replies["/good.png"] = Reply(held.getvalue())
    for name, place in places.items():
        allowed.replies[f"/{name}"] = Reply(status=302, headers={"Location": place})
    lines = [json.dumps({"uri": f"{allowed.url}{name}"}) for name in [*places, "good.png"]]
    body = {"name": "redirects", "transform": {"modality": "image", "size": 8}}
    pool = app.http.post("/v1/pools", json=body).json()["id"]
    assert manifest(app, finished, pool, "jsonl", "\n".join(lines).encode())["state"] == "done"
    before = len(inner.requests)
    job = asked(app, finished, pool, scan={"retries": 0, "abort_share": 1.0})
    assert job["state"] == "done", job["error"]
    assert set(failures(app, job["id"])) == set(places)
    assert failures(app, job["id"])["port.png"] == "forbidden"
    assert len(inner.requests) == before


# -- bombs ----------------------------------------------------------------------------------------


def bomb_png(side: int) -> bytes:
    """A picture of so many pixels a side in a few kilobytes."""
    held = io.BytesIO()
    Image.new("1", (side, side)).save(held, "PNG")
    return held.getvalue()


def liar_png() -> bytes:
    """A header that promises four thousand million pixels, and no more."""
    data = bytearray(bomb_png(8))
    data[16:24] = (65_500).to_bytes(4, "big") * 2
    data[29:33] = zlib.crc32(bytes(data[12:29])).to_bytes(4, "big")
    return bytes(data)


@pytest.mark.slow
def test_what_unpacks_to_far_more_than_it_is_fails_alone(app, finished, web) -> None:
    folder, server = app.folder, web[0]
    made = {
        "large.png": bomb_png(6000),
        "liar.png": liar_png(),
        "fat.png": b"\x89PNG\r\n\x1a\n" + b"\0" * (2 << 20),
        "empty.png": b"",
    }
    for name, data in made.items():
        (folder / name).write_bytes(data)
    packed = gzip.compress(b"\0" * (64 << 20))
    server.replies["/gzip.png"] = Reply(packed, headers={"Content-Encoding": "gzip"})
    server.replies["/endless.png"] = Reply(b"\0" * 65536, times=-1, chunked=True)
    pool, added = pool_of(app, finished, "bombs", str(folder))
    assert added["state"] == "done"
    lines = [json.dumps({"uri": f"{server.url}{name}.png"}) for name in ("gzip", "endless")]
    assert manifest(app, finished, pool, "jsonl", "\n".join(lines).encode())["state"] == "done"
    job = asked(app, finished, pool, scan={"retries": 0, "abort_share": 1.0})
    assert job["state"] == "done", job["error"]
    assert set(failures(app, job["id"])) == {*made, "gzip.png", "endless.png"}
    assert job["progress"]["memory_mb"] < 1500
    picks = app.http.get(f"/v1/queries/{job['id']}/picks").json()["items"]
    assert [one["uri"].rpartition("/")[2] for one in picks] == ["good.png"]
    for name in made:
        (folder / name).unlink()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("format", "content"),
    [
        ("jsonl", b'{"a":' * 50_000 + b"1" + b"}" * 50_000),
        ("jsonl", b'{"uri": "' + b"x" * 3_000_000 + b'"}'),
        ("jsonl", b"\x1f\x8b" + b"\0" * 1000),
        ("csv", b'"' + b"a," * 500_000),
        ("csv", b"uri\n" + b"\0" * 1000),
        ("parquet", b"PAR1" + b"\xff" * 1000 + b"PAR1"),
        ("coco", b"[" * 100_000),
        ("label_studio", b'{"x": 1e999}'),
        ("ground_truth", b'{"source-ref": "s3://169.254.169.254/x"}'),
        ("conll", b"\xff\xfe" * 1000),
    ],
)
def test_a_manifest_that_makes_no_sense_ends_with_a_sentence(
    app, finished, format: str, content: bytes
) -> None:
    name = f"nonsense {format} {len(content)} {content[:4]!r}"
    pool = app.http.post("/v1/pools", json={"name": name}).json()["id"]
    job = manifest(app, finished, pool, format, content)
    assert job["state"] in ("done", "failed")
    assert job["attempts"] == 1, "the job's process died"
    assert "Traceback" not in job["error"]
    sent = app.http.post(
        f"/v1/pools/{pool}/label-files", params={"format": format}, content=content, headers=FILE
    )
    assert sent.status_code in (200, 201, 404, 422), sent.text
    assert list(app.settings.data.glob("tmp/*")) == []


# -- budgets --------------------------------------------------------------------------------------

BUDGETS = (-1, 0, -(10**30), 10**30, 2**53, 1.5, -0.1, 1e308, True, None, "1", [], {"a": 1})


@pytest.mark.parametrize("budget", BUDGETS, ids=repr)
def test_a_budget_that_makes_no_sense_is_refused_everywhere(app, budget) -> None:
    found = app.http.get("/v1/pools", params={"name": "own budget"}).json()["items"]
    made = found or [app.http.post("/v1/pools", json={"name": "own budget"}).json()]
    pool = made[0]["id"]
    query = {"strategy": "random", "budget": budget}
    for path, body in (
        ("queries", query),
        ("estimates", query),
        ("rounds", {"query": query}),
    ):
        answer = app.http.post(f"/v1/pools/{pool}/{path}", json=body)
        assert answer.status_code == 422, (path, answer.text)
    for text in ("NaN", "Infinity", "-Infinity", "1e999", "9" * 5000):
        content = f'{{"strategy": "random", "budget": {text}}}'.encode()
        headers = {"Content-Type": "application/json"}
        answer = app.http.post(f"/v1/pools/{pool}/queries", content=content, headers=headers)
        assert answer.status_code in (400, 422), text
    assert app.http.get("/v1/jobs", params={"pool": pool}).json()["items"] == []


def test_what_was_refused_left_nothing_behind(app) -> None:
    tenant = app.http.get("/v1/usage").json()["tenant"]
    assert list(app.service.workspace.manifests(tenant).iterdir()) == []
    assert Path("/etc/passwd").exists()
