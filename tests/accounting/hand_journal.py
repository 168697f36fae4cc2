"""A tiny journal, written by hand, whose every sum can be checked on paper."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from querist.testing.runs import RunFact


def facts(*rows: tuple[float, str, dict[str, Any]], **arrays: Any) -> list[RunFact]:
    """Facts from (t, kind, data)."""
    return [RunFact(i, kind, {"t": t, **data}) for i, (t, kind, data) in enumerate(rows, 1)]


def spans(started: float, finished: float) -> dict[str, float]:
    return {"submitted": started, "started": started, "finished": finished, "received": finished,
            "cpu": finished - started}  # fmt: skip


def asked(t: float, name: str, purpose: str = "train", why: str = "uncertain") -> Any:
    told = {"sample": name, "oracle": "xtb", "replicate": 0, "purpose": purpose, "why": why}
    return (t, "question.asked", told | {"question": f"{name}.xtb.0", "estimate": 2.0})


def answer(name: str, start: float, stop: float, worker: str = "o/0", **more: Any) -> Any:
    """A label that took from start to stop and cost as many seconds."""
    told = {"question": f"{name}.xtb.0", "sample": name, "oracle": "xtb", "purpose": "train"}
    told |= {"level": "gfn2", "cost": stop - start, "attempt": 1, "worker": worker}
    kind = more.pop("kind", "answer.label")
    if kind == "answer.label":
        told["origin"] = "oracle"
    return (stop, kind, told | {"spans": spans(start, stop)} | more)


def failed(name: str, start: float, stop: float, final: bool, **more: Any) -> Any:
    told = {"reason": "raised an exception", "message": "no <b>convergence</b>", "final": final}
    told |= {"traceback": "Traceback ...\nNotConverged"}
    return answer(name, start, stop, kind="answer.failure", **(told | more))


POOLS = {"explorer": 1, "oracle": 1, "trainer": 1}
STARTED: Mapping[str, Any] = {
    "wall": 1000.0, "epoch": 0, "engine": "processes", "pools": POOLS, "host": "h", "cores": 2,
}  # fmt: skip


def small() -> list[RunFact]:
    """Three labels, a retried and a quarantined failure, one model, 20 seconds.

    o/0: label a 0-2, failure b 2-3, label b 3-6, label h (hold-out) 6-8, failure c 8-9 (final).
    e/0: explored 0-10. t/0: fit 6-10, evaluate 10-11.
    """
    explored = {"worker": "e/0", "slot": 0, "steps": 5, "proposed": 40, "trusted": 30, "asked": 6}
    explored |= {"rejected": 3, "filtered": 1, "version": 0, "limit": 0.5, "queued": 4}
    explored |= {"outstanding": 1, "p50": 0.2, "p95": 0.6, "predict": 7.0, "spans": spans(0, 10)}
    published = {"version": 1, "files": ["w"], "digest": "d1", "dataset": 7, "why": "2 labels"}
    published |= {"metrics": {"loss": 0.1}, "spans": [spans(6, 10)], "workers": ["t/0"]}
    evaluated = {"version": 1, "n": 4, "on": "holdout"}
    evaluated |= {"metrics": {"forces.mae": 0.25, "score.coverage": 0.75}}
    task = {"kind": "evaluate", "pool": "trainer", "worker": "t/0", "spans": spans(10, 11)}
    imported = {"count": 5, "origin": "x.npz", "level": "dft", "purpose": "train"}
    rows = facts(
        (0.0, "run.started", dict(STARTED)),
        (0.0, "labels.imported", imported),
        (0.0, "worker.joined", {"worker": "o/0", "pool": "oracle"}),
        (0.0, "worker.joined", {"worker": "e/0", "pool": "explorer"}),
        (5.0, "worker.joined", {"worker": "t/0", "pool": "trainer"}),
        asked(0.0, "a", why="initial"),
        asked(0.0, "b"),
        answer("a", 0, 2),
        failed("b", 2, 3, final=False),
        answer("b", 3, 6, attempt=2),
        asked(6.0, "h", purpose="holdout", why="holdout"),
        answer("h", 6, 8, purpose="holdout"),
        asked(8.0, "c"),
        failed("c", 8, 9, final=True),
        asked(9.0, "d"),
        (10.0, "explored", explored),
        (10.0, "model.published", published),
        (10.0, "gate.limits", {"ask": 0.4, "reject": 4.0, "version": 1}),
        (10.5, "questions.dropped", {"count": 3, "why": "stale"}),
        (11.0, "model.evaluated", evaluated),
        (11.0, "task.ended", task),
        (12.0, "user.command", {"kind": "set", "data": {"labels": 9}}),
        (13.0, "from.the.future", {"x": 1}),
        (20.0, "run.ended", {"wall": 1020.0, "status": "finished", "reason": "3 labels"}),
    )  # fmt: skip
    at = next(i for i, fact in enumerate(rows) if fact.kind == "model.evaluated")
    arrays = {"score": np.array([0.1, 0.2, 0.3, 0.6]), "error": np.array([0.1, 0.3, 0.2, 0.9])}
    rows[at] = RunFact(rows[at].seq, rows[at].kind, rows[at].data, arrays)
    return rows
