"""Connections that keep the access policy: the address that is connected to is the one checked."""

from __future__ import annotations

import ipaddress
import re
import socket
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

from querist.sources.access import Access
from querist.sources.source import Forbidden, SourceError, Unreachable

IpAddress: TypeAlias = "ipaddress.IPv4Address | ipaddress.IPv6Address"
IpNetwork: TypeAlias = "ipaddress.IPv4Network | ipaddress.IPv6Network"
Resolve: TypeAlias = Callable[..., Iterable[tuple[Any, Any, Any, str, Any]]]

_TICK = 0.02  # what clocks of the kernel may be early by
_NAME = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_.])?")
# Networks of IPv6 whose addresses carry one of IPv4, and by how many bits it is shifted.
_CARRIERS = (
    (ipaddress.IPv6Network("::/96"), 0),
    (ipaddress.IPv6Network("::ffff:0:0/96"), 0),
    (ipaddress.IPv6Network("64:ff9b::/96"), 0),
    (ipaddress.IPv6Network("2002::/16"), 80),
)


class Deadline:
    """When a read must end, and how long it may stand still.

    Args:
        timeout: Seconds from now to the end.
        stall: Seconds that one step may wait.
    """

    def __init__(self, timeout: float, stall: float) -> None:
        self._end = time.monotonic() + timeout
        self._timeout, self._stall = timeout, stall

    def step(self) -> float:
        """Seconds that the next step may take.

        Raises:
            TimeoutError: If the end has come.
        """
        rest = self._end - time.monotonic()
        if rest <= 0:
            raise self.passed()
        return min(rest, self._stall)

    def passed(self) -> TimeoutError:
        """The error for a step that took longer than :meth:`step` said."""
        if self._end - time.monotonic() <= _TICK:
            return TimeoutError(f"not finished after {self._timeout:g} seconds")
        return TimeoutError(f"nothing came for {self._stall:g} seconds")


class Network:
    """Connects within a policy; remembers open sockets, so that :meth:`close` can cut them.

    Args:
        access: The policy.
        resolve: As ``socket.getaddrinfo``.
    """

    def __init__(self, access: Access, resolve: Resolve = socket.getaddrinfo) -> None:
        self._resolve = resolve
        self._private = access.private
        self._hosts = None if access.hosts is None else tuple(map(_Host, access.hosts))
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self.closed = False

    def connect(
        self, host: str, port: int, deadline: Deadline, *, trusted: bool = False
    ) -> socket.socket:
        """A connected socket; its owner hands it to :meth:`disconnect` at the end.

        Args:
            host: A name or address.
            port: The number.
            deadline: For names and connecting.
            trusted: For a host that the policy itself names (a proxy): not checked.

        Raises:
            Forbidden: If the policy does not allow the host, or any address of it.
            Unreachable: If nothing answers.
        """
        named = self._named(host, port)
        if not trusted and not named and not self._has_networks(port):
            raise _not_listed(host, port)
        problem: SourceError | None = None
        for family, kind, protocol, _, address in self._addresses(host, port):
            if not trusted and (refusal := self._refusal(host, port, address[0], named)):
                problem = refusal
                continue
            try:
                return self._connected((family, kind, protocol), address, deadline)
            except OSError as error:
                problem = Unreachable(f"{host} port {port} does not answer: {_said(error)}.")
        raise problem or Unreachable(f"{host} has no address.")

    def check_name(self, host: str, port: int) -> None:
        """Check a host that somebody else (a proxy) will connect to: by its name, if it has one.

        Raises:
            Forbidden: If the policy does not allow it.
        """
        plain = plain_host(host)
        if _is_address(plain):
            refusal = self._refusal(host, port, plain, self._named(host, port))
            if refusal is not None:
                raise refusal
        elif not self._named(host, port):
            raise _not_listed(host, port)

    def _addresses(self, host: str, port: int) -> list[tuple[Any, Any, Any, str, Any]]:
        try:
            return list(self._resolve(plain_host(host), port, type=socket.SOCK_STREAM))
        except socket.gaierror as error:
            raise Unreachable(
                f"No address is found for the host {host!r}: {_said(error)}."
            ) from error
        except (UnicodeError, OverflowError) as error:
            raise SourceError(
                f"The host {host!r}, port {port}, makes no sense: {error}."
            ) from error

    def _named(self, host: str, port: int) -> bool:
        return self._hosts is None or any(entry.names(host, port) for entry in self._hosts)

    def _has_networks(self, port: int) -> bool:
        return any(
            entry.network is not None and entry.port in (0, port) for entry in self._hosts or ()
        )

    def _refusal(self, host: str, port: int, text: str, named: bool) -> Forbidden | None:
        """Why this address may not be connected to; None if it may."""
        address = ipaddress.ip_address(text.partition("%")[0])
        if any(entry.holds(address, port) for entry in self._hosts or ()):
            return None
        if not named:
            return _not_listed(host, port)
        if self._private or is_public(address):
            return None
        return Forbidden(
            f"{host} is {address}, in a private or special network, and the access policy allows "
            "public ones only. Set private, or list the network among the hosts (10.1.0.0/16)."
        )

    def _connected(
        self, kind: tuple[Any, Any, Any], address: Any, deadline: Deadline
    ) -> socket.socket:
        made = socket.socket(*kind)
        try:
            made.settimeout(deadline.step())
            self._remember(made)
            made.connect(address)
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except BaseException:
            self.disconnect(made)
            raise
        return made

    def _remember(self, made: socket.socket) -> None:
        with self._lock:
            if self.closed:
                raise OSError("the source is closed")
            self._open.add(made)

    def replace(self, old: socket.socket, new: socket.socket) -> None:
        """``new`` (TLS) has taken over what ``old`` was."""
        with self._lock:
            self._open.discard(old)
            self._open.add(new)

    def disconnect(self, made: socket.socket) -> None:
        """Close a socket."""
        with self._lock:
            self._open.discard(made)
        made.close()

    def close(self) -> None:
        """Cut every connection, also those that a thread waits at; there are no new ones."""
        with self._lock:
            self.closed = True
            cut = list(self._open)
        for made in cut:
            try:
                made.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue  # it was cut already


class _Host:
    """An entry of ``Access.hosts``: ``name``, ``*.name``, an address or a network; ``:port``."""

    def __init__(self, text: str) -> None:
        name, port = _split_port(text)
        self.name, self.port = name.lower().rstrip("."), port
        self.network: IpNetwork | None = None
        try:
            self.network = ipaddress.ip_network(self.name, strict=False)
        except ValueError:
            return

    def names(self, host: str, port: int) -> bool:
        if self.port not in (0, port) or self.network is not None:
            return False
        host = host.lower().rstrip(".")
        if self.name.startswith("*."):
            return host.endswith(self.name[1:])
        return host == self.name

    def holds(self, address: IpAddress, port: int) -> bool:
        return self.network is not None and self.port in (0, port) and address in self.network


def _split_port(text: str) -> tuple[str, int]:
    if text.startswith("["):
        name, _, rest = text[1:].partition("]")
        return name, int(rest[1:] or 0)
    name, colon, port = text.rpartition(":")
    return (name, int(port)) if colon and ":" not in name else (text, 0)


def plain_host(host: str) -> str:
    """The host as it is looked up.

    Raises:
        SourceError: If it has characters that no host has.
    """
    if ":" in host:
        return str(ipaddress.ip_address(host)) if _is_address(host) else _senseless(host)
    try:
        plain = host if host.isascii() else host.encode("idna").decode()
    except UnicodeError:
        return _senseless(host)
    return plain if _NAME.fullmatch(plain) else _senseless(host)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _senseless(host: str) -> str:
    raise SourceError(f"{host!r} is not the name or address of a host.")


def is_public(address: IpAddress) -> bool:
    """Whether an address is of the open Internet, also where one of IPv6 carries one of IPv4."""
    if isinstance(address, ipaddress.IPv6Address):
        for network, shift in _CARRIERS:
            if address in network:
                return is_public(ipaddress.IPv4Address((int(address) >> shift) & 0xFFFFFFFF))
        if address.is_site_local or address.teredo is not None:
            return False
    return address.is_global and not address.is_multicast and not address.is_reserved


def _not_listed(host: str, port: int) -> Forbidden:
    return Forbidden(
        f"The host {host} (port {port}) is not among those that may be connected to. "
        "Have it added to the allowed hosts."
    )


def _said(error: OSError) -> str:
    return error.strerror or str(error) or type(error).__name__
