"""What each kind of job does, in its own process."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from querist.core.errors import QueristError
from querist.pool.items import Added
from querist.pool.pool import Pool
from querist.service.jobs.checks import agreement, review
from querist.service.jobs.labels import take_labels
from querist.service.jobs.line import CANCELLED, DONE, SUSPENDED, Interrupted, Line, Wish
from querist.service.jobs.maps import make_map
from querist.service.jobs.rounds import answered, ask_again, drift_of, prepared
from querist.service.jobs.suggestions import make_suggestions

Kind = Callable[[Mapping[str, Any], Line, Wish], int]


class QuotaUsedUp(QueristError):
    """An addition would bring more items than the tenant may have."""


def addition(told: Mapping[str, Any], line: Line, wish: Wish) -> int:
    """Add URIs to a pool. An addition that was interrupted goes on where its listing stopped."""
    asked = told["asked"]
    found = Added()

    def progress(added: Added) -> None:
        nonlocal found
        found = added
        line.progress(_listing(added))
        if added.new > told["room"]:
            raise QuotaUsedUp(
                f"The tenant's quota has room for {told['room']} more items; what was added before "
                "it was used up stays. Remove pools, or ask for a larger quota."
            )
        if wish.should_stop():
            raise Interrupted

    try:
        with Pool.open(told["pool"]) as pool:
            if asked.get("manifest"):
                found = pool.add(asked["manifest"], progress=progress, format=asked["format"])
            else:
                found = pool.add(
                    *asked["uris"],
                    progress=progress,
                    only_new=asked["only_new"],
                    manifest={"columns": asked.get("columns") or {}},
                )
    except Interrupted:
        line.end({"added": _counts(found)})
        return CANCELLED if wish.cancel else SUSPENDED
    line.progress(_listing(found), now=True)
    line.end({"added": _counts(found), "failures": [_failure(one) for one in found.broken]})
    return DONE


def _listing(added: Added) -> dict[str, Any]:
    done = added.new + added.changed + added.duplicates + added.unchanged
    return {"stage": "listing", "done": done, "failed": added.broken_total}


def _counts(added: Added) -> dict[str, int]:
    names = ("new", "changed", "duplicates", "unchanged", "forgotten", "labelled")
    return {name: getattr(added, name) for name in names} | {"broken": added.broken_total}


def _failure(broken: Any) -> dict[str, Any]:
    where = f"{broken.where}, line {broken.line}" if broken.line else broken.where
    return {"uri": where[:4096], "reason": "broken", "message": broken.reason[:1000]}


def query(
    told: Mapping[str, Any],
    line: Line,
    wish: Wish,
    more: Callable[[], Mapping[str, Any]] = dict,
) -> int:
    """Run or resume a query in its folder; ``more`` tells what else came of the job."""
    from querist.pool.query import cancel_query, query_result, run_query
    from querist.pool.query_errors import QueryCancelled, QueryStopped

    folder, said = Path(told["folder"]), _Scan(line)
    try:
        run_query(folder, progress=said, should_stop=wish.should_stop)
    except QueryStopped:
        if not wish.cancel:
            return SUSPENDED
        cancel_query(folder)
        return CANCELLED
    except QueryCancelled:
        return CANCELLED
    finally:
        line.progress(said.last, now=True)
    found = query_result(folder)
    counts = {**found.counts, "scanned": found.counts.get("scored", 0)}
    line.end({"counts": counts, "digest": found.digest, **more()})
    return DONE


def round_(told: Mapping[str, Any], line: Line, wish: Wish) -> int:
    """Train on the labels that there are, then query with what was trained."""
    learned = prepared(told, line, wish)
    if isinstance(learned, int):
        return learned

    def more() -> dict[str, Any]:
        return {"round": {**learned, "drift": drift_of(told), "waiting": answered(told)}}

    return query(told, line, wish, more)


class _Scan:
    """Passes the progress of a query on."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self.last: dict[str, Any] = {}

    def __call__(self, status: Any) -> None:
        names = ("stage", "done", "total", "failed", "rate", "seconds_left", "memory_mb")
        self.last = {name: getattr(status, name) for name in names}
        self._line.progress(self.last)


KINDS: Mapping[str, Kind] = {
    "addition": addition,
    "query": query,
    "round": round_,
    "review": review,
    "agreement": agreement,
    "map": make_map,
    "answers": ask_again,
    "suggestion": make_suggestions,
    "labels": take_labels,
}
