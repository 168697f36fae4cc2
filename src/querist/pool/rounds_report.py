"""Rounds seen as a campaign: its generator is the pool, its oracle a person, a file, or a service.

The journal of rounds holds picks and trainings; who answered what, and when, stands in the pool.
Put together in the words of a campaign's journal, they give the same summary and report.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from querist.accounting.report import write_report
from querist.accounting.summary import Summary, SummaryBuilder
from querist.core.batch import Array
from querist.pool.items import Event
from querist.pool.pool import Pool
from querist.pool.query import query_picks
from querist.pool.rounds_state import (
    PICKED,
    QUERIES,
    TRAINED,
    rounds_settings,
    rounds_status,
)
from querist.pool.rounds_status import DONE
from querist.store.run_folder import RunFolder

UNKNOWN = ("workers", "cost", "uncertainty")  # queries tell of workers, and people of no cost
_ON = {"holdout.": "holdout", "validation.": "recent"}


class Told(NamedTuple):
    """A fact in the words of a campaign."""

    seq: int
    kind: str
    data: Mapping[str, Any]
    arrays: Mapping[str, Array] = {}


def summary_of_rounds(folder: Path | str) -> Summary:
    """The summary of rounds, also while they go on."""
    run = RunFolder(folder)
    builder = SummaryBuilder(run.run_id)
    with Pool.open(run.path.parent.parent) as pool:
        facts = sorted(_facts(pool, run), key=lambda fact: fact[0])
        status = rounds_status(pool, folder)
    if status.state == DONE and facts:
        said = {"status": "finished", "reason": status.note or "all rounds are over"}
        facts.append((facts[-1][0], "run.ended", said))
    begun = facts[0][0] if facts else 0.0
    for number, (wall, kind, data) in enumerate(facts, 1):
        builder.add(Told(number, kind, {"t": max(0.0, wall - begun), "wall": wall, **data}))
    return builder.build()


def report_of_rounds(folder: Path | str, path: Path | str | None = None) -> Path:
    """Write the HTML report of rounds."""
    run = RunFolder(folder)
    target = Path(path) if path is not None else run.path / "report.html"
    settings = rounds_settings(run).model_dump(mode="json")
    shown = {"Configuration": settings}
    return write_report(summary_of_rounds(folder), target, {}, shown, without=UNKNOWN)


_Fact = tuple[float, str, dict[str, Any]]


def _facts(pool: Pool, run: RunFolder) -> Iterator[_Fact]:
    settings = rounds_settings(run)
    labels = 0
    for record in run.journal_reader().read_new():
        data, wall = record.data, float(record.data["wall"])
        number = int(data.get("round", 0))
        if record.seq == 1:
            engine = settings.engine.get("kind", "inline")
            yield wall, "run.started", {"run": run.run_id, "engine": engine, "epoch": 1}
        if record.kind == PICKED:
            folder = pool.folder / QUERIES / str(data["query"])
            answers = list(_asked(pool, folder, "train" if number else "holdout", wall))
            for _, kind, said in answers:
                said["oracle"] = settings.oracle
                labels += kind == "answer.label"
            yield from answers
        elif record.kind == TRAINED:
            if number == 0:  # what was labelled before the rounds
                labels += int(data["labels"])
                yield wall, "labels.imported", {"count": data["labels"], "purpose": "train"}
            yield from _trained(number, data, wall, labels)


def _asked(pool: Pool, folder: Path, purpose: str, wall: float) -> Iterator[_Fact]:
    """The questions of one round, and their answers."""
    strategy = ""
    for pick in query_picks(folder):
        strategy = strategy or pick.why.partition(" ")[0]
        why = strategy if purpose == "train" else "drawn at random"
        about = {"question": pick.id, "purpose": purpose, "sample": pick.id}
        yield wall, "question.asked", {**about, "why": why}
        said = _last(pool.history(pick.id))
        if said is not None:
            kind = "answer.label" if said.kind == "label" else "answer.abstention"
            origin = "person" if said.annotator not in ("", "service") else said.annotator
            yield max(said.at, wall), kind, {**about, "origin": origin or "file"}


def _last(events: list[Event]) -> Event | None:
    said = [event for event in events if event.kind in ("label", "skip")]
    return said[-1] if said else None


def _trained(number: int, data: Mapping[str, Any], wall: float, labels: int) -> Iterator[_Fact]:
    metrics: Mapping[str, float] = data["metrics"]
    if data["model"] is None:
        return
    said = {
        "version": number,
        "dataset": labels,
        "train": data["labels"],
        "why": f"round {number}",
        "digest": str(data["model"].get("weights", "")),
        "metrics": {n: v for n, v in metrics.items() if n.startswith("train.")},
    }
    yield wall, "model.published", said
    for prefix, on in _ON.items():
        found = {
            name.removeprefix(prefix): value
            for name, value in metrics.items()
            if name.startswith(prefix)
        }
        count = int(found.pop("rows", 0))
        if found:
            evaluated = {"version": number, "on": on, "n": count, "metrics": found}
            yield wall, "model.evaluated", evaluated
            return
