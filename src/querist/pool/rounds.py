"""Rounds of a pool: scan, select, label, train, and again; durable, and resumed at any point.

``POOL/rounds/ID`` is a run's folder. What was picked and what was trained are facts in its journal;
a query is a folder of its own and labels are in the pool. So a process may die anywhere, and who
calls :func:`advance_rounds` next goes on from what is there.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from querist.core.errors import ConfigError
from querist.pool.choosing import WITHOUT_LABELS, strategy_named
from querist.pool.errors import PoolError
from querist.pool.pool import Pool
from querist.pool.query import run_query, settings_of, start_query
from querist.pool.query_errors import QueryStopped
from querist.pool.query_needs import needs_of
from querist.pool.query_picks import picked_fact
from querist.pool.query_settings import parse_query
from querist.pool.rounds_features import outputs_of
from querist.pool.rounds_oracles import oracle_of
from querist.pool.rounds_settings import RoundsSettings, parse_rounds, query_of
from querist.pool.rounds_state import (
    FOLDER,
    MORE,
    PICKED,
    QUERIES,
    TRAINED,
    RoundsTold,
    folder_of,
    picked_rows,
    rounds_settings,
    rounds_status,
    unanswered,
)
from querist.pool.rounds_status import RoundsStatus
from querist.pool.rounds_training import (
    FINE_TUNE,
    Learned,
    Watch,
    check_trainer,
    is_outdated,
    judge,
    lesson_of,
    train,
)
from querist.pool.settings import PoolSettings
from querist.store.files import atomic_write
from querist.store.run_folder import RunFolder, new_run_id

MODEL = "model.yaml"


def start_rounds(
    pool: Pool, settings: RoundsSettings | Mapping[str, Any], id: str | None = None
) -> Path:
    """Make the folder of new rounds; nothing runs yet.

    Raises:
        ConfigError: If the settings cannot be used.
        RunExists: If there are rounds of this id.
    """
    checked = parse_rounds(settings)
    check_rounds(checked, pool.settings)
    folder = folder_of(pool, id or new_run_id())
    folder.parent.mkdir(exist_ok=True)
    told = {"kind": "rounds", "settings": checked.model_dump(mode="json")}
    RunFolder.create(folder, told, seeds={"seed": checked.seed}, run_id=folder.name)
    return folder


def check_rounds(settings: RoundsSettings, pool: PoolSettings) -> None:
    """Refuse what would fail only after people have labelled.

    Raises:
        ConfigError: With the reason.
    """
    oracle_of(settings)
    check_trainer(settings, pool)
    for name, options in ((settings.start, {}), (settings.strategy, settings.options)):
        if name is not None:
            needs_of(strategy_named(name, options), True)
    for first in (True, False):
        parse_query(query_of(settings, 1, settings.model if first else {"use": "head"}, first))


def play(
    pool: Pool, id: str, settings: Mapping[str, Any], watch: Watch | None = None
) -> RoundsStatus:
    """Begin rounds unless there are some of this id, and advance them.

    Of rounds that there are, only the number of ``rounds`` can be changed; other settings may be
    left out, or repeated.

    Raises:
        ConfigError: If they are there and other settings are given.
    """
    folder = folder_of(pool, id)
    _attend(settings.get("engine", {}))
    if not (folder / "manifest.json").is_file():
        start_rounds(pool, settings, id)
    else:
        _agree(RunFolder(folder), settings)
    watch = watch or Watch()
    return advance_rounds(pool, folder, watch.should_stop, watch.tell)


def _attend(engine: Mapping[str, Any]) -> None:
    """With MPI, return on rank 0 only: the others share the queries, and exit with it."""
    if engine.get("kind") == "mpi":
        from querist.engines.mpi import attend

        attend()


def _agree(run: RunFolder, settings: Mapping[str, Any]) -> None:
    """See that what is asked now is what was asked, but for the number of rounds."""
    made = rounds_settings(run)
    asked = parse_rounds({**made.model_dump(), **settings})
    other = tuple(
        f"{name}: they have {getattr(made, name)!r}, now asked is {getattr(asked, name)!r}"
        for name in RoundsSettings.model_fields
        if name != "rounds" and getattr(made, name) != getattr(asked, name)
    )
    if other:
        raise ConfigError(
            f"the rounds {run.run_id} were begun with other settings; leave them out, or name new "
            "rounds:",
            other,
        )
    if "rounds" in settings and asked.rounds != RoundsTold(run).rounds:
        with run.lock():
            _record(run, MORE, {"rounds": asked.rounds})


def _record(run: RunFolder, kind: str, data: Mapping[str, Any]) -> None:
    writer = run.journal_writer()
    try:
        writer.append(kind, {"t": 0.0, "wall": time.time(), **data}, {})
        writer.flush()
    finally:
        writer.close()


def advance_rounds(
    pool: Pool,
    folder: Path | str,
    should_stop: Callable[[], bool] = lambda: False,
    progress: Callable[[Any], None] = lambda _: None,
) -> RoundsStatus:
    """Do all that can be done now; returns when labels are awaited, or all rounds are over.

    With the engine "mpi" all ranks call this. It returns on rank 0, which trains; the others share
    the queries.

    Args:
        pool: Whose rounds.
        folder: Of the rounds.
        should_stop: Looked at several times a second; true stops in order.
        progress: Called with how far the query or the training is.

    Raises:
        RunLocked: If another process advances them.
        QueryFailed: If a query cannot be answered.
        QueryStopped: If a query was stopped before its end.
        PoolError: If a labelling service fails.
    """
    run = RunFolder(folder)
    _attend(rounds_settings(run).engine)
    advance = _Advance(pool, run, Watch(progress, should_stop))
    with run.lock():
        while not should_stop() and advance.step():
            pass
    return rounds_status(pool, folder)


class _Advance:
    """One process's work on some rounds; holds their lock."""

    def __init__(self, pool: Pool, run: RunFolder, watch: Watch) -> None:
        self._pool, self._run, self._watch = pool, run, watch
        self._settings = rounds_settings(run)
        self._oracle = oracle_of(self._settings)
        self._again = False

    def step(self) -> bool:
        """The next thing that can be done; whether there may be more."""
        told = RoundsTold(self._run)
        if told.asked and not self._labelled(told.asked):
            return False
        if told.number and told.asked:
            return self._train(told, told.number)
        if self._settings.holdout and not told.queries:
            return self._pick(told, 0)
        if told.number == 0 and 0 not in told.trained and self._lesson(told).teaches:
            return self._train(told, 0)  # what was labelled before the rounds
        if told.number >= told.rounds:
            return False
        if self._must_train_again(told):
            self._again = True
            return self._train(told, max(told.trained))
        return self._pick(told, told.number + 1)

    def _must_train_again(self, told: RoundsTold) -> bool:
        """Whether the table grew after a training, so that its model would be refused.

        Once only: a trainer of somebody else may name features that are outdated again.
        """
        outdated = not self._again and is_outdated(self._pool, told.model)
        return outdated and bool(self._lesson(told).teaches)

    def _pick(self, told: RoundsTold, number: int) -> bool:
        query = self._query(f"{self._run.run_id}-{number}")
        if not (query / "manifest.json").is_file():
            left = self._pool.count("unlabelled")
            if not left:
                return False
            start_query(self._pool, self._asked(told, number, left), query.name)
        run_query(query, self._watch.tell, self._watch.should_stop)
        _record(self._run, PICKED, {"round": number, "query": query.name})
        return True

    def _query(self, name: str) -> Path:
        """The folder of a round's query; another than that of one whose model is outdated."""
        for again in count(1):
            folder = self._pool.folder / QUERIES / (name if again == 1 else f"{name}-{again}")
            if not (folder / "manifest.json").is_file():
                return folder
            run = RunFolder(folder)
            asked = settings_of(run).model
            if picked_fact(run) is not None or not is_outdated(self._pool, asked):
                return folder
        raise AssertionError  # for ever is long

    def _asked(self, told: RoundsTold, number: int, left: int) -> dict[str, Any]:
        if number == 0:
            asked = query_of(self._settings, 0, None, True)
            asked |= {"strategy": "random", "budget": self._settings.holdout}
        else:
            model = told.model
            first = model is None
            asked = query_of(self._settings, number, self._first if first else model, first)
            if first and "strategy" not in asked and not self._knows_classes:
                asked["strategy"] = WITHOUT_LABELS
        asked["budget"] = min(asked["budget"], left)
        return {**asked, "note": f"round {number} of {self._run.run_id}"}

    @property
    def _first(self) -> Mapping[str, Any] | None:
        """The model of a round before which nothing was trained.

        What a network says of classes before it was trained is noise: built-in features spread
        the first choice instead.
        """
        model = self._settings.model or {}
        untrained = model.get("use") == "torch" and not model.get("weights")
        return None if untrained and self._settings.start is None else self._settings.model

    @property
    def _knows_classes(self) -> bool:
        """Whether the model of the settings says something of the pool's classes before it learns.

        One that is fine-tuned from weights does; what a base of heads says is of other classes.
        """
        return self._settings.trainer.get("use") == FINE_TUNE and self._first is not None

    def _labelled(self, query: str) -> bool:
        """Ask the oracle about what has no label; whether there is nothing left to ask."""
        rows = picked_rows(self._pool, query)
        missing = unanswered(self._pool.fetch(rows))
        if missing:
            self._oracle.answer(self._pool, missing)
            missing = unanswered(self._pool.fetch(rows))
        return not missing

    def _lesson(self, told: RoundsTold) -> Any:
        return lesson_of(self._pool, self._aside(told))

    def _aside(self, told: RoundsTold) -> NDArray[np.int64]:
        if 0 not in told.queries:
            return np.zeros(0, np.int64)
        return picked_rows(self._pool, told.queries[0])

    def _train(self, told: RoundsTold, number: int) -> bool:
        folder, name = self._run.path / "models", f"round-{number}"
        lesson = self._lesson(told)
        made = train(self._pool, lesson, self._settings, folder, name, self._watch)
        if made is None:
            return False
        judged = self._judged(made, told)
        if made.model is not None:  # before the fact, after which nobody comes here again
            text = json.dumps(dict(made.model), indent=2)  # JSON is YAML
            atomic_write(self._run.path / MODEL, text.encode() + b"\n")
        _record(self._run, TRAINED, {"round": number, **judged})
        return True

    def _judged(self, made: Learned, told: RoundsTold) -> dict[str, Any]:
        metrics = dict(made.metrics)
        if made.model is not None and 0 in told.queries:
            metrics |= judge(self._pool, made.model, self._aside(told))
        return {**made._asdict(), "metrics": metrics}


def embeddings_of(
    pool: Pool, rows: NDArray[np.int64], model: Mapping[str, Any]
) -> NDArray[np.float32]:
    """``(n, d)`` features of items by a model, from the cache where a scan has been there.

    Raises:
        ConfigError: If the model gives none.
        PoolError: If an item cannot be read.
    """
    given = outputs_of(pool, rows, model, frozenset({"embeddings"}))
    if len(given.rows) < len(rows):
        lost = len(rows) - len(given.rows)
        raise PoolError(f"{lost:,} of {len(rows):,} items cannot be read.")
    made: NDArray[np.float32] = given.outputs["embeddings"]
    return made


__all__ = [
    "FOLDER",
    "QueryStopped",
    "RoundsSettings",
    "RoundsStatus",
    "advance_rounds",
    "embeddings_of",
    "play",
    "rounds_status",
    "start_rounds",
]
