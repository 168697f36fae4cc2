"""A finite set of candidates as a space: its points, and no others, may be tried."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from querist.core.errors import ConfigError
from querist.tuning.space import Floats, Space, Value, Values

CATEGORIES = 50  # more different texts in a column are names, and no setting


@dataclass(frozen=True)
class CandidateSpace(Space):
    """A space of which only some points exist.

    Attributes:
        points: They.
    """

    points: tuple[Values, ...] = ()
    _known: dict[str, Floats] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def holding(cls, space: Space, rows: Sequence[Mapping[str, Any]]) -> CandidateSpace:
        """The points of a space that rows name; further columns are left out, and repetitions.

        Raises:
            ConfigError: If a row is no point of the space.
        """
        found = {space.key(values): values for values in map(space.own, rows)}
        return cls(space.settings, tuple(found.values()))

    @property
    def size(self) -> float:
        """How many candidates there are."""
        return len(self.points)

    @cached_property
    def _keys(self) -> frozenset[str]:
        return frozenset(map(self.key, self.points))

    @cached_property
    def _places(self) -> Floats:
        return np.array([self.places(values) for values in self.points])

    def own(self, values: Mapping[str, Any]) -> dict[str, Value]:
        """The candidate in this space's types.

        Raises:
            ConfigError: If it is no candidate.
        """
        found = super().own(values)
        if self.key(found) not in self._keys:
            raise ConfigError(f"{dict(found)} is none of the {len(self.points)} candidates.")
        return found

    def point(self, places: Sequence[float] | Floats) -> dict[str, Value]:
        """The candidate nearest to ``(d,)`` coordinates in the unit cube."""
        away = self._places - np.asarray(places, float)
        return dict(self.points[int((away**2).sum(axis=1).argmin())])

    def features(self, points: Sequence[Values]) -> Floats:
        """``(n, f)`` features; those of a candidate are computed once."""
        known, rows = self._known, []
        for values in points:
            key = self.key(values)
            if key not in known:
                known[key] = super().features([values])[0]
            rows.append(known[key])
        return np.array(rows) if rows else super().features([])

    def all(self) -> Iterator[dict[str, Value]]:
        """Every candidate."""
        yield from map(dict, self.points)

    grid = all


def read_candidates(path: Path) -> list[dict[str, Any]]:
    """Rows of a CSV file with a head, a JSON list or JSON Lines.

    Raises:
        ConfigError: If it cannot be read or is empty.
    """
    try:
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".csv":
            rows: list[Any] = list(csv.DictReader(text.splitlines()))
        elif path.suffix == ".json":
            rows = json.loads(text)
        else:
            rows = [json.loads(line) for line in text.splitlines() if line.strip()]
    except OSError as error:
        raise ConfigError(f"candidates: {path} cannot be read: {error.strerror}.") from error
    except (ValueError, csv.Error) as error:
        raise ConfigError(f"candidates: {path} holds no table: {error}.") from error
    if not rows or not all(isinstance(row, dict) for row in rows):
        raise ConfigError(f"candidates: {path} wants rows with a value for each name; has none.")
    return rows


def space_of(rows: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Settings that hold all rows: numbers as ranges, texts as choices; constants are left out.

    Raises:
        ConfigError: If rows differ in names, or a column seems to hold names.
    """
    names = list(rows[0])
    if any(list(row) != names for row in rows):
        raise ConfigError(f"candidates: every row names {names}, in this order.")
    found = {name: _setting(name, [row[name] for row in rows]) for name in names}
    return {name: setting for name, setting in found.items() if setting is not None}


def _setting(name: str, values: Sequence[Any]) -> dict[str, Any] | None:
    texts = list(dict.fromkeys(values))
    if len(texts) < 2:
        return None
    try:
        numbers = [float(value) for value in texts]
    except (TypeError, ValueError):
        if len(texts) > CATEGORIES:
            raise ConfigError(
                f"candidates: the column {name!r} has {len(texts)} different texts; say in space "
                "which columns describe a candidate, such as space: {x: {real: [0, 1]}}."
            ) from None
        return {"choice": texts}
    whole = all(float(number).is_integer() for number in numbers)
    return {"integer" if whole else "real": [min(numbers), max(numbers)]}


def plain_points(space: Space) -> list[dict[str, Value]] | None:
    """The candidates of a space as JSON-able data; None where every point exists."""
    return list(map(dict, space.points)) if isinstance(space, CandidateSpace) else None
