"""Models and the files for them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from querist.service.client.call import Call, Flow, Listing, delete, get, new_key, pages, path_of
from querist.service.client.call import post as _post
from querist.service.client.calls.references import Ref, id_of, model_id
from querist.service.wire.models import Model, ModelCreate, Upload


def upload(file: Path | str, kind: str) -> Flow[Upload]:
    """Send a file for a model: safetensors, onnx or skops."""
    said = {"kind": kind}
    done: Upload = yield Call(
        "POST", path_of("uploads"), Upload, said, file=Path(file), once=new_key()
    )
    return done


def uploads() -> Listing[Upload]:
    """Files that were uploaded, the newest first."""
    return Listing(pages(Upload, "uploads"))


def upload_status(upload: Ref) -> Flow[Upload]:
    """What the service holds of a file."""
    found: Upload = yield from get(Upload, "uploads", id_of(upload))
    return found


def delete_upload(upload: Ref) -> Flow[None]:
    """Remove a file."""
    yield from delete("uploads", id_of(upload))


def models(name: str = "") -> Listing[Model]:
    """All registered models, or the one of a name."""
    return Listing(pages(Model, "models", name=name))


def model(model: Ref) -> Flow[Model]:
    """One model, by id or name."""
    found: Model = yield from get(Model, "models", (yield from model_id(model)) or "")
    return found


def create_model(name: str, settings: Mapping[str, Any]) -> Flow[Model]:
    """Register a model by its settings; an uploaded file is "upload:" and its id."""
    body = ModelCreate(name=name, settings=dict(settings))
    made: Model = yield from _post(Model, "models", body=body)
    return made


def delete_model(model: Ref) -> Flow[None]:
    """Remove a model."""
    yield from delete("models", (yield from model_id(model)) or "")
