"""The document of the interface: what FastAPI makes of the routes, completed.

It has no page of its own: those that FastAPI offers load scripts from elsewhere.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from typing import Any

from querist.service.call import Content, Download, Nothing, Plain, Route, Stream, Thumbnail
from querist.service.problems import BY_STATUS, KINDS
from querist.service.wire.examples import EXAMPLES, PARAMETERS
from querist.service.wire.problem import MEDIA_TYPE, Problem

JSON, BYTES = "application/json", "application/octet-stream"
_SCHEMAS = "#/components/schemas/"
_REF = _SCHEMAS + "{model}"
_FILE = {"type": "string", "format": "binary"}
_CONTENTS: dict[Any, dict[str, Any]] = {
    Download: {BYTES: {"schema": _FILE}},
    Stream: {
        "text/event-stream": {
            "schema": {"type": "string"},
            "example": "id: 7\nevent: state\ndata: {...a job...}\n\n",
        }
    },
    Plain: {"text/plain": {"schema": {"type": "string"}, "example": "querist_pools 3.0\n"}},
    Content: {
        "text/plain": {"schema": {"type": "string"}, "example": "An owl sits on a robin's nest."},
        **{
            f"image/{kind}": {"schema": _FILE, "example": "the bytes of the picture"}
            for kind in ("png", "jpeg", "gif", "webp")
        },
        **{
            f"audio/{kind}": {"schema": _FILE, "example": "the bytes of the sound"}
            for kind in ("wav", "flac", "ogg", "mpeg", "mp4")
        },
    },
    Thumbnail: {
        "text/plain": {"schema": {"type": "string"}, "example": "An owl sits on a robin's"},
        **{
            f"image/{kind}": {"schema": _FILE, "example": "the bytes of the picture"}
            for kind in ("png", "jpeg")
        },
    },
    Nothing: {},
}
_KEY_PARAMETER = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "schema": {"type": "string", "minLength": 1, "maxLength": 200, "pattern": "^[\\x21-\\x7e]+$"},
}


def words(route: Route) -> dict[str, str]:
    """Summary and description of an operation: its docstring, and the scope that it needs."""
    said = inspect.getdoc(route.handler) or ""
    summary, _, more = said.partition("\n\n")
    needs = f"Needs the scope `{route.scope.value}`." if route.scope else "Needs no key."
    return {"summary": " ".join(summary.split()), "description": f"{more}\n\n{needs}".strip()}


def responses(route: Route, answer: Any) -> dict[int | str, dict[str, Any]]:
    """What a route may answer, as OpenAPI has it; ``answer`` is the wire type, if it has one."""
    statuses = {400, 404, 405, 408, 413, 421, 422, 429, 431, 500, 503}
    if route.scope is not None:
        statuses |= {401, 403}
    if route.method != "GET":
        statuses |= {403, 409, 415}
    found: dict[int | str, dict[str, Any]] = {
        status: {"description": KINDS[BY_STATUS[status]][1] + ".", "content": _problem(status)}
        for status in sorted(statuses)
    }
    found[route.status] = {"description": inspect.cleandoc(_DONE[route.status])}
    found[route.status] |= (
        {"model": answer} if answer is not None else {"content": _CONTENTS[route.answer]}
    )
    return found


_DONE = {
    200: "Done.",
    201: "It is made.",
    202: "It is begun: a job goes on with it.",
    204: "It is gone.",
}


def _problem(status: int) -> dict[str, Any]:
    """The content of a problem document, with an example of each kind of this status."""
    kinds = {kind: title for kind, (its, title) in KINDS.items() if its == status}
    examples = {
        kind: {
            "value": {
                "type": f"/problems/{kind}",
                "title": title,
                "status": status,
                "detail": "",
                "instance": "req_3ocdqns7zajzi2kdoy2b",
                "errors": [],
            }
        }
        for kind, title in kinds.items()
    }
    return {MEDIA_TYPE: {"schema": {"$ref": _REF.format(model="Problem")}, "examples": examples}}


def extra(route: Route) -> dict[str, Any]:
    """Of an operation: how keys are sent, the idempotency key, and the body that is a file."""
    found: dict[str, Any] = {}
    if route.scope is not None:
        found["security"] = [{"key": []}]
    if route.creates:
        found["parameters"] = [_KEY_PARAMETER]
    if route.body == "file":
        found["requestBody"] = {"required": True, "content": {BYTES: {"schema": _FILE}}}
    return found


def complete(document: dict[str, Any]) -> None:
    """Add what FastAPI does not know: problems, keys, examples, what parameters mean."""
    schemas = Problem.model_json_schema(ref_template=_REF)
    parts = document.setdefault("components", {})
    found = parts.setdefault("schemas", {})
    found |= schemas.pop("$defs", {}) | {"Problem": schemas}
    found.pop("HTTPValidationError", None)
    found.pop("ValidationError", None)
    parts["securitySchemes"] = {
        "key": {"type": "http", "scheme": "bearer", "description": "A key: qk_..."}
    }
    for item in document["paths"].values():
        for operation in item.values():
            _complete_operation(operation)


def _complete_operation(operation: dict[str, Any]) -> None:
    for parameter in operation.get("parameters", ()):
        parameter["description"] = PARAMETERS.get(parameter["name"], "")
    for status, response in operation["responses"].items():
        content = response.get("content", {})
        if status < "300" and len(content) > 1:  # FastAPI thinks that everything is JSON
            content.pop(JSON, None)
    for content in _json_of(operation):
        example = example_of(content["schema"].get("$ref", ""))
        if example is not None:
            content["example"] = example


def _json_of(operation: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    bodies = [operation.get("requestBody", {}), *operation["responses"].values()]
    for body in bodies:
        if JSON in body.get("content", {}):
            yield body["content"][JSON]


def example_of(reference: str) -> Any:
    """An example of a schema; of a page one with one element."""
    name = reference.removeprefix(_SCHEMAS)
    if name.startswith("Page_"):
        return {"items": [EXAMPLES.get(name.removeprefix("Page_").rstrip("_"))], "next": None}
    return EXAMPLES.get(name)
