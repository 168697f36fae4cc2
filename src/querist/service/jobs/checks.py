"""Jobs that judge a pool: labels that are probably wrong, and two ways to run a model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

from querist.pool.pool import Pool
from querist.service.checks import keep
from querist.service.jobs.line import CANCELLED, DONE, SUSPENDED, Interrupted, Line, Wish

T = TypeVar("T")
Tell = Callable[[int], None]


def review(told: Mapping[str, Any], line: Line, wish: Wish) -> int:
    """Review the labels of a pool. What models gave is in the pool's caches for the next try."""
    from querist.pool.label_review import review as doubts

    model = told["asked"]["model"]
    with Pool.open(told["pool"]) as pool:
        tell = teller(line, wish, "features of labelled items", pool.count("labelled"))
        found = unless_stopped(lambda: doubts(pool, model, tell))
    if found is None:
        return stopped(wish)
    keep(Path(told["home"]), found)
    line.end({"issues": len(found)})
    return DONE


def agreement(told: Mapping[str, Any], line: Line, wish: Wish) -> int:
    """Run a model in two ways over some items of a pool, and compare what is picked."""
    from querist.pool.agreeing import Comparison, agreement_of

    asked = told["asked"]
    with Pool.open(told["pool"]) as pool:
        tell = teller(line, wish, "items by both models", min(len(pool), asked["limit"]))
        how = Comparison(asked["strategy"], asked["limit"], tell)
        one, two, budget = asked["model"], asked["other"], asked["budget"]
        found = unless_stopped(lambda: agreement_of(pool, one, two, budget, how))
    if found is None:
        return stopped(wish)
    line.end({"agreement": asdict(found)})
    return DONE


def teller(line: Line, wish: Wish, stage: str, total: int) -> Tell:
    """Passes on how far it is, and raises where the server wants an end."""

    def tell(done: int) -> None:
        if wish.should_stop():
            raise Interrupted
        line.progress({"stage": stage, "done": min(done, total), "total": total})

    return tell


def unless_stopped(work: Callable[[], T]) -> T | None:
    """What came of it; None where an end was wanted."""
    try:
        return work()
    except Interrupted:
        return None


def stopped(wish: Wish) -> int:
    """The status of a job that was ended."""
    return CANCELLED if wish.cancel else SUSPENDED
