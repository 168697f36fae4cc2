"""A service made of answers: what a client sends, and what it gets, without a socket."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx

from querist import AsyncClient, Client
from querist.service.client.attempts import Retries

AT = "2026-01-01T00:00:00Z"
POOL = "pol_" + "a" * 20
JOB = "job_" + "b" * 20
QUICK = Retries(tries=4, first=0.001, most=0.002)

Answer = Callable[[httpx.Request], httpx.Response]


def pool(**changes: Any) -> dict[str, Any]:
    said = {"id": POOL, "name": "birds", "task": "classification", "classes": [], "created": AT}
    return {**said, **changes}


def job(**changes: Any) -> dict[str, Any]:
    said = {"id": JOB, "kind": "addition", "pool": POOL, "state": "running", "created": AT}
    return {**said, **changes}


def ok(value: object) -> httpx.Response:
    return httpx.Response(200, json=value)


def problem(status: int, detail: str, **more: Any) -> httpx.Response:
    said = {"type": "/problems/some", "title": "Some", "status": status, "detail": detail, **more}
    return httpx.Response(status, json=said, headers={"content-type": "application/problem+json"})


def page(*items: Any, next: str | None = None) -> httpx.Response:
    return ok({"items": list(items), "next": next})


def event(number: int, kind: str = "progress", **changes: Any) -> bytes:
    return f"id: {number}\nevent: {kind}\ndata: {json.dumps(job(**changes))}\n\n".encode()


class Pieces(httpx.SyncByteStream, httpx.AsyncByteStream):
    """A body that comes in pieces, and may break."""

    def __init__(self, *pieces: bytes, breaks: bool = False) -> None:
        self.pieces, self.breaks = pieces, breaks

    def __iter__(self) -> Iterator[bytes]:
        yield from self.pieces
        if self.breaks:
            raise httpx.ReadError("the connection was reset")

    async def __aiter__(self):
        for piece in self:
            yield piece


def stream(*pieces: bytes, breaks: bool = False) -> httpx.Response:
    kind = {"content-type": "text/event-stream"}
    return httpx.Response(200, headers=kind, stream=Pieces(*pieces, breaks=breaks))


class Service:
    """Answers in order; an answer may be an error, or made from the request."""

    def __init__(self, *answers: httpx.Response | Exception | Answer) -> None:
        self.answers = list(answers)
        self.requests: list[httpx.Request] = []

    def handle(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer(request) if callable(answer) else answer

    def read(self, request: httpx.Request) -> httpx.Response:
        request.read()
        return self.handle(request)

    async def aread(self, request: httpx.Request) -> httpx.Response:
        await request.aread()
        return self.handle(request)


class Asked:
    """Calls a method of either client, and gives back plain values."""

    def __init__(self, kind: str, service: Service, **how: Any) -> None:
        self.kind, self.service = kind, service
        self.within: float | None = None
        self.how = {"retries": QUICK, "key": "", **how}

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return lambda *args, **said: self.call(name, *args, **said)

    def call(self, name: str, *args: Any, **said: Any) -> Any:
        if self.kind == "async":
            return asyncio.run(self._awaited(name, *args, **said))
        with Client(transport=httpx.MockTransport(self.service.read), **self.how) as client:
            limited = client if self.within is None else client.within(self.within)
            given = getattr(limited, name)(*args, **said)
            return list(given) if isinstance(given, Iterator) else given

    async def _awaited(self, name: str, *args: Any, **said: Any) -> Any:
        transport = httpx.MockTransport(self.service.aread)
        async with AsyncClient(transport=transport, **self.how) as client:
            limited = client if self.within is None else client.within(self.within)
            given = getattr(limited, name)(*args, **said)
            return [item async for item in given] if hasattr(given, "__aiter__") else await given
