"""FTP connections: logged in, kept, and no more of them than a server takes."""

from __future__ import annotations

import ftplib
import re
import ssl
import threading
import time
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

from querist.sources.network import Deadline, Network
from querist.sources.source import Forbidden, MissingItem, SourceError, Unreachable
from querist.sources.timed_socket import TimedSocket
from querist.sources.uris import printable, shown

T = TypeVar("T")
_IDLE = 30.0
_PASSIVE = 8.0  # how long a server keeps a port open that it offered
_LINES = 1000
_BLOCK = 1 << 16
_TOLD = re.compile(r"\((\d{1,18}) bytes\)", re.ASCII)


class Account(NamedTuple):
    """Where to log in, and as whom."""

    host: str
    port: int
    user: str
    password: str
    tls: bool = False
    implicit: bool = False  # TLS from the first byte, instead of by AUTH TLS


class FtpPool:
    """Lends connections; thread-safe.

    Args:
        network: What connects.
        most: How many connections to one account at once. A server that refuses one while others
            are open is not asked for more than are open.
        tls: Whom to trust; None for the system's authorities.
    """

    def __init__(self, network: Network, most: int, tls: ssl.SSLContext | None = None) -> None:
        self._network, self._most, self._tls = network, most, tls
        self._changed = threading.Condition()
        self._idle: dict[Account, list[FtpConnection]] = {}
        self._count: dict[Account, int] = {}
        self._limit: dict[Account, int] = {}

    def use(
        self, account: Account, uri: str, deadline: Deadline, work: Callable[[FtpConnection], T]
    ) -> T:
        """What ``work`` returns, given a connection; once more if a kept connection was dead.

        Args:
            account: Where.
            uri: For sentences.
            deadline: Of all of it.
            work: What is to be done.

        Raises:
            SourceError: What the server's answers mean.
        """
        while True:
            connection = self._take(account, uri, deadline)
            used = connection.used
            try:
                result = work(connection)
            except ftplib.error_perm as error:
                self._give_back(account, connection)
                raise meaning(error, uri) from error
            except (EOFError, ConnectionError) as error:
                self._drop(account, connection)
                if not used or self._network.closed:
                    raise self._broken(uri, error) from error
            except (OSError, ftplib.Error, UnicodeError, ValueError) as error:
                self._drop(account, connection)
                raise self._broken(uri, error) from error
            except BaseException:
                self._drop(account, connection)
                raise
            else:
                self._give_back(account, connection)
                return result

    def _take(self, account: Account, uri: str, deadline: Deadline) -> FtpConnection:
        while True:
            connection = self._idle_or_none(account, uri, deadline)
            if connection is not None:
                connection.keep(deadline)
                return connection
            try:
                return FtpConnection(self._network, account, deadline, self._context(account))
            except (OSError, ftplib.Error, EOFError, UnicodeError, ValueError) as error:
                if not self._too_many(account, error):
                    raise self._broken(uri, error) from error
            except BaseException:
                self._leave(account)
                raise

    def _context(self, account: Account) -> ssl.SSLContext | None:
        if not account.tls:
            return None
        with self._changed:
            self._tls = self._tls or ssl.create_default_context()
            return self._tls

    def _idle_or_none(self, account: Account, uri: str, deadline: Deadline) -> FtpConnection | None:
        """An idle connection, or None, having counted the one that may be opened."""
        with self._changed:
            while True:
                if self._network.closed:
                    raise SourceError("The source is closed.")
                idle = self._idle.setdefault(account, [])
                if idle and time.monotonic() - idle[-1].since < _IDLE:
                    return idle.pop()
                for old in idle:
                    old.close()
                self._count[account] = self._count.get(account, 0) - len(idle)
                idle.clear()
                if self._count[account] < self._limit.get(account, self._most):
                    self._count[account] += 1
                    return None
                try:
                    self._changed.wait(deadline.step())
                except TimeoutError as error:
                    raise self._broken(uri, error) from error

    def _too_many(self, account: Account, error: Exception) -> bool:
        """Whether a connection was refused because there are others; then there will be fewer."""
        with self._changed:
            self._count[account] -= 1
            self._changed.notify()
            if str(error)[:3] not in ("421", "530") or not self._count[account]:
                return False
            self._limit[account] = min(self._limit.get(account, self._most), self._count[account])
            return True

    def _give_back(self, account: Account, connection: FtpConnection) -> None:
        connection.used, connection.since = True, time.monotonic()
        with self._changed:
            if not self._network.closed:
                self._idle[account].append(connection)
                self._changed.notify()
                return
        connection.close()

    def _drop(self, account: Account, connection: FtpConnection) -> None:
        connection.close()
        self._leave(account)

    def _leave(self, account: Account) -> None:
        with self._changed:
            self._count[account] -= 1
            self._changed.notify()

    def _broken(self, uri: str, error: Exception) -> SourceError:
        name = shown(uri)
        if self._network.closed:
            return SourceError(f"{name} was not read to its end: the source was closed.")
        if isinstance(error, ftplib.error_perm):
            return meaning(error, uri)
        if isinstance(error, ssl.SSLCertVerificationError):
            return SourceError(f"{name}: the certificate is not trusted: {error.verify_message}.")
        if isinstance(error, TimeoutError):
            return Unreachable(f"{name} is too slow: {error}.")
        if isinstance(error, UnicodeError | ValueError):
            return SourceError(f"{name} cannot be asked for by FTP: {error}.")
        why = printable(str(error)) or "it was closed"
        return Unreachable(f"{name}: the connection failed: {why}.")

    def close(self) -> None:
        """Cut what is under way and close what is idle."""
        self._network.close()
        with self._changed:
            idle = [connection for kept in self._idle.values() for connection in kept]
            self._idle.clear()
            self._changed.notify_all()
        for connection in idle:
            connection.close()


class FtpConnection(ftplib.FTP):
    """One logged-in connection, in binary mode; every wait keeps the deadline.

    The port of the next transfer is asked for when the last one is given back, which saves one of
    three round trips where the connection rests in between. Names are bytes, written as latin-1
    strings.
    """

    sock: Any

    def __init__(
        self,
        network: Network,
        account: Account,
        deadline: Deadline,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        super().__init__(encoding="latin-1")
        self._tls = tls
        self.network, self.deadline, self.account = network, deadline, account
        self.used, self.since = False, time.monotonic()
        self._asked = False
        self.features: frozenset[str] | None = None
        made = network.connect(account.host, account.port, deadline)
        self.host, self.port, self.af = account.host, account.port, made.family
        self._peer = made.getpeername()
        self.sock = TimedSocket(made, network, deadline)
        try:
            if account.implicit:
                self.sock = self._sealed(self.sock)
            self.file = self.sock.makefile("r", encoding=self.encoding)
            self.welcome = self.getresp()
            if tls is not None:
                self._begin_tls()
            self.login(account.user, account.password)
            self.voidcmd("TYPE I")
        except BaseException:
            self.close()
            raise

    def _begin_tls(self) -> None:
        """From now on commands are sealed, and so will data be; what came before is not used."""
        if not self.account.implicit:
            self.voidcmd("AUTH TLS")
            plain: Any = self.sock
            file: Any = self.file
            self.sock = self._sealed(plain)
            self.file = self.sock.makefile("r", encoding=self.encoding)
            for old in (file, plain):
                old.close()
        self.voidcmd("PBSZ 0")
        self.voidcmd("PROT P")

    def _sealed(self, plain: TimedSocket, session: Any = None) -> TimedSocket:
        """The socket with TLS over it; servers may want data in the session of the commands."""
        assert self._tls is not None
        plain.made.settimeout(self.deadline.step())
        host = self.account.host
        secure = self._tls.wrap_socket(plain.made, server_hostname=host, session=session)
        self.network.replace(plain.made, secure)
        return TimedSocket(secure, self.network, self.deadline)

    def keep(self, deadline: Deadline) -> None:
        """From now on this is the deadline."""
        self.deadline = self.sock.deadline = deadline

    def getmultiline(self) -> str:
        """A reply of not too many lines."""
        lines = [self.getline()]
        if lines[0][3:4] == "-":
            end = lines[0][:3] + " "
            while not lines[-1].startswith(end):
                if len(lines) > _LINES:
                    raise ftplib.error_proto(f"a reply of more than {_LINES} lines")
                lines.append(self.getline())
        return "\n".join(lines)

    def supports(self, feature: str) -> bool:
        """Whether FEAT names it; asked once."""
        if self.features is None:
            try:
                said = self.plain("FEAT").splitlines()[1:]
            except ftplib.error_perm:
                said = []
            self.features = frozenset(line.split()[0].upper() for line in said if line.strip())
        return feature in self.features

    def plain(self, command: str) -> str:
        """A command that moves no data, and its reply."""
        self._answer_to_passive()
        return self.sendcmd(command)

    def _answer_to_passive(self) -> tuple[str, int] | None:
        """Take in the reply to a port asked for in advance; None if none was, or it is too old."""
        if not self._asked:
            return None
        self._asked = False
        place = self._place(self.getresp())
        return place if time.monotonic() - self.since < _PASSIVE else None

    def _place(self, reply: str) -> tuple[str, int]:
        """Host and port of a passive reply; the host is the one we know, whatever it says."""
        if reply.startswith("229"):
            return self._peer[0], ftplib.parse229(reply, self._peer)[1]
        return self._peer[0], ftplib.parse227(reply)[1]

    def _ask(self) -> None:
        self.putcmd("EPSV" if ":" in self._peer[0] else "PASV")

    def _data(self, place: tuple[str, int]) -> TimedSocket:
        made = self.network.connect(*place, self.deadline, trusted=True)
        return TimedSocket(made, self.network, self.deadline)

    def _offered(self, place: tuple[str, int]) -> TimedSocket:
        """The port that was offered in advance; a server that ended the connection closed it."""
        try:
            return self._data(place)
        except Unreachable as error:
            raise ConnectionResetError(str(error)) from error

    def fetch(self, command: str, limit: int) -> bytes | None:
        """The bytes that a command (RETR, MLSD, LIST) sends; None if more than the limit."""
        place = self._answer_to_passive()
        if place is None:
            self._ask()
            place = self._place(self.getresp())
            data = self._data(place)
        else:
            data = self._offered(place)
        try:
            reply = self.sendcmd(command)
            if not reply.startswith("1"):
                raise ftplib.error_reply(reply)
            if self._tls is not None:
                data = self._sealed(data, self.sock.made.session)
            received = _all(data, limit)
        finally:
            data.close()
        if received is None:
            return None
        self.voidresp()
        told = _TOLD.search(reply) if command.startswith("RETR") else None
        if told is not None and int(told[1]) != len(received):
            raise EOFError(f"{len(received)} bytes came of {told[1]}")
        self._ask()
        self._asked = True
        return received


def _all(data: TimedSocket, limit: int) -> bytes | None:
    parts, total = [], 0
    while part := data.receive(_BLOCK):
        parts.append(part)
        total += len(part)
        if total > limit:
            return None
    return b"".join(parts)


def meaning(error: ftplib.error_perm, uri: str) -> SourceError:
    """The error that a refusal is. 550 stands for a missing file and for a forbidden one."""
    text, name = str(error), shown(uri)
    said = f"the server says {text[:200]!r}"
    if text.startswith("550") and not any(w in text.lower() for w in ("denied", "permission")):
        return MissingItem(f"There is no {name}: {said}.")
    if text.startswith(("530", "532", "550", "553")):
        return Forbidden(f"{name} may not be read: {said}.")
    return SourceError(f"{name} cannot be read: {said}.")
