"""Which models a request may name. Settings are checked by kind; nothing unlisted is imported."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args
from urllib.parse import urlsplit

from querist.models.inference_settings import KINDS, parse
from querist.pool.settings import ModelAccess
from querist.service.ids import UPLOAD, is_id
from querist.service.index.index import find
from querist.service.people import Principal
from querist.service.pools import models_for
from querist.service.problems import Refused
from querist.service.service import Service
from querist.service.settings import ModelSettings
from querist.service.wire.problem import Fault
from querist.sources.access import Access
from querist.sources.network import Network
from querist.sources.source import SourceError

BASE = "base"
PRINTED = re.compile(r"[\x21-\x7e]{1,2048}")
# Fields of models' settings whose text is code, a name somewhere else, or a URL, and the list of
# service.yaml that it must be in.
_LISTED = {
    "object": "python",
    "function": "python",
    "builder": "builders",
    "name": "huggingface",
    "repo": "hub",
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


def check_model(settings: Mapping[str, Any], allowed: ModelSettings, servers: ModelAccess) -> None:
    """Refuse settings that name what the administrator did not list.

    Args:
        settings: Of the model, as they were sent.
        allowed: What all tenants may use.
        servers: Which servers of models the tenant may ask.

    Raises:
        Refused: With every fault.
    """
    use = settings.get("use")
    if not isinstance(use, str) or use not in allowed.use or use not in KINDS:
        known = ", ".join(name for name in allowed.use if name in KINDS)
        raise Refused("invalid", f"'use' should be one of {known}, got {use!r:.100}.")
    faults = list(_faults(use, settings, allowed, servers))
    if faults:
        raise Refused("invalid", "The model may not be used here.", faults)


def _faults(
    use: str, settings: Mapping[str, Any], allowed: ModelSettings, servers: ModelAccess
) -> Iterator[Fault]:
    for name, value in settings.items():
        pointer = f"/settings/{name}"[:200]
        if name == BASE and use == "head":
            yield from _base_faults(pointer, value, allowed, servers)
        elif detail := _fault(use, (name, value), allowed, servers):
            yield Fault(pointer=pointer, detail=detail)


def _fault(use: str, field: tuple[str, Any], allowed: ModelSettings, servers: ModelAccess) -> str:
    """What is wrong with one field; nothing for one that the library checks."""
    name, value = field
    if name in file_fields(use):
        files = value if isinstance(value, list) else [value]
        return "" if all(map(_is_upload, files)) else f"Should be {UPLOAD} and an upload's id."
    if name == "url":
        known = may_ask(value, servers)
        said = "Is in neither models.remote of service.yaml nor the tenant's model_hosts."
        return "" if known else said
    if name in _LISTED:
        listed = isinstance(value, str) and value in getattr(allowed, _LISTED[name])
        return "" if listed else f"Is not in models.{_LISTED[name]} of service.yaml."
    strange = name not in _HARMLESS and name in KINDS[use].model_fields
    return "May not be set by a request." if strange else ""


def _base_faults(
    pointer: str, base: Any, allowed: ModelSettings, servers: ModelAccess
) -> Iterator[Fault]:
    """What is wrong with the model below a head; another head is."""
    use = base.get("use") if isinstance(base, Mapping) else None
    if not isinstance(use, str) or use not in allowed.use or use not in KINDS or use == "head":
        known = ", ".join(name for name in allowed.use if name in KINDS and name != "head")
        yield Fault(pointer=f"{pointer}/use", detail=f"Should be one of {known}.")
        return
    for fault in _faults(use, base, allowed, servers):
        where = fault.pointer.removeprefix("/settings")
        yield Fault(pointer=f"{pointer}{where}"[:200], detail=fault.detail)


def may_ask(url: Any, servers: ModelAccess) -> bool:
    """Whether a model may be behind a URL; the address is checked when it is connected to."""
    if not isinstance(url, str) or not PRINTED.fullmatch(url):
        return False
    if url in servers.servers:
        return True
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        return False
    odd = "@" in parts.netloc or parts.query or parts.fragment
    if parts.scheme not in ("http", "https") or odd:
        return False
    try:
        Network(Access(hosts=servers.hosts, private=servers.private)).check_name(host, port)
    except SourceError:
        return False
    return True


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


def opened_by(service: Service, who: Principal, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of a registered model as the library takes them, checked again.

    Raises:
        Refused: If the administrator does not allow it (any more), or an upload is gone.
        ConfigError: If the library does not take them.
    """
    servers = models_for(who.tenant_name, service.settings)
    check_model(settings, service.settings.models, servers)
    found = with_files(service, who.tenant, settings)
    parse(found)
    if found["use"] == "head":
        parse(found[BASE])
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

    use = str(settings["use"])
    files = file_fields(use)
    found = {name: path(value) if name in files else value for name, value in settings.items()}
    if use == "head" and BASE in found:
        found[BASE] = with_files(service, tenant, found[BASE])
    if use == "hub":
        found["trust"] = True  # the administrator listed this repository
    return found
