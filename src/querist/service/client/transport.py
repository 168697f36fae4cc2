"""Requests over HTTP: the one file of the service that talks through httpx, sync and async."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import ValidationError

from querist import __version__
from querist.core.errors import ConfigError, require
from querist.service.client.address import Address
from querist.service.client.attempts import Attempts, Retries
from querist.service.client.call import Call, Flow, Reply, problem_of
from querist.service.client.errors import error_of, out_of_time, unreachable, unusable
from querist.service.client.events import SILENCE, Stream
from querist.service.wire.jobs import JobEvent
from querist.sources.uris import past_proxies

if TYPE_CHECKING:
    import httpx

T = TypeVar("T")
PIECE = 1 << 18


def load_httpx() -> Any:
    """The package that speaks HTTP."""
    return require("httpx", "client", "A client of the service")


def options(address: Address, timeout: float, transport: Any) -> dict[str, Any]:
    """What both kinds of httpx clients are made with."""
    headers = {"User-Agent": f"querist/{__version__}", **address.headers()}
    said = {"base_url": address.url, "headers": headers, "timeout": timeout}
    said["mounts"] = past_proxies(address.url)
    return said if transport is None else {**said, "transport": transport}


def asked(call: Call[Any]) -> dict[str, Any]:
    """The arguments of a request, but for a file."""
    return {"params": dict(call.params), "headers": call.headers(), "content": call.content()}


def reply_of(response: httpx.Response, body: bytes) -> Reply:
    """An answer as a value."""
    return Reply(response.status_code, dict(response.headers), body)


def saved(call: Call[Any], response: httpx.Response) -> Path | None:
    """Where the body of a successful answer goes, if into a file; beside its final place."""
    if call.save is None or not response.is_success:
        return None
    return _part(call.save)


def drop_part(call: Call[Any]) -> None:
    """Leave nothing of a file that came only in part."""
    if call.save is not None:
        _part(call.save).unlink(missing_ok=True)


def _part(path: Path) -> Path:
    return path.with_name(f".{path.name}.part")


class Tries:
    """What is the same for both: the attempts of a call, and what their end is worth."""

    def __init__(self, call: Call[Any], address: Address, how: Limits) -> None:
        self.call, self.address, self.how = call, address, how
        self.attempts = Attempts(call, how.retries, how.deadline)

    def timeout(self) -> float:
        """Seconds for the next try.

        Raises:
            DeadlinePassed: If there are none.
        """
        left = self.attempts.left(time.monotonic(), self.how.timeout)
        if left <= 0:
            raise out_of_time(self.address.url)
        return left

    def pause(self, reply: Reply | None, error: Exception | None) -> float | None:
        """Seconds until the next try; None where ``reply`` is to be taken as it is.

        Raises:
            Unavailable: If there was no answer, and is no next try.
            DeadlinePassed: If the time is over.
        """
        now = time.monotonic()
        pause = self.attempts.wait(reply, now, random.random())
        if pause is not None or reply is not None:
            return pause
        reason = str(error) or type(error).__name__
        if self.how.deadline is not None and now + self.how.retries.first >= self.how.deadline:
            raise out_of_time(self.address.url, f"The last try: {reason}.")
        raise unreachable(self.address.url, reason) from error

    def value(self, reply: Reply) -> Any:
        """What the last reply is worth.

        Raises:
            ServiceError: If it is a refusal.
        """
        if 200 <= reply.status < 300:
            return self.call.parse(reply)
        if self.call.kind is None and self.attempts.is_gone(reply):
            return None
        raise error_of(problem_of(self.call.path, reply))


class Limits:
    """How long and how often.

    Attributes:
        timeout: Seconds that one try may go without a byte.
        retries: Of one request.
        deadline: Instant of ``time.monotonic`` at which everything is over, or None.
    """

    def __init__(self, timeout: float, retries: Retries, deadline: float | None = None) -> None:
        self.timeout, self.retries, self.deadline = timeout, retries, deadline

    def within(self, seconds: float) -> Limits:
        """These limits with an end, which is never later than the present one."""
        end = time.monotonic() + seconds
        return Limits(self.timeout, self.retries, min(end, self.deadline or end))


class Transport:
    """Requests, one after the other."""

    def __init__(self, address: Address, how: Limits, http: httpx.Client) -> None:
        self.address, self.how, self.http = address, how, http

    def run(self, flow: Flow[T]) -> T:
        """Carry out the calls of a flow; its value."""
        try:
            call = next(flow)
            while True:
                call = flow.send(self.do(call))
        except StopIteration as end:
            value: T = end.value
            return value
        except ValidationError as error:
            raise unusable(error) from error

    def do(self, call: Call[T]) -> T:
        """One request, tried again where that is safe."""
        tries = Tries(call, self.address, self.how)
        while True:
            reply, error = self._try(call, tries.timeout())
            pause = tries.pause(reply, error)
            if pause is None and reply is not None:
                value: T = tries.value(reply)
                return value
            time.sleep(pause or 0)

    def _try(self, call: Call[Any], timeout: float) -> tuple[Reply | None, Exception | None]:
        said = asked(call)
        try:
            if call.file is not None:
                said["content"] = _pieces(call.file)
            with self.http.stream(call.method, call.path, timeout=timeout, **said) as response:
                part = saved(call, response)
                if part is None:
                    return reply_of(response, response.read()), None
                with part.open("wb") as target:
                    target.writelines(response.iter_bytes(PIECE))
            part.replace(call.save or part)
            return reply_of(response, b""), None
        except load_httpx().HTTPError as error:
            drop_part(call)
            return None, error

    def events(self, stream: Stream) -> Iterator[JobEvent]:
        """Follow a job; a stream that breaks is taken up where it was."""
        while not stream.ended:
            try:
                said: dict[str, Any] = {"headers": stream.headers(), "timeout": SILENCE}
                with self.http.stream("GET", stream.path, **said) as response:
                    reply = reply_of(response, b"" if response.is_success else response.read())
                    if not stream.passing(reply):
                        stream.opened(reply)
                        for piece in response.iter_bytes():
                            yield from stream.feed(piece, time.monotonic())
                        stream.closed()
            except load_httpx().HTTPError as error:
                stream.broke(error)
            if not stream.ended:
                time.sleep(stream.pause(time.monotonic()))


def _pieces(path: Path) -> Iterator[bytes]:
    with _opened(path) as source:
        while piece := source.read(PIECE):
            yield piece


async def _async_pieces(path: Path) -> AsyncIterator[bytes]:
    with _opened(path) as source:
        while piece := await asyncio.to_thread(source.read, PIECE):
            yield piece


def _opened(path: Path) -> Any:
    try:
        return path.open("rb")
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}.") from error


class AsyncTransport:
    """Requests, one after the other, for asyncio."""

    def __init__(self, address: Address, how: Limits, http: httpx.AsyncClient) -> None:
        self.address, self.how, self.http = address, how, http

    async def run(self, flow: Flow[T]) -> T:
        """Carry out the calls of a flow; its value."""
        try:
            call = next(flow)
            while True:
                call = flow.send(await self.do(call))
        except StopIteration as end:
            value: T = end.value
            return value
        except ValidationError as error:
            raise unusable(error) from error

    async def do(self, call: Call[T]) -> T:
        """One request, tried again where that is safe."""
        tries = Tries(call, self.address, self.how)
        while True:
            reply, error = await self._try(call, tries.timeout())
            pause = tries.pause(reply, error)
            if pause is None and reply is not None:
                value: T = tries.value(reply)
                return value
            await asyncio.sleep(pause or 0)

    async def _try(self, call: Call[Any], timeout: float) -> tuple[Reply | None, Exception | None]:
        said = asked(call)
        try:
            if call.file is not None:
                said["content"] = _async_pieces(call.file)
            stream = self.http.stream(call.method, call.path, timeout=timeout, **said)
            async with stream as response:
                part = saved(call, response)
                if part is None:
                    return reply_of(response, await response.aread()), None
                with part.open("wb") as target:
                    async for piece in response.aiter_bytes(PIECE):
                        await asyncio.to_thread(target.write, piece)
            part.replace(call.save or part)
            return reply_of(response, b""), None
        except load_httpx().HTTPError as error:
            drop_part(call)
            return None, error

    async def events(self, stream: Stream) -> AsyncIterator[JobEvent]:
        """Follow a job; a stream that breaks is taken up where it was."""
        while not stream.ended:
            try:
                said: dict[str, Any] = {"headers": stream.headers(), "timeout": SILENCE}
                async with self.http.stream("GET", stream.path, **said) as response:
                    body = b"" if response.is_success else await response.aread()
                    reply = reply_of(response, body)
                    if not stream.passing(reply):
                        stream.opened(reply)
                        async for piece in response.aiter_bytes():
                            for event in stream.feed(piece, time.monotonic()):
                                yield event
                        stream.closed()
            except load_httpx().HTTPError as error:
                stream.broke(error)
            if not stream.ended:
                await asyncio.sleep(stream.pause(time.monotonic()))
