"""What may be read: local folders, hosts, networks, sizes and times."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Access:
    """A policy that every source keeps, whatever a URI says.

    Attributes:
        roots: The folders that local files may be read from, symbolic links resolved; None for
            any, () for none.
        hosts: The hosts that may be connected to: names, ``*.name`` for all below a name, or
            addresses, each with ``:port`` or without; None for any.
        private: Whether hosts in loopback, private, link-local and other special networks may be
            connected to. What counts is the address that is connected to, also after a redirect.
        schemes: The URI schemes that may be used; None for any, those of fsspec included.
        credentials: Whether credentials may be used that the process finds around it: environment,
            configuration files, the metadata service of a cloud machine.
        proxy: ``http://host:port`` for HTTP and S3; "environment" for what HTTP_PROXY, HTTPS_PROXY
            and NO_PROXY say; "" for none. A proxy finds addresses itself, so that ``private`` is
            then its affair.
        max_bytes: Of one item.
        timeout: Seconds for one try to read an item, from first to last byte.
        stall: Seconds without a byte after which a try is given up.
        redirects: How many are followed, for one read.
    """

    roots: tuple[Path, ...] | None = None
    hosts: tuple[str, ...] | None = None
    private: bool = True
    schemes: tuple[str, ...] | None = None
    credentials: bool = True
    proxy: str = ""
    max_bytes: int = 1 << 30
    timeout: float = 120.0
    stall: float = 30.0
    redirects: int = 5


OPEN = Access()
"""For a user's own process: what the user may read."""

CLOSED = Access(
    roots=(),
    hosts=(),
    private=False,
    schemes=("data", "file", "ftp", "ftps", "http", "https", "s3"),
    credentials=False,
    max_bytes=64 << 20,
    timeout=60.0,
    stall=20.0,
)
"""For requests of others: nothing until roots or hosts are given (``dataclasses.replace``)."""
