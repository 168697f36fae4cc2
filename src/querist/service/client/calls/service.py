"""The service itself: what it is, who one is there, what it can do."""

from __future__ import annotations

from querist.service.client.call import Call, Flow, Listing, get, pages, path_of
from querist.service.wire.about import About, Health
from querist.service.wire.access import Usage
from querist.service.wire.strategies import Strategy


def about() -> Flow[About]:
    """The service's version and limits, and who the key says you are."""
    found: About = yield Call("GET", path_of(), About)
    return found


def health() -> Flow[Health]:
    """Whether the service is ready for requests; needs no key."""
    found: Health = yield Call("GET", "/health/ready", Health)
    return found


def usage() -> Flow[Usage]:
    """What your tenant uses, and its quota."""
    found: Usage = yield from get(Usage, "usage")
    return found


def strategies() -> Listing[Strategy]:
    """Query strategies that the service knows."""
    return Listing(pages(Strategy, "strategies"))


def strategy(name: str) -> Flow[Strategy]:
    """One query strategy."""
    found: Strategy = yield from get(Strategy, "strategies", name)
    return found
