"""One description, two methods: a flow becomes a plain method, or one to be awaited."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from functools import wraps
from typing import Any, Generic, ParamSpec, Protocol, TypeVar, cast

from querist.service.client.call import Flow, Listing
from querist.service.client.transport import AsyncTransport, Transport
from querist.service.wire.base import Page

P = ParamSpec("P")
T = TypeVar("T")
Element = TypeVar("Element")


class Plain(Protocol):
    """What a method of the plain client needs of it."""

    _transport: Transport


class Awaited(Protocol):
    """What a method of the asynchronous client needs of it."""

    _transport: AsyncTransport


class Method(Generic[P, T]):
    """A descriptor: bound to a client, it is a function of the description's own parameters.

    Attributes:
        description: The function that makes the flow or listing.
        bind: From a client to the function that carries it out.
    """

    def __init__(
        self, description: Callable[..., Any], bind: Callable[[Any], Callable[..., Any]]
    ) -> None:
        self.description, self.bind = description, bind
        self.__doc__ = description.__doc__

    def __get__(self, client: Any, owner: type) -> Callable[P, T]:
        if client is None:
            return cast("Callable[P, T]", self)
        bound = wraps(self.description)(self.bind(client))
        return cast("Callable[P, T]", bound)


def plain(description: Callable[P, Flow[T]]) -> Method[P, T]:
    """A method that returns when it is done."""

    def bind(client: Plain) -> Callable[P, T]:
        def method(*args: P.args, **kwargs: P.kwargs) -> T:
            return client._transport.run(description(*args, **kwargs))

        return method

    return Method(description, bind)


def awaited(description: Callable[P, Flow[T]]) -> Method[P, Awaitable[T]]:
    """A method to be awaited."""

    def bind(client: Awaited) -> Callable[P, Awaitable[T]]:
        async def method(*args: P.args, **kwargs: P.kwargs) -> T:
            return await client._transport.run(description(*args, **kwargs))

        return method

    return Method(description, bind)


def many(description: Callable[P, Listing[Element]]) -> Method[P, Iterator[Element]]:
    """A method that gives many things, a page at a time."""

    def bind(client: Plain) -> Callable[P, Iterator[Element]]:
        def method(*args: P.args, **kwargs: P.kwargs) -> Iterator[Element]:
            listing, after = description(*args, **kwargs), None
            while True:
                page: Page[Element] = client._transport.run(listing.page(after))
                yield from page.items
                after = page.next
                if after is None:
                    return

        return method

    return Method(description, bind)


def awaited_many(description: Callable[P, Listing[Element]]) -> Method[P, AsyncIterator[Element]]:
    """The same, for ``async for``."""

    def bind(client: Awaited) -> Callable[P, AsyncIterator[Element]]:
        async def method(*args: P.args, **kwargs: P.kwargs) -> AsyncIterator[Element]:
            listing, after = description(*args, **kwargs), None
            while True:
                page: Page[Element] = await client._transport.run(listing.page(after))
                for item in page.items:
                    yield item
                after = page.next
                if after is None:
                    return

        return method

    return Method(description, bind)
