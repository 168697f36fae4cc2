"""Thumbnails: small, upright, exact where they are tiny, never more than they may need."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest

from querist.service.thumbnails import Key, Thumbnails

FILE = {"Content-Type": "application/octet-stream"}


@pytest.fixture(scope="module")
def app(lasting, tmp_path_factory, finished) -> Any:
    """An application with a pool of strange files, by name: ``app.ids``."""
    from PIL import Image

    folder = tmp_path_factory.mktemp("strange")
    wide = Image.new("RGB", (400, 100), (255, 0, 0))
    turned = Image.Exif()
    turned[0x0112] = 6
    wide.save(folder / "turned.jpg", exif=turned)
    Image.new("RGB", (7, 5), (1, 2, 3)).save(folder / "tiny.bmp")
    Image.new("1", (9000, 9000)).save(folder / "bomb.png")
    (folder / "page.html").write_text("<script>alert(1)</script>" + "é" * 4000, encoding="utf-8")
    (folder / "cut.jpg").write_bytes((folder / "turned.jpg").read_bytes()[:700])
    (folder / "noise.bin").write_bytes(bytes(range(256)))
    app = lasting(tenants={"default": {"roots": [str(folder)]}})
    body = {"name": "strange", "uris": [str(folder)]}
    pool = app.http.post("/v1/pools", json=body).json()
    assert finished(app.http, pool["addition"])["state"] == "done"
    app.url = f"/v1/pools/{pool['id']}"
    items = app.http.get(f"{app.url}/items").json()["items"]
    app.ids = {Path(one["uri"]).name: one["id"] for one in items}
    return app


def asked(app: Any, name: str, **more: Any) -> Any:
    return app.http.get(f"{app.url}/thumbnails/{app.ids[name]}", params=more)


def test_a_picture_is_small_and_upright(app) -> None:
    from PIL import Image

    answer = asked(app, "turned.jpg", side=128)
    assert answer.headers["content-type"] == "image/jpeg"
    assert Image.open(io.BytesIO(answer.content)).size == (32, 128)
    tiny = asked(app, "tiny.bmp")
    assert tiny.headers["content-type"] == "image/png"
    shown = Image.open(io.BytesIO(tiny.content))
    assert (shown.size, shown.getpixel((0, 0))) == ((7, 5), (1, 2, 3))


def test_a_text_is_its_first_words_and_never_a_page(app) -> None:
    answer = asked(app, "page.html")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert len(answer.text) == 400
    assert answer.text.startswith("<script>alert(1)</script>éé")


@pytest.mark.parametrize("name", ["bomb.png", "cut.jpg", "noise.bin"])
def test_what_cannot_be_shown_is_a_sentence(app, name) -> None:
    answer = asked(app, name)
    assert (answer.status_code, answer.json()["type"]) == (409, "/problems/conflict")
    assert ("9000 x 9000 pixels" in answer.text) == (name == "bomb.png")


def test_a_row_of_a_table_is_a_line_a_column_in_the_files_order(local, finished) -> None:
    app = local()
    pool = app.http.post("/v1/pools", json={"name": "rows"}).json()["id"]
    table = b"weight,smoker,age\n81.5,yes,30\n70,,20\n"
    url = f"/v1/pools/{pool}/manifests"
    job = app.http.post(url, params={"format": "csv"}, content=table, headers=FILE).json()
    assert finished(app.http, job["id"])["added"]["new"] == 2
    ids = [one["id"] for one in app.http.get(f"/v1/pools/{pool}/items").json()["items"]]
    shown = [app.http.get(f"/v1/pools/{pool}/thumbnails/{id}") for id in ids]
    assert {one.headers["content-type"] for one in shown} == {"text/plain; charset=utf-8"}
    assert [one.text for one in shown] == [
        "weight: 81.5\nsmoker: yes\nage: 30",
        "weight: 70\nage: 20",
    ]


def test_only_sizes_that_are_small_and_items_of_the_tenant(app) -> None:
    assert asked(app, "tiny.bmp", side=513).status_code == 422
    stranger = app.as_(app.key("another"))
    path = f"{app.url}/thumbnails/{app.ids['tiny.bmp']}"
    assert app.http.get(path, headers=stranger).status_code == 404


def test_a_forgotten_item_has_none(app, finished) -> None:
    body = {"name": "words", "transform": {"modality": "text"}}
    url = f"/v1/pools/{app.http.post('/v1/pools', json=body).json()['id']}"
    sent, params = b'{"id": "a/b", "text": "hello"}', {"format": "jsonl"}
    job = app.http.post(f"{url}/manifests", params=params, content=sent, headers=FILE).json()
    assert finished(app.http, job["id"])["state"] == "done"
    seen = [app.http.get(f"{url}/{what}/a%2Fb") for what in ("thumbnails", "content", "items")]
    assert seen[0].text == seen[1].text == "hello"
    # No browser and no proxy keeps what would be shown when it is forgotten.
    assert {one.headers["cache-control"] for one in seen} == {"no-store"}
    assert app.http.post(f"{url}/erasures", json={"items": ["a/b"]}).is_success
    assert app.http.get(f"{url}/thumbnails/a%2Fb").status_code in (404, 410)


def test_kept_are_the_last_ones_within_bounds() -> None:
    kept, made = Thumbnails(most=2500), []

    def ask(item: str) -> None:
        def read() -> bytes:
            made.append(item)
            return b"x" * 500

        assert kept.of(Key("pool", item, "", 160), read, 0).content == b"x" * 400

    for item in "abaac":
        ask(item)
    assert made == ["a", "b", "c"]
    kept.drop("pool", "a")
    for item in "adb":
        ask(item)
    assert made == ["a", "b", "c", "a", "d", "b"]
    assert kept._bytes == 2 * 912
