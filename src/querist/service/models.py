"""Which models a request may name. Settings are checked by kind; nothing unlisted is imported."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

from querist.models.inference_settings import KINDS, parse
from querist.service.ids import is_id
from querist.service.index.index import find
from querist.service.problems import Refused
from querist.service.service import Service
from querist.service.settings import ModelSettings
from querist.service.wire.problem import Fault

UPLOAD = "upload:"
# Fields of models' settings whose text is code, a name somewhere else, or a URL, and the list of
# service.yaml that it must be in.
_LISTED = {
    "object": "python",
    "function": "python",
    "builder": "builders",
    "name": "huggingface",
    "repo": "hub",
    "url": "remote",
}
# Fields that can do no harm whatever their value, which the library checks. A field that is in
# neither list (what a skops file may load, the variable that holds a token) is refused.
_HARMLESS = frozenset(
    {
        *("use", "classes", "task", "input", "output", "normalise", "embedding", "mc_dropout"),
        *("backend", "precision", "scores", "embeddings", "members", "provides", "options"),
        *("encoding", "rows", "connections", "timeout", "tries", "version", "model", "revision"),
        *("max_length", "pooling", "modality", "offline"),
    }
)


def check_model(settings: Mapping[str, Any], allowed: ModelSettings) -> None:
    """Refuse settings that name what the administrator did not list.

    Raises:
        Refused: With every fault.
    """
    use = settings.get("use")
    if not isinstance(use, str) or use not in allowed.use or use not in KINDS:
        known = ", ".join(name for name in allowed.use if name in KINDS)
        raise Refused("invalid", f"'use' should be one of {known}, got {use!r:.100}.")
    faults = list(_faults(use, settings, allowed))
    if faults:
        raise Refused("invalid", "The model may not be used here.", faults)


def _faults(use: str, settings: Mapping[str, Any], allowed: ModelSettings) -> Iterator[Fault]:
    for name, value in settings.items():
        pointer = f"/settings/{name}"[:200]
        if name in file_fields(use):
            for one in value if isinstance(value, list) else [value]:
                if not _is_upload(one):
                    yield Fault(pointer=pointer, detail=f"Should be {UPLOAD} and an upload's id.")
        elif name in _LISTED:
            listed = getattr(allowed, _LISTED[name])
            if not isinstance(value, str) or value not in listed:
                detail = f"Is not in models.{_LISTED[name]} of service.yaml."
                yield Fault(pointer=pointer, detail=detail)
        elif name not in _HARMLESS and name in KINDS[use].model_fields:
            yield Fault(pointer=pointer, detail="May not be set by a request.")


def _is_upload(value: Any) -> bool:
    return (
        isinstance(value, str)
        and value.startswith(UPLOAD)
        and is_id(value.removeprefix(UPLOAD), "upl")
    )


def file_fields(use: str) -> set[str]:
    """The fields of a kind of model that name files."""
    fields = KINDS[use].model_fields
    return {name for name, field in fields.items() if _mentions(field.annotation, Path)}


def _mentions(annotation: Any, kind: type) -> bool:
    return annotation is kind or any(_mentions(one, kind) for one in get_args(annotation))


def opened_by(service: Service, tenant: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of a registered model as the library takes them, checked again.

    Raises:
        Refused: If the administrator does not allow it (any more), or an upload is gone.
        ConfigError: If the library does not take them.
    """
    check_model(settings, service.settings.models)
    found = with_files(service, tenant, settings)
    parse(found)
    return found


def with_files(service: Service, tenant: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings with the paths of the tenant's uploads.

    Raises:
        Refused: If one of them is not there.
    """

    def path(value: Any) -> Any:
        if isinstance(value, list):
            return [path(one) for one in value]
        upload = str(value).removeprefix(UPLOAD)
        with service.index.read() as connection:
            row = find(connection, "uploads", id=upload, tenant=tenant)
        if row is None:
            raise Refused("invalid", f"There is no upload {upload!r:.64}.")
        return str(service.workspace.upload(tenant, upload, row["kind"]))

    files = file_fields(str(settings["use"]))
    return {name: path(value) if name in files else value for name, value in settings.items()}
