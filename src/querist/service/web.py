"""Binds the table of routes to FastAPI: the one file that knows it."""

from __future__ import annotations

import hashlib
import inspect
import logging
import re
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Any, get_type_hints

from querist.campaign.nearest import suggest
from querist.core.errors import QueristError, require
from querist.service import document
from querist.service.call import (
    Call,
    Content,
    Download,
    Nothing,
    Plain,
    Received,
    Route,
    Stream,
    Thumbnail,
)
from querist.service.errors import as_refused
from querist.service.guard import problem_parts
from querist.service.idempotency import Once
from querist.service.people import Principal
from querist.service.problems import BY_STATUS, Refused, internal
from querist.service.service import Service
from querist.service.wire.problem import MEDIA_TYPE, Fault
from querist.service.workspace import erase, room_for

_LOG = logging.getLogger("querist.service.web")
_CHUNK = 1 << 20
THREADS = 80
Handle = Callable[[Any], Awaitable[Any]]


def _fastapi(module: str = "") -> Any:
    return require(f"fastapi{module}", "service", "the service")


def build(service: Service, routes: Sequence[Route], lifespan: Any) -> Any:
    """The application of these routes."""
    from querist import __version__

    root = service.settings.listen.root_path
    app = _fastapi().FastAPI(
        title="Querist",
        version=__version__,
        description="Active learning as a service.",
        openapi_url="/v1/openapi.json",
        servers=[{"url": root}] if root else None,
        docs_url=None,  # that page would load scripts from elsewhere
        redoc_url=None,
        redirect_slashes=False,
        lifespan=lifespan,
    )
    binder = _Binder(service)
    for route in routes:
        binder.add(app, route)
    _say_problems(app, service.workspace.hidden, root)
    _with_document(app)
    return app


def _with_document(app: Any) -> None:
    """The document is made once, and completed."""
    plain = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document.complete(plain())
        kept: dict[str, Any] = app.openapi_schema
        return kept

    app.openapi = openapi


def allow_threads() -> None:
    """Let so many requests be answered at once; on the event loop.

    Most of them wait for the disk, and those that wait together share its syncs.
    """
    threads = require("anyio", "service", "the service").to_thread
    threads.current_default_thread_limiter().total_tokens = THREADS


def in_thread(function: Callable[..., Any], *args: Any) -> Awaitable[Any]:
    """Run something that blocks away from the event loop."""
    run: Awaitable[Any] = _fastapi(".concurrency").run_in_threadpool(function, *args)
    return run


class _Binder:
    def __init__(self, service: Service) -> None:
        self._service = service

    def add(self, app: Any, route: Route) -> None:
        """One route, with all that it may answer."""
        kinds = dict.fromkeys((Download, Stream, Plain, Content, Thumbnail, Nothing))
        app.router.add_api_route(
            route.path,
            self._endpoint(route),
            methods=[route.method],
            status_code=route.status,
            response_model=None,
            responses=document.responses(route, kinds.get(route.answer, route.answer)),
            operation_id=route.name,
            **document.words(route),
            tags=[route.path.split("/")[2] if route.path.startswith("/v1/") else "server"],
            route_class_override=self._route_class(route),
            openapi_extra=document.extra(route),
        )

    def _route_class(self, route: Route) -> Any:
        """Checks the key before FastAPI reads the body."""
        service = self._service

        class Checked(_fastapi(".routing").APIRoute):  # type: ignore[misc]
            def get_route_handler(self) -> Handle:
                inner = super().get_route_handler()

                async def handle(request: Any) -> Any:
                    request.scope["state"]["route"] = route
                    await _admit(service, route, request)
                    if route.body == "json":
                        _must_be(request, "application/json")
                        await request.body()
                    return await _once(service, route, request, inner)

                return handle

        return Checked

    def _endpoint(self, route: Route) -> Handle:
        """What FastAPI calls: with the handler's own parameters, checked by their types."""
        hints = get_type_hints(route.handler, include_extras=True)
        own = list(inspect.signature(route.handler).parameters.values())[1:]
        service, request_class = self._service, _fastapi().Request

        async def endpoint(request: Any, **values: Any) -> Any:
            call = _call(service, request)
            if route.body == "file":
                with service.receiving(call.who):
                    call.file = await _receive(service, request)
                request.scope["state"]["content"] = call.file.sha256
            try:
                async with _turn(service, route, call.who):
                    answer = await in_thread(lambda: route.handler(call, **values))
            finally:
                if call.file is not None:
                    await in_thread(erase, call.file.path)
            return _respond(route, answer)

        first = inspect.Parameter(
            "request", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=request_class
        )
        rest = [
            one.replace(kind=inspect.Parameter.KEYWORD_ONLY, annotation=hints[one.name])
            for one in own
        ]
        endpoint.__signature__ = inspect.Signature([first, *rest])  # type: ignore[attr-defined]
        endpoint.__name__ = route.name
        return endpoint


def _turn(service: Service, route: Route, who: Principal) -> AbstractAsyncContextManager[Any]:
    """What may take long waits for a turn of its tenant, so that threads are left for the rest."""
    quick = route.method == "GET" and not route.long
    return nullcontext() if quick or route.scope is None else service.turn(who)


async def _admit(service: Service, route: Route, request: Any) -> None:
    """Find out who asks; refuse who may not, or asks too often."""
    state = request.scope["state"]
    if route.scope is None:
        return
    asks = request.headers.get("authorization"), state["local"]
    principal = service.door.known(*asks)
    try:
        principal = principal or await in_thread(service.door.let_in, *asks)
    except Refused as refused:
        if refused.kind == "wrong-key":
            service.note_wrong_key(request.client.host if request.client else "")
        raise
    state["who"] = principal
    service.check_rate(principal)
    if not principal.may(route.scope):
        raise Refused("not-allowed", f"This needs a key with the scope {route.scope.value!r}.")
    if route.method in ("POST", "PATCH"):
        room_for(service.workspace, 0)


def _must_be(request: Any, media_type: str) -> None:
    given = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if given != media_type:
        raise Refused("wrong-type", f"Send the header Content-Type: {media_type}.")


async def _once(service: Service, route: Route, request: Any, inner: Handle) -> Any:
    """Do what creates something once for each idempotency key."""
    key = request.headers.get("idempotency-key")
    if not route.creates or key is None:
        return await inner(request)
    who: Principal = request.scope["state"]["who"]
    body = await request.body() if route.body == "json" else b""
    is_file = route.body == "file"
    if is_file:  # it is read as it arrives; what it holds is compared where it came before
        body = request.headers.get("content-length", "").encode()
    said = f"{route.method} {request.url.path}?{request.url.query}\n".encode() + body
    digest = hashlib.sha256(said).hexdigest()[: 32 if is_file else 64]
    once = Once(service.index, service.presence, who.tenant, key, digest)
    earlier = await in_thread(once.begin)
    if earlier is not None:
        if is_file and not once.is_same(await _content(request)):
            raise Refused("key-reused", "Use a new Idempotency-Key for each new file.")
        return _response(
            earlier[1].encode(), "application/json", earlier[0], {"idempotent-replayed": "true"}
        )
    request.scope["state"]["made"] = once.made
    try:
        answer = await inner(request)
    except Exception:
        await in_thread(once.give_up)
        raise
    except BaseException:  # it took too long: its thread went on to the end all the same
        once.let_go()
        raise
    content = request.scope["state"].get("content", "")
    await in_thread(once.finish, answer.status_code, answer.body.decode(), content)
    return answer


async def _content(request: Any) -> str:
    """A digest of a file that arrives; it is not kept."""
    digest = hashlib.sha256()
    async for chunk in request.stream():
        digest.update(chunk)
    return digest.hexdigest()


def _call(service: Service, request: Any) -> Call:
    state = request.scope["state"]
    return Call(
        service,
        state.get("who") or service.nobody,
        state["request"],
        request.headers.get("last-event-id", "")[:64],
        made=state.get("made", ""),
    )


async def _receive(service: Service, request: Any) -> Received:
    """Write a body to a temporary file while it arrives."""
    _must_be(request, "application/octet-stream")
    path = await in_thread(service.workspace.temporary)
    digest, size, held = hashlib.sha256(), 0, bytearray()

    def keep(data: bytes) -> None:
        room_for(service.workspace, len(data))
        digest.update(data)
        with path.open("ab") as file:
            file.write(data)

    try:
        async for chunk in request.stream():
            held += chunk
            size += len(chunk)
            if len(held) >= _CHUNK:
                await in_thread(keep, bytes(held))
                held.clear()
        await in_thread(keep, bytes(held))
    except BaseException:
        erase(path)
        raise
    return Received(path, size, digest.hexdigest())


def _respond(route: Route, answer: Any) -> Any:
    responses = _fastapi(".responses")
    if isinstance(answer, Download):
        task = require("fastapi", "service", "the service").BackgroundTasks()
        task.add_task(erase, answer.path)
        headers = {"content-disposition": f'attachment; filename="{_file_name(answer.name)}"'}
        return responses.FileResponse(
            answer.path, media_type=answer.media_type, headers=headers, background=task
        )
    if isinstance(answer, Stream):
        at_once = {"x-accel-buffering": "no"}  # nginx would keep events back
        return responses.StreamingResponse(answer.parts, 200, at_once, "text/event-stream")
    if isinstance(answer, Plain):
        return _response(answer.content, answer.media_type, route.status, {})
    if route.answer is Nothing:
        return responses.Response(status_code=route.status)
    return _response(
        answer.model_dump_json(serialize_as_any=True).encode(), "application/json", route.status, {}
    )


def _response(content: bytes, media_type: str, status: int, headers: dict[str, str]) -> Any:
    return _fastapi(".responses").Response(content, status, headers, media_type)


def _file_name(text: str) -> str:
    """A name that can stand in a header and on any disk."""
    return re.sub(r"[^A-Za-z0-9._-]", "_", text)[:100] or "file"


# -- errors ---------------------------------------------------------------------------------------


def _say_problems(app: Any, hidden: Callable[[str], str], root: str) -> None:
    """Every error becomes a problem document; ``hidden`` takes out what strangers need not see."""
    exceptions = _fastapi(".exceptions")
    details = {**_DETAILS, 404: f"There is no such path; see {root}/v1/openapi.json."}

    async def refused(request: Any, error: Refused) -> Any:
        return _problem(request, error)

    async def library(request: Any, error: QueristError) -> Any:
        found = as_refused(error)
        if found is None:
            _LOG.error("unexpected", exc_info=error, extra={"request": _id_of(request)})
            found = internal()
        found.detail = hidden(found.detail)
        found.errors = tuple(
            Fault(pointer=one.pointer, detail=hidden(one.detail)) for one in found.errors
        )
        return _problem(request, found)

    async def invalid(request: Any, error: Any) -> Any:
        return _problem(request, _invalid(error.errors(), request.scope["state"].get("route")))

    async def http(request: Any, error: Any) -> Any:
        kind = BY_STATUS.get(error.status_code, "bad-request")
        answer = _problem(request, Refused(kind, details.get(error.status_code, "")))
        for name, value in (error.headers or {}).items():
            answer.headers[name] = value
        return answer

    async def unexpected(request: Any, _: Exception) -> Any:
        return _problem(request, internal())  # it is raised again, and logged by the guard

    app.add_exception_handler(Exception, unexpected)
    app.add_exception_handler(Refused, refused)
    app.add_exception_handler(QueristError, library)
    app.add_exception_handler(exceptions.RequestValidationError, invalid)
    # FastAPI's own class is a subclass of Starlette's, which the router raises.
    app.add_exception_handler(exceptions.HTTPException.__mro__[1], http)


_DETAILS = {
    400: "The body is not JSON, or not text in UTF-8.",
    405: "See the header Allow.",
}


def _id_of(request: Any) -> str:
    return str(request.scope["state"]["request"])


def _problem(request: Any, refused: Refused) -> Any:
    status, headers, body = problem_parts(refused, _id_of(request))
    shown = {name.decode(): value.decode() for name, value in headers}
    shown.pop("content-type")
    return _response(body, MEDIA_TYPE, status, shown)


def _invalid(errors: Sequence[Any], route: Route | None) -> Refused:
    faults = []
    for one in errors:
        place, *path = one["loc"]
        where = "/".join(str(part) for part in path)
        pointer = f"/{where}" if place == "body" else where
        faults.append(Fault(pointer=pointer[:200], detail=_sentence(one, route)))
    if any(one["type"] == "json_invalid" for one in errors):
        return Refused("bad-request", _DETAILS[400], faults)
    return Refused("invalid", "See the errors for each place.", faults)


def _sentence(error: Any, route: Route | None) -> str:
    if error["type"] == "extra_forbidden" and route is not None and len(error["loc"]) == 2:
        body = get_type_hints(route.handler).get("body")
        known = list(getattr(body, "model_fields", {}))
        return f"Is not known.{suggest(str(error['loc'][-1])[:100], known)}"
    message = str(error["msg"]).removeprefix("Value error, ").replace("Input should", "Should")
    return message[:500]
