"""What every request must pass before anything looks at it. Plain ASGI.

The Host header (against DNS rebinding), the Origin (against web pages that send requests in a
user's name), the size of the body and the time it takes. Every answer gets an id and headers that
tell browsers to run, keep and embed nothing; every request one line in the log.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from ipaddress import ip_address
from typing import Any

from querist.service.ids import new_id
from querist.service.problems import Refused, internal
from querist.service.settings import MIB, ServiceSettings
from querist.service.wire.problem import MEDIA_TYPE

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Observe = Callable[[Scope, int, float], None]

_LOG = logging.getLogger("querist.service.guard")
_SAFE = ("GET", "HEAD", "OPTIONS")
_PROXY_MARKS = (b"forwarded", b"x-forwarded-for", b"x-forwarded-host", b"x-real-ip", b"via")
_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
_PREFLIGHT = (
    (b"access-control-allow-methods", b"GET, POST, PATCH, DELETE"),
    (
        b"access-control-allow-headers",
        b"Authorization, Content-Type, Idempotency-Key, Last-Event-ID",
    ),
    (b"access-control-max-age", b"600"),
)


class Guard:
    """Stands before the application.

    Args:
        app: What comes behind it.
        settings: Names of hosts and origins, limits.
        is_upload: Whether a path takes files.
        observe: Told of every request: scope, status, seconds.
    """

    def __init__(
        self,
        app: App,
        settings: ServiceSettings,
        is_upload: Callable[[str], bool],
        observe: Observe,
    ) -> None:
        self._app, self._settings = app, settings
        self._is_upload, self._observe = is_upload, observe
        named = {settings.listen.host, "localhost", *settings.listen.hosts}
        self._hosts = {name.lower() for name in named}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let one request through, or answer it."""
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        await self._http(below(scope, self._settings.listen.root_path), receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        began = time.perf_counter()
        headers = _headers(scope)
        state = scope.setdefault("state", {})
        state["request"], state["local"] = new_id("req"), is_local(scope, headers)
        answer = _Answer(send, state["request"], self._cors(headers))
        try:
            try:
                self._check(scope, headers)
                if self._is_preflight(scope, headers):
                    await answer.allow()
                    return
                await self._pass(scope, self._limited(scope, receive, headers), answer)
            except Refused as refused:
                await answer.refuse(refused)
            except TimeoutError:
                await answer.refuse(Refused("busy", "The answer took too long.", retry_after=5.0))
            except Exception as error:  # noqa: BLE001 - whatever it was, the client gets a document
                _LOG.error("unexpected", exc_info=error, extra={"request": state["request"]})
                await answer.refuse(internal())
        finally:
            self._observe(scope, answer.status, time.perf_counter() - began)

    async def _pass(self, scope: Scope, receive: Receive, answer: _Answer) -> None:
        seconds = self._settings.limits.request_seconds + self._body_seconds(scope)
        async with asyncio.timeout(seconds) as limit:
            answer.when_started = lambda: limit.reschedule(None)
            await self._app(scope, receive, answer.send)

    def _check(self, scope: Scope, headers: Mapping[bytes, bytes]) -> None:
        if sum(name == b"host" for name, _ in scope["headers"]) != 1:
            raise Refused("bad-request", "A request has one Host header.")
        if not self._knows(headers.get(b"host", b"")):
            raise Refused(
                "wrong-host", "Add the name to listen.hosts in service.yaml, if it is ours."
            )
        if scope["method"] in _SAFE:
            return
        origin = headers.get(b"origin")
        site = headers.get(b"sec-fetch-site", b"none")
        allowed = origin is not None and (
            origin.decode("latin-1") in self._settings.listen.origins
            or _is_own(origin, site, headers[b"host"], scope["scheme"])
        )
        if not allowed and (origin is not None or site not in (b"none", b"same-origin")):
            raise Refused(
                "foreign-origin", "The administrator lists allowed pages: listen.origins."
            )

    def _knows(self, host: bytes) -> bool:
        name = host.decode("latin-1").lower()
        name = name.rpartition(":")[0] if name.rpartition(":")[2].isdigit() else name
        if name in self._hosts:
            return True
        try:
            # An address is nobody's name: no page can be rebound to a loopback address it names.
            return ip_address(name.strip("[]")).is_loopback
        except ValueError:
            return False

    def _cors(self, headers: Mapping[bytes, bytes]) -> tuple[tuple[bytes, bytes], ...]:
        origin = headers.get(b"origin", b"")
        if origin.decode("latin-1") not in self._settings.listen.origins:
            return ()
        exposed = b"Idempotent-Replayed, Retry-After, X-Request-Id, Content-Disposition"
        return (
            (b"access-control-allow-origin", origin),
            (b"access-control-expose-headers", exposed),
            (b"vary", b"Origin"),
        )

    def _is_preflight(self, scope: Scope, headers: Mapping[bytes, bytes]) -> bool:
        """Whether a browser asks if a listed page may send what it is about to send."""
        asked = b"access-control-request-method" in headers
        return scope["method"] == "OPTIONS" and asked and bool(self._cors(headers))

    def _body_seconds(self, scope: Scope) -> float:
        limits = self._settings.limits
        largest = limits.upload if self._is_upload(scope["path"]) else 0
        return limits.body_seconds * (1 + largest / MIB)

    def _limited(self, scope: Scope, receive: Receive, headers: Mapping[bytes, bytes]) -> Receive:
        limits = self._settings.limits
        upload = self._is_upload(scope["path"])
        largest = limits.upload if upload else limits.body
        stated = headers.get(b"content-length", b"0")
        if not stated.isdigit() or len(stated) > 15:
            raise Refused("bad-request", "Content-Length should be a number.")
        if int(stated) > largest:
            raise too_large(largest)
        return _Limited(receive, largest, limits.body_seconds)


class _Limited:
    """Reads a body, but not too much of it, and not for too long."""

    def __init__(self, receive: Receive, largest: int, seconds: float) -> None:
        self._receive, self._largest, self._seconds = receive, largest, seconds
        self._size, self._done = 0, False
        self._began = time.monotonic()

    async def __call__(self) -> Message:
        if self._done:  # now it only waits for the client to go away
            return await self._receive()
        allowed = self._seconds * (1 + self._size / MIB) - (time.monotonic() - self._began)
        try:
            message = await asyncio.wait_for(self._receive(), max(0.001, allowed))
        except TimeoutError:
            raise Refused("too-slow", "Send the body faster, or less at once.") from None
        self._size += len(message.get("body", b""))
        self._done = not message.get("more_body", False)
        if self._size > self._largest:
            raise too_large(self._largest)
        return message


class _Answer:
    """What is sent: adds the headers, remembers the status."""

    def __init__(self, send: Send, request: str, more: tuple[tuple[bytes, bytes], ...]) -> None:
        self._send, self._request, self._more = send, request, more
        self.status = 0
        self.when_started: Callable[[], None] = lambda: None

    async def send(self, message: Message) -> None:
        """Pass a message of the application on."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            own = ((b"x-request-id", self._request.encode()), *_HEADERS, *self._more)
            given = list(message.get("headers", ()))
            names = {name.lower() for name, _ in given}
            more = [pair for pair in own if pair[0] not in names]
            if b"cache-control" not in names:
                more.append((b"cache-control", b"no-store"))
            message = {**message, "headers": [*given, *more]}
            self.when_started()
        await self._send(message)

    async def allow(self) -> None:
        """Tell a browser what a listed page may send."""
        headers = [(b"content-length", b"0"), *_PREFLIGHT]
        await self.send({"type": "http.response.start", "status": 204, "headers": headers})
        await self.send({"type": "http.response.body", "body": b""})

    async def refuse(self, refused: Refused) -> None:
        """Answer with a problem document, unless an answer has begun."""
        if self.status:
            return
        self.when_started = lambda: None  # its time limit is over
        status, headers, body = problem_parts(refused, self._request)
        headers = [*headers, (b"connection", b"close")]
        await self.send({"type": "http.response.start", "status": status, "headers": headers})
        await self.send({"type": "http.response.body", "body": body})


def below(scope: Scope, root: str) -> Scope:
    """A request as it is without the path of a proxy, where that passed it on."""
    path = scope["path"]
    if not root or not f"{path}/".startswith(f"{root}/"):
        return scope
    return {**scope, "path": path[len(root) :] or "/"}


def _is_own(origin: bytes, site: bytes, host: bytes, scheme: str) -> bool:
    """Whether a page of this server's own asks; ``host`` is known to be one of its names.

    Behind a proxy that ends TLS the scheme is another, but then browsers say what the site is.
    """
    own = b"%s://%s" % (scheme.encode(), host)
    return site != b"cross-site" and (
        origin == own or (site == b"same-origin" and origin.partition(b"://")[2] == host)
    )


def too_large(largest: int) -> Refused:
    """The body is larger than the server reads."""
    return Refused("too-large", f"At most {largest} bytes are read here.")


def problem_parts(refused: Refused, request: str) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
    """Status, headers and body of a problem document."""
    document = refused.document(request)
    body = json.dumps(document.model_dump(mode="json", exclude_none=True)).encode()
    headers = [(b"content-type", MEDIA_TYPE.encode()), (b"content-length", b"%d" % len(body))]
    if refused.retry_after is not None:
        headers.append((b"retry-after", b"%d" % max(1, round(refused.retry_after + 0.5))))
    if refused.status == 401:
        headers.append((b"www-authenticate", b'Bearer realm="querist"'))
    return refused.status, headers, body


def is_local(scope: Scope, headers: Mapping[bytes, bytes]) -> bool:
    """Whether a request came from this machine itself, and not through a proxy on it."""
    if any(mark in headers for mark in _PROXY_MARKS):
        return False
    client = scope.get("client")
    try:
        return client is not None and ip_address(client[0]).is_loopback
    except ValueError:
        return False


def _headers(scope: Scope) -> dict[bytes, bytes]:
    return {name.lower(): value for name, value in scope["headers"]}
