"""Live progress: a pure fold over what happens, and how it is shown in a terminal."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from querist.accounting.facts import finite, metrics, named, number, text, whole
from querist.accounting.folds import RECENT_LABELS, recent_rate
from querist.accounting.units import count, duration, percent, plural, quantity

if TYPE_CHECKING:
    from rich.panel import Panel
    from rich.table import Table

ROWS = 16  # workers that are shown


@dataclass(slots=True)
class WorkerNow:
    """What a worker does: ``kind`` is "" while it waits; ``since`` is campaign time."""

    pool: str = ""
    kind: str = ""
    detail: str = ""
    since: float = 0.0
    tasks: int = 0
    lost: bool = False


@dataclass(slots=True)
class ProgressState:
    """What is known of a run while it goes on. It reads no clock; not for several threads.

    Args:
        label_limit: Charged labels after which the run will stop, None when there is no limit.
        cost_limit: Cost after which it will stop.
        metric: Hold-out metric to show, for example "forces.mae"; "" takes the first one.
        unit: Unit of that metric.
        cost_unit: Unit of cost.
    """

    label_limit: int | None = None
    cost_limit: float | None = None
    metric: str = ""
    unit: str = ""
    cost_unit: str = "s"
    now: float = 0.0
    labels: int = 0
    imported: int = 0
    failures: int = 0
    quarantined: int = 0
    cost: float = 0.0
    queued: int = 0
    outstanding: int = 0
    version: int = 0
    error: float | None = None
    status: str = ""
    reason: str = ""
    workers: dict[str, WorkerNow] = field(default_factory=dict)
    _times: deque[float] = field(default_factory=lambda: deque(maxlen=RECENT_LABELS))

    # -- what happens -----------------------------------------------------------------------

    def tick(self, t: float) -> None:
        """Campaign time moved on."""
        self.now = max(self.now, t)

    def task_started(self, worker: str, kind: str, detail: str, t: float) -> None:
        """A worker began a task."""
        self.tick(t)
        entry = self._worker(worker)
        entry.kind, entry.detail, entry.since, entry.lost = kind, detail, t, False

    def task_progressed(self, worker: str, detail: str, t: float) -> None:
        """A worker said how far its task is."""
        self.tick(t)
        self._worker(worker).detail = detail

    def task_finished(self, worker: str, t: float) -> None:
        """A worker ended its task, well or not."""
        self.tick(t)
        entry = self._worker(worker)
        entry.kind, entry.detail, entry.since = "", "", t
        entry.tasks += 1

    def fact(self, kind: str, data: Mapping[str, Any]) -> None:
        """A fact of the journal; kinds that say nothing here are passed over."""
        self.tick(number(data, "t"))
        handler = _HANDLERS.get(kind)
        if handler is not None:
            handler(self, data)

    def _worker(self, name: str, pool: str = "") -> WorkerNow:
        entry = self.workers.setdefault(name, WorkerNow(since=self.now))
        entry.pool = pool or entry.pool
        return entry

    def _started(self, data: Mapping[str, Any]) -> None:
        self.status, self.reason = "running", ""
        self.workers.clear()

    def _ended(self, data: Mapping[str, Any]) -> None:
        self.status, self.reason = text(data, "status", "finished"), text(data, "reason")

    def _joined(self, data: Mapping[str, Any]) -> None:
        entry = self._worker(text(data, "worker"), text(data, "pool"))
        entry.kind, entry.detail, entry.since, entry.lost = "", "", self.now, False

    def _lost(self, data: Mapping[str, Any]) -> None:
        entry = self._worker(text(data, "worker"), text(data, "pool"))
        entry.kind, entry.detail, entry.lost = "", text(data, "message"), True
        entry.since = self.now

    def _left(self, data: Mapping[str, Any]) -> None:
        self.workers.pop(text(data, "worker"), None)

    def _label(self, data: Mapping[str, Any]) -> None:
        self.labels += 1
        self.cost += number(data, "cost")
        self._times.append(number(data, "t"))

    def _failure(self, data: Mapping[str, Any]) -> None:
        self.failures += 1
        self.quarantined += bool(data.get("final", True))
        self.cost += number(data, "cost")

    def _abstention(self, data: Mapping[str, Any]) -> None:
        self.cost += number(data, "cost")

    def _imported(self, data: Mapping[str, Any]) -> None:
        self.imported += whole(data, "count")

    def _published(self, data: Mapping[str, Any]) -> None:
        self.version = whole(data, "version")

    def _evaluated(self, data: Mapping[str, Any]) -> None:
        found = metrics(data)
        if data.get("on", "holdout") != "holdout" or not found:
            return
        self.metric = self.metric or next(iter(found))
        self.error = found.get(self.metric, self.error)

    def _explored(self, data: Mapping[str, Any]) -> None:
        self.queued = whole(data, "queued")
        self.outstanding = whole(data, "outstanding")

    def _commanded(self, data: Mapping[str, Any]) -> None:
        what, value = text(data, "kind"), named(data, "data")
        if what == "set":
            labels, cost = finite(value.get("labels")), finite(value.get("cost"))
            self.label_limit = self.label_limit if labels is None else int(labels)
            self.cost_limit = self.cost_limit if cost is None else cost
        elif what in ("pause", "resume"):
            self.status = "paused" if what == "pause" else "running"

    # -- what follows from it -----------------------------------------------------------------

    @property
    def rate(self) -> float | None:
        """Labels a second over the last ones; None before the second label."""
        return recent_rate(self._times, self.now)

    def time_left(self) -> float | None:
        """Seconds to the label limit at the present rate; None where either is unknown."""
        if self.label_limit is None:
            return None
        missing = self.label_limit - self.labels
        if missing <= 0:
            return 0.0
        return missing / self.rate if self.rate else None

    @property
    def busy(self) -> int:
        """Workers that do something now."""
        return sum(bool(entry.kind) for entry in self.workers.values())


_HANDLERS = {
    "run.started": ProgressState._started,
    "run.ended": ProgressState._ended,
    "worker.joined": ProgressState._joined,
    "worker.lost": ProgressState._lost,
    "worker.left": ProgressState._left,
    "answer.label": ProgressState._label,
    "answer.failure": ProgressState._failure,
    "answer.abstention": ProgressState._abstention,
    "labels.imported": ProgressState._imported,
    "model.published": ProgressState._published,
    "model.evaluated": ProgressState._evaluated,
    "explored": ProgressState._explored,
    "user.command": ProgressState._commanded,
}


def _labels(state: ProgressState) -> str:
    if state.label_limit is None:
        return plural(state.labels, "label")
    share = percent(min(1.0, state.labels / state.label_limit)) if state.label_limit else "100 %"
    return f"{count(state.labels)}/{count(state.label_limit)} labels ({share})"


def _rate(state: ProgressState) -> str:
    if state.rate is None:
        return ""
    return f"{quantity(state.rate * 60)}/min"


def _error(state: ProgressState) -> str:
    if state.error is None:
        return ""
    return f"{state.metric} {quantity(state.error, state.unit)}"


def _cost(state: ProgressState) -> str:
    limit = "" if state.cost_limit is None else f" of {quantity(state.cost_limit)}"
    return f"cost {quantity(state.cost)}{limit} {state.cost_unit}".rstrip()


def _failed(state: ProgressState) -> str:
    if not state.failures:
        return ""
    return f"{count(state.failures)} failed ({count(state.quarantined)} for good)"


def _left(state: ProgressState) -> str:
    left = state.time_left()
    if state.status not in ("", "running") or left is None:
        return ""
    return f"about {duration(left)} left"


def _ending(state: ProgressState) -> str:
    if state.status in ("", "running"):
        return ""
    return f"{state.status}: {state.reason}" if state.reason else state.status


def render_plain(state: ProgressState) -> str:
    """One line, for a log or a terminal that is none."""
    busy = f"{state.busy}/{len(state.workers)} busy" if state.workers else ""
    parts = [
        duration(state.now),
        _labels(state),
        _rate(state),
        _error(state),
        f"queue {count(state.queued)}",
        f"{count(state.outstanding)} asked",
        busy,
        _cost(state),
        f"model v{state.version}" if state.version else "no model yet",
        _failed(state),
        _left(state),
        _ending(state),
    ]
    return " · ".join(part for part in parts if part)


def render_rich(state: ProgressState) -> Panel:
    """A panel for a live terminal: the numbers, a bar, and what each worker does now."""
    from rich.console import Group
    from rich.panel import Panel
    from rich.progress_bar import ProgressBar
    from rich.text import Text

    parts: list[Any] = [_numbers(state)]
    if state.label_limit:
        parts.append(ProgressBar(total=state.label_limit, completed=state.labels))
    parts.append(_workers(state))
    hidden = len(state.workers) - ROWS
    if hidden > 0:
        parts.append(Text(f"... and {plural(hidden, 'worker')} more", style="dim"))
    title = f"Querist · {duration(state.now)}"
    return Panel(Group(*parts), title=title, subtitle=Text(_ending(state) or _left(state)))


def _numbers(state: ProgressState) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2))
    rows = (
        ("labels", _labels(state), "rate", _rate(state) or "–"),
        ("hold-out", _error(state) or "–", "model", f"v{state.version}" if state.version else "–"),
        ("queue", count(state.queued), "asked", count(state.outstanding)),
        ("cost", _cost(state).removeprefix("cost "), "failed", _failed(state) or "none"),
    )
    for first, one, second, two in rows:
        table.add_row(Text(first, "dim"), Text(one), Text(second, "dim"), Text(two))
    return table


def _workers(state: ProgressState) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, expand=True, header_style="dim")
    for name in ("worker", "does", "detail", "for"):
        table.add_column(name, no_wrap=True, overflow="ellipsis")
    for name, entry in list(state.workers.items())[:ROWS]:
        does = "lost" if entry.lost else entry.kind or "waits"
        style = "red" if entry.lost else "green" if entry.kind else "dim"
        passed = duration(max(0.0, state.now - entry.since))
        table.add_row(Text(name), Text(does, style), Text(entry.detail), Text(passed))
    return table
