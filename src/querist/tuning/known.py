"""What is known before a study begins: earlier studies, and plain observations."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from querist.core.errors import ConfigError
from querist.store.run_folder import RunFolder
from querist.tuning.evidence import Evidence, Journal, from_elsewhere
from querist.tuning.trial import Problem, Trial

FAILURE = "failure"
COST = "cost"


def known_trials(path: Path, problem: Problem, cost: str = "") -> tuple[list[Trial], int]:
    """Trials of an earlier run's folder, or of a CSV, JSON or JSON Lines file.

    A row has a column for each setting and each output; a column ``failure`` that is not empty
    says why a run gave nothing. What lies outside of the space is left out.

    Args:
        path: The file or folder.
        problem: What is searched.
        cost: The column that is a run's cost; "" for ``cost``, or else ``seconds``.

    Returns:
        The trials, and how many were left out.

    Raises:
        ConfigError: If it cannot be read, or no row can be used.
    """
    if path.is_dir():
        return run_trials(path, problem, cost)
    rows = list(_rows(path))
    found: list[Trial] = []
    for row in rows:
        trial = _trial(row, problem, cost, path.name)
        if trial is not None:
            found.append(trial)
    if not found:
        raise ConfigError(
            f"{path}: none of its {len(rows)} rows lies in the space; a row has a value for each "
            f"of {', '.join(problem.space.settings)}, and for {', '.join(problem.wanted)}."
        )
    return found, len(rows) - len(found)


def require_same_units(path: Path, units: Mapping[str, str]) -> None:
    """See that an earlier run, where it is one, does not say other units than these.

    Raises:
        ConfigError: If it does: its numbers would be taken for those of this study.
    """
    if not (path / "manifest.json").exists():
        return
    before = RunFolder(path).config()["settings"].get("units") or {}
    other = tuple(
        f"{name}: {before[name]} there, {units[name]} here"
        for name in sorted(set(before) & set(units))
        if before[name] != units[name]
    )
    if other:
        raise ConfigError(f"start: the run in {path} has other units than this study:", other)


def run_trials(path: Path, problem: Problem, cost: str = "") -> tuple[list[Trial], int]:
    """Trials that the journal of a run holds, and those that it began with."""
    folder = RunFolder(path)
    journal = Journal(folder.path, Evidence(problem, cost))
    found = [from_elsewhere(trial, folder.path.name) for trial in journal.news()]
    strange = journal.evidence.strange
    for told in _elsewhere(folder):
        trial = Trial.of(told)
        try:
            own = problem.space.own(trial.settings)
        except ConfigError:
            strange += 1
            continue
        outputs, origin = trial.outputs, trial.origin
        found.append(problem.judged(Trial(own, outputs, trial.cost, trial.failure, origin)))
    if not found:
        raise ConfigError(f"{path}: no run in it is of the same settings; nothing can be taken.")
    return found, strange


def _elsewhere(folder: RunFolder) -> list[dict[str, Any]]:
    generators = folder.config()["settings"].get("generators", [])
    found: list[dict[str, Any]] = []
    for role in generators:
        found += (role.get("options") or {}).get("known", [])
    return found


def _rows(path: Path) -> Iterator[Mapping[str, Any]]:
    try:
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".csv":
            yield from csv.DictReader(text.splitlines())
        elif path.suffix == ".json":
            told = json.loads(text)
            yield from (told if isinstance(told, list) else [told])
        else:
            yield from (json.loads(line) for line in text.splitlines() if line.strip())
    except OSError as error:
        raise ConfigError(f"start: {path} cannot be read: {error.strerror}.") from error
    except (ValueError, csv.Error) as error:
        raise ConfigError(
            f"start: {path} holds no observations: {error}. It is a CSV file with a head, a JSON "
            "list, JSON Lines, or the folder of a run."
        ) from error


def _trial(row: Mapping[str, Any], problem: Problem, cost: str, origin: str) -> Trial | None:
    if not isinstance(row, Mapping):
        raise ConfigError(f"start: {origin}: a row is a mapping of names to values, got {row!r}.")
    flat = {**row, **(row.get("settings") or {}), **(row.get("outputs") or {})}
    try:
        values = problem.space.own({n: v for n, v in flat.items() if v not in ("", None)})
    except ConfigError:
        return None
    names = set(flat) - set(problem.space.settings) - {FAILURE, "settings", "outputs"}
    outputs = {n: number for n in names if (number := _number(flat[n])) is not None}
    spent = outputs.get(cost or COST, outputs.get("seconds"))
    failure = str(flat.get(FAILURE) or "")
    return problem.judged(Trial(values, {} if failure else outputs, spent, failure, origin))


def _number(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None
