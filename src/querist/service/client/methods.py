"""One description, two methods: a flow becomes a plain method, or one to be awaited."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from functools import wraps
from inspect import Parameter, signature
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

from querist.service.client.call import Flow, Listing
from querist.service.client.transport import AsyncTransport, Transport
from querist.service.wire.base import Page

P = ParamSpec("P")
T = TypeVar("T")
Element = TypeVar("Element")
Made = TypeVar("Made", bound=Callable[..., Any])


class Plain(Protocol):
    """What a method of the plain client needs of it."""

    _transport: Transport


class Awaited(Protocol):
    """What a method of the asynchronous client needs of it."""

    _transport: AsyncTransport


def plain(description: Callable[P, Flow[T]]) -> Callable[Concatenate[Plain, P], T]:
    """A method that returns when it is done."""

    @_described(description)
    def method(client: Plain, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return client._transport.run(description(*args, **kwargs))

    return method


def awaited(description: Callable[P, Flow[T]]) -> Callable[Concatenate[Awaited, P], Awaitable[T]]:
    """A method to be awaited."""

    @_described(description)
    async def method(client: Awaited, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await client._transport.run(description(*args, **kwargs))

    return method


def many(
    description: Callable[P, Listing[Element]],
) -> Callable[Concatenate[Plain, P], Iterator[Element]]:
    """A method that gives many things, a page at a time."""

    @_described(description, "Iterator")
    def method(client: Plain, /, *args: P.args, **kwargs: P.kwargs) -> Iterator[Element]:
        listing, after = description(*args, **kwargs), None
        while True:
            page: Page[Element] = client._transport.run(listing.page(after))
            yield from page.items
            after = page.next
            if after is None:
                return

    return method


def awaited_many(
    description: Callable[P, Listing[Element]],
) -> Callable[Concatenate[Awaited, P], AsyncIterator[Element]]:
    """A method that gives many things to ``async for``, a page at a time."""

    @_described(description, "AsyncIterator")
    async def method(
        client: Awaited, /, *args: P.args, **kwargs: P.kwargs
    ) -> AsyncIterator[Element]:
        listing, after = description(*args, **kwargs), None
        while True:
            page: Page[Element] = await client._transport.run(listing.page(after))
            for item in page.items:
                yield item
            after = page.next
            if after is None:
                return

    return method


def _described(description: Callable[..., Any], given: str = "") -> Callable[[Made], Made]:
    """Give a method its description's name, help and parameters, and the value that it has itself.

    A description returns a flow or listing, ``Flow[Pool]``; the method gives a ``Pool``, or, where
    ``given`` says so, an iterator of them.
    """
    told = signature(description)
    value = str(told.return_annotation).partition("[")[2].removesuffix("]")
    itself = Parameter("self", Parameter.POSITIONAL_OR_KEYWORD)
    shown = told.replace(
        parameters=[itself, *told.parameters.values()],
        return_annotation=f"{given}[{value}]" if given else value,
    )

    def decorated(method: Made) -> Made:
        wraps(description)(method)
        method.__dict__["__signature__"] = shown
        # Some tools read these; the description's own say what it returns.
        method.__annotations__ = {**description.__annotations__, "return": shown.return_annotation}
        return method

    return decorated
