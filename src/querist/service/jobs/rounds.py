"""The job of a round: train on the labels that there are, then query with what was trained."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from querist.core.errors import QueristError
from querist.pool.choosing import WITHOUT_LABELS
from querist.pool.errors import PoolError
from querist.pool.pool import Pool
from querist.pool.rounds_oracles import oracle_of
from querist.pool.rounds_settings import RoundsSettings
from querist.pool.rounds_state import picked_rows, unanswered
from querist.pool.rounds_training import FINE_TUNE
from querist.service.jobs.line import CANCELLED, DONE, SUSPENDED, Line, Wish
from querist.store.files import atomic_write

TRAINED = "trained.json"
WEIGHTS = "model"


def prepared(told: Mapping[str, Any], line: Line, wish: Wish) -> dict[str, Any] | int:
    """Train, and begin the query; each goes on where an earlier process of this job was.

    Returns:
        What was learned, or the status with which the process ends before.
    """
    from querist.pool.query import start_query

    asked, folder = told["asked"]["round"], Path(told["folder"])
    with Pool.open(told["pool"]) as pool:
        learned = _learned(pool, asked, line, wish) if asked["trainer"] else {}
        if learned is None:
            return CANCELLED if wish.cancel else SUSPENDED
        if not (folder / "manifest.json").is_file():
            settings = _settings(asked, learned["model"]) if learned else dict(asked["query"])
            start_query(pool, _without(pool, settings, _aside(pool, asked)), folder.name)
    return learned


def _learned(pool: Pool, asked: Mapping[str, Any], line: Line, wish: Wish) -> dict[str, Any] | None:
    """What was trained, by this process or an earlier one; None if this is to end."""
    from querist.pool.rounds_training import Watch, judge, lesson_of, train

    home = Path(asked["home"])
    if (home / TRAINED).is_file():
        found: dict[str, Any] = json.loads((home / TRAINED).read_bytes())
        return found

    def tell(said: Any) -> None:
        line.progress({"stage": said.stage, "done": said.done, "total": said.total})

    aside = _aside(pool, asked)
    if len(aside):
        _ask(pool, asked, aside)
    lesson, watch = lesson_of(pool, aside), Watch(tell, wish.should_stop)
    made = train(pool, lesson, _rounds(asked), home, WEIGHTS, watch)
    if made is None:
        return None
    learned = made._asdict()
    if made.model is not None and len(aside):
        learned["metrics"] = {**made.metrics, **judge(pool, made.model, aside)}
    home.mkdir(parents=True, exist_ok=True)
    atomic_write(home / TRAINED, json.dumps(learned).encode())
    return learned


def _rounds(asked: Mapping[str, Any]) -> RoundsSettings:
    """What the job is asked, in the words of a pool's rounds."""
    oracle = asked.get("oracle") or {"use": "person", "labels": ""}
    return RoundsSettings(
        rounds=1,
        budget=1,
        model=asked["model"],
        trainer=dict(asked["trainer"] or {"use": "linear_head"}),
        oracle=oracle["use"],
        labels=oracle["labels"],
    )


def _aside(pool: Pool, asked: Mapping[str, Any]) -> NDArray[np.int64]:
    """Rows that judge, and are not learned from."""
    query = asked.get("holdout")
    return picked_rows(pool, query) if query else np.zeros(0, np.int64)


def _without(
    pool: Pool, settings: Mapping[str, Any], aside: NDArray[np.int64]
) -> Mapping[str, Any]:
    """A query's settings, such that what judges is not picked while it has no label."""
    left = [item.id for item in unanswered(pool.fetch(aside))] if len(aside) else []
    if not left:
        return settings
    where = settings.get("where", "unlabelled")
    return {**settings, "where": {"all": [where, {"not": {"id": left}}]}}


def _ask(pool: Pool, asked: Mapping[str, Any], rows: NDArray[np.int64]) -> str:
    """Have the oracle label items; why it did not label some, or "".

    What it fails with is told and not raised: the picks are good, and people may label them.
    """
    if not asked.get("oracle"):
        return ""
    oracle, missing = oracle_of(_rounds(asked)), unanswered(pool.fetch(rows))
    if not missing:
        return ""
    try:
        oracle.answer(pool, missing)
    except QueristError as error:
        return str(error)
    left = len(unanswered(pool.fetch(rows)))
    return oracle.wait(left) if left else ""


def answered(told: Mapping[str, Any]) -> str:
    """Have the oracle label what the round picked; why some items have no label, or ""."""
    asked = told["asked"]["round"]
    with Pool.open(told["pool"]) as pool:
        return _ask(pool, asked, picked_rows(pool, Path(told["folder"]).name))


def ask_again(told: Mapping[str, Any], line: Line, wish: Wish) -> int:
    """Have the oracle of a round that is done label what it left, of its hold-out too."""
    if wish.should_stop():
        return CANCELLED if wish.cancel else SUSPENDED
    again = told["asked"]
    with Pool.open(told["pool"]) as pool:
        rows = np.union1d(picked_rows(pool, again["query"]), _aside(pool, again["round"]))
        waiting = _ask(pool, again["round"], rows)
    line.end({"waiting": waiting})
    return DONE


def _settings(asked: Mapping[str, Any], model: Mapping[str, Any] | None) -> dict[str, Any]:
    """Of the query. Before there is anything to learn from, the model as it is picks."""
    settings = dict(asked["query"])
    if model is not None:
        return {**settings, "model": model}
    base, tuned = asked["model"] or {}, asked["trainer"]["use"] == FINE_TUNE
    untrained = base.get("use") == "torch" and not base.get("weights")
    knows_classes = tuned and base and not untrained
    settings |= {"strategy": None if knows_classes else WITHOUT_LABELS, "options": {}}
    return {**settings, "model": None if untrained else asked["model"]}


def drift_of(told: Mapping[str, Any]) -> dict[str, Any]:
    """Whether what this round saw differs from what earlier ones did, where that can be told."""
    with Pool.open(told["pool"]) as pool:
        try:
            return pool.drift(after=Path(told["folder"]).name)._asdict()
        except PoolError:
            return {}
