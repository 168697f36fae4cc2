"""Models by settings and by upload: nothing is unpickled, nothing unlisted is imported."""

from __future__ import annotations

import io
import pickle
import zipfile

import numpy as np
import pytest
from safetensors.numpy import save


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
        (archive(schema_dot_json=b"{}", a_dot_pkl=b"x"), "skops"),
        (archive(schema_dot_json=b"{}", ____etc__passwd=b"x"), "skops"),
        (archive(schema_dot_json=b"{}", bomb=b"\0" * 5_000_000), "skops"),
        (archive(other=b"x"), "skops"),
    ],
)
def test_what_is_not_of_its_kind_is_refused(shared, content: bytes, kind: str) -> None:
    assert upload(shared, content, kind).status_code == 422
    assert list(shared.settings.data.glob("tmp/*")) == []


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
    ],
)
def test_settings_that_reach_further_than_allowed_are_refused(shared, settings) -> None:
    answer = shared.http.post("/v1/models", json={"name": "m", "settings": settings})
    assert answer.status_code == 422, answer.text
    assert shared.http.get("/v1/models").json()["items"] == []
