"""Rounds of a pool: scan, select, label, train, and again; durable, and resumed at any point.

``POOL/rounds/ID`` is a run's folder. What was picked and what was trained are facts in its journal;
a query is a folder of its own and labels are in the pool. So a process may die anywhere, and who
calls :func:`advance_rounds` next goes on from what is there.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from querist.core.errors import ConfigError, QueristError
from querist.core.tasks import resolve
from querist.models.inference import open_inference
from querist.pool.choosing import choose_model
from querist.pool.errors import PoolError
from querist.pool.guessing import guess_transform
from querist.pool.items import Item
from querist.pool.pool import Pool
from querist.pool.query import query_picks, run_query, start_query
from querist.pool.rounds_oracles import LabelService, LabelsFile, Person, RoundOracle
from querist.sources.transforms.opening import open_transform
from querist.store.run_folder import RunFolder, new_run_id

FOLDER = "rounds"
TRAINER = "querist.models.trainers.linear_head:train_linear_head"
CHUNK = 256


class RoundsSettings(BaseModel):
    """What the rounds of a pool are.

    Attributes:
        rounds: How many.
        budget: Items picked in each.
        model: Settings of the model whose features are learned on; None for built-in ones.
        strategy: Of all rounds but the first; None for the one that fits the model.
        start: Of the first round, when nothing is trained yet.
        oracle: "person", "file" or "service".
        labels: The file, or the address of the service.
        trainer: Import path of a function of ``(embeddings, labels, classes, base, file)`` that
            writes a model and gives ``settings`` to open it and ``metrics``.
        seed: Of the queries.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    rounds: int = Field(ge=1)
    budget: int = Field(ge=1)
    model: dict[str, Any] | None = None
    strategy: str | None = None
    start: str | None = None
    oracle: Literal["person", "file", "service"] = "person"
    labels: str = ""
    trainer: str = TRAINER
    seed: int = Field(default=0, ge=0)


class RoundsStatus(NamedTuple):
    """How far the rounds are.

    Attributes:
        id: Of the rounds.
        state: "labelling" (labels are awaited), "running", or "done".
        number: The present round, from 1.
        picked, missing: Items that it asks about, and those of them without an answer.
        model: Settings of the newest model; None before there is one.
        metrics: Of each training, in order.
    """

    id: str
    state: str
    number: int
    picked: tuple[str, ...]
    missing: tuple[str, ...]
    model: Mapping[str, Any] | None
    metrics: tuple[Mapping[str, float], ...]


def start_rounds(
    pool: Pool, settings: RoundsSettings | Mapping[str, Any], id: str | None = None
) -> Path:
    """Make the folder of new rounds; nothing runs yet.

    Raises:
        ConfigError: If the settings cannot be used.
        RunExists: If there are rounds of this id.
    """
    checked = _parsed(settings)
    oracle_of(checked)
    try:
        resolve(checked.trainer)
    except QueristError as error:
        raise ConfigError(f"trainer: {error}") from error
    folder = pool.folder / FOLDER / (id or new_run_id())
    folder.parent.mkdir(exist_ok=True)
    told = {"kind": "rounds", "settings": checked.model_dump(mode="json")}
    RunFolder.create(folder, told, seeds={"seed": checked.seed}, run_id=folder.name)
    return folder


def play(pool: Pool, id: str, settings: Mapping[str, Any]) -> RoundsStatus:
    """Begin rounds unless there are some of this id, and advance them.

    Raises:
        ConfigError: If they are there and other settings are given.
    """
    folder = pool.folder / FOLDER / id
    if not (folder / "manifest.json").is_file():
        start_rounds(pool, settings, id)
    elif settings and _parsed(settings) != _parsed(RunFolder(folder).config()["settings"]):
        raise ConfigError(f"the rounds {id} were begun with other settings; leave them out.")
    return advance_rounds(pool, folder)


def _parsed(settings: RoundsSettings | Mapping[str, Any]) -> RoundsSettings:
    if isinstance(settings, RoundsSettings):
        return settings
    try:
        return RoundsSettings.model_validate(dict(settings))
    except ValidationError as error:
        problems = tuple(f"{'.'.join(map(str, e['loc']))}: {e['msg']}." for e in error.errors())
        raise ConfigError("these rounds cannot be used:", problems) from error


def oracle_of(settings: RoundsSettings) -> RoundOracle:
    """Who labels.

    Raises:
        ConfigError: If the file or the address is missing.
    """
    if settings.oracle == "person":
        return Person()
    if not settings.labels:
        raise ConfigError(f"labels: is needed by oracle: {settings.oracle}.")
    return (
        LabelsFile(settings.labels) if settings.oracle == "file" else LabelService(settings.labels)
    )


class _Told:
    """What the journal of some rounds says: each round's query, and what was trained after it."""

    def __init__(self, run: RunFolder) -> None:
        self.queries: list[str] = []
        self.trained: list[Mapping[str, Any]] = []
        for record in run.journal_reader().read_new():
            if record.kind == "round.picked":
                self.queries.append(str(record.data["query"]))
            elif record.kind == "round.trained":
                self.trained.append(dict(record.data))

    @property
    def model(self) -> Mapping[str, Any] | None:
        return self.trained[-1]["model"] if self.trained else None


def rounds_status(pool: Pool, folder: Path | str) -> RoundsStatus:
    """How far some rounds are; cheap."""
    run = RunFolder(folder)
    settings, told = _parsed(run.config()["settings"]), _Told(run)
    picked = _picked(pool, told.queries[-1]) if told.queries else []
    over = len(told.trained) >= len(told.queries)
    missing = () if over else tuple(item.id for item in picked if not _answered(item))
    state = "labelling" if missing else "running"
    if over and len(told.trained) >= settings.rounds:
        state = "done"
    number = min(settings.rounds, max(1, len(told.queries)))
    ids = tuple(item.id for item in picked)
    metrics = tuple(one["metrics"] for one in told.trained)
    return RoundsStatus(run.run_id, state, number, ids, missing, told.model, metrics)


def _picked(pool: Pool, query: str) -> list[Item]:
    rows = [pick.row for pick in query_picks(pool.folder / "queries" / query)]
    return pool.fetch(np.array(rows, np.int64))


def _answered(item: Item) -> bool:
    """Whether there is a label, or someone could not give one."""
    return item.label is not None or item.state == "skipped"


def advance_rounds(
    pool: Pool, folder: Path | str, should_stop: Callable[[], bool] = lambda: False
) -> RoundsStatus:
    """Do all that can be done now; returns when labels are awaited, or all rounds are over.

    Raises:
        RunLocked: If another process advances them.
        QueryFailed: If a query cannot be answered.
        PoolError: If there is nothing to train on.
    """
    run = RunFolder(folder)
    settings = _parsed(run.config()["settings"])
    oracle = oracle_of(settings)
    with run.lock():
        while not should_stop():
            told = _Told(run)
            if len(told.queries) > len(told.trained):
                if not _labelled(pool, told.queries[-1], oracle):
                    break
                _train(pool, run, settings, len(told.queries))
            elif len(told.trained) < settings.rounds:
                _pick(pool, run, settings, told, should_stop)
            else:
                break
    return rounds_status(pool, folder)


def _pick(
    pool: Pool,
    run: RunFolder,
    settings: RoundsSettings,
    told: _Told,
    should_stop: Callable[[], bool],
) -> None:
    number = len(told.queries) + 1
    query = pool.folder / "queries" / f"{run.run_id}-{number}"
    if not (query / "manifest.json").is_file():
        first = told.model is None
        asked = {
            "model": settings.model if first else dict(told.model or {}),
            "strategy": settings.start if first else settings.strategy,
            "budget": settings.budget,
            "seed": settings.seed + number,
            "note": f"round {number} of {run.run_id}",
        }
        start_query(pool, {k: v for k, v in asked.items() if v is not None}, query.name)
    run_query(query, should_stop=should_stop)
    _record(run, "round.picked", {"round": number, "query": query.name})


def _labelled(pool: Pool, query: str, oracle: RoundOracle) -> bool:
    """Ask the oracle about what has no label; whether there is nothing left to ask."""
    missing = [item for item in _picked(pool, query) if not _answered(item)]
    if not missing:
        return True
    labels = oracle.answer(missing)
    if labels:
        pool.label(labels, by=type(oracle).__name__)
    return len(labels) == len(missing)


def _train(pool: Pool, run: RunFolder, settings: RoundsSettings, number: int) -> None:
    labels = [one for one in pool.labels() if isinstance(one.value, str)]
    if not labels:
        raise PoolError("no picked item has a class as its label, so there is nothing to train on.")
    transform = open_transform(guess_transform(pool))
    base = choose_model(settings.model, transform.modality)
    rows = np.array([one.row for one in labels], np.int64)
    embeddings = embeddings_of(pool, rows, base)
    file = run.path / "models" / f"round-{number}.safetensors"
    file.parent.mkdir(exist_ok=True)
    values = [one.value for one in labels]
    trained = resolve(settings.trainer)(embeddings, values, pool.classes, base, file)
    metrics = {name: float(value) for name, value in trained.metrics.items()}
    data = {"round": number, "model": dict(trained.settings), "labels": len(labels)}
    _record(run, "round.trained", {**data, "metrics": metrics})


def embeddings_of(
    pool: Pool, rows: NDArray[np.int64], model: Mapping[str, Any]
) -> NDArray[np.float32]:
    """``(n, d)`` features of items by a model.

    Raises:
        ConfigError: If the model gives none.
    """
    transform, inference = open_transform(guess_transform(pool)), open_inference(model)
    try:
        if "embeddings" not in inference.provides:
            raise ConfigError("rounds learn on embeddings, but this model gives none.")
        parts = []
        for start in range(0, len(rows), CHUNK):
            items = {item.row: item for item in pool.fetch(rows[start : start + CHUNK])}
            part = rows[start : start + CHUNK].tolist()
            batch = transform.stack([transform.decode(_data(pool, items[row])) for row in part])
            parts.append(inference.infer(batch, frozenset({"embeddings"}))["embeddings"])
        return np.concatenate(parts)
    finally:
        inference.close()


def _data(pool: Pool, item: Item) -> bytes:
    if item.inline is None:
        return pool.sources.read(item.uri)
    inline = item.inline
    if isinstance(inline, str):
        return inline.encode()
    import json

    return json.dumps(inline).encode()


def _record(run: RunFolder, kind: str, data: Mapping[str, Any]) -> None:
    writer = run.journal_writer()
    try:
        writer.append(kind, {"t": 0.0, "wall": time.time(), **data}, {})
        writer.flush()
    finally:
        writer.close()
