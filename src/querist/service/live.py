"""Runs that are watched: their journals are folded as they grow, once for all who look on."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from querist.accounting.progress import ProgressState
from querist.accounting.series import shortened, thinned
from querist.accounting.spans import Floats, concurrency, stacked
from querist.accounting.summary import SummaryBuilder
from querist.store.run_folder import RunFolder

MOST = 16  # runs that are held
POINTS = 300  # of a curve
FAILURES = 50
TRACEBACK = 4000  # characters
ROWS, BINS = 48, 160  # of the picture of what workers did
WORKERS = 100  # in the table


class Live:
    """One run: what its journal says so far. For one thread at a time.

    Args:
        folder: Of the run.
    """

    def __init__(self, folder: Path) -> None:
        run = RunFolder(folder)
        settings = run.config()["settings"]
        budget, oracles = settings.get("budget", {}), settings.get("oracles", {})
        self._people = [name for name, told in oracles.items() if told.get("outside")]
        self._reader, self._builder = run.journal_reader(), SummaryBuilder(run.run_id)
        self._progress = ProgressState(budget.get("labels"), budget.get("cost"))
        self._view: dict[str, Any] = {}
        self._seq = -1
        self._lock = threading.Lock()

    def view(self) -> tuple[int, dict[str, Any]]:
        """The number of the last record, and what the page shows of the run by it."""
        with self._lock:
            for record in self._reader.read_new():
                self._builder.add(record)
                self._progress.fact(record.kind, record.data)
            if self._reader.last_seq != self._seq:
                self._seq = self._reader.last_seq
                view = view_of(self._builder.build().data, self._progress)
                self._view = view | {"people": self._people}
            return self._seq, self._view


class LiveRuns:
    """The runs that were looked at last."""

    def __init__(self, make: Callable[[Path], Live] = Live) -> None:
        self._make, self._runs = make, OrderedDict[Path, Live]()
        self._lock = threading.Lock()

    def view(self, folder: Path) -> tuple[int, dict[str, Any]]:
        """As :meth:`Live.view`, of the run in a folder.

        Raises:
            QueristError: If the journal cannot be read; the next look begins anew.
        """
        with self._lock:
            live = self._runs.get(folder) or self._make(folder)
            self._runs[folder] = live
            self._runs.move_to_end(folder)
            while len(self._runs) > MOST:
                self._runs.popitem(last=False)
        try:
            return live.view()
        except Exception:
            with self._lock:
                self._runs.pop(folder, None)
            raise


def view_of(data: Mapping[str, Any], progress: ProgressState) -> dict[str, Any]:
    """A summary, cut down to what a page can draw; its size does not grow with the run."""
    whole = ("run", "rates", "selection", "gate", "exploration", "costs", "saved", "effective")
    view = {name: data[name] for name in whole}
    view["exploration"] = {**data["exploration"], "scores": _series(data["exploration"]["scores"])}
    view["gate"] = {**data["gate"], "limits": _series(data["gate"]["limits"])}
    labels = {**data["labels"], "over_time": _series(data["labels"]["over_time"])}
    limits = {"labels": progress.label_limit, "cost": progress.cost_limit}
    return view | {
        "status": progress.status or "unfinished",
        "reason": progress.reason,
        "limits": limits,
        "labels": labels,
        "questions": {
            **data["questions"],
            "over_time": _series(data["questions"]["over_time"]),
        },
        "queue": {**data["queue"], "over_time": _series(data["queue"]["over_time"])},
        "learning": _learning(data["learning"]),
        "calibration": _calibration(data["calibration"]),
        "failures": _failures(data["failures"]),
        "workers": _workers(data["workers"], data["run"]["campaign_seconds"], progress),
        "commands": {**data["commands"], "table": _commands(data["commands"]["table"])},
    }


def _commands(table: list[Any]) -> list[Any]:
    """The last ones. That somebody looks at a question is told again and again: it is left out."""
    return [one for one in table if one["kind"] != "lease"][-20:]


def _series(columns: Mapping[str, list[Any]]) -> dict[str, list[Any]]:
    """A series with fewer rows."""
    kept = thinned(list(range(len(columns["t"]))), POINTS)
    return {name: [values[i] for i in kept] for name, values in columns.items()}


def _learning(learning: Mapping[str, Any]) -> dict[str, Any]:
    flat = {name: learning[name] for name in ("t", "version", "labels", "train", "cost")}
    kept = _series(flat | {f"metric {name}": one for name, one in learning["metrics"].items()})
    metrics = {name: kept.pop(f"metric {name}") for name in learning["metrics"]}
    return {**kept, "metrics": metrics, "on": learning["on"], "n": learning["n"]}


def _calibration(found: Mapping[str, Any] | None) -> dict[str, Any] | None:
    return None if found is None else {**found, "points": thinned(found["points"], POINTS)}


def _failures(found: Mapping[str, Any]) -> dict[str, Any]:
    def cut(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [
            {**row, "traceback": shortened(row["traceback"], TRACEBACK)} for row in rows[-FAILURES:]
        ]

    table, tasks = cut(found["table"]), found["tasks"]
    shown = {"left_out": found["total"] - len(table), "table": table}
    return {**found, **shown, "tasks": {**tasks, "table": cut(tasks["table"])}}


def _workers(found: Mapping[str, Any], now: float, progress: ProgressState) -> dict[str, Any]:
    rows = [{**row, **_now(row, progress)} for row in found["table"]]
    counts: dict[str, int] = {}
    for row in rows:
        counts[row["state"]] = counts.get(row["state"], 0) + 1
    told = ("name", "pool", "tasks", "busy", "share", "losses", "state", "last", "until")
    return {
        "total": len(rows),
        "states": counts,
        "pools": found["pools"],
        "table": [{name: row[name] for name in told} for row in rows[:WORKERS]],
        "picture": _picture(found["table"], now),
        "lost": {**found["lost"], "table": found["lost"]["table"][-FAILURES:]},
    }


def _now(row: Mapping[str, Any], progress: ProgressState) -> dict[str, Any]:
    """What a worker did last, by what was recorded."""
    ends = {
        kind: float(entry["intervals"][-1][1])
        for kind, entry in row["kinds"].items()
        if len(entry["intervals"])
    }
    last = max(ends, key=lambda kind: ends[kind], default="")
    known = progress.workers.get(row["name"])
    if known is None or progress.status not in ("running", "paused"):
        state = "ended" if progress.status else "unknown"
    else:
        state = "lost" if known.lost else "there"
    return {"state": state, "last": last, "until": ends.get(last)}


def _picture(rows: list[Mapping[str, Any]], now: float) -> dict[str, Any]:
    """Busy shares in percent: a row a worker, or a row for several neighbours of a pool."""
    edges = np.linspace(0.0, max(now, 1e-9), BINS + 1)
    bands = []
    for pool, members in _bands(rows):
        share = sum((concurrency(_busy(row), edges) for row in members), np.zeros(BINS))
        percent = np.minimum(np.rint(100 * share / len(members)), 100).astype(int)
        first, last = members[0]["name"], members[-1]["name"]
        name = first if len(members) == 1 else f"{first} … {last}"
        busy = percent.tolist()
        bands.append({"name": name, "pool": pool, "workers": len(members), "busy": busy})
    return {"until": float(edges[-1]), "bands": bands}


def _bands(rows: list[Mapping[str, Any]]) -> list[tuple[str, list[Mapping[str, Any]]]]:
    """Workers of a pool, put together where there are more than can be drawn."""
    pools: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        pools.setdefault(row["pool"], []).append(row)
    most = max(1, -(-len(rows) // ROWS))
    return [
        (pool, members[start : start + most])
        for pool, members in pools.items()
        for start in range(0, len(members), most)
    ]


def _busy(row: Mapping[str, Any]) -> Floats:
    tables = [np.asarray(entry["intervals"], np.float64) for entry in row["kinds"].values()]
    return stacked([table.reshape(-1, 3) for table in tables])
