"""Who was busy when, doing what: timelines and shares of workers and pools."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from typing import Any

import numpy as np

from querist.accounting.facts import FactLike, number, several, span, text
from querist.accounting.spans import Floats, Timeline, coalesce, concurrency, fair_limits, stacked

INTERVALS = 40_000  # in the timelines of all workers together
BINS = 200  # of a pool's utilisation over time
LOSSES = 100  # lost workers that are listed, and as many that changed their pool
_PRESENCE = 32  # intervals in which a worker was there
_ALL = 10**9  # no limit: join only what overlaps


class _Worker:
    __slots__ = ("kinds", "losses", "pool", "presence", "since")

    def __init__(self, pool: str) -> None:
        self.pool = pool
        self.kinds: dict[str, Timeline] = {}
        self.presence = Timeline()
        self.since: float | None = None
        self.losses = 0

    def leave(self, t: float) -> None:
        if self.since is not None:
            self.presence.add(self.since, t)
            self.since = None
            if len(self.presence) > 2 * _PRESENCE:
                self.presence.shrink(_PRESENCE)

    def present(self, now: float, busy: Floats) -> Floats:
        """Table of when it was there; a worker of which nobody said so, from its first task on."""
        table = self.presence.table(_PRESENCE)
        if self.since is not None and now > self.since:
            table = np.vstack([table, [self.since, now, now - self.since]])
        if not len(table) and len(busy):
            begin = busy[:, 0].min()
            table = np.array([[begin, now, now - begin]])
        return table


class WorkerFold:
    """Folds tasks, joins and losses into bounded timelines.

    Args:
        intervals: Upper bound on the intervals of all timelines in a summary; twice as many are
            held. Pools share it as fairly as workers do; each timeline has at least one.
    """

    def __init__(self, intervals: int = INTERVALS) -> None:
        self._intervals = intervals
        self._workers: dict[str, _Worker] = {}
        self._rows = 0
        self._lost: deque[dict[str, Any]] = deque(maxlen=LOSSES)
        self._losses = self._moved = 0
        self._moves: deque[dict[str, Any]] = deque(maxlen=LOSSES)

    def gone(self, fact: FactLike) -> None:
        """The run ended, or goes on with new workers after a resume."""
        for worker in self._workers.values():
            worker.leave(number(fact.data, "t"))

    def joined(self, fact: FactLike) -> None:
        """A worker is ready."""
        pool, t = text(fact.data, "pool"), number(fact.data, "t")
        worker = self._worker(text(fact.data, "worker"), pool)
        worker.pool = pool or worker.pool
        worker.leave(t)
        worker.since = t

    def lost(self, fact: FactLike) -> None:
        """A worker is gone."""
        name, pool = text(fact.data, "worker"), text(fact.data, "pool")
        worker = self._worker(name, pool)
        t = number(fact.data, "t")
        worker.leave(t)
        worker.losses += 1
        self._losses += 1
        self._lost.append(
            {
                "t": t,
                "worker": name,
                "pool": worker.pool,
                "message": text(fact.data, "message"),
                "final": bool(fact.data.get("final", False)),
            }
        )

    def moves(self, fact: FactLike) -> None:
        """A worker was told to serve another pool."""
        names = ("source", "target", "why")
        self._moved += 1
        self._moves.append(
            {"t": number(fact.data, "t"), **{name: text(fact.data, name) for name in names}}
        )

    def left(self, fact: FactLike) -> None:
        """A worker has left its pool for another."""
        worker = self._worker(text(fact.data, "worker"), text(fact.data, "pool"))
        worker.leave(number(fact.data, "t"))

    def called(self, fact: FactLike) -> None:
        """An oracle's call ended, with whatever answer."""
        self._busy(fact.data, "label", fact.data.get("spans"))

    def explored(self, fact: FactLike) -> None:
        """A slice of exploration ended."""
        self._busy(fact.data, "explore", fact.data.get("spans"))
        apart = fact.data.get("apart")
        for worker, seconds in apart.items() if isinstance(apart, Mapping) else ():
            kind = str(worker).partition(".")[0]  # a generator's or a predictor's rank
            kind = {"generator": "generate", "predictor": "predict"}.get(kind, kind)
            self._busy({"worker": worker}, kind, fact.data.get("spans"), float(seconds))

    def task(self, fact: FactLike) -> None:
        """Any other task ended."""
        self._busy(fact.data, text(fact.data, "kind", "task"), fact.data.get("spans"))

    def fitted(self, fact: FactLike) -> None:
        """A model was published: the spans of the trainers that made it."""
        spans, workers = several(fact.data, "spans"), several(fact.data, "workers")
        for one, worker in zip(spans, workers, strict=False):
            self._busy({"worker": worker}, "fit", one)

    def _busy(
        self, data: Mapping[str, Any], kind: str, spans: Any, seconds: float | None = None
    ) -> None:
        interval = span(spans)
        name = text(data, "worker")
        if interval is None or not name:
            return
        worker = self._worker(name, text(data, "pool"))
        timeline = worker.kinds.get(kind)
        if timeline is None:
            timeline = worker.kinds[kind] = Timeline()
        self._rows += timeline.add(*interval, seconds)
        if self._rows > 2 * self._intervals:
            self._shrink()

    def _limits(self) -> dict[str, int]:
        lengths: dict[str, list[int]] = {}
        for worker in self._workers.values():
            lengths.setdefault(worker.pool, []).extend(map(len, worker.kinds.values()))
        return fair_limits(lengths, self._intervals)

    def _shrink(self) -> None:
        limits = self._limits()
        timelines = [(w.pool, line) for w in self._workers.values() for line in w.kinds.values()]
        for pool, line in timelines:
            line.shrink(limits[pool])
        # Where there are more timelines than intervals, only what comes from now on counts.
        self._rows = min(self._intervals, sum(len(line) for _, line in timelines))

    def _worker(self, name: str, pool: str) -> _Worker:
        worker = self._workers.get(name)
        if worker is None:
            worker = self._workers[name] = _Worker(pool)
        elif pool and not worker.pool:
            worker.pool = pool
        return worker

    def build(self, now: float) -> dict[str, Any]:
        """The section ``workers`` of a summary at campaign time ``now``."""
        digits, pools, limits = _digits(now), _Pools(now), self._limits()
        rows = []
        for name, worker in sorted(self._workers.items(), key=lambda item: _natural(item[0])):
            limit = limits[worker.pool]
            tables = {kind: line.table(limit) for kind, line in worker.kinds.items()}
            busy = coalesce(stacked([*tables.values()]), _ALL)
            present = worker.present(now, busy)
            row = _row(name, worker, busy, present)
            row["kinds"] = {
                kind: {
                    "tasks": worker.kinds[kind].tasks,
                    "seconds": float(table[:, 2].sum()),
                    "intervals": np.round(table, digits),
                }
                for kind, table in tables.items()
            }
            pools.add(row, busy, present)
            rows.append(row)
        return {
            "pools": pools.build(),
            "table": rows,
            "lost": {"total": self._losses, "table": list(self._lost)},
            "moved": {"total": self._moved, "table": list(self._moves)},
        }


class _Pools:
    """Sums over the workers of each pool."""

    def __init__(self, now: float) -> None:
        self._edges = np.linspace(0.0, max(now, 1e-9), BINS + 1)
        self._pools: dict[str, dict[str, Any]] = {}
        self._tables: dict[str, tuple[list[Floats], list[Floats]]] = {}

    def add(self, row: dict[str, Any], busy: Floats, present: Floats) -> None:
        name = row["pool"]
        empty: dict[str, Any] = {"workers": 0, "tasks": 0, "busy": 0.0, "present": 0.0, "kinds": {}}
        pool = self._pools.setdefault(name, empty)
        pool["workers"] += 1
        for key in ("tasks", "busy", "present"):
            pool[key] += row[key]
        for kind, entry in row["kinds"].items():
            pool["kinds"][kind] = pool["kinds"].get(kind, 0.0) + entry["seconds"]
        tables = self._tables.setdefault(name, ([], []))
        tables[0].append(busy)
        tables[1].append(present)

    def build(self) -> dict[str, Any]:
        return {name: self._pool(name, pool) for name, pool in sorted(self._pools.items())}

    def _pool(self, name: str, pool: dict[str, Any]) -> dict[str, Any]:
        work, there = (concurrency(stacked(t), self._edges) for t in self._tables[name])
        share = np.divide(work, there, out=np.zeros(BINS), where=there > 0)
        return pool | {
            "share": _share(pool["busy"], pool["present"]),
            "utilisation": {
                "t": np.round((self._edges[:-1] + self._edges[1:]) / 2, _digits(self._edges[-1])),
                "share": np.round(np.minimum(share, 1.0), 4),
            },
        }


def _row(name: str, worker: _Worker, busy: Floats, present: Floats) -> dict[str, Any]:
    seconds, there = float(busy[:, 2].sum()), float(present[:, 2].sum())
    return {
        "name": name,
        "pool": worker.pool or "other",
        "tasks": sum(line.tasks for line in worker.kinds.values()),
        "busy": seconds,
        "present": there,
        "share": _share(seconds, there),
        "losses": worker.losses,
    }


def _share(busy: float, present: float) -> float | None:
    return min(1.0, busy / present) if present > 0 else None


def _digits(now: float) -> int:
    """Decimals that resolve about a millionth of the run."""
    return int(np.clip(6 - math.ceil(math.log10(max(now, 1e-3))), 0, 6))


def _natural(name: str) -> list[tuple[int, int, str]]:
    """Sort key that puts "oracle.10" after "oracle.9"."""
    parts = name.replace("-", ".").replace("/", ".").replace(":", ".").split(".")
    return [(0, int(p), "") if p.isdecimal() else (1, 0, p) for p in parts]
