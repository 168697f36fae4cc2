"""Folds of facts into the sections of a summary: run, labels, questions, exploration, failures."""

from __future__ import annotations

from collections import Counter, deque
from typing import Any

from querist.accounting.facts import FactLike, finite, named, number, text, whole
from querist.accounting.learning import Ledger
from querist.accounting.series import Series, shortened

FINAL_FAILURES, RETRIED_FAILURES = 80, 20  # listed with their tracebacks
FAILED_TASKS = 20  # of other kinds, listed too
TRACEBACK, MESSAGE = 4000, 500  # characters
COMMANDS = 200
RECENT_LABELS = 64  # over which the present rate is measured


class RunFold:
    """Folds starts and ends."""

    def __init__(self) -> None:
        self._epochs: list[dict[str, Any]] = []
        self.id = ""

    def started(self, fact: FactLike) -> None:
        """The run starts or is resumed."""
        keys = ("epoch", "t", "wall", "engine", "pools", "staffing", "host", "cores")
        self._epochs.append({key: fact.data.get(key) for key in keys} | {"status": "unfinished"})
        self.id = self.id or text(fact.data, "run")

    def ended(self, fact: FactLike) -> None:
        """The run ends, and says why."""
        if not self._epochs:
            self._epochs.append({})
        self._epochs[-1].update(
            ended=fact.data.get("t"),
            ended_wall=fact.data.get("wall"),
            status=text(fact.data, "status", "finished"),
            reason=text(fact.data, "reason"),
        )

    def build(self, now: float) -> dict[str, Any]:
        """The section ``run`` of a summary at campaign time ``now``."""
        last = self._epochs[-1] if self._epochs else {}
        first = finite(self._epochs[0].get("wall")) if self._epochs else None
        wall = self._last_wall(last, now)
        return {
            "id": self.id,
            "status": last.get("status", "unfinished"),
            "reason": last.get("reason", ""),
            "engine": last.get("engine"),
            "pools": named(last, "pools"),
            "staffing": text(last, "staffing"),
            "host": last.get("host"),
            "cores": last.get("cores"),
            "started_wall": first,
            "last_wall": wall,
            "wall_seconds": None if wall is None or first is None else wall - first,
            "campaign_seconds": now,
            "resumes": max(0, len(self._epochs) - 1),
            "epochs": self._epochs[-100:],
        }

    @staticmethod
    def _last_wall(last: dict[str, Any], now: float) -> float | None:
        """Unix seconds of the last fact, where an epoch did not say when it ended."""
        ended, begun = finite(last.get("ended_wall")), finite(last.get("wall"))
        if ended is not None or begun is None:
            return ended
        return begun + now - (finite(last.get("t")) or 0.0)


class LabelFold:
    """Folds labels, from oracles, people and files."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._purpose: Counter[str] = Counter()
        self._origin: Counter[str] = Counter()
        self._level: Counter[str] = Counter()
        self._oracle: Counter[str] = Counter()
        self._series = Series()
        self._times: deque[float] = deque(maxlen=RECENT_LABELS)
        self.asked_for = 0
        self.imported_count = 0

    def label(self, fact: FactLike, spent: float) -> None:
        """A label became durable when ``spent`` had been paid in all."""
        self.asked_for += 1
        self._times.append(number(fact.data, "t"))
        self._oracle[text(fact.data, "oracle", "?")] += 1
        self._count(fact, 1, text(fact.data, "origin", "oracle"), spent)

    def imported(self, fact: FactLike, spent: float) -> None:
        """Labels were taken over from a file; nobody paid for them here."""
        count = whole(fact.data, "count")
        self.imported_count += count
        self._count(fact, count, "imported", spent)

    def _count(self, fact: FactLike, count: int, origin: str, spent: float) -> None:
        purpose = text(fact.data, "purpose", "train")
        self._purpose[purpose] += count
        self._origin[origin] += count
        self._level[text(fact.data, "level", "unnamed")] += count
        self._ledger.add(count, purpose, spent)
        self._series.add(number(fact.data, "t"), self._purpose)

    def build(self, now: float, spent: float) -> dict[str, Any]:
        """The sections ``labels`` and ``rates`` of a summary."""
        labels = {
            "total": self._ledger.labels,
            "charged": self.asked_for,
            "imported": self.imported_count,
            "by_purpose": dict(self._purpose),
            "by_origin": dict(self._origin),
            "by_oracle": dict(self._oracle),
            "by_level": dict(self._level),
            "over_time": self._series.columns(missing=0),
        }
        return {"labels": labels, "rates": self._rates(now, spent)}

    def _rates(self, now: float, spent: float) -> dict[str, Any]:
        recent = recent_rate(self._times, now)
        return {
            "labels_per_second": self.asked_for / now if now > 0 else None,
            "recent_labels_per_second": recent,
            "recent_window_seconds": now - self._times[0] if self._times else None,
            "cost_per_label": spent / self.asked_for if self.asked_for else None,
            "cost_per_second": spent / now if now > 0 else None,
        }


def recent_rate(times: deque[float], now: float) -> float | None:
    """Labels a second since the oldest of the last labels; None before the second one."""
    if len(times) < 2 or now <= times[0]:
        return None
    return (len(times) - 1) / (now - times[0])


class QuestionFold:
    """Folds questions and how they ended."""

    def __init__(self) -> None:
        self._open: set[str] = set()
        self._counts: Counter[str] = Counter()
        self._why: Counter[str] = Counter()
        self._purpose: Counter[str] = Counter()
        self._oracle: Counter[str] = Counter()
        self._dropped: Counter[str] = Counter()
        self._series = Series()

    def asked(self, fact: FactLike) -> None:
        """A question is out; asking again what is still open is no new question."""
        question = text(fact.data, "question")
        if question in self._open:
            return
        self._open.add(question)
        self._counts["asked"] += 1
        self._why[text(fact.data, "why", "unstated")] += 1
        self._purpose[text(fact.data, "purpose", "train")] += 1
        self._oracle[text(fact.data, "oracle", "?")] += 1
        self._series.add(number(fact.data, "t"), self._why)

    def label(self, fact: FactLike) -> None:
        """It was answered."""
        self._close(fact, "answered")

    def abstention(self, fact: FactLike) -> None:
        """The oracle declined."""
        self._close(fact, "abstained")

    def failure(self, fact: FactLike) -> None:
        """It failed: for good, or to be tried again."""
        if fact.data.get("final", True):
            self._close(fact, "quarantined")
        else:
            self._counts["retried"] += 1

    def dropped(self, fact: FactLike) -> None:
        """Candidates left the queue without being asked."""
        self._dropped[text(fact.data, "why", "unstated")] += whole(fact.data, "count")

    def _close(self, fact: FactLike, how: str) -> None:
        self._open.discard(text(fact.data, "question"))
        self._counts[how] += 1

    def build(self) -> dict[str, Any]:
        """The section ``questions`` of a summary."""
        names = ("asked", "answered", "abstained", "quarantined", "retried")
        return {
            **{name: self._counts[name] for name in names},
            "outstanding": len(self._open),
            "dropped": sum(self._dropped.values()),
            "by_why": dict(self._why.most_common()),
            "by_purpose": dict(self._purpose),
            "by_oracle": dict(self._oracle),
            "dropped_by_why": dict(self._dropped.most_common()),
            "over_time": self._series.columns(missing=0),
        }


class ExploreFold:
    """Folds slices of exploration: verdicts, scores, and the queue that they saw."""

    COUNTS = ("steps", "proposed", "trusted", "asked", "rejected", "filtered")

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._slices = 0
        self._peak = 0
        self._queue, self._scores = Series(), Series()

    def explored(self, fact: FactLike) -> None:
        """A slice ended."""
        data, t = fact.data, number(fact.data, "t")
        self._slices += 1
        for name in self.COUNTS:
            self._counts[name] += whole(data, name)
        queued, outstanding = whole(data, "queued"), whole(data, "outstanding")
        self._peak = max(self._peak, queued)
        self._queue.add(t, {"queued": queued, "outstanding": outstanding})
        if finite(data.get("p50")) is not None:
            self._scores.add(t, {key: finite(data.get(key)) for key in ("p50", "p95", "limit")})

    def build(self) -> dict[str, Any]:
        """The sections ``exploration`` and ``queue`` of a summary."""
        return {
            "exploration": {
                "slices": self._slices,
                **{name: self._counts[name] for name in self.COUNTS},
                "scores": self._scores.columns(),
            },
            "queue": {"peak": self._peak, "over_time": self._queue.columns(missing=0)},
        }


class FailureFold:
    """Folds failures: counts of all, the latest in full."""

    KEYS = ("question", "sample", "oracle", "purpose", "worker")

    def __init__(self) -> None:
        self._reason: Counter[str] = Counter()
        self._oracle: Counter[str] = Counter()
        self._final: deque[dict[str, Any]] = deque(maxlen=FINAL_FAILURES)
        self._retried: deque[dict[str, Any]] = deque(maxlen=RETRIED_FAILURES)
        self._tasks: deque[dict[str, Any]] = deque(maxlen=FAILED_TASKS)
        self._kinds: Counter[str] = Counter()
        self._quarantined = 0

    def failure(self, fact: FactLike) -> None:
        """A try failed."""
        data, final = fact.data, bool(fact.data.get("final", True))
        self._reason[text(data, "reason", "unstated")] += 1
        self._oracle[text(data, "oracle", "?")] += 1
        self._quarantined += final
        row = _told(fact) | {key: text(data, key) for key in self.KEYS}
        row |= {"attempt": whole(data, "attempt", 1), "final": final}
        (self._final if final else self._retried).append(row)

    def task(self, fact: FactLike) -> None:
        """A task of another kind (a fit, a slice of exploration ...) gave nothing."""
        self._kinds[text(fact.data, "kind", "task")] += 1
        self._tasks.append(
            _told(fact) | {key: text(fact.data, key) for key in ("kind", "pool", "worker")}
        )

    def build(self) -> dict[str, Any]:
        """The section ``failures`` of a summary."""
        total = sum(self._reason.values())
        table = sorted([*self._final, *self._retried], key=lambda row: int(row["seq"]))
        return {
            "total": total,
            "quarantined": self._quarantined,
            "by_reason": dict(self._reason.most_common()),
            "by_oracle": dict(self._oracle.most_common()),
            "left_out": total - len(table),
            "table": table,
            "tasks": {"by_kind": dict(self._kinds.most_common()), "table": list(self._tasks)},
        }


def _told(fact: FactLike) -> dict[str, Any]:
    """What a failure says, cut to a size that fits in a page."""
    return {
        "seq": fact.seq,
        "t": number(fact.data, "t"),
        "reason": text(fact.data, "reason"),
        "message": shortened(text(fact.data, "message"), MESSAGE),
        "traceback": shortened(text(fact.data, "traceback"), TRACEBACK),
    }


class CommandFold:
    """Folds what users told the run to do."""

    def __init__(self) -> None:
        self._rows: deque[dict[str, Any]] = deque(maxlen=COMMANDS)
        self._total = 0

    def commanded(self, fact: FactLike) -> None:
        """A user's command."""
        self._total += 1
        data = fact.data
        self._rows.append(
            {"t": number(data, "t"), "kind": text(data, "kind"), "data": named(data, "data")}
        )

    def build(self) -> dict[str, Any]:
        """The section ``commands`` of a summary."""
        return {"total": self._total, "table": list(self._rows)}
