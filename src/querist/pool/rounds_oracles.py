"""Who labels what a round picked: a person (through the pool), a file of labels, or a service."""

from __future__ import annotations

import csv
import json
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from querist.core.errors import ConfigError
from querist.pool.errors import PoolError
from querist.pool.items import Item

LARGEST = 64 << 20  # bytes of a service's answer
TIMEOUT = 60.0


class RoundOracle(Protocol):
    """Labels items, as many as it can now."""

    def answer(self, items: Sequence[Item]) -> Mapping[str, Any]:
        """Labels by id; what is left out is asked again later."""


class Person:
    """Labels come to the pool from elsewhere: its page, the command line, ``Pool.label``."""

    def answer(self, items: Sequence[Item]) -> Mapping[str, Any]:
        """Nothing: what people said is in the pool already."""
        return {}


class LabelsFile:
    """A CSV file with the columns id and label, or lines of JSON with these keys.

    Args:
        path: Of the file; read again for each round, so that it may grow.
    """

    def __init__(self, path: Path | str) -> None:
        self._path = Path(path)

    def answer(self, items: Sequence[Item]) -> Mapping[str, Any]:
        """The labels that the file has of these items.

        Raises:
            ConfigError: If it cannot be read, or has no such columns.
        """
        wanted = {item.id for item in items}
        try:
            with self._path.open(encoding="utf-8", newline="") as file:
                lines = self._path.suffix.lower() in (".jsonl", ".ndjson")
                rows = map(json.loads, filter(str.strip, file)) if lines else csv.DictReader(file)
                return {row["id"]: row["label"] for row in rows if row["id"] in wanted}
        except OSError as error:
            raise ConfigError(f"{self._path} cannot be read: {error.strerror}.") from error
        except (KeyError, TypeError, ValueError) as error:
            raise ConfigError(
                f"{self._path} should be CSV with the columns id and label, or lines of JSON with "
                f"these keys: {error}."
            ) from error


class LabelService:
    """Another service: items are posted as JSON, labels come back.

    Posted is ``{"items": [{"id": ..., "uri": ..., "metadata": {...}}]}``; wanted is
    ``{"labels": {id: label}}``, in which items may be missing that are not labelled yet.

    Args:
        url: ``http://`` or ``https://``.
        timeout: Seconds.
    """

    def __init__(self, url: str, timeout: float = TIMEOUT) -> None:
        if not url.startswith(("http://", "https://")):
            raise ConfigError(f"a labelling service has an http(s) address, but got {url!r}.")
        self._url, self._timeout = url, timeout

    def answer(self, items: Sequence[Item]) -> Mapping[str, Any]:
        """What the service says of these items.

        Raises:
            PoolError: If it cannot be reached, or answers something else.
        """
        told = [{"id": i.id, "uri": i.uri, "metadata": dict(i.metadata or {})} for i in items]
        body = json.dumps({"items": told}).encode()
        head = {"Content-Type": "application/json", "Accept": "application/json"}
        request = urllib.request.Request(self._url, body, head)
        try:
            with urllib.request.urlopen(request, timeout=self._timeout) as answer:
                labels = json.loads(answer.read(LARGEST))["labels"]
        except (urllib.error.URLError, OSError) as error:
            raise PoolError(f"the service {self._url} gave no labels: {error}.") from error
        except (ValueError, KeyError, TypeError) as error:
            raise PoolError(
                f"the service {self._url} should answer {{'labels': {{id: label}}}}: {error}."
            ) from error
        known = {item.id for item in items}
        if not isinstance(labels, dict) or not set(labels) <= known:
            raise PoolError(f"the service {self._url} labelled items that it was not asked about.")
        return labels
