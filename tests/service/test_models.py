"""Models by settings and by upload: nothing is unpickled, nothing unlisted is imported."""

from __future__ import annotations

import io
import json
import pickle
import sys
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import save

from querist.service.problems import Refused
from querist.service.uploads import check_upload

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "models"))
from oip_server import Served, serving

NO_UPLOAD = "upload:upl_aaaaaaaaaaaaaaaaaaaa"


def upload(app, content: bytes, kind: str):
    headers = {"Content-Type": "application/octet-stream"}
    return app.http.post("/v1/uploads", params={"kind": kind}, content=content, headers=headers)


def archive(**files: bytes) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in files.items():
            packed.writestr(name.replace("__", "/").replace("_dot_", "."), content)
    return held.getvalue()


def test_an_upload_is_kept_counted_and_removed(shared) -> None:
    content = save({"w": np.zeros(4, np.float32)})
    made = upload(shared, content, "safetensors").json()
    assert made["size"] == len(content)
    assert shared.http.get(f"/v1/uploads/{made['id']}").json() == made
    assert shared.http.get("/v1/usage").json()["bytes"] == len(content)
    assert shared.http.delete(f"/v1/uploads/{made['id']}").status_code == 204
    assert shared.http.get("/v1/usage").json()["bytes"] == 0


def test_another_file_with_the_same_key_is_refused(shared) -> None:
    headers = {"Content-Type": "application/octet-stream", "Idempotency-Key": "weights-of-today"}

    def sent(number: float):
        content = save({"w": np.full(4, number, np.float32)})  # all are of one length
        return shared.http.post("/v1/uploads?kind=safetensors", content=content, headers=headers)

    first = sent(1.0)
    again = sent(1.0)
    assert (again.json(), again.headers["idempotent-replayed"]) == (first.json(), "true")
    other = sent(2.0)
    assert other.status_code == 422
    assert other.json()["type"].endswith("key-reused")
    assert sent(1.0).json() == first.json()
    assert shared.http.delete(f"/v1/uploads/{first.json()['id']}").status_code == 204


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (pickle.dumps({"a": 1}), "safetensors"),
        (pickle.dumps({"a": 1}), "onnx"),
        (pickle.dumps({"a": 1}), "skops"),
        (b"", "onnx"),
        (b"\xff" * 64, "safetensors"),
        ((2**40).to_bytes(8, "little") + b"{}", "safetensors"),
        (b"\x08\x07...\x0a\x08location\x12\x0b/etc/passwd", "onnx"),
        (b"\x08\x07...\x0a\x88\x80\x00location\x12\x0bindex.sqlite", "onnx"),
        (b"\x08\x07...\x8a\x00\x88\x00location\x12\x0bindex.sqlite", "onnx"),
        (archive(schema_dot_json=b"{}", a_dot_pkl=b"x"), "skops"),
        (archive(schema_dot_json=b"{}", ____etc__passwd=b"x"), "skops"),
        (archive(schema_dot_json=b"{}", bomb=b"\0" * 5_000_000), "skops"),
        (archive(other=b"x"), "skops"),
    ],
)
def test_what_is_not_of_its_kind_is_refused(shared, content: bytes, kind: str) -> None:
    assert upload(shared, content, kind).status_code == 422
    assert list(shared.settings.data.glob("tmp/*")) == []


def test_a_list_of_very_many_parts_or_tensors_is_not_read_into_memory(tmp_path) -> None:
    """A hundred bytes of memory for each of the file's ten, and nobody else is answered."""
    entry = b"PK\x01\x02" + b"\x14\x00" * 2 + bytes(20) + b"\x01" + bytes(17) + b"a"
    parts = 200_000
    end = b"PK\x05\x06" + bytes(4) + b"\xff" * 4 + (parts * len(entry)).to_bytes(4, "little")
    (tmp_path / "parts").write_bytes(entry * parts + end + bytes(6))
    tensors = ",".join(f'"{n}":{{"data_offsets":[0,0]}}' for n in range(300_000))
    header = f"{{{tensors}}}".encode()
    (tmp_path / "tensors").write_bytes(len(header).to_bytes(8, "little") + header)
    tracemalloc.start()
    try:
        for name, kind in (("parts", "skops"), ("tensors", "safetensors")):
            with pytest.raises(Refused):
                check_upload(tmp_path / name, kind)
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"use": "python", "object": "os:system"},
        {"use": "torch", "builder": "os:system", "weights": "upload:upl_aaaaaaaaaaaaaaaaaaaa"},
        {"use": "onnx", "file": "/etc/passwd"},
        {"use": "onnx", "file": "upload:../../x"},
        {"use": "onnx", "file": ["upload:upl_aaaaaaaaaaaaaaaaaaaa"]},
        {"use": "sklearn", "file": "upload:upl_aaaaaaaaaaaaaaaaaaaa", "trusted": ["os.system"]},
        {"use": "hub", "repo": "evil/repo", "model": "m", "trust": True},
        {"use": "remote", "url": "http://169.254.169.254/", "model": "m", "token_from": "HOME"},
        {"use": "onnx", "fiel": "x"},
        {"use": "onnx", "file": "upload:upl_aaaaaaaaaaaaaaaaaaaa", "base": {}},
        {"use": "head", "base": {"use": "features"}, "weights": "/etc/passwd"},
        {"use": "head", "base": {"use": "features"}, "weights": "upload:upl_aaaaaaaaaaaaaaaaaaaa"},
        {"use": "head", "base": {"use": "python", "object": "os:system"}, "weights": NO_UPLOAD},
        {"use": "head", "base": {"use": "onnx", "file": "/etc/passwd"}, "weights": NO_UPLOAD},
        {"use": "head", "base": {"use": "head", "base": {}}, "weights": NO_UPLOAD},
        {"use": "head", "base": "features", "weights": NO_UPLOAD},
        {"use": "head", "weights": NO_UPLOAD},
        {"use": "head", "base": {"use": "live"}, "weights": NO_UPLOAD},
        {"use": "head", "base": {"use": ["features"]}, "weights": NO_UPLOAD},
    ],
)
def test_settings_that_reach_further_than_allowed_are_refused(shared, settings) -> None:
    answer = shared.http.post("/v1/models", json={"name": "m", "settings": settings})
    assert answer.status_code == 422, answer.text
    assert shared.http.get("/v1/models").json()["items"] == []


def head_of(app, d: int) -> str:
    weights = np.random.default_rng(0).normal(size=(1, d, 2)).astype(np.float32)
    made = upload(
        app, save({"weight": weights, "bias": np.zeros((1, 2), np.float32)}), "safetensors"
    )
    return f"upload:{made.json()['id']}"


def test_a_head_on_features_is_registered_and_its_upload_is_held(shared) -> None:
    weights = head_of(shared, 4)
    settings = {"use": "head", "base": {"use": "features", "modality": "text"}, "weights": weights}
    made = shared.http.post("/v1/models", json={"name": "head", "settings": settings})
    assert made.status_code == 201, made.text
    assert made.json()["settings"] == settings
    path = f"/v1/uploads/{weights.removeprefix('upload:')}"
    assert shared.http.delete(path).status_code == 409
    wrong = {**settings, "base": {"use": "features", "modalty": "text"}}
    answer = shared.http.post("/v1/models", json={"name": "wrong", "settings": wrong})
    assert answer.status_code == 422
    assert "modality" in answer.text
    shared.http.delete(f"/v1/models/{made.json()['id']}")
    assert shared.http.delete(path).status_code == 204


@pytest.mark.slow
def test_a_trained_head_scores_through_the_service(pooled, finished, tmp_path) -> None:
    from querist.models.inference import open_inference
    from querist.models.trainers.linear_head import train_linear_head

    base = {"use": "features", "modality": "image"}
    inference = open_inference(base)
    rng = np.random.default_rng(1)
    batch = rng.integers(0, 255, (40, 8, 8, 3), dtype=np.uint8)
    embeddings = inference.infer(batch, frozenset({"embeddings"}))["embeddings"]
    labels = np.where(
        batch.mean(axis=(1, 2, 3)) > np.median(batch.mean(axis=(1, 2, 3))), "cat", "dog"
    )
    file = tmp_path / "head.safetensors"
    train_linear_head(embeddings, list(labels), ("cat", "dog"), base, file)
    sent = upload(pooled, file.read_bytes(), "safetensors").json()["id"]
    settings = {
        "use": "head",
        "base": base,
        "weights": f"upload:{sent}",
        "classes": ["cat", "dog"],
    }
    made = pooled.http.post("/v1/models", json={"name": "trained", "settings": settings})
    assert made.status_code == 201, made.text
    body = {"model": made.json()["id"], "strategy": "margin", "budget": 4}
    query = pooled.http.post(f"/v1/pools/{pooled.pool}/queries", json=body).json()["id"]
    done = finished(pooled.http, query)
    assert (done["state"], done["error"]) == ("done", "")
    assert done["counts"]["picked"] == 4
    picks = pooled.http.get(f"/v1/queries/{query}/picks").json()["items"]
    # The same by hand: the head on the features of the same pictures.
    names = sorted(pooled.folder.glob("0*.png"))
    pixels = np.stack([np.asarray(Image.open(name)) for name in names])
    head = open_inference({**settings, "weights": str(file)})
    chances = np.sort(head.infer(pixels, frozenset({"probabilities"}))["probabilities"], axis=1)
    least = np.argsort(chances[:, -1] - chances[:, -2])[:4]
    assert {pick["uri"].rpartition("/")[2] for pick in picks} == {names[n].name for n in least}


URLS = {
    "http://models.example.org:8000": True,
    "https://models.example.org:8000/base": True,
    "http://listed.internal:9000": True,
    "http://listed.internal:9001": False,
    "http://listed.internal:9000.evil.org": False,
    "http://10.1.2.3": True,
    "http://10.2.2.3": False,
    "http://models.example.org:80": False,
    "http://models.example.org:8000@evil.org": False,
    "http://user:secret@models.example.org:8000": False,
    "http://models.example.org:8000/?x=1": False,
    "http://models.example.org:8000/#x": False,
    "file:///etc/passwd": False,
    "http://169.254.169.254": False,
    "http://127.0.0.1:8000": False,
    "http://[::1]:8000": False,
    "http://2130706433": False,
    "http://models.example.org:8000\r\nX: y": False,
    "http://models.example.org:99999999": False,
    "": False,
}


def test_a_tenants_hosts_of_models_are_its_own(local) -> None:
    app = local(
        models={"use": ["remote"], "remote": ["http://listed.internal:9000"]},
        tenants={"acme": {"model_hosts": ["models.example.org:8000", "10.1.0.0/16"]}},
    )
    acme = app.as_(app.key("acme"))
    for number, (url, allowed) in enumerate(URLS.items()):
        settings = {"use": "remote", "url": url, "model": "m"}
        body = {"name": str(number), "settings": settings}
        answer = app.http.post("/v1/models", json=body, headers=acme)
        assert answer.status_code == (201 if allowed else 422), (url, answer.text)
        other = app.http.post("/v1/models", json=body)
        assert other.status_code == (201 if url[7:] == "listed.internal:9000" else 422), url
    for url in (7, None, ["http://listed.internal:9000"], {"a": 1}):
        settings = {"use": "remote", "url": url, "model": "m"}
        answer = app.http.post("/v1/models", json={"name": "x", "settings": settings})
        assert answer.status_code == 422


class OfPictures(Served):
    """Takes pictures of 8 by 8."""

    def told(self, path: str) -> dict | None:
        found = super().told(path)
        if found is not None and "inputs" in found:
            found["inputs"][0] |= {"shape": [-1, 8, 8, 3], "datatype": "UINT8"}
        return found

    def answer(self, body: bytes, header: str | None) -> tuple[bytes, str | None]:
        size = int(header) if header else 0
        told = json.loads(body[:size])
        told["inputs"][0]["shape"] = [told["inputs"][0]["shape"][0], 192]
        front = json.dumps(told).encode()
        return super().answer(front + body[size:], str(len(front)))


@pytest.mark.slow
def test_a_model_behind_a_server_is_asked_only_while_it_is_allowed(
    local, pictures, finished
) -> None:
    """The rule is that of the time of the job, and of the address that is connected to."""
    served = OfPictures(np.random.default_rng(2).normal(size=(192, 2)).astype(np.float32))
    with serving(served) as url, serving(served) as elsewhere:
        folder = pictures(10)
        port = url.rpartition(":")[2]
        app = local(
            models={"use": ["remote"]},
            tenants={
                "default": {
                    "roots": [str(folder)],
                    "model_hosts": [f"127.0.0.1:{port}", "localhost"],
                }
            },
        )
        transform = {"modality": "image", "size": 8}
        body = {"name": "p", "classes": ["a", "b"], "transform": transform, "uris": [str(folder)]}
        pool = app.http.post("/v1/pools", json=body).json()
        assert finished(app.http, pool["addition"])["state"] == "done"

        def asked(name: str, at: str) -> dict:
            settings = {"use": "remote", "url": at, "model": "linear", "tries": 1}
            made = app.http.post("/v1/models", json={"name": name, "settings": settings}).json()
            query = {"model": made["id"], "strategy": "margin", "budget": 3}
            begun = app.http.post(f"/v1/pools/{pool['id']}/queries", json=query).json()
            return finished(app.http, begun["id"])

        good = asked("good", url)
        assert (good["state"], good["error"]) == ("done", "")
        before = len(served.requests)
        # The name is listed, but where it leads to is not.
        rebound = asked("rebound", elsewhere.replace("127.0.0.1", "localhost"))
        assert rebound["state"] == "failed"
        assert "private" in rebound["error"]
        assert len(served.requests) == before
