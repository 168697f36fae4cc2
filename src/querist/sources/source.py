"""The contract of a source: where the bytes of a pool's items come from.

An item is told by a URI. A source lists items, says what it knows of one without reading it, and
reads one. What goes wrong is a :class:`SourceError`, whose class says what kind of wrong.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, Protocol, runtime_checkable

from querist.core.errors import QueristError


class Entry(NamedTuple):
    """What is known of an item without reading it.

    Attributes:
        uri: Canonical: with a scheme, percent-encoded but for keys of S3, and the same for an item
            at every listing.
        size: In bytes; None where the source does not tell.
        version: Changes when the content does (an ETag, or time and size); "" where unknown.
    """

    uri: str
    size: int | None
    version: str


class SourceError(QueristError):
    """An item cannot be listed or read; the sentence says why, without passwords or signatures.

    Attributes:
        message: The sentence.
        wait: Seconds after which the source asked to be tried again; 0 where it did not.
        transient: Whether trying again may help.
    """

    transient = False

    def __init__(self, message: str, wait: float = 0.0) -> None:
        super().__init__(message, wait)
        self.message = message
        self.wait = wait

    def __str__(self) -> str:
        return self.message


class MissingItem(SourceError):
    """There is no such item."""


class TooLarge(SourceError):
    """The item has more bytes than the limit; no more than the limit was read."""


class Forbidden(SourceError):
    """The access policy, or the source itself, refuses this item."""


class Unreachable(SourceError):
    """The source did not answer, not in time, or not to the end; trying again may help."""

    transient = True


@runtime_checkable
class Source(Protocol):
    """One scheme's items. Thread-safe: reads of several threads overlap.

    Attributes:
        concurrency: How many reads at once this kind of source is made for; a scan starts as many
            reader threads.
    """

    concurrency: int

    def entries(self, uri: str, after: str = "") -> Iterator[Entry]:
        """List the items under a folder or prefix, recursively, one by one.

        The order is that of the bytes of the decoded URIs, and the listing holds at most one
        folder's names in memory. Names that begin with a dot are left out. A file that cannot be
        looked at is listed all the same (size None), so that reading it says why. The URI of an
        item lists that item.

        Args:
            uri: A folder, prefix or item.
            after: Left out is what comes up to this URI, itself included: to go on with an
                interrupted listing, or to find what was added at the end.

        Raises:
            MissingItem: If there is nothing at ``uri``.
            SourceError: If the listing cannot go on.
        """
        ...

    def stat(self, uri: str) -> Entry:
        """What is known of one item; raises as :meth:`read` does."""
        ...

    def read(self, uri: str, limit: int | None = None) -> bytes:
        """Read an item to its end.

        Args:
            uri: The item.
            limit: In bytes; None for the policy's.

        Raises:
            MissingItem: If there is no such item.
            TooLarge: If it has more bytes than the limit.
            Forbidden: If the access policy or the source refuses.
            Unreachable: If it may succeed later.
        """
        ...

    def close(self) -> None:
        """Give back connections; reads still under way are cut, and raise. May be called twice."""
        ...


@runtime_checkable
class SupportsFetch(Protocol):
    """A source that tells with an item's bytes which version they are of."""

    def fetch(self, uri: str, limit: int | None = None) -> tuple[bytes, str]:
        """As :meth:`Source.read`, with the version as in an :class:`Entry`; "" where unknown."""
        ...
