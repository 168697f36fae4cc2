"""Models and the files that were uploaded for them."""

from __future__ import annotations

from querist.service.call import Call, Nothing
from querist.service.ids import UPLOAD
from querist.service.index.index import (
    Connection,
    Row,
    Taken,
    find,
    hold,
    insert,
    newest_page,
    now,
    remove,
    total,
)
from querist.service.models import opened_by
from querist.service.problems import Refused
from querist.service.routes.paging import After, Limit, PathId, page_of
from querist.service.uploads import check_upload
from querist.service.wire.base import Name, Page
from querist.service.wire.models import Model, ModelCreate, Upload, UploadKind
from querist.service.workspace import erase, room_for


def create_upload(call: Call, kind: UploadKind) -> Upload:
    """Keep a file for a model: the body of the request. Pickles are refused."""
    service, file = call.service, call.upload
    room_for(service.workspace, 0)
    check_upload(file.path, kind)
    most = service.quota(call.who).bytes or 0
    row: Row = {
        "id": call.new_id("upl"),
        "tenant": call.who.tenant,
        "kind": kind,
        "size": file.size,
        "sha256": file.sha256,
        "created": now(),
    }
    with service.index.write() as connection:
        found = find(connection, "uploads", id=row["id"])
        if found is not None:
            return upload_told(found)
        hold(connection, call.who.tenant)
        if total(connection, "uploads", "size", tenant=call.who.tenant) + file.size > most:
            raise Refused("quota-exceeded", f"The tenant may keep {most} bytes; remove uploads.")
        file.path.replace(service.workspace.upload(call.who.tenant, row["id"], kind))
        insert(connection, "uploads", row)
    return upload_told(row)


def list_uploads(call: Call, limit: Limit = 100, after: After = "") -> Page[Upload]:
    """Uploaded files of your tenant, the newest first."""
    with call.service.index.read() as connection:
        where = {"tenant": call.who.tenant}
        rows = newest_page(connection, "uploads", where, after, limit)
    return page_of(rows, upload_told)


def get_upload(call: Call, upload: PathId) -> Upload:
    """One uploaded file."""
    return upload_told(call.service.own(call.who, "uploads", "upload", upload))


def remove_upload(call: Call, upload: PathId) -> Nothing:
    """Remove an uploaded file that no model uses."""
    row = call.service.own(call.who, "uploads", "upload", upload)
    with call.service.index.write() as connection:
        if _is_used(connection, call.who.tenant, upload):
            raise Refused("conflict", "A model uses this upload; remove the model first.")
        remove(connection, "uploads", id=row["id"])
    erase(call.service.workspace.upload(call.who.tenant, upload, row["kind"]))
    return Nothing()


def _is_used(connection: Connection, tenant: str, upload: str) -> bool:
    """Whether a model names an upload."""
    after, more = None, True
    while more:
        models, more = newest_page(connection, "models", {"tenant": tenant}, after, 1000)
        if any(f"{UPLOAD}{upload}" in repr(model["settings"]) for model in models):
            return True
        after = models[-1]["id"] if models else None
    return False


def create_model(call: Call, body: ModelCreate) -> Model:
    """Register a model by its settings."""
    service = call.service
    opened_by(service, call.who, body.settings)
    row: Row = {
        "id": call.new_id("mod"),
        "tenant": call.who.tenant,
        "name": body.name,
        "settings": body.settings,
        "created": now(),
    }
    try:
        with service.index.write() as connection:
            found = find(connection, "models", id=row["id"])
            if found is None:
                insert(connection, "models", row)
    except Taken:
        raise Refused("conflict", "The tenant has a model with this name.") from None
    return model_told(row)


def list_models(
    call: Call, limit: Limit = 100, after: After = "", name: Name | None = None
) -> Page[Model]:
    """Models of your tenant, the newest first; ``name`` finds one."""
    with call.service.index.read() as connection:
        where = {"tenant": call.who.tenant, "name": name}
        rows = newest_page(connection, "models", where, after, limit)
    return page_of(rows, model_told)


def get_model(call: Call, model: PathId) -> Model:
    """One model."""
    return model_told(call.service.own(call.who, "models", "model", model))


def remove_model(call: Call, model: PathId) -> Nothing:
    """Remove a model; queries that were begun with it go on."""
    call.service.own(call.who, "models", "model", model)
    with call.service.index.write() as connection:
        remove(connection, "models", id=model, tenant=call.who.tenant)
    return Nothing()


def upload_told(row: Row) -> Upload:
    """An upload as it goes on the wire."""
    return Upload.model_validate(row)


def model_told(row: Row) -> Model:
    """A model as it goes on the wire."""
    return Model.model_validate(row)
