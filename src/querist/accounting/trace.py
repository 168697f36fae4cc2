"""A run as a Chrome trace, to be opened in Perfetto (https://ui.perfetto.dev) or chrome://tracing.

Pools are processes, workers are threads, tasks are complete events; the queue and the labels are
counters. Format: "Trace Event Format" (Google, 2016); times are microseconds.
"""

from __future__ import annotations

import json
import os
from collections.abc import Generator, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from querist.accounting.facts import FactLike, finite, metrics, number, several, span, text, whole
from querist.accounting.series import tidy

Event = dict[str, Any]
CAMPAIGN = 1  # process of counters and instants
_LABEL_ARGS: tuple[str, ...] = ("question", "sample", "oracle", "purpose", "attempt", "cost")
_LABEL_ARGS += ("estimate", "level", "origin", "reason", "message", "final")
_EXPLORE_ARGS = ("steps", "proposed", "trusted", "asked", "rejected", "filtered", "version")
_INSTANTS = {
    "run.started": ("epoch", "engine", "host"),
    "run.ended": ("status", "reason"),
    "worker.lost": ("worker", "message", "final"),
    "labels.imported": ("count", "origin", "purpose"),
    "model.evaluated": ("version", "n", "on"),
    "questions.dropped": ("count", "why"),
    "gate.limits": ("ask", "reject", "version"),
    "user.command": ("kind", "data"),
}


def trace_events(facts: Iterable[FactLike]) -> Iterator[Event]:
    """Trace events of a run, one after the other; memory grows with the number of workers only.

    Args:
        facts: Records in the journal's order.
    """
    yield _meta(CAMPAIGN, None, "process_name", "campaign")
    tracer = _Tracer()
    for fact in facts:
        yield from tracer.events(fact)


def write_trace(facts: Iterable[FactLike], path: Path | str) -> Path:
    """Stream the trace to a JSON file, which appears when it is complete."""
    target = Path(path)
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    with part.open("w", encoding="utf-8") as file:
        file.write('{"displayTimeUnit":"ms","traceEvents":[\n')
        for index, event in enumerate(trace_events(facts)):
            line = json.dumps(tidy(event), allow_nan=False, separators=(",", ":"))
            file.write(f",\n{line}" if index else line)
        file.write("\n]}\n")
    return part.replace(target)


class _Tracer:
    def __init__(self) -> None:
        self._pools: dict[str, int] = {}
        self._threads: dict[str, tuple[int, int]] = {}
        self._pool_of: dict[str, str] = {}
        self._purposes: dict[str, int] = {}

    def events(self, fact: FactLike) -> Iterator[Event]:
        data, kind = fact.data, fact.kind
        if kind == "worker.joined":
            self._pool_of[text(data, "worker")] = text(data, "pool")
        if kind in ("answer.label", "answer.failure", "answer.abstention"):
            yield from self._task("label", data, self._answer_name(kind, data), _LABEL_ARGS)
        elif kind == "explored":
            yield from self._task("explore", data, "explore", _EXPLORE_ARGS)
            yield _counter(data, "queue", ("queued", "outstanding"))
        elif kind in ("task.ended", "task.failed"):
            name = text(data, "kind", "task")
            shown = f"{name} failed" if kind == "task.failed" else name
            yield from self._task(name, data, shown, ("reason", "message"))
        elif kind == "model.published":
            yield from self._fits(data)
        elif kind in _INSTANTS:
            yield _instant(kind, data)
        if kind in ("answer.label", "labels.imported"):
            yield self._labels(data)

    @staticmethod
    def _answer_name(kind: str, data: Mapping[str, Any]) -> str:
        ending = {"answer.failure": " failed", "answer.abstention": " abstained"}.get(kind, "")
        return f"{text(data, 'oracle', 'oracle')}{ending}"

    def _fits(self, data: Mapping[str, Any]) -> Iterator[Event]:
        yield _instant("model.published", data)
        spans, workers = several(data, "spans"), several(data, "workers")
        for one, worker in zip(spans, workers, strict=False):
            told = {"worker": worker, "spans": one, "version": data.get("version")}
            told |= {"dataset": data.get("dataset"), "why": data.get("why"), **metrics(data)}
            yield from self._task("fit", told, f"fit v{data.get('version')}", tuple(told)[2:])

    def _task(
        self, category: str, data: Mapping[str, Any], name: str, keys: tuple[str, ...]
    ) -> Iterator[Event]:
        interval = span(data.get("spans"))
        if interval is None:
            return
        begun, ended = interval
        spans = data["spans"]
        wait = begun - number(spans, "submitted", begun)
        args = {key: data[key] for key in keys if data.get(key) is not None}
        args |= {"cpu_seconds": finite(spans.get("cpu")), "wait_seconds": max(0.0, wait)}
        process, thread = yield from self._thread(text(data, "worker", "?"), text(data, "pool"))
        place = {"pid": process, "tid": thread}
        times = {"ts": _micro(begun), "dur": _micro(ended - begun)}
        yield {"ph": "X", "name": name, "cat": category, **place, **times, "args": args}

    def _thread(self, worker: str, pool: str) -> Generator[Event, None, tuple[int, int]]:
        """The worker's process and thread; yields their names where they are new."""
        if worker in self._threads:
            return self._threads[worker]
        pool = self._pool_of.get(worker) or pool or "other"
        if pool not in self._pools:
            self._pools[pool] = CAMPAIGN + 1 + len(self._pools)
            yield _meta(self._pools[pool], None, "process_name", pool)
        place = self._pools[pool], len(self._threads) + 1
        self._threads[worker] = place
        yield _meta(*place, "thread_name", worker)
        return place

    def _labels(self, data: Mapping[str, Any]) -> Event:
        purpose = text(data, "purpose", "train")
        added = whole(data, "count", 1)
        self._purposes[purpose] = self._purposes.get(purpose, 0) + added
        return _counter({"t": data.get("t"), **self._purposes}, "labels", tuple(self._purposes))


def _micro(seconds: float) -> float:
    return round(seconds * 1e6, 3)


def _meta(process: int, thread: int | None, name: str, value: str) -> Event:
    place = {"pid": process} if thread is None else {"pid": process, "tid": thread}
    return {"ph": "M", "name": name, **place, "args": {"name": value}}


def _counter(data: Mapping[str, Any], name: str, keys: tuple[str, ...]) -> Event:
    args = {key: number(data, key) for key in keys}
    return {"ph": "C", "name": name, "pid": CAMPAIGN, "ts": _micro(number(data, "t")), "args": args}


def _instant(kind: str, data: Mapping[str, Any]) -> Event:
    keys = _INSTANTS.get(kind, ("version", "dataset", "why"))
    args = {key: data[key] for key in keys if data.get(key) is not None}
    name = {"ph": "i", "s": "p", "name": kind, "cat": "campaign", "pid": CAMPAIGN, "tid": 0}
    return name | {"ts": _micro(number(data, "t")), "args": args | metrics(data)}
