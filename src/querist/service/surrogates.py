"""A surrogate over HTTP: a small ASGI application of three paths.

``POST /v1/answers`` takes ``{"inputs": {"x": [...], ...}}``, arrays whose first axis runs over
calls, and gives ``source``, ``outputs`` (null where there is no answer), ``score`` and ``messages``
(by number of a call). ``GET /v1/status`` gives what ``Surrogate.status()`` does, and
``GET /v1/health`` says that it lives.
"""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
import json
from collections.abc import Awaitable, Callable
from typing import Any

import numpy as np

from querist.core.batch import Batch
from querist.core.errors import ConfigError, QueristError
from querist.surrogate.answers import Answers
from querist.surrogate.surrogate import Surrogate

LARGEST = 16 * 2**20  # bytes of a request

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
Reply = tuple[int, dict[str, Any]]


class SurrogateApp:
    """The application.

    Args:
        surrogate: That answers.
        key: That requests carry as ``Authorization: Bearer KEY``; "" for none.
    """

    def __init__(self, surrogate: Surrogate, key: str = "") -> None:
        self._surrogate, self._key = surrogate, key

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "lifespan":
            await _live(receive, send)
        elif scope["type"] == "http":
            status, document = await self._reply(scope, receive)
            body = json.dumps(document).encode()
            headers = [(b"content-type", b"application/json"), (b"content-length", _digits(body))]
            await send({"type": "http.response.start", "status": status, "headers": headers})
            await send({"type": "http.response.body", "body": body})

    async def _reply(self, scope: dict[str, Any], receive: Receive) -> Reply:
        path = scope["method"], scope["path"]
        if path == ("GET", "/v1/health"):
            return 200, {"alive": True}
        if not self._may(scope):
            return 401, {"detail": "Send the header Authorization: Bearer KEY."}
        if path == ("GET", "/v1/status"):
            return 200, await asyncio.to_thread(self._surrogate.status)
        if path == ("POST", "/v1/answers"):
            # A page of the web can make a browser send other types here, but not this one.
            if not _header(scope, b"content-type").startswith(b"application/json"):
                return 415, {"detail": "Send the header Content-Type: application/json."}
            body = await _body(receive)
            if body is None:
                return 413, {"detail": f"A request has at most {LARGEST} bytes; send fewer calls."}
            return await asyncio.to_thread(self._answer, body)
        return 404, {"detail": "There are POST /v1/answers, GET /v1/status and GET /v1/health."}

    def _may(self, scope: dict[str, Any]) -> bool:
        given = _header(scope, b"authorization")
        return not self._key or hmac.compare_digest(given, f"Bearer {self._key}".encode())

    def _answer(self, body: bytes) -> Reply:
        try:
            batch = batch_of(json.loads(body))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            return 422, {"detail": f'Send {{"inputs": {{name: [...], ...}}}}; {error}.'}
        try:
            return 200, document_of(self._surrogate.ask(batch))
        except QueristError as error:
            return 409, {"detail": str(error)}


def batch_of(document: Any) -> Batch:
    """The inputs of a request."""
    columns = {name: np.asarray(values) for name, values in document["inputs"].items()}
    wrong = [name for name, values in columns.items() if values.dtype.kind not in "biufU"]
    if wrong or not columns:
        raise ValueError(f"{wrong or 'inputs'} should be numbers, or text, of one shape a call")
    return Batch.stack(**columns)


def document_of(answers: Answers) -> dict[str, Any]:
    """Answers as JSON can hold them."""
    outputs: dict[str, list[Any]] = {}
    for name, column in answers.outputs.columns.items():
        outputs[name] = [None] * len(answers)
        for index, value in zip(answers.answered, column.items(), strict=True):
            outputs[name][index] = value.tolist()
    score = [float(s) if np.isfinite(s) else None for s in answers.score]
    messages = {str(index): text for index, text in answers.messages.items()}
    return {
        "source": answers.source.tolist(),
        "outputs": outputs,
        "score": score,
        "messages": messages,
    }


def check_host(host: str, key: str) -> None:
    """Refuse to listen to everybody without a key.

    Raises:
        ConfigError: If others could reach it and there is none.
    """
    try:
        loopback = ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = host == "localhost"
    if not (loopback or key):
        raise ConfigError(
            f"{host} can be reached from other machines: set a key in the environment variable "
            "QUERIST_SURROGATE_KEY, or listen on 127.0.0.1."
        )


def _header(scope: dict[str, Any], name: bytes) -> bytes:
    value: bytes = dict(scope["headers"]).get(name, b"")
    return value


def _digits(body: bytes) -> bytes:
    return str(len(body)).encode()


async def _body(receive: Receive) -> bytes | None:
    held = bytearray()
    while True:
        message = await receive()
        held += message.get("body", b"")
        if len(held) > LARGEST:
            return None
        if not message.get("more_body"):
            return bytes(held)


async def _live(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
