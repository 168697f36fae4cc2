"""The last task of a query: of all candidates, the best."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from querist.core.batch import Array
from querist.core.errors import QueristError, RoleFailed
from querist.pool.query_listing import budget_of, part_rows
from querist.pool.query_result import result_digest
from querist.pool.query_state import CANDIDATES, CHUNK
from querist.pool.rounds_seen import SAMPLE
from querist.pool.scan.outputs import outputs_path, read_rows
from querist.pool.scan.place import Place
from querist.pool.scan.scoring import fixed_data
from querist.pool.scan.seen import NEED, read_seen
from querist.store.pages import by_digest
from querist.strategies.needs import NEEDS
from querist.strategies.ranking import highest, tie_keys
from querist.strategies.rows import Rows, rows_of


class Scanned(NamedTuple):
    """What the journal holds of the candidates.

    Attributes:
        good: ``(n,)`` which can be picked.
        arrays: ``(n, ...)`` what chunks recorded, by name.
        notes: What a person should know.
        counts: How many of the candidates were scored and failed.
        batch: Items in a call of the model.
    """

    good: NDArray[np.bool_]
    arrays: dict[str, Array]
    notes: tuple[str, ...]
    counts: dict[str, int]


def select(place: Place) -> dict[str, Any]:
    """Pick; what is returned is recorded.

    Raises:
        RoleFailed: If the strategy refuses what it is given.
    """
    rows = part_rows(place.run.path, CANDIDATES)
    scanned = collected(place, len(rows))
    copies = _copies(place, rows)
    scanned.good[copies] = False
    budget, wanted = budget_of(place.settings, len(rows)), int(scanned.good.sum())
    notes = list(scanned.notes)
    if budget > wanted:
        notes.append(f"only {wanted:,} of the {len(rows):,} candidates can be picked.")
    picked, scores, extras = _picked(place, scanned, min(budget, wanted))
    chosen = np.array(rows[picked])
    _remember(place, rows, scanned)
    return {
        "count": len(picked),
        "counts": {
            "candidates": len(rows),
            **scanned.counts,
            "copies": int(copies.sum()),
            "picked": len(picked),
        },
        "strategy": place.settings.strategy,
        "classes": list(place.classes or place.pool.classes) if scanned.arrays else [],
        "digest": result_digest(chosen, scores),
        "notes": notes,
        "arrays": {
            "rows": chosen,
            "scores": scores,
            **{n: a[picked] for n, a in scanned.arrays.items() if n != "scores"},
            **{f"extra.{name}": values for name, values in extras.items()},
        },
    }


def _seen_as(place: Place, need: str) -> str:
    """What values are: those of a model that was shown the items in one way."""
    return f"{need} of {by_digest(place.transform.digest, place.digest_of(need))}"


def _remember(place: Place, rows: NDArray[np.int64], scanned: Scanned) -> None:
    """Keep a sample of what this query saw, embeddings rather than scores, to measure drift by."""
    positions = np.flatnonzero(scanned.good)
    if len(positions) > SAMPLE:
        chosen = np.random.default_rng(0).choice(len(positions), SAMPLE, replace=False)
        positions = positions[np.sort(chosen)]
    part, need = place.needs.names.get("embeddings", ("", ""))
    if part == CANDIDATES:
        stored = read_rows(outputs_path(place.run.path, part, need))
        values, of = np.asarray(stored[positions], np.float64), _seen_as(place, need)
    elif (seen := read_seen(place, len(rows))) is not None:
        positions, need = seen.positions, NEED
        values, of = np.asarray(seen.values, np.float64), _seen_as(place, need)
    elif "scores" in scanned.arrays:
        values = scanned.arrays["scores"][positions].astype(np.float64)
        options = json.dumps(place.settings.options, sort_keys=True) * bool(place.settings.options)
        of = f"{_seen_as(place, 'scores')} by {place.settings.strategy}{options}"
    else:
        return
    good = np.isfinite(values.reshape(len(values), -1)).all(axis=1)
    place.pool.remember_round(place.run.run_id, rows[positions[good]], values[good], of)


def collected(place: Place, count: int) -> Scanned:
    """Fold the journal's chunks of candidates."""
    good = np.ones(count, np.bool_)
    if CANDIDATES in place.needs.scanned:
        good[:] = False
    arrays, notes, failed, changed = dict[str, Array](), dict[str, None](), 0, 0
    for record in place.run.journal_reader():
        data = record.data
        if record.kind != CHUNK or data["part"] != CANDIDATES:
            continue
        where = slice(data["start"], data["stop"])
        good[where] = True
        for position, _, _ in data.get("failures", []):
            good[position] = False
        for name, values in record.arrays.items():
            if name not in arrays:
                arrays[name] = np.zeros((count, *values.shape[1:]), values.dtype)
            arrays[name][where] = values
        notes.update(dict.fromkeys(data.get("notes", [])))
    scored = int(good.sum())
    failed = count - scored
    for record in place.run.journal_reader():
        if record.kind == CHUNK:
            changed += int(record.data["counts"].get("changed", 0))
    if changed:
        notes[
            f"{changed:,} items changed since they were added; add them again so that their "
            "versions are known."
        ] = None
    return Scanned(good, arrays, tuple(notes), {"scored": scored, "failed": failed})


def _copies(place: Place, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Candidates that turned out to be copies of an earlier item, unless copies were asked for."""
    if "duplicate" in json.dumps(place.settings.where):
        return np.zeros(len(rows), np.bool_)
    found = list(place.pool.rows("duplicate"))
    copies: NDArray[np.bool_] = (
        np.isin(rows, np.concatenate(found)) if found else np.zeros(len(rows), np.bool_)
    )
    return copies


def _picked(
    place: Place, scanned: Scanned, budget: int
) -> tuple[NDArray[np.int64], NDArray[np.float64], dict[str, Any]]:
    """Positions of the candidates that are picked, their scores, and what else a method gives."""
    if budget < 1:
        raise RoleFailed("No candidate can be picked: all of them are broken or copies.")
    seed = place.settings.seed
    if place.strategy.pointwise:
        return (*_ranked(scanned, budget, seed), {})
    positions = np.flatnonzero(scanned.good)
    try:
        selection = place.strategy(
            budget, rng=seed, **_data(place, positions), **place.settings.options
        )
    except QueristError as error:
        raise RoleFailed(f"The strategy {place.settings.strategy!r} refused: {error}") from error
    return positions[selection.indices], selection.scores, dict(selection.extras)


def _ranked(
    scanned: Scanned, budget: int, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    tie = int(np.random.default_rng(seed).integers(2**62))  # as strategies draw it
    positions: NDArray[np.int64] = np.flatnonzero(scanned.good)
    scores: NDArray[np.float64] = scanned.arrays["scores"][positions].astype(np.float64)
    if budget < len(positions):
        kept = highest(scores, positions, budget, tie)
        positions, scores = positions[kept], scores[kept]
    order = np.lexsort((tie_keys(positions, tie), -scores))
    return positions[order], scores[order]


def _data(place: Place, positions: NDArray[np.int64]) -> dict[str, Any]:
    """What a batchwise strategy needs, as rows that are read in blocks."""
    folder = place.run.path
    found: dict[str, Any] = fixed_data(place)
    for name, (part, need) in place.needs.names.items():
        if part == CANDIDATES:
            found[name] = _rows(name, read_rows(outputs_path(folder, part, need)), positions)
    if "items" in place.strategy.needs:
        found["items"] = np.broadcast_to(np.zeros(1, np.int8), (len(positions), 1))
    if place.needs.costs:
        found["costs"] = np.array(part_rows(folder, "costs")[positions])
    return found


def _rows(name: str, stored: NDArray[Any], positions: NDArray[np.int64]) -> Rows:
    rows = rows_of(name, NEEDS[name], stored)
    if len(positions) == len(stored):
        return rows
    rows._checked = True  # each chunk was checked, and rows that failed are left out here
    return rows.subset(positions)
