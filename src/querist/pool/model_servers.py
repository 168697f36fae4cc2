"""Requests to servers of models, within what a pool allows."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from querist.pool.settings import ModelAccess
from querist.sources.access import Access
from querist.sources.http_pool import AGENT, HttpPool, Request, Response
from querist.sources.network import Deadline, Network
from querist.sources.source import Unreachable

_LARGEST = 256 << 20  # bytes of one answer


def connector(allowed: ModelAccess | None) -> Callable[[float], Any] | None:
    """What opens the connections of a remote model, for ``open_inference``; None for no rules."""
    return None if allowed is None else lambda _: ServerClient(allowed)


class ServerClient:
    """What :class:`querist.models.backends.triton.Server` asks through.

    The address that is connected to is the one that is checked, so a name that is bound anew gains
    nothing. Redirects are not followed, and no proxy is used.

    Args:
        allowed: Which servers may be asked.
    """

    def __init__(self, allowed: ModelAccess) -> None:
        self._servers = tuple(url.rstrip("/") for url in allowed.servers)
        listed = Access(roots=(), hosts=None, private=True, credentials=False)
        other = Access(roots=(), hosts=allowed.hosts, private=allowed.private, credentials=False)
        self._listed, self._other = (HttpPool(each, Network(each)) for each in (listed, other))

    def request(
        self,
        method: str,
        url: str,
        *,
        content: bytes | None,
        headers: Mapping[str, str],
        timeout: float,
    ) -> Answer:
        """One request and its answer.

        Raises:
            OSError: If no whole answer came; another try may help.
            SourceError: If it may not be sent, or the answer is too large.
        """
        pool = self._listed if self._is_listed(url) else self._other
        sent = {"User-Agent": AGENT, **headers}
        try:
            deadline = Deadline(timeout, timeout)
            return Answer(pool.exchange(Request(method, url, sent, _LARGEST, content), deadline))
        except Unreachable as error:
            raise OSError(str(error)) from error

    def _is_listed(self, url: str) -> bool:
        return any(url.startswith(f"{server}/") for server in self._servers)

    def close(self) -> None:
        """Close all connections."""
        self._listed.close()
        self._other.close()


class Answer:
    """An answer, read to its end.

    Attributes:
        status_code: The number.
        headers: By any case of the name.
        content: The body.
    """

    def __init__(self, response: Response) -> None:
        self.status_code, self.headers, self.content = response

    @property
    def text(self) -> str:
        """The body as text."""
        return self.content.decode("utf-8", "replace")

    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.content)
