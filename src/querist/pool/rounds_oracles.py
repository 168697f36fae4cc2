"""Who labels what a round picked: a person (through the pool), a file of labels, or a service."""

from __future__ import annotations

import json
import os
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

from querist.core.errors import ConfigError
from querist.pool.errors import PoolError
from querist.pool.items import Item
from querist.pool.model_servers import ServerClient
from querist.pool.pool import Pool
from querist.pool.rounds_settings import RoundsSettings
from querist.pool.settings import ModelAccess
from querist.sources.source import SourceError
from querist.sources.uris import is_loopback

LARGEST = 64 << 20  # bytes of a service's answer
TIMEOUT = 60.0
TOKEN = "QUERIST_LABELS_TOKEN"
_HEAD = {"Content-Type": "application/json", "Accept": "application/json"}


class RoundOracle(Protocol):
    """Labels items, as many as it can now."""

    def answer(self, pool: Pool, items: Sequence[Item]) -> None:
        """Record labels in the pool; what is left out is asked again later."""
        ...

    def wait(self, missing: int) -> str:
        """A sentence for people: what is waited for."""
        ...


class Person:
    """Labels come to the pool from elsewhere: its page, the command line, ``Pool.label``."""

    def answer(self, pool: Pool, items: Sequence[Item]) -> None:
        """Nothing: what people said is in the pool already."""

    def wait(self, missing: int) -> str:
        """How to give labels."""
        return "People are to label them, or to skip those that they cannot tell."


class LabelsFile:
    """A manifest of labels: CSV, JSON Lines, COCO ...; items are found by id, URI or text.

    Args:
        path: Of the file, or its URI; read again for each round, so that it may grow.
    """

    def __init__(self, path: Path | str) -> None:
        self._path = str(path)

    def answer(self, pool: Pool, items: Sequence[Item]) -> None:
        """Take the labels that the file has of these items, and no others.

        Raises:
            ConfigError: If it is no manifest.
            SourceError: If it cannot be read.
        """
        pool.import_labels(self._path, only=[item.id for item in items])

    def wait(self, missing: int) -> str:
        """What the file lacks."""
        return (
            f"{self._path} has no label of {missing:,} picked items yet. Items are found by the "
            "columns id, or file (path, uri ...; relative to the folder of the file of labels)."
        )


class LabelService:
    """Another service: items are posted as JSON, labels come back.

    Posted is ``{"items": [{"id": ..., "uri": ..., "metadata": {...}}]}``, with ``"inline"`` where a
    text or row is no file; wanted is ``{"labels": {id: label}}``, in which items may be missing
    that are not labelled yet. A bearer token is taken from the variable QUERIST_LABELS_TOKEN, but
    never where a pool says which servers may be asked (``models`` of its settings, as all pools of
    a service do): then the address is held to that, and the token would be the server's own.

    Args:
        url: ``http://`` or ``https://``.
        timeout: Seconds.
    """

    def __init__(self, url: str, timeout: float = TIMEOUT) -> None:
        if not url.startswith(("http://", "https://")):
            raise ConfigError(f"a labelling service has an http(s) address, but got {url!r}.")
        if "@" in url.partition("://")[2].partition("/")[0]:
            raise ConfigError(
                "a labelling service's address is kept with the rounds, so it holds no password; "
                f"put a bearer token into the environment variable {TOKEN}."
            )
        self._url, self._timeout = url, timeout

    def answer(self, pool: Pool, items: Sequence[Item]) -> None:
        """Record what the service says of these items.

        Raises:
            PoolError: If it cannot be reached, or answers something else.
        """
        body = json.dumps({"items": [_told(item) for item in items]}).encode()
        allowed = pool.settings.models
        try:
            said = self._plainly(body) if allowed is None else self._guarded(body, allowed)
            labels = json.loads(said)["labels"]
        except (urllib.error.URLError, OSError, SourceError) as error:
            why = str(error).rstrip(".")
            if isinstance(error, urllib.error.HTTPError):
                error.close()
            raise PoolError(f"the service {self._url} gave no labels: {why}.") from error
        except (ValueError, KeyError, TypeError) as error:
            raise PoolError(
                f"the service {self._url} should answer {{'labels': {{id: label}}}}: {error}."
            ) from error
        known = {item.id for item in items}
        if not isinstance(labels, dict) or not set(labels) <= known:
            raise PoolError(f"the service {self._url} labelled items that it was not asked about.")
        pool.label(labels, by="service")

    def _plainly(self, body: bytes) -> bytes:
        head = dict(_HEAD)
        if token := os.environ.get(TOKEN):
            head["Authorization"] = f"Bearer {token}"
        request = urllib.request.Request(self._url, body, head)
        here = is_loopback(urlsplit(self._url).hostname or "")  # which no proxy can reach
        opener = urllib.request.build_opener(*[urllib.request.ProxyHandler({})] * here)
        with opener.open(request, timeout=self._timeout) as answer:
            data: bytes = answer.read(LARGEST)
            return data

    def _guarded(self, body: bytes, allowed: ModelAccess) -> bytes:
        client = ServerClient(allowed)
        try:
            answer = client.request(
                "POST", self._url, content=body, headers=_HEAD, timeout=self._timeout
            )
        finally:
            client.close()
        if answer.status_code != 200:
            raise OSError(f"it answered with status {answer.status_code}")
        return bytes(answer.content)

    def wait(self, missing: int) -> str:
        """What the service did not say."""
        return f"The service {self._url} has not labelled {missing:,} picked items yet."


def _told(item: Item) -> dict[str, Any]:
    told = {"id": item.id, "uri": item.uri, "metadata": dict(item.metadata or {})}
    return told if item.inline is None else {**told, "inline": item.inline}


def oracle_of(settings: RoundsSettings) -> RoundOracle:
    """Who labels.

    Raises:
        ConfigError: If the file or the address is missing.
    """
    if settings.oracle == "person":
        return Person()
    if not settings.labels:
        raise ConfigError(f"labels: is needed by oracle: {settings.oracle}.")
    return (
        LabelsFile(settings.labels) if settings.oracle == "file" else LabelService(settings.labels)
    )
