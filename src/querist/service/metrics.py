"""Numbers for Prometheus."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from querist.core.errors import require

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_FOR = "the service's metrics"
_SECONDS = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60)
Read = Callable[[], dict[str, list[tuple[tuple[str, ...], float]]]]

# Gauges that are read from the index when they are asked for: name -> help, labels.
GAUGES = {
    "querist_jobs": ("Jobs by kind and state.", ("kind", "state")),
    "querist_pools": ("Pools.", ()),
    "querist_items": ("Items in all pools.", ()),
    "querist_webhook_deliveries": ("Messages to webhooks by state.", ("state",)),
    "querist_disk_free_bytes": ("What the disk of the data has left.", ()),
}


class Metrics:
    """The numbers of one application.

    Args:
        read: Reads the gauges.
    """

    def __init__(self, read: Read) -> None:
        lib = require("prometheus_client", "service", _FOR)
        self._lib, self._registry = lib, lib.CollectorRegistry()
        self.requests = lib.Counter(
            "querist_requests",
            "Requests by route, method and status.",
            ("route", "method", "status"),
            registry=self._registry,
        )
        self.seconds = lib.Histogram(
            "querist_request_seconds",
            "Seconds of a request, to the end of its answer.",
            ("route",),
            buckets=_SECONDS,
            registry=self._registry,
        )
        self.refused = lib.Counter(
            "querist_refused",
            "Requests that were refused, by kind of problem.",
            ("kind",),
            registry=self._registry,
        )
        self._registry.register(_Gauges(read))

    def text(self) -> bytes:
        """All numbers, in Prometheus' format."""
        said: bytes = self._lib.generate_latest(self._registry)
        return said


class _Gauges:
    def __init__(self, read: Read) -> None:
        self._family = require("prometheus_client.core", "service", _FOR).GaugeMetricFamily
        self._read = read

    def describe(self) -> list[Any]:
        """Nothing: the index is not read when this is registered."""
        return []

    def collect(self) -> Iterator[Any]:
        """Read them."""
        found = self._read()
        for name, (said, labels) in GAUGES.items():
            family = self._family(name, said, labels=labels)
            for values, number in found.get(name, []):
                family.add_metric(values, number)
            yield family
