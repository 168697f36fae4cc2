"""The library's errors as refusals: what is the client's affair is told, the rest is not."""

from __future__ import annotations

from collections.abc import Callable

from querist.core.errors import ConfigError, MissingExtra, QueristError
from querist.pool.errors import BadFilter, BadLabel, PoolBusy, UnknownItem
from querist.service.problems import Refused
from querist.service.wire.problem import Fault
from querist.sources.source import Forbidden, SourceError
from querist.strategies.errors import NeedError, UnknownStrategy

Make = Callable[[QueristError], Refused]


def _invalid(error: QueristError) -> Refused:
    problems = getattr(error, "problems", ())
    faults = [Fault(pointer="", detail=str(one)[:500]) for one in problems]
    return Refused("invalid", str(getattr(error, "message", error)), faults)


def _lacking(error: QueristError) -> str:
    """Which extra the administrator may install; the package's version or place stays ours."""
    extra = getattr(error, "extra", "")
    return f"The server lacks a package for that: the extra {extra!r} of Querist."


# The first that fits. Errors that are not here are ours: 500, without their text.
_TABLE: tuple[tuple[type[QueristError], Make], ...] = (
    (UnknownItem, lambda error: Refused("not-found", str(error))),
    (PoolBusy, lambda _: Refused("busy", "The pool is busy.", retry_after=2.0)),
    (BadLabel, _invalid),
    (BadFilter, _invalid),
    (UnknownStrategy, _invalid),
    (NeedError, _invalid),
    (Forbidden, lambda error: Refused("not-allowed", str(error))),
    (SourceError, _invalid),
    (MissingExtra, lambda error: Refused("invalid", _lacking(error))),
    (ConfigError, _invalid),
)


def as_refused(error: QueristError) -> Refused | None:
    """What the client is told; None where it is the server's own affair."""
    for kind, make in _TABLE:
        if isinstance(error, kind):
            return make(error)
    return None
