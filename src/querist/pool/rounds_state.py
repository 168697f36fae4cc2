"""What the journal of some rounds says, and what a person is told of it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from querist.core.errors import ConfigError
from querist.pool.items import Item
from querist.pool.pool import Pool
from querist.pool.query import query_picks
from querist.pool.rounds_oracles import oracle_of
from querist.pool.rounds_settings import RoundsSettings, parse_rounds
from querist.pool.rounds_status import DONE, LABELLING, READY, RUNNING, RoundsStatus
from querist.store.errors import RunLocked
from querist.store.run_folder import RunFolder

FOLDER = "rounds"
QUERIES = "queries"
PICKED, TRAINED, MORE = "round.picked", "round.trained", "rounds.more"
NOTHING_LEFT = "nothing is left to label"

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,39}")


def folder_of(pool: Pool, id: str) -> Path:
    """The folder of the rounds of an id.

    Raises:
        ConfigError: If it cannot be the name of a folder.
    """
    if not _ID.fullmatch(id):
        raise ConfigError(
            f"Rounds are named by letters, digits, '.', '-' and '_', beginning with a letter or "
            f"digit, and by 40 of them at most; got {id!r:.80}."
        )
    return pool.folder / FOLDER / id


class RoundsTold:
    """What the journal of some rounds says.

    Attributes:
        queries: By round, the id of its query; 0 is the hold-out.
        trained: By round, what was trained after it; 0 of labels that there were before.
        rounds: How many there will be.
    """

    def __init__(self, run: RunFolder) -> None:
        self.rounds = rounds_settings(run).rounds
        self.queries: dict[int, str] = {}
        self.trained: dict[int, Mapping[str, Any]] = {}
        for record in run.journal_reader().read_new():
            if record.kind == PICKED:
                self.queries[int(record.data["round"])] = str(record.data["query"])
            elif record.kind == TRAINED:
                self.trained[int(record.data["round"])] = dict(record.data)
            elif record.kind == MORE:
                self.rounds = int(record.data["rounds"])

    @property
    def number(self) -> int:
        """The last round that was begun."""
        return max(self.queries, default=0)

    @property
    def asked(self) -> str:
        """The query whose items are being labelled, or ""."""
        number = self.number
        if number not in self.queries or (number and number in self.trained):
            return ""
        return self.queries[number]

    @property
    def model(self) -> Mapping[str, Any] | None:
        """Settings of the newest model."""
        made = [one["model"] for _, one in sorted(self.trained.items()) if one["model"]]
        return made[-1] if made else None

    @property
    def metrics(self) -> tuple[Mapping[str, float], ...]:
        """Of each training."""
        return tuple(
            {"round": number, "labels": one["labels"], **one["metrics"]}
            for number, one in sorted(self.trained.items())
        )


def picked_rows(pool: Pool, query: str) -> NDArray[np.int64]:
    """Rows that a query picked."""
    folder = pool.folder / QUERIES / query
    return np.array([pick.row for pick in query_picks(folder)], np.int64)


def unanswered(items: list[Item]) -> list[Item]:
    """Items that have neither a label nor a skip."""
    return [item for item in items if item.label is None and item.state != "skipped"]


def rounds_settings(run: RunFolder) -> RoundsSettings:
    """What some rounds were asked to be."""
    return parse_rounds(run.config()["settings"], f"{run.path}/config.json")


def rounds_status(pool: Pool, folder: Path | str) -> RoundsStatus:
    """How far some rounds are; cheap."""
    run = RunFolder(folder)
    settings, told = rounds_settings(run), RoundsTold(run)
    query = told.queries.get(told.number)
    picked = pool.fetch(picked_rows(pool, query)) if query else []
    missing = tuple(item.id for item in unanswered(picked)) if told.asked else ()
    state, note = READY, ""
    if missing:
        state, note = LABELLING, oracle_of(settings).wait(len(missing))
    elif not told.asked and told.number >= told.rounds:
        state = DONE
    elif not told.asked and not pool.count("unlabelled"):
        state, note = DONE, NOTHING_LEFT
    return RoundsStatus(
        id=run.run_id,
        state=RUNNING if state != DONE and _runs(run) else state,
        number=told.number,
        rounds=told.rounds,
        picked=tuple(item.id for item in picked),
        missing=missing,
        model=told.model,
        metrics=told.metrics,
        note=note,
    )


def _runs(run: RunFolder) -> bool:
    """Whether another process advances these rounds."""
    lock = run.lock()
    try:
        lock.acquire()
    except RunLocked:
        return True
    lock.release()
    return False
