"""Reading facts: the little that is asked of a record, and tolerant access to its data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from querist.core.batch import Array

LARGEST = 1e100  # beyond it sums and squares would overflow


class FactLike(Protocol):
    """A record of a journal, whoever read it."""

    @property
    def seq(self) -> int:
        """Its number in the journal, growing."""

    @property
    def kind(self) -> str:
        """What it says, for example "answer.label"."""

    @property
    def data(self) -> Mapping[str, Any]:
        """JSON-able data."""

    @property
    def arrays(self) -> Mapping[str, Array]:
        """Named arrays."""


def number(data: Mapping[str, Any], key: str, default: float = 0.0) -> float:
    """A finite number, or the default where there is none."""
    value = finite(data.get(key))
    return default if value is None else value


def whole(data: Mapping[str, Any], key: str, default: int = 0) -> int:
    """A count or a number of order, from 0 to 2**53."""
    return int(min(max(number(data, key, default), 0), 2**53))


def finite(value: Any) -> float | None:
    """The value as a finite float of a sane size, or None."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if abs(value) < LARGEST else None


def text(data: Mapping[str, Any], key: str, default: str = "") -> str:
    """A string, or the default where there is nothing."""
    value = data.get(key)
    return default if value is None or value == "" else str(value)


def several(data: Mapping[str, Any], key: str) -> Sequence[Any]:
    """A list, or an empty one where there is none."""
    value = data.get(key)
    return value if isinstance(value, (list, tuple)) else ()


def named(data: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """A mapping, or an empty one where there is none."""
    value = data.get(key)
    return value if isinstance(value, Mapping) else {}


def span(spans: Any) -> tuple[float, float] | None:
    """``(started, finished)`` of a task's spans in seconds, None where they say nothing."""
    if not isinstance(spans, Mapping):
        return None
    started, finished = finite(spans.get("started")), finite(spans.get("finished"))
    if started is None or finished is None or finished <= started:
        return None
    return started, finished


def metrics(data: Mapping[str, Any]) -> dict[str, float]:
    """The finite numbers of a fact's metrics, in their order."""
    values = {str(name): finite(value) for name, value in named(data, "metrics").items()}
    return {name: value for name, value in values.items() if value is not None}
